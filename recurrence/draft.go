package recurrence

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// A Draft is a rule, or a change of one, as a person or a wire gives it: text, as it arrived. A nil member was not given: a
// change leaves what is there, a new rule takes the default.
type Draft struct {
	ID         *string // of a new rule: a UUID; not given: a new one of version 7. A change ignores it
	Amount     *string // a plain decimal; a new rule must have one
	Currency   *string // not given: the home currency
	CategoryID *string // empty or not given: Category, else the default category
	Category   *string // a name, instead of CategoryID
	Notes      *string

	Freq      *string  // daily, weekly, monthly or yearly; a new rule must have one, or an RRULE
	Interval  *int     // not given: 1
	Weekdays  []string // mon to sun; empty but not nil: the start's
	MonthDay  *string  // 1 to 31, or last; empty: the start's
	OnMissing *string  // clamp or skip; not given: clamp
	Start     *string  // YYYY-MM-DD; a new rule must have one
	Until     *string  // YYYY-MM-DD; empty: no end
	Count     *int     // counts from Start; 0: no limit
	RRULE     *string  // of RFC 5545, instead of all from Freq on but Start

	Paused *bool
}

// reschedules reports whether the draft says anew on which days a rule falls, other than by its start and its end.
func (d Draft) reschedules() bool {
	return d.Freq != nil || d.Interval != nil || d.Weekdays != nil || d.MonthDay != nil || d.OnMissing != nil || d.Count != nil ||
		d.RRULE != nil
}

// apply returns r with what the draft gives put in, and notes every fault. The cursor is not touched.
func (d Draft) apply(ctx context.Context, tx expense.Reader, env expense.Env, faults *expense.ValidationErrors, r Rule) (Rule, error) {
	r, err := d.template(ctx, tx, env, faults, r)
	if err != nil {
		return Rule{}, err
	}
	r = d.schedule(faults, r)
	if d.Paused != nil {
		r.Paused = *d.Paused
	}
	return r, nil
}

// template puts in what each occurrence's expense is, as far as it differs. It is judged as an expense of today would be, so
// that what a rule may say is what an expense may.
func (d Draft) template(ctx context.Context, tx expense.Reader, env expense.Env, faults *expense.ValidationErrors, r Rule) (Rule, error) {
	money := expense.Draft{Amount: or(d.Amount, r.Amount.Amount()), Currency: or(d.Currency, r.Amount.Currency().Code())}
	if r.Amount.Currency().IsZero() {
		money.Amount = or(d.Amount, "")
	}
	rest := expense.Draft{Amount: "1", Currency: "EUR", CategoryID: or(d.CategoryID, ""), Category: or(d.Category, ""), Notes: d.Notes}
	verdicts, err := expense.Check(ctx, tx, env, money, rest)
	if err != nil {
		return Rule{}, fmt.Errorf("the rule's template: %w", err)
	}
	if money.Amount != r.Amount.Amount() || money.Currency != r.Amount.Currency().Code() || r.Amount.Currency().IsZero() {
		_ = faults.AddError("amount", verdicts[0].Err)
		r.Amount = verdicts[0].Expense.Amount
	}
	if id, err := expense.ParseID(rest.CategoryID); err == nil && id == r.CategoryID && rest.Category == "" {
		// A category that the rule has already may have been archived since.
		faultsOf(faults, verdicts[1].Err, "notes")
	} else {
		faultsOf(faults, verdicts[1].Err, "notes", "category", "category_id")
		if d.CategoryID != nil || d.Category != nil || r.CategoryID == uuid.Nil {
			r.CategoryID = verdicts[1].Expense.CategoryID
		}
	}
	r.Notes = or(d.Notes, r.Notes)
	return r, nil
}

