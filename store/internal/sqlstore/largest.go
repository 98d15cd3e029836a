package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

const (
	// maxLargest is how many rows may be asked of the index by month; longer lists are cheaper to sort as a whole.
	maxLargest = 200
	// monthsAtOnce is how many months one statement asks; SQLite joins at most 500 SELECTs.
	monthsAtOnce = 60
)

// byMonths reports whether a list is that of the first few by amount of a span of days and nothing else narrows it:
// then each month's first few come out of an index, and the first of those are the list's.
func byMonths(q expense.Query) bool {
	return (q.Sort == expense.LargestFirst || q.Sort == expense.SmallestFirst) && q.Limit > 0 && q.Limit <= maxLargest &&
		q.After.IsZero() &&
		!q.Dates.From.IsZero() && !q.Dates.To.IsZero() && !q.Dates.To.Before(q.Dates.From) &&
		len(q.Categories) == 0 && q.Currency.IsZero() && q.AmountMin.Currency().IsZero() && q.AmountMax.Currency().IsZero() &&
		q.Text == "" && q.RuleID == uuid.Nil && q.Pending == nil
}

// extremes returns what [byMonths] says can be had so.
func (r *reader) extremes(ctx context.Context, query expense.Query) ([]expense.Expense, error) {
	var found []expense.Expense
	for first := query.Dates.From.Month(); !first.IsZero() &&
		!first.After(query.Dates.To.Month()); first = first.Add(monthsAtOnce) {
		span := query.Dates
		if first.First().After(span.From) {
			span.From = first.First()
		}
		if end := first.Add(monthsAtOnce - 1); !end.IsZero() && end.Last().Before(span.To) {
			span.To = end.Last()
		}
		text, args := extremesOf(r.owner, span, query.Sort, query.Limit)
		each := r.on().each
		if span.To.Month().Sub(span.From.Month()) > 12 {
			each = r.on().eachOnce
		}
		err := each(ctx, expenseWidth, func(row *row) { found = append(found, scanExpense(row)) }, text, args...)
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(found, func(a, b expense.Expense) int {
		order := compareKeys(query.Sort.Position(a), query.Sort.Position(b))
		if query.Sort.Descending() {
			return -order
		}
		return order
	})
	return found[:min(len(found), query.Limit)], nil
}

func compareKeys(a, b expense.Position) int {
	if a.SortKey != b.SortKey {
		return int(min(1, max(-1, a.SortKey-b.SortKey)))
	}
	return slices.Compare(a.ID[:], b.ID[:])
}

// extremesOf is the statement that reads the first few of each month of a span.
func extremesOf(owner string, span expense.Range, sort expense.Sort, limit int) (string, []any) {
	order := "ASC"
	if sort.Descending() {
		order = "DESC"
	}
	args := []any{owner, int64(limit)}
	place := func(n int) string {
		args = append(args, int64(n))
		return fmt.Sprintf("$%d", len(args))
	}
	var months []string
	last := span.To.Month()
	for month := span.From.Month(); !month.IsZero() && !month.After(last); month = month.Add(1) {
		where := "i.owner = $1 AND i.date / 100 = " + place(month.Int())
		if span.From.After(month.First()) {
			where += " AND i.date >= " + place(span.From.Int())
		}
		if span.To.Before(month.Last()) {
			where += " AND i.date <= " + place(span.To.Int())
		}
		months = append(months, fmt.Sprintf(`SELECT * FROM (SELECT i.id, i.home FROM spendwise_expenses i WHERE %s
			ORDER BY i.home %s, i.id %s LIMIT $2) m%d`, where, order, order, len(months)))
	}
	return fmt.Sprintf(`SELECT %s FROM (SELECT u.id FROM (%s) u ORDER BY u.home %s, u.id %s LIMIT $2) t
		CROSS JOIN spendwise_expenses x WHERE x.owner = $1 AND x.id = t.id`, expenseCells,
		strings.Join(months, " UNION ALL "), order, order), args
}
