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
// The suite has stages, and each stage has checks. An id such as expenses/put-guard names the check put-guard of the
// stage expenses. It is the name of a subtest, so these commands run one check, and one stage:
//
//	go test -run 'TestStore/expenses/put-guard'
//	go test -run 'TestStore/expenses'
//
// Ids are stable. The file CHECKS.md of this package lists them. The first line of a failure states the guarantee that
// the store breaks.
//
// # Write a store stage by stage
//
// Each stage adds methods. Its checks call only these methods and those of the stages before it. Implement the methods
// in this order:
//
//  1. ledgers: CreateLedger, EraseLedger, Owners, Reader, Settings, Categories, Ping, Close
//  2. settings: Update, View, State, PutSettings
//  3. categories: Category, CategoryByName, PutCategories, DeleteCategory
//  4. expenses: Expense, KnownExpenseIDs, PutExpenses, DeleteExpenses
//  5. queries: Expenses, PendingOwners
//  6. totals: Totals
//  7. transactions: no new methods
//  8. rules: Rule, Rules, PutRules, DeleteRule, DueOwners
//  9. budgets: BudgetSnapshot, Budget, Alerts, PutBudgets, DeleteBudget, HasBudgets, PutAlerts, BudgetOwners
//  10. merge: MergeCategory, MergedInto
//  11. idempotency: IdempotencyRecord, PutIdempotencyRecord
//  12. quotes: PutQuotes, Quotes
//  13. changes: Changes, StartEpoch
//  14. purge: Purge
//  15. imports: Imports, Import, ImportedRows, RowsOfImport, MergedCategory, PutImport, PutImportedRows
//  16. optional: no new methods
//  17. all: no new methods
//
// The checks of the stage optional are those of [store.Watcher], [store.Prefetcher] and [store.PositionReader]. A check
// is skipped if the store does not implement the interface.
//
// To compile a store that is not complete, embed the interfaces. A method that is not written yet then panics, and the
// suite reports it as not implemented. If one of your own methods calls it, the failure is a nil dereference:
//
//	type Store struct {
//		store.Store // delete this line when all methods are written
//		db          *bbolt.DB
//	}
//
//	type ledger struct { // used as a Tx and as a Reader, because a Tx has all methods of a Reader
//		store.Tx // delete this line when all methods are written
//		bucket   *bbolt.Bucket
//	}
//
// A method can also panic with a text that contains "implement", or return an error that wraps [errors.ErrUnsupported].
// The output has one line for all checks of a stage that need such methods.
//
// [Run] ends after the first stage that has a failure, because the checks of later stages would fail for the same
// reason.
//
// # Details that stores often miss
//
//   - A store returns times in UTC, cut to microseconds. [expense.Timestamp] cuts them when they are written.
//   - It keeps texts byte for byte. Comparisons use the form of [expense.Fold], the text search that of
//     [expense.FoldSearch].
//   - It stores the [expense.Zone] of the settings by its name.
//   - Ids and owners are ordered by their bytes, not by a collation.
//   - A Tx returns the same version from all its writes. A write of no rows takes no version.
//   - A method that yields rows closes its cursor before it yields, because the body of the loop may write.
//   - A View must not block an Update. Engines that map their file into memory block an Update that must enlarge the
//     mapping. Map enough at the start (bbolt: Options.InitialMmapSize), or copy the rows of the View.
//
// # Deadlines
//
// The context of a check has a deadline of one minute. A check that ignores it fails with a dump of the goroutines, and
// the other checks continue with another store.
//
// # What the suite does not check
//
// Some guarantees depend on the database. The store's own tests must check that a committed write survives a crash,
// that the store works again after the database was unreachable, and that the suite passes with a pool of one
// connection.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spendwise/spendwise/store"
)

const (
	// checkTimeout is the deadline of the context of a check. Checks normally take less than a second.
	checkTimeout = time.Minute
	// maxFailures is the number of failures of one check that Run prints.
	maxFailures = 3
)

// Run runs the stages in order, each check as a subtest. It ends after the first stage that has a failure. It calls
// open many times. Each call must return a store that is empty, has the current schema and shares no data with the
// stores of earlier calls. If open cannot make a store, it should fail or skip the test that it gets. Run closes each
// store at the end of that test.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	t.Helper()
	r := &runner{open: open}
	r.shared = r.openStore(t)
	all := stages()
	for i, info := range all {
		if t.Run(info.name, func(t *testing.T) { r.runStage(t, stage(i), info) }) {
			continue
		}
		var rest []string
		for _, later := range all[i+1:] {
			rest = append(rest, later.name)
		}
		if len(rest) > 0 {
			t.Logf("the stage %s has failures, so these stages did not run: %s. To run one of them alone: -run '%s/%s'",
				info.name, strings.Join(rest, ", "), t.Name(), rest[0])
		}
		return
	}
}

