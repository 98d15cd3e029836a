package httpapi

import (
	"net/http"
	"strconv"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/expense/locale"
	"github.com/spendwise/spendwise/export/wire"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/report"
	"github.com/spendwise/spendwise/store"
)

// usualTop is how many of the largest expenses a report lists, unless it is asked for others.
const usualTop = 5

// sumBody is what some expenses come to. Each figure that leaves out what waits for a rate says so.
type sumBody struct {
	Count    int          `json:"count"`
	Complete bool         `json:"complete"`
	Pending  []amountBody `json:"pending"`
}

func newSumBody(s expense.Sum) sumBody {
	return sumBody{Count: s.Count, Complete: s.Complete(), Pending: newAmountBodies(s.Pending)}
}

// summaryBody is what was spent in a period.
type summaryBody struct {
	Title    string `json:"title"` // the period as the ledger's locale writes it
	DateFrom string `json:"date_from"`
	DateTo   string `json:"date_to"`
	Currency string `json:"currency"`
	Total    string `json:"total"`
	sumBody
	DailyAverage string          `json:"daily_average"` // of what was spent up to today
	Ahead        aheadBody       `json:"ahead"`         // of total, what is booked for days after today
	ByCategory   []categoryShare `json:"by_category"`
	ByCurrency   []currencyTotal `json:"by_currency"`
	Previous     comparisonBody  `json:"previous"`
	YearAgo      comparisonBody  `json:"year_ago"`
	Top          []wire.Expense  `json:"top"` // the largest
}

// aheadBody is what of a period is booked for days after today.
type aheadBody struct {
	Amount string `json:"amount"`
	sumBody
}

// categoryShare is a category's part of a period.
type categoryShare struct {
	CategoryID string  `json:"category_id"`
	Name       string  `json:"name"`
	Amount     string  `json:"amount"`
	Share      *string `json:"share"` // null where the net is not positive
	sumBody
	Budget *string `json:"budget,omitzero"` // the limits in force in the period
}

// currencyTotal is what was paid in one currency.
type currencyTotal struct {
	Currency   string `json:"currency"`
	Amount     string `json:"amount"`
	HomeAmount string `json:"home_amount"`
	sumBody
}

// comparisonBody is another period beside the one reported on.
type comparisonBody struct {
	Month    string `json:"month,omitzero"`
	Year     int    `json:"year,omitzero"`
	DateFrom string `json:"date_from"`
	DateTo   string `json:"date_to"`
	Total    string `json:"total"`
	Change   string `json:"change"`
	sumBody
}

// monthlyBody is a monthly report as answers carry it.
type monthlyBody struct {
	Month string `json:"month"`
	summaryBody
	Planned []plannedBody `json:"planned"` // not booked yet, and in no sum
}

// plannedBody is an occurrence of a rule that is still to be posted.
type plannedBody struct {
	Date     string `json:"date"`
	Amount   string `json:"amount"`
	Currency string `json:"currency"`
	RuleID   string `json:"rule_id"`
}

// yearlyBody is a yearly report as answers carry it.
type yearlyBody struct {
	Year int `json:"year"` // in which it begins
	summaryBody
	ByMonth []monthSum `json:"by_month"` // always twelve
}

// monthSum is what was spent in one month.
type monthSum struct {
	Month  string `json:"month"`
	Title  string `json:"title"`
	Amount string `json:"amount"`
	sumBody
}

// trendBody is a line of what was spent as answers carry it.
type trendBody struct {
	Title      string  `json:"title"` // as the ledger's locale writes it
	By         string  `json:"by"`
	From       string  `json:"from"`
	To         string  `json:"to"`
	CategoryID *string `json:"category_id"`
	Currency   string  `json:"currency"`
	Total      string  `json:"total"`
	sumBody
	Points []pointBody `json:"points"`
}

// pointBody is one point of a trend.
type pointBody struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Amount string `json:"amount"`
	sumBody
}

func newSummaryBody(s report.Summary, title string, top []expense.Expense) summaryBody {
	body := summaryBody{
		Title: title, DateFrom: s.Dates.From.String(), DateTo: s.Dates.To.String(),
		Currency: s.Sum.Home.Currency().Code(), Total: s.Sum.Home.Amount(), sumBody: newSumBody(s.Sum), DailyAverage: s.DailyAverage.Amount(),
		Ahead:      aheadBody{Amount: s.AfterToday.Home.Amount(), sumBody: newSumBody(s.AfterToday)},
		ByCategory: make([]categoryShare, len(s.ByCategory)), ByCurrency: make([]currencyTotal, len(s.ByCurrency)),
		Previous: newComparison(s.Previous), YearAgo: newComparison(s.YearAgo), Top: make([]wire.Expense, len(top)),
	}
	for i, category := range s.ByCategory {
		body.ByCategory[i] = categoryShare{
			CategoryID: category.ID.String(), Name: category.Name, Amount: category.Sum.Home.Amount(), sumBody: newSumBody(category.Sum),
			Share: textOrNull(category.Share.String()),
		}
		if !category.Limit.IsZero() {
			body.ByCategory[i].Budget = new(category.Limit.Amount())
		}
	}
	for i, currency := range s.ByCurrency {
		body.ByCurrency[i] = currencyTotal{
			Currency: currency.Paid.Currency().Code(), Amount: currency.Paid.Amount(), HomeAmount: currency.Sum.Home.Amount(),
			sumBody: newSumBody(currency.Sum),
		}
	}
	for i, e := range top {
		body.Top[i] = wire.NewExpense(e)
	}
	return body
}

