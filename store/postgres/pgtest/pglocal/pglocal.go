// Package pglocal runs PostgreSQL from the binaries on this machine: for tests, through pgtest, and for experiments with
// failures. A server ends with the process that started it.
//
//	server, err := pglocal.Start(ctx, pglocal.Config{TCP: true})
//	standby, err := server.Standby(ctx, pglocal.Config{TCP: true})
package pglocal

import "errors"

// ErrAbsent says that there is no PostgreSQL on this machine that can be run.
var ErrAbsent = errors.New("not there")

// Config says how a server is run.
type Config struct {
	Folders  []string // where its data may be kept: the first one that can be written to, else the folder for temporary files
	Settings []string // such as "fsync=off"
	TCP      bool     // also listen on a free port of 127.0.0.1
}
