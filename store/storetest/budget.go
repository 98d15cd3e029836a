package storetest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

const (
	sayBook = "budget.Reader.Book: Book returns settings, categories and budgets as they were at one moment, and whether a " +
		"rule was still to post anything; ErrNotFound if the owner has no ledger."
	sayBudget = "budget.Reader.Budget: Budget returns one budget; ErrNotFound if there never was such a one, ErrGone if " +
		"it was deleted."
	sayBudgetTaken = "budget.Tx.PutBudgets: PutBudgets writes budgets with all their entries; ErrExists as well if " +
		"another budget has the same category."
	sayDeleteBudget = "budget.Tx.DeleteBudget: DeleteBudget leaves a tombstone."
)

func budgetChecks() []check {
	return []check{
		{name: "budget-values", guards: []string{sayBudget, sayBudgetTaken, sayBook}, run: checkBudgetValues},
		{name: "budget-guard", guards: []string{sayPromises, sayBudgetTaken}, run: checkBudgetGuard},
		{name: "budget-deletes", guards: []string{sayDeleteBudget, sayBudget}, run: checkBudgetDeletes},
		{name: "budget-shares-no-memory", guards: []string{saySafe}, run: checkBudgetMemory},
		{name: "book-recurring", guards: []string{sayBook}, run: checkBookRecurring},
		{name: "book-one-moment", guards: []string{sayBook}, run: checkBookMoment},
	}
}

func checkBudgetValues(p *probe) {
	b := p.book("a")
	long := b.series(b.food, "1900-01")
	long.Entries = nil
	for i := range 300 {
		long.Entries = append(long.Entries, budget.Entry{From: expense.MustMonth("1995-11").Add(i),
			Limit: minor(int64(i+1), b.settings.Home)})
	}
	largest := b.series(b.travel, "2025-01")
	largest.Entries[0].Limit = minor(expense.MaxMinor, b.settings.Home)
	largest.AlertAt = []budget.Ratio{1, 7999, 10000, 12345, 100000}
	largest.Rollover, largest.RolloverCap = budget.RolloverBoth, minor(expense.MaxMinor, b.settings.Home)
	largest.MergedInto = b.other
	largest.Until, largest.MergedName = expense.MustMonth("9999-12"), strings.Repeat("é", 60)
	largest.CreatedAt = time.Date(2025, time.May, 1, 2, 3, 4, 567891234, time.FixedZone("somewhere", 3*3600))
	whole := b.series(uuid.Nil, "2025-02")
	whole.Until = expense.MustMonth("2025-02")
	series := []budget.Budget{long, largest, whole}
	version := b.write("PutBudgets", func(tx store.Tx) (expense.Version, error) { return tx.PutBudgets(p.ctx, series...) })
	for i := range series {
		series[i].Version, series[i].Guard = version, version
		series[i].CreatedAt = expense.Timestamp(series[i].CreatedAt)
	}
	compare := func() {
		for _, want := range series {
			got, err := b.reader.Budget(p.ctx, want.ID)
			p.must(err, "Budget")
			same(p, describeBudget(got), describeBudget(want), "a budget as it was written")
		}
		book, err := b.reader.BudgetSnapshot(p.ctx)
		p.must(err, "Book")
		var got, want []string
		for _, one := range book.Budgets {
			got = append(got, describeBudget(one))
		}
		for _, one := range slices.SortedFunc(slices.Values(series),
			func(x, y budget.Budget) int { return strings.Compare(x.ID.String(), y.ID.String()) }) {
			want = append(want, describeBudget(one))
		}
		sameList(p, got, want, "budgets of a book, ordered by id")
		categories, err := b.reader.Categories(p.ctx)
		p.must(err, "Categories")
		sameList(p, book.Categories, categories, "categories of a book")
		settings, err := b.reader.Settings(p.ctx)
		p.must(err, "Settings")
		same(p, fmt.Sprintf("%+v", book.Settings), fmt.Sprintf("%+v", settings), "settings of a book")
	}
	compare()
	// All entries are those of the last write: fewer, others, none of the old.
	series[0].Entries = []budget.Entry{{From: expense.MustMonth("1995-12"), Limit: minor(5, b.settings.Home)},
		{From: expense.MustMonth("2030-01"), Limit: minor(6, b.settings.Home)}}
	series[0].AlertAt = []budget.Ratio{9000}
	series[0] = b.putBudget(series[0])
	compare()
	// A series may move to a category that has none, also one that another series has just left.
	series[1].CategoryID = b.rent
	series[1] = b.putBudget(series[1])
	series[0].CategoryID = b.travel
	series[0] = b.putBudget(series[0])
	compare()
	_, err := b.reader.Budget(p.ctx, b.id())
	notGone(p, err, "a budget that never was")
}

func checkBudgetGuard(p *probe) {
	b := p.book("a")
	series := b.putBudget(b.series(b.food, "2025-01"))
	guard := series.Guard
	put := func(doing string, moved bool) {
		series.Guard = 4711
		series.Version = b.write("PutBudgets", func(tx store.Tx) (expense.Version, error) { return tx.PutBudgets(p.ctx, series) })
		if moved {
			guard = series.Version
		}
		read, err := b.reader.Budget(p.ctx, series.ID)
		p.must(err, "Budget")
		same(p, read.Guard, guard, "a budget's guard after %s", doing)
	}
	series.MergedName = "a label"
	put("another label", false)
	put("a change of nothing", false)
	series.Entries[0].Limit = minor(1, b.settings.Home)
	put("another limit", true)
	series.Entries = append(series.Entries, budget.Entry{From: expense.MustMonth("2025-09"), Limit: minor(2, b.settings.Home)})
	put("one entry more", true)
	series.AlertAt = []budget.Ratio{9000}
	put("other thresholds", true)
	series.Until = expense.MustMonth("2026-01")
	put("an end", true)
	series.CategoryID = b.travel
	put("another category", true)
	series.Rollover = budget.RolloverSurplus
	put("a rollover", true)
	series.RolloverCap = minor(3, b.settings.Home)
	put("a cap", true)
	series.MergedInto = b.other
	put("another category of its expenses", false)
	series.UpdatedAt = series.UpdatedAt.Add(time.Hour)
	put("a later time", false)
}

