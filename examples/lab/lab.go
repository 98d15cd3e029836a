package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

// A lab runs one experiment. It holds what it started and the checks that failed.
type lab struct {
	config  cli
	folder  string
	program string // the bundled server, built from this module
	kek     string // the key-encryption key, the same on all servers
	closers []func() error
	failed  []string
	skipped []string
}

func newLab(ctx context.Context, config cli) (*lab, error) {
	folder, err := os.MkdirTemp("", "spendwise-lab-*")
	if err != nil {
		return nil, err
	}
	l := &lab{config: config, folder: folder, program: filepath.Join(folder, "spendwise"), kek: newKEK()}
	fmt.Printf("%s, %d cores, %s\n", time.Now().Format(time.DateOnly), runtime.NumCPU(), runtime.Version())
	l.say("building the server")
	const server = "github.com/spendwise/spendwise/httpapi/cmd/spendwise"
	build := exec.CommandContext(ctx, "go", "build", "-o", l.program, server)
	if out, err := build.CombinedOutput(); err != nil {
		err = fmt.Errorf("build the server (run the lab in a checkout of the module): %w: %s", err, out)
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	return l, nil
}

// say prints a progress message to standard error.
func (l *lab) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s  "+format+"\n", append([]any{time.Now().Format(time.TimeOnly)}, args...)...)
}

// check prints a check and records it if it failed.
func (l *lab) check(ok bool, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if ok {
		fmt.Println("  ok    " + text)
		return
	}
	fmt.Println("  FAIL  " + text)
	l.failed = append(l.failed, text)
}

// skip records a check that this machine does not support. With --complete it is a failure.
func (l *lab) skip(format string, args ...any) {
	if l.config.Complete {
		l.check(false, format, args...)
		return
	}
	l.skipped = append(l.skipped, fmt.Sprintf(format, args...))
}

// limit returns a limit on a latency, multiplied by ten with --lenient.
func (l *lab) limit(bound time.Duration) time.Duration {
	if l.config.Lenient {
		return 10 * bound
	}
	return bound
}

// onClose registers fn to be called at the end, in reverse order of registration.
func (l *lab) onClose(fn func() error) { l.closers = append(l.closers, fn) }

// result prints PASS or FAIL, and returns an error if a check failed.
func (l *lab) result() error {
	if len(l.failed) > 0 {
		fmt.Println("FAIL")
		return fmt.Errorf("%d checks failed", len(l.failed))
	}
	for _, text := range l.skipped {
		fmt.Println("  skipped: " + text)
	}
	fmt.Println("PASS")
	return nil
}

func (l *lab) close() (err error) {
	for _, fn := range slices.Backward(l.closers) {
		err = errors.Join(err, fn())
	}
	if l.config.Keep {
		l.say("databases and logs are in %s", l.folder)
		return err
	}
	return errors.Join(err, os.RemoveAll(l.folder))
}

// verify runs spendwise verify on every ledger of a database.
func (l *lab) verify(ctx context.Context, database string) {
	l.say("verifying every ledger")
	began := time.Now()
	command := exec.CommandContext(ctx, l.program, "verify", "--database", database)
	command.Stderr = os.Stderr // shows a progress bar on a terminal
	out, err := command.Output()
	l.check(err == nil, "spendwise verify: %s in %s", lastLine(out), time.Since(began).Round(time.Second))
}
