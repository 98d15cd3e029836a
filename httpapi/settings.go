package httpapi

import (
	"context"
	"net/http"
	"slices"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// settingsBody is a ledger's settings as answers carry them.
type settingsBody struct {
	HomeCurrency      string          `json:"home_currency"`
	TimeZone          string          `json:"time_zone"`
	Locale            string          `json:"locale"`
	FiscalYearStart   int             `json:"fiscal_year_start"`
	DefaultCategoryID string          `json:"default_category_id"`
	Version           expense.Version `json:"version"`
	Rerated           *reratedBody    `json:"rerated,omitzero"`
}

// reratedBody says what a new home currency did to the expenses.
type reratedBody struct {
	Converted int `json:"converted"`
	Pending   int `json:"pending"`
}

func newSettingsBody(s expense.Settings) settingsBody {
	return settingsBody{
		HomeCurrency: s.Home.Code(), TimeZone: s.Zone.String(), Locale: s.Locale, FiscalYearStart: int(s.FiscalYearStart),
		DefaultCategoryID: s.DefaultCategory.String(), Version: s.Version,
	}
}

// settingsPatch is a merge patch of the settings. limit_rate goes with a new home currency: the new home units that one old one of
// the budgets' limits is worth, where the rate table does not know.
type settingsPatch struct {
	HomeCurrency      member[string] `json:"home_currency"`
	TimeZone          member[string] `json:"time_zone"`
	Locale            member[string] `json:"locale"`
	FiscalYearStart   member[int]    `json:"fiscal_year_start"`
	DefaultCategoryID member[string] `json:"default_category_id"`
	LimitRate         member[string] `json:"limit_rate"`
}

func (in settingsPatch) check() []fieldError {
	return slices.Concat(
		in.HomeCurrency.check("home_currency", isText), in.TimeZone.check("time_zone", isText), in.Locale.check("locale", isText),
		in.FiscalYearStart.check("fiscal_year_start", 0), in.DefaultCategoryID.check("default_category_id", isText),
		in.LimitRate.check("limit_rate", isText),
	)
}

func (in settingsPatch) draft() expense.SettingsDraft {
	return expense.SettingsDraft{
		HomeCurrency: in.HomeCurrency.pointer(), TimeZone: in.TimeZone.pointer(), Locale: in.Locale.pointer(),
		FiscalYearStart: in.FiscalYearStart.pointer(), DefaultCategoryID: in.DefaultCategoryID.pointer(),
	}
}

// getSettings answers GET /v1/settings.
func (c *call) getSettings() error {
	settings, err := c.settings()
	if err != nil {
		return err
	}
	return c.get(settings.Version, newSettingsBody(settings))
}

// settings reads the settings of the caller's ledger.
func (c *call) settings() (settings expense.Settings, err error) {
	err = c.withLedger(func() (err error) {
		settings, err = c.api.store.Reader(c.owner).Settings(c.ctx)
		return err
	})
	return settings, err
}

// patchSettings answers PATCH /v1/settings.
func (c *call) patchSettings() error {
	cond, err := condition(c.Request.Header)
	if err != nil {
		return err
	}
	doc, err := read[settingsPatch](c)
	if err != nil {
		return err
	}
	in := doc.value
	draft := in.draft()
	return c.write(doc.raw, doc.fieldErrors, func(ctx context.Context, tx store.Tx) (result, error) {
		change, err := budget.ChangeSettingsAndLimits(ctx, tx, c.env(), draft, in.LimitRate.Value, cond)
		if err != nil {
			return result{}, err
		}
		body := newSettingsBody(change.Settings)
		if change.Reconversion != nil {
			body.Rerated = &reratedBody{Converted: change.Reconversion.Converted, Pending: change.Reconversion.Pending}
		}
		return result{status: http.StatusOK, version: change.Settings.Version, body: body}, nil
	})
}
