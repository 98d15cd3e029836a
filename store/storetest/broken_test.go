package storetest_test

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"iter"
	"maps"
	"os"
	"os/exec"
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

// A broken store is a good one with one fault put over it.
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

// hang is how long a broken store may hang before the check is called off; the right ones hang for ever.
const hang = time.Second

// TestBrokenStores holds the suite to what it is for: each fault is found by the check that should find it.
func TestBrokenStores(t *testing.T) {
	for _, fault := range []struct {
		name  string
		open  func() store.Store
		found []string // the checks that must fail
	}{
		{"forgets the owner when it reads", forgetsOwner, []string{"owner-isolation"}},
		{"takes ids that differ in case for one owner", foldsOwners, []string{"owner-ids", "owners"}},
		{"loses digits of an amount", losesDigits, []string{"expense-values", "expense-largest-values"}},
		{"keeps rates as floats", floatsRates, []string{"expense-values"}},
		{"ignores the version", ignoresVersion, []string{"write-compare-and-set", "write-refused"}},
		{"writes an id again", writesAgain, []string{"write-new", "write-refused"}},
		{"lists a row twice", listsTwice, []string{"query-many-rows"}},
		{"yields with rows open", yieldsLocked, []string{"query-loop-body"}},
		{"reads one owner at a time and keeps the loop's lock", ownersLocked, []string{"owners"}},
		{"lets totals drift", totalsDrift, []string{"totals-after-changes", "model"}},
		{"leaves the pending out of totals", totalsDropPending, []string{"totals-steps-and-ranges", "model"}},
		{"takes a version for nothing", versionForNothing, []string{"versions"}},
		{"loses updates", losesUpdates, []string{"update-alone", "versions-at-once"}},
		{"leaves half of a failed batch", halfBatch, []string{"write-refused"}},
		{"commits what failed", commitsFailures, []string{"update-undoes", "model"}},
		{"survives a reference to nothing", survivesStrays, []string{"update-doomed"}},
		{"keeps the answer outside the transaction", answerOutside, []string{"idempotency-rollback"}},
		{"looks the answer up before it locks", answerBefore, []string{"idempotency-waits"}},
		{"uses deleted ids again", reusesIDs, []string{"expense-deletes", "write-new", "category-deletes", "budget-deletes",
			"rule-deletes"}},
		{"reads what is committed in a view", viewIsNoSnapshot, []string{"view-snapshot"}},
		{"lets a view block writers", viewBlocks, []string{"view-snapshot"}},
		{"moves the guard with every write", guardFollows, []string{"expense-guard", "expense-changes"}},
		{"searches by ASCII", searchesASCII, []string{"query-text"}},
		{"goes on with the row it stopped at", afterInclusive, []string{"query-after"}},
		{"orders ties one way only", tiesOneWay, []string{"query-sorts"}},
		{"overwrites prices", overwritesQuotes, []string{"quotes-insert-only"}},
		{"purges too much", purgesAll, []string{"purge-answers", "purge-tombstones"}},
		{"makes a ledger again", createsAgain, []string{"ledger-create", "ledger-create-at-once"}},
		{"orders owners as people do", ordersOwners, []string{"owners"}},
		{"deletes the category that has a merged one's expenses", losesHeirs, []string{"category-deletes"}},
		{"moves guards in a merge", mergeMovesGuards, []string{"category-merge"}},
		{"goes on in the feed by version alone", feedByVersion, []string{"changes-pages"}},
		{"forgets what was deleted in the feed", feedWithoutTombstones, []string{"changes-values"}},
		{"lets readers of the feed miss a row", feedMisses, []string{"changes-while-writing"}},
		{"keeps the epoch", keepsEpoch, []string{"new-epoch"}},
		{"forgets which versions a restore took back", forgetsLost, []string{"new-epoch"}},
		{"posts twice", postsTwice, []string{"post-once"}},
		{"moves the cursor alone", movesCursorAlone, []string{"post-whole"}},
		{"lets every day begin in Greenwich", beginsInGreenwich, []string{"owners-due-zones"}},
		{"finds paused rules due", findsPausedDue, []string{"owners-due"}},
		{"counts from the next try of a rule that failed", dueFromRetry, []string{"owners-due"}},
		{"leaves a rule that failed when its category is mended", repairsNothing, []string{"category-repairs-rules"}},
		{"raises an alert again", raisesAgain, []string{"alert-writes"}},
		{"forgets that an alert was read", forgetsReading, []string{"alert-values"}},
		{"forgets the alerts of earlier months", forgetsEarlierAlerts, []string{"alert-values"}},
		{"says that no ledger with a budget was written to", keepsVersions, []string{"owners-with-budgets"}},
	} {
		t.Run(fault.name, func(t *testing.T) {
			for _, check := range fault.found {
				failures := storetest.Failures(t.Context(), check, fault.open(), hang)
				if len(failures) == 0 {
					t.Errorf("the check %s found no fault in a store that %s", check, fault.name)
					continue
				}
				t.Logf("%s: %s", check, failures[0])
				if failures := storetest.Failures(t.Context(), check, memstore.New(), time.Minute); len(failures) > 0 {
					t.Errorf("the check %s found fault with a store that has none: %s", check, failures[0])
				}
			}
		})
	}
}

