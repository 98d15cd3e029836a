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

// alerting is a Tx that writes alerts in its own way.
type alerting struct {
	store.Tx
	put func(ctx context.Context, tx store.Tx, alerts []budget.Alert) (expense.Version, error)
}

func (a alerting) PutAlerts(ctx context.Context, alerts ...budget.Alert) (expense.Version, error) {
	return a.put(ctx, a.Tx, append([]budget.Alert(nil), alerts...))
}

func alerts(put func(ctx context.Context, tx store.Tx, alerts []budget.Alert) (expense.Version, error)) store.Store {
	return broken{Store: memstore.New(), tx: func(_ expense.OwnerID, tx store.Tx) store.Tx { return alerting{tx, put} }}
}

// raisesAgain takes an alert that is there already as if it were new: whoever had read it hears of it again.
func raisesAgain() store.Store {
	return alerts(func(ctx context.Context, tx store.Tx, alerts []budget.Alert) (expense.Version, error) {
		kept, err := tx.Alerts(ctx, expense.Month{})
		if err != nil {
			return 0, err
		}
		versions := make(map[uuid.UUID]expense.Version)
		for _, alert := range kept {
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

// forgetsReading keeps of an alert everything but that it was read.
func forgetsReading() store.Store {
	return alerts(func(ctx context.Context, tx store.Tx, alerts []budget.Alert) (expense.Version, error) {
		for i := range alerts {
			alerts[i].ReadAt = time.Time{}
		}
		return tx.PutAlerts(ctx, alerts...)
	})
}

// forgetsEarlierAlerts returns of the alerts those of one month alone.
func forgetsEarlierAlerts() store.Store {
	return broken{Store: memstore.New(),
		reader: func(_ context.Context, _ expense.OwnerID, r store.Reader) store.Reader { return latestAlerts{r} }}
}

type latestAlerts struct{ store.Reader }

func (l latestAlerts) Alerts(ctx context.Context, from expense.Month) ([]budget.Alert, error) {
	all, err := l.Reader.Alerts(ctx, from)
	for i, alert := range all {
		if alert.Month != all[0].Month {
			return all[:i], err
		}
	}
	return all, err
}

// keepsVersions says of every ledger with a budget that it stands where it began.
func keepsVersions() store.Store { return standing{memstore.New()} }

type standing struct{ store.Store }

func (s standing) BudgetOwners(ctx context.Context) iter.Seq2[store.BudgetOwner, error] {
	return func(yield func(store.BudgetOwner, error) bool) {
		for found, err := range s.Store.BudgetOwners(ctx) {
			found.Version = min(found.Version, 1)
			if !yield(found, err) {
				return
			}
		}
	}
}
