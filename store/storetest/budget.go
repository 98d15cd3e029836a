package storetest

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

func checkBudgetValues(t *checkT) {
	l := t.ledger("a")
	euroCents := func(n int64) expense.Money { return minorUnits(n, l.settings.Home) }
	long := l.newBudget(l.food, "1900-01")
	long.Entries = nil
	for i := range 300 {
		long.Entries = append(long.Entries, budget.Entry{From: month("1995-11").Add(i), Limit: euroCents(int64(i + 1))})
	}
	largest := l.newBudget(l.travel, "2025-01")
	largest.Entries[0].Limit = euroCents(expense.MaxMinor)
	largest.AlertAt = []budget.Ratio{1, 7999, 10000, 12345, 100000}
	largest.Rollover, largest.RolloverCap = budget.RolloverBoth, euroCents(expense.MaxMinor)
	largest.MergedInto = l.other
	largest.Until, largest.MergedName = month("9999-12"), strings.Repeat("é", 60)
	largest.CreatedAt = nanoTime
	whole := l.newBudget(uuid.Nil, "2025-02")
	whole.Until = month("2025-02")
	budgets := []budget.Budget{long, largest, whole}
	version := l.write(call(store.Tx.PutBudgets, budgets...))
	for i := range budgets {
		budgets[i].Version, budgets[i].Guard = version, version
		budgets[i].CreatedAt = expense.Timestamp(budgets[i].CreatedAt)
	}
	wantBudgets := func() {
		for _, want := range budgets {
			l.wantBudget(want, "Budget as it was written")
		}
		snapshot := get(t, l.reader.BudgetSnapshot)
		sorted := slices.SortedFunc(slices.Values(budgets), func(x, y budget.Budget) int { return compareIDs(x.ID, y.ID) })
		equalLists(t, describeAll(snapshot.Budgets), describeAll(sorted), "the budgets of BudgetSnapshot")
		equalLists(t, snapshot.Categories, get(t, l.reader.Categories), "the categories of BudgetSnapshot")
		equal(t, describe(snapshot.Settings), describe(get(t, l.reader.Settings)), "the settings of BudgetSnapshot")
	}
	wantBudgets()
	// A write replaces all entries.
	budgets[0].Entries = []budget.Entry{
		{From: month("1995-12"), Limit: euroCents(5)}, {From: month("2030-01"), Limit: euroCents(6)},
	}
	budgets[0].AlertAt = []budget.Ratio{9000}
	budgets[0] = l.putBudget(budgets[0])
	wantBudgets()
	// A budget can move to a category that has none any more.
	budgets[1].CategoryID = l.rent
	budgets[1] = l.putBudget(budgets[1])
	budgets[0].CategoryID = l.travel
	budgets[0] = l.putBudget(budgets[0])
	wantBudgets()
	wantErrorBy(t, l.reader.Budget, l.id(), errNeverExisted, "an unknown id")
}

func checkBudgetGuard(t *checkT) {
	l := t.ledger("a")
	b := l.putBudget(l.newBudget(l.food, "2025-01"))
	guard := b.Guard
	wantGuard := func(action string, guarded bool, change func()) {
		change()
		b.Guard = 4711 // the store ignores the caller's Guard
		b.Version = l.write(call(store.Tx.PutBudgets, b))
		if guarded {
			guard = b.Version
		}
		equal(t, getBy(t, l.reader.Budget, b.ID).Guard, guard, "the Guard of a budget after %s", action)
	}
	wantGuard("another MergedName", false, func() { b.MergedName = "a name" })
	wantGuard("a write without a change", false, func() {})
	wantGuard("another limit", true, func() { b.Entries[0].Limit = minorUnits(1, l.settings.Home) })
	wantGuard("another entry", true, func() {
		b.Entries = append(b.Entries, budget.Entry{From: month("2025-09"), Limit: minorUnits(2, l.settings.Home)})
	})
	wantGuard("other thresholds", true, func() { b.AlertAt = []budget.Ratio{9000} })
	wantGuard("an end", true, func() { b.Until = month("2026-01") })
	wantGuard("another category", true, func() { b.CategoryID = l.travel })
	wantGuard("a rollover", true, func() { b.Rollover = budget.RolloverSurplus })
	wantGuard("a cap", true, func() { b.RolloverCap = minorUnits(3, l.settings.Home) })
	wantGuard("another MergedInto", false, func() { b.MergedInto = l.other })
	wantGuard("another UpdatedAt", false, func() { b.UpdatedAt = b.UpdatedAt.Add(time.Hour) })
}

