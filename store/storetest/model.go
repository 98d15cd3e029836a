package storetest

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// A modelTest makes the same random writes to a store and a model. Its random numbers are fixed, so that a failure can
// be repeated.
type modelTest struct {
	*ledger
	rand       *rand.Rand
	categories []uuid.UUID // that exist, the default first
	ids        []uuid.UUID // of the expenses that exist, in the order of their creation
}

func checkModel(t *checkT) {
	for seed := range uint64(2) {
		l := t.ledger(strconv.FormatUint(seed, 10))
		m := &modelTest{ledger: l, categories: []uuid.UUID{l.other, l.food, l.travel, l.rent}}
		for round := range uint64(24) {
			m.randomUpdate(seed, round)
			m.compare()
		}
		l.wantModel(l.reader)
	}
}

func pick[V any](r *rand.Rand, list ...V) V { return list[r.IntN(len(list))] }

// randomUpdate makes an Update of up to five steps. One Update of six fails and is rolled back.
func (m *modelTest) randomUpdate(seed, round uint64) {
	start := *m.ledger
	ids, categories := m.ids, m.categories
	wrote, fail := false, round%6 == 5
	reset := func() {
		m.rows, m.made, m.ids, m.categories = maps.Clone(start.rows), start.made, ids, categories
	}
	err := m.tryUpdate(func(tx store.Tx) error {
		reset() // fn may run more than once
		m.rand, wrote = rand.New(rand.NewPCG(seed, round)), false
		for range 1 + m.rand.IntN(5) {
			if m.step(tx) {
				wrote = true
			}
		}
		if round%4 == 0 {
			m.wantModel(tx)
		}
		if fail {
			return errOnPurpose
		}
		return nil
	})
	if fail {
		m.wantError(err, errOnPurpose, "an Update whose function fails")
		m.rows, m.ids, m.categories = start.rows, ids, categories
		return
	}
	m.noError(err, "an Update of random writes")
	if wrote {
		m.version++
	}
}

// step makes a random write to the store and to the model. It returns false if the write was one that must fail.
func (m *modelTest) step(tx store.Tx) bool {
	switch kind := m.rand.IntN(10); {
	case kind < 4 || len(m.ids) < 4:
		var batch []expense.Expense
		for range 1 + m.rand.IntN(6) {
			e := m.random(m.anyExpense())
			batch = append(batch, e)
			m.ids = append(slices.Clip(m.ids), e.ID)
		}
		m.putInTx(tx, batch...)
	case kind < 7:
		var batch []expense.Expense
		for _, at := range m.rand.Perm(len(m.ids))[:1+m.rand.IntN(3)] {
			batch = append(batch, m.random(m.rows[m.ids[at]]))
		}
		m.putInTx(tx, batch...)
	case kind < 8:
		order := m.rand.Perm(len(m.ids))
		deleted := []uuid.UUID{m.ids[order[0]], m.ids[order[1]]}
		m.runInTx(tx, call(store.Tx.DeleteExpenses, deleted...))
		m.ids = slices.DeleteFunc(slices.Clone(m.ids), func(id uuid.UUID) bool { return slices.Contains(deleted, id) })
		delete(m.rows, deleted[0])
		delete(m.rows, deleted[1])
	case kind < 9 && len(m.categories) > 2:
		last := len(m.categories) - 1
		from, into := m.categories[last], pick(m.rand, m.categories[:last]...)
		merged, err := tx.MergeCategory(m.ctx, from, into, month("2025-03"))
		m.noError(err, "MergeCategory")
		m.version++
		moved := m.applyMove(from, into)
		equal(m.checkT, merged, expense.MergeResult{Version: m.version, Expenses: moved}, "the result of MergeCategory")
		m.version--
		m.categories = m.categories[:last:last]
	case len(m.categories) < 6:
		id := m.id()
		m.runInTx(tx, call(store.Tx.PutCategories, newCategory(id, "Category "+id.String())))
		m.categories = append(slices.Clip(m.categories), id)
	default:
		stale, good := m.rows[m.ids[0]], m.random(m.rows[m.ids[1]])
		stale.Version += 1000
		m.wantError(m.runCalls(tx, call(store.Tx.PutExpenses, good, stale)), expense.ErrStale,
			"PutExpenses with a valid row and one at another version")
		return false
	}
	return true
}

