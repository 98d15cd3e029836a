package storetest

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

const (
	sayExpense = "expense.Reader.Expense: Expense returns one expense; ErrNotFound if there never was such a one, ErrGone " +
		"if it was deleted."
	sayKnown = "expense.Reader.KnownExpenses: KnownExpenses returns those of ids that an expense has or had: deleted ones " +
		"count while their tombstones are kept."
	sayPutExpenses = "expense.Tx.PutExpenses: PutExpenses writes expenses, and sets the Guard of each whose guarded group " +
		"changed to the Update's version."
	sayVolume = "expense.Tx.PutExpenses: ErrInvalid (total_too_large) if the volumes of the ledger's expenses would sum " +
		"to more than MaxMinor."
	sayDeleteExpenses = "expense.Tx.DeleteExpenses: DeleteExpenses leaves tombstones; ErrNotFound or ErrGone if one of " +
		"them is not there."
)

func expenseChecks() []check {
	return []check{
		{name: "expense-values", guards: []string{sayExpense, sayPutExpenses}, run: checkExpenseValues},
		{name: "expense-largest-values", guards: []string{sayExpense, sayPutExpenses}, run: checkExtremeAmounts},
		{name: "expense-changes", guards: []string{sayPutExpenses}, run: checkExpenseChanges},
		{name: "expense-guard", guards: []string{sayPutExpenses}, run: checkExpenseGuard},
		{name: "expense-deletes", guards: []string{sayDeleteExpenses, sayExpense, sayKnown, sayNew}, run: checkExpenseDeletes},
		{name: "expense-known", guards: []string{sayKnown}, run: checkKnown},
		{name: "expense-volume", guards: []string{sayVolume}, run: checkVolume},
	}
}

// oddTexts are hard on quoting, encodings, normal forms and wildcards; notes come back as they went in, byte for byte.
var oddTexts = []string{
	"", " ", "  two before, two after  ", "it's \"quoted\" `so`", `back\slash \n \x00 \\`,
	"?, ?1, $1, :name, @name, %s, %d, {}", "-- ; /* */ '; DROP TABLE",
	"100% _under_", "line\nbreak\ttab", "e\u0301 is not \u00e9", "\u212b \u00c5 A\u030a", "🍕👩‍👩‍👧‍👦🏳️‍🌈", "עברית العربية",
	"家族で夕食", "\ufeffmark first",
	"\u2028\u2029\u200b\u202e", "\ufffd", "null", "NULL", "true", "0", "1e5", "2025-01-01", "{\"a\":1}", "\U0010ffff",
}

func checkExpenseValues(p *probe) {
	b := p.book("a")
	var rows []expense.Expense
	add := func(e expense.Expense) { rows = append(rows, e) }
	for _, text := range oddTexts {
		e := b.expense("1.00", "EUR", "2025-01-01")
		e.Notes = text
		add(e)
	}
	for _, unit := range []string{"x", "é", "🍕", "e\u0301", "家"} {
		e := b.expense("1.00", "EUR", "2025-01-01")
		e.Notes = string([]rune(strings.Repeat(unit, expense.MaxNotesLength))[:expense.MaxNotesLength])
		add(e)
	}
	for _, date := range []string{"1900-01-01", "1999-12-31", "2000-02-29", "2024-02-29", "2025-12-31", "2026-01-01",
		"2399-12-31"} {
		add(b.expense("-1.00", "EUR", date))
	}
	// One currency for each number of digits that ISO 4217 knows, and every currency once.
	for _, currency := range expense.Currencies() {
		for _, amount := range []int64{1, -1, 123456789} {
			e := b.expense("1", "EUR", "2025-01-01")
			e.Amount = minor(amount, currency)
			e.Rate, e.Home = expense.Rate{}, minor(0, b.settings.Home)
			add(e)
			if amount == 123456789 && currency.Digits() != 2 {
				add(b.converted(with(e, b.id()), "0.5"))
			}
		}
	}
	for _, factor := range []string{
		"0.123456789012345678", "123456789012345678", "1.00000000000000001", "99999999999999999.9", "0.000000000000000001",
		"0.000000000000123456789012345678", "999999999999999999", "0.999999999999999999", "3",
	} {
		e := b.expense("1.00", "USD", "2025-01-01")
		e.Rate = expense.Rate{Value: expense.MustFactor(factor), Date: expense.MustDate("2024-12-30"), Source: expense.SourceUser}
		e.Home = expense.MustMoney("12345678.91", "EUR") // what the rate gives is the domain's business
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
		e := b.expense("1.00", "EUR", "2025-01-01")
		e.CreatedAt, e.UpdatedAt = at, at.Add(time.Duration(i)*time.Second)
		add(e)
	}
	posted := b.expense("1.00", "EUR", "2025-01-01")
	posted.RuleID, posted.Occurrence = b.id(), expense.MustDate("2024-12-31") // the rule may be gone since
	add(posted)
	for _, id := range []string{"00000000-0000-0000-0000-000000000001", "ffffffff-ffff-ffff-ffff-ffffffffffff",
		"01000000-0000-0000-0000-000000000000"} {
		add(with(b.expense("1.00", "EUR", "2025-01-01"), uuid.MustParse(id)))
	}
	for _, e := range b.put(rows...) {
		read, err := b.reader.Expense(p.ctx, e.ID)
		p.must(err, "Expense %s", e.ID)
		same(p, read, e, "an expense as it was written, times cut to microseconds")
	}
	b.verify(b.reader)
}

