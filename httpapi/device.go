package httpapi

import (
	"net/http"
	"time"
)

// deviceBody is a session as answers carry it.
type deviceBody struct {
	ID         string    `json:"id"`
	Name       string    `json:"name"`
	CreatedAt  time.Time `json:"created_at"`
	LastSeenAt time.Time `json:"last_seen_at"`
	Current    bool      `json:"current"`
}

// listDevices answers GET /v1/devices with all sessions of the account that live: there are no pages.
func (c *call) listDevices() error {
	devices, err := c.api.accounts.Devices(c.ctx, c.identity)
	if err != nil {
		return err
	}
	data := make([]deviceBody, len(devices))
	for i, d := range devices {
		data[i] = deviceBody{ID: d.ID.String(), Name: d.Name, CreatedAt: d.CreatedAt, LastSeenAt: d.SeenAt, Current: d.Current}
	}
	return sendPage(c, "/v1/devices", data, "")
}

// deleteDevice answers DELETE /v1/devices/{id}: that session ends.
func (c *call) deleteDevice() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	if err := c.api.accounts.RevokeDevice(c.ctx, c.identity, id); err != nil {
		return err
	}
	return c.send(result{status: http.StatusNoContent})
}
