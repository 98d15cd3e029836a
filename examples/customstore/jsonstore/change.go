package jsonstore

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// State implements [store.Reader].
func (r reader) State(ctx context.Context) (store.State, error) {
	l, err := r(ctx)
	if err == nil && l.Version == 0 {
		err = noLedger()
	}
	if err != nil {
		return store.State{}, err
	}
	return l.state(), nil
}

// Changes implements [store.Reader]. It reads every row. A store for production needs an index by version.
func (r reader) Changes(ctx context.Context, query store.ChangeQuery) ([]store.Change, error) {
	l, err := r(ctx)
	if err != nil || l.Version == 0 {
		return nil, err
	}
	all := []store.Change{{
		FeedPosition: store.FeedPosition{Version: l.Settings.Version, Type: store.SettingsRow}, Row: l.Settings.Settings,
	}}
	all = append(all, changesOf(store.ExpenseRow, l.Expenses, expenseFields)...)
	all = append(all, changesOf(store.CategoryRow, l.Categories, categoryFields)...)
	all = append(all, changesOf(store.BudgetRow, l.Budgets, budgetFields)...)
	all = append(all, changesOf(store.RuleRow, l.Rules, ruleFields)...)
	all = append(all, changesOf(store.AlertRow, l.Alerts, alertFields)...)
	all = slices.DeleteFunc(all, func(c store.Change) bool {
		return c.Compare(query.After) <= 0 || c.Deleted && c.Version <= query.SkipTombstonesThrough
	})
	slices.SortFunc(all, func(a, b store.Change) int { return a.Compare(b.FeedPosition) })
	if query.Limit > 0 {
		all = all[:min(query.Limit, len(all))]
	}
	for i := range all {
		if b, ok := all[i].Row.(budget.Budget); ok {
			all[i].Row = cloneBudget(b)
		}
	}
	return all, nil
}

func changesOf[R any](rowType store.RowType, t table[R], commonFieldsOf func(*R) commonFields) []store.Change {
	changes := make([]store.Change, 0, len(t.Rows)+len(t.Tombstones))
	for id, row := range t.Rows {
		position := store.FeedPosition{Version: *commonFieldsOf(&row).version, Type: rowType, ID: id}
		changes = append(changes, store.Change{FeedPosition: position, Row: row})
	}
	for id, tombstone := range t.Tombstones {
		position := store.FeedPosition{Version: tombstone.Version, Type: rowType, ID: id}
		changes = append(changes, store.Change{FeedPosition: position, Deleted: true, MergedInto: tombstone.MergedInto})
	}
	return changes
}

// MergedInto implements [expense.Reader].
func (r reader) MergedInto(ctx context.Context, id uuid.UUID) (uuid.UUID, error) {
	l, err := r(ctx)
	if err != nil {
		return uuid.Nil, err
	}
	tombstone, ok := l.Categories.Tombstones[id]
	if !ok {
		return uuid.Nil, fmt.Errorf("tombstone of category %s: %w", id, expense.ErrNotFound)
	}
	return tombstone.MergedInto, nil
}
