package storetest

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// trickyTexts contain quotes, wildcards, control characters and different Unicode encodings of the same text. A store
// must return notes byte for byte.
var trickyTexts = []string{
	"", " ", "  two before, two after  ", "it's \"quoted\" `so`", `back\slash \n \x00 \\`,
	"?, ?1, $1, :name, @name, %s, %d, {}", "-- ; /* */ '; DROP TABLE",
	"100% _under_", "line\nbreak\ttab", "e\u0301 is not \u00e9", "\u212b \u00c5 A\u030a", "🍕👩‍👩‍👧‍👦🏳️‍🌈", "עברית العربية",
	"家族で夕食", "\ufeffmark first",
	"\u2028\u2029\u200b\u202e", "\ufffd", "null", "NULL", "true", "0", "1e5", "2025-01-01", "{\"a\":1}", "\U0010ffff",
}

func checkExpenseValues(t *checkT) {
	l := t.ledger("a")
	var rows []expense.Expense
	add := func(e expense.Expense) { rows = append(rows, e) }
	texts := trickyTexts
	for _, unit := range []string{"x", "é", "🍕", "e\u0301", "家"} {
		longest := []rune(strings.Repeat(unit, expense.MaxNotesLength))[:expense.MaxNotesLength]
		texts = append(texts, string(longest))
	}
	for _, text := range texts {
		e := l.anyExpense()
		e.Notes = text
		add(e)
	}
	for _, day := range []string{"1900-01-01", "1999-12-31", "2000-02-29", "2024-02-29", "2025-12-31", "2026-01-01",
		"2399-12-31"} {
		add(l.newExpense("-1.00", "EUR", day))
	}
	for _, code := range expense.Currencies() {
		for _, amount := range []int64{1, -1, 123456789} {
			e := l.withoutRate(l.anyExpense())
			e.Amount = minorUnits(amount, code)
			add(e)
			if amount == 123456789 && code.Digits() != 2 {
				add(l.withRate(withID(e, l.id()), "0.5"))
			}
		}
	}
	for _, factor := range []string{
		"0.123456789012345678", "123456789012345678", "1.00000000000000001", "99999999999999999.9", "0.000000000000000001",
		"0.000000000000123456789012345678", "999999999999999999", "0.999999999999999999", "3",
	} {
		e := l.newExpense("1.00", "USD", "2025-01-01")
		e.Rate = expense.Rate{Value: expense.MustFactor(factor), Date: date("2024-12-30"), Source: expense.SourceUser}
		e.Home = money("12345678.91", "EUR") // a store does not compute it
		add(e)
	}
	for i, at := range []time.Time{
		time.Date(2025, time.May, 1, 23, 59, 59, 999999999, time.UTC),
		time.Date(2025, time.May, 1, 2, 3, 4, 1500, time.FixedZone("east", 14*3600)),
		time.Date(2025, time.October, 26, 2, 30, 0, 0, time.FixedZone("west", -11*3600-30*60)),
		time.Date(1969, time.December, 31, 23, 59, 59, 999999000, time.UTC),
		time.Date(2299, time.January, 1, 0, 0, 0, 1000, time.UTC),
		time.Now(),
	} {
		e := l.anyExpense()
		e.CreatedAt, e.UpdatedAt = at, at.Add(time.Duration(i)*time.Second)
		add(e)
	}
	posted := l.anyExpense()
	posted.RuleID, posted.Occurrence = l.id(), date("2024-12-31") // the rule need not exist
	add(posted)
	for _, id := range []string{"00000000-0000-0000-0000-000000000001", "ffffffff-ffff-ffff-ffff-ffffffffffff",
		"01000000-0000-0000-0000-000000000000"} {
		add(withID(l.anyExpense(), uuid.MustParse(id)))
	}
	for _, e := range l.put(rows...) {
		l.wantExpense(e, "Expense of a row as it was written, with times cut to microseconds")
	}
	l.wantModel(l.reader)
}

func checkLargestAmounts(t *checkT) {
	l := t.ledger("a")
	digits := make(map[int]bool)
	for _, code := range expense.Currencies() { // the first currency with each number of digits
		if digits[code.Digits()] {
			continue
		}
		digits[code.Digits()] = true
		for _, amount := range []int64{expense.MaxMinor, -expense.MaxMinor, expense.MaxMinor - 1} {
			e := l.withoutRate(l.anyExpense())
			e.Amount = minorUnits(amount, code)
			e = l.put(e)[0]
			l.wantExpense(e, "Expense of %s", e.Amount)
			l.wantModel(l.reader)
			l.delete(e.ID)
		}
	}
	e := l.newExpense("0.01", "USD", "2025-01-01")
	e.Rate = expense.Rate{Value: expense.MustFactor("999999999999999"), Date: e.Date, Source: expense.SourceUser}
	e.Home = minorUnits(-expense.MaxMinor, l.settings.Home)
	l.wantExpense(l.put(e)[0], "Expense with the largest home amount")
	l.wantModel(l.reader)
}

