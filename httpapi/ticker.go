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

// TickerConfig says how a [Ticker] runs.
type TickerConfig struct {
	// Every is the time from one round's begin to the next; a round that takes longer swallows its ticks meanwhile. It must be given.
	Interval time.Duration
	// Rates converts foreign currencies; nil: none is known.
	Rates expense.Rates
	// Log takes a line for each round that did something or failed; nil: nothing is logged.
	Log *slog.Logger
	// Observe is told of each round, for the metrics of the host; nil: nobody is told.
	Observe func(Event)
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// A Ticker posts recurring expenses as they fall due, and raises the alerts of budgets that no request has raised. Any number of
// them, in any number of processes, may run on one store.
type Ticker struct {
	store  store.Store
	cfg    TickerConfig
	alerts *jobs.AlertRaiser
}

// NewTicker returns a ticker over st. It does nothing until it is run.
func NewTicker(st store.Store, cfg TickerConfig) (*Ticker, error) {
	if st == nil || cfg.Interval <= 0 {
		return nil, errors.New("httpapi: a ticker needs a store and a time between its rounds")
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

// Run posts and raises alerts, both at once and then at each tick, until ctx ends; then it finishes no round that has begun, for what is
// not posted is still due. Neither waits for the other: looking into a million ledgers for alerts holds up no expense that falls due
// meanwhile. It returns when nothing of it runs any more.
func (t *Ticker) Run(ctx context.Context) {
	posted := make(chan struct{}, 1)
	var duties sync.WaitGroup
	duties.Go(func() {
		t.repeat(ctx, nil, func() {
			if t.post(ctx) == 0 {
				return
			}
			select {
			case posted <- struct{}{}: // what was posted may have reached a threshold
			default: // the next look is already due
			}
		})
	})
	duties.Go(func() { t.repeat(ctx, posted, func() { t.raise(ctx) }) })
	duties.Wait()
}

// repeat calls fn at once, at each tick and when asked to, one after the other, until ctx ends.
func (t *Ticker) repeat(ctx context.Context, asked <-chan struct{}, fn func()) {
	ticks := time.NewTicker(t.cfg.Interval)
	defer ticks.Stop()
	for ctx.Err() == nil {
		fn()
		select {
		case <-ticks.C: // came while fn ran
		default:
		}
		select {
		case <-ctx.Done():
		case <-asked:
		case <-ticks.C:
		}
	}
}

// Lag returns how far behind the posting is now, of all tickers on the store. It asks the store, which answers from an index; a
// ticker that hangs does not stop it from growing.
func (t *Ticker) Lag(ctx context.Context) (jobs.PostingLag, error) {
	return jobs.MeasurePostingLag(ctx, t.store, t.cfg.Now())
}

// post posts what is due and returns how many expenses that were.
func (t *Ticker) post(ctx context.Context) int {
	now := t.cfg.Now()
	round, err := jobs.PostDue(ctx, t.store, expense.Env{Now: now, Rates: t.cfg.Rates})
	if round.Posted > 0 || round.Failed > 0 {
		t.cfg.Log.InfoContext(ctx, "recurring expenses posted", "posted", round.Posted, "ledgers", round.Ledgers,
			"rules_failed", round.Failed, "lag", now.Sub(round.OldestDue).Round(time.Second).String(),
			"took", t.cfg.Now().Sub(now).Round(time.Millisecond).String())
	}
	err = t.failed(ctx, "recurring expenses could not all be posted; the next round tries again", err)
	if round.Posted > 0 {
		t.cfg.Observe(ExpensesAdded{Source: SourceRule, Count: round.Posted})
	}
	t.cfg.Observe(PostingCompleted{Duration: t.cfg.Now().Sub(now), Posted: round.Posted, Ledgers: round.Ledgers, Failed: round.Failed, Err: err})
	return round.Posted
}

// raise raises alerts in the ledgers that have budgets.
func (t *Ticker) raise(ctx context.Context) {
	now := t.cfg.Now()
	raised, err := t.alerts.RaiseAll(ctx, now)
	if raised > 0 {
		t.cfg.Log.InfoContext(ctx, "alerts of budgets raised", "alerts", raised)
	}
	err = t.failed(ctx, "alerts of budgets could not all be raised; the next round tries again", err)
	t.cfg.Observe(AlertingCompleted{Duration: t.cfg.Now().Sub(now), Raised: raised, Err: err})
}

// failed logs why a round failed, and returns it. One that was stopped did not fail.
func (t *Ticker) failed(ctx context.Context, text string, err error) error {
	if ctx.Err() != nil {
		err = nil
	}
	if err != nil {
		t.cfg.Log.WarnContext(ctx, text, "error", err)
	}
	return err
}
