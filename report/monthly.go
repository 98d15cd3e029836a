// Package report sums up what was spent. Every figure in it comes out of a store's totals by the one way to add them up,
// [expense.SumTotalsBy], so that it equals the sum of the expenses which the same filter lists.
//
//	err := st.View(ctx, owner, func(r store.Reader) error {
//		monthly, err := report.Monthly(ctx, r, time.Now(), expense.MustMonth("2026-03"))
//		…
//	})
package report

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/expense/locale"
)

// Reader is what a report reads of one owner's ledger.
type Reader interface {
	// Book is that of [budget.Reader].
	BudgetSnapshot(ctx context.Context) (budget.Snapshot, error)

	// Totals is that of [expense.Reader].
	Totals(ctx context.Context, query expense.TotalsQuery) ([]expense.Total, error)
}

// A Summary is what was spent in a period. Every sum in it names what it leaves out: see [expense.Sum].
type Summary struct {
	Settings     expense.Settings // of the ledger, as the report was made
	Dates        expense.Range
	Sum          expense.Sum
	AfterToday   expense.Sum        // of Sum, what is booked for days after today
	DailyAverage expense.Money      // of what was spent up to today, over the days up to today; of the whole once the period is over
	ByCategory   []CategorySpending // those with an expense in the period, by net amount from the largest, then by name
	ByCurrency   []CurrencySpending // that were paid with, by home amount from the largest, then by code
	Previous     Comparison         // the period before
	YearAgo      Comparison         // the same period a year before
}

// A MonthlyReport is what was spent in one month.
type MonthlyReport struct {
	Month expense.Month
	Summary
	HasUpcomingOccurrences bool // a rule may have an occurrence that is not posted yet, in this month or later
}

// A CategorySpending is a category's part of a period.
type CategorySpending struct {
	ID    uuid.UUID
	Name  string
	Sum   expense.Sum
	Share Share         // among the categories with a positive net; none without one
	Limit expense.Money // of its budget, in all months of the period; the zero Money without one, or if a month is not whole
}

// A CurrencySpending is what was paid in one currency.
type CurrencySpending struct {
	Paid expense.Money // pending expenses included
	Sum  expense.Sum
}

// The places of the periods in the one query; those of a year ago, and of what is booked ahead, may be missing from it.
const (
	thisPeriod = iota
	previousPeriod
	yearAgoPeriod
	aheadPeriod
)

// Monthly reports on one month; the zero month is the one at hand at now in the ledger's zone. It takes one Book and one Totals,
// which agree when r is a View's. A month before 1900 is ErrInvalid.
func Monthly(ctx context.Context, r Reader, now time.Time, month expense.Month) (MonthlyReport, error) {
	if !month.IsZero() && month.Before(firstMonth) {
		return MonthlyReport{}, &expense.InvalidError{
			Field: "month", Code: "out_of_range", Detail: fmt.Sprintf("a report is of a month from %s on", firstMonth),
		}
	}
	book, err := r.BudgetSnapshot(ctx)
	if err != nil {
		return MonthlyReport{}, fmt.Errorf("book: %w", err)
	}
	today := book.Settings.Today(now)
	if month.IsZero() {
		month = today.Month()
	}
	periods := MonthPeriods(month)
	totals, err := r.Totals(ctx, Query(periods, today))
	if err != nil {
		return MonthlyReport{}, fmt.Errorf("totals of %s: %w", month, err)
	}
	summary, err := Summarise(book, today, periods, totals)
	return MonthlyReport{Month: month, Summary: summary, HasUpcomingOccurrences: book.HasUpcomingOccurrences}, err
}

// Title is the month as a locale writes it.
func (m MonthlyReport) Title(format locale.Formatter) string { return format.Month(m.Month) }

// Query returns what [Summarise] needs totals of on the day today; it may be asked by months too.
func Query(periods Periods, today expense.Date) expense.TotalsQuery {
	query, _ := ask(periods, today)
	return query
}

// ask returns the query, and which period each of its ranges is.
func ask(periods Periods, today expense.Date) (expense.TotalsQuery, []int) {
	ranges, places := []expense.Range{periods.This, periods.Previous}, []int{thisPeriod, previousPeriod}
	if periods.YearAgo != periods.Previous {
		ranges, places = append(ranges, periods.YearAgo), append(places, yearAgoPeriod)
	}
	// What is booked ahead is little, so it is taken from the whole rather than what was spent so far summed up again.
	if periods.This.Contains(today) && today != periods.This.To {
		ranges, places = append(ranges, expense.Range{From: today.AddDays(1), To: periods.This.To}), append(places, aheadPeriod)
	}
	return expense.TotalsQuery{Ranges: ranges}, places
}

