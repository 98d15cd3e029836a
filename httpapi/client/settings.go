package client

import (
	"context"
	"encoding/json"

	"github.com/spendwise/spendwise/export/wire"
)

// Settings are the settings of the ledger.
type Settings struct {
	wire.Settings

	Unacknowledged bool `json:"$unacknowledged"` // the server has not acknowledged all local changes yet
}

// SettingsPatch changes settings.
type SettingsPatch wire.SettingsPatch

func (p SettingsPatch) change() (Type, Op) { return SettingsType, Patch }

// Settings returns the settings of the ledger. It returns ErrNotFound before the first pull.
func (c *Client) Settings(ctx context.Context) (Settings, error) {
	var settings Settings
	err := c.storage.View(ctx, func(tx Tx) (err error) {
		settings, err = settingsOf(ctx, tx)
		return err
	})
	return settings, err
}

func settingsOf(ctx context.Context, tx Tx) (settings Settings, err error) {
	text, err := visibleRow(ctx, tx, settingsKey())
	if err != nil {
		return Settings{}, err
	}
	return settings, json.Unmarshal(text, &settings)
}

// PatchSettings queues a change of some settings and returns the settings with the change applied. It returns
// ErrNotFound before the first pull.
func (c *Client) PatchSettings(ctx context.Context, p SettingsPatch) (Settings, error) {
	var settings Settings
	text, err := c.queue(ctx, Mutation{Key: settingsKey(), Op: Patch}, p)
	if err == nil {
		err = json.Unmarshal(text, &settings)
	}
	return settings, err
}
