package storetest

import (
	"maps"
	"math/rand/v2"
	"strconv"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

func modelChecks() []check {
	return []check{{name: "model", guards: []string{
		sayExpenses, sayTotals, sayTotalsEqual, sayUpdate, sayVersions, sayPutExpenses, sayDeleteExpenses, sayMerge, sayMoved,
	}, run: checkModel}}
}

// A game plays random Updates against a store and a model at once. Its series is fixed, so that what failed fails again.
type game struct {
	*book
	rand       *rand.Rand
	categories []uuid.UUID // live ones, the default first
	ids        []uuid.UUID // of live expenses, in the order they were made
}

func checkModel(p *probe) {
	for seed := range uint64(2) {
		b := p.book(strconv.FormatUint(seed, 10))
		g := &game{book: b, categories: []uuid.UUID{b.other, b.food, b.travel, b.rent}}
		for number := range uint64(24) {
			g.round(seed, number)
			g.compare()
		}
		b.verify(b.reader)
	}
}

func pick[V any](r *rand.Rand, list []V) V { return list[r.IntN(len(list))] }

// round plays one Update of up to five steps; one in six fails in the end and must leave nothing. A store may run its
// function more than once, so each run begins where the round began.
func (g *game) round(seed, number uint64) {
	rows, ids, categories, made := g.rows, g.ids, g.categories, g.made
	wrote, undo := false, number%6 == 5
	err := g.st.Update(g.ctx, g.owner, func(tx store.Tx) error {
		g.rows, g.ids, g.categories, g.made = maps.Clone(rows), ids, categories, made
		g.rand, wrote = rand.New(rand.NewPCG(seed, number)), false
		for range 1 + g.rand.IntN(5) {
			if g.step(tx) {
				wrote = true
			}
		}
		if number%4 == 0 {
			g.verify(tx)
		}
		if undo {
			return errOnPurpose
		}
		return nil
	})
	if undo {
		g.fails(err, errOnPurpose, "an Update that fails in the end")
		g.rows, g.ids, g.categories = rows, ids, categories
		return
	}
	g.must(err, "an Update of random steps")
	if wrote {
		g.version++
	}
}

// step does one random thing to the store and to the model, and reports whether it wrote.
func (g *game) step(tx store.Tx) bool {
	next := g.version + 1
	switch what := g.rand.IntN(10); {
	case what < 4 || len(g.ids) < 4: // add
		var batch []expense.Expense
		for range 1 + g.rand.IntN(6) {
			e := g.random(g.expense("1", "EUR", "2025-01-01"))
			batch = append(batch, e)
			g.ids = append(g.ids[:len(g.ids):len(g.ids)], e.ID)
		}
		g.keep(tx, next, batch...)
	case what < 7: // edit: amounts, moves, rates
		var batch []expense.Expense
		for _, at := range g.rand.Perm(len(g.ids))[:1+g.rand.IntN(3)] {
			batch = append(batch, g.random(g.rows[g.ids[at]]))
		}
		g.keep(tx, next, batch...)
	case what < 8: // delete
		order := g.rand.Perm(len(g.ids))
		gone := []uuid.UUID{g.ids[order[0]], g.ids[order[1]]}
		version, err := tx.DeleteExpenses(g.ctx, gone...)
		g.must(err, "DeleteExpenses")
		same(g.probe, version, next, "the version that DeleteExpenses returned")
		var left []uuid.UUID
		for _, id := range g.ids {
			if id != gone[0] && id != gone[1] {
				left = append(left, id)
			}
		}
		g.ids = left
		delete(g.rows, gone[0])
		delete(g.rows, gone[1])
	case what < 9 && len(g.categories) > 2: // merge
		last := len(g.categories) - 1
		from, into := g.categories[last], pick(g.rand, g.categories[:last])
		merged, err := tx.MergeCategory(g.ctx, from, into, expense.MustMonth("2025-03"))
		g.must(err, "MergeCategory")
		moved := 0
		for id, e := range g.rows {
			if e.CategoryID == from {
				e.CategoryID, e.Version = into, next
				g.rows[id] = e
				moved++
			}
		}
		same(g.probe, merged, expense.MergeResult{Version: next, Expenses: moved}, "what a merge says it did")
		g.categories = g.categories[:last:last]
	case len(g.categories) < 6: // a new category
		c := expense.Category{ID: g.id(), CreatedAt: epoch, UpdatedAt: epoch}
		c.Name = "Category " + c.ID.String()
		_, err := tx.PutCategories(g.ctx, c)
		g.must(err, "PutCategories")
		g.categories = append(g.categories[:len(g.categories):len(g.categories)], c.ID)
	default: // a stale write beside a good one
		stale, good := g.rows[g.ids[0]], g.random(g.rows[g.ids[1]])
		stale.Version += 1000
		_, err := tx.PutExpenses(g.ctx, good, stale)
		g.fails(err, expense.ErrStale, "a stale write")
		return false
	}
	return true
}

// keep writes expenses to the store and the model.
func (g *game) keep(tx store.Tx, next expense.Version, batch ...expense.Expense) {
	version, err := tx.PutExpenses(g.ctx, batch...)
	g.must(err, "PutExpenses")
	same(g.probe, version, next, "the version that PutExpenses returned")
	for _, e := range batch {
		old, found := g.rows[e.ID]
		e.Version, e.Guard = next, old.Guard
		if !found || !e.SameGuardedFields(old) {
			e.Guard = next
		}
		g.rows[e.ID] = e
	}
}

// random returns e with some of its members changed.
func (g *game) random(e expense.Expense) expense.Expense {
	if g.rand.IntN(3) > 0 {
		e.CategoryID = pick(g.rand, g.categories)
	} else if e.Version == 0 {
		e.CategoryID = g.categories[0]
	}
	if g.rand.IntN(3) > 0 {
		e.Date = expense.MustDate("2024-12-20").AddDays(g.rand.IntN(75))
	}
	if g.rand.IntN(2) == 0 {
		e.Notes = pick(g.rand, oddTexts)
	}
	if e.Version == 0 || g.rand.IntN(2) == 0 {
		currency := expense.MustCurrency(pick(g.rand, []string{"EUR", "EUR", "JPY", "KWD", "USD"}))
		e.Amount = minor(g.rand.Int64N(2000)-700, currency)
		if e.Amount.IsZero() {
			e.Amount = minor(1, currency)
		}
	}
	e.Rate, e.Home = expense.Rate{}, minor(0, g.settings.Home)
	switch {
	case e.Amount.Currency() == g.settings.Home:
		e.Rate = expense.Rate{Value: expense.MustFactor("1"), Date: e.Date, Source: expense.SourceIdentity}
		e.Home = e.Amount
	case g.rand.IntN(3) > 0:
		e = g.converted(e, pick(g.rand, []string{"0.9", "1.1", "0.00625", "2.999999999999999"}))
	}
	return e
}

// compare holds lists, pages and totals against the model, with random questions.
func (g *game) compare() {
	query := expense.Query{Sort: pick(g.rand, sorts)}
	g.list(g.reader, query)
	filter := g.filter()
	rows := g.chosen(expense.Query{Filter: filter, Sort: query.Sort})
	query = expense.Query{Filter: filter, Sort: query.Sort, Limit: g.rand.IntN(8)}
	if len(rows) > 0 {
		query.After = query.Sort.Position(pick(g.rand, rows))
	}
	g.list(g.reader, query)
	var ranges []expense.Range
	for range 1 + g.rand.IntN(3) {
		ranges = append(ranges, g.span())
	}
	for _, step := range []expense.Granularity{expense.ByMonth, pick(g.rand, steps)} {
		g.totals(g.reader, expense.TotalsQuery{Ranges: ranges, Granularity: step})
	}
}

func (g *game) span() expense.Range {
	from := expense.MustDate("2024-12-01").AddDays(g.rand.IntN(80))
	span := expense.Range{From: from, To: from.AddDays(g.rand.IntN(60))}
	switch g.rand.IntN(6) {
	case 0:
		span.From = expense.Date{}
	case 1:
		span.To = expense.Date{}
	case 2:
		span = from.Month().Range()
	}
	return span
}

func (g *game) filter() expense.Filter {
	var filter expense.Filter
	if g.rand.IntN(2) == 0 {
		filter.Dates = g.span()
	}
	if g.rand.IntN(3) == 0 {
		filter.Categories = g.categories[:1+g.rand.IntN(len(g.categories))]
	}
	if g.rand.IntN(4) == 0 {
		filter.Currency = expense.MustCurrency(pick(g.rand, []string{"EUR", "JPY", "KWD"}))
	}
	if g.rand.IntN(4) == 0 {
		filter.AmountMin = minor(g.rand.Int64N(1000)-200, expense.MustCurrency(pick(g.rand, []string{"EUR", "USD"})))
	}
	if g.rand.IntN(4) == 0 {
		filter.AmountMax = minor(g.rand.Int64N(1000)-200, expense.MustCurrency(pick(g.rand, []string{"EUR", "USD"})))
	}
	if g.rand.IntN(4) == 0 {
		filter.Text = pick(g.rand, []string{"E", "🍕", "%", "null", "\\", "drop table"})
	}
	if g.rand.IntN(4) == 0 {
		pending := g.rand.IntN(2) == 0
		filter.Pending = &pending
	}
	return filter
}
