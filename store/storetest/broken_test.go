package storetest_test

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
	"github.com/spendwise/spendwise/store/storetest"
)

// A broken store is a correct store with one defect.
type broken struct {
	store.Store
	reader func(ctx context.Context, owner expense.OwnerID, r store.Reader) store.Reader
	tx     func(owner expense.OwnerID, tx store.Tx) store.Tx
}

func (b broken) Reader(owner expense.OwnerID) store.Reader {
	r := b.Store.Reader(owner)
	if b.reader == nil {
		return r
	}
	return b.reader(context.Background(), owner, r)
}

func (b broken) View(ctx context.Context, owner expense.OwnerID, fn func(store.Reader) error) error {
	return b.Store.View(ctx, owner, func(r store.Reader) error {
		if b.reader != nil {
			r = b.reader(ctx, owner, r)
		}
		return fn(r)
	})
}

func (b broken) Update(ctx context.Context, owner expense.OwnerID, fn func(store.Tx) error) error {
	return b.Store.Update(ctx, owner, func(tx store.Tx) error {
		if b.tx != nil {
			tx = b.tx(owner, tx)
		}
		return fn(tx)
	})
}

// hangTimeout is the time after which a check of a broken store counts as hanging.
const hangTimeout = time.Second

// TestRun_DetectsBrokenStores runs checks over broken stores. Each check must detect a defect.
// TestChecks_CallOnlyMethodsOfTheirStage checks that they accept a correct store.
func TestRun_DetectsBrokenStores(t *testing.T) {
	detected := make(map[string]bool)
	for _, defect := range []struct {
		name   string
		open   func() store.Store
		checks []string // that must fail
	}{
		{"ignores the owner when it reads", ignoresOwner, []string{"transactions/isolation", "all/isolation"}},
		{"ignores the case of owners' ids", ignoresOwnerCase, []string{"ledgers/owner-ids", "ledgers/owners"}},
		{"truncates amounts", truncatesAmounts, []string{"expenses/put-values", "expenses/put-largest-values"}},
		{"stores rates as floats", storesRatesAsFloats, []string{"expenses/put-values"}},
		{"ignores the version", ignoresVersion, []string{"expenses/put-compares-version", "transactions/rejected"}},
		{"overwrites a row that has the id of a new one", overwritesExistingRows, []string{
			"expenses/put-existing-id", "transactions/rejected",
		}},
		{"yields a row twice", repeatsRow, []string{"queries/many-rows"}},
		{"yields expenses under a lock", yieldsUnderLock, []string{"queries/loop-body"}},
		{"yields owners under a lock", yieldsOwnersUnderLock, []string{"settings/owners-loop-body"}},
		{"returns stale totals", returnsStaleTotals, []string{"totals/after-changes", "merge/totals", "all/model"}},
		{"omits pending expenses in totals", omitsPendingTotals, []string{"totals/ranges", "all/model"}},
		{"takes a version without a write", takesVersionWithoutWrite, []string{"transactions/versions", "all/versions"}},
		{"loses updates", losesUpdates, []string{"transactions/serialised", "transactions/versions-concurrent"}},
		{"keeps a part of a rejected write", writesPartOfBatch, []string{"transactions/rejected"}},
		{"commits failed Updates", commitsFailedUpdates, []string{
			"settings/update-rollback", "transactions/rollback", "all/rollback", "all/model",
		}},
		{"continues an Update after an unknown category", continuesAfterUnknownCategory, []string{
			"expenses/put-unknown-category",
		}},
		{"stores idempotency records outside the transaction", storesRecordsOutsideTx, []string{"idempotency/rollback"}},
		{"reads idempotency records before it locks the ledger", readsRecordsBeforeLock, []string{"idempotency/waits"}},
		{"forgets tombstones", forgetsTombstones, []string{
			"expenses/delete", "expenses/put-existing-id", "expenses/known-ids", "categories/delete",
			"categories/put-existing-id", "budgets/delete", "budgets/put-existing-id", "rules/delete", "rules/put-existing-id",
			"merge/merged-into",
		}},
		{"reads the latest rows in a View", viewReadsLatest, []string{"transactions/view-snapshot", "all/view-snapshot"}},
		{"blocks writers during a View", viewBlocksWriters, []string{
			"settings/view-snapshot", "transactions/view-snapshot",
		}},
		{"blocks large Updates during a View", remapsWithoutViews, []string{"transactions/view-large-update"}},
		{"changes the Guard with every write", changesGuardWithVersion, []string{
			"expenses/put-guard", "expenses/put-changes",
		}},
		{"ignores case only in ASCII", searchesNotes(strings.ToLower), []string{"queries/text"}},
		{"searches notes with Fold, which keeps accents", searchesNotes(expense.Fold), []string{"queries/text"}},
		{"begins a page with the last row of the page before", includesRowAtAfter, []string{"queries/after"}},
		{"orders ties ascending in every order", ordersTiesAscending, []string{"queries/orders"}},
		{"overwrites quotes", overwritesQuotes, []string{"quotes/kept"}},
		{"ignores the limits of Purge", ignoresPurgeLimits, []string{"purge/records", "purge/tombstones"}},
		{"creates a ledger again", recreatesLedger, []string{"ledgers/create", "ledgers/create-concurrently"}},
		{"ignores case in the order of owners", ordersOwnersWithoutCase, []string{"ledgers/owners"}},
		{"ignores the MergedInto of a budget when it deletes a category", ignoresMergedInto, []string{
			"merge/delete-category-in-use",
		}},
		{"changes the Guard in a merge", mergeChangesGuards, []string{"merge/moves"}},
		{"continues the change feed by version alone", continuesFeedByVersion, []string{"changes/pages"}},
		{"omits tombstones in the change feed", omitsTombstones, []string{"changes/values"}},
		{"omits a change of the change feed", omitsChange, []string{"changes/concurrent"}},
		{"keeps the epoch", keepsEpoch, []string{"changes/start-epoch"}},
		{"forgets discarded versions", forgetsDiscardedVersions, []string{"changes/start-epoch"}},
		{"posts twice", postsTwice, []string{"purge/post-once"}},
		{"commits the rules of failed Updates", commitsRulesOfFailedUpdates, []string{"rules/post-atomic"}},
		{"ignores the ledger's zone", ignoresZone, []string{"rules/due-owners-zones"}},
		{"yields owners of paused rules as due", ignoresPause, []string{"rules/due-owners"}},
		{"yields failed rules as due from RetryAt", dueFromRetry, []string{"rules/due-owners"}},
		{"keeps the failure state of rules when their category changes", keepsFailureState,
			[]string{"rules/category-clears-failures", "merge/clears-failures"}},
		{"creates an alert again", recreatesAlerts, []string{"budgets/alert-rejected"}},
		{"does not store ReadAt", forgetsReadAt, []string{"budgets/alert-values"}},
		{"returns the alerts of one month only", returnsOneMonthOfAlerts, []string{"budgets/alert-values"}},
		{"forgets that an import was undone", forgetsUndo, []string{"imports/values"}},
		{"finds one row for each identity", findsOneRow, []string{"imports/rows"}},
		{"follows one merge only", followsOneMerge, []string{"imports/merged-category"}},
		{"yields version 1 in BudgetOwners", returnsInitialVersion, []string{"budgets/owners"}},
		{"overwrites rows at any version", ignoresVersions, []string{
			"settings/put-compares-version", "settings/put-rejected", "categories/put-compares-version",
			"categories/put-rejected", "rules/put-compares-version", "rules/put-rejected", "budgets/put-compares-version",
			"budgets/put-rejected", "all/rejected",
		}},
		{"loses a field of each type of row", losesFields, []string{
			"settings/put-values", "categories/put-values", "rules/put-values", "budgets/put-values",
		}},
		{"replaces unknown categories", replacesUnknownCategories, []string{
			"settings/put-default-category", "rules/put-unknown-category",
		}},
		{"reads rows with defects", readsRowsWithDefects, []string{
			"ledgers/missing", "ledgers/erase", "settings/state", "categories/names", "queries/first-by-amount",
			"queries/filters", "queries/error-last", "queries/owner-ids", "transactions/view-concurrent", "rules/put-guard",
			"budgets/put-guard", "budgets/snapshot-missing", "budgets/snapshot-upcoming", "budgets/snapshot-consistent",
			"budgets/alert-stays", "merge/alert-stays", "purge/keeps-derived", "purge/purged-through", "all/erase",
		}},
		{"writes rows with defects", writesRowsWithDefects, []string{
			"expenses/put-volume", "expenses/delete-category-in-use", "totals/largest", "transactions/reads-own-writes",
			"rules/delete-category-in-use", "budgets/delete-category-in-use", "budgets/has-budgets", "merge/has-budgets",
			"merge/ends-budget", "merge/rejected", "idempotency/put-values", "idempotency/put-rejected", "changes/in-update",
			"all/reads-own-writes",
		}},
		{"reports changes to a watcher that has stopped", watchesForEver, []string{"optional/watch"}},
		{"returns prefetched rows after they were written", prefetchesStaleRows, []string{"optional/prefetch"}},
		{"returns the positions of tombstones", returnsPositionsOfTombstones, []string{"optional/positions"}},
		{"cuts RetryAt to seconds", cutsRetryAt, []string{"rules/put-values"}},
		{"cuts ReadAt to seconds", cutsReadAt, []string{"budgets/alert-values"}},
		{"commits the first write of a cancelled Update", commitsFirstWrite, []string{"transactions/cancelled"}},
		{"stores no idempotency records", recordsNothing, []string{"idempotency/put-invalid-key", "idempotency/concurrent"}},
		{"has methods with defects", hasLooseMethods, []string{
			"ledgers/owner-invalid", "ledgers/ping", "settings/update-missing", "settings/update-panic",
			"queries/pending-owners", "transactions/panic", "transactions/cancelled", "transactions/reader-sees-committed",
			"rules/due-owners-many", "rules/post-concurrent", "quotes/values", "all/owner-invalid",
			"all/panic", "all/cancelled",
		}},
		{"shares the slices of budgets", sharesBudgets, []string{"budgets/shares-no-memory"}},
	} {
		t.Run(defect.name, func(t *testing.T) {
			t.Parallel() // some checks wait for their deadline
			for _, id := range defect.checks {
				failures := findCheck(t, id).Run(t.Context(), defect.open(), hangTimeout).Failures
				if len(failures) == 0 {
					t.Errorf("the check %s accepts a store that %s", id, defect.name)
					continue
				}
				first, _, _ := strings.Cut(failures[0], "\n")
				t.Logf("%s: %s", id, first)
			}
		})
		for _, id := range defect.checks {
			detected[id] = true
		}
	}
	for _, c := range storetest.Checks() {
		if !detected[c.ID] {
			t.Errorf("no broken store shows that the check %s can fail", c.ID)
		}
	}
}

