package httpapi

import (
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
	p := params{values: c.query}
	month, top := p.month("month"), p.top(defaultTop)
	if err := p.err(); err != nil {
		return err
	}
	var monthly report.MonthlyReport
	var planned []recurrence.PlannedOccurrence
	var largest []expense.Expense
	err := c.report(&p, func(r store.Reader, now time.Time) (err error) {
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
	p := params{values: c.query}
	year, top, firstMonth := p.year("year"), p.top(top), time.Month(0)
	if calendar := p.boolean("calendar"); calendar != nil && *calendar {
		firstMonth = time.January
	}
	if err := p.err(); err != nil {
		return yearly, nil, err
	}
	err = c.report(&p, func(r store.Reader, now time.Time) (err error) {
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
	p := params{values: c.query}
	dates, top := p.dateRange("date_from", "date_to"), p.top(top)
	if err := p.err(); err != nil {
		return ranged, nil, err
	}
	err = c.report(&p, func(r store.Reader, now time.Time) (err error) {
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

// readTrend reads the trend for the parameters from, to, by and category_id.
func (c *call) readTrend() (trend report.TrendReport, err error) {
	p := params{values: c.query}
	query := report.TrendQuery{
		Dates: p.dateRange("from", "to"), Granularity: p.granularity("by"), Category: p.id("category_id"),
	}
	if err := p.err(); err != nil {
		return trend, err
	}
	err = c.report(&p, func(r store.Reader, _ time.Time) (err error) {
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
func (p *params) granularity(name string) expense.Granularity {
	text, ok := p.given(name)
	if !ok {
		return expense.ByMonth
	}
	granularity, ok := wire.Granularities()[text]
	if !ok {
		p.fail(name, "unknown_value", "%q is not a granularity; give day, week or month.", cutText(text))
	}
	return granularity
}

// year reads a year; 0 if it is absent.
func (p *params) year(name string) int {
	return parseParam(p, name, func(text string) (int, error) {
		january, err := expense.ParseMonth(text + "-01")
		if err != nil {
			return 0, &expense.InvalidError{Code: "malformed_year", Detail: "a year has the form YYYY, such as 2026"}
		}
		return january.Year(), nil
	})
}

// top reads how many of the largest expenses a report lists.
func (p *params) top(fallback int) int {
	text, ok := p.given("top")
	if !ok {
		return fallback
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > report.MaxLargestExpenses {
		p.fail("top", "out_of_range", "%q is not a number from 0 to %d.", cutText(text), report.MaxLargestExpenses)
		return fallback
	}
	return n
}

// report calls fn with a snapshot of the ledger and the current time. If fn returns ErrInvalid, report returns a
// problem that names the query's parameters.
func (c *call) report(p *params, fn func(r store.Reader, now time.Time) error) error {
	err := c.view(func(r store.Reader) error { return fn(r, c.now) })
	if errs := expense.InvalidErrors(err); len(errs) > 0 {
		for _, invalid := range errs {
			p.addError(invalid.Field, invalid)
		}
		return p.err()
	}
	return err
}

// view calls fn with a snapshot of the caller's ledger. It creates the ledger if the caller has none.
func (c *call) view(fn func(store.Reader) error) error {
	return c.withLedger(func() error { return c.api.store.View(c.ctx, c.owner, fn) })
}
