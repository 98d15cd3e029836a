package report

import (
	"context"
	"fmt"
	"time"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/expense/locale"
)

const (
	// MaxYears is how many years a report spans at most.
	MaxYears = 100
	// MaxLargestExpenses is how many of the largest expenses a report lists at most.
	MaxLargestExpenses = 50
)

// firstMonth is that of the first date an expense may have.
var firstMonth = expense.MustMonth("1900-01")

// A Comparison is another period beside the one reported on. A period without expenses comes to nothing, and the change is
// then the whole.
type Comparison struct {
	Dates  expense.Range
	Sum    expense.Sum
	Change expense.Money // the reported period's home amount less this one's; pending expenses of either are not in it
}

// Periods are the days that a report is about, and those it compares them with.
type Periods struct {
	This, Previous, YearAgo expense.Range
}

// MonthPeriods returns those of a month: the month before, and the same month a year before.
func MonthPeriods(month expense.Month) Periods { return monthsPeriods(month, 1) }

// YearPeriods returns those of the year of twelve months from first on. The year before is both of the others.
func YearPeriods(first expense.Month) Periods { return monthsPeriods(first, 12) }

// RangePeriods returns those of any days. Whole months are compared with as many months before them; other days with as many
// days. A year before 29 February is 28 February.
func RangePeriods(dates expense.Range) Periods {
	first, last := dates.From.Month(), dates.To.Month()
	if dates.From == first.First() && dates.To == last.Last() {
		return monthsPeriods(first, last.Sub(first)+1)
	}
	before := dates.From.AddDays(-1)
	return Periods{
		This:     dates,
		Previous: expense.Range{From: before.AddDays(dates.From.Sub(dates.To)), To: before},
		YearAgo:  expense.Range{From: yearBefore(dates.From), To: yearBefore(dates.To)},
	}
}

func monthsPeriods(first expense.Month, n int) Periods {
	span := func(from expense.Month) expense.Range {
		return expense.Range{From: from.First(), To: from.Add(n - 1).Last()}
	}
	return Periods{This: span(first), Previous: span(first.Add(-n)), YearAgo: span(first.Add(-12))}
}

func yearBefore(d expense.Date) expense.Date {
	month := d.Month().Add(-12)
	return month.First().AddDays(min(d.Day(), month.Days()) - 1)
}

// months returns how many whole months the period has; 0 if it begins or ends within one.
func (p Periods) months() int {
	first, last := p.This.From.Month(), p.This.To.Month()
	if p.This.From != first.First() || p.This.To != last.Last() {
		return 0
	}
	return last.Sub(first) + 1
}

// checkRange says what is wrong with the days of a report, under the names that the API gives their ends.
func checkRange(dates expense.Range, from, to string) error {
	var faults expense.ValidationErrors
	for _, end := range []struct {
		name string
		date expense.Date
	}{{from, dates.From}, {to, dates.To}} {
		switch {
		case end.date.IsZero():
			faults.Add(end.name, "required", "give both days of the range, as YYYY-MM-DD")
		case end.date.Before(firstMonth.First()):
			faults.Add(end.name, "out_of_range", "a report is of days from %s on", firstMonth.First())
		}
	}
	if err := faults.Err(); err != nil {
		return err
	}
	limit := dates.From.Month().Add(12 * MaxYears)
	switch {
	case dates.To.Before(dates.From):
		faults.Add(to, "ends_before_start", "%s is before %s", dates.To, dates.From)
	case !limit.IsZero() && !dates.To.Before(limit.First().AddDays(min(dates.From.Day(), limit.Days())-1)):
		faults.Add(to, "range_too_long", "a report spans at most %d years: ask for parts of it", MaxYears)
	}
	return faults.Err()
}

// A YearlyReport is what was spent in twelve months.
type YearlyReport struct {
	Year int // in which it begins
	Summary
	ByMonth []MonthSum // always twelve
}

// Title is the year as a locale writes it, or the first and the last month of one that does not begin in January.
func (y YearlyReport) Title(format locale.Formatter) string {
	first, last := y.Dates.From.Month(), y.Dates.To.Month()
	if first.Year() == last.Year() {
		return format.Year(first.Year())
	}
	return format.Month(first) + " – " + format.Month(last)
}

// A MonthSum is what was spent in one month.
type MonthSum struct {
	Month expense.Month
	Sum   expense.Sum
}