func findCheck(t *testing.T, id string) storetest.Check {
	t.Helper()
	for _, c := range storetest.Checks() {
		if c.ID == id {
			return c
		}
	}
	t.Fatalf("there is no check %s", id)
	return storetest.Check{}
}

// TestRun_OnlyLargeUpdateDetectsRemap checks that no other check detects a store that blocks large Updates during a
// View.
func TestRun_OnlyLargeUpdateDetectsRemap(t *testing.T) {
	for _, c := range storetest.Checks() {
		if c.ID == "transactions/view-large-update" || !strings.Contains(c.ID, "/view-") {
			continue
		}
		if failures := c.Run(t.Context(), remapsWithoutViews(), time.Minute).Failures; len(failures) > 0 {
			t.Errorf("%s detects it too: %s", c.ID, failures[0])
		}
	}
}

// TestCheck_DumpsGoroutinesIfItHangs checks that a check over a store that hangs ends, and shows where the store hangs.
func TestCheck_DumpsGoroutinesIfItHangs(t *testing.T) {
	result := findCheck(t, "queries/loop-body").Run(t.Context(), yieldsUnderLock(), 100*time.Millisecond)
	text := strings.Join(result.Failures, "\n")
	for _, want := range []string{"did not end", "goroutine ", "storetest_test.lockedStore.Update"} {
		if !strings.Contains(text, want) {
			t.Errorf("the failure does not contain %q:\n%s", want, text)
		}
	}
}

