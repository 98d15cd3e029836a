//go:build !linux

package pglocal

import (
	"context"
	"fmt"
	"os/exec"
)

// A Server exists on Linux only; here all functions fail with ErrAbsent.
type Server struct{}

func errOther() error {
	return fmt.Errorf("%w: pglocal needs Linux, which ends a child process with its parent", ErrAbsent)
}

// Start returns ErrAbsent.
func Start(context.Context, Config) (*Server, error) { return nil, errOther() }

// Open returns ErrAbsent.
func Open(context.Context, string, Config) (*Server, error) { return nil, errOther() }

// Command returns a command of this process's account.
func (*Server) Command(ctx context.Context, name string, arguments ...string) *exec.Cmd {
	return exec.CommandContext(ctx, name, arguments...)
}

// Standby returns ErrAbsent.
func (*Server) Standby(context.Context, Config) (*Server, error) { return nil, errOther() }

// Run returns ErrAbsent.
func (*Server) Run(context.Context) error { return errOther() }

// DSN returns "".
func (*Server) DSN(string) string { return "" }

// Address returns "".
func (*Server) Address() string { return "" }

// Programs returns "".
func (*Server) Programs() string { return "" }

// Data returns "".
func (*Server) Data() string { return "" }

// Kill returns ErrAbsent.
func (*Server) Kill() error { return errOther() }

// Stop returns ErrAbsent.
func (*Server) Stop() error { return errOther() }

// Remove does nothing.
func (*Server) Remove() error { return nil }