// A runner runs the stages of one call of Run.
type runner struct {
	open        func(t *testing.T) store.Store
	shared      store.Store // for the checks that are not isolated; nil after one of them hung, because it may hold a lock
	closeIsStub sync.Once
}

// openStore opens a store that is closed at the end of t.
func (r *runner) openStore(t *testing.T) store.Store {
	st := r.open(t)
	t.Cleanup(func() { r.closeStore(t, st) })
	return st
}

func (r *runner) closeStore(t *testing.T, st store.Store) {
	closed := make(chan error, 1)
	go func() { closed <- tracedStore{st, newCheckT(t.Context(), "", 0)}.Close() }()
	select {
	case err := <-closed:
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			r.closeIsStub.Do(func() { t.Error(err) })
		case err != nil:
			t.Errorf("Close: %v", err)
		}
	case <-time.After(checkTimeout):
		t.Errorf("Close did not return within %s", checkTimeout)
	}
}

// runStage runs the checks of a stage. It reports the methods that are not implemented in one failure.
func (r *runner) runStage(t *testing.T, number stage, info stageInfo) {
	missing := make(map[string]bool)
	var waiting []string // the names of the checks that need these methods
	for _, c := range info.checks {
		if r.shared == nil {
			r.shared = r.openStore(t)
		}
		t.Run(c.name, func(t *testing.T) {
			st := r.shared
			if c.isolated {
				st = r.openStore(t)
			}
			result := c.against(t.Context(), st, number, checkTimeout)
			if result.hung && !c.isolated {
				r.shared = nil
			}
			switch {
			case len(result.missing) > 0:
				maps.Copy(missing, result.missing)
				waiting = append(waiting, c.name)
				t.Skipf("the check needs %s, which is not implemented", strings.Join(sortedKeys(result.missing), ", "))
			case len(result.failures) > 0:
				t.Error(result.report(c.guarantee))
			case result.skipped != "":
				t.Skip(result.skipped)
			}
		})
	}
	if len(missing) > 0 {
		t.Errorf("not implemented: %s. The stage adds %s. Checks that wait for these methods: %s",
			strings.Join(sortedKeys(missing), ", "), strings.Join(info.methods, ", "), strings.Join(waiting, ", "))
	}
}

func sortedKeys[V any](set map[string]V) []string { return slices.Sorted(maps.Keys(set)) }

// A result is the outcome of a check.
type result struct {
	failures []string
	skipped  string          // why the check does not apply to the store; "": it does
	missing  map[string]bool // the methods that are not implemented; if there are any, the failures say nothing
	calls    map[string]bool // the methods that the check called
	hung     bool            // the check did not end
}

// report formats the failures.
func (r result) report(guarantee string) string {
	lines := append([]string{guarantee}, r.failures[:min(len(r.failures), maxFailures)]...)
	if more := len(r.failures) - maxFailures; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more failures", more))
	}
	return strings.Join(lines, "\n")
}

// against runs the check with a deadline, as a check of the stage. A check that does not end when its context is done
// fails with a dump of the goroutines.
func (c check) against(ctx context.Context, st store.Store, number stage, timeout time.Duration) result {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	t := newCheckT(ctx, stages()[number].name+"/"+c.name, number)
	t.st = tracedStore{st, t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer t.recordPanic()
		c.run(t)
	}()
	watchdog := time.NewTimer(timeout + timeout/4)
	defer watchdog.Stop()
	hung := false
	select {
	case <-done:
		if ctx.Err() != nil {
			t.record(fmt.Sprintf("the check did not end before its deadline of %s", timeout))
		}
	case <-watchdog.C:
		hung = true
		t.record(fmt.Sprintf("the check did not end within %s, and ignores that its context is done. Either the store "+
			"hangs, or it yields rows under a lock. The goroutines are:\n%s", timeout+timeout/4, goroutines()))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return result{slices.Clone(t.failures), t.skipped, maps.Clone(t.missing), maps.Clone(t.calls), hung}
}

// goroutines returns the stacks of all goroutines, those of checks first. It cuts the text to 64 KiB.
func goroutines() string {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	var ofChecks, others []string
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(stack, "created by github.com/spendwise/spendwise/store/storetest.") {
			ofChecks = append(ofChecks, stack)
		} else {
			others = append(others, stack)
		}
	}
	text := strings.Join(slices.Concat(ofChecks, others), "\n\n")
	return text[:min(len(text), 64<<10)]
}
