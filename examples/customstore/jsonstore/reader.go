package jsonstore

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
)

// A reader returns the ledger to read: the committed one, a snapshot, or that of a running Update.
type reader func(context.Context) (*ledger, error)

// Settings implements [expense.Reader].
func (r reader) Settings(ctx context.Context) (expense.Settings, error) {
	l, err := r(ctx)
	if err == nil && l.Version == 0 {
		err = noLedger()
	}
	if err != nil {
		return expense.Settings{}, err
	}
	return l.Settings.Settings, nil
}

// Category implements [expense.Reader].
func (r reader) Category(ctx context.Context, id uuid.UUID) (expense.Category, error) {
	l, err := r(ctx)
	if err != nil {
		return expense.Category{}, err
	}
	return l.Categories.get(id)
}

// CategoryByName implements [expense.Reader].
func (r reader) CategoryByName(ctx context.Context, name string) (expense.Category, error) {
	categories, err := r.Categories(ctx)
	if err != nil {
		return expense.Category{}, err
	}
	for _, category := range categories {
		if expense.Fold(category.Name) == expense.Fold(name) {
			return category, nil
		}
	}
	return expense.Category{}, fmt.Errorf("category named %q: %w", name, expense.ErrNotFound)
}

// Categories implements [expense.Reader].
func (r reader) Categories(ctx context.Context) ([]expense.Category, error) {
	l, err := r(ctx)
	if err != nil {
		return nil, err
	}
	return l.sortedCategories(), nil
}

func (l *ledger) sortedCategories() []expense.Category {
	return slices.SortedFunc(maps.Values(l.Categories.Rows), func(a, b expense.Category) int {
		return strings.Compare(expense.Fold(a.Name), expense.Fold(b.Name))
	})
}

// Expense implements [expense.Reader].
func (r reader) Expense(ctx context.Context, id uuid.UUID) (expense.Expense, error) {
	l, err := r(ctx)
	if err != nil {
		return expense.Expense{}, err
	}
	return l.Expenses.get(id)
}

// KnownExpenseIDs implements [expense.Reader].
func (r reader) KnownExpenseIDs(ctx context.Context, ids ...uuid.UUID) ([]uuid.UUID, error) {
	l, err := r(ctx)
	if err != nil {
		return nil, err
	}
	known := make(map[uuid.UUID]bool)
	for _, id := range ids {
		_, live := l.Expenses.Rows[id]
		_, deleted := l.Expenses.Tombstones[id]
		if live || deleted {
			known[id] = true
		}
	}
	return slices.Collect(maps.Keys(known)), nil
}

