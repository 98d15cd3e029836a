package budget

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// An Alert records that a month's spending reached a threshold of a budget. A budget has at most one alert for a month
// and threshold. The alert stays when the spending falls below the threshold again, and when the budget is deleted.
type Alert struct {
	ID        uuid.UUID // made by [AlertID]
	BudgetID  uuid.UUID
	Month     expense.Month
	Threshold Ratio
	RaisedAt  time.Time // UTC, whole microseconds
	ReadAt    time.Time // UTC, whole microseconds; zero: not read yet
	Version   expense.Version
}

// AlertID returns the id of an alert: a UUID of version 5 made from the budget, the month and the threshold. Every
// instance computes the same id for the same alert.
func AlertID(budget uuid.UUID, month expense.Month, threshold Ratio) uuid.UUID {
	return uuid.NewSHA1(budget, []byte(month.String()+" "+threshold.String()))
}

// DueAlerts returns the alerts whose thresholds are reached at now and that are not stored yet. It checks the current
// month in the ledger's zone and the month before, because expenses are often entered late. A month without positive
// spending raises no alert, even if a deficit uses up the limit. DueAlerts writes nothing. For a ledger without a limit
// in these months, it only reads the snapshot.
func DueAlerts(ctx context.Context, r Reader, now time.Time) ([]Alert, error) {
	snapshot, err := r.BudgetSnapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("budget snapshot: %w", err)
	}
	today := snapshot.Settings.Today(now)
	to := today.Month()
	from := to.Add(-1)
	if !snapshot.hasLimit(from) && !snapshot.hasLimit(to) {
		return nil, nil
	}
	// Alerts need no projection, so the query leaves out the days after today.
	totals, err := r.Totals(ctx, snapshot.totalsQuery(from, to, expense.Date{}))
	if err != nil {
		return nil, fmt.Errorf("totals up to %s: %w", to, err)
	}
	months, err := snapshot.progress(from, to, today, totals)
	if err != nil {
		return nil, err
	}
	var reached []Alert
	for _, month := range months {
		for _, p := range month.All() {
			for _, threshold := range snapshot.budget(p.BudgetID).AlertAt {
				if p.Spent.Home.Sign() > 0 && p.reaches(threshold) {
					reached = append(reached, Alert{
						ID: AlertID(p.BudgetID, month.Month, threshold), BudgetID: p.BudgetID, Month: month.Month,
						Threshold: threshold, RaisedAt: expense.Timestamp(now),
					})
				}
			}
		}
	}
	if len(reached) == 0 {
		return nil, nil
	}
	stored, err := r.Alerts(ctx, from)
	if err != nil {
		return nil, fmt.Errorf("alerts from %s on: %w", from, err)
	}
	raised := make(map[uuid.UUID]bool, len(stored))
	for _, alert := range stored {
		raised[alert.ID] = true
	}
	return slices.DeleteFunc(reached, func(a Alert) bool { return raised[a.ID] }), nil
}

// hasLimit reports whether a budget has a limit in month.
func (s Snapshot) hasLimit(month expense.Month) bool {
	return slices.ContainsFunc(s.Budgets, func(b Budget) bool {
		_, ok := b.Limit(month)
		return ok
	})
}

// budget returns the budget with this id, or the zero Budget.
func (s Snapshot) budget(id uuid.UUID) Budget {
	for _, b := range s.Budgets {
		if b.ID == id {
			return b
		}
	}
	return Budget{}
}

// RaiseAlerts stores the alerts that [DueAlerts] returns, and returns them. Call it in an Update of its own, after the
// Update that changed the expenses. The lock on the ledger ensures that concurrent calls raise each alert once.
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

// MarkAlertRead sets the alert's ReadAt to env.Now and returns the alert. An alert that was already read does not
// change. The error is ErrNotFound if the alert does not exist.
func MarkAlertRead(ctx context.Context, tx Tx, env expense.Env, id uuid.UUID) (Alert, error) {
	alerts, err := tx.Alerts(ctx, expense.Month{})
	if err != nil {
		return Alert{}, fmt.Errorf("alerts: %w", err)
	}
	i := slices.IndexFunc(alerts, func(a Alert) bool { return a.ID == id })
	if i < 0 {
		return Alert{}, &expense.RowError{Type: "alert", ID: id, Err: expense.ErrNotFound}
	}
	alert := alerts[i]
	if !alert.ReadAt.IsZero() {
		return alert, nil
	}
	alert.ReadAt = expense.Timestamp(env.Now)
	if alert.Version, err = tx.PutAlerts(ctx, alert); err != nil {
		return Alert{}, &expense.RowError{Type: "alert", ID: id, Err: err}
	}
	return alert, nil
}
