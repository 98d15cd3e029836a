package storetest

import (
	"fmt"
	"iter"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

var sortOrders = []expense.Sort{
	expense.NewestFirst, expense.OldestFirst, expense.LargestFirst, expense.SmallestFirst, expense.NewestCreatedFirst,
	expense.OldestCreatedFirst,
}

// putVariedExpenses writes expenses that differ in every field of a query. Each order has ties.
func (l *ledger) putVariedExpenses() {
	var rows []expense.Expense
	rule := l.id() // the rule need not exist
	for i, row := range []struct{ amount, code, date, factor string }{
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
		e := l.newExpense(row.amount, row.code, row.date)
		e.CategoryID = []uuid.UUID{l.food, l.travel, l.rent}[i%3]
		if row.factor != "" {
			e = l.withRate(e, row.factor)
		}
		if i%4 == 1 {
			e.RuleID, e.Occurrence = rule, date("2025-01-31")
		}
		rows = append(rows, e)
	}
	l.put(rows...)
}

func checkSorts(t *checkT) {
	l := t.ledger("a")
	l.putVariedExpenses()
	for _, order := range sortOrders {
		for _, limit := range []int{0, 1, len(l.rows) + 1} {
			l.wantList(l.reader, expense.Query{Sort: order, Limit: limit})
		}
	}
}

// checkExtremes reads the first expenses by amount in a range of dates, for which a store may have a special plan.
func checkExtremes(t *checkT) {
	l := t.ledger("a")
	l.putVariedExpenses()
	largest := func(filter expense.Filter, limit int) {
		l.wantList(l.reader, expense.Query{Filter: filter, Sort: expense.LargestFirst, Limit: limit})
	}
	for _, span := range [][2]string{
		{"2025-01-01", "2025-12-31"}, {"2025-01-01", "2025-01-31"}, {"2025-01-31", "2025-02-01"},
		{"2024-12-30", "2025-02-27"},
		{"2025-07-01", "2025-07-01"}, {"2015-06-02", "2025-07-01"}, {"2026-01-01", "2026-12-31"},
		{"2025-02-02", "2025-02-01"},
		{"2020-02-15", "2025-02-15"}, {"9999-11-01", "9999-12-31"},
	} {
		span := dates(span[0], span[1])
		for _, order := range sortOrders {
			for _, limit := range []int{2, 5, 201} {
				query := inRange(span)
				query.Sort, query.Limit = order, limit
				l.wantList(l.reader, query)
				first := query
				first.Limit = 3
				for _, row := range l.expected(first) {
					query.After = order.Position(row)
					l.wantList(l.reader, query)
				}
			}
		}
		largest(expense.Filter{Dates: span, Categories: []uuid.UUID{l.food}}, 3)
		largest(expense.Filter{Dates: span, Currency: currency("USD")}, 3)
	}
	largest(expense.Filter{Dates: dates("1900-01-01", "2025-07-01")}, 4)
	largest(expense.Filter{Dates: expense.Range{From: date("2025-01-01")}}, 3)
}

func checkAfter(t *checkT) {
	l := t.ledger("a")
	l.putVariedExpenses()
	for _, order := range sortOrders {
		rows := l.expected(expense.Query{Sort: order})
		for i, row := range rows {
			l.wantList(l.reader, expense.Query{Sort: order, After: order.Position(row), Limit: i % 4})
		}
		// The position of a page's last row may belong to no row any more.
		position := order.Position(rows[len(rows)/2])
		for _, id := range []uuid.UUID{uuid.Nil, uuid.Max} {
			l.wantList(l.reader, expense.Query{Sort: order, After: expense.Position{SortKey: position.SortKey, ID: id}})
		}
		for _, n := range []int64{1, -1} {
			l.wantList(l.reader, expense.Query{
				Sort: order, After: expense.Position{SortKey: position.SortKey + n, ID: position.ID},
				Filter: expense.Filter{Categories: []uuid.UUID{l.food}},
			})
		}
	}
	for _, size := range []int{1, 7} {
		var paged []expense.Expense
		query := expense.Query{Sort: expense.LargestFirst, Limit: size}
		for {
			page := t.expenses(l.reader, query)
			paged = append(paged, page...)
			if len(page) < size || len(paged) > len(l.rows) {
				break
			}
			query.After = query.Sort.Position(page[len(page)-1])
		}
		equalLists(t, paged, l.expected(expense.Query{Sort: expense.LargestFirst}), "Expenses in pages of %d", size)
	}
}

func checkFilters(t *checkT) {
	l := t.ledger("a")
	l.putVariedExpenses()
	yes, no := true, false
	var rule uuid.UUID
	for _, e := range l.rows {
		if e.RuleID != uuid.Nil {
			rule = e.RuleID
		}
	}
	for _, filter := range []expense.Filter{
		{Dates: expense.Range{From: date("2025-01-01")}},
		{Dates: expense.Range{To: date("2025-01-01")}},
		{Dates: dates("2025-02-28", "2025-02-28")},
		{Dates: dates("2025-02-28", "2025-02-27")},
		{Dates: dates("2024-02-29", "2025-02-28")},
		{Categories: []uuid.UUID{l.food}},
		{Categories: []uuid.UUID{l.travel, l.food, l.travel}},
		{Categories: []uuid.UUID{l.other}},
		{Categories: []uuid.UUID{unknownID}},
		{Currency: currency("EUR")},
		{Currency: currency("JPY")},
		{Currency: currency("GBP")},
		{AmountMin: money("10.00", "USD")},
		{AmountMax: money("10.00", "USD")},
		{AmountMin: money("9.99", "USD"), AmountMax: money("10.00", "USD")},
		{AmountMin: money("0", "EUR")}, // zero of a currency is a limit
		{AmountMax: money("0", "EUR")},
		{AmountMin: money("-3.250", "KWD"), AmountMax: money("-3.250", "KWD")},
		{AmountMin: money("1", "JPY"), AmountMax: money("1", "USD")},
		{AmountMin: money("0.01", "EUR"), Currency: currency("EUR")},
		{AmountMin: money("0.01", "EUR"), Currency: currency("USD")},
		{RuleID: rule},
		{RuleID: unknownID},
		{Pending: &yes},
		{Pending: &no},
		{Text: "2025-0"},
		{Text: "note", Pending: &yes, Categories: []uuid.UUID{l.food, l.rent}, Dates: dates("2024-01-01", "2025-12-31")},
		{Currency: currency("USD"), Pending: &no, AmountMax: money("10.00", "USD"), Text: "NOTE"},
	} {
		l.wantList(l.reader, expense.Query{Filter: filter})
		l.wantList(l.reader, expense.Query{Filter: filter, Sort: expense.SmallestFirst, Limit: 2})
	}
}

func checkText(t *checkT) {
	l := t.ledger("a")
	notes := []string{
		"", "plain", "Plain", "CAFÉ au lait", "cafe\u0301 crème", "straße", "STRASSE", "ΌΔΟΣ", "όδος", "ПРИВЕТ мир",
		"100% wool", "100 wool",
		"under_score", "underXscore", `back\slash`, `it's "quoted"`, "line\nbreak\tand tab", "家族で夕食", "🍕🍷 party", "ﬁn",
		"fin", "*", "?", "[a-z]", "$1",
		"İstanbul", "istanbul", "ŉ", "trailing ", "ſecret", "Å", "A\u030a", "\u212b", "e", "e\u0301",
	}
	var rows []expense.Expense
	for _, text := range notes {
		e := l.newExpense("1", "EUR", "2025-05-05")
		e.Notes = text
		rows = append(rows, e)
	}
	l.put(rows...)
	for _, text := range append(notes, "é", "CAFE\u0301", "ss", "σ", "ς", "МИР", "%", "_", `\`, "'", `"`, "0%", "r_s",
		"\n", "夕食", "🍷", "I", "k\u0301", "x") {
		l.wantList(l.reader, expense.Query{Filter: expense.Filter{Text: text}})
	}
	// The model uses the domain's own comparison. These do not.
	for text, want := range map[string]int{"CaFe\u0301": 2, "0%": 1} {
		rows := t.expenses(l.reader, expense.Query{Filter: expense.Filter{Text: text}})
		equal(t, len(rows), want, "the number of Expenses whose notes contain %q", text)
	}
}

// manyRows is more than a store reads at once.
const manyRows = 1250

func checkManyRows(t *checkT) {
	l := t.ledger("a")
	rows := make([]expense.Expense, manyRows)
	for i := range rows {
		rows[i] = l.newExpense(fmt.Sprintf("%d.00", i%7+1), "EUR", fmt.Sprintf("2025-%02d-11", i%3+1))
		rows[i].CreatedAt = epoch.Add(time.Duration(i%5) * time.Microsecond)
	}
	l.put(rows...)
	for _, order := range sortOrders {
		l.wantList(l.reader, expense.Query{Sort: order})
	}
	l.wantList(l.reader, expense.Query{Limit: manyRows - 3})
	l.wantList(l.reader, expense.Query{Limit: 3})
	t.view(l.owner, func(r store.Reader) { l.wantList(r, expense.Query{Sort: expense.SmallestFirst}) })

	// The loop's body changes rows before and after its position, but not their order.
	seen := make(map[uuid.UUID]int)
	count := 0
	for e, err := range l.reader.Expenses(t.ctx, expense.Query{Sort: expense.OldestFirst}) {
		t.noError(err, "Expenses")
		seen[e.ID]++
		if count++; count%500 == 0 {
			ahead := l.rows[l.expected(expense.Query{Sort: expense.OldestFirst, Limit: count + 90})[count+80].ID]
			behind := l.rows[e.ID]
			behind.Notes, ahead.Notes = "behind", "ahead"
			l.put(behind, ahead)
		}
	}
	equal(t, len(seen), manyRows, "the number of different Expenses in a loop whose body writes")
	equal(t, count, manyRows, "the number of Expenses in a loop whose body writes")

	// After a loop that ended early, the store can be written to.
	count = 0
	for _, err := range l.reader.Expenses(t.ctx, expense.Query{}) {
		t.noError(err, "Expenses")
		if count++; count == 700 {
			break
		}
	}
	e := l.rows[rows[0].ID]
	e.Notes = "after a break"
	l.put(e)

	// In an Update, the loop's body writes with the same Tx.
	l.update(func(tx store.Tx) error {
		seen := make(map[uuid.UUID]int)
		var batch []expense.Expense
		for e, err := range tx.Expenses(t.ctx, expense.Query{}) {
			if err != nil {
				return err
			}
			seen[e.ID]++
			e.Notes = "rewritten"
			if batch = append(batch, e); len(batch) == 200 {
				if _, err := tx.PutExpenses(t.ctx, batch...); err != nil {
					return err
				}
				batch = nil
			}
		}
		equal(t, len(seen), manyRows, "the number of Expenses in a loop whose body writes with the same Tx")
		return nil
	})
}

func checkLoopBody(t *checkT) {
	l := t.ledger("a")
	stored := l.put(l.anyExpense(), l.newExpense("2.00", "EUR", "2025-01-02"), l.newExpense("3.00", "EUR", "2025-01-03"))
	count := 0
	for e, err := range l.reader.Expenses(t.ctx, expense.Query{Sort: expense.OldestFirst}) {
		t.noError(err, "Expenses")
		equal(t, e, stored[count], "row %d of Expenses in a loop whose body uses the store", count)
		count++
		row := getBy(t, l.reader.Expense, e.ID)
		row.Notes = "changed"
		l.put(row)
		t.view(l.owner, func(r store.Reader) { l.wantList(r, expense.Query{}) })
		for _, err := range l.reader.Expenses(t.ctx, expense.Query{}) {
			t.noError(err, "Expenses in a loop over Expenses")
			break
		}
	}
	equal(t, count, 3, "the number of Expenses in a loop whose body uses the store")
}

func checkErrorLast(t *checkT) {
	l := t.ledger("a")
	l.put(l.anyExpense(), l.anyExpense())
	wantOne := func(rows iter.Seq2[expense.Expense, error], want error, subject string) {
		count := 0
		for _, err := range rows {
			count++
			t.wantError(err, want, "Expenses %s", subject)
		}
		equal(t, count, 1, "the number of iterations over Expenses %s", subject)
	}
	wantOne(l.reader.Expenses(t.cancelled(), expense.Query{}), errAny, "with a cancelled context")
	wantOne(t.st.Reader("").Expenses(t.ctx, expense.Query{}), expense.ErrInvalid, "of an owner without an id")
}
