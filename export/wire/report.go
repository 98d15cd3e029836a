package wire

import (
	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/expense/locale"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/report"
)

// Sum says how many expenses a figure counts, and which amounts it leaves out because they are pending.
type Sum struct {
	Count    int      `json:"count"` // includes pending expenses
	Complete bool     `json:"complete"`
	Pending  []Amount `json:"pending"` // one amount for each currency
}

func newSum(s expense.Sum) Sum {
	return Sum{Count: s.Count, Complete: s.Complete(), Pending: newAmounts(s.Pending)}
}

// Summary is the JSON form of a report on a period. Its amounts are in Currency, the home currency, unless they have
// one of their own. See [report.Summary] for the figures.
type Summary struct {
	Title    string `json:"title"` // the period in the ledger's locale
	DateFrom string `json:"date_from"`
	DateTo   string `json:"date_to"`
	Currency string `json:"currency"`
	Total    string `json:"total"`
	Sum
	DailyAverage string          `json:"daily_average"`
	Ahead        Ahead           `json:"ahead"`
	ByCategory   []CategoryShare `json:"by_category"`
	ByCurrency   []CurrencyTotal `json:"by_currency"`
	Previous     Comparison      `json:"previous"` // the period before
	YearAgo      Comparison      `json:"year_ago"` // the same period one year earlier
	Top          []Expense       `json:"top"`      // the largest expenses
}

// Ahead is the part of a total that is dated after today.
type Ahead struct {
	Amount string `json:"amount"`
	Sum
}

// CategoryShare is what was spent in one category.
type CategoryShare struct {
	CategoryID uuid.UUID `json:"category_id"`
	Name       string    `json:"name"`
	Amount     string    `json:"amount"`
	Share      *string   `json:"share"` // in percent, such as "12.34"; null if the amount is not positive
	Sum
	Budget *string `json:"budget,omitzero"` // the limit of the category's budget in the period; absent: none
}

// CurrencyTotal is what was paid in one currency.
type CurrencyTotal struct {
	Currency   string `json:"currency"`
	Amount     string `json:"amount"`      // in Currency
	HomeAmount string `json:"home_amount"` // in the home currency
	Sum
}

// Comparison compares another period with that of the report.
type Comparison struct {
	Month    string `json:"month,omitzero"` // only in a monthly report
	Year     int    `json:"year,omitzero"`  // only in a yearly report
	DateFrom string `json:"date_from"`
	DateTo   string `json:"date_to"`
	Total    string `json:"total"`
	Change   string `json:"change"` // the total of the report minus this total
	Sum
}

// NewSummary returns the JSON form of a report on any period. title is the title of the period, and top are its largest
// expenses.
func NewSummary(s report.Summary, title string, top []expense.Expense) Summary {
	w := Summary{
		Title: title, DateFrom: s.Dates.From.String(), DateTo: s.Dates.To.String(), Currency: s.Sum.Home.Currency().Code(),
		Total: s.Sum.Home.Amount(), Sum: newSum(s.Sum), DailyAverage: s.DailyAverage.Amount(),
		Ahead:      Ahead{Amount: s.AfterToday.Home.Amount(), Sum: newSum(s.AfterToday)},
		ByCategory: make([]CategoryShare, len(s.ByCategory)), ByCurrency: make([]CurrencyTotal, len(s.ByCurrency)),
		Previous: newComparison(s.Previous), YearAgo: newComparison(s.YearAgo), Top: make([]Expense, len(top)),
	}
	for i, category := range s.ByCategory {
		w.ByCategory[i] = CategoryShare{
			CategoryID: category.ID, Name: category.Name, Amount: category.Sum.Home.Amount(), Sum: newSum(category.Sum),
			Share: orNull(category.Share.String()),
		}
		if !category.Limit.IsZero() {
			w.ByCategory[i].Budget = new(category.Limit.Amount())
		}
	}
	for i, currency := range s.ByCurrency {
		w.ByCurrency[i] = CurrencyTotal{
			Currency: currency.Paid.Currency().Code(), Amount: currency.Paid.Amount(), HomeAmount: currency.Sum.Home.Amount(),
			Sum: newSum(currency.Sum),
		}
	}
	for i, e := range top {
		w.Top[i] = NewExpense(e)
	}
	return w
}

func newComparison(c report.Comparison) Comparison {
	return Comparison{
		DateFrom: c.Dates.From.String(), DateTo: c.Dates.To.String(), Total: c.Sum.Home.Amount(), Change: c.Change.Amount(),
		Sum: newSum(c.Sum),
	}
}