func with(e expense.Expense, id uuid.UUID) expense.Expense {
	e.ID = id
	return e
}

func checkExtremeAmounts(p *probe) {
	digits := make(map[int]expense.Currency)
	for _, currency := range expense.Currencies() {
		if _, ok := digits[currency.Digits()]; !ok {
			digits[currency.Digits()] = currency
		}
	}
	b := p.book("a")
	for _, currency := range digits {
		for _, amount := range []int64{expense.MaxMinor, -expense.MaxMinor, expense.MaxMinor - 1} {
			e := b.expense("1", "EUR", "2025-01-01")
			e.Amount, e.Rate, e.Home = minor(amount, currency), expense.Rate{}, minor(0, b.settings.Home)
			e = b.put(e)[0]
			read, err := b.reader.Expense(p.ctx, e.ID)
			p.must(err, "Expense")
			same(p, read, e, "an expense of %s", e.Amount)
			b.verify(b.reader)
			b.delete(e.ID)
		}
	}
	e := b.expense("0.01", "USD", "2025-01-01")
	e.Rate = expense.Rate{Value: expense.MustFactor("999999999999999"), Date: e.Date, Source: expense.SourceUser}
	e.Home = minor(-expense.MaxMinor, b.settings.Home)
	e = b.put(e)[0]
	read, err := b.reader.Expense(p.ctx, e.ID)
	p.must(err, "Expense")
	same(p, read, e, "an expense of the largest home amount")
	b.verify(b.reader)
}

// checkExpenseChanges changes each member in turn; all others stay.
func checkExpenseChanges(p *probe) {
	b := p.book("a")
	rows := b.put(b.expense("1.00", "EUR", "2025-01-01"), b.expense("2.00", "EUR", "2025-01-01"))
	e, neighbour := rows[0], rows[1]
	for name, change := range map[string]func(){
		"amount":     func() { e.Amount, e.Home = expense.MustMoney("-5.55", "EUR"), expense.MustMoney("-5.55", "EUR") },
		"currency":   func() { e.Amount = expense.MustMoney("-5.55", "USD"); e = b.converted(e, "0.87654321") },
		"date":       func() { e.Date = expense.MustDate("2023-11-30") },
		"category":   func() { e.CategoryID = b.rent },
		"notes":      func() { e.Notes = "changed" },
		"rule":       func() { e.RuleID = b.id() },
		"occurrence": func() { e.Occurrence = expense.MustDate("2025-01-02") },
		"updated":    func() { e.UpdatedAt = e.UpdatedAt.Add(time.Hour) },
	} {
		change()
		e = b.put(e)[0]
		read, err := b.reader.Expense(p.ctx, e.ID)
		p.must(err, "Expense")
		same(p, read, e, "an expense after a change of its %s", name)
	}
	e.Rate, e.Home, e.RuleID, e.Occurrence, e.Notes = expense.Rate{}, minor(0, b.settings.Home), uuid.Nil, expense.Date{}, ""
	e = b.put(e)[0]
	read, err := b.reader.Expense(p.ctx, e.ID)
	p.must(err, "Expense")
	same(p, read, e, "an expense that lost all it can do without")
	read, err = b.reader.Expense(p.ctx, neighbour.ID)
	p.must(err, "Expense")
	same(p, read, neighbour, "an expense beside one that changed")
	b.verify(b.reader)
}

