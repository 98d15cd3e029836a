package storetest

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

func totalChecks() []check {
	return []check{
		{name: "totals-steps-and-ranges", guards: []string{sayTotals, sayTotalsEqual,
			"budget.Reader.Totals: Totals is that of [expense.Reader]."}, run: checkTotals},
		{name: "totals-after-changes", guards: []string{sayTotalsEqual}, run: checkTotalsAfterChanges},
		{name: "totals-largest", guards: []string{sayTotalsEqual}, run: checkLargestTotals},
	}
}

// sums adds up the model's expenses, one by one.
func (b *book) sums(query expense.TotalsQuery) []expense.Total {
	var totals []expense.Total
	for i, span := range query.Ranges {
		for _, e := range b.rows {
			if !span.Contains(e.Date) {
				continue
			}
			period, code := query.Granularity.Truncate(e.Date), e.Amount.Currency()
			at := slices.IndexFunc(totals, func(t expense.Total) bool {
				return t.Range == i && t.Period == period && t.CategoryID == e.CategoryID && t.Amount.Currency() == code
			})
			if at < 0 {
				at = len(totals)
				totals = append(totals, expense.Total{
					Range: i, Period: period, CategoryID: e.CategoryID,
					Amount: minor(0, code), Pending: minor(0, code), Home: minor(0, b.settings.Home),
				})
			}
			t := &totals[at]
			t.Count++
			t.Amount = minor(t.Amount.Minor()+e.Amount.Minor(), code)
			if e.Pending() {
				t.PendingCount++
				t.Pending = minor(t.Pending.Minor()+e.Amount.Minor(), code)
			} else {
				t.Home = minor(t.Home.Minor()+e.Home.Minor(), b.settings.Home)
			}
		}
	}
	slices.SortFunc(totals, func(x, y expense.Total) int {
		return cmp.Or(cmp.Compare(x.Range, y.Range), cmp.Compare(x.Period.Int(), y.Period.Int()),
			bytes.Compare(x.CategoryID[:], y.CategoryID[:]), cmp.Compare(x.Amount.Currency().Code(), y.Amount.Currency().Code()))
	})
	return totals
}

// totals holds what r totals for query against the model's sums.
func (b *book) totals(r store.Reader, query expense.TotalsQuery) {
	got, err := r.Totals(b.ctx, query)
	b.must(err, "Totals(%+v)", query)
	sameList(b.probe, got, b.sums(query), "Totals(%+v)", query)
}

// spans are ranges of every shape: whole months and parts, one day, open sides, none at all, over the ends of years.
func spans() []expense.Range {
	day := expense.MustDate
	return []expense.Range{
		expense.MustMonth("2025-01").Range(),
		expense.MustMonth("2024-02").Range(),
		{From: day("2025-01-01"), To: day("2025-01-01")},
		{From: day("2025-01-02"), To: day("2025-02-27")},
		{From: day("2025-01-31"), To: day("2025-02-01")},
		{From: day("2024-12-30"), To: day("2025-07-01")},
		{From: day("2024-02-29"), To: day("2025-06-30")},
		{From: day("2025-02-28")},
		{To: day("2024-12-31")},
		{To: day("1900-01-01")},
		{},
		{From: day("2025-03-01"), To: day("2025-02-28")},
		{From: day("2025-08-01"), To: day("2025-08-31")},
		{From: day("2024-01-01"), To: day("2024-12-31")},
		{From: day("2025-01-01"), To: day("2025-12-31")},
	}
}

var steps = []expense.Granularity{expense.WholeRange, expense.ByDay, expense.ByWeek, expense.ByMonth}