func checkBudgetDeletes(p *probe) {
	b := p.book("a")
	series := b.putBudget(b.series(b.food, "2025-01"))
	b.write("DeleteBudget", func(tx store.Tx) (expense.Version, error) { return tx.DeleteBudget(p.ctx, series.ID) })
	_, err := b.reader.Budget(p.ctx, series.ID)
	p.fails(err, expense.ErrGone, "a deleted budget")
	book, err := b.reader.BudgetSnapshot(p.ctx)
	p.must(err, "Book")
	same(p, len(book.Budgets), 0, "budgets of a book after a deletion")
	fresh := b.putBudget(b.series(b.food, "2025-03")) // the category is free, the id is not
	series.Version, series.CategoryID = 0, b.travel
	err = p.st.Update(p.ctx, b.owner, func(tx store.Tx) error { _, err := tx.PutBudgets(p.ctx, series); return err })
	p.fails(err, expense.ErrGone, "a new budget with the id of a deleted one")
	read, err := b.reader.Budget(p.ctx, fresh.ID)
	p.must(err, "Budget")
	same(p, describeBudget(read), describeBudget(fresh), "a new budget of the category that the deleted one had")
}

func checkBudgetMemory(p *probe) {
	b := p.book("a")
	series := b.putBudget(b.series(b.food, "2025-01"))
	want := describeBudget(series)
	series.Entries[0].Limit, series.AlertAt[0] = minor(1, b.settings.Home), 1
	for range 2 {
		read, err := b.reader.Budget(p.ctx, series.ID)
		p.must(err, "Budget")
		same(p, describeBudget(read), want, "a budget after its caller wrote to the slices it gave or got")
		read.Entries[0].Limit, read.AlertAt[0] = minor(2, b.settings.Home), 2
		book, err := b.reader.BudgetSnapshot(p.ctx)
		p.must(err, "Book")
		book.Budgets[0].Entries[0].Limit, book.Categories[0].Name = minor(3, b.settings.Home), "overwritten"
	}
}

// checkBookMoment reads books while a writer changes settings, a category and a budget together.
func checkBookMoment(p *probe) {
	b := p.book("a")
	series := b.putBudget(b.series(b.food, "2025-01"))
	category, settings := b.category("Round 0"), b.settings
	const rounds = 15
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer p.notePanic()
		for i := range rounds {
			var nextSeries budget.Budget
			var nextCategory expense.Category
			var nextSettings expense.Settings
			err := p.st.Update(p.ctx, b.owner, func(tx store.Tx) error {
				nextSeries, nextCategory, nextSettings = series, category, settings
				nextSeries.MergedName, nextCategory.Name = strconv.Itoa(i), "Round "+strconv.Itoa(i)
				var err error
				if nextSeries.Version, err = tx.PutBudgets(p.ctx, nextSeries); err != nil {
					return err
				}
				if nextCategory.Version, err = tx.PutCategories(p.ctx, nextCategory); err != nil {
					return err
				}
				nextSettings.Version, err = tx.PutSettings(p.ctx, nextSettings)
				return err
			})
			if err != nil {
				p.note("an Update beside Book: %v", err)
				return
			}
			series, category, settings = nextSeries, nextCategory, nextSettings
		}
	}()
	defer func() { <-done }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		book, err := b.reader.BudgetSnapshot(p.ctx)
		p.must(err, "Book")
		at := slices.IndexFunc(book.Categories, func(c expense.Category) bool { return strings.HasPrefix(c.Name, "Round") })
		if at < 0 || len(book.Budgets) != 1 {
			p.stop("a book without its category or budget: %+v", book)
		}
		if book.Settings.Version == 1 {
			continue // before the first round
		}
		same(p, book.Categories[at].Version, book.Settings.Version,
			"the versions of category and settings in one book, written together")
		same(p, book.Budgets[0].Version, book.Settings.Version,
			"the versions of budget and settings in one book, written together")
	}
}

func checkBookRecurring(p *probe) {
	b := p.book("a")
	recurring := func(want bool, when string) {
		book, err := b.reader.BudgetSnapshot(p.ctx)
		p.must(err, "Book")
		same(p, book.HasUpcomingOccurrences, want, "whether a book has something to come, %s", when)
	}
	recurring(false, "without a rule")
	rule := b.rule()
	rule.Next = expense.MustDate("2025-06-01")
	rule = b.putRule(rule)
	recurring(true, "with a rule")
	rule.Paused = true
	rule = b.putRule(rule)
	recurring(false, "with a paused rule")
	rule.Paused, rule.Next = false, expense.Date{}
	rule = b.putRule(rule)
	recurring(false, "with a rule that has ended")
	rule.Next = expense.MustDate("2025-06-01")
	rule = b.putRule(rule)
	recurring(true, "with a rule that goes on")
	b.write("DeleteRule", func(tx store.Tx) (expense.Version, error) { return tx.DeleteRule(p.ctx, rule.ID) })
	recurring(false, "with a rule that was deleted")
}
