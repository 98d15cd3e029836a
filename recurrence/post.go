package recurrence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

const (
	// MaxBatch is how many occurrences one call of [Post] posts at most.
	MaxBatch = 500
	// MaxBacklog is how many occurrences of a rule may be due when it is made, or changed.
	MaxBacklog = 4000

	firstRetry = time.Minute
	lastRetry  = 12 * time.Hour
)

// A PostResult is what one call of [Post] did.
type PostResult struct {
	Posted        int  // expenses that were added
	AlreadyPosted int  // occurrences whose expense was there already, or had been and was deleted
	Failed        int  // rules that could not be posted, and say why
	More          bool // something is still due: it wants another call, in an Update of its own
}

// Post turns the ledger's due occurrences into expenses, at most [MaxBatch] of them, in the order of their dates, and moves the
// rules' cursors past them. Each expense has its occurrence's own date, its rate by that date, and the id of
// [expense.OccurrenceID]; where that id is known, the occurrence counts as posted. So whoever calls Post, however often and from
// wherever, each occurrence is posted once.
//
// An occurrence that cannot be posted holds up those of its own rule after it and nothing else: the rule keeps the reason, and
// is tried again after a delay that grows.
func Post(ctx context.Context, tx Tx, env expense.Env) (PostResult, error) {
	rules, err := tx.Rules(ctx)
	if err != nil {
		return PostResult{}, fmt.Errorf("rules: %w", err)
	}
	var ready []Rule
	for _, rule := range rules {
		if !rule.RetryAt.After(env.Now) {
			ready = append(ready, rule)
		}
	}
	posting, _, err := post(ctx, tx, env, ready)
	return posting, err
}

// PostAndRetry is [Post] that waits for no rule's delay: one that failed before env.Now is tried again. One that fails at env.Now is not
// tried again at the same env.Now, so that whoever calls PostAndRetry until there is no more comes to an end.
func PostAndRetry(ctx context.Context, tx Tx, env expense.Env) (PostResult, error) {
	rules, err := tx.Rules(ctx)
	if err != nil {
		return PostResult{}, fmt.Errorf("rules: %w", err)
	}
	var ready []Rule
	for _, rule := range rules {
		if rule.failedAt().Before(expense.Timestamp(env.Now)) {
			ready = append(ready, rule)
		}
	}
	posting, _, err := post(ctx, tx, env, ready)
	return posting, err
}

// failedAt returns when the last attempt failed, as far as the time of the next one tells; the zero time if none did.
func (r Rule) failedAt() time.Time {
	if r.RetryAt.IsZero() {
		return time.Time{}
	}
	return r.RetryAt.Add(-retryAfter(r.Failures - 1))
}

// MayBeDue reports whether [Post] may find something to do at now in some zone of the world: a look that needs no lock and no
// settings, to leave ledgers alone that another poster has seen to.
func MayBeDue(rules []Rule, now time.Time) bool {
	const eastmost = 26 * time.Hour // no zone was ever so far ahead; a look that errs costs an Update that does nothing
	latest := expense.DateOf(now.Add(eastmost), time.UTC)
	return slices.ContainsFunc(rules, func(r Rule) bool {
		return !r.Paused && !r.Next.IsZero() && !r.Next.After(latest) && !r.RetryAt.After(now)
	})
}

// categoriesOnce is a Tx that reads the categories together, when the first is asked for: a batch names several.
type categoriesOnce struct {
	Tx
	byID map[uuid.UUID]expense.Category
}

func (c *categoriesOnce) Category(ctx context.Context, id uuid.UUID) (expense.Category, error) {
	if c.byID == nil {
		all, err := c.Categories(ctx)
		if err != nil {
			return expense.Category{}, err
		}
		c.byID = make(map[uuid.UUID]expense.Category, len(all))
		for _, category := range all {
			c.byID[category.ID] = category
		}
	}
	if category, ok := c.byID[id]; ok {
		return category, nil
	}
	return c.Tx.Category(ctx, id)
}

// A run is what becomes of one rule in one batch.
type run struct {
	rule    Rule
	dates   []expense.Date // its due occurrences, as many as the batch takes
	next    expense.Date   // the occurrence after them; zero: there is none
	failure error          // why dates end early: next is the occurrence that failed
}

// post posts up to [MaxBatch] due occurrences of rules, and returns the rules it wrote. One that fails is no more to be done here.
func post(ctx context.Context, tx Tx, env expense.Env, rules []Rule) (PostResult, []Rule, error) {
	settings, err := tx.Settings(ctx)
	if err != nil {
		return PostResult{}, nil, fmt.Errorf("settings: %w", err)
	}
	tx = &categoriesOnce{Tx: tx}
	var posting PostResult
	runs := due(rules, settings.Zone, env.Now)
	if len(runs) == 0 {
		return posting, nil, nil
	}
	if err := posting.add(ctx, tx, env, runs); err != nil {
		return PostResult{}, nil, err
	}
	written := make([]Rule, len(runs))
	for i, r := range runs {
		written[i] = r.moved(env.Now)
		if r.failure != nil {
			posting.Failed++
		} else {
			posting.More = posting.More || written[i].isDue(settings.Zone, env.Now)
		}
	}
	version, err := tx.PutRules(ctx, written...)
	if err != nil {
		return PostResult{}, nil, fmt.Errorf("move the cursors of %d rules: %w", len(written), err)
	}
	for i := range written {
		written[i].Version = version
	}
	posting.More = posting.More || dueCount(rules, settings.Zone, env.Now) > len(runs)
	return posting, written, nil
}

