package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/jobs"
)

// TickerConfig configures a [Ticker]. Interval is required; everything else is optional.
type TickerConfig struct {
	// Interval is the time between the starts of two rounds. It must be positive. If a round takes longer, the ticks in
	// the meantime are skipped.
	Interval time.Duration
	// Rates returns exchange rates for expenses in a foreign currency. If it is nil, such expenses are posted as pending.
	Rates expense.Rates
	// Log receives a record for each round that did something or failed. If it is nil, nothing is logged.
	Log *slog.Logger
	// Observe receives the events that a host counts in its metrics. The posting and the alerting rounds call it
	// concurrently. If it is nil, events are dropped.
	Observe func(Event)
	// Now is the clock. The default is time.Now.
	Now func() time.Time
}

// A Ticker posts recurring expenses when they fall due and raises the budget alerts that no request has raised. Any
// number of tickers, in any number of processes, can run on one store.
type Ticker struct {
	store  store.Store
	cfg    TickerConfig
	alerts *jobs.AlertRaiser
}

// NewTicker returns a ticker for st. It does nothing until Run. It returns an error if st is nil or cfg.Interval is not
// positive.
func NewTicker(st store.Store, cfg TickerConfig) (*Ticker, error) {
	if st == nil || cfg.Interval <= 0 {
		return nil, errors.New("httpapi: the store is nil or the interval is not positive; a ticker needs both")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Observe == nil {
		cfg.Observe = discardEvent
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Ticker{store: st, cfg: cfg, alerts: jobs.NewAlertRaiser(st)}, nil
}

// Run starts a posting round and an alerting round at once and then at each interval, until ctx is done. It returns
// when both have stopped. It does not finish a round after ctx is done: an expense that was not posted is still due.
// The two kinds of rounds run concurrently, so that checking many ledgers for alerts does not delay posting.
func (t *Ticker) Run(ctx context.Context) {
	posted := make(chan struct{}, 1)
	var loops sync.WaitGroup
	loops.Go(func() {
		t.repeat(ctx, nil, func() {
			if t.post(ctx) == 0 {
				return
			}
			select {
			case posted <- struct{}{}: // the posted expenses may have exceeded a budget
			default: // an alerting round is already requested
			}
		})
	})
	loops.Go(func() { t.repeat(ctx, posted, func() { t.raise(ctx) }) })
	loops.Wait()
}

// repeat calls fn at once, then at each interval and for each value of request, until ctx is done. Calls do not
// overlap.
func (t *Ticker) repeat(ctx context.Context, request <-chan struct{}, fn func()) {
	ticks := time.NewTicker(t.cfg.Interval)
	defer ticks.Stop()
	for ctx.Err() == nil {
		fn()
		select {
		case <-ticks.C: // skips a tick that came while fn ran
		default:
		}
		select {
		case <-ctx.Done():
		case <-request:
		case <-ticks.C:
		}
	}
}

// Lag returns how late the posting of recurring expenses is, for all tickers on the store together. Lag reads the due
// rules from the store, so the result also grows while a ticker hangs.
func (t *Ticker) Lag(ctx context.Context) (jobs.PostingLag, error) {
	return jobs.MeasurePostingLag(ctx, t.store, t.cfg.Now())
}

// post runs a posting round and returns the number of posted expenses.
func (t *Ticker) post(ctx context.Context) int {
	now := t.cfg.Now()
	round, err := jobs.PostDue(ctx, t.store, expense.Env{Now: now, Rates: t.cfg.Rates})
	if round.Posted > 0 || round.Failed > 0 {
		t.cfg.Log.InfoContext(ctx, "recurring expenses posted", "posted", round.Posted, "ledgers", round.Ledgers,
			"rules_failed", round.Failed, "lag", now.Sub(round.OldestDue).Round(time.Second).String(),
			"took", t.cfg.Now().Sub(now).Round(time.Millisecond).String())
	}
	err = t.failed(ctx, "some recurring expenses were not posted; the next round tries again", err)
	if round.Posted > 0 {
		t.cfg.Observe(ExpensesAdded{Source: SourceRule, Count: round.Posted})
	}
	t.cfg.Observe(PostingCompleted{
		Duration: t.cfg.Now().Sub(now), Posted: round.Posted, Ledgers: round.Ledgers, Failed: round.Failed, Err: err,
	})
	return round.Posted
}

// raise runs an alerting round over the ledgers that have budgets.
func (t *Ticker) raise(ctx context.Context) {
	now := t.cfg.Now()
	raised, err := t.alerts.RaiseAll(ctx, now)
	if raised > 0 {
		t.cfg.Log.InfoContext(ctx, "budget alerts raised", "alerts", raised)
	}
	err = t.failed(ctx, "some budget alerts were not raised; the next round tries again", err)
	t.cfg.Observe(AlertingCompleted{Duration: t.cfg.Now().Sub(now), Raised: raised, Err: err})
}

// failed logs the error of a round and returns it. It returns nil if the round stopped because ctx is done.
func (t *Ticker) failed(ctx context.Context, text string, err error) error {
	if ctx.Err() != nil {
		err = nil
	}
	if err != nil {
		t.cfg.Log.WarnContext(ctx, text, "error", err)
	}
	return err
}
