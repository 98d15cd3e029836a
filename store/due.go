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

// A Round is what one [PostDue] did.
type Round struct {
	Oldest  time.Time // since when the oldest rule that was found had been due; zero: none was
	Ledgers int       // in which something was due when their turn came
	Posted  int       // expenses
	Failed  int       // rules that could not be posted, and say why
}

// PostDue posts every occurrence that is due at env.Now, in all ledgers, and returns when none is. A ledger that fails holds up
// no other: the errors are joined. It is safe to run on several instances at once, and to end at any moment: what it has not
// posted is still due.
func PostDue(ctx context.Context, st Store, env expense.Env) (Round, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := poster{st: st, env: env, stop: cancel}
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
	st   Store
	env  expense.Env
	stop context.CancelCauseFunc

	mu       sync.Mutex
	round    Round
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
		if p.round.Oldest.IsZero() {
			p.round.Oldest = due.Since
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
	var total recurrence.Posting
	for more := err == nil && recurrence.MayBeDue(rules, p.env.Now); more && err == nil; {
		var posting recurrence.Posting
		err = p.st.Update(ctx, owner, func(tx Tx) (err error) {
			posting, err = recurrence.Post(ctx, tx, p.env)
			return err
		})
		if err == nil {
			total.Posted += posting.Posted
			total.Known += posting.Known
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

func (p *poster) count(posting recurrence.Posting) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.round.Posted += posting.Posted
	p.round.Failed += posting.Failed
	if posting.Posted+posting.Known+posting.Failed > 0 {
		p.round.Ledgers++
	}
}

// Lag returns the age at now of the oldest occurrence that is due; 0 when nothing is. Where a ticker runs it stays below the
// ticker's interval and the length of a round.
func Lag(ctx context.Context, st Store, now time.Time) (time.Duration, error) {
	for due, err := range st.DueOwners(ctx, now) {
		if err != nil {
			return 0, fmt.Errorf("the oldest rule that is due: %w", err)
		}
		return now.Sub(due.Since), nil
	}
	return 0, nil
}
