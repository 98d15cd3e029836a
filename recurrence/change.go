package recurrence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// Change changes what the draft gives, of the occurrences that are not posted yet: those that are due already are posted by
// the old terms first, those that were posted stay as they are, and the cursor goes to the first occurrence by the new terms
// from today on, or from where it was if that is due and could not be posted. Pausing holds the rule; going on moves it to its
// first occurrence from today, for what is missed while paused is not posted. A draft that changes nothing takes no version,
// unless the rule had failed: then it is tried again. Faults are ErrInvalid, all of them at once; ErrStale if cond does not hold;
// a [BacklogError] if more is due than one Update posts.
func Change(ctx context.Context, tx Tx, env expense.Env, id uuid.UUID, draft Draft, cond expense.Precondition) (Rule, error) {
	old, settings, err := open(ctx, tx, id, cond)
	if err != nil {
		return Rule{}, err
	}
	var faults expense.ValidationErrors
	changed, err := draft.apply(ctx, tx, env, &faults, old)
	if err == nil {
		err = faults.Err()
	}
	if err != nil {
		return Rule{}, err
	}
	if changed.saysSame(old) && old.LastError == "" {
		return old, nil
	}
	if old, err = catchUp(ctx, tx, env, settings, old); err != nil {
		return Rule{}, err
	}
	today := settings.Today(env.Now)
	from := old.open(today)
	if old.Paused && !changed.Paused && from.Before(today) {
		from = today
	}
	changed.Version, changed.Skipped, changed.SettledThrough = old.Version, old.Skipped, old.SettledThrough
	changed = changed.at(from).fresh(env.Now)
	changed.checkBacklog(&faults, "start_date", today)
	if err := faults.Err(); err != nil {
		return Rule{}, err
	}
	return put(ctx, tx, changed)
}

