package recurrence

import (
	"bytes"
	"cmp"
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
	// MaxBatch is the maximum number of occurrences that one call of [Post] posts.
	MaxBatch = 500
	// MaxBacklog is the maximum number of due occurrences that a new or changed rule may have.
	MaxBacklog = 4000

	minRetryDelay = time.Minute
	maxRetryDelay = 12 * time.Hour
)

// A PostResult is what one call of [Post] has done.
type PostResult struct {
	Posted        int  // expenses added
	AlreadyPosted int  // occurrences whose expense existed already or was deleted
	Failed        int  // rules with an occurrence that could not be posted; see Rule.LastError
	More          bool // occurrences are still due; call again, in an Update of its own
}

// Post adds an expense for each due occurrence of the ledger, at most [MaxBatch], and moves the next occurrences of the
// rules past them. The rules whose next occurrence is earliest come first.
//
// Each expense has the date of its occurrence, the rate of that date, and the id [expense.OccurrenceID]. If the ledger
// knows that id already, the occurrence counts as posted. So an occurrence is posted once, however often and by
// whichever instance Post is called.
//
// If an occurrence cannot be posted, the later ones of the same rule wait for it; other rules are not affected. The
// rule stores the reason in LastError. Post retries it after a delay, which doubles with each failure, from one minute
// to twelve hours.
func Post(ctx context.Context, tx Tx, env expense.Env) (PostResult, error) {
	return postReady(ctx, tx, env, func(r Rule) bool { return !r.RetryAt.After(env.Now) })
}

// PostAndRetry does what [Post] does, and retries failed rules without waiting for their delay. It does not retry a
// rule that failed at env.Now. Therefore a loop that calls PostAndRetry with the same env as long as More is true
// terminates.
func PostAndRetry(ctx context.Context, tx Tx, env expense.Env) (PostResult, error) {
	return postReady(ctx, tx, env, func(r Rule) bool { return r.failedAt().Before(expense.Timestamp(env.Now)) })
}

// postReady posts due occurrences of the rules for which ready returns true.
func postReady(ctx context.Context, tx Tx, env expense.Env, ready func(Rule) bool) (PostResult, error) {
	rules, err := tx.Rules(ctx)
	if err != nil {
		return PostResult{}, fmt.Errorf("rules: %w", err)
	}
	rules = slices.DeleteFunc(slices.Clone(rules), func(r Rule) bool { return !ready(r) })
	result, _, err := post(ctx, tx, env, rules)
	return result, err
}

// failedAt returns the time of the last failure, computed from RetryAt, or the zero time without one.
func (r Rule) failedAt() time.Time {
	if r.RetryAt.IsZero() {
		return time.Time{}
	}
	return r.RetryAt.Add(-retryDelay(r.Failures - 1))
}

// MayBeDue reports whether [Post] may have something to post at now, in any time zone. It needs neither the ledger's
// lock nor its settings, so a background job can use it to skip ledgers whose occurrences another instance has already
// posted. It may return true if nothing is due. It never returns false if something is due.
func MayBeDue(rules []Rule, now time.Time) bool {
	const maxOffset = 26 * time.Hour // more than the offset of any time zone from UTC
	latest := expense.DateOf(now.Add(maxOffset), time.UTC)
	return slices.ContainsFunc(rules, func(r Rule) bool {
		return !r.Paused && !r.Next.IsZero() && !r.Next.After(latest) && !r.RetryAt.After(now)
	})
}

// categoryCache is a Tx that reads all categories at once when the first is requested, because a batch uses several.
type categoryCache struct {
	Tx
	byID map[uuid.UUID]expense.Category
}

