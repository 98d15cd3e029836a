package storetest_test

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
)

// An editTx is a Tx that changes each row before it writes it. A nil function changes nothing.
type editTx struct {
	store.Tx
	settings func(tx store.Tx, row *expense.Settings)
	category func(tx store.Tx, row *expense.Category)
	rule     func(tx store.Tx, row *recurrence.Rule)
	budget   func(tx store.Tx, row *budget.Budget)
}

func newEditStore(edit editTx) store.Store {
	return newTxStore(func(tx store.Tx) store.Tx { edit.Tx = tx; return edit })
}

// newTxStore returns a store with another Tx.
func newTxStore(tx func(store.Tx) store.Tx) store.Store {
	return broken{Store: memstore.New(), tx: func(_ expense.OwnerID, inner store.Tx) store.Tx { return tx(inner) }}
}

// newReaderStore returns a store with another Reader.
func newReaderStore(reader func(store.Reader) store.Reader) store.Store {
	return broken{Store: memstore.New(), reader: func(_ context.Context, _ expense.OwnerID, r store.Reader) store.Reader {
		return reader(r)
	}}
}

// edited returns copies of rows that edit has changed.
func edited[V any](tx store.Tx, rows []V, edit func(store.Tx, *V)) []V {
	copies := append([]V(nil), rows...)
	for i := range copies {
		if edit != nil {
			edit(tx, &copies[i])
		}
	}
	return copies
}

func (e editTx) PutSettings(ctx context.Context, settings expense.Settings) (expense.Version, error) {
	return e.Tx.PutSettings(ctx, edited(e.Tx, []expense.Settings{settings}, e.settings)[0])
}

func (e editTx) PutCategories(ctx context.Context, rows ...expense.Category) (expense.Version, error) {
	return e.Tx.PutCategories(ctx, edited(e.Tx, rows, e.category)...)
}

func (e editTx) PutRules(ctx context.Context, rows ...recurrence.Rule) (expense.Version, error) {
	return e.Tx.PutRules(ctx, edited(e.Tx, rows, e.rule)...)
}

func (e editTx) PutBudgets(ctx context.Context, rows ...budget.Budget) (expense.Version, error) {
	return e.Tx.PutBudgets(ctx, edited(e.Tx, rows, e.budget)...)
}

// ignoresVersions returns a store that overwrites rows at any version.
func ignoresVersions() store.Store {
	ctx := context.Background()
	return newEditStore(editTx{
		settings: func(tx store.Tx, row *expense.Settings) {
			if old, err := tx.Settings(ctx); err == nil {
				row.Version = old.Version
			}
		},
		category: func(tx store.Tx, row *expense.Category) {
			if old, err := tx.Category(ctx, row.ID); err == nil {
				row.Version = old.Version
			}
		},
		rule: func(tx store.Tx, row *recurrence.Rule) {
			if old, err := tx.Rule(ctx, row.ID); err == nil {
				row.Version = old.Version
			}
		},
		budget: func(tx store.Tx, row *budget.Budget) {
			if old, err := tx.Budget(ctx, row.ID); err == nil {
				row.Version = old.Version
			}
		},
	})
}

// losesFields returns a store that does not store one field of each type of row.
func losesFields() store.Store {
	return newEditStore(editTx{
		settings: func(_ store.Tx, row *expense.Settings) { row.FiscalYearStart = time.January },
		category: func(_ store.Tx, row *expense.Category) { row.Icon = "" },
		rule:     func(_ store.Tx, row *recurrence.Rule) { row.Notes = "" },
		budget:   func(_ store.Tx, row *budget.Budget) { row.RolloverCap = expense.Money{} },
	})
}

// replacesUnknownCategories returns a store that writes the default category in place of an unknown one.
func replacesUnknownCategories() store.Store {
	known := func(tx store.Tx, id uuid.UUID) uuid.UUID {
		settings, err := tx.Settings(context.Background())
		if _, unknown := tx.Category(context.Background(), id); err == nil && unknown != nil {
			return settings.DefaultCategory
		}
		return id
	}
	return newEditStore(editTx{
		settings: func(tx store.Tx, row *expense.Settings) { row.DefaultCategory = known(tx, row.DefaultCategory) },
		rule:     func(tx store.Tx, row *recurrence.Rule) { row.CategoryID = known(tx, row.CategoryID) },
	})
}

// A rowReader is a Reader with defects that do not depend on each other.
type rowReader struct{ store.Reader }

// Settings returns no error if there is no ledger.
func (r rowReader) Settings(ctx context.Context) (expense.Settings, error) {
	settings, err := r.Reader.Settings(ctx)
	if errors.Is(err, expense.ErrNotFound) {
		err = nil
	}
	return settings, err
}

