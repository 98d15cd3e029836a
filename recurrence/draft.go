package recurrence

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// A Draft is the input of [Add], [Change] and [Split]: unparsed text. In a new rule, a nil field gets its default. In
// an existing rule, a nil field keeps the stored value.
type Draft struct {
	ID         *string // a UUID; default: a new UUID of version 7. Change and Split ignore it
	Amount     *string // a plain decimal; required in a new rule
	Currency   *string // default: the home currency
	CategoryID *string // a UUID; default or empty: the category with the name Category
	Category   *string // a name, instead of CategoryID; default or empty: the default category
	Notes      *string

	Freq      *string  // daily, weekly, monthly or yearly; a new rule requires it or RRULE
	Interval  *int     // default: 1
	Weekdays  []string // mon to sun; empty but not nil: the weekday of the start
	MonthDay  *string  // 1 to 31, or last; empty: the day of the start
	OnMissing *string  // clamp or skip; default: clamp
	Start     *string  // YYYY-MM-DD; required in a new rule
	Until     *string  // YYYY-MM-DD; empty: no end
	Count     *int     // the number of occurrences, counted from Start; 0: no limit
	RRULE     *string  // see [ParseRRULE]; in place of Freq to OnMissing, Until and Count

	Paused *bool
}

// reschedules reports whether the draft changes the schedule of a rule other than by Start and Until.
func (d Draft) reschedules() bool {
	return d.Freq != nil || d.Interval != nil || d.Weekdays != nil || d.MonthDay != nil || d.OnMissing != nil ||
		d.Count != nil || d.RRULE != nil
}

// apply returns r with the fields of the draft and adds all field errors to errs. It does not change Next.
func (d Draft) apply(
	ctx context.Context, tx expense.Reader, env expense.Env, errs *expense.ValidationErrors, r Rule,
) (Rule, error) {
	r, err := d.applyExpense(ctx, tx, env, errs, r)
	if err != nil {
		return Rule{}, err
	}
	r = d.applySchedule(errs, r)
	if d.Paused != nil {
		r.Paused = *d.Paused
	}
	return r, nil
}

// applyExpense applies the fields that each posted expense gets: amount, currency, category and notes. It validates
// them as [expense.Check] validates an expense dated today. It checks the amount and the other fields in two drafts. So
// it can ignore the errors of an unchanged value, which may have become invalid since.
func (d Draft) applyExpense(
	ctx context.Context, tx expense.Reader, env expense.Env, errs *expense.ValidationErrors, r Rule,
) (Rule, error) {
	money := expense.Draft{
		Amount: valueOr(d.Amount, r.Amount.Amount()), Currency: valueOr(d.Currency, r.Amount.Currency().Code()),
	}
	if r.Amount.Currency().IsZero() {
		money.Amount = valueOr(d.Amount, "")
	}
	rest := expense.Draft{
		Amount: "1", Currency: "EUR",
		CategoryID: valueOr(d.CategoryID, ""), Category: valueOr(d.Category, ""), Notes: d.Notes,
	}
	settings, err := tx.Settings(ctx)
	if err != nil {
		return Rule{}, fmt.Errorf("settings: %w", err)
	}
	results, err := expense.Check(ctx, tx, env, money.Parse(settings.Home), rest.Parse(settings.Home))
	if err != nil {
		return Rule{}, fmt.Errorf("check the rule's expense: %w", err)
	}
	if money.Amount != r.Amount.Amount() || money.Currency != r.Amount.Currency().Code() || r.Amount.Currency().IsZero() {
		_ = errs.AddError("amount", results[0].Err)
		r.Amount = results[0].Expense.Amount
	}
	if id, err := expense.ParseID(rest.CategoryID); err == nil && id == r.CategoryID && rest.Category == "" {
		// The rule keeps its category, even if that has been archived since.
		addErrorsOf(errs, results[1].Err, "notes")
	} else {
		addErrorsOf(errs, results[1].Err, "notes", "category", "category_id")
		if d.CategoryID != nil || d.Category != nil || r.CategoryID == uuid.Nil {
			r.CategoryID = results[1].Expense.CategoryID
		}
	}
	r.Notes = valueOr(d.Notes, r.Notes)
	return r, nil
}

