package memstore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// Category implements [expense.Reader].
func (r reader) Category(ctx context.Context, id uuid.UUID) (expense.Category, error) {
	l, err := r.at(ctx)
	if err != nil {
		return expense.Category{}, err
	}
	return l.categories.row("category", id)
}

// CategoryByName implements [expense.Reader].
func (r reader) CategoryByName(ctx context.Context, name string) (expense.Category, error) {
	l, err := r.at(ctx)
	if err != nil {
		return expense.Category{}, err
	}
	for category := range l.categories.rows.values() {
		if expense.Fold(category.Name) == expense.Fold(name) {
			return category, nil
		}
	}
	return expense.Category{}, fmt.Errorf("category named %q: %w", name, expense.ErrNotFound)
}

// Categories implements [expense.Reader].
func (r reader) Categories(ctx context.Context) ([]expense.Category, error) {
	l, err := r.at(ctx)
	if err != nil {
		return nil, err
	}
	return l.sortedCategories(), nil
}

func (l *ledger) sortedCategories() []expense.Category {
	return slices.SortedFunc(l.categories.rows.values(), func(a, b expense.Category) int {
		return strings.Compare(expense.Fold(a.Name), expense.Fold(b.Name))
	})
}

// PutCategories implements [expense.Tx].
func (t *tx) PutCategories(ctx context.Context, categories ...expense.Category) (expense.Version, error) {
	fields := func(c *expense.Category) rowFields {
		return rowFields{c.ID, &c.Version, nil, &c.CreatedAt, &c.UpdatedAt}
	}
	return t.write(ctx, len(categories), func(next *ledger) error {
		retryRules := func(c, _ *expense.Category) error {
			t.retryRules(next, c.ID)
			return nil
		}
		if err := put(t, &next.categories, "category", categories, fields, nil, retryRules); err != nil {
			return err
		}
		taken := make(map[string]bool)
		for category := range next.categories.rows.values() {
			name := expense.Fold(category.Name)
			if taken[name] {
				return fmt.Errorf("category named %q: %w", category.Name, expense.ErrExists)
			}
			taken[name] = true
		}
		return nil
	})
}

// retryRules clears the failure of the category's rules, so that they are tried again: the category may have been the
// cause.
func (t *tx) retryRules(next *ledger, category uuid.UUID) {
	for rule := range next.rules.rows.values() {
		if rule.CategoryID == category && rule.LastError != "" {
			rule.Version = t.next
			next.rules.put(rule.ID, rule.WithoutFailure())
		}
	}
}

// DeleteCategory implements [expense.Tx].
func (t *tx) DeleteCategory(ctx context.Context, id uuid.UUID) (expense.Version, error) {
	return t.write(ctx, 1, func(next *ledger) error {
		_, err := next.categories.delete("category", id, t.tombstone())
		if err == nil && next.refersTo(id) {
			err = fmt.Errorf("category %s: %w", id, expense.ErrInUse)
		}
		return err
	})
}

// refersTo reports whether a row refers to the category.
func (l *ledger) refersTo(category uuid.UUID) bool {
	if l.settings.DefaultCategory == category {
		return true
	}
	for e := range l.expenses.rows.values() {
		if e.CategoryID == category {
			return true
		}
	}
	for rule := range l.rules.rows.values() {
		if rule.CategoryID == category {
			return true
		}
	}
	for b := range l.budgets.rows.values() {
		if b.CategoryID == category || b.MergedInto == category {
			return true
		}
	}
	return false
}

// MergeCategory implements [expense.Tx].
func (t *tx) MergeCategory(
	ctx context.Context, source, target uuid.UUID, month expense.Month,
) (expense.MergeResult, error) {
	var merged expense.MergeResult
	version, err := t.write(ctx, 1, func(next *ledger) error {
		category, err := next.categories.row("category", source)
		if err != nil {
			return err
		}
		if _, err := next.categories.row("category", target); err != nil {
			return err
		}
		if source == target {
			return &expense.InvalidError{Field: "into", Code: "same_category",
				Detail: "a category cannot be merged into itself; name another"}
		}
		if next.settings.DefaultCategory == source {
			return fmt.Errorf("category %s is the default: %w", source, expense.ErrInUse)
		}
		for e := range next.expenses.rows.values() {
			if e.CategoryID == source {
				e.CategoryID, e.Version = target, t.next
				next.expenses.put(e.ID, e)
				merged.Expenses++
			}
		}
		for rule := range next.rules.rows.values() {
			if rule.CategoryID == source {
				rule.CategoryID, rule.Version = target, t.next
				next.rules.put(rule.ID, rule)
				merged.Rules++
			}
		}
		t.retryRules(next, target)
		merged.BudgetID, merged.BudgetUntil = t.endBudget(next, category, target, month.Add(-1))
		tomb := t.tombstone()
		tomb.mergedInto, tomb.name = target, expense.Fold(category.Name)
		next.categories.remove(source, tomb)
		return nil
	})
	merged.Version = version
	if err != nil {
		return expense.MergeResult{}, err
	}
	return merged, nil
}
