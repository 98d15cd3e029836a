package httpapi

import (
	"context"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/wire"
	"github.com/spendwise/spendwise/store"
)

// getSettings handles GET /v1/settings.
func (c *call) getSettings() error {
	settings, err := c.settings()
	if err != nil {
		return err
	}
	return c.get(settings.Version, wire.NewSettings(settings))
}

// settings reads the settings of the caller's ledger.
func (c *call) settings() (settings expense.Settings, err error) {
	err = c.withLedger(func() (err error) {
		settings, err = c.api.store.Reader(c.owner).Settings(c.ctx)
		return err
	})
	return settings, err
}

// patchSettings handles PATCH /v1/settings.
func (c *call) patchSettings() error {
	cond := c.condition()
	doc, err := read[wire.SettingsPatch](c)
	if err != nil {
		return err
	}
	draft, limitRate := doc.value.Draft(), doc.value.LimitRate.Value
	return c.write(doc.raw, func(ctx context.Context, tx store.Tx) (result, error) {
		change, err := budget.ChangeSettingsAndLimits(ctx, tx, c.env(), draft, limitRate, cond)
		if err != nil {
			return result{}, err
		}
		body := wire.NewSettings(change.Settings)
		if change.Reconversion != nil {
			body.Rerated = &wire.Rerated{Converted: change.Reconversion.Converted, Pending: change.Reconversion.Pending}
		}
		return result{version: change.Settings.Version, body: body}, nil
	})
}