// putTx is a Tx with another PutExpenses.
type putTx struct {
	store.Tx
	put func(ctx context.Context, tx store.Tx, rows []expense.Expense) (expense.Version, error)
}

func (p putTx) PutExpenses(ctx context.Context, rows ...expense.Expense) (expense.Version, error) {
	return p.put(ctx, p.Tx, slices.Clone(rows))
}

func newPutStore(
	put func(ctx context.Context, tx store.Tx, rows []expense.Expense) (expense.Version, error)) store.Store {
	return broken{Store: memstore.New(), tx: func(_ expense.OwnerID, tx store.Tx) store.Tx { return putTx{tx, put} }}
}

// listReader is a Reader with another Expenses.
type listReader struct {
	store.Reader
	list func(ctx context.Context, r store.Reader, query expense.Query) iter.Seq2[expense.Expense, error]
}

func (l listReader) Expenses(ctx context.Context, query expense.Query) iter.Seq2[expense.Expense, error] {
	return l.list(ctx, l.Reader, query)
}

func newListStore(list func(ctx context.Context, r store.Reader, query expense.Query) iter.Seq2[expense.Expense,
	error]) store.Store {
	return broken{Store: memstore.New(), reader: func(_ context.Context, _ expense.OwnerID,
		r store.Reader) store.Reader {
		return listReader{r, list}
	}}
}

type reader struct {
	store.Reader
	expense func(ctx context.Context, id uuid.UUID) (expense.Expense, error)
	totals  func(ctx context.Context, query expense.TotalsQuery) ([]expense.Total, error)
}

