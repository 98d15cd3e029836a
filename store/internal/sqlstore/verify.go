package sqlstore

import (
	"context"
	"fmt"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// counters are what is stored beside the rows of a ledger, and what results from its rows.
type counters struct{ Volume, Budgets, StoredVolume, StoredBudgets int64 }

func (r *reader) counters(ctx context.Context) (c counters, err error) {
	const text = `SELECT (SELECT CAST(coalesce(sum(CASE WHEN abs(amount) > abs(home) THEN abs(amount) ELSE abs(home) END),
			0) AS bigint) FROM spendwise_expenses WHERE owner = ?0) AS volume,
		(SELECT count(*) FROM spendwise_budgets WHERE owner = ?0) AS budgets,
		volume AS stored_volume, CAST(budgets AS bigint) AS stored_budgets
		FROM spendwise_ledgers WHERE owner = ?0`
	session := r.on()
	found, err := session.Find(ctx, session.NewRaw(text, r.owner), &c)
	if err == nil && !found {
		err = fmt.Errorf("ledger: %w", expense.ErrNotFound)
	}
	return c, err
}

// VerifyCounters compares the counters that the store keeps of a ledger with its rows: the volume of its expenses,
// and the number of its budgets. jobs.Verify checks everything else. It returns ErrNotFound if there is no ledger.
func (s *Store) VerifyCounters(ctx context.Context, owner expense.OwnerID) ([]store.Deviation, error) {
	r := &reader{store: s, owner: string(owner), invalid: owner.Validate()}
	c, err := r.counters(ctx)
	if err != nil {
		return nil, err
	}
	var deviations []store.Deviation
	for _, counter := range [...]struct {
		subject      string
		stored, rows int64
	}{{"volume of the expenses", c.StoredVolume, c.Volume}, {"number of budgets", c.StoredBudgets, c.Budgets}} {
		if counter.stored != counter.rows {
			deviations = append(deviations, store.Deviation{
				Guarantee: store.GuaranteeTotals, Subject: counter.subject,
				Detail: fmt.Sprintf("the ledger says %d, and the rows %d", counter.stored, counter.rows),
			})
		}
	}
	return deviations, nil
}

// RebuildTotals computes the monthly totals and the counters of owner's ledger from its rows. The ledger's version
// stays, because no row changes. It returns ErrNotFound if there is no ledger.
func (s *Store) RebuildTotals(ctx context.Context, owner expense.OwnerID) error {
	const insertTotals = `INSERT INTO spendwise_totals
		(owner, month, category_id, currency, count, amount, home, pending_count, pending)
		SELECT t.owner, t.date / 100, t.category_id, t.currency, ` + sumsOfExpenses + ` FROM spendwise_expenses t
		WHERE t.owner = ? GROUP BY t.owner, t.date / 100, t.category_id, t.currency`
	return s.update(ctx, owner, func(tx *ledgerTx) error {
		session := tx.session
		_, err := session.Change(ctx, session.NewDelete().Model((*totalRow)(nil)).Where("owner = ?", tx.owner))
		if err != nil {
			return err
		}
		if _, err := session.Change(ctx, session.NewRaw(insertTotals, tx.owner)); err != nil {
			return err
		}
		c, err := tx.counters(ctx)
		if err != nil {
			return err
		}
		tx.row.Volume, tx.row.Budgets = c.Volume, c.Budgets
		return nil
	})
}