// CategoryByName compares case.
func (r rowReader) CategoryByName(ctx context.Context, name string) (expense.Category, error) {
	category, err := r.Reader.CategoryByName(ctx, name)
	if err == nil && category.Name != name {
		return expense.Category{}, expense.ErrNotFound
	}
	return category, err
}

// Expense forgets tombstones with derived ids.
func (r rowReader) Expense(ctx context.Context, id uuid.UUID) (expense.Expense, error) {
	e, err := r.Reader.Expense(ctx, id)
	if errors.Is(err, expense.ErrGone) && id.Version() == 5 {
		err = expense.ErrNotFound
	}
	return e, err
}

// Rule returns the version as the Guard.
func (r rowReader) Rule(ctx context.Context, id uuid.UUID) (recurrence.Rule, error) {
	rule, err := r.Reader.Rule(ctx, id)
	rule.Guard = rule.Version
	return rule, err
}

// Budget returns the version as the Guard.
func (r rowReader) Budget(ctx context.Context, id uuid.UUID) (budget.Budget, error) {
	b, err := r.Reader.Budget(ctx, id)
	b.Guard = b.Version
	return b, err
}

// BudgetSnapshot returns no error if there is no ledger, and always reports upcoming occurrences. It returns version 2
// of the settings.
func (r rowReader) BudgetSnapshot(ctx context.Context) (budget.Snapshot, error) {
	snapshot, err := r.Reader.BudgetSnapshot(ctx)
	if errors.Is(err, expense.ErrNotFound) {
		err = nil
	}
	snapshot.HasUpcomingOccurrences, snapshot.Settings.Version = true, 2
	return snapshot, err
}

// Alerts omits alerts whose budget was deleted.
func (r rowReader) Alerts(ctx context.Context, from expense.Month) ([]budget.Alert, error) {
	all, err := r.Reader.Alerts(ctx, from)
	var kept []budget.Alert
	for _, alert := range all {
		if _, deleted := r.Reader.Budget(ctx, alert.BudgetID); !errors.Is(deleted, expense.ErrGone) {
			kept = append(kept, alert)
		}
	}
	return kept, err
}

// State returns the initial state with another epoch.
func (r rowReader) State(ctx context.Context) (store.State, error) {
	state, err := r.Reader.State(ctx)
	return store.State{Epoch: state.Epoch, Version: min(state.Version, 1)}, err
}

// Expenses ignores the limit of amounts and omits the last row of a list without a filter. It continues after an error.
func (r rowReader) Expenses(ctx context.Context, query expense.Query) iter.Seq2[expense.Expense, error] {
	query.AmountMax = expense.Money{}
	if query.Limit == 0 {
		query.Limit = 1 << 20
	}
	return func(yield func(expense.Expense, error) bool) {
		var last *expense.Expense
		for e, err := range r.Reader.Expenses(ctx, query) {
			if err != nil {
				for range 2 {
					if !yield(e, err) {
						break
					}
				}
				return
			}
			if last != nil && !yield(*last, nil) {
				return
			}
			last = &e
		}
	}
}

func readsRowsWithDefects() store.Store {
	return newReaderStore(func(r store.Reader) store.Reader { return rowReader{r} })
}

// A rowTx is a Tx with defects that do not depend on each other.
type rowTx struct {
	store.Tx
	committed store.Reader
}

// Category does not see the writes of the Update.
func (r rowTx) Category(ctx context.Context, id uuid.UUID) (expense.Category, error) {
	return r.committed.Category(ctx, id)
}

// State does not see the writes of the Update.
func (r rowTx) State(ctx context.Context) (store.State, error) { return r.committed.State(ctx) }

// HasBudgets does not see the writes of the Update.
func (r rowTx) HasBudgets(ctx context.Context) (bool, error) {
	snapshot, err := r.committed.BudgetSnapshot(ctx)
	return len(snapshot.Budgets) > 0, err
}

// DeleteCategory merges a category that is in use into the default category.
func (r rowTx) DeleteCategory(ctx context.Context, id uuid.UUID) (expense.Version, error) {
	version, err := r.Tx.DeleteCategory(ctx, id)
	if errors.Is(err, expense.ErrInUse) {
		settings, failed := r.Settings(ctx)
		if failed != nil {
			return 0, failed
		}
		merged, err := r.Tx.MergeCategory(ctx, id, settings.DefaultCategory, expense.MustMonth("2025-01"))
		return merged.Version, err
	}
	return version, err
}

// MergeCategory returns no error for an unknown category, and does not report the budget that it ends.
func (r rowTx) MergeCategory(
	ctx context.Context, source, target uuid.UUID, month expense.Month,
) (expense.MergeResult, error) {
	merged, err := r.Tx.MergeCategory(ctx, source, target, month)
	if errors.Is(err, expense.ErrNotFound) {
		err = nil
	}
	merged.BudgetID = uuid.Nil
	return merged, err
}

