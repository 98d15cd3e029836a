// Package report sums up what was spent. Every figure in it comes out of a store's totals by the one way to add them up,
// [expense.SumTotalsBy], so that it equals the sum of the expenses which the same filter lists.
//
//	err := st.View(ctx, owner, func(r store.Reader) error {
//		monthly, err := report.Monthly(ctx, r, expense.MustMonth("2026-03"))
//		…
//	})
package report

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
)

// Reader is what a report reads of one owner's ledger.
type Reader interface {
	// Book is that of [budget.Reader].
	Book(ctx context.Context) (budget.Book, error)

	// Totals is that of [expense.Reader].
	Totals(ctx context.Context, query expense.TotalsQuery) ([]expense.Total, error)
}

// A MonthlyReport is what was spent in one month. Every sum in it names what it leaves out: see [expense.Sum].
type MonthlyReport struct {
	Month      expense.Month
	Sum        expense.Sum
	ByCategory []Category // those with an expense in the month, by net amount from the largest, then by name
	ByCurrency []Currency // that were paid with, by home amount from the largest, then by code
	Previous   Comparison // the month before
	YearAgo    Comparison // the same month a year before
}

// A Category is a category's part of a period.
type Category struct {
	ID    uuid.UUID
	Name  string
	Sum   expense.Sum
	Share Share         // among the categories with a positive net; none without one
	Limit expense.Money // of its budget in that month; the zero Money if none is in force
}

// A Currency is what was paid in one currency.
type Currency struct {
	Paid expense.Money // pending expenses included
	Sum  expense.Sum
}

// A Comparison is another period beside the one reported on. A period without expenses comes to nothing, and the change is
// then the whole.
type Comparison struct {
	Month  expense.Month
	Sum    expense.Sum
	Change expense.Money // the reported month's home amount less this one's; pending expenses of either are not in it
}

// The places of the months in the one query.
const (
	thisMonth = iota
	previousMonth
	yearAgoMonth
)

// firstMonth is that of the first date an expense may have.
var firstMonth = expense.MustMonth("1900-01")

// Monthly reports on one month. It takes one Book and one Totals, which agree when r is a View's. A month before 1900, or none,
// is ErrInvalid.
func Monthly(ctx context.Context, r Reader, month expense.Month) (MonthlyReport, error) {
	if month.Before(firstMonth) {
		return MonthlyReport{}, &expense.InvalidError{
			Field: "month", Code: "out_of_range", Detail: fmt.Sprintf("a report is of a month from %s on", firstMonth),
		}
	}
	book, err := r.Book(ctx)
	if err != nil {
		return MonthlyReport{}, fmt.Errorf("book: %w", err)
	}
	totals, err := r.Totals(ctx, Query(month))
	if err != nil {
		return MonthlyReport{}, fmt.Errorf("totals of %s: %w", month, err)
	}
	return Summarise(book, month, totals)
}

// Query returns what [Summarise] needs totals of: the month, the one before, and the one a year before.
func Query(month expense.Month) expense.TotalsQuery {
	return expense.TotalsQuery{Ranges: []expense.Range{
		thisMonth:     month.Range(),
		previousMonth: month.Add(-1).Range(),
		yearAgoMonth:  month.Add(-12).Range(),
	}}
}

// Summarise returns the report on month out of the totals that [Query] asks for. An error says that they contradict the
// promises of [expense.Reader.Totals] or the book.
func Summarise(book budget.Book, month expense.Month, totals []expense.Total) (MonthlyReport, error) {
	var periods [3][]expense.Total
	for _, total := range totals {
		if total.Range < 0 || total.Range >= len(periods) {
			return MonthlyReport{}, fmt.Errorf("a total of range %d, where there are %d", total.Range, len(periods))
		}
		periods[total.Range] = append(periods[total.Range], total)
	}
	report := MonthlyReport{Month: month}
	var sums [3]expense.Sum
	for i, period := range periods {
		var err error
		if sums[i], err = expense.SumTotals(book.Settings.Home, period); err != nil {
			return MonthlyReport{}, err
		}
	}
	report.Sum = sums[thisMonth]
	var err error
	if report.ByCategory, err = byCategory(book, month, periods[thisMonth]); err != nil {
		return MonthlyReport{}, err
	}
	if report.ByCurrency, err = byCurrency(book.Settings.Home, periods[thisMonth]); err != nil {
		return MonthlyReport{}, err
	}
	report.Previous = compare(report.Sum, month.Add(-1), sums[previousMonth])
	report.YearAgo = compare(report.Sum, month.Add(-12), sums[yearAgoMonth])
	return report, nil
}

func compare(this expense.Sum, month expense.Month, other expense.Sum) Comparison {
	return Comparison{
		Month: month, Sum: other,
		Change: expense.CapMoney(this.Home.Minor()-other.Home.Minor(), this.Home.Currency()),
	}
}

func byCategory(book budget.Book, month expense.Month, totals []expense.Total) ([]Category, error) {
	sums, err := expense.SumTotalsBy(book.Settings.Home, totals, func(t expense.Total) uuid.UUID { return t.CategoryID })
	if err != nil {
		return nil, err
	}
	limits := make(map[uuid.UUID]expense.Money)
	for _, b := range book.Budgets {
		if limit, ok := b.Limit(month); ok {
			limits[b.CategoryID] = limit
		}
	}
	rows := make([]Category, 0, len(sums))
	for _, c := range book.Categories {
		if sum, ok := sums[c.ID]; ok {
			rows = append(rows, Category{ID: c.ID, Name: c.Name, Sum: sum, Limit: limits[c.ID]})
			delete(sums, c.ID)
		}
	}
	for id := range sums {
		return nil, fmt.Errorf("there are totals of the category %s, which the ledger does not hold", id)
	}
	// The book's categories are in the order of their names, which a stable sort keeps among equal amounts.
	slices.SortStableFunc(rows, func(a, b Category) int { return cmp.Compare(b.Sum.Home.Minor(), a.Sum.Home.Minor()) })
	weights := make([]int64, len(rows))
	for i, row := range rows {
		weights[i] = row.Sum.Home.Minor()
	}
	for i, share := range Shares(weights) {
		rows[i].Share = share
	}
	return rows, nil
}

func byCurrency(home expense.Currency, totals []expense.Total) ([]Currency, error) {
	sums, err := expense.SumTotalsBy(home, totals, func(t expense.Total) expense.Currency { return t.Amount.Currency() })
	if err != nil {
		return nil, err
	}
	rows := make([]Currency, 0, len(sums))
	for _, sum := range sums {
		rows = append(rows, Currency{Paid: sum.Paid[0], Sum: sum})
	}
	slices.SortFunc(rows, func(a, b Currency) int {
		return cmp.Or(cmp.Compare(b.Sum.Home.Minor(), a.Sum.Home.Minor()), a.Paid.Currency().Compare(b.Paid.Currency()))
	})
	return rows, nil
}