// runInTx runs a call, which must return the ledger's next version.
func (m *modelTest) runInTx(tx store.Tx, c txCall) {
	version, err := c.run(m.ctx, tx)
	m.noError(err, "%s", c.method)
	equal(m.checkT, version, m.version+1, "the version that %s returned", c.method)
}

// putInTx writes expenses to the store and to the model.
func (m *modelTest) putInTx(tx store.Tx, batch ...expense.Expense) {
	m.runInTx(tx, call(store.Tx.PutExpenses, batch...))
	m.version++
	m.applyPut(batch...)
	m.version--
}

// random returns e with some fields changed.
func (m *modelTest) random(e expense.Expense) expense.Expense {
	if m.rand.IntN(3) > 0 {
		e.CategoryID = pick(m.rand, m.categories...)
	} else if e.Version == 0 {
		e.CategoryID = m.categories[0]
	}
	if m.rand.IntN(3) > 0 {
		e.Date = date("2024-12-20").AddDays(m.rand.IntN(75))
	}
	if m.rand.IntN(2) == 0 {
		e.Notes = pick(m.rand, trickyTexts...)
	}
	if e.Version == 0 || m.rand.IntN(2) == 0 {
		code := currency(pick(m.rand, "EUR", "EUR", "JPY", "KWD", "USD"))
		e.Amount = minorUnits(m.rand.Int64N(2000)-700, code)
		if e.Amount.IsZero() {
			e.Amount = minorUnits(1, code)
		}
	}
	e = m.withoutRate(e)
	switch {
	case e.Amount.Currency() == m.settings.Home:
		e.Rate = expense.Rate{Value: expense.MustFactor("1"), Date: e.Date, Source: expense.SourceIdentity}
		e.Home = e.Amount
	case m.rand.IntN(3) > 0:
		e = m.withRate(e, pick(m.rand, "0.9", "1.1", "0.00625", "2.999999999999999"))
	}
	return e
}

// compare compares lists, pages and totals of random queries with the model.
func (m *modelTest) compare() {
	query := expense.Query{Sort: pick(m.rand, sortOrders...)}
	m.wantList(m.reader, query)
	query.Filter = m.randomFilter()
	rows := m.expected(query)
	query.Limit = m.rand.IntN(8)
	if len(rows) > 0 {
		query.After = query.Sort.Position(pick(m.rand, rows...))
	}
	m.wantList(m.reader, query)
	var ranges []expense.Range
	for range 1 + m.rand.IntN(3) {
		ranges = append(ranges, m.randomRange())
	}
	for _, step := range []expense.Granularity{expense.ByMonth, pick(m.rand, granularities...)} {
		m.wantTotals(m.reader, expense.TotalsQuery{Ranges: ranges, Granularity: step})
	}
}

func (m *modelTest) randomRange() expense.Range {
	from := date("2024-12-01").AddDays(m.rand.IntN(80))
	span := expense.Range{From: from, To: from.AddDays(m.rand.IntN(60))}
	switch m.rand.IntN(6) {
	case 0:
		span.From = expense.Date{}
	case 1:
		span.To = expense.Date{}
	case 2:
		span = from.Month().Range()
	}
	return span
}

func (m *modelTest) randomFilter() expense.Filter {
	var filter expense.Filter
	amount := func() expense.Money {
		return minorUnits(m.rand.Int64N(1000)-200, currency(pick(m.rand, "EUR", "USD")))
	}
	if m.rand.IntN(2) == 0 {
		filter.Dates = m.randomRange()
	}
	if m.rand.IntN(3) == 0 {
		filter.Categories = m.categories[:1+m.rand.IntN(len(m.categories))]
	}
	if m.rand.IntN(4) == 0 {
		filter.Currency = currency(pick(m.rand, "EUR", "JPY", "KWD"))
	}
	if m.rand.IntN(4) == 0 {
		filter.AmountMin = amount()
	}
	if m.rand.IntN(4) == 0 {
		filter.AmountMax = amount()
	}
	if m.rand.IntN(4) == 0 {
		filter.Text = pick(m.rand, "E", "🍕", "%", "null", "\\", "drop table")
	}
	if m.rand.IntN(4) == 0 {
		pending := m.rand.IntN(2) == 0
		filter.Pending = &pending
	}
	return filter
}
