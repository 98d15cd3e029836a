package wire

import (
	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// Settings is the JSON form of a ledger's settings.
type Settings struct {
	HomeCurrency      string          `json:"home_currency"`
	TimeZone          string          `json:"time_zone"`         // a name of the IANA database, such as Europe/Berlin
	Locale            string          `json:"locale"`            // a BCP 47 tag, such as de-AT
	FiscalYearStart   int             `json:"fiscal_year_start"` // a month from 1 to 12
	DefaultCategoryID uuid.UUID       `json:"default_category_id"`
	Version           expense.Version `json:"version"`
	Rerated           *Rerated        `json:"rerated,omitzero"` // only in the response to a change of the home currency
}

// Rerated counts the expenses that were converted into a new home currency.
type Rerated struct {
	Converted int `json:"converted"`
	Pending   int `json:"pending"` // of expenses for whose date no rate is known
}

// NewSettings returns the JSON form of s.
func NewSettings(s expense.Settings) Settings {
	return Settings{
		HomeCurrency: s.Home.Code(), TimeZone: s.Zone.String(), Locale: s.Locale, FiscalYearStart: int(s.FiscalYearStart),
		DefaultCategoryID: s.DefaultCategory, Version: s.Version,
	}
}

// Parse returns the settings that w describes. The error is ErrInvalid and lists every member that breaks a rule.
func (w Settings) Parse() (expense.Settings, error) {
	return expense.Settings{}.With(expense.SettingsDraft{
		HomeCurrency: &w.HomeCurrency, TimeZone: &w.TimeZone, Locale: &w.Locale, FiscalYearStart: &w.FiscalYearStart,
		DefaultCategoryID: new(w.DefaultCategoryID.String()),
	})
}

// SettingsPatch is a merge patch of the settings.
type SettingsPatch struct {
	HomeCurrency      Optional[string] `json:"home_currency,omitzero" patch:"nonempty"`
	TimeZone          Optional[string] `json:"time_zone,omitzero" patch:"nonempty"`
	Locale            Optional[string] `json:"locale,omitzero" patch:"nonempty"`
	FiscalYearStart   Optional[int]    `json:"fiscal_year_start,omitzero"`
	DefaultCategoryID Optional[string] `json:"default_category_id,omitzero" patch:"nonempty"`
	// LimitRate is the rate for converting the limits of the budgets into a new HomeCurrency: units of the new currency
	// per unit of the old one. It is required only if the rate table has no such rate.
	LimitRate Optional[string] `json:"limit_rate,omitzero" patch:"nonempty"`
}

// Draft returns the settings draft that in describes. It does not include LimitRate.
func (in SettingsPatch) Draft() expense.SettingsDraft {
	return expense.SettingsDraft{
		HomeCurrency: in.HomeCurrency.Pointer(), TimeZone: in.TimeZone.Pointer(), Locale: in.Locale.Pointer(),
		FiscalYearStart: in.FiscalYearStart.Pointer(), DefaultCategoryID: in.DefaultCategoryID.Pointer(),
	}
}
