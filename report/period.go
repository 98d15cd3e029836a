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
	// MaxYears is the maximum number of years of a report.
	MaxYears = 100
	// MaxLargestExpenses is the maximum number of expenses that [LargestExpenses] returns.
	MaxLargestExpenses = 50
)

// firstMonth is the month of the earliest date that an expense may have.
var firstMonth = expense.MustMonth("1900-01")

// A Comparison compares the period of a report with another period.
type Comparison struct {
	Dates  expense.Range
	Sum    expense.Sum
	Change expense.Money // Sum.Home of the report − Sum.Home of the other period; without pending expenses
}

// periods are the period of a report and the two periods to compare it with.
type periods struct {
	this, previous, yearAgo expense.Range
}

// monthPeriods returns the periods of a month. The previous period is the month before.
func monthPeriods(month expense.Month) periods { return periodsOfMonths(month, 1) }

// rangePeriods returns the periods of a range. If it consists of whole months, the previous period has the same number
// of months, otherwise the same number of days. One year before 29 February is 28 February.
func rangePeriods(dates expense.Range) periods {
	first, last := dates.From.Month(), dates.To.Month()
	if dates.From == first.First() && dates.To == last.Last() {
		return periodsOfMonths(first, last.Sub(first)+1)
	}
	before := dates.From.AddDays(-1)
	return periods{
		this:     dates,
		previous: expense.Range{From: before.AddDays(dates.From.Sub(dates.To)), To: before},
		yearAgo:  expense.Range{From: yearBefore(dates.From), To: yearBefore(dates.To)},
	}
}

// periodsOfMonths returns the periods of n months from first on.
func periodsOfMonths(first expense.Month, n int) periods {
	span := func(from expense.Month) expense.Range {
		return expense.Range{From: from.First(), To: from.Add(n - 1).Last()}
	}
	return periods{this: span(first), previous: span(first.Add(-n)), yearAgo: span(first.Add(-12))}
}

func yearBefore(d expense.Date) expense.Date {
	month := d.Month().Add(-12)
	return month.First().AddDays(min(d.Day(), month.Days()) - 1)
}

// wholeMonths returns the number of months of the period, or 0 if it does not consist of whole months.
func (p periods) wholeMonths() int {
	first, last := p.this.From.Month(), p.this.To.Month()
	if p.this.From != first.First() || p.this.To != last.Last() {
		return 0
	}
	return last.Sub(first) + 1
}

// checkRange validates the range of a report. The names of its ends in the API are date_from and date_to.
func checkRange(dates expense.Range) error {
	var errs expense.ValidationErrors
	for _, end := range []struct {
		name string
		date expense.Date
	}{{"date_from", dates.From}, {"date_to", dates.To}} {
		switch {
		case end.date.IsZero():
			errs.Add(end.name, "required", "the range has no %s; give a date as YYYY-MM-DD", end.name)
		case end.date.Before(firstMonth.First()):
			errs.Add(end.name, "out_of_range", "date %s is before the first day of reports; give %s or later",
				end.date, firstMonth.First())
		}
	}
	if err := errs.Err(); err != nil {
		return err
	}
	limit := dates.From.Month().Add(12 * MaxYears)
	switch {
	case dates.To.Before(dates.From):
		errs.Add("date_to", "ends_before_start",
			"the last day %s is before the first day %s; swap them", dates.To, dates.From)
	case !limit.IsZero() && !dates.To.Before(limit.First().AddDays(min(dates.From.Day(), limit.Days())-1)):
		errs.Add("date_to", "range_too_long", "the range from %s to %s is longer than %d years; request parts of it",
			dates.From, dates.To, MaxYears)
	}
	return errs.Err()
}

// A YearlyReport is the summary of a year: twelve months, which need not begin in January.
type YearlyReport struct {
	Year int // the calendar year in which it begins
	Summary
	ByMonth []MonthSum // the twelve months, in order
}

// Title returns the year in the locale's format, or its first and last month if it does not begin in January.
func (y YearlyReport) Title(format locale.Formatter) string {
	first, last := y.Dates.From.Month(), y.Dates.To.Month()
	if first.Year() == last.Year() {
		return format.Year(first.Year())
	}
	return format.Month(first) + " – " + format.Month(last)
}

