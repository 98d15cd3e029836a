package httpapi

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/expense/locale"
	"github.com/spendwise/spendwise/export/wire"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/report"
	"github.com/spendwise/spendwise/store"
)

// defaultTop is the number of largest expenses in a report.
const defaultTop = 5

// monthlyReport handles GET /v1/reports/monthly. The default month is the current month in the ledger's time zone.
func (c *call) monthlyReport() error {
	p := c.params()
	month, top := p.month("month"), p.top(defaultTop)
	var monthly report.MonthlyReport
	var planned []recurrence.PlannedOccurrence
	var largest []expense.Expense
	err := c.report(func(r store.Reader, now time.Time) (err error) {
		if monthly, err = report.Monthly(c.ctx, r, now, month); err != nil {
			return err
		}
		if largest, err = report.LargestExpenses(c.ctx, r, monthly.Dates, top); err != nil {
			return err
		}
		// Every occurrence of a past month was posted or skipped.
		if !monthly.HasUpcomingOccurrences || monthly.Month.Before(monthly.Settings.Today(now).Month()) {
			return nil
		}
		rules, err := r.Rules(c.ctx)
		if err == nil {
			planned, err = recurrence.Plan(c.ctx, r, rules, monthly.Dates)
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.send(result{body: wire.NewMonthly(monthly, largest, planned)})
}

// readYearly reads the report for the parameters year and calendar, and the largest expenses of the year. With calendar
// the year is the calendar year, else the fiscal year that begins in it. The default year is the current one.
func (c *call) readYearly(top int) (yearly report.YearlyReport, largest []expense.Expense, err error) {
	p := c.params()
	year, top, firstMonth := p.year("year"), p.top(top), time.Month(0)
	if calendar := p.boolean("calendar"); calendar != nil && *calendar {
		firstMonth = time.January
	}
	err = c.report(func(r store.Reader, now time.Time) (err error) {
		if yearly, err = report.Yearly(c.ctx, r, now, year, firstMonth); err != nil {
			return err
		}
		largest, err = report.LargestExpenses(c.ctx, r, yearly.Dates, top)
		return err
	})
	return yearly, largest, err
}

// yearlyReport handles GET /v1/reports/yearly.
func (c *call) yearlyReport() error {
	yearly, largest, err := c.readYearly(defaultTop)
	if err != nil {
		return err
	}
	return c.send(result{body: wire.NewYearly(yearly, largest)})
}

// readRange reads the report for the parameters date_from and date_to, and the largest expenses of these days.
func (c *call) readRange(top int) (ranged report.RangeReport, largest []expense.Expense, err error) {
	p := c.params()
	dates, top := p.dateRange(true), p.top(top)
	err = c.report(func(r store.Reader, now time.Time) (err error) {
		if ranged, err = report.Range(c.ctx, r, now, dates); err != nil {
			return err
		}
		largest, err = report.LargestExpenses(c.ctx, r, dates, top)
		return err
	})
	return ranged, largest, err
}

// rangeReport handles GET /v1/reports/range.
func (c *call) rangeReport() error {
	ranged, largest, err := c.readRange(defaultTop)
	if err != nil {
		return err
	}
	title := ranged.Title(locale.NewFormatter(ranged.Settings.Locale))
	return c.send(result{body: wire.NewSummary(ranged.Summary, title, largest)})
}

// readTrend reads the trend for the parameters date_from, date_to, by and category_id.
func (c *call) readTrend() (trend report.TrendReport, err error) {
	p := c.params()
	query := report.TrendQuery{
		Dates: p.dateRange(true), Granularity: p.granularity("by"), Category: p.id("category_id"),
	}
	err = c.report(func(r store.Reader, _ time.Time) (err error) {
		trend, err = report.Trend(c.ctx, r, query)
		return err
	})
	return trend, err
}

// trendReport handles GET /v1/reports/trend.
func (c *call) trendReport() error {
	trend, err := c.readTrend()
	if err != nil {
		return err
	}
	return c.send(result{body: wire.NewTrend(trend)})
}

// granularity reads the granularity of a trend. The default is a month.
func (p params) granularity(name string) expense.Granularity {
	text, ok := p.given(name)
	if !ok {
		return expense.ByMonth
	}
	granularity, ok := wire.Granularities()[text]
	if !ok {
		p.fail(name, "unknown_value", "The granularity %s is unknown; give day, week or month.", expense.QuoteText(text))
	}
	return granularity
}

// year reads a year; 0 if it is absent.
func (p params) year(name string) int {
	return parseParam(p, name, func(text string) (int, error) {
		january, err := expense.ParseMonth(text + "-01")
		if err != nil {
			return 0, &expense.InvalidError{
				Code: "malformed_year", Detail: expense.QuoteText(text) + " is not a year; write it as YYYY",
			}
		}
		return january.Year(), nil
	})
}

// top reads how many of the largest expenses a report lists.
func (p params) top(fallback int) int {
	text, ok := p.given("top")
	if !ok {
		return fallback
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > report.MaxLargestExpenses {
		p.fail("top", "out_of_range", "The number %s of largest expenses is out of range; give 0 to %d.",
			expense.QuoteText(text), report.MaxLargestExpenses)
		return fallback
	}
	return n
}

// report calls fn with a snapshot of the ledger and the current time. If fn returns ErrInvalid, report returns a
// problem that names the query's parameters. If the call has field errors already, report adds those of fn and returns
// them all; fn then cannot read expenses and totals.
func (c *call) report(fn func(r store.Reader, now time.Time) error) error {
	if !c.errs.Empty() {
		err := c.api.store.View(c.ctx, c.owner, func(r store.Reader) error { return fn(checkingReader{r}, c.now) })
		c.params().addNew(err) // any other error does not matter, because the request is invalid anyway
		return c.errs.Err()
	}
	err := c.view(func(r store.Reader) error { return fn(r, c.now) })
	if errors.Is(err, expense.ErrInvalid) {
		c.params().addNew(err)
		return c.errs.Err()
	}
	return err
}

// errNotRead is the error of [checkingReader] for the expenses of an invalid request.
var errNotRead = errors.New("the expenses of an invalid request are not read")

// A checkingReader reads a ledger without its expenses, so that the parameters of a report are checked and the report
// is not computed.
type checkingReader struct{ store.Reader }

func (checkingReader) Expenses(context.Context, expense.Query) iter.Seq2[expense.Expense, error] {
	return func(yield func(expense.Expense, error) bool) { yield(expense.Expense{}, errNotRead) }
}

func (checkingReader) Totals(context.Context, expense.TotalsQuery) ([]expense.Total, error) {
	return nil, errNotRead
}

// view calls fn with a snapshot of the caller's ledger. It creates the ledger if the caller has none.
func (c *call) view(fn func(store.Reader) error) error {
	return c.withLedger(func() error { return c.api.store.View(c.ctx, c.owner, fn) })
}
