package jobs

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
)

const (
	postWorkers = 4 // ledgers in which one PostDue works at the same time
	// shuffleSize is the number of due ledgers that PostDue shuffles at a time. The random order keeps instances that
	// start at the same time from waiting for each other's locks.
	shuffleSize = 256
	maxFailures = 20 // errors that PostDue returns at most
)

// A PostDueResult summarises one [PostDue].
type PostDueResult struct {
	OldestDue time.Time // when the oldest due occurrence became due; zero: none was due
	Ledgers   int       // ledgers with an occurrence that was still due when they were locked
	Posted    int       // expenses that were posted
	Failed    int       // rules that could not be posted; each stores the reason in LastError
}

// PostDue posts every occurrence that is due at env.Now, in all ledgers. It skips rules that failed before and whose
// RetryAt is after env.Now. It returns at most 20 errors, joined. It stops at the first [expense.ErrUnavailable], which
// means that the store cannot be reached.
//
// Several instances may call PostDue at the same time: each occurrence is posted once. If PostDue is interrupted, the
// next call posts the remaining occurrences.
func PostDue(ctx context.Context, st store.Store, env expense.Env) (PostDueResult, error) {
	return post(ctx, &poster{st: st, env: env})
}

// RetryDue is like [PostDue], but also tries rules whose RetryAt is after env.Now, each once. Call it after an operator
// has removed the cause of a failure.
func RetryDue(ctx context.Context, st store.Store, env expense.Env) (PostDueResult, error) {
	return post(ctx, &poster{st: st, env: env, retry: true})
}

func post(ctx context.Context, p *poster) (PostDueResult, error) {
	ctx, p.stop = context.WithCancelCause(ctx)
	defer p.stop(nil)
	owners := make(chan expense.OwnerID)
	var workers sync.WaitGroup
	for range postWorkers {
		workers.Go(func() {
			for owner := range owners {
				p.postLedgerRecovering(ctx, owner)
			}
		})
	}
	p.sendOwners(ctx, owners)
	close(owners)
	workers.Wait()
	if cause := context.Cause(ctx); cause != nil && len(p.failures) == 0 {
		p.failures = append(p.failures, cause)
	}
	return p.result, errors.Join(p.failures...)
}

// A poster is the state of one PostDue.
type poster struct {
	st    store.Store
	env   expense.Env
	retry bool
	stop  context.CancelCauseFunc

	mu       sync.Mutex
	result   PostDueResult
	failures []error
}

func (p *poster) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.failures) < maxFailures {
		p.failures = append(p.failures, err)
	}
}

// sendOwners sends the owners with due rules to the workers, those due longest in the first chunk.
func (p *poster) sendOwners(ctx context.Context, to chan<- expense.OwnerID) {
	var chunk []expense.OwnerID
	flush := func() bool {
		slices.Sort(chunk)
		chunk = slices.Compact(chunk)
		rand.Shuffle(len(chunk), func(i, j int) { chunk[i], chunk[j] = chunk[j], chunk[i] })
		for _, owner := range chunk {
			select {
			case to <- owner:
			case <-ctx.Done():
				return false
			}
		}
		chunk = chunk[:0]
		return true
	}
	for due, err := range p.st.DueOwners(ctx, p.env.Now) {
		if err != nil {
			p.fail(fmt.Errorf("list owners with due rules: %w", err))
			return
		}
		if due.RetryAt.After(p.env.Now) && !p.retry {
			continue
		}
		if p.result.OldestDue.IsZero() {
			p.result.OldestDue = due.Since
		}
		if chunk = append(chunk, due.Owner); len(chunk) == shuffleSize && !flush() {
			return
		}
	}
	flush()
}

// postLedgerRecovering turns a panic into an error of this ledger, so that one ledger's data cannot end the process.
func (p *poster) postLedgerRecovering(ctx context.Context, owner expense.OwnerID) {
	defer func() {
		if cause := recover(); cause != nil {
			p.fail(fmt.Errorf("post due occurrences: panic: %v\n%s", cause, debug.Stack()))
		}
	}()
	p.postLedger(ctx, owner)
}