func (r reader) Expense(ctx context.Context, id uuid.UUID) (expense.Expense, error) {
	if r.expense == nil {
		return r.Reader.Expense(ctx, id)
	}
	return r.expense(ctx, id)
}

func (r reader) Totals(ctx context.Context, query expense.TotalsQuery) ([]expense.Total, error) {
	if r.totals == nil {
		return r.Reader.Totals(ctx, query)
	}
	return r.totals(ctx, query)
}

func ignoresOwner() store.Store {
	st := memstore.New()
	return broken{Store: st, reader: func(_ context.Context, _ expense.OwnerID, r store.Reader) store.Reader {
		return reader{Reader: r, expense: func(ctx context.Context, id uuid.UUID) (expense.Expense, error) {
			e, err := r.Expense(ctx, id)
			for owner := range st.Owners(ctx) {
				if err != nil {
					e, err = st.Reader(owner).Expense(ctx, id)
				}
			}
			return e, err
		}}
	}}
}

type lowerCaseOwners struct{ *memstore.Store }

func (f lowerCaseOwners) CreateLedger(ctx context.Context, owner expense.OwnerID, ledger expense.InitialLedger) (bool,
	error) {
	return f.Store.CreateLedger(ctx, expense.OwnerID(strings.ToLower(string(owner))), ledger)
}

func ignoresOwnerCase() store.Store { return lowerCaseOwners{memstore.New()} }

func truncatesAmounts() store.Store {
	return newPutStore(func(ctx context.Context, tx store.Tx, rows []expense.Expense) (expense.Version, error) {
		for i, e := range rows {
			if e.Amount.Currency().Digits() > 2 {
				rows[i].Amount, _ = expense.MoneyFromMinor(e.Amount.Minor()/10*10, e.Amount.Currency())
			}
		}
		return tx.PutExpenses(ctx, rows...)
	})
}

func storesRatesAsFloats() store.Store {
	return newPutStore(func(ctx context.Context, tx store.Tx, rows []expense.Expense) (expense.Version, error) {
		for i, e := range rows {
			if e.Rate.IsZero() {
				continue
			}
			value, _ := e.Rate.Value.Decimal().Float64()
			if factor, err := expense.ParseFactor(strconv.FormatFloat(value, 'f', -1, 64)); err == nil {
				rows[i].Rate.Value = factor
			}
		}
		return tx.PutExpenses(ctx, rows...)
	})
}

func ignoresVersion() store.Store {
	return newPutStore(func(ctx context.Context, tx store.Tx, rows []expense.Expense) (expense.Version, error) {
		for i, e := range rows {
			if old, err := tx.Expense(ctx, e.ID); err == nil && e.Version != 0 {
				rows[i].Version = old.Version
			}
		}
		return tx.PutExpenses(ctx, rows...)
	})
}

func overwritesExistingRows() store.Store {
	return newPutStore(func(ctx context.Context, tx store.Tx, rows []expense.Expense) (expense.Version, error) {
		for i, e := range rows {
			if old, err := tx.Expense(ctx, e.ID); err == nil && e.Version == 0 {
				rows[i].Version = old.Version
			}
		}
		return tx.PutExpenses(ctx, rows...)
	})
}

func writesPartOfBatch() store.Store {
	return newPutStore(func(ctx context.Context, tx store.Tx, rows []expense.Expense) (
		version expense.Version, err error) {
		for _, e := range rows {
			if version, err = tx.PutExpenses(ctx, e); err != nil {
				return 0, err
			}
		}
		return version, nil
	})
}

func continuesAfterUnknownCategory() store.Store {
	return newPutStore(func(ctx context.Context, tx store.Tx, rows []expense.Expense) (expense.Version, error) {
		for _, e := range rows {
			if _, err := tx.Category(ctx, e.CategoryID); err != nil {
				return 0, err
			}
		}
		return tx.PutExpenses(ctx, rows...)
	})
}

// repeatsRow returns a store that yields the 500th row twice, as one that begins each chunk with the last row before.
func repeatsRow() store.Store {
	return newListStore(func(ctx context.Context, r store.Reader, query expense.Query) iter.Seq2[expense.Expense, error] {
		return func(yield func(expense.Expense, error) bool) {
			n := 0
			for e, err := range r.Expenses(ctx, query) {
				if n++; !yield(e, err) || n == 500 && !yield(e, err) {
					return
				}
			}
		}
	})
}

// searchesNotes returns a function that opens a store. The store compares notes and search text by the forms that fold
// returns.
func searchesNotes(fold func(string) string) func() store.Store {
	return func() store.Store {
		return newListStore(func(
			ctx context.Context, r store.Reader, query expense.Query,
		) iter.Seq2[expense.Expense, error] {
			text := fold(query.Text)
			query.Text = ""
			return func(yield func(expense.Expense, error) bool) {
				for e, err := range r.Expenses(ctx, query) {
					if strings.Contains(fold(e.Notes), text) && !yield(e, err) {
						return
					}
				}
			}
		})
	}
}

