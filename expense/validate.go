package expense

import (
	"github.com/google/uuid"
)

// maxSource is the maximum length of a Source, in bytes.
const maxSource = 64

// Validate checks a stored expense, for example one that a backup contains. It checks only rules that do not depend on
// the ledger or on the current date. It does not check whether the category exists, whether the date is at most
// [MaxDaysAhead] days ahead, or whether the currency was legal tender. The error is [ErrInvalid] with all field errors.
func (e Expense) Validate() error {
	var errs ValidationErrors
	if e.ID == uuid.Nil {
		errs.Add("id", "required", "the id is missing; give a UUID")
	}
	if e.CategoryID == uuid.Nil {
		errs.Add("category_id", "required", "the category is missing; give the UUID of a category")
	}
	checkAmount(&errs, e.Amount)
	if e.Date.Before(earliestDate) {
		errs.Add("date", "out_of_range", "date %s is out of range; the earliest is %s", e.Date, earliestDate)
	}
	checkNotes(&errs, e.Notes)
	checkOccurrence(&errs, e)
	e.validateRate(&errs)
	return errs.Err()
}

// validateRate checks that the members of Rate are given together, that the source fits the currency, and that Home
// equals Amount × Rate.
func (e Expense) validateRate(errs *ValidationErrors) {
	switch {
	case e.Home.currency.IsZero():
		errs.Add("home_currency", "required", "the home currency is missing; give an ISO 4217 code")
	case e.Pending():
		if e.Rate != (Rate{}) || e.Home.minor != 0 {
			errs.Add("rate", "incomplete",
				"the rate is missing beside rate_date, rate_source or home_amount; give all of them or none")
		}
	case e.Rate.Date.IsZero() || !isSource(e.Rate.Source):
		errs.Add("rate", "incomplete", "rate_date or rate_source is missing or malformed; give both beside the rate")
	case (e.Rate.Source == SourceIdentity) != (e.Amount.currency == e.Home.currency):
		errs.Add("rate_source", "not_identity",
			"rate_source %q does not fit an expense in %s; give identity only in the home currency %s",
			e.Rate.Source, e.Amount.currency, e.Home.currency)
	case e.Rate.Source == SourceIdentity && e.Rate.Value != one:
		errs.Add("rate", "not_identity", "rate %s is wrong; the rate of the home currency into itself is 1", e.Rate.Value)
	default:
		home, err := e.Rate.Convert(e.Amount, e.Home.currency)
		_ = errs.AddError("home_amount", err)
		if err == nil && home != e.Home {
			errs.Add("home_amount", "wrong_amount",
				"home amount %s is wrong; %s at the rate %s is %s", e.Home, e.Amount, e.Rate.Value, home)
		}
	}
}

func isSource(source Source) bool {
	return source != "" && len(source) <= maxSource && cleanText(string(source), "")
}

// Validate checks a stored category, for example one that a backup contains. It does not check that the name is unique.
// The error is [ErrInvalid] with all field errors.
func (c Category) Validate() error {
	var errs ValidationErrors
	if c.ID == uuid.Nil {
		errs.Add("id", "required", "the id is missing; give a UUID")
	}
	normalised := c
	CategoryPatch{Name: &c.Name, Colour: &c.Colour, Icon: &c.Icon}.apply(&errs, &normalised)
	if errs.Err() == nil && normalised != c {
		errs.Add("name", "not_normal",
			"the name is not in NFC or has spaces around it, or the colour has capital letters; write them as the server does")
	}
	return errs.Err()
}

// ValidateNotes checks notes. The error is [ErrInvalid] with errors of the field "notes".
func ValidateNotes(notes string) error {
	var errs ValidationErrors
	checkNotes(&errs, notes)
	return errs.Err()
}
