package sqlstore

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

const (
	alertCells = `a.id, a.budget_id, a.month, a.threshold, a.raised_at, a.read_at, a.version`
	alertWidth = 7
)

var alertColumns = columnsOf(`owner text, id uuid, budget_id uuid, month integer, threshold integer, raised_at bigint,
	read_at bigint,
	version bigint`)

var alertsTable = &table{name: "spendwise_alerts", columns: alertColumns, conflict: replace(alertColumns)}

func alertRow(owner string, a budget.Alert) []any {
	read := int64(0)
	if !a.ReadAt.IsZero() {
		read = a.ReadAt.UnixMicro()
	}
	return []any{owner, a.ID.String(), a.BudgetID.String(), int64(a.Month.Int()), int64(a.Threshold),
		a.RaisedAt.UnixMicro(), read,
		int64(a.Version)}
}

func scanAlert(r *row) budget.Alert {
	alert := budget.Alert{
		ID: r.id(0), BudgetID: r.id(1), Month: r.month(2), Threshold: budget.Ratio(r.int(3)), RaisedAt: r.instant(4),
		Version: r.version(6),
	}
	if r.int(5) != 0 {
		alert.ReadAt = time.UnixMicro(r.int(5)).UTC()
	}
	return alert
}

func (r *reader) Alerts(ctx context.Context, from expense.Month) (alerts []budget.Alert, err error) {
	if r.invalid != nil {
		return nil, r.invalid
	}
	err = r.on().each(ctx, alertWidth, func(row *row) { alerts = append(alerts, scanAlert(row)) }, `SELECT `+alertCells+`
		FROM spendwise_alerts a WHERE a.owner = $1 AND a.month >= $2 ORDER BY a.month DESC, a.raised_at DESC, a.id`,
		r.owner, int64(from.Int()))
	return alerts, err
}

func (tx *ledgerTx) PutAlerts(ctx context.Context, alerts ...budget.Alert) (expense.Version, error) {
	if len(alerts) == 0 {
		return 0, tx.session.doomed
	}
	id := func(a budget.Alert) uuid.UUID { return a.ID }
	if err := distinct(store.AlertRow, alerts, id); err != nil {
		return 0, err
	}
	all, err := tx.Alerts(ctx, expense.Month{})
	if err != nil {
		return 0, err
	}
	current := make(map[uuid.UUID]budget.Alert, len(all))
	for _, alert := range all {
		current[alert.ID] = alert
	}
	err = admitAll(ctx, tx, store.AlertRow, alerts, current, id, func(a budget.Alert) expense.Version { return a.Version })
	if err != nil {
		return 0, err
	}
	rows := make([][]any, len(alerts))
	for i, alert := range alerts {
		alert.Version = tx.next()
		rows[i] = alertRow(tx.owner, alert)
	}
	if _, err := tx.session.insert(ctx, alertsTable, rows); err != nil {
		return 0, err
	}
	return tx.next(), nil
}