// due returns the rules that are due, those whose cursor is the earliest first, each with its occurrences that have begun.
func due(rules []Rule, zone expense.Zone, now time.Time) []*run {
	room := MaxBatch
	var runs []*run
	for _, rule := range rules {
		if rule.isDue(zone, now) {
			runs = append(runs, &run{rule: rule})
		}
	}
	slices.SortFunc(runs, func(a, b *run) int {
		if order := a.rule.Next.Compare(b.rule.Next); order != 0 {
			return order
		}
		return bytes.Compare(a.rule.ID[:], b.rule.ID[:])
	})
	for i, r := range runs {
		if room == 0 {
			return runs[:i]
		}
		for date := range r.rule.RemainingOccurrences(expense.Date{}) {
			if room == 0 || date.StartIn(zone.Location()).After(now) {
				r.next = date
				break
			}
			r.dates = append(r.dates, date)
			room--
		}
	}
	return runs
}

func dueCount(rules []Rule, zone expense.Zone, now time.Time) int {
	count := 0
	for _, rule := range rules {
		if rule.isDue(zone, now) {
			count++
		}
	}
	return count
}

// add adds the expenses of the runs' dates, and cuts a run short at the first that cannot be added.
func (p *PostResult) add(ctx context.Context, tx Tx, env expense.Env, runs []*run) error {
	// AddAll leaves a faulty draft out and adds those after it. Where that would post a rule's dates out of order, the
	// verdicts are looked at first.
	if slices.ContainsFunc(runs, func(r *run) bool { return len(r.dates) > 1 }) {
		verdicts, err := expense.Check(ctx, tx, env, drafts(runs)...)
		if err != nil {
			return fmt.Errorf("check what is due: %w", err)
		}
		cut(runs, verdicts)
	}
	verdicts, err := expense.AddAll(ctx, tx, env, drafts(runs)...)
	switch {
	case errors.Is(err, expense.ErrInvalid):
		// The batch breaks a limit of the whole ledger: whatever still has room goes in.
		return p.addEach(ctx, tx, env, runs)
	case err != nil:
		return fmt.Errorf("post what is due: %w", err)
	}
	cut(runs, verdicts)
	p.count(verdicts)
	return nil
}

// addEach adds one expense at a time.
func (p *PostResult) addEach(ctx context.Context, tx Tx, env expense.Env, runs []*run) error {
	for _, r := range runs {
		for i, date := range r.dates {
			verdicts, err := expense.AddAll(ctx, tx, env, r.draft(date))
			if err == nil {
				err = verdicts[0].Err
			}
			if err != nil && !errors.Is(err, expense.ErrInvalid) {
				return fmt.Errorf("post what is due: %w", err)
			}
			if err != nil {
				r.fail(i, err)
				break
			}
			p.count(verdicts)
		}
	}
	return nil
}

func (p *PostResult) count(verdicts []expense.AddResult) {
	for _, v := range verdicts {
		switch {
		case v.Err != nil:
		case v.Known:
			p.AlreadyPosted++
		default:
			p.Posted++
		}
	}
}

// drafts returns the expenses of all dates, run by run.
func drafts(runs []*run) []expense.Draft {
	var all []expense.Draft
	for _, r := range runs {
		for _, date := range r.dates {
			all = append(all, r.draft(date))
		}
	}
	return all
}

func (r *run) draft(date expense.Date) expense.Draft {
	return expense.Draft{
		ID: expense.OccurrenceID(r.rule.ID, date).String(), Amount: r.rule.Amount.Amount(), Currency: r.rule.Amount.Currency().Code(),
		Date: date.String(), CategoryID: r.rule.CategoryID.String(), Notes: &r.rule.Notes,
		RuleID: r.rule.ID.String(), Occurrence: date.String(),
	}
}

// cut ends each run at its first date whose verdict, one for each of the runs' dates, is an error.
func cut(runs []*run, verdicts []expense.AddResult) {
	for _, r := range runs {
		own := verdicts[:len(r.dates)]
		verdicts = verdicts[len(r.dates):]
		if i := slices.IndexFunc(own, func(v expense.AddResult) bool { return v.Err != nil }); i >= 0 {
			r.fail(i, own[i].Err)
		}
	}
}

// fail says that the i-th date cannot be posted.
func (r *run) fail(i int, err error) {
	r.dates, r.next, r.failure = r.dates[:i], r.dates[i], err
}

// moved returns the rule after the run: its cursor past what was posted, and how the attempt went.
func (r *run) moved(now time.Time) Rule {
	rule := r.rule
	rule.LastError, rule.RetryAt = "", time.Time{}
	if r.failure == nil {
		rule.Failures = 0
	} else {
		if len(r.dates) > 0 {
			rule.Failures = 0 // another occurrence than the one that failed before
		}
		rule.LastError, rule.RetryAt = cutText(reason(r.failure)), expense.Timestamp(now.Add(retryAfter(rule.Failures)))
		rule.Failures++
	}
	if len(r.dates) > 0 {
		rule = rule.settle(r.dates[len(r.dates)-1])
	}
	rule.Next, rule.Skipped = r.next, rule.Skipped.NotBefore(rule.SettledThrough.AddDays(1))
	return rule
}

// retryAfter is how long a rule waits that failed so often before.
func retryAfter(failures int) time.Duration {
	return min(firstRetry<<min(max(failures, 0), 16), lastRetry)
}

// reason is what a person is told of a failure: the faults themselves, not the steps that found them.
func reason(err error) string {
	var details []string
	for _, fault := range expense.InvalidErrors(err) {
		details = append(details, fault.Detail)
	}
	if len(details) == 0 {
		return err.Error()
	}
	return strings.Join(details, "; ")
}

func cutText(text string) string {
	if len(text) > MaxLastErrorBytes {
		text = strings.ToValidUTF8(text[:MaxLastErrorBytes-len("…")], "") + "…"
	}
	return text
}