// Summarise returns the report on periods, on the day today, out of the totals that [Query] asks for. An error says that they
// contradict the promises of [expense.Reader.Totals] or the book.
func Summarise(book budget.Snapshot, today expense.Date, periods Periods, totals []expense.Total) (Summary, error) {
	_, places := ask(periods, today)
	var parts [aheadPeriod + 1][]expense.Total
	for _, total := range totals {
		if total.Range < 0 || total.Range >= len(places) {
			return Summary{}, fmt.Errorf("a total of range %d, where there are %d", total.Range, len(places))
		}
		parts[places[total.Range]] = append(parts[places[total.Range]], total)
	}
	if periods.YearAgo == periods.Previous {
		parts[yearAgoPeriod] = parts[previousPeriod]
	}
	if today.Before(periods.This.From) {
		parts[aheadPeriod] = parts[thisPeriod]
	}
	var sums [len(parts)]expense.Sum
	for i, part := range parts {
		var err error
		if sums[i], err = expense.SumTotals(book.Settings.Home, part); err != nil {
			return Summary{}, err
		}
	}
	summary := Summary{
		Settings: book.Settings, Dates: periods.This, Sum: sums[thisPeriod], AfterToday: sums[aheadPeriod],
		Previous: compare(sums[thisPeriod], periods.Previous, sums[previousPeriod]),
		YearAgo:  compare(sums[thisPeriod], periods.YearAgo, sums[yearAgoPeriod]),
	}
	soFar := expense.ClampMoney(summary.Sum.Home.Minor()-summary.AfterToday.Home.Minor(), book.Settings.Home)
	summary.DailyAverage = soFar.Prorate(1, elapsed(periods.This, today))
	var err error
	if summary.ByCategory, err = byCategory(book, periods, parts[thisPeriod]); err != nil {
		return Summary{}, err
	}
	summary.ByCurrency, err = byCurrency(book.Settings.Home, parts[thisPeriod])
	return summary, err
}

// elapsed returns how many days of the period there were up to today: all of them once it is over. Of one that has not begun
// nothing was spent, whatever it is divided by.
func elapsed(dates expense.Range, today expense.Date) int {
	if dates.Contains(today) {
		return today.Sub(dates.From) + 1
	}
	return dates.To.Sub(dates.From) + 1
}

func compare(this expense.Sum, dates expense.Range, other expense.Sum) Comparison {
	return Comparison{
		Dates: dates, Sum: other,
		Change: expense.ClampMoney(this.Home.Minor()-other.Home.Minor(), this.Home.Currency()),
	}
}

func byCategory(book budget.Snapshot, periods Periods, totals []expense.Total) ([]CategorySpending, error) {
	sums, err := expense.SumTotalsBy(book.Settings.Home, totals, func(t expense.Total) uuid.UUID { return t.CategoryID })
	if err != nil {
		return nil, err
	}
	limits := make(map[uuid.UUID]expense.Money)
	for i := range periods.months() {
		for id, limit := range book.Limits(periods.This.From.Month().Add(i)) {
			limits[id] = expense.ClampMoney(limits[id].Minor()+limit.Minor(), limit.Currency())
		}
	}
	rows := make([]CategorySpending, 0, len(sums))
	for _, c := range book.Categories {
		if sum, ok := sums[c.ID]; ok {
			rows = append(rows, CategorySpending{ID: c.ID, Name: c.Name, Sum: sum, Limit: limits[c.ID]})
			delete(sums, c.ID)
		}
	}
	for id := range sums {
		return nil, fmt.Errorf("there are totals of the category %s, which the ledger does not hold", id)
	}
	// The book's categories are in the order of their names, which a stable sort keeps among equal amounts.
	slices.SortStableFunc(rows, func(a, b CategorySpending) int { return cmp.Compare(b.Sum.Home.Minor(), a.Sum.Home.Minor()) })
	weights := make([]int64, len(rows))
	for i, row := range rows {
		weights[i] = row.Sum.Home.Minor()
	}
	for i, share := range Shares(weights) {
		rows[i].Share = share
	}
	return rows, nil
}

func byCurrency(home expense.Currency, totals []expense.Total) ([]CurrencySpending, error) {
	sums, err := expense.SumTotalsBy(home, totals, func(t expense.Total) expense.Currency { return t.Amount.Currency() })
	if err != nil {
		return nil, err
	}
	rows := make([]CurrencySpending, 0, len(sums))
	for _, sum := range sums {
		rows = append(rows, CurrencySpending{Paid: sum.Paid[0], Sum: sum})
	}
	slices.SortFunc(rows, func(a, b CurrencySpending) int {
		return cmp.Or(cmp.Compare(b.Sum.Home.Minor(), a.Sum.Home.Minor()), a.Paid.Currency().Compare(b.Paid.Currency()))
	})
	return rows, nil
}
