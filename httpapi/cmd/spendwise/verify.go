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
	User   string `help:"Verify this user's ledger alone." placeholder:"EMAIL"`
	Repair bool   `help:"Compute the sums that are kept for speed anew where they deviate from the expenses. Nothing else is changed."`
}

// Run verifies ledgers. It ends with an error if one deviates, or did and could not be repaired.
func (cmd *verifyCmd) Run(ctx context.Context, config *cli, p *process) error {
	return config.withExisting(ctx, p, func(db database) error {
		var only expense.OwnerID
		if cmd.User != "" {
			account, err := db.Accounts().AccountByEmail(ctx, cmd.User)
			if err != nil {
				return named(cmd.User, err)
			}
			only = account.Owner()
		}
		return verify(ctx, p, db, only, cmd.Repair)
	})
}

// A verification is how far a walk over ledgers is.
type verification struct {
	mu                sync.Mutex
	p                 *process
	bar               *bar
	ledgers, done     int
	deviating, faults int
	repaired          int
}

// verify verifies the ledger of one owner, or without one all, several at a time.
func verify(ctx context.Context, p *process, db database, only expense.OwnerID, repair bool) error {
	v := &verification{p: p, bar: newBar(p.stderr)}
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
	if _, err := fmt.Fprintf(p.stdout, "verified %d ledgers: %d deviations in %d, %d repaired\n", v.done, v.faults, v.deviating, v.repaired); err != nil {
		return err
	}
	if v.deviating > v.repaired {
		return fmt.Errorf("%d ledgers deviate from what they promise", v.deviating-v.repaired)
	}
	return nil
}

// ledger verifies one ledger, and repairs it if asked to; what is left is told after that.
func (v *verification) ledger(ctx context.Context, db database, owner expense.OwnerID, repair bool) error {
	found, err := deviations(ctx, db, owner)
	var left []store.Deviation
	if err == nil && repair && slices.ContainsFunc(found, func(d store.Deviation) bool { return d.Guarantee == store.GuaranteeTotals }) {
		if err = db.RebuildTotals(ctx, owner); err == nil {
			left, err = deviations(ctx, db, owner)
		}
	} else {
		left = found
	}
	if errors.Is(err, expense.ErrNotFound) {
		return nil // erased meanwhile
	}
	if err != nil {
		return fmt.Errorf("ledger %s: %w", owner, err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.done++
	v.bar.show("verified", v.done, v.ledgers)
	if len(found) == 0 {
		return nil
	}
	v.faults, v.deviating = v.faults+len(found), v.deviating+1
	if len(left) == 0 {
		v.repaired++
	}
	v.bar.end()
	for _, d := range found {
		repaired := ""
		if !slices.Contains(left, d) {
			repaired = " (repaired)"
		}
		if _, err := fmt.Fprintf(v.p.stdout, "ledger %s: %s%s\n", owner, d, repaired); err != nil {
			return err
		}
	}
	return nil
}

func deviations(ctx context.Context, db database, owner expense.OwnerID) ([]store.Deviation, error) {
	found, err := jobs.Verify(ctx, db, owner)
	if err != nil {
		return nil, err
	}
	counters, err := db.VerifyCounters(ctx, owner)
	return append(found, counters...), err
}
