package jsonstore

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
)

// A reader implements [store.Reader]. It returns the ledger to read: the committed one, a snapshot, or that of a
// running Update; nil if there is none.
type reader func(context.Context) (*ledger, error)

// read calls fn with the ledger, which has no rows if the owner has no ledger.
func read[V any](ctx context.Context, r reader, fn func(*ledger) (V, error)) (value V, err error) {
	l, err := r(ctx)
	if err != nil {
		return value, err
	}
	if l == nil {
		l = new(ledger)
	}
	return fn(l)
}

// readExisting is read with ErrNotFound if the owner has no ledger.
func readExisting[V any](ctx context.Context, r reader, fn func(*ledger) V) (V, error) {
	return read(ctx, r, func(l *ledger) (value V, err error) {
		if l.Version == 0 {
			return value, errNoLedger()
		}
		return fn(l), nil
	})
}

func (r reader) State(ctx context.Context) (store.State, error) {
	return readExisting(ctx, r, func(l *ledger) store.State { return l.State })
}

func (r reader) Settings(ctx context.Context) (expense.Settings, error) {
	return readExisting(ctx, r, func(l *ledger) expense.Settings { return l.Settings })
}

func (r reader) Category(ctx context.Context, id uuid.UUID) (expense.Category, error) {
	return read(ctx, r, func(l *ledger) (expense.Category, error) { return l.Categories.get(id) })
}

func (r reader) CategoryByName(ctx context.Context, name string) (expense.Category, error) {
	return read(ctx, r, func(l *ledger) (expense.Category, error) {
		for _, category := range l.Categories.Rows {
			if expense.Fold(category.Name) == expense.Fold(name) {
				return category, nil
			}
		}
		return expense.Category{}, fmt.Errorf("category named %q: %w", name, expense.ErrNotFound)
	})
}

func (r reader) MergedInto(ctx context.Context, id uuid.UUID) (uuid.UUID, error) {
	return read(ctx, r, func(l *ledger) (uuid.UUID, error) {
		if tombstone, ok := l.Categories.Tombstones[id]; ok {
			return tombstone.MergedInto, nil
		}
		return uuid.Nil, fmt.Errorf("tombstone of category %s: %w", id, expense.ErrNotFound)
	})
}

func (r reader) Categories(ctx context.Context) ([]expense.Category, error) {
	return read(ctx, r, func(l *ledger) ([]expense.Category, error) { return l.sortedCategories(), nil })
}

func (l *ledger) sortedCategories() []expense.Category {
	return l.Categories.sorted(func(a, b expense.Category) int {
		return cmp.Compare(expense.Fold(a.Name), expense.Fold(b.Name))
	})
}

func (r reader) Expense(ctx context.Context, id uuid.UUID) (expense.Expense, error) {
	return read(ctx, r, func(l *ledger) (expense.Expense, error) { return l.Expenses.get(id) })
}

func (r reader) KnownExpenseIDs(ctx context.Context, ids ...uuid.UUID) ([]uuid.UUID, error) {
	return read(ctx, r, func(l *ledger) ([]uuid.UUID, error) {
		known := make(map[uuid.UUID]bool)
		for _, id := range ids {
			_, exists := l.Expenses.Rows[id]
			_, deleted := l.Expenses.Tombstones[id]
			if exists || deleted {
				known[id] = true
			}
		}
		return slices.Collect(maps.Keys(known)), nil
	})
}

// Expenses selects all rows before it yields the first one, so the loop's body may write.
func (r reader) Expenses(ctx context.Context, query expense.Query) iter.Seq2[expense.Expense, error] {
	return func(yield func(expense.Expense, error) bool) {
		rows, err := read(ctx, r, func(l *ledger) ([]expense.Expense, error) { return l.selectExpenses(query), nil })
		if err != nil {
			yield(expense.Expense{}, err)
			return
		}
		for _, e := range rows {
			if err := ctx.Err(); !yield(e, err) || err != nil {
				return
			}
		}
	}
}

func (l *ledger) selectExpenses(query expense.Query) []expense.Expense {
	compare := func(a, b expense.Position) int {
		if query.Sort.Descending() {
			a, b = b, a
		}
		return cmp.Or(cmp.Compare(a.SortKey, b.SortKey), compareIDs(a.ID, b.ID))
	}
	var selected []expense.Expense
	for _, e := range l.Expenses.Rows {
		if query.Matches(e) && (query.After.IsZero() || compare(query.Sort.Position(e), query.After) > 0) {
			selected = append(selected, e)
		}
	}
	slices.SortFunc(selected, func(a, b expense.Expense) int {
		return compare(query.Sort.Position(a), query.Sort.Position(b))
	})
	if query.Limit > 0 {
		selected = selected[:min(query.Limit, len(selected))]
	}
	return selected
}