func checkMissingSnapshot(t *checkT) {
	_, err := t.st.Reader(t.owner("nobody")).BudgetSnapshot(t.ctx)
	t.wantError(err, expense.ErrNotFound, "BudgetSnapshot of an owner without a ledger")
}

func checkBudgetDeletes(t *checkT) {
	l := t.ledger("a")
	b := l.putBudget(l.newBudget(l.food, "2025-01"))
	l.deleteBudget(b.ID)
	wantErrorBy(t, l.reader.Budget, b.ID, expense.ErrGone, "a deleted budget")
	equal(t, len(get(t, l.reader.BudgetSnapshot).Budgets), 0, "the number of budgets of BudgetSnapshot after a deletion")
	fresh := l.putBudget(l.newBudget(l.food, "2025-03")) // the category can have another budget
	b.Version, b.CategoryID = 0, l.travel
	l.wantRejected(call(store.Tx.PutBudgets, b), expense.ErrGone, "a new budget with a deleted id")
	l.wantBudget(fresh, "Budget of a category whose former budget was deleted")
}

func checkBudgetMemory(t *checkT) {
	l := t.ledger("a")
	b := l.putBudget(l.newBudget(l.food, "2025-01"))
	want := describe(b)
	b.Entries[0].Limit, b.AlertAt[0] = minorUnits(1, l.settings.Home), 1
	for range 2 {
		got := getBy(t, l.reader.Budget, b.ID)
		equal(t, describe(got), want, "Budget after the caller changed slices that it passed or got")
		got.Entries[0].Limit, got.AlertAt[0] = minorUnits(2, l.settings.Home), 2
		snapshot := get(t, l.reader.BudgetSnapshot)
		snapshot.Budgets[0].Entries[0].Limit, snapshot.Categories[0].Name = minorUnits(3, l.settings.Home), "overwritten"
	}
}

// checkSnapshotConcurrently reads snapshots while Updates change the settings, a category and a budget together.
func checkSnapshotConcurrently(t *checkT) {
	l := t.ledger("a")
	b := l.putBudget(l.newBudget(l.food, "2025-01"))
	category, settings := l.addCategory("Round 0"), l.settings
	const rounds = 15
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer t.recordPanic()
		for i := range rounds {
			b.MergedName, category.Name = strconv.Itoa(i), "Round "+strconv.Itoa(i)
			err := l.tryWrite(call(store.Tx.PutBudgets, b), call(store.Tx.PutCategories, category),
				callBy(store.Tx.PutSettings, settings))
			if err != nil {
				t.errorf("an Update during BudgetSnapshot: %v", err)
				return
			}
			version := l.version + 1 + expense.Version(i)
			b.Version, category.Version, settings.Version = version, version, version
		}
	}()
	defer func() { <-done }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		snapshot := get(t, l.reader.BudgetSnapshot)
		at := slices.IndexFunc(snapshot.Categories, func(c expense.Category) bool {
			return strings.HasPrefix(c.Name, "Round")
		})
		if at < 0 || len(snapshot.Budgets) != 1 {
			t.fatalf("BudgetSnapshot without the ledger's category or budget: %+v", snapshot)
		}
		version := snapshot.Settings.Version
		if version == 1 {
			continue // before the first round
		}
		equal(t, snapshot.Categories[at].Version, version, "BudgetSnapshot: the category's version and that of the settings")
		equal(t, snapshot.Budgets[0].Version, version, "BudgetSnapshot: the budget's version and that of the settings")
	}
}

func checkUpcomingOccurrences(t *checkT) {
	l := t.ledger("a")
	want := func(want bool, state string) {
		equal(t, get(t, l.reader.BudgetSnapshot).HasUpcomingOccurrences, want, "HasUpcomingOccurrences with %s", state)
	}
	want(false, "no rule")
	rule := l.newRule()
	put := func(next expense.Date, paused, upcoming bool, state string) {
		rule.Next, rule.Paused = next, paused
		rule = l.putRule(rule)
		want(upcoming, state)
	}
	day := date("2025-06-01")
	put(day, false, true, "a rule")
	put(day, true, false, "a paused rule")
	put(expense.Date{}, false, false, "an ended rule")
	put(day, false, true, "a rule that continues")
	l.deleteRule(rule.ID)
	want(false, "a deleted rule")
}