// PutExpenses limits the volume to half of the limit.
func (r rowTx) PutExpenses(ctx context.Context, rows ...expense.Expense) (expense.Version, error) {
	for _, e := range rows {
		if e.Volume() >= expense.MaxMinor/2-1 {
			return 0, expense.ErrTotalTooLarge
		}
	}
	return r.Tx.PutExpenses(ctx, rows...)
}

// PutIdempotencyRecord stores no fingerprint, and returns no error if the key has a record.
func (r rowTx) PutIdempotencyRecord(ctx context.Context, record store.IdempotencyRecord) error {
	record.Fingerprint = nil
	err := r.Tx.PutIdempotencyRecord(ctx, record)
	if errors.Is(err, expense.ErrExists) {
		return nil
	}
	return err
}

func writesRowsWithDefects() store.Store {
	st := memstore.New()
	return broken{Store: st, tx: func(owner expense.OwnerID, tx store.Tx) store.Tx { return rowTx{tx, st.Reader(owner)} }}
}

// recordsNothing returns a store that stores no idempotency records.
func recordsNothing() store.Store {
	return newTxStore(func(tx store.Tx) store.Tx {
		return recordTx{tx, func(context.Context, store.IdempotencyKey) (store.IdempotencyRecord, error) {
			return store.IdempotencyRecord{}, expense.ErrNotFound
		}, func(context.Context, store.IdempotencyRecord) error { return nil }}
	})
}

// A looseStore is a store whose own methods have defects that do not depend on each other.
type looseStore struct{ *memstore.Store }

// EraseLedger accepts an invalid owner.
func (l looseStore) EraseLedger(ctx context.Context, owner expense.OwnerID) error {
	if err := l.Store.EraseLedger(ctx, owner); !errors.Is(err, expense.ErrInvalid) {
		return err
	}
	return nil
}

// Ping always fails.
func (looseStore) Ping(context.Context) error { return expense.ErrUnavailable }

// Update creates a missing ledger, recovers from a panic and ignores that its context is done.
func (l looseStore) Update(ctx context.Context, owner expense.OwnerID, fn func(store.Tx) error) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = errors.New("the function panicked")
		}
	}()
	ctx = context.WithoutCancel(ctx)
	err = l.Store.Update(ctx, owner, func(tx store.Tx) error { return fn(patientTx{tx}) })
	if errors.Is(err, expense.ErrNotFound) && owner.Validate() == nil {
		return nil
	}
	return err
}

// PendingOwners yields all owners.
func (l looseStore) PendingOwners(ctx context.Context) iter.Seq2[expense.OwnerID, error] {
	return l.Owners(ctx)
}

// Quotes ignores from.
func (l looseStore) Quotes(
	ctx context.Context, source expense.Source, _ expense.Date,
) iter.Seq2[expense.Quote, error] {
	return l.Store.Quotes(ctx, source, expense.Date{})
}

// DueOwners yields at most 1,000 owners, and none of several owners at the same time.
func (l looseStore) DueOwners(ctx context.Context, now time.Time) iter.Seq2[store.DueOwner, error] {
	return func(yield func(store.DueOwner, error) bool) {
		n := 0
		var last time.Time
		for due, err := range l.Store.DueOwners(ctx, now) {
			if n++; n > 1000 {
				return
			}
			if !due.Since.Equal(last) && !yield(due, err) {
				return
			}
			last = due.Since
		}
	}
}

// Reader returns a Reader that always reads what was committed when it was made.
func (l looseStore) Reader(owner expense.OwnerID) (snapshot store.Reader) {
	err := l.View(context.Background(), owner, func(r store.Reader) error { snapshot = r; return nil })
	if err != nil {
		return l.Store.Reader(owner)
	}
	return snapshot
}

func hasLooseMethods() store.Store { return looseStore{memstore.New()} }

// A patientTx is a Tx that ignores that a context is done.
type patientTx struct{ store.Tx }

func (p patientTx) PutExpenses(ctx context.Context, rows ...expense.Expense) (expense.Version, error) {
	return p.Tx.PutExpenses(context.WithoutCancel(ctx), rows...)
}

// sharesBudgets returns a store that returns the same slices of a budget again and again.
func sharesBudgets() store.Store {
	shared := make(map[uuid.UUID]budget.Budget)
	return newReaderStore(func(r store.Reader) store.Reader { return sharingReader{r, shared} })
}

type sharingReader struct {
	store.Reader
	shared map[uuid.UUID]budget.Budget
}

func (s sharingReader) Budget(ctx context.Context, id uuid.UUID) (budget.Budget, error) {
	if b, ok := s.shared[id]; ok {
		return b, nil
	}
	b, err := s.Reader.Budget(ctx, id)
	s.shared[id] = b
	return b, err
}
