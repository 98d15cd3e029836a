package storetest

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

const (
	sayExpenses   = "expense.Reader.Expenses: Expenses yields the expenses that query chooses, each once, in its order."
	sayLastError  = "expense.Reader.Expenses: An error is the last thing it yields."
	sayNoRowsOpen = "expense.Reader.Expenses: No rows are open while it yields: the loop's body may use the store."
	sayTotals     = "expense.Reader.Totals: Totals returns the sums of the expenses in each range, by period, category " +
		"and original currency, ordered by (range, period, category id, currency code); where there are no expenses there is " +
		"no Total."
	sayTotalsEqual = "expense.Reader.Totals: They equal the sums over what Expenses lists, always."
)

// sorts are all orders of a list.
var sorts = []expense.Sort{
	expense.NewestFirst, expense.OldestFirst, expense.LargestFirst, expense.SmallestFirst, expense.NewestCreatedFirst,
	expense.OldestCreatedFirst,
}

func compareKeys(sort expense.Sort, a, b expense.Position) int {
	order := cmp.Or(cmp.Compare(a.N, b.N), bytes.Compare(a.ID[:], b.ID[:]))
	if sort.Descending() {
		return -order
	}
	return order
}

// chosen returns what the model has for query, by the domain's own words: Matches, Key, Descending.
func (b *book) chosen(query expense.Query) []expense.Expense {
	var list []expense.Expense
	for _, e := range b.rows {
		if query.Matches(e) && (query.After.IsZero() || compareKeys(query.Sort, query.Sort.Position(e), query.After) > 0) {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(x, y expense.Expense) int {
		return compareKeys(query.Sort, query.Sort.Position(x), query.Sort.Position(y))
	})
	if query.Limit > 0 && len(list) > query.Limit {
		list = list[:query.Limit]
	}
	return list
}

// list holds what r lists for query against the model.
func (b *book) list(r store.Reader, query expense.Query) {
	sameList(b.probe, all(b.probe, r.Expenses(b.ctx, query), "Expenses(%+v)", query), b.chosen(query), "Expenses(%+v)", query)
}

func queryChecks() []check {
	return []check{
		{name: "query-sorts", guards: []string{sayExpenses}, run: checkSorts},
		{name: "query-extremes", guards: []string{sayExpenses}, run: checkExtremes},
		{name: "query-after", guards: []string{sayExpenses}, run: checkAfter},
		{name: "query-filters", guards: []string{sayExpenses}, run: checkFilters},
		{name: "query-text", guards: []string{sayExpenses}, run: checkText},
		{name: "query-many-rows", guards: []string{sayExpenses, sayNoRowsOpen}, run: checkManyRows},
		{name: "query-loop-body", guards: []string{sayNoRowsOpen}, run: checkLoopBody},
		{name: "query-error-last", guards: []string{sayLastError}, run: checkErrorLast},
	}
}

// variety fills a book with expenses that differ in everything a query looks at, with ties in each order.
func (b *book) variety() {
	var rows []expense.Expense
	rule := b.putRule(b.rule())
	for i, given := range []struct{ amount, code, date, factor string }{
		{"12.50", "EUR", "2025-01-01", ""},
		{"12.50", "EUR", "2025-01-01", ""},
		{"-12.50", "EUR", "2025-01-31", ""},
		{"0.01", "EUR", "2025-02-01", ""},
		{"1000", "JPY", "2025-02-28", "0.00625"},
		{"1000", "JPY", "2025-02-28", ""},
		{"3.250", "KWD", "2024-02-29", "3"},
		{"-3.250", "KWD", "2024-02-29", ""},
		{"10.00", "USD", "2024-12-29", "0.95"},
		{"10.01", "USD", "2024-12-30", "0.95"},
		{"9.99", "USD", "2024-12-31", ""},
		{"0.02", "EUR", "2025-06-30", ""},
		{"12.50", "EUR", "1900-01-01", ""},
		{"9.50", "EUR", "2025-07-01", ""},
		{"10.00", "USD", "2025-07-01", "0.95"},
		{"-1", "JPY", "2025-07-01", ""},
		{"-0.01", "EUR", "2025-07-01", ""},
		{"12.50", "USD", "2025-01-01", "1"},
	} {
		e := b.expense(given.amount, given.code, given.date)
		e.CategoryID = []uuid.UUID{b.food, b.travel, b.rent}[i%3]
		if given.factor != "" {
			e = b.converted(e, given.factor)
		}
		if i%4 == 1 {
			e.RuleID, e.Occurrence = rule.ID, expense.MustDate("2025-01-31")
		}
		rows = append(rows, e)
	}
	b.put(rows...)
}

func checkSorts(p *probe) {
	b := p.book("a")
	b.variety()
	for _, sort := range sorts {
		b.list(b.reader, expense.Query{Sort: sort})
		b.list(b.reader, expense.Query{Sort: sort, Limit: 1})
		b.list(b.reader, expense.Query{Sort: sort, Limit: len(b.rows) + 1})
	}
}

// checkExtremes asks for the first few by amount within days, which a store may find by other ways than a list's.
func checkExtremes(p *probe) {
	b := p.book("a")
	b.variety()
	for _, span := range [][2]string{
		{"2025-01-01", "2025-12-31"}, {"2025-01-01", "2025-01-31"}, {"2025-01-31", "2025-02-01"}, {"2024-12-30", "2025-02-27"},
		{"2025-07-01", "2025-07-01"}, {"2015-06-02", "2025-07-01"}, {"2026-01-01", "2026-12-31"}, {"2025-02-02", "2025-02-01"},
		{"2020-02-15", "2025-02-15"}, {"9999-11-01", "9999-12-31"},
	} {
		dates := expense.Range{From: expense.MustDate(span[0]), To: expense.MustDate(span[1])}
		for _, sort := range sorts {
			for _, limit := range []int{2, 5, 201} {
				query := expense.Query{Filter: expense.Filter{Dates: dates}, Sort: sort, Limit: limit}
				b.list(b.reader, query)
				for _, row := range b.chosen(expense.Query{Filter: query.Filter, Sort: sort, Limit: 3}) {
					query.After = sort.Position(row)
					b.list(b.reader, query)
				}
			}
		}
		b.list(b.reader, expense.Query{Filter: expense.Filter{Dates: dates, Categories: []uuid.UUID{b.food}}, Sort: expense.LargestFirst, Limit: 3})
		b.list(b.reader, expense.Query{Filter: expense.Filter{Dates: dates, Currency: expense.MustCurrency("USD")}, Sort: expense.LargestFirst, Limit: 3})
	}
	century := expense.Range{From: expense.MustDate("1900-01-01"), To: expense.MustDate("2025-07-01")}
	b.list(b.reader, expense.Query{Filter: expense.Filter{Dates: century}, Sort: expense.LargestFirst, Limit: 4})
	open := expense.Filter{Dates: expense.Range{From: expense.MustDate("2025-01-01")}}
	b.list(b.reader, expense.Query{Filter: open, Sort: expense.LargestFirst, Limit: 3})
}

func checkAfter(p *probe) {
	b := p.book("a")
	b.variety()
	for _, sort := range sorts {
		rows := b.chosen(expense.Query{Sort: sort})
		for i, row := range rows {
			b.list(b.reader, expense.Query{Sort: sort, After: sort.Position(row), Limit: i % 4})
		}
		// A page may go on after a row that was deleted since, or changed its place: a key need not be a row's.
		key := sort.Position(rows[len(rows)/2])
		for _, id := range []uuid.UUID{uuid.Nil, uuid.Max} {
			b.list(b.reader, expense.Query{Sort: sort, After: expense.Position{N: key.N, ID: id}})
		}
		for _, n := range []int64{1, -1} {
			b.list(b.reader, expense.Query{Sort: sort, After: expense.Position{N: key.N + n, ID: key.ID},
				Filter: expense.Filter{Categories: []uuid.UUID{b.food}}})
		}
	}
	// Pages of each size put together are the list.
	for _, size := range []int{1, 7} {
		var paged []expense.Expense
		query := expense.Query{Sort: expense.LargestFirst, Limit: size}
		for {
			page := all(p, b.reader.Expenses(p.ctx, query), "a page")
			paged = append(paged, page...)
			if len(page) < size || len(paged) > len(b.rows) {
				break
			}
			query.After = query.Sort.Position(page[len(page)-1])
		}
		sameList(p, paged, b.chosen(expense.Query{Sort: expense.LargestFirst}), "pages of %d put together", size)
	}
}

func checkFilters(p *probe) {
	b := p.book("a")
	b.variety()
	yes, no := true, false
	day := expense.MustDate
	money := expense.MustMoney
	var rule uuid.UUID
	for _, e := range b.rows {
		if e.RuleID != uuid.Nil {
			rule = e.RuleID
		}
	}
	for _, filter := range []expense.Filter{
		{Dates: expense.Range{From: day("2025-01-01")}},
		{Dates: expense.Range{To: day("2025-01-01")}},
		{Dates: expense.Range{From: day("2025-02-28"), To: day("2025-02-28")}},
		{Dates: expense.Range{From: day("2025-02-28"), To: day("2025-02-27")}},
		{Dates: expense.Range{From: day("2024-02-29"), To: day("2025-02-28")}},
		{Categories: []uuid.UUID{b.food}},
		{Categories: []uuid.UUID{b.travel, b.food, b.travel}},
		{Categories: []uuid.UUID{b.other}},
		{Categories: []uuid.UUID{uuid.NewSHA1(idSpace, []byte("nowhere"))}},
		{Currency: expense.MustCurrency("EUR")},
		{Currency: expense.MustCurrency("JPY")},
		{Currency: expense.MustCurrency("GBP")},
		{AmountMin: money("10.00", "USD")},
		{AmountMax: money("10.00", "USD")},
		{AmountMin: money("9.99", "USD"), AmountMax: money("10.00", "USD")},
		{AmountMin: money("0", "EUR")}, // nothing of a currency is a bound
		{AmountMax: money("0", "EUR")},
		{AmountMin: money("-3.250", "KWD"), AmountMax: money("-3.250", "KWD")},
		{AmountMin: money("1", "JPY"), AmountMax: money("1", "USD")},
		{AmountMin: money("0.01", "EUR"), Currency: expense.MustCurrency("EUR")},
		{AmountMin: money("0.01", "EUR"), Currency: expense.MustCurrency("USD")},
		{RuleID: rule},
		{RuleID: uuid.NewSHA1(idSpace, []byte("nowhere"))},
		{Pending: &yes},
		{Pending: &no},
		{Text: "2025-0"},
		{Text: "note", Pending: &yes, Categories: []uuid.UUID{b.food, b.rent},
			Dates: expense.Range{From: day("2024-01-01"), To: day("2025-12-31")}},
		{Currency: expense.MustCurrency("USD"), Pending: &no, AmountMax: money("10.00", "USD"), Text: "NOTE"},
	} {
		b.list(b.reader, expense.Query{Filter: filter})
		b.list(b.reader, expense.Query{Filter: filter, Sort: expense.SmallestFirst, Limit: 2})
	}
}

func checkText(p *probe) {
	b := p.book("a")
	notes := []string{
		"", "plain", "Plain", "CAFÉ au lait", "cafe\u0301 crème", "straße", "STRASSE", "ΌΔΟΣ", "όδος", "ПРИВЕТ мир",
		"100% wool", "100 wool",
		"under_score", "underXscore", `back\slash`, `it's "quoted"`, "line\nbreak\tand tab", "家族で夕食", "🍕🍷 party", "ﬁn",
		"fin", "*", "?", "[a-z]", "$1",
		"İstanbul", "istanbul", "ŉ", "trailing ", "ſecret", "Å", "A\u030a", "\u212b", "e", "e\u0301",
	}
	var rows []expense.Expense
	for _, text := range notes {
		e := b.expense("1", "EUR", "2025-05-05")
		e.Notes = text
		rows = append(rows, e)
	}
	b.put(rows...)
	for _, text := range append(notes, "é", "CAFE\u0301", "ss", "σ", "ς", "МИР", "%", "_", `\`, "'", `"`, "0%", "r_s",
		"\n", "夕食", "🍷", "I", "k\u0301", "x") {
		b.list(b.reader, expense.Query{Filter: expense.Filter{Text: text}})
	}
	// The model speaks with the domain's words; these two say it without them.
	found := all(p, b.reader.Expenses(p.ctx, expense.Query{Filter: expense.Filter{Text: "CaFe\u0301"}}), "searching")
	same(p, len(found), 2, "notes that contain café, composed and decomposed, in capitals and small")
	found = all(p, b.reader.Expenses(p.ctx, expense.Query{Filter: expense.Filter{Text: "0%"}}), "searching")
	same(p, len(found), 1, "notes that contain a zero and a percent sign, which is no wildcard")
}

// manyRows is more than any store reads in one go.
const manyRows = 1250

func checkManyRows(p *probe) {
	b := p.book("a")
	rows := make([]expense.Expense, manyRows)
	for i := range rows {
		rows[i] = b.expense(fmt.Sprintf("%d.00", i%7+1), "EUR", fmt.Sprintf("2025-%02d-11", i%3+1))
		rows[i].CreatedAt = epoch.Add(time.Duration(i%5) * time.Microsecond)
	}
	b.put(rows...)
	for _, sort := range sorts {
		b.list(b.reader, expense.Query{Sort: sort})
	}
	b.list(b.reader, expense.Query{Limit: manyRows - 3})
	b.list(b.reader, expense.Query{Limit: 3})
	b.must(p.st.View(p.ctx, b.owner, func(r store.Reader) error {
		b.list(r, expense.Query{Sort: expense.SmallestFirst})
		return nil
	}), "View")

	// The loop's body changes what the loop has passed and what it has not reached, without moving it in the order.
	seen := make(map[uuid.UUID]int)
	count := 0
	for e, err := range b.reader.Expenses(p.ctx, expense.Query{Sort: expense.OldestFirst}) {
		p.must(err, "Expenses")
		seen[e.ID]++
		count++
		if count%500 == 0 {
			passed, ahead := b.rows[e.ID], b.rows[b.chosen(expense.Query{Sort: expense.OldestFirst, Limit: count + 90})[count+80].ID]
			passed.Notes, ahead.Notes = "passed", "ahead"
			b.put(passed, ahead)
		}
	}
	same(p, len(seen), manyRows, "rows seen by a loop whose body writes")
	same(p, count, manyRows, "rounds of a loop whose body writes")

	// A loop that ends early leaves nothing open.
	count = 0
	for _, err := range b.reader.Expenses(p.ctx, expense.Query{}) {
		p.must(err, "Expenses")
		if count++; count == 700 {
			break
		}
	}
	e := b.rows[rows[0].ID]
	e.Notes = "after a break"
	b.put(e)

	// Inside an Update the body works with its tx.
	b.update(func(tx store.Tx) error {
		seen := make(map[uuid.UUID]int)
		var batch []expense.Expense
		for e, err := range tx.Expenses(p.ctx, expense.Query{}) {
			if err != nil {
				return err
			}
			seen[e.ID]++
			e.Notes = "rewritten"
			if batch = append(batch, e); len(batch) == 200 {
				if _, err := tx.PutExpenses(p.ctx, batch...); err != nil {
					return err
				}
				batch = nil
			}
		}
		same(p, len(seen), manyRows, "rows seen by a loop whose body writes with its tx")
		return nil
	})
}

func checkLoopBody(p *probe) {
	b := p.book("a")
	stored := b.put(b.expense("1.00", "EUR", "2025-01-01"), b.expense("2.00", "EUR", "2025-01-02"),
		b.expense("3.00", "EUR", "2025-01-03"))
	rounds := 0
	for e, err := range b.reader.Expenses(p.ctx, expense.Query{Sort: expense.OldestFirst}) {
		p.must(err, "Expenses")
		same(p, e, stored[rounds], "round %d of a loop whose body uses the store", rounds)
		rounds++
		read, err := b.reader.Expense(p.ctx, e.ID)
		p.must(err, "Expense in the loop's body")
		read.Notes = "touched"
		b.put(read)
		b.must(p.st.View(p.ctx, b.owner, func(r store.Reader) error { b.list(r, expense.Query{}); return nil }),
			"View in the loop's body")
		for _, err := range b.reader.Expenses(p.ctx, expense.Query{}) {
			p.must(err, "Expenses in the loop's body")
			break
		}
		all(p, p.st.Quotes(p.ctx, "nobody", expense.Date{}), "Quotes in the loop's body")
	}
	same(p, rounds, 3, "rounds of a loop whose body uses the store")
}

func checkErrorLast(p *probe) {
	b := p.book("a")
	b.put(b.expense("1.00", "EUR", "2025-01-01"), b.expense("2.00", "EUR", "2025-01-02"))
	errs, rounds := 0, 0
	for _, err := range b.reader.Expenses(p.cancelled(), expense.Query{}) {
		rounds++
		if err != nil {
			errs++
		}
	}
	same(p, errs, 1, "errors yielded under a cancelled context")
	same(p, rounds, 1, "rounds under a cancelled context")
	errs = 0
	for _, err := range p.st.Reader("").Expenses(p.ctx, expense.Query{}) {
		errs++
		p.fails(err, expense.ErrInvalid, "Expenses of an owner without an id")
	}
	same(p, errs, 1, "rounds for an owner without an id")
}
