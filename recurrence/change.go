package recurrence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// Change changes the fields that the draft gives, for the occurrences that are not posted yet. It proceeds in three
// steps:
//
//  1. It posts the occurrences that are due already, by the old rule. Posted expenses never change.
//  2. It applies the draft.
//  3. It sets Next to the first occurrence of the new rule from today on. If step 1 could not post an
//     occurrence, the search starts on the day of that occurrence instead.
//
// Pausing a rule stops its posting. Resuming it sets Next to the first occurrence from today on: the
// occurrences that passed while it was paused are not posted. A draft without effect writes nothing, unless the last
// posting failed: then Change clears the failure and the posting is tried again.
//
// Change returns ErrInvalid with all field errors if the result is invalid, ErrNotFound or ErrGone if the rule does not
// exist, and ErrStale if cond does not hold. It returns a [BacklogError] if the caller must first post due occurrences
// in other Updates: if more than MaxBatch are due, or if the changed rule could have more than MaxBacklog due
// occurrences. If Change returns an error, it has written nothing.
func Change(
	ctx context.Context, tx Tx, env expense.Env, id uuid.UUID, draft Draft, cond expense.Precondition,
) (Rule, error) {
	old, settings, err := readForChange(ctx, tx, id, cond)
	if err != nil {
		return Rule{}, err
	}
	var errs expense.ValidationErrors
	changed, err := draft.apply(ctx, tx, env, &errs, old)
	if err == nil {
		err = errs.Err()
	}
	if err != nil {
		return Rule{}, err
	}
	if changed.sameContent(old) && old.LastError == "" {
		return old, nil
	}
	today := settings.Today(env.Now)
	if old.canPostDue(settings.Zone, env.Now) && changed.continuing(old, today).exceedsBacklog(today) {
		// If postDue cannot post an occurrence of the old rule, checkBacklog below may reject the changed rule. But postDue
		// has written by then, so return here.
		return Rule{}, &BacklogError{RuleID: old.ID, Version: old.Version}
	}
	if old, err = postDue(ctx, tx, env, settings, old); err != nil {
		return Rule{}, err
	}
	changed = changed.continuing(old, today).changedAt(env.Now)
	changed.checkBacklog(&errs, "start_date", today)
	if err := errs.Err(); err != nil {
		return Rule{}, err
	}
	return put(ctx, tx, changed)
}

// continuing returns the changed rule r with the posting progress of old. The Next of r is its first occurrence
// that old has neither posted nor skipped.
func (r Rule) continuing(old Rule, today expense.Date) Rule {
	from := old.firstChangeableDay(today)
	if old.Paused && !r.Paused && from.Before(today) {
		from = today
	}
	r.Version, r.Skipped, r.SettledThrough = old.Version, old.Skipped, old.SettledThrough
	return r.withNext(from)
}

// readForChange returns the rule, if cond holds, and the ledger's settings.
func readForChange(
	ctx context.Context, tx Tx, id uuid.UUID, cond expense.Precondition,
) (Rule, expense.Settings, error) {
	rule, err := tx.Rule(ctx, id)
	if err == nil {
		err = cond.CheckPresent(rule.Version)
	}
	if err != nil {
		return Rule{}, expense.Settings{}, rowError(id, rule.Version, err)
	}
	settings, err := tx.Settings(ctx)
	if err != nil {
		return Rule{}, expense.Settings{}, fmt.Errorf("settings: %w", err)
	}
	return rule, settings, nil
}

// A BacklogError reports that the due occurrences of a rule must be posted before the rule can change. Call [CatchUp],
// each time in an Update of its own, until it reports that nothing is left. Then retry the change.
type BacklogError struct {
	RuleID  uuid.UUID
	Version expense.Version // the version of the rule when the change was refused
}

func (e *BacklogError) Error() string {
	return fmt.Sprintf("rule %s has due occurrences; post them with CatchUp before you change the rule", e.RuleID)
}

// CatchUp posts up to [MaxBatch] due occurrences of one rule, even if the delay after a failure has not passed. It
// returns the rule as it is afterwards, and whether more occurrences are due.
func CatchUp(ctx context.Context, tx Tx, env expense.Env, id uuid.UUID) (Rule, bool, error) {
	rule, err := tx.Rule(ctx, id)
	if err != nil {
		return Rule{}, false, rowError(id, 0, err)
	}
	result, written, err := post(ctx, tx, env, []Rule{rule})
	if err != nil || len(written) == 0 {
		return rule, false, err
	}
	return written[0], result.More, nil
}

