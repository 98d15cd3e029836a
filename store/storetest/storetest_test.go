package storetest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
	"github.com/spendwise/spendwise/store/storetest"
)

// TestRun_AcceptsStoreThatRetries runs the suite over a store that runs the function of each Update twice. The
// interface allows that.
func TestRun_AcceptsStoreThatRetries(t *testing.T) {
	errAgain := errors.New("once more")
	storetest.Run(t, func(*testing.T) store.Store {
		return updateStore{memstore.New(), func(ctx context.Context, st *memstore.Store, owner expense.OwnerID,
			fn func(store.Tx) error) error {
			err := st.Update(ctx, owner, func(tx store.Tx) error {
				if err := fn(tx); err != nil {
					return err
				}
				return errAgain
			})
			if !errors.Is(err, errAgain) {
				return err
			}
			return st.Update(ctx, owner, fn)
		}}
	})
}
