// Package recurrence posts recurring expenses, such as a rent or a subscription, on their dates.
//
// # Rules and occurrences
//
// A [Rule] has an amount and a schedule. Each date of the schedule is an occurrence. The occurrences depend only on the
// schedule; see [Rule.Occurrences]. Each date is computed from the start, not from the date before. So a rule that
// starts on 31 January returns to the 31st after a short month:
//
//	rent := recurrence.Rule{Freq: recurrence.Monthly, Interval: 1, Start: expense.MustDate("2025-01-31")}
//	for date := range rent.Occurrences(expense.MustDate("2025-01-01"), expense.MustDate("2025-12-31")) {
//		fmt.Println(date) // 2025-01-31, 2025-02-28, 2025-03-31, 2025-04-30, …
//	}
//
// Dates are civil dates. An occurrence is due when its date begins in the time zone of the ledger. Schedules can be
// read and written as an RRULE of RFC 5545 ([ParseRRULE], [Rule.RRULE]).
//
// # Posting
//
// [Post] turns due occurrences into expenses. The id of the expense is made from the rule and the date
// ([expense.OccurrenceID]), so an occurrence is posted at most once, whichever instance posts it. Two fields of the
// rule record the progress of posting:
//
//   - [Rule.Next] is the first occurrence that is neither posted nor skipped.
//   - [Rule.SettledThrough] is the last day up to which every occurrence was posted or skipped. No day up to it is
//     posted again, even if the schedule changes so that an occurrence falls there.
//
// # Changes, catch-up and backlog
//
// [Change], [Split], [SkipOccurrence] and [Delete] apply to occurrences that are not posted yet. Before a change, the
// due occurrences are posted with the old amount and schedule. This is the catch-up. The due occurrences are the
// backlog of the rule. A backlog above [MaxBatch] is too large for one Update. Then the change fails with a
// [BacklogError], and the caller calls [CatchUp] first.
package recurrence

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// A Rule is a recurring expense: what is spent, and on which dates.
type Rule struct {
	ID         uuid.UUID
	Amount     expense.Money
	CategoryID uuid.UUID
	Notes      string

	Freq      Freq
	Interval  int          // in units of Freq: 2 with Weekly is every second week; 1 to MaxInterval
	Weekdays  Weekdays     // weekly: on these days; zero: on the weekday of Start
	MonthDay  int          // monthly: 1 to 31, or LastDay; 0: the day of Start
	OnMissing OnMissing    // monthly and yearly: what happens in a month without the day
	Start     expense.Date // the first date of the schedule; the first occurrence may be later
	Until     expense.Date // the last possible date; zero: no end
	Count     int          // the number of occurrences from Start on; 0: no limit; not together with Until

	Paused         bool
	Next           expense.Date // the first occurrence neither posted nor skipped; zero: none is left
	Skipped        DateSet      // days after SettledThrough that Post skips; a day may have no occurrence
	SettledThrough expense.Date // no day up to this one is posted again; it never decreases

	LastError string    // why Next could not be posted, as text for the user; empty: no failure
	Failures  int       // consecutive failures to post Next
	RetryAt   time.Time // Post does not retry before this time; UTC, whole microseconds; zero: no delay

	Version   expense.Version
	Guard     expense.Version // version of the last change of a guarded field; set by the store
	CreatedAt time.Time       // UTC, whole microseconds
	UpdatedAt time.Time       // UTC, whole microseconds
}

// A Freq is the frequency of a rule: the unit of its interval.
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

// LastDay is the MonthDay that stands for the last day of each month.
const LastDay = -1

// OnMissing says what happens in a month that does not have the rule's day, such as 30 February.
type OnMissing uint8

// The values of OnMissing.
const (
	ClampToMonthEnd OnMissing = iota // the occurrence falls on the last day of the month
	SkipMonth                        // the month has no occurrence
)

// The limits of a rule.
const (
	// MaxInterval is the maximum of [Rule.Interval].
	MaxInterval = 1000
	// MaxCount is the maximum of [Rule.Count].
	MaxCount = 100_000
	// MaxRules is the maximum number of rules in a ledger.
	MaxRules = 1000
	// MaxSkipped is the maximum number of skipped occurrences that a rule stores.
	MaxSkipped = 400
	// MaxLastErrorBytes is the maximum length of [Rule.LastError] in bytes. Longer texts are truncated.
	MaxLastErrorBytes = 500
)

// earliestStart is the earliest date that an expense may have.
var earliestStart = expense.MustDate("1900-01-01")

// Validate checks a stored rule, for example one that a backup contains. It checks neither the notes nor whether the
// category exists. The error is ErrInvalid with all field errors.
func (r Rule) Validate() error {
	var errs expense.ValidationErrors
	if r.Amount.IsZero() {
		errs.Add("amount", "zero", "the amount is zero; give a positive amount, or a negative one for a refund")
	}
	r.validateSchedule(&errs)
	return errs.Err()
}

const bothEnds = "the rule has both until_date and count; give one of them"