// Totals computes the sums from the expenses each time.
func (r reader) Totals(ctx context.Context, query expense.TotalsQuery) ([]expense.Total, error) {
	return read(ctx, r, func(l *ledger) ([]expense.Total, error) {
		return query.Sum(maps.Values(l.Expenses.Rows))
	})
}

func (r reader) BudgetSnapshot(ctx context.Context) (budget.Snapshot, error) {
	return readExisting(ctx, r, func(l *ledger) budget.Snapshot {
		snapshot := budget.Snapshot{Settings: l.Settings, Categories: l.sortedCategories()}
		for _, b := range l.Budgets.sorted(func(a, b budget.Budget) int { return compareIDs(a.ID, b.ID) }) {
			snapshot.Budgets = append(snapshot.Budgets, cloneBudget(b))
		}
		snapshot.HasUpcomingOccurrences = l.Rules.contains(func(rule recurrence.Rule) bool {
			return !rule.Paused && !rule.Next.IsZero()
		})
		return snapshot
	})
}

func (r reader) Budget(ctx context.Context, id uuid.UUID) (budget.Budget, error) {
	return read(ctx, r, func(l *ledger) (budget.Budget, error) {
		b, err := l.Budgets.get(id)
		return cloneBudget(b), err
	})
}

// cloneBudget returns a copy of b with slices of its own, because a caller may modify what it passed or got.
func cloneBudget(b budget.Budget) budget.Budget {
	b.Entries, b.AlertAt = slices.Clone(b.Entries), slices.Clone(b.AlertAt)
	return b
}

func (r reader) Alerts(ctx context.Context, from expense.Month) ([]budget.Alert, error) {
	return read(ctx, r, func(l *ledger) ([]budget.Alert, error) {
		alerts := l.Alerts.sorted(func(a, b budget.Alert) int {
			return cmp.Or(b.Month.Compare(a.Month), b.RaisedAt.Compare(a.RaisedAt), compareIDs(a.ID, b.ID))
		})
		return slices.DeleteFunc(alerts, func(alert budget.Alert) bool { return alert.Month.Before(from) }), nil
	})
}

func (r reader) Rule(ctx context.Context, id uuid.UUID) (recurrence.Rule, error) {
	return read(ctx, r, func(l *ledger) (recurrence.Rule, error) { return l.Rules.get(id) })
}

func (r reader) Rules(ctx context.Context) ([]recurrence.Rule, error) {
	return read(ctx, r, func(l *ledger) ([]recurrence.Rule, error) {
		return l.Rules.sorted(func(a, b recurrence.Rule) int { return compareIDs(a.ID, b.ID) }), nil
	})
}

// Changes reads every row. A store for production needs an index by version.
func (r reader) Changes(ctx context.Context, query store.ChangeQuery) ([]store.Change, error) {
	return read(ctx, r, func(l *ledger) ([]store.Change, error) {
		if l.Version == 0 {
			return nil, nil
		}
		position := store.FeedPosition{Version: l.Settings.Version, Type: store.SettingsRow}
		changes := slices.Concat([]store.Change{{FeedPosition: position, Row: l.Settings}},
			changesOf(store.ExpenseRow, l.Expenses), changesOf(store.CategoryRow, l.Categories),
			changesOf(store.BudgetRow, l.Budgets), changesOf(store.RuleRow, l.Rules), changesOf(store.AlertRow, l.Alerts))
		changes = slices.DeleteFunc(changes, func(c store.Change) bool {
			return c.Compare(query.After) <= 0 || c.Deleted && c.Version <= query.SkipTombstonesThrough
		})
		slices.SortFunc(changes, func(a, b store.Change) int { return a.Compare(b.FeedPosition) })
		if query.Limit > 0 {
			changes = changes[:min(query.Limit, len(changes))]
		}
		return changes, nil
	})
}

func changesOf[R any](rowType store.RowType, t table[R]) []store.Change {
	var changes []store.Change
	for id, row := range t.Rows {
		position := store.FeedPosition{Version: *fieldsOf(&row).version, Type: rowType, ID: id}
		var content any = row
		if b, ok := content.(budget.Budget); ok {
			content = cloneBudget(b)
		}
		changes = append(changes, store.Change{FeedPosition: position, Row: content})
	}
	for id, tombstone := range t.Tombstones {
		position := store.FeedPosition{Version: tombstone.Version, Type: rowType, ID: id}
		changes = append(changes, store.Change{FeedPosition: position, Deleted: true, MergedInto: tombstone.MergedInto})
	}
	return changes
}