func checkExpenseGuard(p *probe) {
	b := p.book("a")
	e := b.put(b.expense("1.00", "USD", "2025-01-01"))[0]
	guard := func(doing string, moved bool, change func()) {
		before := e.Guard
		change()
		e.Guard = 4711 // what a caller puts there does not count
		e.Version = b.rows[e.ID].Version
		version := b.put(e)[0].Version
		want := before
		if moved {
			want = version
		}
		read, err := b.reader.Expense(p.ctx, e.ID)
		p.must(err, "Expense")
		same(p, read.Guard, want, "the guard after %s", doing)
		e = read
	}
	same(p, e.Guard, e.Version, "the guard of a new expense")
	guard("other notes", false, func() { e.Notes = "other" })
	guard("another category", false, func() { e.CategoryID = b.travel })
	guard("a change of nothing", false, func() {})
	guard("another rule and occurrence", false, func() { e.RuleID, e.Occurrence = b.id(), e.Date })
	guard("another amount", true, func() { e.Amount = expense.MustMoney("2.00", "USD") })
	guard("other notes again", false, func() { e.Notes = "again" })
	guard("a rate", true, func() { e = b.converted(e, "0.9") })
	guard("another source of the rate", true, func() { e.Rate.Source = expense.SourceUser })
	guard("another date of the rate", true, func() { e.Rate.Date = e.Rate.Date.AddDays(-1) })
	guard("another date", true, func() { e.Date = e.Date.AddDays(1) })
	guard("another currency", true, func() { e.Amount = expense.MustMoney("2.00", "EUR") })
	guard("notes and amount together", true, func() { e.Notes, e.Amount = "both", expense.MustMoney("3.00", "EUR") })

	// Of a batch, each row's own group decides. A move by a merge is no change of the group.
	other := b.put(b.expense("5.00", "EUR", "2025-01-05"))[0]
	e.Notes, other.Amount, other.Home = "batch", expense.MustMoney("6.00", "EUR"), expense.MustMoney("6.00", "EUR")
	rows := b.put(e, other)
	same(p, rows[0].Guard == rows[1].Guard, false, "whether rows of one batch share a guard")
	b.verify(b.reader)
	// Twice in one Update: the guard tells that the group changed, whichever write did it.
	var version expense.Version
	b.update(func(tx store.Tx) (err error) {
		e := rows[0]
		e.Amount = expense.MustMoney("7.77", "EUR")
		if e.Version, err = tx.PutExpenses(p.ctx, e); err != nil {
			return err
		}
		e.Notes = "second write"
		version, err = tx.PutExpenses(p.ctx, e)
		return err
	})
	b.wrote(version, "two writes of one row")
	read, err := b.reader.Expense(p.ctx, e.ID)
	p.must(err, "Expense")
	same(p, read.Guard, version, "the guard after two writes in one Update")
}

func checkExpenseDeletes(p *probe) {
	b := p.book("a")
	rows := b.put(b.expense("1.00", "EUR", "2025-01-01"), b.expense("2.00", "EUR", "2025-01-02"),
		b.expense("3", "KWD", "2025-01-03"))
	b.delete(rows[0].ID, rows[2].ID)
	b.verify(b.reader)
	for _, id := range []uuid.UUID{rows[0].ID, rows[2].ID} {
		_, err := b.reader.Expense(p.ctx, id)
		p.fails(err, expense.ErrGone, "a deleted expense")
		p.fails(err, expense.ErrNotFound, "a deleted expense")
	}
	_, err := b.reader.Expense(p.ctx, b.id())
	notGone(p, err, "an expense that never was")
	again := rows[0]
	again.Version = 0
	for range 2 {
		err := p.st.Update(p.ctx, b.owner, func(tx store.Tx) error { _, err := tx.PutExpenses(p.ctx, again); return err })
		p.fails(err, expense.ErrGone, "a new expense with the id of a deleted one")
		b.put(b.expense("1.00", "EUR", "2025-01-01"))
	}
	// Made and deleted in one Update leaves a tombstone too.
	brief := b.expense("1.00", "EUR", "2025-01-01")
	var version expense.Version
	b.update(func(tx store.Tx) (err error) {
		if _, err = tx.PutExpenses(p.ctx, brief); err != nil {
			return err
		}
		version, err = tx.DeleteExpenses(p.ctx, brief.ID)
		return err
	})
	b.wrote(version, "making and deleting")
	_, err = b.reader.Expense(p.ctx, brief.ID)
	p.fails(err, expense.ErrGone, "an expense made and deleted in one Update")
	b.verify(b.reader)
}

