package storetest

import (
	"cmp"
	"slices"

	"github.com/spendwise/spendwise/expense"
)

func newQuote(source expense.Source, day, code, value string) expense.Quote {
	return expense.Quote{Source: source, Date: date(day), Currency: currency(code), Value: expense.MustFactor(value)}
}

func (t *checkT) quotes(source expense.Source, from expense.Date) []expense.Quote {
	return collect(t, t.st.Quotes(t.ctx, source, from), "Quotes")
}

// wantPutQuotes stores quotes. PutQuotes must return those whose stored value differs.
func (t *checkT) wantPutQuotes(subject string, want []expense.Quote, quotes ...expense.Quote) {
	changed, err := t.st.PutQuotes(t.ctx, quotes...)
	t.noError(err, "PutQuotes of %s", subject)
	equalLists(t, changed, want, "the quotes that PutQuotes of %s returned", subject)
}

func checkQuotes(t *checkT) {
	equal(t, len(t.quotes("ecb", expense.Date{})), 0, "the number of Quotes of an empty store")
	t.wantPutQuotes("no quotes", nil)
	stored := []expense.Quote{
		newQuote("ecb", "2025-01-03", "USD", "1.0299"), newQuote("ecb", "2025-01-02", "USD", "1.0321"),
		newQuote("ecb", "2025-01-02", "JPY", "162.55"),
		newQuote("ecb", "1999-01-04", "USD", "1.1789"), newQuote("boe", "2025-01-02", "USD", "0.123456789012345678"),
		newQuote("ecb", "2025-01-03", "JPY", "123456789012345678"),
		newQuote("ecb", "2024-12-31", "KWD", "0.000000000000000001"), newQuote("ECB", "2025-01-02", "USD", "7"),
	}
	for i := range 700 { // more than a store reads at once
		usd, jpy := newQuote("ecb", "2001-01-01", "USD", "1.5"), newQuote("ecb", "2001-01-01", "JPY", "150")
		usd.Date, jpy.Date = usd.Date.AddDays(i), jpy.Date.AddDays(i)
		stored = append(stored, usd, jpy)
	}
	t.wantPutQuotes("new quotes", nil, stored...)
	for _, source := range []expense.Source{"ecb", "boe", "ECB", "none", ""} {
		for _, from := range []expense.Date{{}, date("2001-06-01"), date("2025-01-02"), date("2025-01-04")} {
			var want []expense.Quote
			for _, q := range stored {
				if q.Source == source && !q.Date.Before(from) {
					want = append(want, q)
				}
			}
			slices.SortFunc(want, func(x, y expense.Quote) int {
				return cmp.Or(x.Date.Compare(y.Date), cmp.Compare(x.Currency.Code(), y.Currency.Code()))
			})
			equalLists(t, t.quotes(source, from), want, "Quotes of %q from %q", source, from)
		}
	}
	l := t.ledger("a")
	count := 0
	for _, err := range t.st.Quotes(t.ctx, "ecb", expense.Date{}) {
		t.noError(err, "Quotes")
		if count++; count%300 == 0 {
			l.put(l.anyExpense())
			t.wantPutQuotes("a quote in a loop over Quotes", nil, newQuote("boe", "2020-01-01", "JPY", "150"))
		}
		if count == 1000 {
			break
		}
	}
	equal(t, count, 1000, "the number of Quotes before a break")
}

func checkQuotesKept(t *checkT) {
	usd, jpy := newQuote("ecb", "2025-01-02", "USD", "1.0321"), newQuote("ecb", "2025-01-02", "JPY", "162.55")
	t.wantPutQuotes("new quotes", nil, usd, jpy)
	revised, fresh := newQuote("ecb", "2025-01-02", "USD", "1.0322"), newQuote("ecb", "2025-01-03", "USD", "1.03")
	for range 2 {
		t.wantPutQuotes("an equal, a revised and a new quote", []expense.Quote{revised}, jpy, revised, fresh)
	}
	t.wantPutQuotes("equal quotes", nil, usd, jpy)
	equalLists(t, t.quotes("ecb", expense.Date{}), []expense.Quote{jpy, usd, fresh},
		"Quotes after a revision by the source")
	late := []expense.Quote{newQuote("ecb", "2025-01-06", "USD", "1.04"), newQuote("ecb", "2025-01-06", "JPY", "160")}
	t.concurrently(4, func(int) {
		if _, err := t.st.PutQuotes(t.ctx, late...); err != nil {
			t.errorf("concurrent PutQuotes: %v", err)
		}
	})
	equal(t, len(t.quotes("ecb", date("2025-01-06"))), 2, "the number of Quotes after concurrent PutQuotes of the same")
}