func includesRowAtAfter() store.Store {
	return newListStore(func(ctx context.Context, r store.Reader, query expense.Query) iter.Seq2[expense.Expense, error] {
		return func(yield func(expense.Expense, error) bool) {
			if !query.After.IsZero() {
				if e, err := r.Expense(ctx, query.After.ID); err == nil && !yield(e, nil) {
					return
				}
			}
			r.Expenses(ctx, query)(yield)
		}
	})
}

func ordersTiesAscending() store.Store {
	return newListStore(func(ctx context.Context, r store.Reader, query expense.Query) iter.Seq2[expense.Expense, error] {
		return func(yield func(expense.Expense, error) bool) {
			var rows []expense.Expense
			for e := range r.Expenses(ctx, query) {
				rows = append(rows, e)
			}
			slices.SortFunc(rows, func(a, b expense.Expense) int {
				x, y := query.Sort.Position(a), query.Sort.Position(b)
				if query.Sort.Descending() {
					x.SortKey, y.SortKey = y.SortKey, x.SortKey
				}
				return cmp.Or(cmp.Compare(x.SortKey, y.SortKey), cmp.Compare(x.ID.String(), y.ID.String()))
			})
			for _, e := range rows {
				if !yield(e, nil) {
					return
				}
			}
		}
	})
}

// lockedStore is a store with one lock for all Updates.
type lockedStore struct {
	store.Store
	lock *sync.Mutex
}

func (l lockedStore) Update(ctx context.Context, owner expense.OwnerID, fn func(store.Tx) error) error {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.Store.Update(ctx, owner, fn)
}

func yieldsUnderLock() store.Store {
	lock := new(sync.Mutex)
	return lockedStore{lock: lock, Store: newListStore(func(ctx context.Context, r store.Reader,
		query expense.Query) iter.Seq2[expense.Expense, error] {
		return func(yield func(expense.Expense, error) bool) {
			lock.Lock()
			defer lock.Unlock()
			r.Expenses(ctx, query)(yield)
		}
	})}
}

type lockedOwnersStore struct{ lockedStore }

func (l lockedOwnersStore) Owners(ctx context.Context) iter.Seq2[expense.OwnerID, error] {
	return func(yield func(expense.OwnerID, error) bool) {
		l.lock.Lock()
		defer l.lock.Unlock()
		l.Store.Owners(ctx)(yield)
	}
}

func yieldsOwnersUnderLock() store.Store {
	return lockedOwnersStore{lockedStore{memstore.New(), new(sync.Mutex)}}
}

type lockedViewsStore struct{ lockedStore }

func (l lockedViewsStore) View(ctx context.Context, owner expense.OwnerID, fn func(store.Reader) error) error {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.Store.View(ctx, owner, fn)
}

func viewBlocksWriters() store.Store {
	return lockedViewsStore{lockedStore{memstore.New(), new(sync.Mutex)}}
}

// A remapStore is a store over a file that it maps into memory. An Update that writes more than 1 MiB maps the file
// again, which it can only do while no View is open.
type remapStore struct {
	store.Store
	views   *sync.RWMutex // held for reading during a View
	written *int          // bytes of notes in the current Update
	updates *sync.Mutex   // guards written
}

func (r remapStore) View(ctx context.Context, owner expense.OwnerID, fn func(store.Reader) error) error {
	r.views.RLock()
	defer r.views.RUnlock()
	return r.Store.View(ctx, owner, fn)
}

func (r remapStore) Update(ctx context.Context, owner expense.OwnerID, fn func(store.Tx) error) error {
	r.updates.Lock()
	defer r.updates.Unlock()
	*r.written = 0
	return r.Store.Update(ctx, owner, func(tx store.Tx) error {
		err := fn(tx)
		if err == nil && *r.written > 1<<20 {
			r.views.Lock()
			defer r.views.Unlock()
		}
		return err
	})
}

func remapsWithoutViews() store.Store {
	written := new(int)
	st := newPutStore(func(ctx context.Context, tx store.Tx, rows []expense.Expense) (expense.Version, error) {
		for _, e := range rows {
			*written += len(e.Notes)
		}
		return tx.PutExpenses(ctx, rows...)
	})
	return remapStore{st, new(sync.RWMutex), written, new(sync.Mutex)}
}

