// Package recurrence says when an expense comes again: rules, and the civil dates of their occurrences. Each date is computed
// from the rule's start, never from the one before, so that the rent of the 31st comes back to the 31st after a short month.
//
//	rent := recurrence.Rule{Freq: recurrence.Monthly, Interval: 1, Start: expense.MustDate("2025-01-31")}
//	for date := range rent.Occurrences(expense.MustDate("2025-01-01"), expense.MustDate("2025-12-31")) {
//		fmt.Println(date) // 2025-01-31, 2025-02-28, 2025-03-31, 2025-04-30, …
//	}
package recurrence

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// A Rule is a recurring expense: what is spent, and on which civil dates.
type Rule struct {
	ID         uuid.UUID
	Amount     expense.Money
	CategoryID uuid.UUID
	Notes      string

	Freq      Freq
	Interval  int          // every so many days, weeks, months or years; at least 1
	Weekdays  Weekdays     // weekly: on these days; none: on the start's
	MonthDay  int          // monthly: 1 to 31, or LastDay; 0: the start's
	OnMissing OnMissing    // what a month does that lacks the day
	Start     expense.Date // the anchor
	Until     expense.Date // the last day an occurrence may have; zero: no end
	Count     int          // how many occurrences there are; 0: no limit. Not together with Until

	Paused         bool
	Next           expense.Date // the cursor: the first occurrence that is neither posted nor skipped yet; zero: there is none
	Skipped        DateSet      // occurrences after Settled that a person skipped; also where the rule's terms have no use for them now
	SettledThrough expense.Date // up to which all was posted or skipped: no day up to it is ever posted again. It never goes back

	LastError string    // why the occurrence Next could not be posted, for a person to read; empty: nothing is wrong
	Failures  int       // how often in a row it could not
	RetryAt   time.Time // not to be tried before this instant, UTC, whole microseconds; zero: no need to wait

	Version   expense.Version
	Guard     expense.Version // of the last change of what the rule says, Start to Count, amount and category; set by the store
	CreatedAt time.Time       // UTC, whole microseconds
	UpdatedAt time.Time       // UTC, whole microseconds
}

// A Freq is the unit that a rule's interval counts.
type Freq uint8

// The frequencies.
const (
	Daily Freq = iota + 1
	Weekly
	Monthly
	Yearly
)

// Weekdays is a set of days of the week: bit 0 is Monday, bit 6 Sunday.
type Weekdays uint8

// LastDay is the MonthDay of a rule that falls on the last day of each month.
const LastDay = -1

// OnMissing says what happens in a month that lacks the rule's day.
type OnMissing uint8

// What a month does that lacks the day.
const (
	ClampToMonthEnd OnMissing = iota // the month's last day instead
	SkipMonth                        // no occurrence in that month
)

// The limits of a rule.
const (
	// MaxInterval is the largest interval.
	MaxInterval = 1000
	// MaxCount is how many occurrences a rule with a count has at most.
	MaxCount = 100_000
	// MaxRules is how many rules a ledger holds at most.
	MaxRules = 1000
	// MaxSkipped is how many occurrences may be skipped ahead of the cursor.
	MaxSkipped = 400
	// MaxLastErrorBytes is how many bytes of a failure are kept.
	MaxLastErrorBytes = 500
)

// earliestStart is the first date an expense may have.
var earliestStart = expense.MustDate("1900-01-01")

// Validate lists every fault of the rule; the error is ErrInvalid. Whether its category exists, and its notes are such as an
// expense may have, is not checked here.
func (r Rule) Validate() error {
	var faults expense.ValidationErrors
	if r.Amount.IsZero() {
		faults.Add("amount", "zero", "an expense is not zero; a refund is negative")
	}
	r.validateDates(&faults)
	return faults.Err()
}

