package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
)

// RaiseAlerts raises the alerts of budgets whose thresholds owner's spending has reached, and returns them. It is called after
// each commit that moved totals; however many call it at once, an alert is raised once. It looks before it takes the ledger's lock,
// so a ledger without budgets, or with nothing new to say, costs a look.
func RaiseAlerts(ctx context.Context, st Store, owner expense.OwnerID, now time.Time) ([]budget.Alert, error) {
	return raiseAlerts(ctx, st, owner, now, func(Reader) error { return nil })
}

// raiseAlerts is RaiseAlerts, with something else to look at in the same snapshot.
func raiseAlerts(
	ctx context.Context, st Store, owner expense.OwnerID, now time.Time, also func(Reader) error,
) (raised []budget.Alert, err error) {
	var due []budget.Alert
	err = st.View(ctx, owner, func(r Reader) error {
		if due, err = budget.DueAlerts(ctx, r, now); err != nil {
			return err
		}
		return also(r)
	})
	if err != nil || len(due) == 0 {
		return nil, err
	}
	err = st.Update(ctx, owner, func(tx Tx) error {
		raised, err = budget.RaiseAlerts(ctx, tx, now)
		return err
	})
	if err != nil {
		return nil, err
	}
	return raised, nil
}

// RaiseAllAlerts is one round of a new [AlertRaiser].
func RaiseAllAlerts(ctx context.Context, st Store, now time.Time) (raised int, err error) {
	return NewAlertRaiser(st).RaiseAll(ctx, now)
}

// An AlertRaiser raises, round by round, the alerts that no write has raised: spending that was booked ahead reaches its month
// without one, and a process may end between a write and its alerts. It remembers where it found a ledger, so a round looks only into
// those that were written to since, or where another month has begun. Many goroutines may use it: they take turns.
type AlertRaiser struct {
	st Store

	turn sync.Mutex
	seen map[expense.OwnerID]look
}

// A look is what a ledger was when it had nothing more to raise: what it says of its alerts holds at this version until then.
type look struct {
	version expense.Version
	until   time.Time
}

// NewAlertRaiser returns a raiser that has looked at nothing yet: its first round looks into every ledger with a budget.
func NewAlertRaiser(st Store) *AlertRaiser { return &AlertRaiser{st: st} }

// PostDueResult raises what is due at now and returns how many alerts that were. A ledger that fails holds up no other, and is looked into
// again in the next round: the errors are joined.
func (a *AlertRaiser) RaiseAll(ctx context.Context, now time.Time) (raised int, err error) {
	a.turn.Lock()
	defer a.turn.Unlock()
	var failures []error
	seen := make(map[expense.OwnerID]look, len(a.seen))
	for found, err := range a.st.BudgetOwners(ctx) {
		if err != nil {
			failures = append(failures, fmt.Errorf("owners with budgets: %w", err))
			break
		}
		if known, ok := a.seen[found.Owner]; ok && known.version == found.Version && now.Before(known.until) {
			seen[found.Owner] = known
			continue
		}
		var until time.Time
		alerts, err := raiseAlerts(ctx, a.st, found.Owner, now, func(r Reader) error {
			settings, err := r.Settings(ctx)
			until = monthEnd(settings, now)
			return err
		})
		raised += len(alerts)
		switch {
		case err == nil:
			// A write since the version was read raises it beyond: then the next round looks again.
			seen[found.Owner] = look{version: found.Version, until: until}
		case !errors.Is(err, expense.ErrNotFound): // a ledger that was erased meanwhile has nothing to say
			failures = append(failures, fmt.Errorf("alerts of a ledger: %w", err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	a.seen = seen
	return raised, errors.Join(failures...)
}

// monthEnd returns when the month at hand ends in a ledger's zone.
func monthEnd(settings expense.Settings, now time.Time) time.Time {
	next := settings.Today(now).Month().Add(1)
	if next.IsZero() {
		return now // the calendar's last month: what is looked at is not remembered
	}
	return next.First().StartIn(settings.Zone.Location())
}
