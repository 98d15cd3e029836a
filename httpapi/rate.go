package httpapi

import (
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/internal/problem"
)

// rateBody is an exchange rate.
type rateBody struct {
	Base       string `json:"base"`
	Quote      string `json:"quote"`
	Date       string `json:"date"`
	Rate       string `json:"rate"`      // units of Quote for one unit of Base
	RateDate   string `json:"rate_date"` // of the rate: Date, or up to seven days earlier
	RateSource string `json:"rate_source"`
}

// getRate handles GET /v1/rates. It returns the rate that an expense in the currency base would be converted with. The
// default date is today in the ledger's time zone, the default quote is the home currency.
func (c *call) getRate() error {
	p := c.params()
	date, base, quote := p.date("date"), p.currency("base"), p.currency("quote")
	if _, ok := p.given("base"); !ok {
		p.fail("base", "required", "The parameter base is missing; give the currency to convert from.")
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
		return problem.New(problem.CodeNotFound,
			"There is no rate from %s to %s for %s or the seven days before it; give another "+
				"date or currency.",
			base, quote, date)
	}
	return c.send(result{body: rateBody{
		Base: base.Code(), Quote: quote.Code(), Date: date.String(),
		Rate: rate.Value.String(), RateDate: rate.Date.String(), RateSource: string(rate.Source),
	}})
}
