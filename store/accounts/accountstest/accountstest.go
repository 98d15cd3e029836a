// Package accountstest is the conformance suite of [accounts.Store].
//
//	func TestAccounts(t *testing.T) {
//		accountstest.Run(t, func(*testing.T) accounts.Store { return memstore.NewAccounts() })
//	}
package accountstest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spendwise/spendwise/store/accounts"
)

// checkTimeout is the time after which a check counts as hanging. No check needs a fraction of it.
const checkTimeout = 2 * time.Minute

// Run checks that the store which open returns keeps every guarantee of [accounts.Store], in one subtest per check. Run
// calls open for each check, for a new and empty store; open registers with t.Cleanup what has to be closed.
func Run(t *testing.T, open func(t *testing.T) accounts.Store) {
	t.Helper()
	for _, c := range checks() {
		t.Run(c.id, func(t *testing.T) {
			failures := c.failures(t.Context(), open(t))
			for _, failure := range failures {
				t.Error(failure)
			}
			if len(failures) > 0 {
				t.Logf("this check covers %s", c.covers)
			}
		})
	}
}

// A check verifies guarantees of the interface.
type check struct {
	id     string
	covers string // methods, each with the errors that the check provokes: "CreateAccount ErrExists, Account"
	run    func(p *probe)
}

// failures runs the check against a store and returns what is wrong with the store.
func (c check) failures(ctx context.Context, st accounts.Store) []string {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := &probe{ctx: ctx, accounts: st}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer p.notePanic()
		c.run(p)
	}()
	select {
	case <-done:
	case <-time.After(checkTimeout):
		p.note("the check did not end within %s", checkTimeout)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.failed)
}

// A probe is the state of a running check. It records failures instead of reporting them, so that a test can run the
// suite against broken stores.
type probe struct {
	ctx      context.Context //nolint:containedctx // a probe lives as long as its check
	accounts accounts.Store
	count    int // of generated values

	mu     sync.Mutex
	failed []string
}

// note records a failure with the line of the check.
func (p *probe) note(format string, args ...any) {
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	line := ""
	for more := true; more && line == ""; {
		var frame runtime.Frame
		frame, more = frames.Next()
		if file := filepath.Base(frame.File); file == "checks.go" && strings.Contains(frame.Function, ".check") {
			line = fmt.Sprintf("%s:%d: ", file, frame.Line)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failed = append(p.failed, line+fmt.Sprintf(format, args...))
}

// stop records a failure and ends the check. Only the check's own goroutine may call it.
func (p *probe) stop(format string, args ...any) {
	p.note(format, args...)
	runtime.Goexit()
}

func (p *probe) notePanic() {
	if reason := recover(); reason != nil {
		p.note("panic: %v\n%s", reason, debug.Stack())
	}
}

// must ends the check if err is not nil.
func (p *probe) must(err error, doing string, args ...any) {
	if err != nil {
		p.stop("%s: %v", fmt.Sprintf(doing, args...), err)
	}
}

func (p *probe) fails(err, target error, doing string, args ...any) {
	if !errors.Is(err, target) {
		p.note("%s: got error %v, want one that is %q", fmt.Sprintf(doing, args...), err, target)
	}
}

func same[V comparable](p *probe, got, want V, what string, args ...any) {
	if got != want {
		p.note("%s:\n\tgot  %+v\n\twant %+v", fmt.Sprintf(what, args...), got, want)
	}
}

func sameList[V comparable](p *probe, got, want []V, what string, args ...any) {
	if !slices.Equal(got, want) {
		p.note("%s:\n\tgot  %+v\n\twant %+v", fmt.Sprintf(what, args...), got, want)
	}
}

func all[V any](p *probe, rows iter.Seq2[V, error], what string) []V {
	var list []V
	for row, err := range rows {
		p.must(err, "%s", what)
		list = append(list, row)
	}
	return list
}

// together runs fn n times concurrently and waits for all. fn gets its number; it may call note, but not stop.
func (p *probe) together(n int, fn func(i int)) {
	start := make(chan struct{})
	var running sync.WaitGroup
	for i := range n {
		running.Go(func() {
			defer p.notePanic()
			<-start
			fn(i)
		})
	}
	close(start)
	running.Wait()
}
