// Package report computes what was spent in a period.
//
// # Summaries
//
// A [Summary] covers the expenses whose dates lie in a range of days. It has the sum in the home currency, the sums by
// category and by original currency, and the sums of two other periods to compare with. [Monthly], [Yearly] and [Range]
// return summaries of a month, a year and any range of days. [Trend] returns the sums of consecutive days, weeks or
// months.
//
// A pending expense has no amount in the home currency yet. It is not part of the amounts in the home currency, and
// each [expense.Sum] says what it leaves out.
//
// # Consistency
//
// Each function reads one snapshot of the ledger and one set of totals. Call it in a View, so that both are consistent:
//
//	err := st.View(ctx, owner, func(r store.Reader) error {
//		monthly, err := report.Monthly(ctx, r, time.Now(), expense.MustMonth("2026-03"))
//		…
//	})
//
// All figures are sums of the same totals. So a figure always equals the sum of the expenses that a query for the same
// dates and category lists.
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

// Reader reads what a report is computed from, in one ledger.
type Reader interface {
	// BudgetSnapshot is the method of [budget.Reader].
	BudgetSnapshot(ctx context.Context) (budget.Snapshot, error)

	// Totals is the method of [expense.Reader].
	Totals(ctx context.Context, query expense.TotalsQuery) ([]expense.Total, error)
}

// A Summary holds the spending in a period: the days of Dates.
type Summary struct {
	Settings     expense.Settings // of the ledger at the time of the report
	Dates        expense.Range
	Sum          expense.Sum
	AfterToday   expense.Sum        // the part of Sum that is dated after today
	DailyAverage expense.Money      // spending per elapsed day, up to today; per day in a past period; 0 in a future one
	ByCategory   []CategorySpending // categories with an expense; largest sum first, then by name
	ByCurrency   []CurrencySpending // one for each currency paid in; largest sum first, then by code
	Previous     Comparison         // the period directly before
	YearAgo      Comparison         // the same period one year earlier
}

// A MonthlyReport is the summary of one month.
type MonthlyReport struct {
	Month expense.Month
	Summary
	HasUpcomingOccurrences bool // a rule has an occurrence that is not posted yet, in this month or another
}

// A CategorySpending is what was spent in one category.
type CategorySpending struct {
	ID    uuid.UUID
	Name  string
	Sum   expense.Sum
	Share Share         // of the total of the categories with a positive sum; none for other categories
	Limit expense.Money // sum of its budget limits; zero Money if it has none or the period is not whole months
}

// A CurrencySpending is what was paid in one currency.
type CurrencySpending struct {
	Paid expense.Money // includes pending expenses
	Sum  expense.Sum
}

// The indexes of the periods of a summary. The query may omit the ranges of the last two.
const (
	thisPeriod = iota
	previousPeriod
	yearAgoPeriod
	afterTodayPeriod
)

// Monthly returns the report of a month. The zero month is the current one, at now in the ledger's zone. The error is
// ErrInvalid for a month before 1900.
func Monthly(ctx context.Context, r Reader, now time.Time, month expense.Month) (MonthlyReport, error) {
	if !month.IsZero() && month.Before(firstMonth) {
		return MonthlyReport{}, &expense.InvalidError{
			Field: "month", Code: "out_of_range",
			Detail: fmt.Sprintf("month %s is before %s, the first month of reports; give a later month", month, firstMonth),
		}
	}
	snapshot, err := r.BudgetSnapshot(ctx)
	if err != nil {
		return MonthlyReport{}, fmt.Errorf("budget snapshot: %w", err)
	}
	today := snapshot.Settings.Today(now)
	if month.IsZero() {
		month = today.Month()
	}
	summary, _, err := readSummary(ctx, r, snapshot, today, monthPeriods(month), expense.WholeRange)
	return MonthlyReport{Month: month, Summary: summary, HasUpcomingOccurrences: snapshot.HasUpcomingOccurrences}, err
}

// Title returns the month in the locale's format.
func (m MonthlyReport) Title(format locale.Formatter) string { return format.Month(m.Month) }

