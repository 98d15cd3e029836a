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

// A rateMode selects the source of exchange rates.
type rateMode string

const (
	ratesFromECB rateMode = "ecb"
	ratesOff     rateMode = "off"
)

// loadRates returns the embedded history of rates and the rates in the store.
func loadRates(ctx context.Context, db store.Store) (*ecb.Table, error) {
	table, err := ecb.EmbeddedTable()
	if err != nil {
		return nil, err
	}
	if err := table.Load(ctx, db); err != nil {
		return nil, fmt.Errorf("load the stored exchange rates: %w", err)
	}
	return table, nil
}

// start returns the rates that a server converts with, and the background tasks that keep them current. On an instance
// with the role ticker, one task fetches new rates (only in mode ecb) and one converts pending expenses, reporting each
// round to observe. On other instances, one task loads the rates that the ticker has stored.
func (m rateMode) start(
	ctx context.Context, db database, isTicker bool, observe func(converted int, err error), logger *slog.Logger,
) (expense.Rates, []func(context.Context), error) {
	if m == ratesOff {
		return expense.NoRates{}, nil, nil
	}
	table, err := loadRates(ctx, db)
	if err != nil {
		return nil, nil, err
	}
	if !isTicker {
		return table, []func(context.Context){func(ctx context.Context) { reloadRates(ctx, db, table, logger) }}, nil
	}
	// A value in the channel requests a conversion. The first one is for expenses that are pending at the start.
	newRates := make(chan struct{}, 1)
	newRates <- struct{}{}
	tasks := []func(context.Context){func(ctx context.Context) {
		convertPending(ctx, db, table, newRates, observe, logger)
	}}
	if m == ratesFromECB {
		fetcher, err := ecb.NewFetcher(table, db, ecb.Config{
			Logger: logger,
			OnNewQuotes: func(context.Context, []expense.Quote) {
				select {
				case newRates <- struct{}{}:
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

// reloadInterval is the time between two loads of the stored rates on an instance without the role ticker.
const reloadInterval = 10 * time.Minute

// reloadRates loads the stored rates into table at intervals until ctx ends.
func reloadRates(ctx context.Context, db store.Store, table *ecb.Table, logger *slog.Logger) {
	ticker := time.NewTicker(reloadInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := table.Load(ctx, db); err != nil && ctx.Err() == nil {
			logger.Warn("the stored exchange rates could not be read; retrying", "in", reloadInterval, "error", err)
		}
	}
}

// convertRetryDelay is the delay before a failed conversion is retried.
const convertRetryDelay = 5 * time.Minute

// convertPending converts the pending expenses of every ledger for each value in newRates, until ctx ends.
func convertPending(
	ctx context.Context, db store.Store, table *ecb.Table, newRates chan struct{}, observe func(converted int, err error),
	logger *slog.Logger,
) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-newRates:
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
		logger.Warn("not all pending expenses could be converted; retrying", "in", convertRetryDelay, "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(convertRetryDelay):
			select {
			case newRates <- struct{}{}:
			default:
			}
		}
	}
}
