package storetest

import (
	"fmt"
	"maps"
	"slices"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// dateRanges returns whole months and parts of months, single days, empty, half-open and unlimited ranges, and ranges
// over the ends of years.
func dateRanges() []expense.Range {
	return []expense.Range{
		month("2025-01").Range(),
		month("2024-02").Range(),
		dates("2025-01-01", "2025-01-01"),
		dates("2025-01-02", "2025-02-27"),
		dates("2025-01-31", "2025-02-01"),
		dates("2024-12-30", "2025-07-01"),
		dates("2024-02-29", "2025-06-30"),
		{From: date("2025-02-28")},
		{To: date("2024-12-31")},
		{To: date("1900-01-01")},
		{},
		dates("2025-03-01", "2025-02-28"),
		dates("2025-08-01", "2025-08-31"),
		dates("2024-01-01", "2024-12-31"),
		dates("2025-01-01", "2025-12-31"),
	}
}

var granularities = []expense.Granularity{expense.WholeRange, expense.ByDay, expense.ByWeek, expense.ByMonth}

func checkTotals(t *checkT) {
	l := t.ledger("a")
	want := func(r store.Reader, step expense.Granularity, ranges ...expense.Range) {
		l.wantTotals(r, expense.TotalsQuery{Ranges: ranges, Granularity: step})
	}
	want(l.reader, expense.WholeRange, dateRanges()...)
	l.putVariedExpenses()
	for _, step := range granularities {
		want(l.reader, step)
		want(l.reader, step, dateRanges()...) // the ranges overlap
		for _, span := range dateRanges() {
			want(l.reader, step, span)
		}
	}
	want(l.reader, expense.ByMonth, expense.Range{}, expense.Range{}, expense.Range{})
	t.view(l.owner, func(r store.Reader) { want(r, expense.ByWeek, dateRanges()...) })
	l.update(func(tx store.Tx) error { want(tx, expense.ByDay, dateRanges()...); return nil })
}

// checkTotalsAfterChanges makes each kind of change that stored sums must include.
func checkTotalsAfterChanges(t *checkT) {
	l := t.ledger("a")
	l.putVariedExpenses()
	wantTotals := func(action string) {
		for _, step := range granularities {
			query := expense.TotalsQuery{Ranges: dateRanges(), Granularity: step}
			equalLists(t, getBy(t, l.reader.Totals, query), l.expectedTotals(query), "Totals(%+v) after %s", query, action)
		}
	}
	rows := l.put(l.newExpense("20.00", "EUR", "2025-01-10"), l.newExpense("500", "JPY", "2025-01-10"))
	wantTotals("two more expenses")
	e := rows[0]
	put := func(changed expense.Expense, action string) {
		e = l.put(changed)[0]
		wantTotals(action)
	}
	put(withEuros(e, "21.00"), "another amount")
	e.Date = date("2024-12-31")
	put(e, "another month")
	e.CategoryID = l.rent
	put(e, "another category")
	e.Amount = money("21.00", "USD")
	put(l.withRate(e, "0.9"), "another currency")
	put(l.withoutRate(e), "removing the rate")
	put(l.withRate(e, "0.912345"), "a rate")
	l.put(l.withRate(rows[1], "0.0062"))
	wantTotals("the conversion of a pending expense")
	l.delete(e.ID)
	wantTotals("a deletion")
	brief := l.newExpense("7.00", "EUR", "2025-02-02")
	l.write(call(store.Tx.PutExpenses, brief), call(store.Tx.DeleteExpenses, brief.ID))
	wantTotals("an expense created and deleted in one Update")
	if t.has(mergeStage) {
		l.merge(l.travel, l.food, "2025-03")
		l.applyMove(l.travel, l.food)
		wantTotals("a merge")
	}
	l.delete(slices.Collect(maps.Keys(l.rows))...)
	wantTotals("the deletion of all expenses")
}

func checkLargestTotals(t *checkT) {
	for label, rows := range map[string][][2]string{
		"expenses": {{"4999999999999.99", "EUR"}, {"5000000000000.00", "EUR"}},
		"refunds":  {{"-9999999999999.99", "EUR"}},
		"pending":  {{"999999999999998", "JPY"}, {"1", "JPY"}},
	} {
		l := t.ledger(label)
		var expenses []expense.Expense
		for i, row := range rows {
			expenses = append(expenses, l.newExpense(row[0], row[1], fmt.Sprintf("2025-01-1%d", i)))
		}
		l.put(expenses...)
		l.wantModel(l.reader)
	}
}
