package memstore

import (
	"cmp"
	"context"
	"slices"

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
	fields := func(a *budget.Alert) rowFields { return rowFields{a.ID, &a.Version, nil, &a.RaisedAt, &a.ReadAt} }
	return t.write(ctx, len(alerts), func(next *ledger) error {
		return put(t, &next.alerts, "alert", alerts, fields, nil, func(_, _ *budget.Alert) error { return nil })
	})
}
