// Package accountstest is the conformance suite of [accounts.Store].
//
//	func TestAccounts(t *testing.T) {
//		accountstest.Run(t, func(*testing.T) accounts.Store { return memstore.NewAccounts() })
//	}
//
// Each check has a stable id, which is the name of a subtest. This command runs the checks of devices:
//
//	go test -run 'TestAccounts/devices'
//
// Write the methods of accounts and devices first, because the checks of the others create accounts. The methods of
// tokens, failures and keys can follow in any order.
package accountstest

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spendwise/spendwise/store/accounts"
)

// checkTimeout is the deadline of the context of a check. A check normally takes far less.
const checkTimeout = time.Minute

// Run checks every guarantee of [accounts.Store], in one subtest per check. The first line of a failure is the
// guarantee. Run calls open for each check. open must return a new and empty store, and register with t.Cleanup what
// must be closed.
func Run(t *testing.T, open func(t *testing.T) accounts.Store) {
	t.Helper()
	for _, c := range checks() {
		t.Run(c.id, func(t *testing.T) {
			if failures := c.failures(t.Context(), open(t), checkTimeout); len(failures) > 0 {
				t.Errorf("%s\n%s", c.guarantee, strings.Join(failures, "\n"))
			}
		})
	}
}

// A check tests guarantees of the interface.
type check struct {
	id        string
	guarantee string // in one sentence
	covers    string // methods, each with the errors that the check provokes: "CreateAccount ErrExists, Account"
	run       func(t *checkT)
}

// failures runs the check against a store, with a deadline, and returns the failures. If the check does not end when
// its context is done, the last failure has the stacks of all goroutines.
func (c check) failures(ctx context.Context, st accounts.Store, timeout time.Duration) []string {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	t := &checkT{ctx: ctx, Store: st}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer t.recordPanic()
		c.run(t)
	}()
	select {
	case <-done:
	case <-time.After(timeout + timeout/4):
		stacks := make([]byte, 1<<16)
		t.errorf("the check did not end within %s. The goroutines are:\n%s", timeout+timeout/4,
			stacks[:runtime.Stack(stacks, true)])
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.failures)
}
