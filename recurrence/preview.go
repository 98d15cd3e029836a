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

// at returns the rule with its cursor on its first occurrence from a day on that was not skipped. It settles no day: only what
// was posted or skipped is settled. What was skipped is remembered as long as it is not, also where the rule has ended.
func (r Rule) at(from expense.Date) Rule {
	r.Next, r.Skipped = from, r.Skipped.NotBefore(r.SettledThrough.AddDays(1))
	for date := range r.RemainingOccurrences(from) {
		r.Next = date
		return r
	}
	r.Next = expense.Date{}
	return r
}

// settle notes that the days up to one are done with, if they are not yet.
func (r Rule) settle(day expense.Date) Rule {
	if day.After(r.SettledThrough) {
		r.SettledThrough = day
	}
	return r
}

// Preview returns the next n occurrences of a rule that will be posted, at most [MaxPreview], and writes nothing. Of a paused
// rule they are those that will come if it goes on today.
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
		return nil, fmt.Errorf("rule %s: %w", id, err)
	}
	dates, err := rule.comingUp(ctx, r, rule.resumes(settings.Today(env.Now)), min(n, MaxPreview))
	planned := make([]PlannedOccurrence, len(dates))
	for i, date := range dates {
		planned[i] = PlannedOccurrence{Rule: rule, Date: date}
	}
	return planned, err
}

// NextDates returns for each rule the first date that its [Preview] has, zero where it has none. The cursor, [Rule.Next], may lie
// before it: on a date that a device has written ahead, or on one that a paused rule will not post.
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
		for date := range rule.RemainingOccurrences(rule.resumes(settings.Today(env.Now))) {
			next[i], ids = date, append(ids, expense.OccurrenceID(rule.ID, date))
			break
		}
	}
	taken := make(map[uuid.UUID]bool)
	for chunk := range slices.Chunk(ids, MaxBatch) {
		known, err := r.KnownExpenseIDs(ctx, chunk...)
		if err != nil {
			return nil, fmt.Errorf("what is there already: %w", err)
		}
		for _, id := range known {
			taken[id] = true
		}
	}
	for i, rule := range rules {
		if next[i].IsZero() || !taken[expense.OccurrenceID(rule.ID, next[i])] {
			continue
		}
		dates, err := rule.comingUp(ctx, r, next[i], 1)
		if err != nil {
			return nil, err
		}
		if next[i] = (expense.Date{}); len(dates) > 0 {
			next[i] = dates[0]
		}
	}
	return next, nil
}

// resumes returns the day from which on the rule will be posted: for a paused one, if it goes on today.
func (r Rule) resumes(today expense.Date) expense.Date {
	if r.Paused && r.Next.Before(today) {
		return today
	}
	return r.Next
}

// comingUp returns the next n dates from a day on that will be posted. A device may have written some of them ahead: those are no
// more to come.
func (r Rule) comingUp(ctx context.Context, reader expense.Reader, from expense.Date, n int) ([]expense.Date, error) {
	const fewest = 16 // looked up at a time: dates that are taken come in rows
	var coming []expense.Date
	for len(coming) < n {
		var ids []uuid.UUID
		var dates []expense.Date
		for date := range r.RemainingOccurrences(from) {
			dates, ids = append(dates, date), append(ids, expense.OccurrenceID(r.ID, date))
			if len(dates) == max(n, fewest) {
				break
			}
		}
		if len(dates) == 0 {
			break
		}
		known, err := reader.KnownExpenseIDs(ctx, ids...)
		if err != nil {
			return nil, fmt.Errorf("rule %s: %w", r.ID, err)
		}
		for i, date := range dates {
			if !slices.Contains(known, ids[i]) && len(coming) < n {
				coming = append(coming, date)
			}
		}
		if from = dates[len(dates)-1].AddDays(1); from.IsZero() {
			break
		}
	}
	return coming, nil
}