// postDue posts the due occurrences of one rule, up to the first that cannot be posted, and returns the rule as it is
// then. It does not retry a posting that failed at env.Now. It returns a BacklogError if more than MaxBatch are due.
func postDue(ctx context.Context, tx Tx, env expense.Env, settings expense.Settings, rule Rule) (Rule, error) {
	switch {
	case !rule.canPostDue(settings.Zone, env.Now):
		return rule, nil
	case rule.backlog(settings.Today(env.Now), MaxBatch) > MaxBatch:
		return Rule{}, &BacklogError{RuleID: rule.ID, Version: rule.Version}
	}
	_, written, err := post(ctx, tx, env, []Rule{rule})
	if err != nil || len(written) == 0 {
		return rule, err
	}
	return written[0], nil
}

// canPostDue reports whether postDue would try to post an occurrence.
func (r Rule) canPostDue(zone expense.Zone, now time.Time) bool {
	return r.isDue(zone, now) && r.failedAt().Before(expense.Timestamp(now))
}

// backlog returns the number of due occurrences. It stops counting just above limit.
func (r Rule) backlog(today expense.Date, limit int) int {
	due := 0
	for date := range r.RemainingOccurrences(expense.Date{}) {
		if date.After(today) || due > limit {
			break
		}
		due++
	}
	return due
}

// firstChangeableDay returns the first day on which a rule that is changed today may have unposted occurrences. This is
// the day of Next if that is due, else today, or the day after SettledThrough if today is settled. A Next after
// today does not matter, because the changed rule may have an occurrence before it.
func (r Rule) firstChangeableDay(today expense.Date) expense.Date {
	switch {
	case !r.Next.IsZero() && !r.Next.After(today):
		return r.Next
	case r.SettledThrough.Before(today):
		return today
	default:
		return r.SettledThrough.AddDays(1)
	}
}

// changedAt returns the rule with UpdatedAt set to now and the failure cleared.
func (r Rule) changedAt(now time.Time) Rule {
	r = r.WithoutFailure()
	r.UpdatedAt = expense.Timestamp(now)
	return r
}

// Split changes a rule from a day on. The old rule ends the day before, and Split returns a new rule that continues
// from that day with the changes of the draft. from is a date as YYYY-MM-DD.
//
// If the draft does not change the schedule, the new rule keeps the old start, so it has the same occurrences. If the
// draft changes the weekdays, the day of the month or the frequency, the new rule starts on from. If the draft changes
// the schedule in another way, the new rule starts on its first occurrence that is not before from.
//
// Posted expenses stay with the old rule. The new rule skips every day for which the old rule has an expense, including
// those that a device added in advance.
//
// Split returns ErrInvalid with all field errors if a rule would be invalid, ErrNotFound or ErrGone if the rule does
// not exist, and ErrStale if cond does not hold. It returns a [BacklogError] if the draft pauses the rule and more than
// MaxBatch occurrences are due.
func Split(
	ctx context.Context, tx Tx, env expense.Env, id uuid.UUID, from string, draft Draft, cond expense.Precondition,
) (Rule, error) {
	old, settings, err := readForChange(ctx, tx, id, cond)
	if err != nil {
		return Rule{}, err
	}
	var errs expense.ValidationErrors
	day := parseDay(&errs, "from_date", &from, expense.Date{})
	if err := checkRuleCount(ctx, tx, &errs); err != nil {
		return Rule{}, err
	}
	first := old.NextAfter(expense.Date{})
	switch {
	case errs.Has("from_date"):
	case day.IsZero():
		errs.Add("from_date", "required",
			"the date from_date is missing; give the first day of the changed rule, as YYYY-MM-DD")
	case !day.After(first):
		errs.Add("from_date", "out_of_range",
			"date %s is not after the rule's first day %s; give a later day, or leave from_date out to change the whole rule",
			day, first)
	case old.NextAfter(day.AddDays(-1)).IsZero():
		errs.Add("from_date", "no_occurrence",
			"the rule has no occurrence from %s on; change its end, or add a new rule", day)
	}
	successor := old
	if successor.ID, err = uuid.NewV7(); err != nil {
		return Rule{}, fmt.Errorf("new id: %w", err)
	}
	successor.Version, successor.Guard, successor.CreatedAt = 0, 0, expense.Timestamp(env.Now)
	var before int // occurrences before day that the count includes if the new rule keeps the old start
	if draft.reschedules() && draft.Start == nil && errs.Err() == nil {
		successor, before = successor.restarted(day, draft)
	}
	monthDay := successor.MonthDay
	if successor, err = draft.apply(ctx, tx, env, &errs, successor); err != nil {
		return Rule{}, err
	}
	if successor.Count != 0 {
		successor.Count += before
	}
	if draft.RRULE != nil && successor.Freq == Monthly && successor.MonthDay == 0 {
		successor.MonthDay = monthDay // an RRULE without BYMONTHDAY keeps the day of the rule
	}
	if err := errs.Err(); err != nil {
		return Rule{}, err
	}
	if successor.Paused && !old.Paused {
		if old, err = postDue(ctx, tx, env, settings, old); err != nil {
			return Rule{}, err
		}
		successor.SettledThrough, successor.Skipped = old.SettledThrough, old.Skipped
	}
	today := settings.Today(env.Now)
	start := old.firstChangeableDay(today)
	if start.Before(day) {
		start = day
	}
	if old.Paused && !successor.Paused && start.Before(today) {
		start = today
	}
	if successor, err = successor.skipDaysOf(ctx, tx, old.ID, start, today); err != nil {
		return Rule{}, err
	}
	successor = successor.settle(day.AddDays(-1)).withNext(start).changedAt(env.Now)
	successor.checkBacklog(&errs, "from_date", today)
	if err := errs.Err(); err != nil {
		return Rule{}, err
	}
	old.Until, old.Count, old.UpdatedAt = day.AddDays(-1), 0, expense.Timestamp(env.Now)
	old = old.withNext(old.firstChangeableDay(today))
	if _, err := tx.PutRules(ctx, old); err != nil {
		return Rule{}, rowError(old.ID, 0, err)
	}
	return put(ctx, tx, successor)
}

