// Package pglocal starts the PostgreSQL binaries of this machine, for tests and for experiments with failures. A server
// stops when the process that started it ends. It works on Linux only.
//
//	server, err := pglocal.Start(ctx, pglocal.Config{TCP: true})
//	if err != nil {
//		return err
//	}
//	standby, err := server.Standby(ctx, pglocal.Config{TCP: true})
package pglocal

import "errors"

// ErrAbsent means that this machine has no PostgreSQL binaries that this process can run.
var ErrAbsent = errors.New("no usable PostgreSQL on this machine")

// Config configures a server.
type Config struct {
	// for the data: the first one that is writable, else os.TempDir()
	Folders  []string
	Settings []string // for example "fsync=off"
	TCP      bool     // also listen on a free port of 127.0.0.1
}