// readSummary reads the totals of the periods in one query with the granularity by. It returns the summary and the
// totals.
//
// The query has a range for each period, but only one if two periods are the same. A fourth range holds the days after
// today. The spending up to today is the difference of the period and these days, so it needs no range of its own.
func readSummary(
	ctx context.Context, r Reader, snapshot budget.Snapshot, today expense.Date, p periods, by expense.Granularity,
) (Summary, []expense.Total, error) {
	ranges, rangeParts := []expense.Range{p.this, p.previous}, []int{thisPeriod, previousPeriod}
	if p.yearAgo != p.previous {
		ranges, rangeParts = append(ranges, p.yearAgo), append(rangeParts, yearAgoPeriod)
	}
	if p.this.Contains(today) && today != p.this.To {
		ranges = append(ranges, expense.Range{From: today.AddDays(1), To: p.this.To})
		rangeParts = append(rangeParts, afterTodayPeriod)
	}
	totals, err := r.Totals(ctx, expense.TotalsQuery{Ranges: ranges, Granularity: by})
	if err != nil {
		return Summary{}, nil, fmt.Errorf("totals from %s to %s: %w", p.this.From, p.this.To, err)
	}
	var parts [afterTodayPeriod + 1][]expense.Total
	for _, total := range totals {
		if total.Range < 0 || total.Range >= len(rangeParts) {
			return Summary{}, nil, fmt.Errorf(
				"the store returned a total of range %d; the query has %d", total.Range, len(rangeParts))
		}
		part := &parts[rangeParts[total.Range]]
		*part = append(*part, total)
	}
	if p.yearAgo == p.previous {
		parts[yearAgoPeriod] = parts[previousPeriod]
	}
	if today.Before(p.this.From) {
		parts[afterTodayPeriod] = parts[thisPeriod]
	}
	summary, err := summarise(snapshot, today, p, parts)
	return summary, totals, err
}

// summarise computes a summary from the totals of each part. It returns an error if a total has a category that the
// snapshot does not have, or if the totals cannot be summed.
func summarise(
	snapshot budget.Snapshot, today expense.Date, p periods, parts [afterTodayPeriod + 1][]expense.Total,
) (Summary, error) {
	var sums [len(parts)]expense.Sum
	for i, part := range parts {
		var err error
		if sums[i], err = expense.SumTotals(snapshot.Settings.Home, part); err != nil {
			return Summary{}, err
		}
	}
	summary := Summary{
		Settings: snapshot.Settings, Dates: p.this, Sum: sums[thisPeriod], AfterToday: sums[afterTodayPeriod],
		Previous: compare(sums[thisPeriod], p.previous, sums[previousPeriod]),
		YearAgo:  compare(sums[thisPeriod], p.yearAgo, sums[yearAgoPeriod]),
	}
	soFar := expense.ClampMoney(summary.Sum.Home.Minor()-summary.AfterToday.Home.Minor(), snapshot.Settings.Home)
	summary.DailyAverage = soFar.Prorate(1, elapsedDays(p.this, today))
	var err error
	if summary.ByCategory, err = byCategory(snapshot, p, parts[thisPeriod]); err != nil {
		return Summary{}, err
	}
	summary.ByCurrency, err = byCurrency(snapshot.Settings.Home, parts[thisPeriod])
	return summary, err
}

// elapsedDays returns the number of days up to today, today included, or all days of a past or future period.
func elapsedDays(dates expense.Range, today expense.Date) int {
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

func byCategory(snapshot budget.Snapshot, p periods, totals []expense.Total) ([]CategorySpending, error) {
	home := snapshot.Settings.Home
	sums, err := expense.SumTotalsBy(home, totals, func(t expense.Total) uuid.UUID { return t.CategoryID })
	if err != nil {
		return nil, err
	}
	limits := make(map[uuid.UUID]expense.Money)
	for i := range p.wholeMonths() {
		for id, limit := range snapshot.Limits(p.this.From.Month().Add(i)) {
			limits[id] = expense.ClampMoney(limits[id].Minor()+limit.Minor(), limit.Currency())
		}
	}
	rows := make([]CategorySpending, 0, len(sums))
	for _, c := range snapshot.Categories {
		if sum, ok := sums[c.ID]; ok {
			rows = append(rows, CategorySpending{ID: c.ID, Name: c.Name, Sum: sum, Limit: limits[c.ID]})
			delete(sums, c.ID)
		}
	}
	for id := range sums {
		return nil, fmt.Errorf("the store returned totals of category %s, which the ledger does not have", id)
	}
	// The categories of a snapshot are ordered by name, and a stable sort keeps that order for equal amounts.
	slices.SortStableFunc(rows, func(a, b CategorySpending) int {
		return cmp.Compare(b.Sum.Home.Minor(), a.Sum.Home.Minor())
	})
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
