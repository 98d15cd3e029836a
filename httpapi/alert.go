package httpapi

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

const alertsPath = budgetsPath + "/alerts"

// alertBody is an alert as answers carry it.
type alertBody struct {
	ID        string          `json:"id"`
	BudgetID  string          `json:"budget_id"`
	Month     string          `json:"month"`
	Threshold string          `json:"threshold"`
	RaisedAt  time.Time       `json:"raised_at"`
	ReadAt    *time.Time      `json:"read_at"` // null until it was read
	Version   expense.Version `json:"version"`
}

func newAlertBody(a budget.Alert) alertBody {
	body := alertBody{
		ID: a.ID.String(), BudgetID: a.BudgetID.String(), Month: a.Month.String(), Threshold: a.Threshold.String(), RaisedAt: a.RaisedAt,
		Version: a.Version,
	}
	if !a.ReadAt.IsZero() {
		body.ReadAt = &a.ReadAt
	}
	return body
}

// listAlerts answers GET /v1/budgets/alerts: the latest month first, then the latest raised.
func (c *call) listAlerts() error {
	const scope = "alerts"
	size, err := limit(c.query)
	if err != nil {
		return err
	}
	place, err := c.place(scope)
	if err != nil {
		return err
	}
	var alerts []budget.Alert
	err = c.withLedger(func() (err error) {
		if alerts, err = c.api.store.Reader(c.owner).Alerts(c.ctx, expense.Month{}); err == nil && len(alerts) == 0 {
			_, err = c.api.store.Reader(c.owner).Settings(c.ctx) // says whether there is a ledger
		}
		return err
	})
	if err != nil {
		return err
	}
	if place != nil {
		// An alert is never deleted and keeps its place, so the one that ended the page before is there.
		last := slices.IndexFunc(alerts, func(a budget.Alert) bool { return slices.Equal(a.ID[:], place) })
		alerts = alerts[last+1:]
	}
	data, next := make([]alertBody, min(size, len(alerts))), ""
	for i := range data {
		data[i] = newAlertBody(alerts[i])
	}
	if len(data) < len(alerts) {
		next = encodeCursor(scope, alerts[len(data)-1].ID[:])
	}
	return sendPage(c, alertsPath, data, next)
}

// readAlert answers POST /v1/budgets/alerts/{id}/read. Reading it again changes nothing.
func (c *call) readAlert() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	return c.write(nil, nil, func(ctx context.Context, tx store.Tx) (result, error) {
		alert, err := budget.MarkRead(ctx, tx, c.env(), id)
		return result{status: http.StatusOK, version: alert.Version, body: newAlertBody(alert)}, err
	})
}

// raiseAlerts raises what the write that was just committed calls for. The write stands whatever comes of it: an alert that cannot
// be raised now is raised by the next write, or by the ticker.
func (c *call) raiseAlerts() {
	if !c.budgeted {
		return
	}
	if _, err := store.RaiseAlerts(c.ctx, c.api.store, c.owner, c.now); err != nil {
		c.api.log.WarnContext(c.ctx, "alerts of budgets were not raised", "error", err)
	}
}
