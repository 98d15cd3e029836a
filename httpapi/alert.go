package httpapi

import (
	"context"
	"encoding/binary"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/wire"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/jobs"
)

const alertsPath = budgetsPath + "/alerts"

// listAlerts handles GET /v1/budgets/alerts. The latest month comes first, and within a month the alert that was raised
// last.
func (c *call) listAlerts() error {
	return sendList(c, list[budget.Alert, wire.Alert]{
		scope: "alerts", path: alertsPath, body: wire.NewAlert, key: alertKey,
		read: func(r store.Reader) ([]budget.Alert, error) {
			alerts, err := r.Alerts(c.ctx, expense.Month{})
			if err == nil && len(alerts) == 0 {
				_, err = r.Settings(c.ctx) // ErrNotFound if there is no ledger
			}
			return alerts, err
		},
	})
}

// alertKey returns a key whose byte order is the order of the list. Month and time descend, so their bits are inverted.
func alertKey(a budget.Alert) []byte {
	key := binary.BigEndian.AppendUint32(nil, ^uint32(a.Month.Int()))
	key = binary.BigEndian.AppendUint64(key, ^uint64(a.RaisedAt.UnixMicro()))
	return append(key, a.ID[:]...)
}

// readAlert handles POST /v1/budgets/alerts/{id}/read.
func (c *call) readAlert() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	return c.write(nil, func(ctx context.Context, tx store.Tx) (result, error) {
		alert, err := budget.MarkAlertRead(ctx, tx, c.env(), id)
		return result{version: alert.Version, body: wire.NewAlert(alert)}, err
	})
}

// raiseAlerts raises the alerts that are due after the write that was just committed. An error does not affect the
// write: the next write or the ticker raises the alerts.
func (c *call) raiseAlerts() {
	if !c.hasBudgets {
		return
	}
	if _, err := jobs.RaiseAlerts(c.ctx, c.api.store, c.owner, c.now); err != nil {
		c.api.log.WarnContext(c.ctx, "budget alerts were not raised; the next write or round tries again", "error", err)
	}
}
