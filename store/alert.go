package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
)

// RaiseAlerts raises the alerts of budgets whose thresholds owner's spending has reached, and returns them. It is called after
// each commit that moved totals, and on each tick; however many call it at once, an alert is raised once. It looks before it
// takes the ledger's lock, so a ledger without budgets, or with nothing new to say, costs a look.
func RaiseAlerts(ctx context.Context, st Store, owner expense.OwnerID, now time.Time) (raised []budget.Alert, err error) {
	var due []budget.Alert
	err = st.View(ctx, owner, func(r Reader) error {
		due, err = budget.Crossed(ctx, r, now)
		return err
	})
	if err != nil || len(due) == 0 {
		return nil, err
	}
	err = st.Update(ctx, owner, func(tx Tx) error {
		raised, err = budget.Raise(ctx, tx, now)
		return err
	})
	if err != nil {
		return nil, err
	}
	return raised, nil
}

// RaiseAllAlerts is RaiseAlerts for every ledger with a budget: spending that was booked ahead reaches its month without a write,
// and a process may end between a write and its alerts. A ledger that fails holds up no other: the errors are joined.
func RaiseAllAlerts(ctx context.Context, st Store, now time.Time) (raised int, err error) {
	var failures []error
	for owner, err := range st.BudgetOwners(ctx) {
		if err != nil {
			failures = append(failures, fmt.Errorf("owners with budgets: %w", err))
			break
		}
		alerts, err := RaiseAlerts(ctx, st, owner, now)
		raised += len(alerts)
		// A ledger that was erased meanwhile has nothing to say.
		if err != nil && !errors.Is(err, expense.ErrNotFound) {
			failures = append(failures, fmt.Errorf("alerts of a ledger: %w", err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return raised, errors.Join(failures...)
}