// open reads a rule that is to be changed if cond holds, and the ledger's settings.
func open(ctx context.Context, tx Tx, id uuid.UUID, cond expense.Precondition) (Rule, expense.Settings, error) {
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

// A BacklogError says that more than [MaxBatch] occurrences of a rule are due, which are to be posted before the rule may change
// or go: call [CatchUp] until there is no more, each time in an Update of its own, and then do the change again.
type BacklogError struct {
	RuleID  uuid.UUID
	Version expense.Version // which the rule had
}

func (e *BacklogError) Error() string {
	return fmt.Sprintf("rule %s: more than %d occurrences are due and have to be posted first", e.RuleID, MaxBatch)
}

// CatchUp posts up to [MaxBatch] of the due occurrences of one rule, also where a retry would have to wait. It returns the rule as
// it is then, and whether there is more to post.
func CatchUp(ctx context.Context, tx Tx, env expense.Env, id uuid.UUID) (Rule, bool, error) {
	rule, err := tx.Rule(ctx, id)
	if err != nil {
		return Rule{}, false, fmt.Errorf("rule %s: %w", id, err)
	}
	posting, written, err := post(ctx, tx, env, []Rule{rule})
	if err != nil || len(written) == 0 {
		return rule, false, err
	}
	return written[0], posting.More, nil
}

// catchUp posts what is due of one rule, as far as that can be posted; what failed at this very moment is not tried again. More
// than one Update may post is a [BacklogError].
func catchUp(ctx context.Context, tx Tx, env expense.Env, settings expense.Settings, rule Rule) (Rule, error) {
	switch {
	case !rule.isDue(settings.Zone, env.Now), !rule.failedAt().Before(expense.Timestamp(env.Now)):
		return rule, nil
	case rule.backlog(settings.Today(env.Now)) > MaxBatch:
		return Rule{}, &BacklogError{RuleID: rule.ID, Version: rule.Version}
	}
	_, written, err := post(ctx, tx, env, []Rule{rule})
	if err != nil || len(written) == 0 {
		return rule, err
	}
	return written[0], nil
}

// backlog counts what is due of the rule, up to one more than an Update posts.
func (r Rule) backlog(today expense.Date) int {
	due := 0
	for date := range r.RemainingOccurrences(expense.Date{}) {
		if date.After(today) || due > MaxBatch {
			break
		}
		due++
	}
	return due
}

// open returns the first day from which on terms that are changed today decide: that of a cursor which is due, else today, or
// the day after the last that is settled. A cursor that lies ahead says nothing, for other terms may fall before it.
func (r Rule) open(today expense.Date) expense.Date {
	switch {
	case !r.Next.IsZero() && !r.Next.After(today):
		return r.Next
	case r.SettledThrough.Before(today):
		return today
	default:
		return r.SettledThrough.AddDays(1)
	}
}

// fresh returns the rule as one that a person has just changed: nothing is known to be wrong with it.
func (r Rule) fresh(now time.Time) Rule {
	r = r.WithoutFailure()
	r.UpdatedAt = expense.Timestamp(now)
	return r
}

// Split changes a rule from a day on, a text YYYY-MM-DD: the old one ends the day before, and a new rule, which is returned,
// goes on from there with what the draft gives. It counts from the old start, unless the draft says anew how often the rule
// falls: then from its first occurrence from that day on, or where the draft names other days, from that day. What was posted
// stays as it is, under the old rule, and is not posted again by the new one, nor is what a device wrote ahead. Faults are ErrInvalid,
// all of them at once; ErrStale if cond does not hold; a [BacklogError] if the new rule is paused, and more is due than one Update
// posts.
func Split(
	ctx context.Context, tx Tx, env expense.Env, id uuid.UUID, from string, draft Draft, cond expense.Precondition,
) (Rule, error) {
	old, settings, err := open(ctx, tx, id, cond)
	if err != nil {
		return Rule{}, err
	}
	var faults expense.ValidationErrors
	day := parseDay(&faults, "from_date", &from, expense.Date{})
	if err := checkRoom(ctx, tx, &faults); err != nil {
		return Rule{}, err
	}
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
	fresh.Version, fresh.Guard, fresh.CreatedAt = 0, 0, expense.Timestamp(env.Now)
	var kept int // occurrences before day that the count of a rule with the old start has to include
	if draft.reschedules() && draft.Start == nil && faults.Err() == nil {
		fresh, kept = fresh.anchored(day, draft)
	}
	monthDay := fresh.MonthDay
	if fresh, err = draft.apply(ctx, tx, env, &faults, fresh); err != nil {
		return Rule{}, err
	}
	if fresh.Count != 0 {
		fresh.Count += kept
	}
	if draft.RRULE != nil && fresh.Freq == Monthly && fresh.MonthDay == 0 {
		fresh.MonthDay = monthDay // an RRULE without a day means the day that the rule has
	}
	if err := faults.Err(); err != nil {
		return Rule{}, err
	}
	if fresh.Paused && !old.Paused {
		if old, err = catchUp(ctx, tx, env, settings, old); err != nil {
			return Rule{}, err
		}
		fresh.SettledThrough, fresh.Skipped = old.SettledThrough, old.Skipped
	}
	today := settings.Today(env.Now)
	start := old.open(today)
	if start.Before(day) {
		start = day
	}
	if old.Paused && !fresh.Paused && start.Before(today) {
		start = today
	}
	if fresh, err = fresh.without(ctx, tx, old.ID, start, today); err != nil {
		return Rule{}, err
	}
	fresh = fresh.settle(day.AddDays(-1)).at(start).fresh(env.Now)
	fresh.checkBacklog(&faults, "from_date", today)
	if err := faults.Err(); err != nil {
		return Rule{}, err
	}
	old.Until, old.Count, old.UpdatedAt = day.AddDays(-1), 0, expense.Timestamp(env.Now)
	old = old.at(old.open(today))
	if _, err := tx.PutRules(ctx, old); err != nil {
		return Rule{}, fmt.Errorf("rule %s: %w", old.ID, err)
	}
	return put(ctx, tx, fresh)
}

// anchored returns the rule as if it had begun on a day, or if the draft leaves the days of its weeks, months or years alone, on
// its first occurrence from then on: of a limited number of occurrences, those from that day on are left. A 29 February has no
// such anchor in most years: it keeps its start, and the number of occurrences before the day that any count has to include.
func (r Rule) anchored(day expense.Date, draft Draft) (Rule, int) {
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
	var ignored expense.ValidationErrors // found again where the draft is applied
	endless, drafted := r, draft.schedule(&ignored, r)
	endless.OnMissing, endless.Until, endless.Count = drafted.OnMissing, expense.Date{}, 0
	first := endless.NextAfter(day.AddDays(-1))
	monthDay := drafted.MonthDay == r.MonthDay || draft.RRULE != nil && drafted.MonthDay == 0
	switch sameDays := drafted.Freq == r.Freq && drafted.Weekdays == r.Weekdays && monthDay; {
	case !sameDays || first.IsZero():
		r.Start = day
	case r.Freq == Yearly && first.Day() != r.Start.Day():
		drafted.Until, drafted.Count = expense.Date{}, 0
		kept := 0
		for range drafted.Occurrences(expense.Date{}, day.AddDays(-1)) {
			kept++
		}
		return r, kept
	default:
		r.Start = first
	}
	return r, 0
}

// without returns the rule with those days skipped that another rule's expenses stand for, from a day on: a device may have
// written some ahead, and the user deleted them. No expense lies further ahead than [expense.MaxDaysAhead] days.
func (r Rule) without(ctx context.Context, tx Tx, other uuid.UUID, from, today expense.Date) (Rule, error) {
	var days []expense.Date
	for day := range r.Occurrences(from, today) {
		days = append(days, day)
	}
	if from.Before(today) {
		from = today
	}
	for day := from; !day.After(today.AddDays(expense.MaxDaysAhead)); day = day.AddDays(1) {
		days = append(days, day)
	}
	for chunk := range slices.Chunk(days, MaxBatch) {
		ids := make([]uuid.UUID, len(chunk))
		for i, day := range chunk {
			ids[i] = expense.OccurrenceID(other, day)
		}
		known, err := tx.KnownExpenseIDs(ctx, ids...)
		if err != nil {
			return Rule{}, fmt.Errorf("rule %s: %w", other, err)
		}
		for i, id := range ids {
			if slices.Contains(known, id) {
				r.Skipped = r.Skipped.With(chunk[i])
			}
		}
	}
	return r, nil
}

// SkipOccurrence leaves out one occurrence, on a day given as YYYY-MM-DD; that it is left out already is no error. One that was
// posted is deleted as any expense is. The error is ErrInvalid, or ErrStale if cond does not hold.
func SkipOccurrence(ctx context.Context, tx Tx, env expense.Env, id uuid.UUID, day string, cond expense.Precondition) (Rule, error) {
	rule, settings, err := open(ctx, tx, id, cond)
	if err != nil {
		return Rule{}, err
	}
	fault := func(code, detail string, args ...any) (Rule, error) {
		return Rule{}, &expense.InvalidError{Field: "date", Code: code, Detail: fmt.Sprintf(detail, args...)}
	}
	date, err := expense.ParseDate(day)
	if err != nil {
		var faults expense.ValidationErrors
		_ = faults.AddError("date", err)
		return Rule{}, faults.Err()
	}
	if !rule.fallsOn(date) {
		return fault("no_occurrence", "the rule has no occurrence on %s", date)
	}
	// A ledger that moves to a zone in the west begins a day again: a day that was today lately may still come.
	today := settings.Today(env.Now)
	lately := today.AddDays(-2)
	known, err := tx.KnownExpenseIDs(ctx, expense.OccurrenceID(rule.ID, date))
	switch {
	case err != nil:
		return Rule{}, fmt.Errorf("rule %s: %w", id, err)
	case len(known) > 0:
		if _, err := tx.Expense(ctx, known[0]); errors.Is(err, expense.ErrGone) {
			return fault("already_posted", "the occurrence of %s was posted, and its expense deleted: there is nothing to skip", date)
		}
		return fault("already_posted", "the occurrence of %s was posted: delete its expense instead", date)
	case rule.Skipped.Contains(date), !date.After(rule.SettledThrough), date.Before(lately) && (rule.Next.IsZero() || date.Before(rule.Next)):
		return rule, nil
	}
	// What lies before those days and the cursor is never posted, whatever the rule will say.
	if rule.Skipped = rule.Skipped.NotBefore(earlier(rule.Next, lately)); rule.Skipped.Len() >= MaxSkipped {
		return fault("too_many", "a rule has at most %d skipped occurrences ahead; pause it instead", MaxSkipped)
	}
	rule.Skipped, rule.UpdatedAt = rule.Skipped.With(date), expense.Timestamp(env.Now)
	if date == rule.Next {
		// An occurrence ahead is only kept in mind: were the days up to it settled, an edit would lose those between.
		if !date.After(today) {
			rule = rule.settle(date)
		}
		rule = rule.at(date.AddDays(1)).fresh(env.Now)
	}
	return put(ctx, tx, rule)
}

func earlier(a, b expense.Date) expense.Date {
	if a.Before(b) {
		return a
	}
	return b
}

func (r Rule) fallsOn(date expense.Date) bool {
	for range r.Occurrences(date, date) {
		return true
	}
	return false
}

// Delete posts what is due of a rule, deletes it and leaves a tombstone; the expenses that it posted stay. Deleting it again is no
// error while the tombstone is kept, whatever cond says; ErrNotFound if there never was such a one, ErrStale if cond does not
// hold; a [BacklogError] if more is due than one Update posts.
func Delete(ctx context.Context, tx Tx, env expense.Env, id uuid.UUID, cond expense.Precondition) error {
	rule, settings, err := open(ctx, tx, id, cond)
	switch {
	case errors.Is(err, expense.ErrGone):
		return nil
	case err != nil:
		return err
	}
	if _, err := catchUp(ctx, tx, env, settings, rule); err != nil {
		return err
	}
	if _, err := tx.DeleteRule(ctx, id); err != nil {
		return fmt.Errorf("rule %s: %w", id, err)
	}
	return nil
}
