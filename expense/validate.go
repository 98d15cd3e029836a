package expense

import (
	"github.com/google/uuid"
)

// maxSource is how many bytes the name of a rate's source has at most.
const maxSource = 64

// Validate lists every rule that the expense breaks by itself, as a row of a ledger of any day: one that is read back out of a
// backup. Whether its category exists, how far ahead of today it is dated, and whether its currency was in use, is not checked here. The
// error is ErrInvalid.
func (e Expense) Validate() error {
	var faults ValidationErrors
	if e.ID == uuid.Nil {
		faults.Add("id", "required", "an expense has an id")
	}
	if e.CategoryID == uuid.Nil {
		faults.Add("category_id", "required", "an expense has a category")
	}
	checkAmount(&faults, e.Amount)
	if e.Date.Before(earliestDate) {
		faults.Add("date", "out_of_range", "a date is not before %s", earliestDate)
	}
	checkNotes(&faults, e.Notes)
	checkOccurrence(&faults, e)
	e.validateRate(&faults)
	return faults.Err()
}

// validateRate notes what is wrong with the frozen conversion: anyone can compute it again.
func (e Expense) validateRate(faults *ValidationErrors) {
	switch {
	case e.Home.currency.IsZero():
		faults.Add("home_currency", "required", "an expense says which home currency it is converted into")
	case e.Pending():
		if e.Rate != (Rate{}) || e.Home.minor != 0 {
			faults.Add("rate", "incomplete", "an expense without a rate has no rate_date, rate_source and home_amount")
		}
	case e.Rate.Date.IsZero() || !isSource(e.Rate.Source):
		faults.Add("rate", "incomplete", "a rate has a date and a source")
	case (e.Rate.Source == SourceIdentity) != (e.Amount.currency == e.Home.currency):
		faults.Add("rate_source", "not_identity", "the source is identity where the expense is in the home currency, and nowhere else")
	case e.Rate.Source == SourceIdentity && e.Rate.Value != one:
		faults.Add("rate", "not_identity", "the rate of the home currency into itself is 1")
	default:
		home, err := e.Rate.Convert(e.Amount, e.Home.currency)
		_ = faults.AddError("home_amount", err)
		if err == nil && home != e.Home {
			faults.Add("home_amount", "wrong_amount", "%s at %s is %s, not %s", e.Amount, e.Rate.Value, home, e.Home)
		}
	}
}

func isSource(source Source) bool {
	return source != "" && len(source) <= maxSource && cleanText(string(source), "")
}

// Validate lists every rule that the category breaks by itself, as [Expense.Validate] does.
func (c Category) Validate() error {
	var faults ValidationErrors
	if c.ID == uuid.Nil {
		faults.Add("id", "required", "a category has an id")
	}
	same := c
	CategoryPatch{Name: &c.Name, Colour: &c.Colour, Icon: &c.Icon}.apply(&faults, &same)
	if faults.Err() == nil && same != c {
		faults.Add("name", "not_normal", "a name is composed (NFC) without blanks around it, a colour is in small letters")
	}
	return faults.Err()
}

// ValidateNotes lists what is wrong with notes, under the field "notes". The error is ErrInvalid.
func ValidateNotes(notes string) error {
	var faults ValidationErrors
	checkNotes(&faults, notes)
	return faults.Err()
}
