package replica

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
)

// errReadOnly is the error of a write while [trackedTx] is read-only.
var errReadOnly = errors.New("the transaction is read-only")

// A trackedTx is the transaction of a mutation's use case. It notes what the use case writes. It embeds only a Reader,
// so the compiler finds a write method that it lacks.
type trackedTx struct {
	store.Reader

	tx       store.Tx
	readOnly bool // every write returns errReadOnly
	wrote    bool // the use case has written something
	expenses int  // how many expenses it has written
}

// write calls do, which writes.
func (t *trackedTx) write(do func() (expense.Version, error)) (expense.Version, error) {
	if t.readOnly {
		return 0, errReadOnly
	}
	version, err := do()
	t.wrote = t.wrote || err == nil
	return version, err
}

func (t *trackedTx) HasBudgets(ctx context.Context) (bool, error) { return t.tx.HasBudgets(ctx) }

func (t *trackedTx) PutSettings(ctx context.Context, settings expense.Settings) (expense.Version, error) {
	return t.write(func() (expense.Version, error) { return t.tx.PutSettings(ctx, settings) })
}

func (t *trackedTx) PutCategories(ctx context.Context, rows ...expense.Category) (expense.Version, error) {
	return t.write(func() (expense.Version, error) { return t.tx.PutCategories(ctx, rows...) })
}

func (t *trackedTx) DeleteCategory(ctx context.Context, id uuid.UUID) (expense.Version, error) {
	return t.write(func() (expense.Version, error) { return t.tx.DeleteCategory(ctx, id) })
}

func (t *trackedTx) MergeCategory(
	ctx context.Context, from, into uuid.UUID, month expense.Month,
) (expense.MergeResult, error) {
	var result expense.MergeResult
	_, err := t.write(func() (expense.Version, error) {
		var err error
		result, err = t.tx.MergeCategory(ctx, from, into, month)
		return result.Version, err
	})
	return result, err
}

func (t *trackedTx) PutExpenses(ctx context.Context, rows ...expense.Expense) (expense.Version, error) {
	version, err := t.write(func() (expense.Version, error) { return t.tx.PutExpenses(ctx, rows...) })
	if err == nil {
		t.expenses += len(rows)
	}
	return version, err
}

func (t *trackedTx) DeleteExpenses(ctx context.Context, ids ...uuid.UUID) (expense.Version, error) {
	return t.write(func() (expense.Version, error) { return t.tx.DeleteExpenses(ctx, ids...) })
}

func (t *trackedTx) PutBudgets(ctx context.Context, rows ...budget.Budget) (expense.Version, error) {
	return t.write(func() (expense.Version, error) { return t.tx.PutBudgets(ctx, rows...) })
}

func (t *trackedTx) DeleteBudget(ctx context.Context, id uuid.UUID) (expense.Version, error) {
	return t.write(func() (expense.Version, error) { return t.tx.DeleteBudget(ctx, id) })
}

func (t *trackedTx) PutAlerts(ctx context.Context, rows ...budget.Alert) (expense.Version, error) {
	return t.write(func() (expense.Version, error) { return t.tx.PutAlerts(ctx, rows...) })
}

func (t *trackedTx) PutRules(ctx context.Context, rows ...recurrence.Rule) (expense.Version, error) {
	return t.write(func() (expense.Version, error) { return t.tx.PutRules(ctx, rows...) })
}

func (t *trackedTx) DeleteRule(ctx context.Context, id uuid.UUID) (expense.Version, error) {
	return t.write(func() (expense.Version, error) { return t.tx.DeleteRule(ctx, id) })
}
