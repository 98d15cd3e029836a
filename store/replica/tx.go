package replica

import (
	"context"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
)

// A trackedTx is the transaction of a mutation's use case. It notes what the use case writes. It embeds only a Reader,
// so the compiler finds a write method that it lacks.
type trackedTx struct {
	store.Reader

	tx       store.Tx
	wrote    bool // the use case has written something
	expenses int  // how many expenses it has written
}

func (t *trackedTx) note(version expense.Version, err error) (expense.Version, error) {
	t.wrote = t.wrote || err == nil
	return version, err
}

func (t *trackedTx) HasBudgets(ctx context.Context) (bool, error) { return t.tx.HasBudgets(ctx) }

func (t *trackedTx) PutSettings(ctx context.Context, settings expense.Settings) (expense.Version, error) {
	return t.note(t.tx.PutSettings(ctx, settings))
}

func (t *trackedTx) PutCategories(ctx context.Context, rows ...expense.Category) (expense.Version, error) {
	return t.note(t.tx.PutCategories(ctx, rows...))
}

func (t *trackedTx) DeleteCategory(ctx context.Context, id uuid.UUID) (expense.Version, error) {
	return t.note(t.tx.DeleteCategory(ctx, id))
}

func (t *trackedTx) MergeCategory(
	ctx context.Context, from, into uuid.UUID, month expense.Month,
) (expense.MergeResult, error) {
	result, err := t.tx.MergeCategory(ctx, from, into, month)
	_, err = t.note(0, err)
	return result, err
}

func (t *trackedTx) PutExpenses(ctx context.Context, rows ...expense.Expense) (expense.Version, error) {
	version, err := t.note(t.tx.PutExpenses(ctx, rows...))
	if err == nil {
		t.expenses += len(rows)
	}
	return version, err
}

func (t *trackedTx) DeleteExpenses(ctx context.Context, ids ...uuid.UUID) (expense.Version, error) {
	return t.note(t.tx.DeleteExpenses(ctx, ids...))
}

func (t *trackedTx) PutBudgets(ctx context.Context, rows ...budget.Budget) (expense.Version, error) {
	return t.note(t.tx.PutBudgets(ctx, rows...))
}

func (t *trackedTx) DeleteBudget(ctx context.Context, id uuid.UUID) (expense.Version, error) {
	return t.note(t.tx.DeleteBudget(ctx, id))
}

func (t *trackedTx) PutAlerts(ctx context.Context, rows ...budget.Alert) (expense.Version, error) {
	return t.note(t.tx.PutAlerts(ctx, rows...))
}

func (t *trackedTx) PutRules(ctx context.Context, rows ...recurrence.Rule) (expense.Version, error) {
	return t.note(t.tx.PutRules(ctx, rows...))
}

func (t *trackedTx) DeleteRule(ctx context.Context, id uuid.UUID) (expense.Version, error) {
	return t.note(t.tx.DeleteRule(ctx, id))
}
