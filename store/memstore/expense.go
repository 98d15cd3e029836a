package memstore

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// Expense implements [expense.Reader].
func (r reader) Expense(ctx context.Context, id uuid.UUID) (expense.Expense, error) {
	l, err := r.at(ctx)
	if err != nil {
		return expense.Expense{}, err
	}
	return l.expenses.row("expense", id)
}

// KnownExpenseIDs implements [expense.Reader].
func (r reader) KnownExpenseIDs(ctx context.Context, ids ...uuid.UUID) ([]uuid.UUID, error) {
	l, err := r.at(ctx)
	if err != nil {
		return nil, err
	}
	var known []uuid.UUID
	for _, id := range ids {
		_, stored := l.expenses.rows.get(id)
		_, deleted := l.expenses.tombstones.get(id)
		if (stored || deleted) && !slices.Contains(known, id) {
			known = append(known, id)
		}
	}
	return known, nil
}

// Expenses implements [expense.Reader].
func (r reader) Expenses(ctx context.Context, query expense.Query) iter.Seq2[expense.Expense, error] {
	return func(yield func(expense.Expense, error) bool) {
		l, err := r.at(ctx)
		if err != nil {
			yield(expense.Expense{}, err)
			return
		}
		for _, e := range l.list(query) {
			if err := ctx.Err(); err != nil {
				yield(expense.Expense{}, err)
				return
			}
			if !yield(*e.row, nil) {
				return
			}
		}
	}
}

// A listedExpense is an expense with its position in a list.
type listedExpense struct {
	position expense.Position
	row      *expense.Expense
}

// list returns the expenses that query selects, in its order.
func (l *ledger) list(query expense.Query) []listedExpense {
	order := func(a, b expense.Position) int {
		c := cmp.Compare(a.SortKey, b.SortKey)
		if c == 0 {
			c = compareIDs(a.ID, b.ID)
		}
		if query.Sort.Descending() {
			return -c
		}
		return c
	}
	var selected []listedExpense
	for row := range l.expenses.rows.rows() {
		position := query.Sort.Position(*row)
		if query.Matches(*row) && (query.After.IsZero() || order(position, query.After) > 0) {
			selected = append(selected, listedExpense{position, row})
		}
	}
	slices.SortFunc(selected, func(a, b listedExpense) int { return order(a.position, b.position) })
	if query.Limit > 0 && query.Limit < len(selected) {
		selected = selected[:query.Limit]
	}
	return selected
}

// Totals implements [expense.Reader]. It adds up the rows.
func (r reader) Totals(ctx context.Context, query expense.TotalsQuery) ([]expense.Total, error) {
	l, err := r.at(ctx)
	if err != nil {
		return nil, err
	}
	return query.Sum(l.expenses.rows.values())
}

// PutExpenses implements [expense.Tx].
func (t *tx) PutExpenses(ctx context.Context, expenses ...expense.Expense) (expense.Version, error) {
	fields := func(e *expense.Expense) rowFields {
		return rowFields{e.ID, &e.Version, &e.Guard, &e.CreatedAt, &e.UpdatedAt}
	}
	return t.write(ctx, len(expenses), func(next *ledger) error {
		check := func(e, old *expense.Expense) error {
			next.volume -= old.Volume()
			return next.checkCategory(e.CategoryID, "expense", e.ID)
		}
		err := put(t, &next.expenses, "expense", expenses, fields, expense.Expense.SameGuardedFields, check)
		if err != nil {
			return err
		}
		// Subtract the volume of all old rows first, so that only the final sum is compared with the limit.
		for _, e := range expenses {
			next.volume += e.Volume()
			if next.volume > expense.MaxMinor {
				return expense.ErrTotalTooLarge
			}
		}
		return nil
	})
}

// DeleteExpenses implements [expense.Tx].
func (t *tx) DeleteExpenses(ctx context.Context, ids ...uuid.UUID) (expense.Version, error) {
	return t.write(ctx, len(ids), func(next *ledger) error {
		for _, id := range ids {
			e, err := next.expenses.delete("expense", id, t.tombstone())
			if err != nil {
				return err
			}
			next.volume -= e.Volume()
		}
		return nil
	})
}