// schedule puts in on which days the rule falls. What a new frequency has no use for goes, and a new end is instead of the old.
func (d Draft) schedule(faults *expense.ValidationErrors, r Rule) Rule {
	r.Start = parseDay(faults, "start_date", d.Start, r.Start)
	if d.RRULE != nil {
		parsed, ok := d.scheduleRRULE(faults, r)
		if d.Freq == nil && d.Interval == nil && d.Weekdays == nil && d.MonthDay == nil && d.OnMissing == nil && d.Until == nil && d.Count == nil {
			return parsed
		}
		faults.Add("rrule", "ambiguous", "give rrule, or freq and the members that go with it, not both")
		if r = parsed; !ok && d.Freq == nil {
			return r // of what the members go with, nothing is known
		}
	}
	if d.Freq != nil {
		freq, err := ParseFreq(*d.Freq)
		_ = faults.AddError("freq", err)
		if freq != r.Freq {
			r.Freq, r.Weekdays, r.MonthDay, r.OnMissing = freq, 0, 0, ClampToMonthEnd
		}
	} else if r.Freq == 0 {
		faults.Add("freq", "required", "say how often: daily, weekly, monthly or yearly, or give an rrule")
	}
	if d.Interval != nil {
		r.Interval = *d.Interval
	}
	if d.Weekdays != nil {
		days, err := ParseWeekdays(d.Weekdays)
		_ = faults.AddError("weekdays", err)
		r.Weekdays = days
	}
	if d.MonthDay != nil {
		day, err := parseMonthDay(*d.MonthDay)
		_ = faults.AddError("month_day", err)
		r.MonthDay = day
	}
	if d.OnMissing != nil {
		missing, err := ParseOnMissing(*d.OnMissing)
		_ = faults.AddError("on_missing", err)
		r.OnMissing = missing
	}
	if d.Until != nil {
		r.Until = parseDay(faults, "until_date", d.Until, expense.Date{})
		if !r.Until.IsZero() && d.Count == nil {
			r.Count = 0
		}
	}
	if d.Count != nil {
		r.Count = *d.Count
		if r.Count != 0 && d.Until == nil {
			r.Until = expense.Date{}
		}
	}
	if or(d.Until, "") != "" && r.Until.IsZero() && d.Count != nil && *d.Count > 0 {
		faults.Add("count", "ambiguous", "give until_date or count, not both") // whatever the date was meant to be
	}
	var found expense.ValidationErrors
	r.validateDates(&found)
	takeNew(faults, found.Err())
	return r
}

// scheduleRRULE puts in what the RRULE says, and reports whether it could be read.
func (d Draft) scheduleRRULE(faults *expense.ValidationErrors, r Rule) (Rule, bool) {
	parsed, err := ParseRRULE(*d.RRULE, r.Start)
	for _, fault := range expense.InvalidErrors(err) {
		switch {
		case fault.Field == "start_date" && faults.Has("start_date"):
		case fault.Field == "rrule" || fault.Field == "start_date":
			faults.Add(fault.Field, fault.Code, "%s", fault.Detail)
		default:
			faults.Add("rrule", fault.Code, "%s", fault.Detail)
		}
	}
	if err == nil {
		r.Freq, r.Interval, r.Weekdays, r.MonthDay = parsed.Freq, parsed.Interval, parsed.Weekdays, parsed.MonthDay
		r.OnMissing, r.Until, r.Count = parsed.OnMissing, parsed.Until, parsed.Count
	}
	return r, err == nil
}

// checkBacklog notes a rule of which more occurrences are due at once than are ever posted at once.
func (r Rule) checkBacklog(faults *expense.ValidationErrors, field string, today expense.Date) {
	if r.Paused || faults.Err() != nil {
		return
	}
	due := 0
	for date := range r.RemainingOccurrences(expense.Date{}) {
		if date.After(today) {
			return
		}
		if due++; due > MaxBacklog {
			faults.Add(field, "too_many_due", "more than %d occurrences would be due at once; start later", MaxBacklog)
			return
		}
	}
}

func or(given *string, fallback string) string {
	if given == nil {
		return fallback
	}
	return *given
}

// parseDay reads a date; not given it is fallback, and an empty text is none.
func parseDay(faults *expense.ValidationErrors, field string, text *string, fallback expense.Date) expense.Date {
	switch {
	case text == nil:
		return fallback
	case *text == "":
		return expense.Date{}
	}
	date, err := expense.ParseDate(*text)
	_ = faults.AddError(field, err)
	return date
}

// faultsOf notes the faults in err that concern one of fields.
func faultsOf(faults *expense.ValidationErrors, err error, fields ...string) {
	for _, fault := range expense.InvalidErrors(err) {
		if slices.Contains(fields, fault.Field) {
			faults.Add(fault.Field, fault.Code, "%s", fault.Detail)
		}
	}
}

// takeNew notes the faults in err of fields that none is known of yet.
func takeNew(faults *expense.ValidationErrors, err error) {
	for _, fault := range expense.InvalidErrors(err) {
		if !faults.Has(fault.Field) {
			faults.Add(fault.Field, fault.Code, "%s", fault.Detail)
		}
	}
}
