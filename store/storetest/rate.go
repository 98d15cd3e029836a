package storetest

import (
	"cmp"
	"slices"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

const (
	sayPutQuotes = "store.Store.PutQuotes: PutQuotes keeps published prices for all ledgers."
	sayKeepOld   = "store.Store.PutQuotes: A price that is kept already is never overwritten: the returned ones differ " +
		"from what is kept, as their source published them."
	sayQuotes = "store.Store.Quotes: Quotes yields the kept prices of source from the day from on, ordered by date and " +
		"currency code."
)

func quoteChecks() []check {
	return []check{
		{name: "quotes", guards: []string{sayPutQuotes, sayQuotes, sayNoRowsOpen}, alone: true, run: checkQuotes},
		{name: "quotes-insert-only", guards: []string{sayKeepOld}, alone: true, run: checkQuotesKept},
	}
}

func quote(source expense.Source, date, code, value string) expense.Quote {
	return expense.Quote{Source: source, Date: expense.MustDate(date), Currency: expense.MustCurrency(code),
		Value: expense.MustFactor(value)}
}

func checkQuotes(p *probe) {
	same(p, len(all(p, p.st.Quotes(p.ctx, "ecb", expense.Date{}), "Quotes")), 0, "quotes of an empty store")
	changed, err := p.st.PutQuotes(p.ctx)
	p.must(err, "PutQuotes of none")
	same(p, len(changed), 0, "changed ones of none")
	kept := []expense.Quote{
		quote("ecb", "2025-01-03", "USD", "1.0299"), quote("ecb", "2025-01-02", "USD", "1.0321"),
		quote("ecb", "2025-01-02", "JPY", "162.55"),
		quote("ecb", "1999-01-04", "USD", "1.1789"), quote("boe", "2025-01-02", "USD", "0.123456789012345678"),
		quote("ecb", "2025-01-03", "JPY", "123456789012345678"),
		quote("ecb", "2024-12-31", "KWD", "0.000000000000000001"), quote("ECB", "2025-01-02", "USD", "7"),
	}
	for i := range 700 { // more than is read in one go, with what comes before
		kept = append(kept, expense.Quote{Source: "ecb", Date: expense.MustDate("2001-01-01").AddDays(i),
			Currency: expense.MustCurrency("USD"), Value: expense.MustFactor("1.5")},
			expense.Quote{Source: "ecb", Date: expense.MustDate("2001-01-01").AddDays(i), Currency: expense.MustCurrency("JPY"),
				Value: expense.MustFactor("150")})
	}
	changed, err = p.st.PutQuotes(p.ctx, kept...)
	p.must(err, "PutQuotes")
	same(p, len(changed), 0, "changed ones of new quotes")
	for _, source := range []expense.Source{"ecb", "boe", "ECB", "none", ""} {
		for _, from := range []expense.Date{{}, expense.MustDate("2001-06-01"), expense.MustDate("2025-01-02"),
			expense.MustDate("2025-01-04")} {
			var want []expense.Quote
			for _, q := range kept {
				if q.Source == source && !q.Date.Before(from) {
					want = append(want, q)
				}
			}
			slices.SortFunc(want, func(x, y expense.Quote) int {
				return cmp.Or(x.Date.Compare(y.Date), cmp.Compare(x.Currency.Code(), y.Currency.Code()))
			})
			sameList(p, all(p, p.st.Quotes(p.ctx, source, from), "Quotes"), want, "Quotes of %q from %q", source, from)
		}
	}
	b := p.book("a")
	rounds := 0
	for _, err := range p.st.Quotes(p.ctx, "ecb", expense.Date{}) {
		p.must(err, "Quotes")
		if rounds++; rounds%300 == 0 {
			b.update(func(tx store.Tx) error {
				_, err := tx.PutExpenses(p.ctx, b.expense("1.00", "EUR", "2025-01-01"))
				return err
			})
			_, err := p.st.PutQuotes(p.ctx, quote("boe", "2020-01-01", "JPY", "150"))
			p.must(err, "PutQuotes in the body of a loop over Quotes")
		}
		if rounds == 1000 {
			break
		}
	}
	same(p, rounds, 1000, "rounds before a break")
}

func checkQuotesKept(p *probe) {
	first := []expense.Quote{quote("ecb", "2025-01-02", "USD", "1.0321"), quote("ecb", "2025-01-02", "JPY", "162.55")}
	_, err := p.st.PutQuotes(p.ctx, first...)
	p.must(err, "PutQuotes")
	revised := quote("ecb", "2025-01-02", "USD", "1.0322")
	fresh := quote("ecb", "2025-01-03", "USD", "1.03")
	for round := range 2 {
		changed, err := p.st.PutQuotes(p.ctx, first[1], revised, fresh)
		p.must(err, "PutQuotes")
		sameList(p, changed, []expense.Quote{revised}, "what PutQuotes returned in round %d", round)
	}
	changed, err := p.st.PutQuotes(p.ctx, first...)
	p.must(err, "PutQuotes")
	same(p, len(changed), 0, "changed ones of equal quotes")
	sameList(p, all(p, p.st.Quotes(p.ctx, "ecb", expense.Date{}), "Quotes"), []expense.Quote{first[1], first[0], fresh},
		"Quotes after a revision upstream")
	// Inserting the same from many sides keeps one.
	p.together(4, func(int) {
		if _, err := p.st.PutQuotes(p.ctx, quote("ecb", "2025-01-06", "USD", "1.04"),
			quote("ecb", "2025-01-06", "JPY", "160")); err != nil {
			p.note("PutQuotes beside others: %v", err)
		}
	})
	same(p, len(all(p, p.st.Quotes(p.ctx, "ecb", expense.MustDate("2025-01-06")), "Quotes")), 2,
		"quotes that four put at once")
}
