package httpapi

import (
	"net/http"

	"github.com/spendwise/spendwise/expense"
)

// rateBody is what a conversion would use.
type rateBody struct {
	Base       string `json:"base"`
	Quote      string `json:"quote"`
	Date       string `json:"date"`
	Rate       string `json:"rate"` // units of quote for one of base
	RateDate   string `json:"rate_date"`
	RateSource string `json:"rate_source"`
}

// getRate answers GET /v1/rates: what an expense in base would be converted with into quote. Without a date it is today,
// without a quote the home currency.
func (c *call) getRate() error {
	p := params{values: c.query}
	date, base, quote := p.date("date"), p.currency("base"), p.currency("quote")
	if _, ok := p.given("base"); !ok {
		p.fail("base", "required", "Name the currency to convert from.")
	}
	if err := p.err(); err != nil {
		return err
	}
	if date.IsZero() || quote.IsZero() {
		settings, err := c.settings()
		if err != nil {
			return err
		}
		if date.IsZero() {
			date = settings.Today(c.now)
		}
		if quote.IsZero() {
			quote = settings.Home
		}
	}
	rate, ok := expense.LookupRate(c.api.rates, base, quote, date)
	if !ok {
		return newProblem(codeNotFound, "There is no rate from %s to %s on %s, nor in the seven days before it.", base, quote, date)
	}
	return c.send(result{status: http.StatusOK, body: rateBody{
		Base: base.Code(), Quote: quote.Code(), Date: date.String(),
		Rate: rate.Value.String(), RateDate: rate.Date.String(), RateSource: string(rate.Source),
	}})
}
