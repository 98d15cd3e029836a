package storetest_test

import (
	"context"
	"iter"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
)

// alertTx is a Tx with another PutAlerts.
type alertTx struct {
	store.Tx
	put func(ctx context.Context, tx store.Tx, alerts []budget.Alert) (expense.Version, error)
}

func (a alertTx) PutAlerts(ctx context.Context, alerts ...budget.Alert) (expense.Version, error) {
	return a.put(ctx, a.Tx, append([]budget.Alert(nil), alerts...))
}

func newAlertStore(
	put func(ctx context.Context, tx store.Tx, alerts []budget.Alert) (expense.Version, error)) store.Store {
	return broken{Store: memstore.New(), tx: func(_ expense.OwnerID, tx store.Tx) store.Tx { return alertTx{tx, put} }}
}

// recreatesAlerts returns a store in which a new alert replaces an existing one, so that the user reads it again.
func recreatesAlerts() store.Store {
	return newAlertStore(func(ctx context.Context, tx store.Tx, alerts []budget.Alert) (expense.Version, error) {
		stored, err := tx.Alerts(ctx, expense.Month{})
		if err != nil {
			return 0, err
		}
		versions := make(map[uuid.UUID]expense.Version)
		for _, alert := range stored {
			versions[alert.ID] = alert.Version
		}
		for i, alert := range alerts {
			if alert.Version == 0 {
				alerts[i].Version = versions[alert.ID]
			}
		}
		return tx.PutAlerts(ctx, alerts...)
	})
}

// forgetsReadAt returns a store that does not store ReadAt.
func forgetsReadAt() store.Store {
	return newAlertStore(func(ctx context.Context, tx store.Tx, alerts []budget.Alert) (expense.Version, error) {
		for i := range alerts {
			alerts[i].ReadAt = time.Time{}
		}
		return tx.PutAlerts(ctx, alerts...)
	})
}

// returnsOneMonthOfAlerts returns a store whose Alerts returns only the latest month.
func returnsOneMonthOfAlerts() store.Store {
	return broken{Store: memstore.New(),
		reader: func(_ context.Context, _ expense.OwnerID, r store.Reader) store.Reader { return oneMonthReader{r} }}
}

type oneMonthReader struct{ store.Reader }

func (l oneMonthReader) Alerts(ctx context.Context, from expense.Month) ([]budget.Alert, error) {
	all, err := l.Reader.Alerts(ctx, from)
	for i, alert := range all {
		if alert.Month != all[0].Month {
			return all[:i], err
		}
	}
	return all, err
}

// returnsInitialVersion returns a store whose BudgetOwners yields version 1 for every ledger.
func returnsInitialVersion() store.Store { return versionStore{memstore.New()} }

type versionStore struct{ store.Store }

func (s versionStore) BudgetOwners(ctx context.Context) iter.Seq2[store.BudgetOwner, error] {
	return func(yield func(store.BudgetOwner, error) bool) {
		for got, err := range s.Store.BudgetOwners(ctx) {
			got.Version = min(got.Version, 1)
			if !yield(got, err) {
				return
			}
		}
	}
}