// A MonthSum is the sum of one month.
type MonthSum struct {
	Month expense.Month
	Sum   expense.Sum
}

// Yearly returns the report of the twelve months that begin with the month start of year. A zero start is the first
// month of the ledger's fiscal year. A zero year is the current one, at now in the ledger's zone. The error is
// ErrInvalid for a year before 1900 or beyond 9999.
func Yearly(ctx context.Context, r Reader, now time.Time, year int, start time.Month) (YearlyReport, error) {
	snapshot, err := r.BudgetSnapshot(ctx)
	if err != nil {
		return YearlyReport{}, fmt.Errorf("budget snapshot: %w", err)
	}
	if start == 0 {
		start = snapshot.Settings.FiscalYearStart
	}
	today := snapshot.Settings.Today(now)
	if year == 0 {
		year = today.Year()
		if today.Month().MonthOfYear() < start {
			year--
		}
	}
	first, err := expense.NewMonth(year, start)
	if err != nil || first.Before(firstMonth) || first.Add(11).IsZero() {
		last := 9999 // a year that begins after January 9999 would end after the calendar
		if start != time.January {
			last--
		}
		return YearlyReport{}, &expense.InvalidError{
			Field: "year", Code: "out_of_range",
			Detail: fmt.Sprintf("year %d is out of range; give %d to %d", year, firstMonth.Year(), last),
		}
	}
	report := YearlyReport{Year: year}
	var totals []expense.Total
	report.Summary, totals, err = readSummary(ctx, r, snapshot, today, periodsOfMonths(first, 12), expense.ByMonth)
	if err != nil {
		return YearlyReport{}, err
	}
	report.ByMonth, err = byMonth(snapshot, first, totals)
	return report, err
}

func byMonth(snapshot budget.Snapshot, first expense.Month, totals []expense.Total) ([]MonthSum, error) {
	var this []expense.Total
	for _, total := range totals {
		if total.Range == thisPeriod {
			this = append(this, total)
		}
	}
	home := snapshot.Settings.Home
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

// A RangeReport is the summary of a range of days.
type RangeReport struct {
	Summary
}

// Title returns the first and the last day in the locale's format.
func (r RangeReport) Title(format locale.Formatter) string { return daysTitle(format, r.Dates) }

func daysTitle(format locale.Formatter, dates expense.Range) string {
	return format.Date(dates.From) + " – " + format.Date(dates.To)
}

// Range returns the report of a range of days, which includes both ends. The error is ErrInvalid if an end is zero or
// before 1900, if the ends are in the wrong order, or if the range is longer than [MaxYears].
func Range(ctx context.Context, r Reader, now time.Time, dates expense.Range) (RangeReport, error) {
	if err := checkRange(dates); err != nil {
		return RangeReport{}, err
	}
	snapshot, err := r.BudgetSnapshot(ctx)
	if err != nil {
		return RangeReport{}, fmt.Errorf("budget snapshot: %w", err)
	}
	today := snapshot.Settings.Today(now)
	summary, _, err := readSummary(ctx, r, snapshot, today, rangePeriods(dates), expense.WholeRange)
	return RangeReport{Summary: summary}, err
}

// LargestExpenses returns the n largest expenses of a range of days, ordered by the amount in the home currency,
// descending. It returns at most [MaxLargestExpenses], and none if n is not positive. It omits refunds and pending
// expenses.
func LargestExpenses(ctx context.Context, r expense.Reader, dates expense.Range, n int) ([]expense.Expense, error) {
	if n <= 0 {
		return nil, nil
	}
	query := expense.Query{
		Filter: expense.Filter{Dates: dates}, Sort: expense.LargestFirst, Limit: min(n, MaxLargestExpenses),
	}
	var largest []expense.Expense
	for e, err := range r.Expenses(ctx, query) {
		if err != nil {
			return nil, fmt.Errorf("largest expenses from %s to %s: %w", dates.From, dates.To, err)
		}
		if e.Home.Sign() <= 0 {
			break
		}
		largest = append(largest, e)
	}
	return largest, nil
}
