package budget

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// An Alert says that a month's spending reached a threshold of a budget. There is at most one for a budget, threshold and
// month, for ever: it stays when the month falls below the threshold again, and when its budget is deleted.
type Alert struct {
	ID        uuid.UUID // that of [AlertID]
	BudgetID  uuid.UUID
	Month     expense.Month
	Threshold Ratio
	RaisedAt  time.Time // UTC, whole microseconds
	ReadAt    time.Time // UTC, whole microseconds; zero: nobody has read it
	Version   expense.Version
}

// AlertID returns the id of the alert of a budget, month and threshold: a UUID of version 5 in the budget's namespace, so that
// whoever raises it raises the same one.
func AlertID(budget uuid.UUID, month expense.Month, threshold Ratio) uuid.UUID {
	return uuid.NewSHA1(budget, []byte(month.String()+" "+threshold.String()))
}

// DueAlerts returns the alerts that are to be raised at now: of the month at hand in the ledger's zone and the one before it, for
// which bookings still come in late. Where nothing was spent there is none, whatever a debt has left of the limit. It writes
// nothing; for a ledger without a budget it takes one Book and nothing else.
func DueAlerts(ctx context.Context, r Reader, now time.Time) ([]Alert, error) {
	book, err := r.BudgetSnapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("book: %w", err)
	}
	today := book.Settings.Today(now)
	to := today.Month()
	from := to.Add(-1)
	if !book.inForce(from, to) {
		return nil, nil
	}
	totals, err := r.Totals(ctx, totalsQuery(book, from, to, expense.Date{}))
	if err != nil {
		return nil, fmt.Errorf("totals up to %s: %w", to, err)
	}
	reports, err := Summarise(book, from, to, today, totals)
	if err != nil {
		return nil, err
	}
	var crossed []Alert
	for _, report := range reports {
		for _, p := range report.All() {
			for _, threshold := range book.budget(p.BudgetID).AlertAt {
				if p.Spent.Home.Sign() > 0 && p.reaches(threshold) {
					crossed = append(crossed, Alert{
						ID: AlertID(p.BudgetID, report.Month, threshold), BudgetID: p.BudgetID, Month: report.Month,
						Threshold: threshold, RaisedAt: expense.Timestamp(now),
					})
				}
			}
		}
	}
	if len(crossed) == 0 {
		return nil, nil
	}
	raised, err := r.Alerts(ctx, from)
	if err != nil {
		return nil, fmt.Errorf("alerts from %s on: %w", from, err)
	}
	known := make(map[uuid.UUID]bool, len(raised))
	for _, alert := range raised {
		known[alert.ID] = true
	}
	due := crossed[:0]
	for _, alert := range crossed {
		if !known[alert.ID] {
			due = append(due, alert)
		}
	}
	return due, nil
}

// inForce reports whether some budget has a limit in one of the months.
func (b Snapshot) inForce(from, to expense.Month) bool {
	for _, budget := range b.Budgets {
		_, first := budget.Limit(from)
		_, last := budget.Limit(to)
		if first || last {
			return true
		}
	}
	return false
}

// budget returns the budget of this id.
func (b Snapshot) budget(id uuid.UUID) Budget {
	for _, budget := range b.Budgets {
		if budget.ID == id {
			return budget
		}
	}
	return Budget{}
}

// RaiseAlerts raises the alerts that [DueAlerts] finds and returns them. It belongs in an Update of its own, after the one that moved
// the totals: the ledger's lock makes each alert one, however many raise it.
func RaiseAlerts(ctx context.Context, tx Tx, now time.Time) ([]Alert, error) {
	due, err := DueAlerts(ctx, tx, now)
	if err != nil || len(due) == 0 {
		return nil, err
	}
	version, err := tx.PutAlerts(ctx, due...)
	if err != nil {
		return nil, fmt.Errorf("raise %d alerts: %w", len(due), err)
	}
	for i := range due {
		due[i].Version = version
	}
	return due, nil
}

// MarkAlertRead notes that an alert was read, and returns it. One that was read before stays as it was; ErrNotFound if there is none
// such.
func MarkAlertRead(ctx context.Context, tx Tx, env expense.Env, id uuid.UUID) (Alert, error) {
	alerts, err := tx.Alerts(ctx, expense.Month{})
	if err != nil {
		return Alert{}, fmt.Errorf("alerts: %w", err)
	}
	for _, alert := range alerts {
		if alert.ID != id {
			continue
		}
		if !alert.ReadAt.IsZero() {
			return alert, nil
		}
		alert.ReadAt = expense.Timestamp(env.Now)
		if alert.Version, err = tx.PutAlerts(ctx, alert); err != nil {
			return Alert{}, fmt.Errorf("alert %s: %w", id, err)
		}
		return alert, nil
	}
	return Alert{}, fmt.Errorf("alert %s: %w", id, expense.ErrNotFound)
}
