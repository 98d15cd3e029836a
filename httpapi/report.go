package httpapi

import (
	"context"
	"net/http"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/report"
	"github.com/spendwise/spendwise/store"
)

// monthlyBody is a monthly report as answers carry it.
type monthlyBody struct {
	Month      string           `json:"month"`
	Currency   string           `json:"currency"`
	Total      string           `json:"total"`
	Count      int              `json:"count"`
	Complete   bool             `json:"complete"`
	Pending    []amountBody     `json:"pending"`
	ByCategory []categoryShare  `json:"by_category"`
	ByCurrency []currencyTotal  `json:"by_currency"`
	Previous   comparisonReport `json:"previous"`
	YearAgo    comparisonReport `json:"year_ago"`
}

// categoryShare is a category's part of a period.
type categoryShare struct {
	CategoryID string  `json:"category_id"`
	Name       string  `json:"name"`
	Amount     string  `json:"amount"`
	Share      *string `json:"share"` // null where the net is not positive
	Count      int     `json:"count"`
	Budget     *string `json:"budget,omitzero"` // the limit in force
}

// currencyTotal is what was paid in one currency.
type currencyTotal struct {
	Currency   string `json:"currency"`
	Amount     string `json:"amount"`
	HomeAmount string `json:"home_amount"`
	Count      int    `json:"count"`
}

// comparisonReport is another month beside the one reported on.
type comparisonReport struct {
	Month    string `json:"month"`
	Total    string `json:"total"`
	Change   string `json:"change"`
	Complete bool   `json:"complete"`
}

func newMonthlyBody(m report.MonthlyReport) monthlyBody {
	body := monthlyBody{
		Month: m.Month.String(), Currency: m.Sum.Home.Currency().Code(), Total: m.Sum.Home.Amount(), Count: m.Sum.Count,
		Complete: m.Sum.Complete(), Pending: newAmountBodies(m.Sum.Pending),
		ByCategory: make([]categoryShare, len(m.ByCategory)), ByCurrency: make([]currencyTotal, len(m.ByCurrency)),
		Previous: newComparison(m.Previous), YearAgo: newComparison(m.YearAgo),
	}
	for i, category := range m.ByCategory {
		body.ByCategory[i] = categoryShare{
			CategoryID: category.ID.String(), Name: category.Name, Amount: category.Sum.Home.Amount(), Count: category.Sum.Count,
			Share: textOrNull(category.Share.String()),
		}
		if !category.Limit.IsZero() {
			body.ByCategory[i].Budget = new(category.Limit.Amount())
		}
	}
	for i, currency := range m.ByCurrency {
		body.ByCurrency[i] = currencyTotal{
			Currency: currency.Paid.Currency().Code(), Amount: currency.Paid.Amount(), HomeAmount: currency.Sum.Home.Amount(),
			Count: currency.Sum.Count,
		}
	}
	return body
}

func newComparison(c report.Comparison) comparisonReport {
	return comparisonReport{
		Month: c.Month.String(), Total: c.Sum.Home.Amount(), Change: c.Change.Amount(), Complete: c.Sum.Complete(),
	}
}

// monthlyReport answers GET /v1/reports/monthly; without a month it is the one at hand in the ledger's zone.
func (c *call) monthlyReport() error {
	p := params{values: c.query}
	month := p.month("month")
	if err := p.err(); err != nil {
		return err
	}
	var monthly report.MonthlyReport
	err := c.view(func(r store.Reader) error {
		book, err := r.Book(c.ctx)
		if err != nil {
			return err
		}
		asked := month
		if asked.IsZero() {
			asked = book.Settings.Today(c.now).Month()
		}
		monthly, err = report.Monthly(c.ctx, bookRead{r, book}, asked)
		return err
	})
	if faults := expense.FaultsOf(err); len(faults) > 0 {
		p.take("month", err)
		return p.err()
	}
	if err != nil {
		return err
	}
	return c.send(result{status: http.StatusOK, body: newMonthlyBody(monthly)})
}

// A bookRead is a reader whose book was read before: it is not read again.
type bookRead struct {
	store.Reader
	book budget.Book
}

// Book returns the book.
func (r bookRead) Book(context.Context) (budget.Book, error) { return r.book, nil }

// view runs fn over a snapshot of the caller's ledger, which is made first if the caller has none yet.
func (c *call) view(fn func(store.Reader) error) error {
	return c.withLedger(func() error { return c.api.store.View(c.ctx, c.owner, fn) })
}