func checkTotals(p *probe) {
	b := p.book("a")
	b.totals(b.reader, expense.TotalsQuery{Ranges: spans()})
	b.variety()
	for _, step := range steps {
		b.totals(b.reader, expense.TotalsQuery{Granularity: step})
		b.totals(b.reader, expense.TotalsQuery{Ranges: spans(), Granularity: step}) // overlapping ones at once
		for _, span := range spans() {
			b.totals(b.reader, expense.TotalsQuery{Ranges: []expense.Range{span}, Granularity: step})
		}
	}
	whole := expense.Range{}
	b.totals(b.reader, expense.TotalsQuery{Ranges: []expense.Range{whole, whole, whole}, Granularity: expense.ByMonth})
	b.must(p.st.View(p.ctx, b.owner, func(r store.Reader) error {
		b.totals(r, expense.TotalsQuery{Ranges: spans(), Granularity: expense.ByWeek})
		return nil
	}), "View")
	b.update(func(tx store.Tx) error {
		b.totals(tx, expense.TotalsQuery{Ranges: spans(), Granularity: expense.ByDay})
		return nil
	})
}

// checkTotalsAfterChanges makes each change that a kept sum must follow, one at a time.
func checkTotalsAfterChanges(p *probe) {
	b := p.book("a")
	b.variety()
	follow := func(doing string) {
		for _, step := range steps {
			query := expense.TotalsQuery{Ranges: spans(), Granularity: step}
			got, err := b.reader.Totals(p.ctx, query)
			p.must(err, "Totals after %s", doing)
			sameList(p, got, b.sums(query), "Totals(%+v) after %s", query, doing)
		}
	}
	first := b.put(b.expense("20.00", "EUR", "2025-01-10"), b.expense("500", "JPY", "2025-01-10"))
	follow("two more expenses")
	e := first[0]
	e.Amount, e.Home = expense.MustMoney("21.00", "EUR"), expense.MustMoney("21.00", "EUR")
	e = b.put(e)[0]
	follow("another amount")
	e.Date = expense.MustDate("2024-12-31")
	e = b.put(e)[0]
	follow("another month")
	e.CategoryID = b.rent
	e = b.put(e)[0]
	follow("another category")
	e.Amount = expense.MustMoney("21.00", "USD")
	e = b.put(b.converted(e, "0.9"))[0]
	follow("another currency")
	e.Rate, e.Home = expense.Rate{}, minor(0, b.settings.Home)
	e = b.put(e)[0]
	follow("the loss of a rate")
	e = b.put(b.converted(e, "0.912345"))[0]
	follow("a rate")
	b.put(b.converted(first[1], "0.0062"))
	follow("the conversion of a pending one")
	b.delete(e.ID)
	follow("a deletion")

	var version expense.Version
	both := b.expense("7.00", "EUR", "2025-02-02")
	b.update(func(tx store.Tx) (err error) {
		if version, err = tx.PutExpenses(p.ctx, both); err != nil {
			return err
		}
		_, err = tx.DeleteExpenses(p.ctx, both.ID)
		return err
	})
	b.wrote(version, "PutExpenses")
	follow("an expense that was made and deleted in one Update")

	b.update(func(tx store.Tx) error {
		merged, err := tx.MergeCategory(p.ctx, b.travel, b.food, expense.MustMonth("2025-03"))
		version = merged.Version
		return err
	})
	b.wrote(version, "MergeCategory")
	for id, e := range b.rows {
		if e.CategoryID == b.travel {
			e.CategoryID, e.Version = b.food, version
			b.rows[id] = e
		}
	}
	follow("a merge")
	var ids []uuid.UUID
	for id := range b.rows {
		ids = append(ids, id)
	}
	b.delete(ids...)
	follow("the deletion of everything")
}

func checkLargestTotals(p *probe) {
	b := p.book("a")
	b.put(b.expense("4999999999999.99", "EUR", "2025-01-10"), b.expense("5000000000000.00", "EUR", "2025-01-11"))
	b.verify(b.reader)
	c := p.book("refunds")
	c.put(c.expense("-9999999999999.99", "EUR", "2025-01-10"))
	c.verify(c.reader)
	d := p.book("pending")
	d.put(d.expense("999999999999998", "JPY", "2025-01-10"), d.expense("1", "JPY", "2025-01-10"))
	d.verify(d.reader)
}
