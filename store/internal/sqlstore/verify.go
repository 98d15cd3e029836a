package sqlstore

import (
	"context"
	"fmt"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// What is kept of the rows for speed, computed from them again. A volume is [expense.Expense.Volume].
const (
	rebuildTotals = `INSERT INTO spendwise_totals (owner, month, category_id, currency, count, amount, home, pending_count,
		pending)
		SELECT t.owner, t.date / 100, t.category_id, t.currency, ` + sumsOfExpenses + ` FROM spendwise_expenses t
		WHERE t.owner = $1 GROUP BY t.owner, t.date / 100, t.category_id, t.currency`
	recount = `SELECT (SELECT CAST(coalesce(sum(CASE WHEN abs(amount) > abs(home) THEN abs(amount)
		ELSE abs(home) END), 0) AS bigint)
		FROM spendwise_expenses WHERE owner = $1), (SELECT count(*) FROM spendwise_budgets
		WHERE owner = $1), volume, CAST(budgets AS bigint)
		FROM spendwise_ledgers WHERE owner = $1`
)

// VerifyCounters compares the two counters of owner's ledger that no reader shows with its rows: the volume of its
// expenses, and how many budgets there are. [jobs.Verify] sees all else. ErrNotFound if there is no ledger.
func (s *Store) VerifyCounters(ctx context.Context, owner expense.OwnerID) ([]store.Deviation, error) {
	if err := owner.Validate(); err != nil {
		return nil, err
	}
	var volume, budgets, keptVolume, keptBudgets int64
	found, err := s.outside().one(ctx, 4, func(r *row) {
		volume, budgets, keptVolume, keptBudgets = r.int(0), r.int(1), r.int(2), r.int(3)
	}, recount, string(owner))
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, expense.ErrNotFound
	}
	var deviations []store.Deviation
	for _, counter := range [...]struct {
		where      string
		kept, rows int64
	}{{"volume of the expenses", keptVolume, volume}, {"number of budgets", keptBudgets, budgets}} {
		if counter.kept != counter.rows {
			deviations = append(deviations, store.Deviation{
				Guarantee: store.GuaranteeTotals, Subject: counter.where,
				Detail: fmt.Sprintf("the ledger says %d, and the rows %d", counter.kept, counter.rows),
			})
		}
	}
	return deviations, nil
}

// RebuildTotals computes what is kept of owner's rows for speed anew: the summary by month and the ledger's counters.
// It takes no version, since no row changes. ErrNotFound if there is no ledger.
func (s *Store) RebuildTotals(ctx context.Context, owner expense.OwnerID) error {
	return s.locked(ctx, owner, func(tx *ledgerTx) error {
		if _, err := tx.session.exec(ctx, `DELETE FROM spendwise_totals WHERE owner = $1`, tx.owner); err != nil {
			return err
		}
		if _, err := tx.session.exec(ctx, rebuildTotals, tx.owner); err != nil {
			return err
		}
		var volume, budgets int64
		if _, err := tx.session.one(ctx, 4, func(r *row) { volume, budgets = r.int(0), r.int(1) }, recount,
			tx.owner); err != nil {
			return err
		}
		_, err := tx.session.exec(ctx, `UPDATE spendwise_ledgers SET volume = $2, budgets = $3 WHERE owner = $1`, tx.owner,
			volume, budgets)
		return err
	})
}
