package main

import (
	"errors"
	"syscall"
)

// mountSmall mounts a tmpfs file system of a size such as "24m". It needs root privileges.
func mountSmall(folder, size string) error {
	return syscall.Mount("tmpfs", folder, "tmpfs", 0, "size="+size)
}

func unmount(folder string) error { return syscall.Unmount(folder, 0) }

func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) }

// writeBack flushes the page cache to disk, so that the writes do not disturb the measurement.
func writeBack() { syscall.Sync() }

// memory returns the memory of the machine in bytes, or 0 if it is unknown.
func memory() int64 {
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err != nil {
		return 0
	}
	return int64(info.Totalram) * int64(info.Unit)
}