// Monthly is the JSON form of a monthly report.
type Monthly struct {
	Month string `json:"month"`
	Summary
	Planned []Occurrence `json:"planned"` // occurrences of rules that are not posted yet; no sum includes them
}

// NewMonthly returns the JSON form of r. top are its largest expenses.
func NewMonthly(r report.MonthlyReport, top []expense.Expense, planned []recurrence.PlannedOccurrence) Monthly {
	w := Monthly{
		Month:   r.Month.String(),
		Summary: NewSummary(r.Summary, r.Title(locale.NewFormatter(r.Settings.Locale)), top),
		Planned: NewOccurrences(planned),
	}
	w.Previous.Month = r.Previous.Dates.From.Month().String()
	w.YearAgo.Month = r.YearAgo.Dates.From.Month().String()
	return w
}

// Occurrence is an occurrence of a recurring rule that is not posted yet.
type Occurrence struct {
	Date     string    `json:"date"`
	Amount   string    `json:"amount"`
	Currency string    `json:"currency"`
	RuleID   uuid.UUID `json:"rule_id"`
}

// NewOccurrences returns the JSON form of planned occurrences.
func NewOccurrences(planned []recurrence.PlannedOccurrence) []Occurrence {
	w := make([]Occurrence, len(planned))
	for i, p := range planned {
		w[i] = Occurrence{
			Date: p.Date.String(), Amount: p.Rule.Amount.Amount(), Currency: p.Rule.Amount.Currency().Code(), RuleID: p.Rule.ID,
		}
	}
	return w
}

// Yearly is the JSON form of a yearly report.
type Yearly struct {
	Year int `json:"year"` // the calendar year in which the report begins
	Summary
	ByMonth []MonthSum `json:"by_month"` // twelve months
}

// MonthSum is what was spent in one month.
type MonthSum struct {
	Month  string `json:"month"`
	Title  string `json:"title"` // the month in the ledger's locale
	Amount string `json:"amount"`
	Sum
}

// NewYearly returns the JSON form of r. top are its largest expenses.
func NewYearly(r report.YearlyReport, top []expense.Expense) Yearly {
	format := locale.NewFormatter(r.Settings.Locale)
	w := Yearly{
		Year: r.Year, Summary: NewSummary(r.Summary, r.Title(format), top), ByMonth: make([]MonthSum, len(r.ByMonth)),
	}
	w.Previous.Year, w.YearAgo.Year = r.Year-1, r.Year-1
	for i, month := range r.ByMonth {
		w.ByMonth[i] = MonthSum{
			Month: month.Month.String(), Title: format.Month(month.Month), Amount: month.Sum.Home.Amount(),
			Sum: newSum(month.Sum),
		}
	}
	return w
}

// Trend is the JSON form of a trend: what was spent in each day, week or month of a range of days.
type Trend struct {
	Title      string     `json:"title"` // in the ledger's locale
	By         string     `json:"by"`    // day, week or month
	From       string     `json:"from"`
	To         string     `json:"to"`
	CategoryID *uuid.UUID `json:"category_id"` // null: all categories
	Currency   string     `json:"currency"`
	Total      string     `json:"total"`
	Sum
	Points []Point `json:"points"`
}

// Point is one point of a trend.
type Point struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Amount string `json:"amount"`
	Sum
}

// Granularities returns the granularities of a trend by their names in JSON.
func Granularities() map[string]expense.Granularity {
	return map[string]expense.Granularity{"day": expense.ByDay, "week": expense.ByWeek, "month": expense.ByMonth}
}

// NewTrend returns the JSON form of r.
func NewTrend(r report.TrendReport) Trend {
	w := Trend{
		Title: r.Title(locale.NewFormatter(r.Settings.Locale)), From: r.Dates.From.String(), To: r.Dates.To.String(),
		Currency: r.Sum.Home.Currency().Code(), Total: r.Sum.Home.Amount(), Sum: newSum(r.Sum),
		Points: make([]Point, len(r.Points)),
	}
	for name, granularity := range Granularities() {
		if granularity == r.Granularity {
			w.By = name
		}
	}
	if r.Category != nil {
		w.CategoryID = orNull(r.Category.ID)
	}
	for i, point := range r.Points {
		w.Points[i] = Point{
			From: point.Dates.From.String(), To: point.Dates.To.String(), Amount: point.Sum.Home.Amount(),
			Sum: newSum(point.Sum),
		}
	}
	return w
}
