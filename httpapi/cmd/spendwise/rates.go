package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/expense/ecb"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/jobs"
)

// A rateMode says where exchange rates come from.
type rateMode string

const (
	ratesFromECB rateMode = "ecb"
	ratesOff     rateMode = "off"
)

// loadRates returns the rates to convert with: the embedded history and what the store has kept since.
func loadRates(ctx context.Context, db store.Store) (*ecb.Table, error) {
	table, err := ecb.EmbeddedTable()
	if err != nil {
		return nil, err
	}
	if err := table.Load(ctx, db); err != nil {
		return nil, fmt.Errorf("load the exchange rates that are kept: %w", err)
	}
	return table, nil
}

// start returns the rates that a server converts with, and its tasks. In one that keeps them for all, one fetches new ones, if they are
// to be kept current, and one converts the expenses that waited for them and tells observe of each round; in any other, one takes
// in what is kept.
func (m rateMode) start(
	ctx context.Context, db database, keeps bool, observe func(converted int, err error), logger *slog.Logger,
) (expense.Rates, []func(context.Context), error) {
	if m == ratesOff {
		return expense.NoRates{}, nil, nil
	}
	table, err := loadRates(ctx, db)
	if err != nil {
		return nil, nil, err
	}
	if !keeps {
		return table, []func(context.Context){func(ctx context.Context) { followRates(ctx, db, table, logger) }}, nil
	}
	// One token in the channel says that there is something to convert; at the start there may be.
	arrived := make(chan struct{}, 1)
	arrived <- struct{}{}
	tasks := []func(context.Context){func(ctx context.Context) { convertPending(ctx, db, table, arrived, observe, logger) }}
	if m == ratesFromECB {
		fetcher, err := ecb.NewFetcher(table, db, ecb.Config{
			Logger: logger,
			OnNewQuotes: func(context.Context, []expense.Quote) {
				select {
				case arrived <- struct{}{}:
				default:
				}
			},
		})
		if err != nil {
			return nil, nil, err
		}
		tasks = append(tasks, fetcher.Run)
	}
	return table, tasks, nil
}

// followEvery is how often an instance that does not fetch rates itself looks for those that another one has.
const followEvery = 10 * time.Minute

// followRates takes in the rates that the store keeps, until ctx ends.
func followRates(ctx context.Context, db store.Store, table *ecb.Table, logger *slog.Logger) {
	ticker := time.NewTicker(followEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := table.Load(ctx, db); err != nil && ctx.Err() == nil {
			logger.Warn("the exchange rates that are kept could not be read; tried again later", "in", followEvery, "error", err)
		}
	}
}

// convertRetry is how long a conversion that failed waits for the next try.
const convertRetry = 5 * time.Minute

// convertPending converts what is pending in every ledger each time prices have arrived, until ctx ends.
func convertPending(
	ctx context.Context, db store.Store, table *ecb.Table, arrived chan struct{}, observe func(converted int, err error), logger *slog.Logger,
) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-arrived:
		}
		converted, err := jobs.ConvertPending(ctx, db, expense.Env{Now: time.Now(), Rates: table})
		if converted > 0 {
			logger.Info("pending expenses converted", "count", converted)
		}
		if ctx.Err() != nil {
			return
		}
		observe(converted, err)
		if err == nil {
			continue
		}
		logger.Warn("pending expenses could not all be converted; tried again later", "in", convertRetry, "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(convertRetry):
			select {
			case arrived <- struct{}{}:
			default:
			}
		}
	}
}
