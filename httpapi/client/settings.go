package client

import (
	"context"
	"encoding/json"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// Settings are the ledger's.
type Settings struct {
	HomeCurrency      string          `json:"home_currency"`
	TimeZone          string          `json:"time_zone"`
	Locale            string          `json:"locale"`
	FiscalYearStart   int             `json:"fiscal_year_start"`
	DefaultCategoryID uuid.UUID       `json:"default_category_id"`
	Version           expense.Version `json:"version"`
	Unsent            bool            `json:"$unsent"`
}

// A SettingsPatch changes settings. LimitRate goes with a new home currency: what one old unit of the budgets' limits is worth
// in it, where the rate table does not know.
type SettingsPatch struct {
	HomeCurrency      Optional[string]    `json:"home_currency,omitzero"`
	TimeZone          Optional[string]    `json:"time_zone,omitzero"`
	Locale            Optional[string]    `json:"locale,omitzero"`
	FiscalYearStart   Optional[int]       `json:"fiscal_year_start,omitzero"`
	DefaultCategoryID Optional[uuid.UUID] `json:"default_category_id,omitzero"`
	LimitRate         Optional[string]    `json:"limit_rate,omitzero"`
}

func (p SettingsPatch) change() (Type, Op) { return SettingsType, Patch }

// Settings returns the ledger's settings; ErrNotFound before the first pull.
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

// PatchSettings queues a change of the settings; ErrNotFound before the first pull.
func (c *Client) PatchSettings(ctx context.Context, p SettingsPatch) (Settings, error) {
	var settings Settings
	text, err := c.queue(ctx, Mutation{Key: settingsKey(), Op: Patch}, p)
	if err == nil {
		err = json.Unmarshal(text, &settings)
	}
	return settings, err
}
