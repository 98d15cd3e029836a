package main

import (
	"errors"
	"syscall"
)

// mountSmall mounts a file system in memory, which only root may.
func mountSmall(folder, size string) error {
	return syscall.Mount("tmpfs", folder, "tmpfs", 0, "size="+size)
}

func unmount(folder string) error { return syscall.Unmount(folder, 0) }

func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) }

// writeBack has everything written to the disks that was not made durable, so that it does not disturb what is measured.
func writeBack() { syscall.Sync() }

// memory is how many bytes the machine has, 0 if it does not say.
func memory() int64 {
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err != nil {
		return 0
	}
	return int64(info.Totalram) * int64(info.Unit)
}
