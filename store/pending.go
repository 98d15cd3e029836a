package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/spendwise/spendwise/expense"
)

// ConvertPending converts, in every ledger, the expenses that waited for a rate which there is now, and returns how many. A
// ledger that fails holds up no other: the errors are joined. It is safe to run on several instances at once.
func ConvertPending(ctx context.Context, st Store, env expense.Env) (converted int, err error) {
	var failures []error
	for owner, err := range st.PendingOwners(ctx) {
		if err != nil {
			failures = append(failures, fmt.Errorf("owners with pending expenses: %w", err))
			break
		}
		n, err := convertLedger(ctx, st, owner, env)
		converted += n
		// A ledger that was erased meanwhile has nothing left to convert.
		if err != nil && !errors.Is(err, expense.ErrNotFound) {
			failures = append(failures, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return converted, errors.Join(failures...)
}

func convertLedger(ctx context.Context, st Store, owner expense.OwnerID, env expense.Env) (total int, err error) {
	for {
		// The look before the lock keeps ledgers free whose currencies have no rates at all.
		can, err := expense.HasConvertiblePending(ctx, st.Reader(owner), env)
		if err != nil || !can {
			return total, err
		}
		converted := 0
		err = st.Update(ctx, owner, func(tx Tx) error {
			converted, err = expense.ConvertPending(ctx, tx, env)
			return err
		})
		if err != nil {
			return total, err
		}
		total += converted
		if converted == 0 {
			return total, nil
		}
	}
}