var runBroken = flag.Bool("broken", false, "run the suite over a broken store, for a test that reads what it prints")

func TestRunOverABrokenStore(t *testing.T) {
	if !*runBroken {
		t.Skip("run by TestRunPrintsTheSentence with -broken")
	}
	storetest.Run(t, func(*testing.T) store.Store { return losesDigits() })
}

func TestRunPrintsTheSentence(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRunOverABrokenStore$",
		"-broken").CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 {
		t.Fatalf("the suite over a broken store ended with %v:\n%s", err, out)
	}
	for _, want := range []string{
		"--- FAIL: TestRunOverABrokenStore/expense-values",
		"the check covers the guarantee expense.Tx.PutExpenses: PutExpenses writes expenses.",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the suite over a broken store does not print %q:\n%s", want, out)
		}
	}
	if strings.Contains(string(out), "--- FAIL: TestRunOverABrokenStore/rule-deletes") {
		t.Errorf("a check fails that has nothing to do with the fault:\n%s", out)
	}
}

// putting is a Tx whose PutExpenses is another.
type putting struct {
	store.Tx
	put func(ctx context.Context, tx store.Tx, rows []expense.Expense) (expense.Version, error)
}

func (p putting) PutExpenses(ctx context.Context, rows ...expense.Expense) (expense.Version, error) {
	return p.put(ctx, p.Tx, slices.Clone(rows))
}

func puts(put func(ctx context.Context, tx store.Tx, rows []expense.Expense) (expense.Version, error)) store.Store {
	return broken{Store: memstore.New(), tx: func(_ expense.OwnerID, tx store.Tx) store.Tx { return putting{tx, put} }}
}

// listing is a Reader whose Expenses is another.
type listing struct {
	store.Reader
	list func(ctx context.Context, r store.Reader, query expense.Query) iter.Seq2[expense.Expense, error]
}

func (l listing) Expenses(ctx context.Context, query expense.Query) iter.Seq2[expense.Expense, error] {
	return l.list(ctx, l.Reader, query)
}

