// Package storetest is the conformance suite for implementations of [store.Store]. It checks every guarantee that the
// documentation of the interface states: isolation of owners, atomic and serialised updates, dense versions,
// compare-and-set writes, tombstones, queries, totals, idempotency records, the change feed and snapshots.
//
// # Run the suite
//
// Call [Run] from a test of the package that implements the store:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) store.Store { return memstore.New() })
//	}
//
// Each check is a subtest. A check that fails prints the guarantees that it covers, as the interface documents them.
//
// # What the suite does not check
//
// Some guarantees depend on the database. The store's own tests must check that a committed write survives a crash,
// that the store works again after the database was unreachable, and that the suite passes with a pool of one
// connection.
package storetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/spendwise/spendwise/store"
)

// checkTimeout is the time after which a check counts as hanging. Checks normally take much less than a second.
const checkTimeout = 2 * time.Minute

// A check tests some guarantees of the interface.
type check struct {
	name       string // of the subtest
	guarantees []string
	isolated   bool // needs a store of its own, because it reads or changes the rows of all owners
	run        func(t *checkT)
}

// newCheck returns a check that covers these guarantees. It uses only owners of its own, so it can share a store.
func newCheck(name string, run func(t *checkT), guarantees ...string) check {
	return check{name: name, run: run, guarantees: guarantees}
}

// newIsolatedCheck returns a check that needs an empty store.
func newIsolatedCheck(name string, run func(t *checkT), guarantees ...string) check {
	return check{name: name, run: run, guarantees: guarantees, isolated: true}
}

// checks returns the whole suite.
func checks() []check {
	return slices.Concat(
		ledgerChecks(),
		updateChecks(),
		writeChecks(),
		expenseChecks(),
		queryChecks(),
		totalChecks(),
		categoryChecks(),
		budgetChecks(),
		alertChecks(),
		ruleChecks(),
		idempotencyChecks(),
		quoteChecks(),
		changeChecks(),
		modelChecks(),
	)
}

// Run runs each check of the suite as a subtest. It calls open many times. Each call must return a store that is empty,
// has the current schema and shares no data with the stores of earlier calls. If open cannot make a store, it should
// fail or skip the test that it gets. Run closes each store at the end of that test.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	t.Helper()
	var shared store.Store // used by all checks that are not isolated
	for _, c := range checks() {
		t.Run(c.name, func(s *testing.T) {
			st, opener := shared, t
			if c.isolated {
				st, opener = nil, s
			}
			if st == nil {
				st = open(opener)
				opener.Cleanup(func() { closeStore(opener, st) })
			}
			failures, ended := c.against(s.Context(), st, checkTimeout)
			if !c.isolated {
				shared = st
			}
			if !ended {
				shared = nil // the check that hangs may hold a lock
			}
			for _, failure := range failures {
				s.Error(failure)
			}
			if len(failures) > 0 {
				for _, guarantee := range c.guarantees {
					s.Logf("the check covers the guarantee %s", guarantee)
				}
			}
		})
	}
}

func closeStore(t *testing.T, st store.Store) {
	closed := make(chan error, 1)
	go func() { closed <- st.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Errorf("Close: %v", err)
		}
	case <-time.After(checkTimeout):
		t.Errorf("Close did not return within %s", checkTimeout)
	}
}

// against runs the check and returns its failures. ended is false if the check did not end within timeout.
func (c check) against(ctx context.Context, st store.Store, timeout time.Duration) (failures []string, ended bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t := &checkT{ctx: ctx, st: st, name: c.name}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer t.recordPanic()
		c.run(t)
	}()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-done:
		return t.recorded(), true
	case <-timer.C:
		t.record(fmt.Sprintf("the check did not end within %s: the store hangs, or yields rows under a lock", timeout))
		return t.recorded(), false
	}
}
