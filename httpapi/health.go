package httpapi

import (
	"context"
	"time"

	"github.com/spendwise/spendwise/httpapi/internal/problem"
	"github.com/spendwise/spendwise/store/jobs"
)

// pingTimeout bounds the checks of GET /readyz.
const pingTimeout = 2 * time.Second

// healthBody is the response of GET /healthz.
type healthBody struct {
	Status string `json:"status"`
}

// readyBody is the response of GET /readyz.
type readyBody struct {
	Status    string      `json:"status"`
	Roles     []string    `json:"roles"`
	Recurring *lagSeconds `json:"recurring,omitzero"`
}

// lagSeconds is a [jobs.PostingLag].
type lagSeconds struct {
	Lag     int64 `json:"lag_seconds"`     // age of the oldest occurrence that is due and not posted; 0 if there is none
	Overdue int64 `json:"overdue_seconds"` // the same, but a rule that failed counts from its next attempt
}

// healthz handles GET /healthz. It reports that the process serves requests.
func (c *call) healthz() error {
	return c.send(result{body: healthBody{Status: "ok"}})
}

// readyz handles GET /readyz. An instance is ready if the store answers with the schema of this release, and if it can
// verify tokens or, with RoleAuth, sign them. With RoleAPI or RoleTicker, the response also states how late the posting
// of recurring expenses is.
func (c *call) readyz() error {
	ctx, cancel := context.WithTimeout(c.ctx, pingTimeout)
	defer cancel()
	var lag jobs.PostingLag
	err := c.api.store.Ping(ctx)
	if err == nil && c.api.accounts != nil && c.api.roles&(RoleAPI|RoleAuth) != 0 {
		err = c.api.accounts.Ready(ctx)
	}
	body := readyBody{Status: "ready", Roles: c.api.roles.names()}
	if err == nil && c.api.roles&(RoleAPI|RoleTicker) != 0 {
		lag, err = jobs.MeasurePostingLag(ctx, c.api.store, c.now)
		body.Recurring = &lagSeconds{Lag: int64(lag.OldestAge / time.Second), Overdue: int64(lag.Overdue / time.Second)}
	}
	if err != nil {
		return &problem.Problem{
			Code: problem.CodeUnavailable, Cause: err,
			Detail: "The instance is not ready: the store does not answer, its schema needs a migration, or the store has no " +
				"signing key; see the server's log for the reason.",
		}
	}
	return c.send(result{body: body})
}
