package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/jobs"
)

type verifyCmd struct {
	User   string `help:"Verify only the ledger of this user." placeholder:"EMAIL"`
	Repair bool   `help:"Recompute stored totals that deviate from the expenses. Nothing else is changed."`
}

// Run verifies ledgers. It returns an error if a ledger deviates and was not repaired.
func (cmd *verifyCmd) Run(ctx context.Context, config *cli, p *process) error {
	return config.withExisting(ctx, p, func(db database) error {
		var only expense.OwnerID
		if cmd.User != "" {
			var err error
			if only, err = ownerOf(ctx, db, cmd.User); err != nil {
				return err
			}
		}
		return verify(ctx, p, db, only, cmd.Repair)
	})
}

// A verification holds the progress and the results of one run of verify. mu guards the counters and the output.
type verification struct {
	mu                    sync.Mutex
	p                     *process
	bar                   *progressBar
	ledgers, done         int
	deviating, deviations int
	repaired              int
}

// verify verifies the ledger of the owner only, or all ledgers if only is "". It verifies several ledgers concurrently.
func verify(ctx context.Context, p *process, db database, only expense.OwnerID, repair bool) error {
	v := &verification{p: p, bar: newProgressBar(p.stderr)}
	owners := []expense.OwnerID{only}
	if only == "" {
		owners = owners[:0]
		for owner, err := range db.Owners(ctx) {
			if err != nil {
				return err
			}
			owners = append(owners, owner)
		}
	}
	v.ledgers = len(owners)
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, owner := range owners {
		group.Go(func() error { return v.ledger(inner, db, owner, repair) })
	}
	err := group.Wait()
	v.bar.end()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.stdout, "verified %d ledgers: %d deviations in %d, %d repaired\n",
		v.done, v.deviations, v.deviating, v.repaired)
	if err != nil {
		return err
	}
	if v.deviating > v.repaired {
		return fmt.Errorf("%d ledgers are inconsistent; the lines above list the deviations", v.deviating-v.repaired)
	}
	return nil
}

// ledger verifies one ledger, repairs its totals if repair is set, and prints the deviations.
func (v *verification) ledger(ctx context.Context, db database, owner expense.OwnerID, repair bool) error {
	deviations, err := readDeviations(ctx, db, owner)
	var remaining []store.Deviation
	wrongTotals := slices.ContainsFunc(deviations, func(d store.Deviation) bool {
		return d.Guarantee == store.GuaranteeTotals
	})
	if err == nil && repair && wrongTotals {
		if err = db.RebuildTotals(ctx, owner); err == nil {
			remaining, err = readDeviations(ctx, db, owner)
		}
	} else {
		remaining = deviations
	}
	if errors.Is(err, expense.ErrNotFound) {
		return nil // the ledger was erased in the meantime
	}
	if err != nil {
		return fmt.Errorf("ledger %s: %w", owner, err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.done++
	v.bar.show("verified", v.done, v.ledgers)
	if len(deviations) == 0 {
		return nil
	}
	v.deviations, v.deviating = v.deviations+len(deviations), v.deviating+1
	if len(remaining) == 0 {
		v.repaired++
	}
	v.bar.end()
	for _, d := range deviations {
		repaired := ""
		if !slices.Contains(remaining, d) {
			repaired = " (repaired)"
		}
		if _, err := fmt.Fprintf(v.p.stdout, "ledger %s: %s%s\n", owner, d, repaired); err != nil {
			return err
		}
	}
	return nil
}

// readDeviations returns the deviations that jobs.Verify and VerifyCounters find.
func readDeviations(ctx context.Context, db database, owner expense.OwnerID) ([]store.Deviation, error) {
	deviations, err := jobs.Verify(ctx, db, owner)
	if err != nil {
		return nil, err
	}
	counters, err := db.VerifyCounters(ctx, owner)
	return append(deviations, counters...), err
}