// returnsStaleTotals returns a store that caches totals until an expense is added: it ignores changes, deletions and
// merges.
func returnsStaleTotals() store.Store {
	type totalsKey struct {
		owner expense.OwnerID
		span  expense.Range
		by    expense.Granularity
	}
	stored := make(map[totalsKey][]expense.Total)
	return broken{
		Store: memstore.New(),
		reader: func(_ context.Context, owner expense.OwnerID, r store.Reader) store.Reader {
			return reader{Reader: r, totals: func(ctx context.Context, query expense.TotalsQuery) ([]expense.Total, error) {
				var all []expense.Total
				for i, span := range query.Ranges {
					key := totalsKey{owner, span, query.Granularity}
					totals, ok := stored[key]
					if !ok {
						var err error
						if totals, err = r.Totals(ctx,
							expense.TotalsQuery{Ranges: []expense.Range{span}, Granularity: query.Granularity}); err != nil {
							return nil, err
						}
						stored[key] = totals
					}
					for _, total := range totals {
						total.Range = i
						all = append(all, total)
					}
				}
				return all, nil
			}}
		},
		tx: func(_ expense.OwnerID, tx store.Tx) store.Tx {
			return putTx{tx, func(ctx context.Context, tx store.Tx, rows []expense.Expense) (expense.Version, error) {
				if slices.ContainsFunc(rows, func(e expense.Expense) bool { return e.Version == 0 }) {
					clear(stored)
				}
				return tx.PutExpenses(ctx, rows...)
			}}
		},
	}
}

func omitsPendingTotals() store.Store {
	return broken{Store: memstore.New(), reader: func(_ context.Context, _ expense.OwnerID, r store.Reader) store.Reader {
		return reader{Reader: r, totals: func(ctx context.Context, query expense.TotalsQuery) ([]expense.Total, error) {
			totals, err := r.Totals(ctx, query)
			return slices.DeleteFunc(totals, func(t expense.Total) bool { return t.PendingCount == t.Count }), err
		}}
	}}
}

func changesGuardWithVersion() store.Store {
	return broken{Store: memstore.New(), reader: func(_ context.Context, _ expense.OwnerID, r store.Reader) store.Reader {
		return reader{Reader: r, expense: func(ctx context.Context, id uuid.UUID) (expense.Expense, error) {
			e, err := r.Expense(ctx, id)
			e.Guard = e.Version
			return e, err
		}}
	}}
}

// updateStore is a store with another Update.
type updateStore struct {
	*memstore.Store
	update func(ctx context.Context, st *memstore.Store, owner expense.OwnerID, fn func(store.Tx) error) error
}

func (u updateStore) Update(ctx context.Context, owner expense.OwnerID, fn func(store.Tx) error) error {
	return u.update(ctx, u.Store, owner, fn)
}

func takesVersionWithoutWrite() store.Store {
	return updateStore{memstore.New(), func(ctx context.Context, st *memstore.Store, owner expense.OwnerID,
		fn func(store.Tx) error) error {
		return st.Update(ctx, owner, func(tx store.Tx) error {
			if err := fn(tx); err != nil {
				return err
			}
			settings, err := tx.Settings(ctx)
			if err != nil {
				return err
			}
			_, err = tx.PutSettings(ctx, settings)
			return err
		})
	}}
}

func commitsFailedUpdates() store.Store {
	return updateStore{memstore.New(), func(ctx context.Context, st *memstore.Store, owner expense.OwnerID,
		fn func(store.Tx) error) error {
		var failed error
		err := st.Update(ctx, owner, func(tx store.Tx) error { failed = fn(tx); return nil })
		return errors.Join(err, failed)
	}}
}

func forgetsTombstones() store.Store {
	return updateStore{memstore.New(), func(ctx context.Context, st *memstore.Store, owner expense.OwnerID,
		fn func(store.Tx) error) error {
		if err := st.Update(ctx, owner, fn); err != nil {
			return err
		}
		return st.Purge(ctx, time.Time{}, time.Now().Add(time.Hour))
	}}
}

// stale is a Tx that reads expenses as they were before the ledger was locked.
type stale struct {
	putTx
	before func(ctx context.Context, id uuid.UUID) (expense.Expense, error)
}

func (s stale) Expense(ctx context.Context, id uuid.UUID) (expense.Expense, error) {
	return s.before(ctx, id)
}

// losesUpdates returns a store that reads before it locks, and ignores the version of a write.
func losesUpdates() store.Store {
	return updateStore{memstore.New(), func(ctx context.Context, st *memstore.Store, owner expense.OwnerID,
		fn func(store.Tx) error) error {
		return st.View(ctx, owner, func(r store.Reader) error {
			return st.Update(ctx, owner, func(tx store.Tx) error {
				time.Sleep(time.Millisecond)
				return fn(stale{before: r.Expense, putTx: putTx{tx,
					func(ctx context.Context, tx store.Tx, rows []expense.Expense) (expense.Version, error) {
						for i, e := range rows {
							if old, err := tx.Expense(ctx, e.ID); err == nil {
								rows[i].Version = old.Version
							}
						}
						return tx.PutExpenses(ctx, rows...)
					}}})
			})
		})
	}}
}