func (p *poster) postLedger(ctx context.Context, owner expense.OwnerID) {
	// Check before the Update, so that a ledger in which another instance has posted is not locked again.
	rules, err := p.st.Reader(owner).Rules(ctx)
	postBatch := recurrence.Post
	if p.retry {
		postBatch = recurrence.PostAndRetry
	}
	var total recurrence.PostResult
	for more := err == nil && (p.retry || recurrence.MayBeDue(rules, p.env.Now)); more && err == nil; {
		var batch recurrence.PostResult
		err = p.st.Update(ctx, owner, func(tx store.Tx) (err error) {
			batch, err = postBatch(ctx, tx, p.env)
			return err
		})
		if err == nil {
			total.Posted += batch.Posted
			total.AlreadyPosted += batch.AlreadyPosted
			total.Failed += batch.Failed
			more = batch.More
		}
	}
	p.count(total)
	switch {
	case err == nil, errors.Is(err, expense.ErrNotFound): // ErrNotFound: the ledger has just been erased
	case ctx.Err() != nil: // post reports the cause once
	default:
		p.fail(fmt.Errorf("post due occurrences: %w", err))
		if errors.Is(err, expense.ErrUnavailable) {
			p.stop(err)
		}
	}
}

func (p *poster) count(ledger recurrence.PostResult) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.result.Posted += ledger.Posted
	p.result.Failed += ledger.Failed
	if ledger.Posted+ledger.AlreadyPosted+ledger.Failed > 0 {
		p.result.Ledgers++
	}
}

// CatchUp posts the due occurrences of a rule in batches, one batch per Update. Call it if a use case returns a
// [recurrence.BacklogError], and then repeat the use case. CatchUp returns the new version of the rule. A caller whose
// precondition names backlog.Version must replace it by the new version. CatchUp returns 0 if another writer has
// changed or deleted the rule in the meantime. The caller must then leave the precondition as it is, so that it fails.
func CatchUp(
	ctx context.Context, st store.Store, owner expense.OwnerID, env expense.Env, backlog *recurrence.BacklogError,
) (expense.Version, error) {
	version, unchanged := backlog.Version, true
	for more := true; more; {
		var rule recurrence.Rule
		var before expense.Version
		err := st.Update(ctx, owner, func(tx store.Tx) error {
			stored, err := tx.Rule(ctx, backlog.RuleID)
			if err == nil {
				before = stored.Version
				rule, more, err = recurrence.CatchUp(ctx, tx, env, backlog.RuleID)
			}
			return err
		})
		switch {
		case errors.Is(err, expense.ErrNotFound):
			return 0, nil // the repeated use case reports it
		case err != nil:
			return 0, fmt.Errorf("catch up with rule %s: %w", backlog.RuleID, err)
		}
		unchanged, version = unchanged && before == version, rule.Version
	}
	if !unchanged {
		return 0, nil
	}
	return version, nil
}

// PostingLag says how late the posting of recurring expenses is.
type PostingLag struct {
	// OldestAge is the time since the oldest occurrence that is not posted became due; 0 if none is due. While a rule
	// fails, for example because its category is archived, OldestAge grows until the user corrects the rule.
	OldestAge time.Duration
	// Overdue is the longest time for which PostDue could have tried a rule but did not. A rule that failed counts from
	// its RetryAt. While PostDue runs regularly, Overdue stays below the interval plus the duration of one run.
	Overdue time.Duration
}

// MeasurePostingLag returns the lag at now, over all ledgers.
func MeasurePostingLag(ctx context.Context, st store.Store, now time.Time) (PostingLag, error) {
	var lag PostingLag
	for due, err := range st.DueOwners(ctx, now) {
		if err != nil {
			return PostingLag{}, fmt.Errorf("find the oldest due rule: %w", err)
		}
		lag.OldestAge = max(lag.OldestAge, now.Sub(due.Since))
		if due.RetryAt.IsZero() {
			lag.Overdue = max(lag.Overdue, now.Sub(due.Since))
			break // DueOwners yields the oldest first
		}
		lag.Overdue = max(lag.Overdue, now.Sub(due.RetryAt))
	}
	return lag, nil
}