func checkKnown(p *probe) {
	b := p.book("a")
	var rows []expense.Expense
	for range 40 {
		rows = append(rows, b.expense("1.00", "EUR", "2025-01-01"))
	}
	rows = b.put(rows...)
	b.delete(rows[3].ID, rows[17].ID)
	known := func(ids, want []uuid.UUID, what string) {
		got, err := b.reader.KnownExpenseIDs(p.ctx, ids...)
		p.must(err, "KnownExpenses")
		byBytes := func(x, y uuid.UUID) int { return bytes.Compare(x[:], y[:]) }
		slices.SortFunc(got, byBytes)
		want = slices.Clone(want)
		slices.SortFunc(want, byBytes)
		sameList(p, got, want, "known of %s", what)
	}
	known(nil, nil, "no ids")
	known([]uuid.UUID{b.id()}, nil, "an unknown id")
	known([]uuid.UUID{b.food}, nil, "a category's id")
	known([]uuid.UUID{rows[3].ID}, []uuid.UUID{rows[3].ID}, "a deleted expense's id")
	var ids, want []uuid.UUID
	for _, e := range rows {
		ids, want = append(ids, b.id(), e.ID), append(want, e.ID)
	}
	for range 1500 { // more than some engines take values in one statement
		ids = append(ids, b.id())
	}
	known(ids, want, "a long list")
}

func checkVolume(p *probe) {
	b := p.book("a")
	refused := func(what string, write func(tx store.Tx) (expense.Version, error)) {
		err := p.st.Update(p.ctx, b.owner, func(tx store.Tx) error { _, err := write(tx); return err })
		p.fails(err, expense.ErrInvalid, "%s", what)
		faults := expense.InvalidErrors(err)
		if len(faults) != 1 || faults[0].Code != "total_too_large" {
			p.note("%s: %v, want one fault of the code total_too_large", what, err)
		}
		b.verify(b.reader)
	}
	put := func(rows ...expense.Expense) func(tx store.Tx) (expense.Version, error) {
		return func(tx store.Tx) (expense.Version, error) { return tx.PutExpenses(p.ctx, rows...) }
	}
	half := b.expense("5000000000000.00", "EUR", "2025-01-01")
	refused("two halves and a cent in one batch", put(half, b.expense("5000000000000.00", "EUR", "2024-01-01")))
	half = b.put(half)[0]
	refused("one that passes the limit", put(b.expense("5000000000000.00", "EUR", "2025-02-01")))
	refused("one that passes the limit as a refund: signs do not count",
		put(b.expense("-5000000000000.00", "EUR", "2025-02-01")))
	refused("a pending one of another currency: its own amount counts", put(b.expense("500000000000000", "JPY", "2025-02-01")))
	small := b.expense("0.01", "USD", "2025-02-01")
	small.Rate = expense.Rate{Value: expense.MustFactor("500000000000000"), Date: small.Date, Source: expense.SourceUser}
	small.Home = expense.MustMoney("5000000000000.00", "EUR")
	refused("a small one that is large in the home currency", put(small))
	full := b.put(b.expense("4999999999999.99", "EUR", "2025-02-01"))[0] // exactly the limit
	b.verify(b.reader)
	refused("one cent more", put(b.expense("0.01", "EUR", "2025-03-01")))
	more := full
	more.Amount, more.Home = expense.MustMoney("5000000000000.00", "EUR"), expense.MustMoney("5000000000000.00", "EUR")
	refused("an edit that raises one", put(more))

	// What a batch takes off counts before what it adds, whatever the order of its rows.
	less := half
	less.Amount, less.Home = expense.MustMoney("4999999999999.99", "EUR"), expense.MustMoney("4999999999999.99", "EUR")
	rows := b.put(more, less)
	b.verify(b.reader)
	refused("one cent more than the limit again", put(b.expense("0.01", "EUR", "2025-03-01")))
	b.delete(rows[1].ID)
	b.put(b.expense("-4999999999999.99", "EUR", "2025-03-01"))
	b.verify(b.reader)
	// A total of the other ledgers of a store does not count.
	other := p.book("other")
	other.put(other.expense("9999999999999.99", "EUR", "2025-01-01"))
	// Many of the largest at once overflow no counter.
	var many []expense.Expense
	for range 40 {
		many = append(many, b.expense("9999999999999.99", "EUR", "2025-04-01"))
	}
	refused("forty of the largest", put(many...))
}
