package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// TickerConfig says how a [Ticker] runs.
type TickerConfig struct {
	// Every is the time from one round's begin to the next; a round that takes longer swallows the ticks meanwhile. It must be given.
	Every time.Duration
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
	alerts *store.AlertRaiser
}

// NewTicker returns a ticker over st. It does nothing until it is run.
func NewTicker(st store.Store, cfg TickerConfig) (*Ticker, error) {
	if st == nil || cfg.Every <= 0 {
		return nil, errors.New("httpapi: a ticker needs a store and a time between its rounds")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Observe == nil {
		cfg.Observe = ignore
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Ticker{store: st, cfg: cfg, alerts: store.NewAlertRaiser(st)}, nil
}

// Run runs a round at once, and then one at each tick, until ctx ends; then it finishes no round that has begun, for what is not
// posted is still due. It returns when nothing of it runs any more.
func (t *Ticker) Run(ctx context.Context) {
	ticks := time.NewTicker(t.cfg.Every)
	defer ticks.Stop()
	for {
		t.round(ctx)
		select {
		case <-ticks.C: // came while the round ran
		default:
		}
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}

// Lag returns how far behind the posting is now, of all tickers on the store. It asks the store, which answers from an index; a
// ticker that hangs does not stop it from growing.
func (t *Ticker) Lag(ctx context.Context) (store.Lag, error) {
	return store.LagOf(ctx, t.store, t.cfg.Now())
}

func (t *Ticker) round(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	now := t.cfg.Now()
	round, err := store.PostDue(ctx, t.store, expense.Env{Now: now, Rates: t.cfg.Rates})
	if round.Posted > 0 || round.Failed > 0 {
		t.cfg.Log.InfoContext(ctx, "recurring expenses posted", "posted", round.Posted, "ledgers", round.Ledgers,
			"rules_failed", round.Failed, "lag", now.Sub(round.Oldest).Round(time.Second).String(),
			"took", t.cfg.Now().Sub(now).Round(time.Millisecond).String())
	}
	alerts, failed := t.raise(ctx, now)
	if err != nil && ctx.Err() == nil {
		t.cfg.Log.WarnContext(ctx, "recurring expenses could not all be posted; the next round tries again", "error", err)
	}
	if round.Posted > 0 {
		t.cfg.Observe(ExpensesAdded{Way: ByRule, Count: round.Posted})
	}
	if err = errors.Join(err, failed); ctx.Err() != nil {
		err = nil // it was stopped, and did not fail
	}
	t.cfg.Observe(RoundEnded{
		Took: t.cfg.Now().Sub(now), Posted: round.Posted, Ledgers: round.Ledgers, Failed: round.Failed, Alerts: alerts, Err: err,
	})
}

// raise raises alerts in the ledgers that have budgets.
func (t *Ticker) raise(ctx context.Context, now time.Time) (int, error) {
	raised, err := t.alerts.Round(ctx, now)
	if raised > 0 {
		t.cfg.Log.InfoContext(ctx, "alerts of budgets raised", "alerts", raised)
	}
	if err != nil && ctx.Err() == nil {
		t.cfg.Log.WarnContext(ctx, "alerts of budgets could not all be raised; the next round tries again", "error", err)
	}
	return raised, err
}