// validateDates notes what is wrong with the members that say on which dates the rule falls.
func (r Rule) validateDates(faults *expense.ValidationErrors) {
	if r.Freq < Daily || r.Freq > Yearly {
		faults.Add("freq", "unknown_value", "a frequency is daily, weekly, monthly or yearly")
	}
	if r.Interval < 1 || r.Interval > MaxInterval {
		faults.Add("interval", "out_of_range", "an interval is a number from 1 to %d, not %d", MaxInterval, r.Interval)
	}
	switch {
	case r.Weekdays >= 1<<7:
		faults.Add("weekdays", "unknown_value", "a week has seven days")
	case r.Weekdays != 0 && r.Freq != Weekly:
		faults.Add("weekdays", "not_applicable", "only a weekly rule has weekdays")
	}
	switch {
	case r.MonthDay != LastDay && (r.MonthDay < 0 || r.MonthDay > 31):
		faults.Add("month_day", "out_of_range", "a day of the month is a number from 1 to 31, or the last, not %d", r.MonthDay)
	case r.MonthDay != 0 && r.Freq != Monthly:
		faults.Add("month_day", "not_applicable", "only a monthly rule has a day of the month")
	}
	switch {
	case r.OnMissing > SkipMonth:
		faults.Add("on_missing", "unknown_value", "a month that lacks the day is clamped or skipped")
	case r.OnMissing == SkipMonth && (r.Freq == Daily || r.Freq == Weekly):
		faults.Add("on_missing", "not_applicable", "only a monthly or yearly rule can miss its day")
	}
	switch {
	case r.Start.IsZero():
		faults.Add("start_date", "required", "say on which day the rule starts")
	case r.Start.Before(earliestStart):
		faults.Add("start_date", "out_of_range", "a rule starts on %s or later, not on %s", earliestStart, r.Start)
	case !r.Until.IsZero() && r.Until.Before(r.Start):
		faults.Add("until_date", "out_of_range", "the last day %s is before the start %s", r.Until, r.Start)
	}
	if r.Count < 0 || r.Count > MaxCount {
		faults.Add("count", "out_of_range", "a count is a number from 1 to %d, not %d", MaxCount, r.Count)
	}
	if r.Count != 0 && !r.Until.IsZero() {
		faults.Add("count", "ambiguous", "give until_date or count, not both")
	}
	if faults.Err() == nil && r.NextAfter(expense.Date{}).IsZero() {
		faults.Add("start_date", "no_occurrence", "the rule never falls on a day")
	}
}

// DueAt returns the instant from which on the rule is due to be posted in a zone: when the date of its cursor begins there. That
// it failed, and waits to be tried again, does not change since when. A rule that is paused, or has no more occurrences, is
// never due: the zero time.
func (r Rule) DueAt(zone expense.Zone) time.Time {
	if r.Paused || r.Next.IsZero() {
		return time.Time{}
	}
	return expense.Timestamp(r.Next.StartIn(zone.Location()))
}

// isDue reports whether the rule is due at now.
func (r Rule) isDue(zone expense.Zone, now time.Time) bool {
	at := r.DueAt(zone)
	return !at.IsZero() && !at.After(now)
}

// Repaired returns the rule as one that nothing is known to be wrong with: it is tried again at once.
func (r Rule) WithoutFailure() Rule {
	r.LastError, r.Failures, r.RetryAt = "", 0, time.Time{}
	return r
}

// checkRoom notes a ledger that is full of rules.
func checkRoom(ctx context.Context, r Reader, faults *expense.ValidationErrors) error {
	rules, err := r.Rules(ctx)
	if err != nil {
		return fmt.Errorf("rules: %w", err)
	}
	if len(rules) >= MaxRules {
		faults.Add("", "too_many", "a ledger holds at most %d recurring expenses; delete one that is not needed", MaxRules)
	}
	return nil
}

// SameGuarded reports whether what r says an expense is and on which dates it falls is as in other: everything but Notes,
// Paused, Next, Skipped, Settled and how the last attempt went. Versions and times are no part of it.
func (r Rule) SameGuarded(other Rule) bool {
	return r.unguarded() == other.unguarded()
}

func (r Rule) unguarded() Rule {
	r.Notes, r.Paused, r.Next, r.Skipped, r.SettledThrough = "", false, expense.Date{}, DateSet{}, expense.Date{}
	r = r.WithoutFailure()
	r.Version, r.Guard, r.CreatedAt, r.UpdatedAt = 0, 0, time.Time{}, time.Time{}
	return r
}

// Reader is what the use cases of this package read of one owner's ledger.
type Reader interface {
	// Rule returns one rule; ErrNotFound if there never was such a one, ErrGone if it was deleted.
	Rule(ctx context.Context, id uuid.UUID) (Rule, error)

	// Rules returns all rules, ordered by id, byte by byte.
	Rules(ctx context.Context) ([]Rule, error)
}

// Tx is what the use cases of this package do to one owner's ledger, under the promises of [expense.Tx].
type Tx interface {
	expense.Tx
	Reader

	// PutRules writes rules; a reference to a category that the ledger does not hold is an error that dooms the Update.
	PutRules(ctx context.Context, rules ...Rule) (expense.Version, error)

	// DeleteRule leaves a tombstone; expenses that the rule posted stay and keep its id.
	DeleteRule(ctx context.Context, id uuid.UUID) (expense.Version, error)
}
