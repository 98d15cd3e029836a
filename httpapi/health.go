package httpapi

import (
	"context"
	"net/http"
	"time"
)

// pingTimeout is how long the store may take to say that it is there.
const pingTimeout = 2 * time.Second

// healthBody is what the health routes answer.
type healthBody struct {
	Status string `json:"status"`
}

// alive says that the process serves.
func (c *call) alive() error {
	return c.send(result{status: http.StatusOK, body: healthBody{Status: "ok"}})
}

// ready says that the store answers and is migrated.
func (c *call) ready() error {
	ctx, cancel := context.WithTimeout(c.ctx, pingTimeout)
	defer cancel()
	if err := c.api.store.Ping(ctx); err != nil {
		return &problem{
			code: codeUnavailable, detail: "The store does not answer, or its schema is not the one this release needs.", cause: err,
		}
	}
	return c.send(result{status: http.StatusOK, body: healthBody{Status: "ready"}})
}