// Yearly reports on the year that begins in year with the month start; a zero start is the first month of the ledger's fiscal
// year, a zero year the one at hand at now in the ledger's zone. It takes one Book and one Totals, which agree when r is a
// View's. A year before 1900 is ErrInvalid.
func Yearly(ctx context.Context, r Reader, now time.Time, year int, start time.Month) (YearlyReport, error) {
	book, err := r.BudgetSnapshot(ctx)
	if err != nil {
		return YearlyReport{}, fmt.Errorf("book: %w", err)
	}
	if start == 0 {
		start = book.Settings.FiscalYearStart
	}
	today := book.Settings.Today(now)
	if year == 0 {
		year = today.Year()
		if today.Month().MonthOfYear() < start {
			year--
		}
	}
	first, err := expense.NewMonth(year, start)
	if err != nil || first.Before(firstMonth) || first.Add(11).IsZero() {
		last := 9999 // a year that begins later than in January would end beyond the calendar
		if start != time.January {
			last--
		}
		return YearlyReport{}, &expense.InvalidError{
			Field: "year", Code: "out_of_range", Detail: fmt.Sprintf("a report is of a year from %d to %d", firstMonth.Year(), last),
		}
	}
	periods := YearPeriods(first)
	query := Query(periods, today)
	query.Granularity = expense.ByMonth
	totals, err := r.Totals(ctx, query)
	if err != nil {
		return YearlyReport{}, fmt.Errorf("totals of %d: %w", year, err)
	}
	report := YearlyReport{Year: year}
	if report.Summary, err = Summarise(book, today, periods, totals); err != nil {
		return YearlyReport{}, err
	}
	report.ByMonth, err = byMonth(book, first, totals)
	return report, err
}

func byMonth(book budget.Snapshot, first expense.Month, totals []expense.Total) ([]MonthSum, error) {
	var this []expense.Total
	for _, total := range totals {
		if total.Range == thisPeriod {
			this = append(this, total)
		}
	}
	home := book.Settings.Home
	sums, err := expense.SumTotalsBy(home, this, func(t expense.Total) expense.Month { return t.Period.Month() })
	if err != nil {
		return nil, err
	}
	months := make([]MonthSum, 12)
	for i := range months {
		month := first.Add(i)
		sum, ok := sums[month]
		if !ok {
			sum = expense.NewSum(home)
		}
		months[i] = MonthSum{Month: month, Sum: sum}
	}
	return months, nil
}

// A RangeReport is what was spent from one day to another.
type RangeReport struct {
	Summary
}

// Title is the first and the last day as a locale writes them.
func (r RangeReport) Title(format locale.Formatter) string { return daysTitle(format, r.Dates) }

func daysTitle(format locale.Formatter, dates expense.Range) string {
	return format.Date(dates.From) + " – " + format.Date(dates.To)
}

// Range reports on any days, both ends included and given. It takes one Book and one Totals, which agree when r is a View's.
// Days in the wrong order, before 1900 or more than [MaxYears] apart are ErrInvalid.
func Range(ctx context.Context, r Reader, now time.Time, dates expense.Range) (RangeReport, error) {
	if err := checkRange(dates, "date_from", "date_to"); err != nil {
		return RangeReport{}, err
	}
	book, err := r.BudgetSnapshot(ctx)
	if err != nil {
		return RangeReport{}, fmt.Errorf("book: %w", err)
	}
	periods := RangePeriods(dates)
	today := book.Settings.Today(now)
	totals, err := r.Totals(ctx, Query(periods, today))
	if err != nil {
		return RangeReport{}, fmt.Errorf("totals from %s to %s: %w", dates.From, dates.To, err)
	}
	summary, err := Summarise(book, today, periods, totals)
	return RangeReport{Summary: summary}, err
}

// Top returns the n largest expenses of some days by home amount, the largest first; refunds and what waits for a rate are none.
// More than [MaxLargestExpenses] are not to be had.
func LargestExpenses(ctx context.Context, r expense.Reader, dates expense.Range, n int) ([]expense.Expense, error) {
	if n <= 0 {
		return nil, nil
	}
	query := expense.Query{Filter: expense.Filter{Dates: dates}, Sort: expense.LargestFirst, Limit: min(n, MaxLargestExpenses)}
	var top []expense.Expense
	for e, err := range r.Expenses(ctx, query) {
		if err != nil {
			return nil, fmt.Errorf("largest expenses from %s to %s: %w", dates.From, dates.To, err)
		}
		if e.Home.Sign() <= 0 {
			break
		}
		top = append(top, e)
	}
	return top, nil
}