func newComparison(c report.Comparison) comparisonBody {
	return comparisonBody{
		DateFrom: c.Dates.From.String(), DateTo: c.Dates.To.String(), Total: c.Sum.Home.Amount(), Change: c.Change.Amount(),
		sumBody: newSumBody(c.Sum),
	}
}

// A monthlyAnswer is a monthly report with what stands beside it.
type monthlyAnswer struct {
	report.MonthlyReport
	planned []recurrence.PlannedOccurrence
	top     []expense.Expense
}

// readMonthly reads the report that the query asks for; without a month it is the one at hand in the ledger's zone.
func (c *call) readMonthly() (monthlyAnswer, error) {
	p := params{values: c.query}
	month, top := p.month("month"), p.top(usualTop)
	if err := p.err(); err != nil {
		return monthlyAnswer{}, err
	}
	var answer monthlyAnswer
	err := c.report(&p, func(r store.Reader, now time.Time) (err error) {
		if answer.MonthlyReport, err = report.Monthly(c.ctx, r, now, month); err != nil {
			return err
		}
		if answer.top, err = report.LargestExpenses(c.ctx, r, answer.Dates, top); err != nil {
			return err
		}
		// What a past month planned was posted or skipped.
		if !answer.HasUpcomingOccurrences || answer.Month.Before(answer.Settings.Today(now).Month()) {
			return nil
		}
		rules, err := r.Rules(c.ctx)
		if err == nil {
			answer.planned, err = recurrence.Plan(c.ctx, r, rules, answer.Dates)
		}
		return err
	})
	return answer, err
}

// monthlyReport answers GET /v1/reports/monthly.
func (c *call) monthlyReport() error {
	answer, err := c.readMonthly()
	if err != nil {
		return err
	}
	body := monthlyBody{
		Month:       answer.Month.String(),
		summaryBody: newSummaryBody(answer.Summary, answer.Title(locale.NewFormatter(answer.Settings.Locale)), answer.top),
		Planned:     make([]plannedBody, len(answer.planned)),
	}
	body.Previous.Month = answer.Previous.Dates.From.Month().String()
	body.YearAgo.Month = answer.YearAgo.Dates.From.Month().String()
	for i, planned := range answer.planned {
		body.Planned[i] = plannedBody{
			Date: planned.Date.String(), Amount: planned.Rule.Amount.Amount(), Currency: planned.Rule.Amount.Currency().Code(),
			RuleID: planned.Rule.ID.String(),
		}
	}
	return c.send(result{status: http.StatusOK, body: body})
}

// A yearlyAnswer is a yearly report with what stands beside it.
type yearlyAnswer struct {
	report.YearlyReport
	top []expense.Expense
}

// readYearly reads the report that the query asks for: of the ledger's fiscal year that begins in a calendar year, or of the
// calendar year itself; without a year of the one at hand.
func (c *call) readYearly(top int) (yearlyAnswer, error) {
	p := params{values: c.query}
	year, top, start := p.year("year"), p.top(top), time.Month(0)
	if calendar := p.boolean("calendar"); calendar != nil && *calendar {
		start = time.January
	}
	if err := p.err(); err != nil {
		return yearlyAnswer{}, err
	}
	var answer yearlyAnswer
	err := c.report(&p, func(r store.Reader, now time.Time) (err error) {
		if answer.YearlyReport, err = report.Yearly(c.ctx, r, now, year, start); err != nil {
			return err
		}
		answer.top, err = report.LargestExpenses(c.ctx, r, answer.Dates, top)
		return err
	})
	return answer, err
}

// yearlyReport answers GET /v1/reports/yearly.
func (c *call) yearlyReport() error {
	answer, err := c.readYearly(usualTop)
	if err != nil {
		return err
	}
	format := locale.NewFormatter(answer.Settings.Locale)
	body := yearlyBody{
		Year: answer.Year, summaryBody: newSummaryBody(answer.Summary, answer.Title(format), answer.top),
		ByMonth: make([]monthSum, len(answer.ByMonth)),
	}
	body.Previous.Year = answer.Year - 1
	body.YearAgo.Year = answer.Year - 1
	for i, month := range answer.ByMonth {
		body.ByMonth[i] = monthSum{
			Month: month.Month.String(), Title: format.Month(month.Month), Amount: month.Sum.Home.Amount(), sumBody: newSumBody(month.Sum),
		}
	}
	return c.send(result{status: http.StatusOK, body: body})
}

