// Package accountstest is the conformance suite of [accounts.Store].
//
//	func TestAccounts(t *testing.T) {
//		accountstest.Run(t, func(*testing.T) accounts.Store { return memstore.NewAccounts() })
//	}
package accountstest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/spendwise/spendwise/store/accounts"
)

// checkTimeout is the time after which a check fails because the store hangs. A check normally takes far less.
const checkTimeout = 2 * time.Minute

// Run checks every guarantee of [accounts.Store], in one subtest per check. Run calls open for each check. open must
// return a new and empty store, and register with t.Cleanup what must be closed.
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

// A check tests guarantees of the interface.
type check struct {
	id     string
	covers string // methods, each with the errors that the check provokes: "CreateAccount ErrExists, Account"
	run    func(t *checkT)
}

// failures runs the check against a store and returns the failures.
func (c check) failures(ctx context.Context, st accounts.Store) []string {
	ctx, cancel := context.WithCancel(ctx)
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
	case <-time.After(checkTimeout):
		t.errorf("the check did not end within %s", checkTimeout)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.failures)
}
