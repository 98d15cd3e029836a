package recurrence

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// MaxPreview is the maximum number of occurrences that [Preview] returns.
const MaxPreview = 100

// RemainingOccurrences yields the dates on and after from that are neither posted nor skipped, in ascending order. It
// ignores Paused.
func (r Rule) RemainingOccurrences(from expense.Date) iter.Seq[expense.Date] {
	return func(yield func(expense.Date) bool) {
		if r.Next.IsZero() {
			return
		}
		if from.Before(r.Next) {
			from = r.Next
		}
		for date := range r.Occurrences(from, expense.Date{}) {
			if !r.Skipped.Contains(date) && !yield(date) {
				return
			}
		}
	}
}

// withNext returns the rule with Next set to the first occurrence on or after from that is not skipped. It does not
// change SettledThrough. It drops skipped days that are settled, because those are never posted anyway.
func (r Rule) withNext(from expense.Date) Rule {
	r.Next, r.Skipped = from, r.Skipped.NotBefore(r.SettledThrough.AddDays(1))
	for date := range r.RemainingOccurrences(from) {
		r.Next = date
		return r
	}
	r.Next = expense.Date{}
	return r
}

// settle returns the rule with SettledThrough set to day, or unchanged if SettledThrough is not before day.
func (r Rule) settle(day expense.Date) Rule {
	if day.After(r.SettledThrough) {
		r.SettledThrough = day
	}
	return r
}

// Preview returns the next n occurrences that the rule will post, at most [MaxPreview]. It writes nothing. For a
// paused rule, it returns those that would be posted if the rule were resumed today.
func Preview(ctx context.Context, r interface {
	expense.Reader
	Reader
}, env expense.Env, id uuid.UUID, n int) ([]PlannedOccurrence, error) {
	settings, err := r.Settings(ctx)
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	rule, err := r.Rule(ctx, id)
	if err != nil {
		return nil, rowError(id, 0, err)
	}
	dates, err := rule.nextUnposted(ctx, r, rule.resumeDay(settings.Today(env.Now)), min(n, MaxPreview))
	planned := make([]PlannedOccurrence, len(dates))
	for i, date := range dates {
		planned[i] = PlannedOccurrence{Rule: rule, Date: date}
	}
	return planned, err
}

// NextDates returns the first date of each rule's [Preview], or the zero Date if that is empty. [Rule.Next]
// may be earlier: a device may have added that expense in advance, or the rule may be paused.
func NextDates(ctx context.Context, r expense.Reader, env expense.Env, rules ...Rule) ([]expense.Date, error) {
	if len(rules) == 0 {
		return nil, nil
	}
	settings, err := r.Settings(ctx)
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	next, ids := make([]expense.Date, len(rules)), make([]uuid.UUID, 0, len(rules))
	for i, rule := range rules {
		for date := range rule.RemainingOccurrences(rule.resumeDay(settings.Today(env.Now))) {
			next[i], ids = date, append(ids, expense.OccurrenceID(rule.ID, date))
			break
		}
	}
	known, err := knownIDs(ctx, r, ids)
	if err != nil {
		return nil, fmt.Errorf("expenses of next occurrences: %w", err)
	}
	for i, rule := range rules {
		if next[i].IsZero() || !known[expense.OccurrenceID(rule.ID, next[i])] {
			continue
		}
		dates, err := rule.nextUnposted(ctx, r, next[i], 1)
		if err != nil {
			return nil, err
		}
		if next[i] = (expense.Date{}); len(dates) > 0 {
			next[i] = dates[0]
		}
	}
	return next, nil
}

// resumeDay returns the first day that the rule may post. For a paused rule, it assumes that the rule is resumed today.
func (r Rule) resumeDay(today expense.Date) expense.Date {
	if r.Paused && r.Next.Before(today) {
		return today
	}
	return r.Next
}

// nextUnposted returns the first n dates on or after from that will be posted. It leaves out dates whose expense a
// device has added in advance.
func (r Rule) nextUnposted(
	ctx context.Context, reader expense.Reader, from expense.Date, n int,
) ([]expense.Date, error) {
	const minBatch = 16 // a device adds expenses in advance for several dates in a row, so check several at once
	var next []expense.Date
	for len(next) < n {
		var ids []uuid.UUID
		var dates []expense.Date
		for date := range r.RemainingOccurrences(from) {
			dates, ids = append(dates, date), append(ids, expense.OccurrenceID(r.ID, date))
			if len(dates) == max(n, minBatch) {
				break
			}
		}
		if len(dates) == 0 {
			break
		}
		known, err := reader.KnownExpenseIDs(ctx, ids...)
		if err != nil {
			return nil, rowError(r.ID, 0, err)
		}
		for i, date := range dates {
			if !slices.Contains(known, ids[i]) && len(next) < n {
				next = append(next, date)
			}
		}
		if from = dates[len(dates)-1].AddDays(1); from.IsZero() {
			break
		}
	}
	return next, nil
}