// checkExpenseChanges changes one field after the other.
func checkExpenseChanges(t *checkT) {
	l := t.ledger("a")
	rows := l.put(l.anyExpense(), l.newExpense("2.00", "EUR", "2025-01-01"))
	e, neighbour := rows[0], rows[1]
	for field, change := range map[string]func(){
		"amount":     func() { e = withEuros(e, "-5.55") },
		"currency":   func() { e.Amount = money("-5.55", "USD"); e = l.withRate(e, "0.87654321") },
		"date":       func() { e.Date = date("2023-11-30") },
		"category":   func() { e.CategoryID = l.rent },
		"notes":      func() { e.Notes = "changed" },
		"rule":       func() { e.RuleID = l.id() },
		"occurrence": func() { e.Occurrence = date("2025-01-02") },
		"updated":    func() { e.UpdatedAt = e.UpdatedAt.Add(time.Hour) },
	} {
		change()
		e = l.put(e)[0]
		l.wantExpense(e, "Expense after a change of its %s", field)
	}
	e = l.withoutRate(e)
	e.RuleID, e.Occurrence, e.Notes = uuid.Nil, expense.Date{}, ""
	e = l.put(e)[0]
	l.wantExpense(e, "Expense after all optional fields were cleared")
	l.wantExpense(neighbour, "Expense of a row that did not change")
	l.wantModel(l.reader)
}

func checkExpenseGuard(t *checkT) {
	l := t.ledger("a")
	e := l.put(l.newExpense("1.00", "USD", "2025-01-01"))[0]
	equal(t, e.Guard, e.Version, "the Guard of a new expense")
	wantGuard := func(action string, guarded bool, change func()) {
		want := e.Guard
		change()
		e.Guard = 4711 // the store ignores the caller's Guard
		e.Version = l.rows[e.ID].Version
		if version := l.put(e)[0].Version; guarded {
			want = version
		}
		e = getBy(t, l.reader.Expense, e.ID)
		equal(t, e.Guard, want, "the Guard after %s", action)
	}
	wantGuard("other notes", false, func() { e.Notes = "other" })
	wantGuard("another category", false, func() { e.CategoryID = l.travel })
	wantGuard("a write without a change", false, func() {})
	wantGuard("another rule and occurrence", false, func() { e.RuleID, e.Occurrence = l.id(), e.Date })
	wantGuard("another amount", true, func() { e.Amount = money("2.00", "USD") })
	wantGuard("other notes again", false, func() { e.Notes = "again" })
	wantGuard("a rate", true, func() { e = l.withRate(e, "0.9") })
	wantGuard("another source of the rate", true, func() { e.Rate.Source = expense.SourceUser })
	wantGuard("another date of the rate", true, func() { e.Rate.Date = e.Rate.Date.AddDays(-1) })
	wantGuard("another date", true, func() { e.Date = e.Date.AddDays(1) })
	wantGuard("another currency", true, func() { e.Amount = money("2.00", "EUR") })
	wantGuard("notes and amount together", true, func() { e.Notes, e.Amount = "both", money("3.00", "EUR") })

	// In one call, only the expenses whose guarded fields changed get a new Guard.
	other := withEuros(l.put(l.newExpense("5.00", "EUR", "2025-01-05"))[0], "6.00")
	e.Notes = "batch"
	rows := l.put(e, other)
	equal(t, rows[0].Guard == rows[1].Guard, false, "whether expenses of one call have the same Guard")
	l.wantModel(l.reader)
	// The Guard changes if any write of the Update changed a guarded field.
	l.update(func(tx store.Tx) (err error) {
		e := rows[0]
		e.Amount = money("7.77", "EUR")
		if e.Version, err = tx.PutExpenses(t.ctx, e); err != nil {
			return err
		}
		e.Notes = "second write"
		_, err = tx.PutExpenses(t.ctx, e)
		return err
	})
	l.version++
	equal(t, getBy(t, l.reader.Expense, e.ID).Guard, l.version, "the Guard after two writes in one Update")
}