// restarted returns the rule with the Start from which it counts after Split: its first occurrence from day on, or day
// itself if the draft changes the frequency, the weekdays or the day of the month. Count becomes the number of
// occurrences that are left from day on.
//
// A yearly rule on 29 February cannot start in a year without that day. It keeps its start. Then restarted also
// returns the number of occurrences before day, which Split adds to the count.
func (r Rule) restarted(day expense.Date, draft Draft) (Rule, int) {
	if r.Count != 0 {
		left := 0
		for range r.Occurrences(day, expense.Date{}) {
			left++
		}
		r.Count = left
	}
	if r.Freq == Monthly && r.MonthDay == 0 {
		r.MonthDay = r.Start.Day() // the new start may lie on another day
	}
	var ignored expense.ValidationErrors // Split applies the draft again and reports them
	endless, drafted := r, draft.applySchedule(&ignored, r)
	endless.OnMissing, endless.Until, endless.Count = drafted.OnMissing, expense.Date{}, 0
	first := endless.NextAfter(day.AddDays(-1))
	monthDay := drafted.MonthDay == r.MonthDay || draft.RRULE != nil && drafted.MonthDay == 0
	switch sameDays := drafted.Freq == r.Freq && drafted.Weekdays == r.Weekdays && monthDay; {
	case !sameDays || first.IsZero():
		r.Start = day
	case r.Freq == Yearly && first.Day() != r.Start.Day():
		drafted.Until, drafted.Count = expense.Date{}, 0
		before := 0
		for range drafted.Occurrences(expense.Date{}, day.AddDays(-1)) {
			before++
		}
		return r, before
	default:
		r.Start = first
	}
	return r, 0
}

// skipDaysOf returns r with additional skipped days. These are the days, from the day from on, for which another rule
// with the id other has or had an expense. A device may have added the expense in advance, and the user may have
// deleted it. An expense lies at most [expense.MaxDaysAhead] days ahead.
func (r Rule) skipDaysOf(ctx context.Context, tx Tx, other uuid.UUID, from, today expense.Date) (Rule, error) {
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
	ids := make([]uuid.UUID, len(days))
	for i, day := range days {
		ids[i] = expense.OccurrenceID(other, day)
	}
	known, err := knownIDs(ctx, tx, ids)
	if err != nil {
		return Rule{}, rowError(other, 0, err)
	}
	for i, id := range ids {
		if known[id] {
			r.Skipped = r.Skipped.With(days[i])
		}
	}
	return r, nil
}

