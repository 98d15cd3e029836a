//go:build !linux

package main

import "errors"

func mountSmall(string, string) error { return errors.ErrUnsupported }

func unmount(string) error { return nil }

func isFull(error) bool { return false }

func writeBack() {}

func memory() int64 { return 0 }