// applySchedule applies the fields from Freq to RRULE. A new frequency resets the fields that only the old one uses.
// Until replaces Count, and Count replaces Until.
func (d Draft) applySchedule(errs *expense.ValidationErrors, r Rule) Rule {
	r.Start = parseDay(errs, "start_date", d.Start, r.Start)
	known := true // whether the schedule can be checked as a whole; it cannot if the RRULE does not give a frequency
	if d.RRULE != nil {
		parsed, ok := d.applyRRULE(errs, r)
		others := d
		others.RRULE = nil
		if others.Until == nil && !others.reschedules() {
			return parsed
		}
		errs.Add("rrule", "ambiguous",
			"the schedule is given both in rrule and in other members such as freq; give one of them")
		r, known = parsed, ok || d.Freq != nil || parsed.Freq != 0
	}
	if d.Freq != nil {
		freq, err := ParseFreq(*d.Freq)
		_ = errs.AddError("freq", err)
		if freq != r.Freq {
			r.Freq, r.Weekdays, r.MonthDay, r.OnMissing = freq, 0, 0, ClampToMonthEnd
		}
	} else if r.Freq == 0 && known {
		errs.Add("freq", "required", "the frequency is missing; give daily, weekly, monthly or yearly, or an rrule")
	}
	if d.Interval != nil {
		r.Interval = *d.Interval
	}
	if d.Weekdays != nil {
		days, err := ParseWeekdays(d.Weekdays)
		_ = errs.AddError("", err)
		r.Weekdays = days
	}
	if d.MonthDay != nil {
		day, err := parseMonthDay(*d.MonthDay)
		_ = errs.AddError("month_day", err)
		r.MonthDay = day
	}
	if d.OnMissing != nil {
		missing, err := ParseOnMissing(*d.OnMissing)
		_ = errs.AddError("on_missing", err)
		r.OnMissing = missing
	}
	if d.Until != nil {
		r.Until = parseDay(errs, "until_date", d.Until, expense.Date{})
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
	if valueOr(d.Until, "") != "" && r.Until.IsZero() && d.Count != nil && *d.Count > 0 {
		errs.Add("count", "ambiguous", bothEnds) // the malformed date is reported already
	}
	if known {
		r.addScheduleErrors(errs)
	}
	return r
}

// applyRRULE applies the RRULE. It returns false if the RRULE is invalid.
func (d Draft) applyRRULE(errs *expense.ValidationErrors, r Rule) (Rule, bool) {
	parsed, err := ParseRRULE(*d.RRULE, r.Start)
	for _, invalid := range expense.InvalidErrors(err) {
		switch {
		case invalid.Field != "start_date":
			errs.Add("rrule", invalid.Code, "%s", invalid.Detail)
		case !errs.Has("start_date"):
			errs.Add("start_date", invalid.Code, "%s", invalid.Detail)
		}
	}
	if err == nil {
		r.Freq, r.Interval, r.Weekdays, r.MonthDay = parsed.Freq, parsed.Interval, parsed.Weekdays, parsed.MonthDay
		r.OnMissing, r.Until, r.Count = parsed.OnMissing, parsed.Until, parsed.Count
	}
	return r, err == nil
}

// checkBacklog reports a rule with more than MaxBacklog due occurrences.
func (r Rule) checkBacklog(errs *expense.ValidationErrors, field string, today expense.Date) {
	if errs.Err() == nil && r.exceedsBacklog(today) {
		errs.Add(field, "too_many_due", "more than %d occurrences would be due at once; give a later date", MaxBacklog)
	}
}

func (r Rule) exceedsBacklog(today expense.Date) bool {
	return !r.Paused && r.backlog(today, MaxBacklog) > MaxBacklog
}

// valueOr returns the given text, or fallback if it is nil.
func valueOr(given *string, fallback string) string {
	if given == nil {
		return fallback
	}
	return *given
}

// parseDay parses the date of a field. A nil text is fallback; an empty text is the zero Date.
func parseDay(errs *expense.ValidationErrors, field string, text *string, fallback expense.Date) expense.Date {
	switch {
	case text == nil:
		return fallback
	case *text == "":
		return expense.Date{}
	}
	date, err := expense.ParseDate(*text)
	_ = errs.AddError(field, err)
	return date
}

// addErrorsOf adds to errs those field errors in err that concern one of fields.
func addErrorsOf(errs *expense.ValidationErrors, err error, fields ...string) {
	for _, invalid := range expense.InvalidErrors(err) {
		if slices.Contains(fields, invalid.Field) {
			errs.Add(invalid.Field, invalid.Code, "%s", invalid.Detail)
		}
	}
}

// addScheduleErrors adds the errors of validateSchedule about fields without an error so far.
func (r Rule) addScheduleErrors(errs *expense.ValidationErrors) {
	var found expense.ValidationErrors
	r.validateSchedule(&found)
	for _, invalid := range expense.InvalidErrors(found.Err()) {
		if !errs.Has(invalid.Field) {
			errs.Add(invalid.Field, invalid.Code, "%s", invalid.Detail)
		}
	}
}