// validateSchedule checks the fields from Freq to Count.
func (r Rule) validateSchedule(errs *expense.ValidationErrors) {
	if r.Freq < Daily || r.Freq > Yearly {
		errs.Add("freq", "unknown_value", "frequency %d is unknown; give daily, weekly, monthly or yearly", r.Freq)
	}
	if r.Interval < 1 || r.Interval > MaxInterval {
		errs.Add("interval", "out_of_range", "interval %d is out of range; give 1 to %d", r.Interval, MaxInterval)
	}
	switch {
	case r.Weekdays >= 1<<7:
		errs.Add("weekdays", "unknown_value", "the weekdays have the bits %b; a week has seven days", r.Weekdays)
	case r.Weekdays != 0 && r.Freq != Weekly:
		errs.Add("weekdays", "not_applicable",
			"weekdays do not apply to a %s rule; leave them out, or set freq to weekly", r.Freq)
	}
	switch {
	case r.MonthDay != LastDay && (r.MonthDay < 0 || r.MonthDay > 31):
		errs.Add("month_day", "out_of_range", "day of the month %d is out of range; give 1 to 31, or last", r.MonthDay)
	case r.MonthDay != 0 && r.Freq != Monthly:
		errs.Add("month_day", "not_applicable",
			"the day of the month does not apply to a %s rule; leave month_day out, or set freq to monthly", r.Freq)
	}
	switch {
	case r.OnMissing > SkipMonth:
		errs.Add("on_missing", "unknown_value", "the value %d of on_missing is unknown; give clamp or skip", r.OnMissing)
	case r.OnMissing == SkipMonth && (r.Freq == Daily || r.Freq == Weekly):
		errs.Add("on_missing", "not_applicable",
			"the value skip of on_missing does not apply to a %s rule; leave it out", r.Freq)
	}
	switch {
	case r.Start.IsZero():
		errs.Add("start_date", "required", "the start is missing; give a date, as YYYY-MM-DD")
	case r.Start.Before(earliestStart):
		errs.Add("start_date", "out_of_range", "start %s is out of range; give %s or later", r.Start, earliestStart)
	case !r.Until.IsZero() && r.Until.Before(r.Start):
		errs.Add("until_date", "out_of_range", "the last day %s is before the start %s; give a later one", r.Until, r.Start)
	}
	if r.Count < 0 || r.Count > MaxCount {
		errs.Add("count", "out_of_range", "count %d is out of range; give 1 to %d", r.Count, MaxCount)
	}
	if r.Count != 0 && !r.Until.IsZero() {
		errs.Add("count", "ambiguous", bothEnds)
	}
	if errs.Err() == nil && r.NextAfter(expense.Date{}).IsZero() {
		errs.Add("start_date", "no_occurrence", "the rule has no occurrence; change its start, its end or its day")
	}
}

// DueAt returns the time at which the rule becomes due: the start of the day Next in zone. RetryAt does not affect it.
// The time is zero if the rule is paused or has no occurrence left.
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

// WithoutFailure returns the rule with its failure cleared, so that Post retries it without a delay.
func (r Rule) WithoutFailure() Rule {
	r.LastError, r.Failures, r.RetryAt = "", 0, time.Time{}
	return r
}

// checkRuleCount reports a ledger that has MaxRules rules.
func checkRuleCount(ctx context.Context, r Reader, errs *expense.ValidationErrors) error {
	rules, err := r.Rules(ctx)
	if err != nil {
		return fmt.Errorf("rules: %w", err)
	}
	if len(rules) >= MaxRules {
		errs.Add("", "too_many",
			"the ledger has %d recurring expenses, the maximum; delete one before you add another", len(rules))
	}
	return nil
}

// SameGuardedFields reports whether the guarded fields of r and other are equal: ID, Amount, CategoryID and the
// schedule from Freq to Count.
func (r Rule) SameGuardedFields(other Rule) bool {
	return r.guardedFields() == other.guardedFields()
}

// guardedFields returns r with all other fields zero.
func (r Rule) guardedFields() Rule {
	r.Notes, r.Paused, r.Next, r.Skipped, r.SettledThrough = "", false, expense.Date{}, DateSet{}, expense.Date{}
	r = r.WithoutFailure()
	r.Version, r.Guard, r.CreatedAt, r.UpdatedAt = 0, 0, time.Time{}, time.Time{}
	return r
}

// Reader reads the rules of one ledger.
type Reader interface {
	// Rule returns the rule with this id. It returns ErrNotFound if the id is unknown and ErrGone if the rule was deleted.
	Rule(ctx context.Context, id uuid.UUID) (Rule, error)

	// Rules returns all rules, ordered by the bytes of their ids.
	Rules(ctx context.Context) ([]Rule, error)
}

// Tx reads and writes the rules of one ledger. The guarantees of [expense.Tx] hold for its methods too.
type Tx interface {
	expense.Tx
	Reader

	// PutRules writes rules. If the ledger has no category with a rule's CategoryID, the whole Update fails.
	PutRules(ctx context.Context, rules ...Rule) (expense.Version, error)

	// DeleteRule deletes a rule and leaves a tombstone. The expenses that the rule posted stay and keep its id.
	DeleteRule(ctx context.Context, id uuid.UUID) (expense.Version, error)
}
