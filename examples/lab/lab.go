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

// A lab is one experiment: what it started and what it found.
type lab struct {
	config  cli
	folder  string
	program string // the bundled server, built from this module
	kek     string // seals the signing keys; all servers have the same
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
	build := exec.CommandContext(ctx, "go", "build", "-o", l.program, "github.com/spendwise/spendwise/httpapi/cmd/spendwise")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("build the server, from a checkout of the module: %w: %s", err, out), os.RemoveAll(folder))
	}
	return l, nil
}

// say tells the person who waits what is going on.
func (l *lab) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s  "+format+"\n", append([]any{time.Now().Format(time.TimeOnly)}, args...)...)
}

// check notes a promise that was not kept.
func (l *lab) check(ok bool, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if ok {
		fmt.Println("  ok    " + text)
		return
	}
	fmt.Println("  FAIL  " + text)
	l.failed = append(l.failed, text)
}

// skip notes what this machine does not let the lab try.
func (l *lab) skip(format string, args ...any) {
	if l.config.Complete {
		l.check(false, format, args...)
		return
	}
	l.skipped = append(l.skipped, fmt.Sprintf(format, args...))
}

// limit is a bound on a latency as this run judges it.
func (l *lab) limit(bound time.Duration) time.Duration {
	if l.config.Lenient {
		return 10 * bound
	}
	return bound
}

// onClose has fn called at the end, before what was registered earlier.
func (l *lab) onClose(fn func() error) { l.closers = append(l.closers, fn) }

func (l *lab) verdict() error {
	if len(l.failed) > 0 {
		fmt.Println("FAIL")
		return fmt.Errorf("%d promises were not kept", len(l.failed))
	}
	for _, text := range l.skipped {
		fmt.Println("  not tried: " + text)
	}
	fmt.Println("PASS")
	return nil
}

func (l *lab) close() (err error) {
	for _, fn := range slices.Backward(l.closers) {
		err = errors.Join(err, fn())
	}
	if l.config.Keep {
		l.say("kept: %s", l.folder)
		return err
	}
	return errors.Join(err, os.RemoveAll(l.folder))
}

// verify has the program itself check every ledger of a database.
func (l *lab) verify(ctx context.Context, database string) {
	l.say("verifying every ledger")
	began := time.Now()
	command := exec.CommandContext(ctx, l.program, "verify", "--database", database)
	command.Stderr = os.Stderr // where a terminal shows how far it is
	out, err := command.Output()
	l.check(err == nil, "spendwise verify: %s in %s", lastLine(out), time.Since(began).Round(time.Second))
}
