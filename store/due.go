package store

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
)

const (
	// posters is how many ledgers one PostDue works in at the same time.
	posters = 4
	// spread is how many due ledgers are taken up in an order of chance, so that several instances that began together with
	// the oldest do not stand in each other's way.
	spread = 256
)

// A PostDueResult is what one [PostDue] did.
type PostDueResult struct {
	OldestDue time.Time // since when the oldest rule that was found had been due; zero: none was
	Ledgers   int       // in which something was due when their turn came
	Posted    int       // expenses
	Failed    int       // rules that could not be posted, and say why
}

// PostDue posts every occurrence that is due at env.Now, in all ledgers, and returns when none is but those of rules that failed
// and wait to be tried again. A ledger that fails holds up no other: the errors are joined. It is safe to run on several instances
// at once, and to end at any moment: what it has not posted is still due.
func PostDue(ctx context.Context, st Store, env expense.Env) (PostDueResult, error) {
	return post(ctx, &poster{st: st, env: env})
}

// RetryDue is [PostDue] that waits for no rule's delay: each that failed is tried again, once. It is what a person runs who has
// mended what was wrong.
func RetryDue(ctx context.Context, st Store, env expense.Env) (PostDueResult, error) {
	return post(ctx, &poster{st: st, env: env, retry: true})
}

func post(ctx context.Context, p *poster) (PostDueResult, error) {
	ctx, p.stop = context.WithCancelCause(ctx)
	defer p.stop(nil)
	owners := make(chan expense.OwnerID)
	var working sync.WaitGroup
	for range posters {
		working.Go(func() {
			for owner := range owners {
				p.guarded(ctx, owner)
			}
		})
	}
	p.feed(ctx, owners)
	close(owners)
	working.Wait()
	if cause := context.Cause(ctx); cause != nil && len(p.failures) == 0 {
		p.failures = append(p.failures, cause)
	}
	return p.round, errors.Join(p.failures...)
}

// A poster is one round at work.
type poster struct {
	st    Store
	env   expense.Env
	retry bool
	stop  context.CancelCauseFunc

	mu       sync.Mutex
	round    PostDueResult
	failures []error
}

// maxFailures is how many errors a round keeps: more say nothing new.
const maxFailures = 20

func (p *poster) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.failures) < maxFailures {
		p.failures = append(p.failures, err)
	}
}

// feed hands out the owners with rules that are due, by and large the oldest first.
func (p *poster) feed(ctx context.Context, to chan<- expense.OwnerID) {
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
			p.fail(fmt.Errorf("owners with rules that are due: %w", err))
			return
		}
		if due.RetryAt.After(p.env.Now) && !p.retry {
			continue
		}
		if p.round.OldestDue.IsZero() {
			p.round.OldestDue = due.Since
		}
		if chunk = append(chunk, due.Owner); len(chunk) == spread && !flush() {
			return
		}
	}
	flush()
}

// guarded posts what is due in one ledger. A panic over what one ledger holds is that ledger's failure, and ends no process.
func (p *poster) guarded(ctx context.Context, owner expense.OwnerID) {
	defer func() {
		if cause := recover(); cause != nil {
			p.fail(fmt.Errorf("post what is due: panic: %v\n%s", cause, debug.Stack()))
		}
	}()
	p.ledger(ctx, owner)
}

// ledger posts what is due in one ledger.
func (p *poster) ledger(ctx context.Context, owner expense.OwnerID) {
	// The look before the lock leaves a ledger alone that another instance has seen to.
	rules, err := p.st.Reader(owner).Rules(ctx)
	work := recurrence.Post
	if p.retry {
		work = recurrence.PostAndRetry
	}
	var total recurrence.PostResult
	for more := err == nil && (p.retry || recurrence.MayBeDue(rules, p.env.Now)); more && err == nil; {
		var posting recurrence.PostResult
		err = p.st.Update(ctx, owner, func(tx Tx) (err error) {
			posting, err = work(ctx, tx, p.env)
			return err
		})
		if err == nil {
			total.Posted += posting.Posted
			total.AlreadyPosted += posting.AlreadyPosted
			total.Failed += posting.Failed
			more = posting.More
		}
	}
	p.count(total)
	switch {
	case err == nil, errors.Is(err, expense.ErrNotFound): // a ledger that was erased meanwhile
	case ctx.Err() != nil: // said once, for the whole round
	default:
		p.fail(fmt.Errorf("post what is due: %w", err))
		if errors.Is(err, expense.ErrUnavailable) {
			p.stop(err) // what is left will be due in the next round too
		}
	}
}

func (p *poster) count(posting recurrence.PostResult) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.round.Posted += posting.Posted
	p.round.Failed += posting.Failed
	if posting.Posted+posting.AlreadyPosted+posting.Failed > 0 {
		p.round.Ledgers++
	}
}

// CatchUp posts what is due of the rule that stands behind, each batch in an Update of its own, so that the change which was refused
// for it can be done. It returns the version that the rule has then, or 0 if somebody else has written or deleted it meanwhile.
func CatchUp(ctx context.Context, st Store, owner expense.OwnerID, env expense.Env, behind *recurrence.BacklogError) (expense.Version, error) {
	version, mine := behind.Version, true
	for more := true; more; {
		var rule recurrence.Rule
		var before expense.Version
		err := st.Update(ctx, owner, func(tx Tx) error {
			stored, err := tx.Rule(ctx, behind.RuleID)
			if err == nil {
				before = stored.Version
				rule, more, err = recurrence.CatchUp(ctx, tx, env, behind.RuleID)
			}
			return err
		})
		switch {
		case errors.Is(err, expense.ErrNotFound):
			return 0, nil // whoever does the change again is told
		case err != nil:
			return 0, fmt.Errorf("catch up with rule %s: %w", behind.RuleID, err)
		}
		mine, version = mine && before == version, rule.Version
	}
	if !mine {
		return 0, nil
	}
	return version, nil
}

// A Lag says how far behind the posting of recurring expenses is.
type PostingLag struct {
	// Oldest is the age of the oldest occurrence that is due and not posted, whatever the reason; 0 when there is none. A rule that
	// fails, because its category is archived for example, makes it grow until a person mends the rule.
	OldestAge time.Duration
	// Overdue is for how long the oldest of them could have been tried, that of a rule which failed from its next try on. Where a
	// ticker runs it stays below the ticker's interval and the length of a round.
	Overdue time.Duration
}

// MeasurePostingLag returns how far behind the posting of recurring expenses is at now.
func MeasurePostingLag(ctx context.Context, st Store, now time.Time) (PostingLag, error) {
	var lag PostingLag
	for due, err := range st.DueOwners(ctx, now) {
		if err != nil {
			return PostingLag{}, fmt.Errorf("the oldest rule that is due: %w", err)
		}
		lag.OldestAge = max(lag.OldestAge, now.Sub(due.Since))
		if due.RetryAt.IsZero() {
			lag.Overdue = max(lag.Overdue, now.Sub(due.Since))
			break // those after it are younger
		}
		lag.Overdue = max(lag.Overdue, now.Sub(due.RetryAt))
	}
	return lag, nil
}
