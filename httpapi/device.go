package httpapi

import (
	"time"

	"github.com/spendwise/spendwise/httpapi/internal/problem"
)

// deviceBody is a session in a response.
type deviceBody struct {
	ID         string    `json:"id"`
	Name       string    `json:"name"`
	CreatedAt  time.Time `json:"created_at"`
	LastSeenAt time.Time `json:"last_seen_at"`
	Current    bool      `json:"current"`
}

// listDevices handles GET /v1/devices. It lists all active sessions on one page.
func (c *call) listDevices() error {
	devices, err := c.api.accounts.Devices(c.ctx, c.identity)
	if err != nil {
		return err
	}
	data := make([]deviceBody, len(devices))
	for i, d := range devices {
		data[i] = deviceBody{
			ID: d.ID.String(), Name: d.Name, CreatedAt: d.CreatedAt, LastSeenAt: d.SeenAt, Current: d.Current,
		}
	}
	return sendPage(c, "/v1/devices", data, "")
}

// deleteDevice handles DELETE /v1/devices/{id}. It ends a session.
func (c *call) deleteDevice() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	return c.noContent(problem.WithRow(problem.SessionType, id, c.api.accounts.RevokeDevice(c.ctx, c.identity, id)))
}