func lists(list func(ctx context.Context, r store.Reader, query expense.Query) iter.Seq2[expense.Expense,
	error]) store.Store {
	return broken{Store: memstore.New(), reader: func(_ context.Context, _ expense.OwnerID,
		r store.Reader) store.Reader {
		return listing{r, list}
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

func forgetsOwner() store.Store {
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

type foldingOwners struct{ *memstore.Store }

func (f foldingOwners) CreateLedger(ctx context.Context, owner expense.OwnerID, ledger expense.InitialLedger) (bool,
	error) {
	return f.Store.CreateLedger(ctx, expense.OwnerID(strings.ToLower(string(owner))), ledger)
}

func foldsOwners() store.Store { return foldingOwners{memstore.New()} }

func losesDigits() store.Store {
	return puts(func(ctx context.Context, tx store.Tx, rows []expense.Expense) (expense.Version, error) {
		for i, e := range rows {
			if e.Amount.Currency().Digits() > 2 {
				rows[i].Amount, _ = expense.MoneyFromMinor(e.Amount.Minor()/10*10, e.Amount.Currency())
			}
		}
		return tx.PutExpenses(ctx, rows...)
	})
}

func floatsRates() store.Store {
	return puts(func(ctx context.Context, tx store.Tx, rows []expense.Expense) (expense.Version, error) {
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
	return puts(func(ctx context.Context, tx store.Tx, rows []expense.Expense) (expense.Version, error) {
		for i, e := range rows {
			if old, err := tx.Expense(ctx, e.ID); err == nil && e.Version != 0 {
				rows[i].Version = old.Version
			}
		}
		return tx.PutExpenses(ctx, rows...)
	})
}

func writesAgain() store.Store {
	return puts(func(ctx context.Context, tx store.Tx, rows []expense.Expense) (expense.Version, error) {
		for i, e := range rows {
			if old, err := tx.Expense(ctx, e.ID); err == nil && e.Version == 0 {
				rows[i].Version = old.Version
			}
		}
		return tx.PutExpenses(ctx, rows...)
	})
}

func halfBatch() store.Store {
	return puts(func(ctx context.Context, tx store.Tx, rows []expense.Expense) (version expense.Version, err error) {
		for _, e := range rows {
			if version, err = tx.PutExpenses(ctx, e); err != nil {
				return 0, err
			}
		}
		return version, nil
	})
}

func survivesStrays() store.Store {
	return puts(func(ctx context.Context, tx store.Tx, rows []expense.Expense) (expense.Version, error) {
		for _, e := range rows {
			if _, err := tx.Category(ctx, e.CategoryID); err != nil {
				return 0, err
			}
		}
		return tx.PutExpenses(ctx, rows...)
	})
}

// listsTwice reads in chunks of 500 and begins each with the last row of the one before.
func listsTwice() store.Store {
	return lists(func(ctx context.Context, r store.Reader, query expense.Query) iter.Seq2[expense.Expense, error] {
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

func searchesASCII() store.Store {
	return lists(func(ctx context.Context, r store.Reader, query expense.Query) iter.Seq2[expense.Expense, error] {
		text := strings.ToLower(query.Text)
		query.Text = ""
		return func(yield func(expense.Expense, error) bool) {
			for e, err := range r.Expenses(ctx, query) {
				if strings.Contains(strings.ToLower(e.Notes), text) && !yield(e, err) {
					return
				}
			}
		}
	})
}

func afterInclusive() store.Store {
	return lists(func(ctx context.Context, r store.Reader, query expense.Query) iter.Seq2[expense.Expense, error] {
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

func tiesOneWay() store.Store {
	return lists(func(ctx context.Context, r store.Reader, query expense.Query) iter.Seq2[expense.Expense, error] {
		return func(yield func(expense.Expense, error) bool) {
			var rows []expense.Expense
			for e := range r.Expenses(ctx, query) {
				rows = append(rows, e)
			}
			slices.SortFunc(rows, func(a, b expense.Expense) int {
				x, y := query.Sort.Position(a), query.Sort.Position(b)
				if query.Sort.Descending() {
					x.N, y.N = y.N, x.N
				}
				return cmp.Or(cmp.Compare(x.N, y.N), cmp.Compare(x.ID.String(), y.ID.String()))
			})
			for _, e := range rows {
				if !yield(e, nil) {
					return
				}
			}
		}
	})
}

// locking is a store of one lock for everything.
type locking struct {
	store.Store
	lock *sync.Mutex
}

func (l locking) Update(ctx context.Context, owner expense.OwnerID, fn func(store.Tx) error) error {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.Store.Update(ctx, owner, fn)
}

func yieldsLocked() store.Store {
	lock := new(sync.Mutex)
	return locking{lock: lock, Store: lists(func(ctx context.Context, r store.Reader,
		query expense.Query) iter.Seq2[expense.Expense, error] {
		return func(yield func(expense.Expense, error) bool) {
			lock.Lock()
			defer lock.Unlock()
			r.Expenses(ctx, query)(yield)
		}
	})}
}

type lockingOwners struct{ locking }

func (l lockingOwners) Owners(ctx context.Context) iter.Seq2[expense.OwnerID, error] {
	return func(yield func(expense.OwnerID, error) bool) {
		l.lock.Lock()
		defer l.lock.Unlock()
		l.Store.Owners(ctx)(yield)
	}
}

func ownersLocked() store.Store { return lockingOwners{locking{memstore.New(), new(sync.Mutex)}} }

type lockingViews struct{ locking }

func (l lockingViews) View(ctx context.Context, owner expense.OwnerID, fn func(store.Reader) error) error {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.Store.View(ctx, owner, fn)
}

func viewBlocks() store.Store { return lockingViews{locking{memstore.New(), new(sync.Mutex)}} }

// totalsDrift keeps what it added up until an expense is added: edits, deletions and merges go by unseen.
func totalsDrift() store.Store {
	type question struct {
		owner expense.OwnerID
		span  expense.Range
		by    expense.Granularity
	}
	kept := make(map[question][]expense.Total)
	return broken{
		Store: memstore.New(),
		reader: func(_ context.Context, owner expense.OwnerID, r store.Reader) store.Reader {
			return reader{Reader: r, totals: func(ctx context.Context, query expense.TotalsQuery) ([]expense.Total, error) {
				var all []expense.Total
				for i, span := range query.Ranges {
					ask := question{owner, span, query.Granularity}
					totals, ok := kept[ask]
					if !ok {
						var err error
						if totals, err = r.Totals(ctx,
							expense.TotalsQuery{Ranges: []expense.Range{span}, Granularity: query.Granularity}); err != nil {
							return nil, err
						}
						kept[ask] = totals
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
			return putting{tx, func(ctx context.Context, tx store.Tx, rows []expense.Expense) (expense.Version, error) {
				if slices.ContainsFunc(rows, func(e expense.Expense) bool { return e.Version == 0 }) {
					clear(kept)
				}
				return tx.PutExpenses(ctx, rows...)
			}}
		},
	}
}

func totalsDropPending() store.Store {
	return broken{Store: memstore.New(), reader: func(_ context.Context, _ expense.OwnerID, r store.Reader) store.Reader {
		return reader{Reader: r, totals: func(ctx context.Context, query expense.TotalsQuery) ([]expense.Total, error) {
			totals, err := r.Totals(ctx, query)
			return slices.DeleteFunc(totals, func(t expense.Total) bool { return t.PendingCount == t.Count }), err
		}}
	}}
}

func guardFollows() store.Store {
	return broken{Store: memstore.New(), reader: func(_ context.Context, _ expense.OwnerID, r store.Reader) store.Reader {
		return reader{Reader: r, expense: func(ctx context.Context, id uuid.UUID) (expense.Expense, error) {
			e, err := r.Expense(ctx, id)
			e.Guard = e.Version
			return e, err
		}}
	}}
}

// updating is a store whose Update is another.
type updating struct {
	*memstore.Store
	update func(ctx context.Context, st *memstore.Store, owner expense.OwnerID, fn func(store.Tx) error) error
}

func (u updating) Update(ctx context.Context, owner expense.OwnerID, fn func(store.Tx) error) error {
	return u.update(ctx, u.Store, owner, fn)
}

func versionForNothing() store.Store {
	return updating{memstore.New(), func(ctx context.Context, st *memstore.Store, owner expense.OwnerID,
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

func commitsFailures() store.Store {
	return updating{memstore.New(), func(ctx context.Context, st *memstore.Store, owner expense.OwnerID,
		fn func(store.Tx) error) error {
		var failed error
		err := st.Update(ctx, owner, func(tx store.Tx) error { failed = fn(tx); return nil })
		return errors.Join(err, failed)
	}}
}

func reusesIDs() store.Store {
	return updating{memstore.New(), func(ctx context.Context, st *memstore.Store, owner expense.OwnerID,
		fn func(store.Tx) error) error {
		if err := st.Update(ctx, owner, fn); err != nil {
			return err
		}
		return st.Purge(ctx, time.Time{}, time.Now().Add(time.Hour))
	}}
}

// stale is a Tx that reads what was committed before it held the ledger.
type stale struct {
	putting
	before func(ctx context.Context, id uuid.UUID) (expense.Expense, error)
}

func (s stale) Expense(ctx context.Context, id uuid.UUID) (expense.Expense, error) {
	return s.before(ctx, id)
}

// losesUpdates reads before it locks, and writes whatever the version.
func losesUpdates() store.Store {
	return updating{memstore.New(), func(ctx context.Context, st *memstore.Store, owner expense.OwnerID,
		fn func(store.Tx) error) error {
		return st.View(ctx, owner, func(r store.Reader) error {
			return st.Update(ctx, owner, func(tx store.Tx) error {
				time.Sleep(time.Millisecond)
				return fn(stale{before: r.Expense, putting: putting{tx,
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

// answers is a Tx whose Answer and PutAnswer are others.
type answers struct {
	store.Tx
	get func(ctx context.Context, key store.IdempotencyKey) (store.IdempotencyRecord, error)
	put func(ctx context.Context, answer store.IdempotencyRecord) error
}

func (a answers) IdempotencyRecord(ctx context.Context, key store.IdempotencyKey) (store.IdempotencyRecord, error) {
	return a.get(ctx, key)
}

func (a answers) PutIdempotencyRecord(ctx context.Context, answer store.IdempotencyRecord) error {
	return a.put(ctx, answer)
}

func answerOutside() store.Store {
	kept := make(map[store.IdempotencyKey]store.IdempotencyRecord)
	return broken{Store: memstore.New(), tx: func(_ expense.OwnerID, tx store.Tx) store.Tx {
		return answers{tx, func(_ context.Context, key store.IdempotencyKey) (store.IdempotencyRecord, error) {
			if answer, ok := kept[key]; ok {
				return answer, nil
			}
			return store.IdempotencyRecord{}, expense.ErrNotFound
		}, func(_ context.Context, answer store.IdempotencyRecord) error {
			if _, ok := kept[answer.IdempotencyKey]; ok {
				return expense.ErrExists
			}
			kept[answer.IdempotencyKey] = answer
			return nil
		}}
	}}
}

// answerBefore looks answers up as they were before the ledger was locked, and writes over the twin's.
func answerBefore() store.Store {
	var mu sync.Mutex
	committed := make(map[store.IdempotencyKey]store.IdempotencyRecord)
	return updating{memstore.New(), func(ctx context.Context, st *memstore.Store, owner expense.OwnerID,
		fn func(store.Tx) error) error {
		mu.Lock()
		before := maps.Clone(committed)
		mu.Unlock()
		return st.Update(ctx, owner, func(tx store.Tx) error {
			return fn(answers{tx, func(_ context.Context, key store.IdempotencyKey) (store.IdempotencyRecord, error) {
				if answer, ok := before[key]; ok {
					return answer, nil
				}
				return store.IdempotencyRecord{}, expense.ErrNotFound
			}, func(_ context.Context, answer store.IdempotencyRecord) error {
				mu.Lock()
				defer mu.Unlock()
				committed[answer.IdempotencyKey] = answer
				return nil
			}})
		})
	}}
}

type liveViews struct{ *memstore.Store }

func (l liveViews) View(_ context.Context, owner expense.OwnerID, fn func(store.Reader) error) error {
	return fn(l.Reader(owner))
}

func viewIsNoSnapshot() store.Store { return liveViews{memstore.New()} }

type overwriting struct {
	*memstore.Store
	mu   *sync.Mutex
	kept map[[3]string]expense.Quote
}

func (o overwriting) PutQuotes(_ context.Context, quotes ...expense.Quote) (changed []expense.Quote, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, quote := range quotes {
		key := [3]string{string(quote.Source), quote.Date.String(), quote.Currency.Code()}
		if old, ok := o.kept[key]; ok && old != quote {
			changed = append(changed, quote)
		}
		o.kept[key] = quote
	}
	return changed, nil
}

func overwritesQuotes() store.Store {
	return overwriting{memstore.New(), new(sync.Mutex), make(map[[3]string]expense.Quote)}
}

type purging struct{ *memstore.Store }

func (p purging) Purge(ctx context.Context, _, _ time.Time) error {
	return p.Store.Purge(ctx, time.Now().Add(time.Hour), time.Now().Add(time.Hour))
}

func purgesAll() store.Store { return purging{memstore.New()} }

type creating struct{ *memstore.Store }

func (c creating) CreateLedger(ctx context.Context, owner expense.OwnerID, ledger expense.InitialLedger) (bool, error) {
	if err := c.EraseLedger(ctx, owner); err != nil {
		return false, err
	}
	_, err := c.Store.CreateLedger(ctx, owner, ledger) // that of somebody who came between counts as made here
	return true, err
}

func createsAgain() store.Store { return creating{memstore.New()} }

type ordering struct{ *memstore.Store }

func (o ordering) Owners(ctx context.Context) iter.Seq2[expense.OwnerID, error] {
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

func ordersOwners() store.Store { return ordering{memstore.New()} }

type merging struct{ store.Tx }

// MergeCategory writes each expense anew, in another category: a change of its guard would be the least of it.
func (m merging) MergeCategory(ctx context.Context, from, into uuid.UUID, month expense.Month) (expense.MergeResult,
	error) {
	for e, err := range m.Expenses(ctx, expense.Query{Filter: expense.Filter{Categories: []uuid.UUID{from}}}) {
		if err != nil {
			return expense.MergeResult{}, err
		}
		kept := e.Date
		for _, date := range []expense.Date{e.Date.AddDays(1), kept} {
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

func mergeMovesGuards() store.Store {
	return broken{Store: memstore.New(), tx: func(_ expense.OwnerID, tx store.Tx) store.Tx { return merging{tx} }}
}

type heirless struct{ store.Tx }

// DeleteCategory takes what merges left the category for nothing that refers to it.
func (h heirless) DeleteCategory(ctx context.Context, id uuid.UUID) (expense.Version, error) {
	book, err := h.BudgetSnapshot(ctx)
	if err != nil {
		return 0, err
	}
	for _, b := range book.Budgets {
		if b.MergedInto == id {
			b.MergedInto = book.Settings.DefaultCategory
			if _, err := h.PutBudgets(ctx, b); err != nil {
				return 0, err
			}
		}
	}
	return h.Tx.DeleteCategory(ctx, id)
}

func losesHeirs() store.Store {
	return broken{Store: memstore.New(), tx: func(_ expense.OwnerID, tx store.Tx) store.Tx { return heirless{tx} }}
}

// changing is a Reader whose Changes is another.
type changing struct {
	store.Reader
	changes func(ctx context.Context, r store.Reader, query store.ChangeQuery) ([]store.Change, error)
}

func (c changing) Changes(ctx context.Context, query store.ChangeQuery) ([]store.Change, error) {
	return c.changes(ctx, c.Reader, query)
}

func changes(fn func(ctx context.Context, r store.Reader, query store.ChangeQuery) ([]store.Change,
	error)) store.Store {
	return broken{Store: memstore.New(), reader: func(_ context.Context, _ expense.OwnerID, r store.Reader) store.Reader {
		return changing{r, fn}
	}}
}

func feedByVersion() store.Store {
	return changes(func(ctx context.Context, r store.Reader, query store.ChangeQuery) ([]store.Change, error) {
		query.After = store.EndOfVersion(query.After.Version)
		return r.Changes(ctx, query)
	})
}

func feedWithoutTombstones() store.Store {
	return changes(func(ctx context.Context, r store.Reader, query store.ChangeQuery) ([]store.Change, error) {
		list, err := r.Changes(ctx, query)
		return slices.DeleteFunc(list, func(c store.Change) bool { return c.Deleted }), err
	})
}

// feedMisses hides the last expense but one of each reading, as a store does whose versions are taken before they are
// committed.
func feedMisses() store.Store {
	return changes(func(ctx context.Context, r store.Reader, query store.ChangeQuery) ([]store.Change, error) {
		list, err := r.Changes(ctx, query)
		if query.Limit > 0 && len(list) > 1 {
			list = slices.Delete(list, len(list)-2, len(list)-1)
		}
		return list, err
	})
}

type keeping struct{ store.Store }

func (keeping) StartEpoch(context.Context, expense.OwnerID) error { return nil }

func keepsEpoch() store.Store { return keeping{memstore.New()} }

type forgettingLost struct{ store.Reader }

func (r forgettingLost) State(ctx context.Context) (store.State, error) {
	state, err := r.Reader.State(ctx)
	state.Discarded = ""
	return state, err
}

func forgetsLost() store.Store {
	return broken{Store: memstore.New(), reader: func(_ context.Context, _ expense.OwnerID, r store.Reader) store.Reader {
		return forgettingLost{r}
	}}
}
