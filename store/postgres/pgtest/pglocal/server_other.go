//go:build !linux

package pglocal

import (
	"context"
	"fmt"
	"os/exec"
)

// A Server is a PostgreSQL that runs for as long as this process does.
type Server struct{}

func errOther() error {
	return fmt.Errorf("%w: only Linux ends a child with its parent, so local binaries are used there only", ErrAbsent)
}

// Start says that there is none: it would leave a server behind.
func Start(context.Context, Config) (*Server, error) { return nil, errOther() }

// Open says that there is none.
func Open(context.Context, string, Config) (*Server, error) { return nil, errOther() }

// Command is one that cannot be run here.
func (*Server) Command(ctx context.Context, name string, arguments ...string) *exec.Cmd {
	return exec.CommandContext(ctx, name, arguments...)
}

// Standby says that there is none.
func (*Server) Standby(context.Context, Config) (*Server, error) { return nil, errOther() }

// Run says that there is none.
func (*Server) Run(context.Context) error { return errOther() }

// DSN names nothing.
func (*Server) DSN(string) string { return "" }

// Address is nowhere.
func (*Server) Address() string { return "" }

// Programs are nowhere.
func (*Server) Programs() string { return "" }

// Data is nowhere.
func (*Server) Data() string { return "" }

// Kill has nothing to end.
func (*Server) Kill() error { return errOther() }

// Stop has nothing to end.
func (*Server) Stop() error { return errOther() }

// Remove has nothing to remove.
func (*Server) Remove() error { return nil }
