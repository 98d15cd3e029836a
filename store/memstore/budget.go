package memstore

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
)

// BudgetSnapshot implements [budget.Reader].
func (r reader) BudgetSnapshot(ctx context.Context) (budget.Snapshot, error) {
	l, err := r.at(ctx)
	if err != nil {
		return budget.Snapshot{}, err
	}
	if l.version == 0 {
		return budget.Snapshot{}, errNoLedger()
	}
	snapshot := budget.Snapshot{Settings: l.settings, Categories: l.sortedCategories()}
	for b := range l.budgets.rows.values() {
		snapshot.Budgets = append(snapshot.Budgets, cloneBudget(b))
	}
	for rule := range l.rules.rows.values() {
		snapshot.HasUpcomingOccurrences = snapshot.HasUpcomingOccurrences || !rule.Paused && !rule.Next.IsZero()
	}
	return snapshot, nil
}

// Budget implements [budget.Reader].
func (r reader) Budget(ctx context.Context, id uuid.UUID) (budget.Budget, error) {
	l, err := r.at(ctx)
	if err != nil {
		return budget.Budget{}, err
	}
	b, err := l.budgets.row("budget", id)
	return cloneBudget(b), err
}

// cloneBudget returns a copy that shares no memory with b.
func cloneBudget(b budget.Budget) budget.Budget {
	b.Entries, b.AlertAt = slices.Clone(b.Entries), slices.Clone(b.AlertAt)
	return b
}

// PutBudgets implements [budget.Tx].
func (t *tx) PutBudgets(ctx context.Context, budgets ...budget.Budget) (expense.Version, error) {
	fields := func(b *budget.Budget) rowFields {
		return rowFields{b.ID, &b.Version, &b.Guard, &b.CreatedAt, &b.UpdatedAt}
	}
	return t.write(ctx, len(budgets), func(next *ledger) error {
		check := func(b, old *budget.Budget) error {
			*b = cloneBudget(*b)
			if b.CategoryID == uuid.Nil || b.CategoryID == old.CategoryID {
				return nil // a budget whose category was merged keeps the id of that category
			}
			return next.checkCategory(b.CategoryID, "budget", b.ID)
		}
		err := put(t, &next.budgets, "budget", budgets, fields, budget.Budget.SameGuardedFields, check)
		if err != nil {
			return err
		}
		taken := make(map[uuid.UUID]bool)
		for b := range next.budgets.rows.values() {
			if taken[b.CategoryID] {
				return fmt.Errorf("budget of category %s: %w", b.CategoryID, expense.ErrExists)
			}
			taken[b.CategoryID] = true
		}
		return nil
	})
}

// DeleteBudget implements [budget.Tx].
func (t *tx) DeleteBudget(ctx context.Context, id uuid.UUID) (expense.Version, error) {
	return t.write(ctx, 1, func(next *ledger) error {
		_, err := next.budgets.delete("budget", id, t.tombstone())
		return err
	})
}

// HasBudgets implements [budget.Tx].
func (t *tx) HasBudgets(ctx context.Context) (bool, error) {
	return !t.current.budgets.rows.empty(), t.usable(ctx)
}

// endBudget ends the budget of a category that is merged into another: last becomes its last month. It returns the
// budget's id and last month; uuid.Nil if no budget was in force, and no month if the budget would have begun later and
// is deleted. The budget, and the budgets of earlier merges into the category, follow the expenses to the other
// category.
func (t *tx) endBudget(
	next *ledger, category expense.Category, into uuid.UUID, last expense.Month,
) (ended uuid.UUID, until expense.Month) {
	for b := range next.budgets.rows.values() {
		switch {
		case b.MergedInto == category.ID:
		case b.CategoryID != category.ID:
			continue
		case b.Entries[0].From.After(last):
			next.budgets.remove(b.ID, t.tombstone())
			ended = b.ID
			continue
		default:
			b.MergedName = category.Name
			if b.Until.IsZero() || b.Until.After(last) {
				b.Until, b.Guard = last, t.next
				ended, until = b.ID, last
			}
		}
		b.MergedInto, b.Version = into, t.next
		next.budgets.put(b.ID, b)
	}
	return ended, until
}