// recordTx is a Tx with another IdempotencyRecord and PutIdempotencyRecord.
type recordTx struct {
	store.Tx
	get func(ctx context.Context, key store.IdempotencyKey) (store.IdempotencyRecord, error)
	put func(ctx context.Context, record store.IdempotencyRecord) error
}

func (a recordTx) IdempotencyRecord(ctx context.Context, key store.IdempotencyKey) (store.IdempotencyRecord, error) {
	return a.get(ctx, key)
}

func (a recordTx) PutIdempotencyRecord(ctx context.Context, record store.IdempotencyRecord) error {
	return a.put(ctx, record)
}

func storesRecordsOutsideTx() store.Store {
	stored := make(map[store.IdempotencyKey]store.IdempotencyRecord)
	return broken{Store: memstore.New(), tx: func(_ expense.OwnerID, tx store.Tx) store.Tx {
		return recordTx{tx, func(_ context.Context, key store.IdempotencyKey) (store.IdempotencyRecord, error) {
			if record, ok := stored[key]; ok {
				return record, nil
			}
			return store.IdempotencyRecord{}, expense.ErrNotFound
		}, func(_ context.Context, record store.IdempotencyRecord) error {
			if _, ok := stored[record.IdempotencyKey]; ok {
				return expense.ErrExists
			}
			stored[record.IdempotencyKey] = record
			return nil
		}}
	}}
}

// readsRecordsBeforeLock returns a store that reads idempotency records before it locks the ledger. It overwrites a
// record that was stored since.
func readsRecordsBeforeLock() store.Store {
	var mu sync.Mutex
	committed := make(map[store.IdempotencyKey]store.IdempotencyRecord)
	return updateStore{memstore.New(), func(ctx context.Context, st *memstore.Store, owner expense.OwnerID,
		fn func(store.Tx) error) error {
		mu.Lock()
		before := maps.Clone(committed)
		mu.Unlock()
		return st.Update(ctx, owner, func(tx store.Tx) error {
			return fn(recordTx{tx, func(_ context.Context, key store.IdempotencyKey) (store.IdempotencyRecord, error) {
				if record, ok := before[key]; ok {
					return record, nil
				}
				return store.IdempotencyRecord{}, expense.ErrNotFound
			}, func(_ context.Context, record store.IdempotencyRecord) error {
				mu.Lock()
				defer mu.Unlock()
				committed[record.IdempotencyKey] = record
				return nil
			}})
		})
	}}
}

type latestViewStore struct{ *memstore.Store }

func (l latestViewStore) View(_ context.Context, owner expense.OwnerID, fn func(store.Reader) error) error {
	return fn(l.Reader(owner))
}

func viewReadsLatest() store.Store { return latestViewStore{memstore.New()} }

type overwritingStore struct {
	*memstore.Store
	mu     *sync.Mutex
	stored map[[3]string]expense.Quote
}

func (o overwritingStore) PutQuotes(_ context.Context, quotes ...expense.Quote) (changed []expense.Quote, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, quote := range quotes {
		key := [3]string{string(quote.Source), quote.Date.String(), quote.Currency.Code()}
		if old, ok := o.stored[key]; ok && old != quote {
			changed = append(changed, quote)
		}
		o.stored[key] = quote
	}
	return changed, nil
}

func overwritesQuotes() store.Store {
	return overwritingStore{memstore.New(), new(sync.Mutex), make(map[[3]string]expense.Quote)}
}

type purgingStore struct{ *memstore.Store }

func (p purgingStore) Purge(ctx context.Context, _, _ time.Time) error {
	return p.Store.Purge(ctx, time.Now().Add(time.Hour), time.Now().Add(time.Hour))
}

func ignoresPurgeLimits() store.Store { return purgingStore{memstore.New()} }

type recreatingStore struct{ *memstore.Store }

func (c recreatingStore) CreateLedger(ctx context.Context, owner expense.OwnerID, ledger expense.InitialLedger) (
	bool, error) {
	if err := c.EraseLedger(ctx, owner); err != nil {
		return false, err
	}
	_, err := c.Store.CreateLedger(ctx, owner, ledger) // a concurrent call may have created it
	return true, err
}

func recreatesLedger() store.Store { return recreatingStore{memstore.New()} }

type orderingStore struct{ *memstore.Store }

