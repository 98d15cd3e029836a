package recurrence

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// MaxPreview is how many occurrences a preview has at most.
const MaxPreview = 100

// Upcoming yields the dates that are still to be posted from a day on, in order: the rule's occurrences from its cursor on
// but for those that were skipped. A paused rule has them too.
func (r Rule) Upcoming(from expense.Date) iter.Seq[expense.Date] {
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

// at returns the rule with its cursor on its first occurrence from a day on that was not skipped. It settles no day: only what
// was posted or skipped is settled. What was skipped is remembered as long as it is not, also where the rule has ended.
func (r Rule) at(from expense.Date) Rule {
	r.Next, r.Skipped = from, r.Skipped.From(r.Settled.AddDays(1))
	for date := range r.Upcoming(from) {
		r.Next = date
		return r
	}
	r.Next = expense.Date{}
	return r
}

// settle notes that the days up to one are done with, if they are not yet.
func (r Rule) settle(day expense.Date) Rule {
	if day.After(r.Settled) {
		r.Settled = day
	}
	return r
}

// Preview returns the next n occurrences of a rule that will be posted, at most [MaxPreview], and writes nothing. Of a paused
// rule they are those that will come if it goes on today.
func Preview(ctx context.Context, r interface {
	expense.Reader
	Reader
}, env expense.Env, id uuid.UUID, n int) ([]Planned, error) {
	settings, err := r.Settings(ctx)
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	rule, err := r.Rule(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("rule %s: %w", id, err)
	}
	from := rule.Next
	if today := settings.Today(env.Now); rule.Paused && from.Before(today) {
		from = today
	}
	n = min(n, MaxPreview)
	planned := make([]Planned, 0, n)
	for len(planned) < n {
		// A device may have written some of them ahead: those are no more to come.
		var ids []uuid.UUID
		var dates []expense.Date
		for date := range rule.Upcoming(from) {
			dates, ids = append(dates, date), append(ids, expense.OccurrenceID(rule.ID, date))
			if len(dates) == n {
				break
			}
		}
		if len(dates) == 0 {
			break
		}
		known, err := r.KnownExpenses(ctx, ids...)
		if err != nil {
			return nil, fmt.Errorf("rule %s: %w", id, err)
		}
		for i, date := range dates {
			if !slices.Contains(known, ids[i]) && len(planned) < n {
				planned = append(planned, Planned{Rule: rule, Date: date})
			}
		}
		if from = dates[len(dates)-1].AddDays(1); from.IsZero() {
			break
		}
	}
	return planned, nil
}