// Expenses implements [expense.Reader]. It selects all rows before it yields the first one. So the body of the loop
// may write.
func (r reader) Expenses(ctx context.Context, query expense.Query) iter.Seq2[expense.Expense, error] {
	return func(yield func(expense.Expense, error) bool) {
		l, err := r(ctx)
		if err != nil {
			yield(expense.Expense{}, err)
			return
		}
		for _, e := range l.selectExpenses(query) {
			if err := ctx.Err(); err != nil {
				yield(expense.Expense{}, err)
				return
			}
			if !yield(e, nil) {
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

// Totals implements [expense.Reader]. It computes the sums from the expenses each time.
func (r reader) Totals(ctx context.Context, query expense.TotalsQuery) ([]expense.Total, error) {
	l, err := r(ctx)
	if err != nil {
		return nil, err
	}
	sums := make(map[expense.Total]*expense.Total) // the key is the total without amounts
	for i, span := range query.Ranges {
		for _, e := range l.Expenses.Rows {
			if !span.Contains(e.Date) {
				continue
			}
			key := expense.Total{
				Range: i, Period: query.Granularity.Truncate(e.Date), CategoryID: e.CategoryID,
				Amount: zero(e.Amount), Home: zero(e.Home), Pending: zero(e.Amount),
			}
			total, ok := sums[key]
			if !ok {
				total = new(expense.Total)
				*total = key
				sums[key] = total
			}
			if err := add(total, e); err != nil {
				return nil, fmt.Errorf("total of category %s: %w", e.CategoryID, err)
			}
		}
	}
	totals := make([]expense.Total, 0, len(sums))
	for _, total := range sums {
		totals = append(totals, *total)
	}
	slices.SortFunc(totals, func(a, b expense.Total) int {
		return cmp.Or(cmp.Compare(a.Range, b.Range), a.Period.Compare(b.Period), compareIDs(a.CategoryID, b.CategoryID),
			cmp.Compare(a.Amount.Currency().Code(), b.Amount.Currency().Code()))
	})
	return totals, nil
}

// zero returns the amount 0 in the currency of m.
func zero(m expense.Money) expense.Money { return expense.ClampMoney(0, m.Currency()) }

// add adds e to total. The sums never overflow, because PutExpenses limits the volume of the ledger.
func add(total *expense.Total, e expense.Expense) (err error) {
	total.Count++
	if total.Amount, err = total.Amount.Add(e.Amount); err != nil {
		return err
	}
	if e.Pending() {
		total.PendingCount++
		total.Pending, err = total.Pending.Add(e.Amount)
		return err
	}
	total.Home, err = total.Home.Add(e.Home)
	return err
}

// BudgetSnapshot implements [budget.Reader].
func (r reader) BudgetSnapshot(ctx context.Context) (budget.Snapshot, error) {
	l, err := r(ctx)
	if err == nil && l.Version == 0 {
		err = noLedger()
	}
	if err != nil {
		return budget.Snapshot{}, err
	}
	snapshot := budget.Snapshot{Settings: l.Settings.Settings, Categories: l.sortedCategories()}
	for _, b := range l.Budgets.Rows {
		snapshot.Budgets = append(snapshot.Budgets, cloneBudget(b))
	}
	slices.SortFunc(snapshot.Budgets, func(a, b budget.Budget) int { return compareIDs(a.ID, b.ID) })
	for _, rule := range l.Rules.Rows {
		snapshot.HasUpcomingOccurrences = snapshot.HasUpcomingOccurrences || !rule.Paused && !rule.Next.IsZero()
	}
	return snapshot, nil
}

// Budget implements [budget.Reader].
func (r reader) Budget(ctx context.Context, id uuid.UUID) (budget.Budget, error) {
	l, err := r(ctx)
	if err != nil {
		return budget.Budget{}, err
	}
	b, err := l.Budgets.get(id)
	return cloneBudget(b), err
}

// cloneBudget returns a copy of b with slices of its own, because a caller may modify what it passed or got.
func cloneBudget(b budget.Budget) budget.Budget {
	b.Entries, b.AlertAt = slices.Clone(b.Entries), slices.Clone(b.AlertAt)
	return b
}

// Rule implements [recurrence.Reader].
func (r reader) Rule(ctx context.Context, id uuid.UUID) (recurrence.Rule, error) {
	l, err := r(ctx)
	if err != nil {
		return recurrence.Rule{}, err
	}
	return l.Rules.get(id)
}

// Rules implements [recurrence.Reader].
func (r reader) Rules(ctx context.Context) ([]recurrence.Rule, error) {
	l, err := r(ctx)
	if err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Values(l.Rules.Rows), func(a, b recurrence.Rule) int {
		return compareIDs(a.ID, b.ID)
	}), nil
}

// Alerts implements [budget.Reader].
func (r reader) Alerts(ctx context.Context, from expense.Month) ([]budget.Alert, error) {
	l, err := r(ctx)
	if err != nil {
		return nil, err
	}
	var alerts []budget.Alert
	for _, alert := range l.Alerts.Rows {
		if !alert.Month.Before(from) {
			alerts = append(alerts, alert)
		}
	}
	slices.SortFunc(alerts, func(a, b budget.Alert) int {
		return cmp.Or(b.Month.Compare(a.Month), b.RaisedAt.Compare(a.RaisedAt), compareIDs(a.ID, b.ID))
	})
	return alerts, nil
}