// SkipOccurrence marks the occurrence of a day, YYYY-MM-DD, as not to be posted, and returns the rule. If the
// occurrence is already skipped, SkipOccurrence changes nothing and returns no error. To remove an occurrence that was
// posted, delete its expense.
//
// It returns ErrInvalid if the rule has no occurrence on that day, if the occurrence was posted, or if the rule already
// has [MaxSkipped] skipped occurrences. It returns ErrNotFound or ErrGone if the rule does not exist, and ErrStale if
// cond does not hold.
func SkipOccurrence(
	ctx context.Context, tx Tx, env expense.Env, id uuid.UUID, day string, cond expense.Precondition,
) (Rule, error) {
	rule, settings, err := readForChange(ctx, tx, id, cond)
	if err != nil {
		return Rule{}, err
	}
	invalidDate := func(code, detail string, args ...any) (Rule, error) {
		return Rule{}, &expense.InvalidError{Field: "date", Code: code, Detail: fmt.Sprintf(detail, args...)}
	}
	date, err := expense.ParseDate(day)
	if err != nil {
		var errs expense.ValidationErrors
		_ = errs.AddError("date", err)
		return Rule{}, errs.Err()
	}
	if !rule.fallsOn(date) {
		return invalidDate("no_occurrence", "the rule has no occurrence on %s; give the date of an occurrence", date)
	}
	// If the ledger changes to a time zone further west, its local date may go back by up to two days. Therefore only the
	// days before lastOpen are over in every time zone.
	today := settings.Today(env.Now)
	lastOpen := today.AddDays(-2)
	known, err := tx.KnownExpenseIDs(ctx, expense.OccurrenceID(rule.ID, date))
	switch {
	case err != nil:
		return Rule{}, rowError(id, 0, err)
	case len(known) > 0:
		if _, err := tx.Expense(ctx, known[0]); errors.Is(err, expense.ErrGone) {
			return invalidDate("already_posted",
				"the occurrence on %s was posted and its expense deleted; no skip is needed", date)
		}
		return invalidDate("already_posted", "the occurrence on %s was posted; delete its expense instead", date)
	case rule.Skipped.Contains(date), !date.After(rule.SettledThrough),
		date.Before(lastOpen) && (rule.Next.IsZero() || date.Before(rule.Next)):
		return rule, nil
	}
	// Days before both lastOpen and Next are never posted, so they need not stay in Skipped.
	cut := lastOpen
	if rule.Next.Before(cut) {
		cut = rule.Next
	}
	if rule.Skipped = rule.Skipped.NotBefore(cut); rule.Skipped.Len() >= MaxSkipped {
		return invalidDate("too_many", "the rule has %d skipped occurrences, the maximum; pause it instead", MaxSkipped)
	}
	rule.Skipped, rule.UpdatedAt = rule.Skipped.With(date), expense.Timestamp(env.Now)
	if date == rule.Next {
		// Do not settle a future day; it stays in Skipped. A later change may add occurrences on the days before it.
		if !date.After(today) {
			rule = rule.settle(date)
		}
		rule = rule.withNext(date.AddDays(1)).changedAt(env.Now)
	}
	return put(ctx, tx, rule)
}

func (r Rule) fallsOn(date expense.Date) bool {
	for range r.Occurrences(date, date) {
		return true
	}
	return false
}

// Delete posts the due occurrences of a rule, deletes the rule and leaves a tombstone. The expenses that it posted
// stay. While the tombstone exists, deleting the rule again returns nil and ignores cond.
//
// Delete returns ErrNotFound if the id is unknown and ErrStale if cond does not hold. It returns a [BacklogError] if
// more than MaxBatch occurrences are due.
func Delete(ctx context.Context, tx Tx, env expense.Env, id uuid.UUID, cond expense.Precondition) error {
	rule, settings, err := readForChange(ctx, tx, id, cond)
	switch {
	case errors.Is(err, expense.ErrGone):
		return nil
	case err != nil:
		return err
	}
	if _, err := postDue(ctx, tx, env, settings, rule); err != nil {
		return err
	}
	if _, err := tx.DeleteRule(ctx, id); err != nil {
		return rowError(id, 0, err)
	}
	return nil
}
