package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

var errReplayed = errors.New("replayed")

// addOnce adds an expense with an idempotency key. It returns errReplayed if the key has a stored record.
func addOnce(ctx context.Context, st store.Store, key store.IdempotencyKey, e expense.Expense) error {
	return st.Update(ctx, owner, func(tx store.Tx) error {
		switch _, err := tx.IdempotencyRecord(ctx, key); {
		case err == nil:
			return errReplayed
		case !errors.Is(err, expense.ErrNotFound):
			return err
		}
		if _, err := tx.Category(ctx, e.CategoryID); err != nil {
			return err
		}
		if _, err := tx.PutExpenses(ctx, e); err != nil {
			return err
		}
		return tx.PutIdempotencyRecord(ctx, store.IdempotencyRecord{IdempotencyKey: key, Payload: []byte(`{"data":[]}`),
			CreatedAt: day})
	})
}

func TestUpdate_ConcurrentRequestsWithOneKeyWriteOnce(t *testing.T) {
	onEach(t, func(t *testing.T, st store.Store) {
		ledger := newLedger(t, owner, st)
		key := store.IdempotencyKey{Scope: "POST /v1/expenses", Key: "k1"}
		var group errgroup.Group
		var mu sync.Mutex
		done, replayed := 0, 0
		for range 50 {
			group.Go(func() error {
				err := addOnce(t.Context(), st, key, coffee(ledger, "1.00", expense.MustDate("2026-03-01")))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case errors.Is(err, errReplayed):
					replayed++
				case err != nil:
					return err
				default:
					done++
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		if done != 1 || replayed != 49 {
			t.Errorf("%d writes and %d replays, want 1 and 49", done, replayed)
		}
	})
}

func TestUpdate_ConcurrentWritersLoseNoUpdate(t *testing.T) {
	onEach(t, func(t *testing.T, st store.Store) {
		const writers, writes = 16, 8
		ctx := t.Context()
		ledger := newLedger(t, owner, st)
		first := coffee(ledger, "1.00", expense.MustDate("2026-03-01"))
		err := st.Update(ctx, owner, func(tx store.Tx) error {
			_, err := tx.PutExpenses(ctx, first)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var versions []expense.Version
		var group errgroup.Group
		for range writers {
			group.Go(func() error {
				for range writes {
					var version expense.Version
					err := st.Update(ctx, owner, func(tx store.Tx) error {
						e, err := tx.Expense(ctx, first.ID)
						if err != nil {
							return err
						}
						e.Amount, err = e.Amount.Add(expense.MustMoney("1.00", "EUR"))
						if err != nil {
							return err
						}
						e.Home = e.Amount
						version, err = tx.PutExpenses(ctx, e, coffee(ledger, "0.01", first.Date))
						return err
					})
					if err != nil {
						return err
					}
					mu.Lock()
					versions = append(versions, version)
					mu.Unlock()
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		slices.Sort(versions)
		for i, version := range versions {
			if version != expense.Version(i+3) {
				t.Fatalf("the versions are not consecutive: %v", versions)
			}
		}
		totals, err := st.Reader(owner).Totals(ctx, expense.TotalsQuery{Ranges: []expense.Range{first.Date.Month().Range()}})
		if err != nil {
			t.Fatal(err)
		}
		const n = writers * writes
		want := expense.MustMoney(fmt.Sprintf("%d.%02d", 1+n+n/100, n%100), "EUR")
		if len(totals) != 1 || totals[0].Amount != want || totals[0].Home != want || totals[0].Count != 1+n {
			t.Errorf("totals = %+v, want one of %v", totals, want)
		}
	})
}

func TestReader_LoopOverRowsCanUseStoreWithOneConnection(t *testing.T) {
	for name, st := range singleConnectionStores(t) {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			ledger := newLedger(t, owner, st)
			if err := st.Update(ctx, owner, func(tx store.Tx) error {
				_, err := tx.PutExpenses(ctx, coffee(ledger, "1.00", expense.MustDate("2026-03-01")),
					coffee(ledger, "2.00", expense.MustDate("2026-03-02")))
				return err
			}); err != nil {
				t.Fatal(err)
			}
			seen := 0
			for range st.Owners(ctx) {
				for e, err := range st.Reader(owner).Expenses(ctx, expense.Query{}) {
					if err != nil {
						t.Fatal(err)
					}
					err = st.Update(ctx, owner, func(tx store.Tx) error {
						e.Notes = "seen"
						_, err := tx.PutExpenses(ctx, e)
						return err
					})
					if err != nil {
						t.Fatal(err)
					}
					seen++
				}
			}
			if seen != 2 {
				t.Errorf("the loop returned %d expenses, want 2", seen)
			}
		})
	}
}
