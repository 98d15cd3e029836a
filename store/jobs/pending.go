package jobs

import (
	"context"
	"errors"
	"fmt"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// ConvertPending converts the pending expenses for which env.Rates has a rate now, in every ledger. It returns the
// number of converted expenses.
func ConvertPending(ctx context.Context, st store.Store, env expense.Env) (converted int, err error) {
	var failures []error
	for owner, err := range st.PendingOwners(ctx) {
		if err != nil {
			failures = append(failures, fmt.Errorf("list owners with pending expenses: %w", err))
			break
		}
		n, err := convertLedger(ctx, st, owner, env)
		converted += n
		if err != nil && !errors.Is(err, expense.ErrNotFound) { // ErrNotFound: the ledger has just been erased
			failures = append(failures, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return converted, errors.Join(failures...)
}

func convertLedger(ctx context.Context, st store.Store, owner expense.OwnerID, env expense.Env) (total int, err error) {
	for {
		// Check before the Update, so that a ledger whose currencies have no rates is not locked in every run.
		convertible, err := expense.HasConvertiblePending(ctx, st.Reader(owner), env)
		if err != nil || !convertible {
			return total, err
		}
		converted := 0
		err = st.Update(ctx, owner, func(tx store.Tx) error {
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
