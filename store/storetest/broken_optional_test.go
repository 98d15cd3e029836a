package storetest_test

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
)

type endlessWatcher struct{ *memstore.Store }

func (s endlessWatcher) Watch(fn func(expense.OwnerID)) (stop func()) {
	s.Store.Watch(fn)
	return func() {}
}

// watchesForEver returns a store that reports changes to a watcher that has stopped.
func watchesForEver() store.Store { return endlessWatcher{memstore.New()} }

// A staleTx returns prefetched expenses also after they were written.
type staleTx struct {
	store.Tx
	read map[uuid.UUID]expense.Expense
}

func (t staleTx) Prefetch(ctx context.Context, _ []store.IdempotencyKey, ids []uuid.UUID) error {
	for _, id := range ids {
		row, err := t.Tx.Expense(ctx, id)
		switch {
		case err == nil:
			t.read[id] = row
		case !errors.Is(err, expense.ErrNotFound):
			return err
		}
	}
	return nil
}

func (t staleTx) Expense(ctx context.Context, id uuid.UUID) (expense.Expense, error) {
	if row, ok := t.read[id]; ok {
		return row, nil
	}
	return t.Tx.Expense(ctx, id)
}

func prefetchesStaleRows() store.Store {
	return broken{Store: memstore.New(), tx: func(_ expense.OwnerID, tx store.Tx) store.Tx {
		return staleTx{tx, make(map[uuid.UUID]expense.Expense)}
	}}
}

// A positionReader returns the positions of tombstones too.
type positionReader struct{ store.Reader }

func (r positionReader) Positions(ctx context.Context) (store.State, []store.FeedPosition, error) {
	state, err := r.State(ctx)
	if err != nil {
		return state, nil, err
	}
	changes, err := r.Changes(ctx, store.ChangeQuery{})
	var positions []store.FeedPosition
	for _, change := range changes {
		positions = append(positions, change.FeedPosition)
	}
	return state, positions, err
}

func returnsPositionsOfTombstones() store.Store {
	return broken{Store: memstore.New(), reader: func(_ context.Context, _ expense.OwnerID, r store.Reader) store.Reader {
		return positionReader{r}
	}}
}

// cutsRetryAt returns a store that cuts RetryAt to seconds.
func cutsRetryAt() store.Store {
	return newEditStore(editTx{
		rule: func(_ store.Tx, row *recurrence.Rule) { row.RetryAt = row.RetryAt.Truncate(time.Second) },
	})
}

// cutsReadAt returns a store that cuts ReadAt to seconds.
func cutsReadAt() store.Store {
	return newAlertStore(func(ctx context.Context, tx store.Tx, alerts []budget.Alert) (expense.Version, error) {
		for i := range alerts {
			alerts[i].ReadAt = alerts[i].ReadAt.Truncate(time.Second)
		}
		return tx.PutAlerts(ctx, alerts...)
	})
}

// A firstWriteTx makes only the first call of PutExpenses, and ignores that its context is cancelled.
type firstWriteTx struct {
	store.Tx
	calls *int
}

func (t firstWriteTx) PutExpenses(ctx context.Context, rows ...expense.Expense) (expense.Version, error) {
	if *t.calls++; *t.calls > 1 {
		return 0, nil
	}
	return t.Tx.PutExpenses(context.WithoutCancel(ctx), rows...)
}

// commitsFirstWrite returns a store that commits the first write of an Update whose context is cancelled after the
// last.
func commitsFirstWrite() store.Store {
	errLate := errors.New("cancelled after the last write")
	return updateStore{memstore.New(), func(ctx context.Context, st *memstore.Store, owner expense.OwnerID,
		fn func(store.Tx) error) error {
		err := st.Update(ctx, owner, func(tx store.Tx) error {
			err := fn(tx)
			if err == nil && ctx.Err() != nil {
				return errLate
			}
			return err
		})
		if !errors.Is(err, errLate) {
			return err
		}
		calls := 0
		return errors.Join(ctx.Err(), st.Update(context.WithoutCancel(ctx), owner, func(tx store.Tx) error {
			return fn(firstWriteTx{tx, &calls})
		}))
	}}
}