func checkExpenseDeletes(t *checkT) {
	l := t.ledger("a")
	rows := l.put(l.anyExpense(), l.newExpense("2.00", "EUR", "2025-01-02"), l.newExpense("3", "KWD", "2025-01-03"))
	l.delete(rows[0].ID, rows[2].ID)
	l.wantModel(l.reader)
	for _, id := range []uuid.UUID{rows[0].ID, rows[2].ID} {
		for _, want := range []error{expense.ErrGone, expense.ErrNotFound} {
			wantErrorBy(t, l.reader.Expense, id, want, "a deleted expense")
		}
	}
	wantErrorBy(t, l.reader.Expense, l.id(), errNeverExisted, "an unknown id")
	again := rows[0]
	again.Version = 0
	for range 2 {
		l.wantRejected(call(store.Tx.PutExpenses, again), expense.ErrGone, "a new expense with a deleted id")
		l.put(l.anyExpense())
	}
	brief := l.anyExpense()
	l.write(call(store.Tx.PutExpenses, brief), call(store.Tx.DeleteExpenses, brief.ID))
	wantErrorBy(t, l.reader.Expense, brief.ID, expense.ErrGone, "an expense created and deleted in one Update")
	l.wantModel(l.reader)
}

func checkKnown(t *checkT) {
	l := t.ledger("a")
	var rows []expense.Expense
	for range 40 {
		rows = append(rows, l.anyExpense())
	}
	rows = l.put(rows...)
	l.delete(rows[3].ID, rows[17].ID)
	deleted := []uuid.UUID{rows[3].ID}
	t.wantKnown(l.reader, nil, nil, "no ids")
	t.wantKnown(l.reader, []uuid.UUID{l.id()}, nil, "an unknown id")
	t.wantKnown(l.reader, []uuid.UUID{l.food}, nil, "a category's id")
	t.wantKnown(l.reader, deleted, deleted, "a deleted expense")
	var ids, want []uuid.UUID
	for _, e := range rows {
		ids, want = append(ids, l.id(), e.ID), append(want, e.ID)
	}
	for range 1500 { // more than the parameters of one statement in some databases
		ids = append(ids, l.id())
	}
	t.wantKnown(l.reader, ids, want, "a long list")
}

func checkVolume(t *checkT) {
	l := t.ledger("a")
	const half = "5000000000000.00" // of the limit
	wantRejected := func(action string, rows ...expense.Expense) {
		err := l.tryWrite(call(store.Tx.PutExpenses, rows...))
		t.wantError(err, expense.ErrInvalid, "%s", action)
		if errs := expense.InvalidErrors(err); len(errs) != 1 || errs[0].Code != "total_too_large" {
			t.errorf("%s: got %v, want one field error with the code total_too_large", action, err)
		}
		l.wantModel(l.reader)
	}
	first := l.newExpense(half, "EUR", "2025-01-01")
	cent := func() expense.Expense { return l.newExpense("0.01", "EUR", "2025-03-01") }
	wantRejected("two halves of the limit in one call", first, l.newExpense(half, "EUR", "2024-01-01"))
	first = l.put(first)[0]
	wantRejected("a second half", l.newExpense(half, "EUR", "2025-02-01"))
	wantRejected("a second half as a refund, whose volume is its absolute amount",
		l.newExpense("-"+half, "EUR", "2025-02-01"))
	wantRejected("a pending half, whose volume is its own amount", l.newExpense("500000000000000", "JPY", "2025-02-01"))
	small := l.newExpense("0.01", "USD", "2025-02-01")
	small.Rate = expense.Rate{Value: expense.MustFactor("500000000000000"), Date: small.Date, Source: expense.SourceUser}
	small.Home = money(half, "EUR")
	wantRejected("a small amount with a large home amount", small)
	last := l.put(l.newExpense("4999999999999.99", "EUR", "2025-02-01"))[0] // reaches the limit
	l.wantModel(l.reader)
	wantRejected("one cent above the limit", cent())
	more := withEuros(last, half)
	wantRejected("a change above the limit", more)

	// Decreases in a call count before its increases, in any order of the rows.
	rows := l.put(more, withEuros(first, "4999999999999.99"))
	l.wantModel(l.reader)
	wantRejected("one cent above the limit after an exchange", cent())
	l.delete(rows[1].ID)
	l.put(l.newExpense("-4999999999999.99", "EUR", "2025-03-01"))
	l.wantModel(l.reader)
	// The limit is one of each ledger.
	other := t.ledger("other")
	other.put(other.newExpense("9999999999999.99", "EUR", "2025-01-01"))
	// The sum of the volumes must not overflow.
	var many []expense.Expense
	for range 40 {
		many = append(many, l.newExpense("9999999999999.99", "EUR", "2025-04-01"))
	}
	wantRejected("forty of the largest amounts", many...)
}