// A rangeAnswer is a report on any days with what stands beside it.
type rangeAnswer struct {
	report.RangeReport
	top []expense.Expense
}

// readRange reads the report that the query asks for.
func (c *call) readRange(top int) (rangeAnswer, error) {
	p := params{values: c.query}
	dates, top := p.span("date_from", "date_to"), p.top(top)
	if err := p.err(); err != nil {
		return rangeAnswer{}, err
	}
	var answer rangeAnswer
	err := c.report(&p, func(r store.Reader, now time.Time) (err error) {
		if answer.RangeReport, err = report.Range(c.ctx, r, now, dates); err != nil {
			return err
		}
		answer.top, err = report.LargestExpenses(c.ctx, r, dates, top)
		return err
	})
	return answer, err
}

// rangeReport answers GET /v1/reports/range.
func (c *call) rangeReport() error {
	answer, err := c.readRange(usualTop)
	if err != nil {
		return err
	}
	title := answer.Title(locale.NewFormatter(answer.Settings.Locale))
	return c.send(result{status: http.StatusOK, body: newSummaryBody(answer.Summary, title, answer.top)})
}

// readTrend reads the line that the query asks for.
func (c *call) readTrend() (line report.TrendReport, err error) {
	p := params{values: c.query}
	query := report.TrendQuery{
		Dates: p.span("from", "to"), Granularity: p.step("by", expense.ByMonth), Category: p.id("category_id"),
	}
	if err := p.err(); err != nil {
		return line, err
	}
	err = c.report(&p, func(r store.Reader, _ time.Time) (err error) {
		line, err = report.Trend(c.ctx, r, query)
		return err
	})
	return line, err
}

// trendReport answers GET /v1/reports/trend.
func (c *call) trendReport() error {
	line, err := c.readTrend()
	if err != nil {
		return err
	}
	body := trendBody{
		Title: line.Title(locale.NewFormatter(line.Settings.Locale)), By: stepNames[line.Granularity], From: line.Dates.From.String(), To: line.Dates.To.String(), Currency: line.Sum.Home.Currency().Code(),
		Total: line.Sum.Home.Amount(), sumBody: newSumBody(line.Sum), Points: make([]pointBody, len(line.Points)),
	}
	if line.Category != nil {
		body.CategoryID = idOrNull(line.Category.ID)
	}
	for i, point := range line.Points {
		body.Points[i] = pointBody{
			From: point.Dates.From.String(), To: point.Dates.To.String(), Amount: point.Sum.Home.Amount(), sumBody: newSumBody(point.Sum),
		}
	}
	return c.send(result{status: http.StatusOK, body: body})
}

// stepNames are the steps of a trend on the wire.
var stepNames = map[expense.Granularity]string{expense.ByDay: "day", expense.ByWeek: "week", expense.ByMonth: "month"}

// step reads the step of a trend.
func (p *params) step(name string, fallback expense.Granularity) expense.Granularity {
	text, ok := p.given(name)
	if !ok {
		return fallback
	}
	for step, known := range stepNames {
		if text == known {
			return step
		}
	}
	p.fail(name, "unknown_value", "A trend goes by day, week or month.")
	return fallback
}

// year reads a year of the calendar.
func (p *params) year(name string) int {
	return parseParam(p, name, func(text string) (int, error) {
		first, err := expense.ParseMonth(text + "-01")
		if err != nil {
			return 0, &expense.InvalidError{Code: "malformed_year", Detail: "a year is written YYYY"}
		}
		return first.Year(), nil
	})
}

// top reads how many of the largest expenses are asked for.
func (p *params) top(usual int) int {
	text, ok := p.given("top")
	if !ok {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > report.MaxLargestExpenses {
		p.fail("top", "out_of_range", "The number of the largest expenses is from 0 to %d.", report.MaxLargestExpenses)
		return usual
	}
	return n
}

// report runs fn over a snapshot; the faults that a report finds in what it was asked are those of the query's parameters.
func (c *call) report(p *params, fn func(r store.Reader, now time.Time) error) error {
	err := c.view(func(r store.Reader) error { return fn(r, c.now) })
	if faults := expense.InvalidErrors(err); len(faults) > 0 {
		for _, broken := range faults {
			p.take(broken.Field, broken)
		}
		return p.err()
	}
	return err
}

// view runs fn over a snapshot of the caller's ledger, which is made first if the caller has none yet.
func (c *call) view(fn func(store.Reader) error) error {
	return c.withLedger(func() error { return c.api.store.View(c.ctx, c.owner, fn) })
}
