package memstore

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
)

// Book implements [budget.Reader].
func (r reader) Book(ctx context.Context) (budget.Book, error) {
	l, err := r.at(ctx)
	if err != nil {
		return budget.Book{}, err
	}
	if l.version == 0 {
		return budget.Book{}, errNoLedger()
	}
	book := budget.Book{Settings: l.settings, Categories: l.sortedCategories()}
	for b := range l.budgets.rows.values() {
		book.Budgets = append(book.Budgets, cloneBudget(b))
	}
	return book, nil
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

// cloneBudget returns a budget that shares no memory with b.
func cloneBudget(b budget.Budget) budget.Budget {
	b.Entries, b.AlertAt = slices.Clone(b.Entries), slices.Clone(b.AlertAt)
	return b
}

// PutBudgets implements [budget.Tx].
func (t *tx) PutBudgets(ctx context.Context, budgets ...budget.Budget) (expense.Version, error) {
	if len(budgets) == 0 {
		return 0, t.usable(ctx)
	}
	return t.write(ctx, func(next *ledger) error {
		if err := distinct("budget", budgets, func(b budget.Budget) uuid.UUID { return b.ID }); err != nil {
			return err
		}
		for _, b := range budgets {
			old, found, err := next.budgets.forWrite("budget", b.ID, b.Version,
				func(b budget.Budget) expense.Version { return b.Version })
			if err != nil {
				return err
			}
			// A series that a merge ended keeps the id of the category that is gone.
			if b.CategoryID != uuid.Nil && (!found || b.CategoryID != old.CategoryID) {
				if err := next.holds(b.CategoryID, "budget", b.ID); err != nil {
					return err
				}
			}
			b.Version, b.Guard = t.next, old.Guard
			if !found || !b.SameGuarded(old) {
				b.Guard = t.next
			}
			b.CreatedAt, b.UpdatedAt = expense.Instant(b.CreatedAt), expense.Instant(b.UpdatedAt)
			next.budgets.put(b.ID, cloneBudget(b))
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
	return t.write(ctx, func(next *ledger) error {
		if _, err := next.budgets.row("budget", id); err != nil {
			return err
		}
		next.budgets.bury(id, t.tombstone())
		return nil
	})
}

// endBudget ends the series of a category that is merged away with the month last, and returns its id and its last month;
// Nil where there is none in force, and no month where it would only have begun later, so that it is deleted.
func (t *tx) endBudget(next *ledger, category expense.Category, last expense.Month) (uuid.UUID, expense.Month) {
	for b := range next.budgets.rows.values() {
		if b.CategoryID != category.ID {
			continue
		}
		switch {
		case !b.Until.IsZero() && !b.Until.After(last):
			return uuid.Nil, expense.Month{}
		case b.Entries[0].From.After(last):
			next.budgets.bury(b.ID, t.tombstone())
			return b.ID, expense.Month{}
		}
		b.Until, b.Label = last, category.Name
		b.Version, b.Guard = t.next, t.next
		next.budgets.put(b.ID, b)
		return b.ID, last
	}
	return uuid.Nil, expense.Month{}
}
