package recurrence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// Change changes what the draft gives, of the occurrences that are not posted yet: those that are due already are posted by
// the old terms first, those that were posted stay as they are, and the cursor goes to the first occurrence by the new terms
// that is not before where it was. Pausing holds the rule; going on moves it to its first occurrence from today, for what is
// missed while paused is not posted. A draft that changes nothing takes no version. Faults are ErrInvalid, all of them at
// once; ErrStale if cond does not hold.
func Change(ctx context.Context, tx Tx, env expense.Env, id uuid.UUID, draft Draft, cond expense.Condition) (Rule, error) {
	old, settings, err := open(ctx, tx, id, cond)
	if err != nil {
		return Rule{}, err
	}
	var faults expense.Faults
	changed, err := draft.apply(ctx, tx, env, &faults, old)
	if err == nil {
		err = faults.Err()
	}
	if err != nil {
		return Rule{}, err
	}
	if changed.saysSame(old) {
		return old, nil
	}
	if old, err = catchUp(ctx, tx, env, old); err != nil {
		return Rule{}, err
	}
	today := settings.Today(env.Now)
	from := old.open(today)
	if old.Paused && !changed.Paused && from.Before(today) {
		from = today
	}
	changed.Version, changed.Skipped, changed.Settled = old.Version, old.Skipped, old.Settled
	changed = changed.at(from).fresh(env.Now)
	changed.checkBacklog(&faults, "start_date", today)
	if err := faults.Err(); err != nil {
		return Rule{}, err
	}
	return put(ctx, tx, changed)
}

// open reads a rule that is to be changed if cond holds, and the ledger's settings.
func open(ctx context.Context, tx Tx, id uuid.UUID, cond expense.Condition) (Rule, expense.Settings, error) {
	rule, err := tx.Rule(ctx, id)
	if err == nil {
		err = cond.CheckPresent(rule.Version)
	}
	if err != nil {
		return Rule{}, expense.Settings{}, fmt.Errorf("rule %s: %w", id, err)
	}
	settings, err := tx.Settings(ctx)
	if err != nil {
		return Rule{}, expense.Settings{}, fmt.Errorf("settings: %w", err)
	}
	return rule, settings, nil
}

// catchUp posts what is due of one rule, as far as that can be posted.
func catchUp(ctx context.Context, tx Tx, env expense.Env, rule Rule) (Rule, error) {
	for {
		posting, written, err := post(ctx, tx, env, []Rule{rule}, MaxBatch)
		switch {
		case err != nil:
			return Rule{}, err
		case len(written) == 0:
			return rule, nil
		}
		if rule = written[0]; !posting.More {
			return rule, nil
		}
	}
}

// open returns the first day whose occurrence is not settled yet, whatever the rule will say by then.
func (r Rule) open(today expense.Date) expense.Date {
	switch {
	case !r.Next.IsZero():
		return r.Next
	case r.Settled.Before(today):
		return today // the rule had ended: one that is made to go on does so from today
	default:
		return r.Settled.AddDays(1)
	}
}

// fresh returns the rule as one that a person has just changed: nothing is known to be wrong with it.
func (r Rule) fresh(now time.Time) Rule {
	r.LastError, r.Failures, r.RetryAt, r.UpdatedAt = "", 0, time.Time{}, expense.Instant(now)
	return r
}

