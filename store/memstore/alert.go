package memstore

import (
	"cmp"
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
)

// Alerts implements [budget.Reader].
func (r reader) Alerts(ctx context.Context, from expense.Month) ([]budget.Alert, error) {
	l, err := r.at(ctx)
	if err != nil {
		return nil, err
	}
	var alerts []budget.Alert
	for alert := range l.alerts.rows.values() {
		if !alert.Month.Before(from) {
			alerts = append(alerts, alert)
		}
	}
	// The tree yields by id, which a stable sort keeps among equals.
	slices.SortStableFunc(alerts, func(a, b budget.Alert) int {
		return cmp.Or(b.Month.Compare(a.Month), b.RaisedAt.Compare(a.RaisedAt))
	})
	return alerts, nil
}

// PutAlerts implements [budget.Tx].
func (t *tx) PutAlerts(ctx context.Context, alerts ...budget.Alert) (expense.Version, error) {
	if len(alerts) == 0 {
		return 0, t.usable(ctx)
	}
	return t.write(ctx, func(next *ledger) error {
		if err := distinct("alert", alerts, func(a budget.Alert) uuid.UUID { return a.ID }); err != nil {
			return err
		}
		for _, alert := range alerts {
			_, _, err := next.alerts.forWrite("alert", alert.ID, alert.Version,
				func(a budget.Alert) expense.Version { return a.Version })
			if err != nil {
				return err
			}
			alert.Version = t.next
			alert.RaisedAt = expense.Timestamp(alert.RaisedAt)
			if !alert.ReadAt.IsZero() {
				alert.ReadAt = expense.Timestamp(alert.ReadAt)
			}
			next.alerts.put(alert.ID, alert)
		}
		return nil
	})
}