func (c *categoryCache) Category(ctx context.Context, id uuid.UUID) (expense.Category, error) {
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

// A ruleBatch holds the due occurrences of one rule that one call of post posts.
type ruleBatch struct {
	rule    Rule
	dates   []expense.Date // the occurrences to post
	next    expense.Date   // the occurrence after dates, which becomes Rule.Next; zero: none
	failure error          // if not nil, why next could not be posted
}

// post posts up to MaxBatch due occurrences of rules, and returns the rules that it wrote.
//
// It first plans a batch for each due rule. Then it adds the expenses of all batches in one call. If an expense is
// invalid, the batch of its rule ends before that date. Finally it writes the rules: it moves Next past the
// posted dates, and sets LastError and RetryAt of a failed rule. Expenses and rules are written in one transaction.
func post(ctx context.Context, tx Tx, env expense.Env, rules []Rule) (PostResult, []Rule, error) {
	settings, err := tx.Settings(ctx)
	if err != nil {
		return PostResult{}, nil, fmt.Errorf("settings: %w", err)
	}
	tx = &categoryCache{Tx: tx}
	var result PostResult
	batches, more := planBatches(rules, settings.Zone, env.Now)
	result.More = more
	if len(batches) == 0 {
		return result, nil, nil
	}
	if err := result.add(ctx, tx, env, batches); err != nil {
		return PostResult{}, nil, err
	}
	written := make([]Rule, len(batches))
	for i, b := range batches {
		written[i] = b.updatedRule(env.Now)
		if b.failure != nil {
			result.Failed++
		} else {
			result.More = result.More || written[i].isDue(settings.Zone, env.Now)
		}
	}
	version, err := tx.PutRules(ctx, written...)
	if err != nil {
		return PostResult{}, nil, fmt.Errorf("write %d rules: %w", len(written), err)
	}
	for i := range written {
		written[i].Version = version
	}
	return result, written, nil
}

// planBatches returns a batch for each due rule, ordered by Next, with its due occurrences. It stops when the batches
// have MaxBatch dates. more reports whether it left out a due rule.
func planBatches(rules []Rule, zone expense.Zone, now time.Time) (batches []*ruleBatch, more bool) {
	left := MaxBatch
	for _, rule := range rules {
		if rule.isDue(zone, now) {
			batches = append(batches, &ruleBatch{rule: rule})
		}
	}
	slices.SortFunc(batches, func(a, b *ruleBatch) int {
		return cmp.Or(a.rule.Next.Compare(b.rule.Next), bytes.Compare(a.rule.ID[:], b.rule.ID[:]))
	})
	for i, b := range batches {
		if left == 0 {
			return batches[:i], true
		}
		for date := range b.rule.RemainingOccurrences(expense.Date{}) {
			if left == 0 || date.StartIn(zone.Location()).After(now) {
				b.next = date
				break
			}
			b.dates = append(b.dates, date)
			left--
		}
	}
	return batches, false
}

// add adds the expenses of the batches, and ends each batch before its first date that cannot be added.
func (p *PostResult) add(ctx context.Context, tx Tx, env expense.Env, batches []*ruleBatch) error {
	results, err := expense.Check(ctx, tx, env, drafts(batches)...)
	if err != nil {
		return fmt.Errorf("check due occurrences: %w", err)
	}
	results = endAtFirstError(batches, results)
	err = expense.AddChecked(ctx, tx, results...)
	switch {
	case errors.Is(err, expense.ErrInvalid):
		// The batch as a whole exceeds a limit of the ledger. Add single expenses until the limit is reached.
		return p.addEach(ctx, tx, batches, results)
	case err != nil:
		return fmt.Errorf("post due occurrences: %w", err)
	}
	p.count(results)
	return nil
}

// addEach adds the expenses of the batches one by one. The results of Check are in the order of drafts.
func (p *PostResult) addEach(
	ctx context.Context, tx Tx, batches []*ruleBatch, results []expense.BatchResult,
) error {
	for _, b := range batches {
		own := results[:len(b.dates)]
		results = results[len(b.dates):]
		for i := range own {
			err := expense.AddChecked(ctx, tx, own[i])
			if errors.Is(err, expense.ErrInvalid) {
				b.fail(i, err)
				break
			}
			if err != nil {
				return fmt.Errorf("post due occurrences: %w", err)
			}
			p.count(own[i : i+1])
		}
	}
	return nil
}

func (p *PostResult) count(results []expense.BatchResult) {
	for _, r := range results {
		if r.Known {
			p.AlreadyPosted++
		} else {
			p.Posted++
		}
	}
}

// drafts returns the drafts of all dates, batch by batch.
func drafts(batches []*ruleBatch) []expense.TypedDraft {
	var all []expense.TypedDraft
	for _, b := range batches {
		for _, date := range b.dates {
			all = append(all, b.draft(date))
		}
	}
	return all
}

func (b *ruleBatch) draft(date expense.Date) expense.TypedDraft {
	return expense.TypedDraft{
		ID: expense.OccurrenceID(b.rule.ID, date), Amount: b.rule.Amount, Date: date, CategoryID: b.rule.CategoryID,
		Notes: b.rule.Notes, RuleID: b.rule.ID, Occurrence: date,
	}
}

// endAtFirstError ends each batch before its first date whose result is an error, and returns the results of the
// remaining dates. The results are in the order of drafts.
func endAtFirstError(batches []*ruleBatch, results []expense.BatchResult) (remaining []expense.BatchResult) {
	for _, b := range batches {
		own := results[:len(b.dates)]
		results = results[len(b.dates):]
		if i := slices.IndexFunc(own, func(r expense.BatchResult) bool { return r.Err != nil }); i >= 0 {
			b.fail(i, own[i].Err)
			own = own[:i]
		}
		remaining = append(remaining, own...)
	}
	return remaining
}

// fail ends the batch before its i-th date, which could not be posted because of err.
func (b *ruleBatch) fail(i int, err error) {
	b.dates, b.next, b.failure = b.dates[:i], b.dates[i], err
}

// updatedRule returns the rule as it is after the batch, with the new Next, SettledThrough and failure.
func (b *ruleBatch) updatedRule(now time.Time) Rule {
	rule := b.rule
	rule.LastError, rule.RetryAt = "", time.Time{}
	if b.failure == nil {
		rule.Failures = 0
	} else {
		if len(b.dates) > 0 {
			rule.Failures = 0 // the occurrence that failed last time was posted
		}
		rule.LastError = truncateText(failureText(b.failure))
		rule.RetryAt = expense.Timestamp(now.Add(retryDelay(rule.Failures)))
		rule.Failures++
	}
	if len(b.dates) > 0 {
		rule = rule.settle(b.dates[len(b.dates)-1])
	}
	rule.Next, rule.Skipped = b.next, rule.Skipped.NotBefore(rule.SettledThrough.AddDays(1))
	return rule
}

// retryDelay returns the delay after a failure. failures is the number of consecutive failures before it.
func retryDelay(failures int) time.Duration {
	return min(minRetryDelay<<min(max(failures, 0), 16), maxRetryDelay)
}

// failureText returns the text of a failure for the user: the details of the field errors without the context of err.
func failureText(err error) string {
	var details []string
	for _, invalid := range expense.InvalidErrors(err) {
		details = append(details, invalid.Detail)
	}
	if len(details) == 0 {
		return err.Error()
	}
	return strings.Join(details, "; ")
}

// truncateText truncates text to MaxLastErrorBytes.
func truncateText(text string) string {
	if len(text) > MaxLastErrorBytes {
		text = strings.ToValidUTF8(text[:MaxLastErrorBytes-len("…")], "") + "…"
	}
	return text
}
