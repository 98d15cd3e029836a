package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/spendwise/spendwise/store/jobs"
)

// pingTimeout is how long the store may take to say that it is there.
const pingTimeout = 2 * time.Second

// healthBody is what the health routes answer.
type healthBody struct {
	Status string `json:"status"`
}

// readyBody says of a store that is ready how far the posting of recurring expenses is behind.
type readyBody struct {
	Status    string      `json:"status"`
	Roles     []string    `json:"roles"`
	Recurring *lagSeconds `json:"recurring,omitzero"`
}

// lagSeconds is a [jobs.PostingLag].
type lagSeconds struct {
	Lag     int64 `json:"lag_seconds"`     // the age of the oldest occurrence that is due and not posted; 0 when there is none
	Overdue int64 `json:"overdue_seconds"` // the same, but of a rule that failed: since its next try
}

// alive says that the process serves.
func (c *call) healthz() error {
	return c.send(result{status: http.StatusOK, body: healthBody{Status: "ok"}})
}

// ready says that the instance can do what its roles are: the store answers and is migrated, tokens can be verified, or signed by
// one that signs people in. Beside that it says how far the poster is behind, where ledgers are served or posted to.
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
		return &problem{
			code: codeUnavailable, detail: "The store does not answer, its schema is not the one this release needs, or there is no key to know tokens by.", cause: err,
		}
	}
	return c.send(result{status: http.StatusOK, body: body})
}