// Split changes a rule from a day on, a text YYYY-MM-DD: the old one ends the day before, and a new rule, which is returned,
// goes on from there with what the draft gives. It counts from the old start, unless the draft says anew on which days the
// rule falls, or how often: then from starts it. What was posted stays as it is, under the old rule. Faults are ErrInvalid,
// all of them at once; ErrStale if cond does not hold.
func Split(
	ctx context.Context, tx Tx, env expense.Env, id uuid.UUID, from string, draft Draft, cond expense.Condition,
) (Rule, error) {
	old, settings, err := open(ctx, tx, id, cond)
	if err != nil {
		return Rule{}, err
	}
	var faults expense.Faults
	day := parseDay(&faults, "from_date", &from, expense.Date{})
	first := old.NextAfter(expense.Date{})
	switch {
	case faults.Has("from_date"):
	case day.IsZero():
		faults.Add("from_date", "required", "say from which day on the rule changes")
	case !day.After(first):
		faults.Add("from_date", "out_of_range",
			"the rule begins on %s: to change all of it, leave from_date out; else give a later day, not %s", first, day)
	case old.NextAfter(day.AddDays(-1)).IsZero():
		faults.Add("from_date", "no_occurrence", "the rule has ended before %s; change its end, or make a new rule", day)
	}
	fresh := old
	if fresh.ID, err = uuid.NewV7(); err != nil {
		return Rule{}, fmt.Errorf("new id: %w", err)
	}
	fresh.Version, fresh.Guard, fresh.CreatedAt = 0, 0, expense.Instant(env.Now)
	if draft.reschedules() && draft.Start == nil && faults.Err() == nil {
		fresh = fresh.anchored(day)
	}
	if fresh, err = draft.apply(ctx, tx, env, &faults, fresh); err != nil {
		return Rule{}, err
	}
	if err := faults.Err(); err != nil {
		return Rule{}, err
	}
	today := settings.Today(env.Now)
	start := old.open(today)
	if start.Before(day) {
		start = day
	}
	if old.Paused && !fresh.Paused && start.Before(today) {
		start = today
	}
	fresh = fresh.at(start).fresh(env.Now)
	fresh.checkBacklog(&faults, "from_date", today)
	if err := faults.Err(); err != nil {
		return Rule{}, err
	}
	old.Until, old.Count, old.UpdatedAt = day.AddDays(-1), 0, expense.Instant(env.Now)
	old = old.at(old.open(today))
	if _, err := tx.PutRules(ctx, old); err != nil {
		return Rule{}, fmt.Errorf("rule %s: %w", old.ID, err)
	}
	return put(ctx, tx, fresh)
}

// anchored returns the rule as if it had begun on a day: of a limited number of occurrences, those from that day on are left.
func (r Rule) anchored(day expense.Date) Rule {
	if r.Count != 0 {
		left := 0
		for range r.Occurrences(day, expense.Date{}) {
			left++
		}
		r.Count = left
	}
	if r.Freq == Monthly && r.MonthDay == 0 {
		r.MonthDay = r.Start.Day() // the 31st stays the 31st, on whichever day the change begins
	}
	r.Start = day
	return r
}

// SkipOccurrence leaves out one occurrence, on a day given as YYYY-MM-DD; that it is left out already is no error. One that was
// posted is deleted as any expense is. The error is ErrInvalid, or ErrStale if cond does not hold.
func SkipOccurrence(ctx context.Context, tx Tx, env expense.Env, id uuid.UUID, day string, cond expense.Condition) (Rule, error) {
	rule, _, err := open(ctx, tx, id, cond)
	if err != nil {
		return Rule{}, err
	}
	fault := func(code, detail string, args ...any) (Rule, error) {
		return Rule{}, &expense.InvalidError{Field: "date", Code: code, Detail: fmt.Sprintf(detail, args...)}
	}
	date, err := expense.ParseDate(day)
	if err != nil {
		var faults expense.Faults
		_ = faults.Take("date", err)
		return Rule{}, faults.Err()
	}
	if !rule.fallsOn(date) {
		return fault("no_occurrence", "the rule has no occurrence on %s", date)
	}
	known, err := tx.KnownExpenses(ctx, expense.OccurrenceID(rule.ID, date))
	switch {
	case err != nil:
		return Rule{}, fmt.Errorf("rule %s: %w", id, err)
	case len(known) > 0:
		return fault("already_posted", "the occurrence of %s was posted: delete its expense instead", date)
	case rule.Next.IsZero() || date.Before(rule.Next) || rule.Skipped.Contains(date):
		return rule, nil
	case date == rule.Next:
		rule = rule.at(date.AddDays(1)).fresh(env.Now)
	case rule.Skipped.Len() >= MaxSkipped:
		return fault("too_many", "a rule has at most %d skipped occurrences ahead; pause it instead", MaxSkipped)
	default:
		rule.Skipped, rule.UpdatedAt = rule.Skipped.With(date), expense.Instant(env.Now)
	}
	return put(ctx, tx, rule)
}

func (r Rule) fallsOn(date expense.Date) bool {
	for range r.Occurrences(date, date) {
		return true
	}
	return false
}

// Delete deletes a rule and leaves a tombstone; the expenses that it posted stay. Deleting it again is no error while the
// tombstone is kept, whatever cond says; ErrNotFound if there never was such a one, ErrStale if cond does not hold.
func Delete(ctx context.Context, tx Tx, id uuid.UUID, cond expense.Condition) error {
	rule, err := tx.Rule(ctx, id)
	if errors.Is(err, expense.ErrGone) {
		return nil
	}
	if err == nil {
		err = cond.CheckPresent(rule.Version)
	}
	if err == nil {
		_, err = tx.DeleteRule(ctx, id)
	}
	if err != nil {
		return fmt.Errorf("rule %s: %w", id, err)
	}
	return nil
}