func (o orderingStore) Owners(ctx context.Context) iter.Seq2[expense.OwnerID, error] {
	return func(yield func(expense.OwnerID, error) bool) {
		var owners []expense.OwnerID
		for owner := range o.Store.Owners(ctx) {
			owners = append(owners, owner)
		}
		slices.SortStableFunc(owners, func(a, b expense.OwnerID) int {
			return cmp.Compare(expense.Fold(string(a)), expense.Fold(string(b)))
		})
		for _, owner := range owners {
			if !yield(owner, nil) {
				return
			}
		}
	}
}

func ordersOwnersWithoutCase() store.Store { return orderingStore{memstore.New()} }

type mergeTx struct{ store.Tx }

// MergeCategory writes each expense twice with another date, so that its Guard changes.
func (m mergeTx) MergeCategory(ctx context.Context, from, into uuid.UUID, month expense.Month) (expense.MergeResult,
	error) {
	for e, err := range m.Expenses(ctx, expense.Query{Filter: expense.Filter{Categories: []uuid.UUID{from}}}) {
		if err != nil {
			return expense.MergeResult{}, err
		}
		original := e.Date
		for _, date := range []expense.Date{e.Date.AddDays(1), original} {
			e.Date = date
			version, err := m.PutExpenses(ctx, e)
			if err != nil {
				return expense.MergeResult{}, err
			}
			e.Version = version
		}
	}
	return m.Tx.MergeCategory(ctx, from, into, month)
}

func mergeChangesGuards() store.Store {
	return broken{Store: memstore.New(), tx: func(_ expense.OwnerID, tx store.Tx) store.Tx { return mergeTx{tx} }}
}

type deleteTx struct{ store.Tx }

// DeleteCategory ignores budgets whose MergedInto is the category.
func (h deleteTx) DeleteCategory(ctx context.Context, id uuid.UUID) (expense.Version, error) {
	snapshot, err := h.BudgetSnapshot(ctx)
	if err != nil {
		return 0, err
	}
	for _, b := range snapshot.Budgets {
		if b.MergedInto == id {
			b.MergedInto = snapshot.Settings.DefaultCategory
			if _, err := h.PutBudgets(ctx, b); err != nil {
				return 0, err
			}
		}
	}
	return h.Tx.DeleteCategory(ctx, id)
}

func ignoresMergedInto() store.Store {
	return broken{Store: memstore.New(), tx: func(_ expense.OwnerID, tx store.Tx) store.Tx { return deleteTx{tx} }}
}

// changesReader is a Reader with another Changes.
type changesReader struct {
	store.Reader
	changes func(ctx context.Context, r store.Reader, query store.ChangeQuery) ([]store.Change, error)
}

func (c changesReader) Changes(ctx context.Context, query store.ChangeQuery) ([]store.Change, error) {
	return c.changes(ctx, c.Reader, query)
}

func newChangesStore(fn func(ctx context.Context, r store.Reader, query store.ChangeQuery) ([]store.Change,
	error)) store.Store {
	return broken{Store: memstore.New(), reader: func(_ context.Context, _ expense.OwnerID, r store.Reader) store.Reader {
		return changesReader{r, fn}
	}}
}

func continuesFeedByVersion() store.Store {
	return newChangesStore(func(ctx context.Context, r store.Reader, query store.ChangeQuery) ([]store.Change, error) {
		query.After = store.EndOfVersion(query.After.Version)
		return r.Changes(ctx, query)
	})
}

func omitsTombstones() store.Store {
	return newChangesStore(func(ctx context.Context, r store.Reader, query store.ChangeQuery) ([]store.Change, error) {
		list, err := r.Changes(ctx, query)
		return slices.DeleteFunc(list, func(c store.Change) bool { return c.Deleted }), err
	})
}

// omitsChange returns a store that omits the last change but one of a page, as a store that takes versions before the
// commit does.
func omitsChange() store.Store {
	return newChangesStore(func(ctx context.Context, r store.Reader, query store.ChangeQuery) ([]store.Change, error) {
		list, err := r.Changes(ctx, query)
		if query.Limit > 0 && len(list) > 1 {
			list = slices.Delete(list, len(list)-2, len(list)-1)
		}
		return list, err
	})
}

type epochStore struct{ store.Store }

func (epochStore) StartEpoch(context.Context, expense.OwnerID) error { return nil }

func keepsEpoch() store.Store { return epochStore{memstore.New()} }

type stateReader struct{ store.Reader }

func (r stateReader) State(ctx context.Context) (store.State, error) {
	state, err := r.Reader.State(ctx)
	state.Discarded = ""
	return state, err
}

func forgetsDiscardedVersions() store.Store {
	return broken{Store: memstore.New(), reader: func(_ context.Context, _ expense.OwnerID, r store.Reader) store.Reader {
		return stateReader{r}
	}}
}
