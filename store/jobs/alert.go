package jobs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// RaiseAlerts stores an alert for each budget threshold that owner's spending has reached and that has no alert yet. It
// returns the new alerts. Call it after a commit that changed expenses or budgets. Concurrent calls raise each alert
// once.
//
// RaiseAlerts locks the ledger only if an alert seems to be due. It looks for one without a snapshot: a write in
// between may hide an alert, but the RaiseAlerts after that write finds it.
func RaiseAlerts(ctx context.Context, st store.Store, owner expense.OwnerID, now time.Time) ([]budget.Alert, error) {
	due, err := budget.DueAlerts(ctx, st.Reader(owner), now)
	if err != nil || len(due) == 0 {
		return nil, err
	}
	return raiseDue(ctx, st, owner, now)
}

// raiseDue raises the alerts that are due under the lock of the ledger.
func raiseDue(
	ctx context.Context, st store.Store, owner expense.OwnerID, now time.Time,
) (raised []budget.Alert, err error) {
	err = st.Update(ctx, owner, func(tx store.Tx) error {
		raised, err = budget.RaiseAlerts(ctx, tx, now)
		return err
	})
	if err != nil {
		return nil, err
	}
	return raised, nil
}

// An AlertRaiser raises the alerts that no call of [RaiseAlerts] has raised. There are two reasons for such alerts: an
// expense with a future date counts only from the first day of its month, and a process may end between a commit and
// its RaiseAlerts.
//
// An AlertRaiser remembers the version at which it has checked a ledger. It checks the ledger again only after a write
// or in a new month. An AlertRaiser is safe for concurrent use; calls of RaiseAll run one after another.
type AlertRaiser struct {
	st store.Store

	mu      sync.Mutex
	checked map[expense.OwnerID]checkpoint
}

// A checkpoint says that all alerts of a ledger were raised. This holds until the ledger's version changes or the month
// ends.
type checkpoint struct {
	version  expense.Version
	monthEnd time.Time
}

// NewAlertRaiser returns an AlertRaiser whose first RaiseAll checks every ledger that has a budget.
func NewAlertRaiser(st store.Store) *AlertRaiser { return &AlertRaiser{st: st} }

// RaiseAll raises the alerts that are due at now in all ledgers, and returns the number of raised alerts. If a ledger
// fails, the next call checks it again.
func (a *AlertRaiser) RaiseAll(ctx context.Context, now time.Time) (raised int, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var failures []error
	checked := make(map[expense.OwnerID]checkpoint, len(a.checked))
	for owner, err := range a.st.BudgetOwners(ctx) {
		if err != nil {
			failures = append(failures, fmt.Errorf("list owners with budgets: %w", err))
			break
		}
		if last, ok := a.checked[owner.Owner]; ok && last.version == owner.Version && now.Before(last.monthEnd) {
			checked[owner.Owner] = last
			continue
		}
		alerts, end, err := a.raise(ctx, owner.Owner, now)
		raised += alerts
		switch {
		case err == nil:
			// owner.Version was read before the snapshot. A write between the two makes the next call check the ledger again.
			checked[owner.Owner] = checkpoint{version: owner.Version, monthEnd: end}
		case !errors.Is(err, expense.ErrNotFound): // ErrNotFound: the ledger has just been erased
			failures = append(failures, fmt.Errorf("raise the alerts of a ledger: %w", err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	a.checked = checked
	return raised, errors.Join(failures...)
}

// raise raises the alerts of one ledger. It returns their number and the end of the current month.
func (a *AlertRaiser) raise(ctx context.Context, owner expense.OwnerID, now time.Time) (int, time.Time, error) {
	var due []budget.Alert
	var end time.Time
	err := a.st.View(ctx, owner, func(r store.Reader) error {
		settings, err := r.Settings(ctx)
		if err != nil {
			return err
		}
		end = monthEnd(settings, now)
		due, err = budget.DueAlerts(ctx, r, now)
		return err
	})
	if err != nil || len(due) == 0 {
		return 0, end, err
	}
	raised, err := raiseDue(ctx, a.st, owner, now)
	return len(raised), end, err
}

// monthEnd returns the instant at which the current month ends in the ledger's zone.
func monthEnd(settings expense.Settings, now time.Time) time.Time {
	next := settings.Today(now).Month().Add(1)
	if next.IsZero() {
		return now // the last month that Month can hold: check in every call
	}
	return next.First().StartIn(settings.Zone.Location())
}
