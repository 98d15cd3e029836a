// Package storetest is how a store proves itself: it holds any implementation of [store.Store] to every sentence of the
// interface's comments. A check that fails prints the sentences it guards. A store's own test is one line, in which open
// returns a fresh, empty, migrated store; the suite closes it:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) store.Store { return memstore.New() })
//	}
//
// What only an engine can show stays its own test: that an answered write survives a crash, that a database which comes
// back is used again, and that the suite passes on a pool of one connection too where the engine has pools.
package storetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/spendwise/spendwise/store"
)

// patience is how long one check may take before it counts as hanging. No check needs a fraction of it.
const patience = 2 * time.Minute

// A check guards sentences of the interface. Those of one area stand together in a file, in a function that checks lists.
type check struct {
	name   string   // as go test -run finds it
	guards []string // "package.Interface.Method: Sentence." as the comments have them
	alone  bool     // needs a store that nobody else uses: it looks across owners, or at what has none
	run    func(p *probe)
}

// checks returns the whole suite. A further area adds its function here.
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

// Run holds the store that open returns to the interface, check by check, each as a subtest. open is called many times,
// each time for a fresh and empty store, which Run closes.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	t.Helper()
	// Checks that stay within owners of their own share a store, as the tenants of one database do.
	var shared store.Store
	for _, c := range checks() {
		t.Run(c.name, func(s *testing.T) {
			st, opener := shared, t
			if c.alone {
				st, opener = nil, s
			}
			if st == nil {
				st = open(opener)
				opener.Cleanup(func() { closeStore(opener, st) })
			}
			failures, ended := c.against(s.Context(), st, patience)
			if !c.alone {
				shared = st
			}
			if !ended {
				shared = nil // whatever hangs may hold a lock
			}
			if len(failures) == 0 {
				return
			}
			for _, failure := range failures {
				s.Error(failure)
			}
			for _, sentence := range c.guards {
				s.Logf("this guards %s", sentence)
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
	case <-time.After(patience):
		t.Errorf("Close has not returned after %s", patience)
	}
}

// against runs the check against a store and returns what failed, and whether the check ended at all: a store may hang.
func (c check) against(ctx context.Context, st store.Store, patience time.Duration) (failures []string, ended bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := &probe{ctx: ctx, st: st, name: c.name}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer p.notePanic()
		c.run(p)
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
		return p.noted(), true
	case <-timer.C:
		p.record(fmt.Sprintf("has not ended after %s: the store hangs, or holds something while it yields", patience))
		return p.noted(), false
	}
}
