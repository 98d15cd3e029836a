package storetest

import (
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
)

func writeChecks() []check {
	return []check{
		newCheck("write-rejected", checkRejectedWrites, docRejected, docCreate, docCompare, docBudgetTx, docRuleTx,
			docPutCategories, docDeleteCategory, docPutBudgets, docDeleteExpenses, docPutRecord),
		newCheck("write-compare-and-set", checkCompareAndSet, docCompare, docBudgetTx, docRuleTx),
		newCheck("write-existing-id", checkExistingID, docCreate, docBudgetTx, docRuleTx),
	}
}

// A rejection is a call that must return the error want, change nothing and leave the Tx usable.
type rejection struct {
	action string
	want   error
	call   txCall
}

// rejectedWrites returns calls that the ledger must reject. Each call with several rows has valid rows before and after
// the invalid ones.
func (l *ledger) rejectedWrites(f fixture) []rejection {
	goodExpense := l.put(l.newExpense("10.00", "EUR", "2025-03-01"))[0]
	goodCategory := l.addCategory("Good")
	goodBudget := l.putBudget(l.newBudget(l.rent, "2025-01"))
	goodRule := l.putRule(l.newRule())
	ruleOnly, budgetOnly := l.addCategory("Only a rule"), l.addCategory("Only a budget")
	rule := l.newRule()
	rule.CategoryID = ruleOnly.ID
	l.putRule(rule)
	l.putBudget(l.newBudget(budgetOnly.ID, "2025-01"))
	const notStored = "must not be stored"
	goodExpense.Notes, goodCategory.Name = notStored, notStored
	goodBudget.MergedName, goodRule.Notes = notStored, notStored

	putExpenses := func(bad expense.Expense) txCall {
		return call(store.Tx.PutExpenses, goodExpense, bad, l.newExpense("1.00", "EUR", "2025-03-02"))
	}
	expenseAt := func(id uuid.UUID, version expense.Version) txCall {
		e := withID(f.expense, id)
		e.Version = version
		return putExpenses(e)
	}
	putCategories := func(bad ...expense.Category) txCall {
		rows := append([]expense.Category{goodCategory}, bad...)
		return call(store.Tx.PutCategories, append(rows, newCategory(l.id(), "New"))...)
	}
	categoryAt := func(id uuid.UUID, name string, version expense.Version) txCall {
		c := newCategory(id, name)
		c.Version = version
		return putCategories(c)
	}
	putBudgets := func(bad ...budget.Budget) txCall {
		rows := append([]budget.Budget{goodBudget}, bad...)
		return call(store.Tx.PutBudgets, append(rows, l.newBudget(l.travel, "2025-01"))...)
	}
	budgetAt := func(id, category uuid.UUID, version expense.Version) txCall {
		b := l.newBudget(category, "2025-02")
		b.ID, b.Version = id, version
		return putBudgets(b)
	}
	ruleAt := func(id uuid.UUID, version expense.Version) txCall {
		bad := l.newRule()
		bad.ID, bad.Version = id, version
		return call(store.Tx.PutRules, []recurrence.Rule{goodRule, bad, l.newRule()}...)
	}
	settingsAt := func(version expense.Version) txCall {
		settings := l.settings
		settings.Locale, settings.Version = "it", version
		return callBy(store.Tx.PutSettings, settings)
	}
	deleteCategory := func(id uuid.UUID) txCall { return callBy(store.Tx.DeleteCategory, id) }
	record := newRecord(f.key.Scope, f.key.Key)
	record.Fingerprint, record.Payload = []byte{9}, []byte("other")
	fresh := l.id()
	return []rejection{
		{"a new expense with the id of another", expense.ErrExists, expenseAt(f.expense.ID, 0)},
		{"a new expense with a deleted id", expense.ErrGone, expenseAt(f.deletedExpense, 0)},
		{"a change of a deleted expense", expense.ErrGone, expenseAt(f.deletedExpense, 2)},
		{"a change of an unknown expense", expense.ErrNotFound, expenseAt(unknownID, 2)},
		{"a change of an expense at an older version", expense.ErrStale, expenseAt(f.expense.ID, f.expense.Version-1)},
		{"a change of an expense at a later version", expense.ErrStale, expenseAt(f.expense.ID, f.expense.Version+1000)},
		{"an expense that exceeds the limit of the total", expense.ErrInvalid,
			putExpenses(l.newExpense("9999999999999.99", "EUR", "2025-03-03"))},
		{"deleting a deleted expense", expense.ErrGone, call(store.Tx.DeleteExpenses, goodExpense.ID, f.deletedExpense)},
		{"deleting an unknown expense", expense.ErrNotFound,
			call(store.Tx.DeleteExpenses, goodExpense.ID, unknownID, f.expense.ID)},

		{"a new category with the id of another", expense.ErrExists, categoryAt(f.category.ID, "x", 0)},
		{"a new category with a deleted id", expense.ErrGone, categoryAt(f.deletedCategory, "x", 0)},
		{"a change of a deleted category", expense.ErrGone, categoryAt(f.deletedCategory, "x", 2)},
		{"a change of an unknown category", expense.ErrNotFound, categoryAt(unknownID, "x", 2)},
		{"a change of a category at an older version", expense.ErrStale,
			categoryAt(f.category.ID, "x", f.category.Version-1)},
		{"a new category with the name of another", expense.ErrExists, categoryAt(fresh, f.category.Name, 0)},
		{"a new category with the name of another in other case", expense.ErrExists, categoryAt(fresh, "fOOD", 0)},
		{"two new categories with the same name", expense.ErrExists,
			putCategories(newCategory(fresh, "Straße"), newCategory(l.id(), "STRASSE"))},
		{"a category renamed to the name of another", expense.ErrExists,
			categoryAt(f.category.ID, "travel", f.category.Version)},
		{"deleting a category that an expense refers to", expense.ErrInUse, deleteCategory(l.food)},
		{"deleting a category that a rule refers to", expense.ErrInUse, deleteCategory(ruleOnly.ID)},
		{"deleting a category that a budget refers to", expense.ErrInUse, deleteCategory(budgetOnly.ID)},
		{"deleting the default category", expense.ErrInUse, deleteCategory(l.other)},
		{"deleting a deleted category", expense.ErrGone, deleteCategory(f.deletedCategory)},
		{"deleting an unknown category", expense.ErrNotFound, deleteCategory(unknownID)},
		{"merging an unknown category", expense.ErrNotFound, callMerge(unknownID, l.food, "2025-03")},
		{"merging a deleted category", expense.ErrGone, callMerge(f.deletedCategory, l.food, "2025-03")},
		{"merging into an unknown category", expense.ErrNotFound, callMerge(l.food, unknownID, "2025-03")},
		{"merging into a deleted category", expense.ErrGone, callMerge(l.food, f.deletedCategory, "2025-03")},

		{"a new budget with the id of another", expense.ErrExists, budgetAt(f.budget.ID, f.category.ID, 0)},
		{"a new budget with a deleted id", expense.ErrGone, budgetAt(f.deletedBudget, f.category.ID, 0)},
		{"a change of a deleted budget", expense.ErrGone, budgetAt(f.deletedBudget, f.category.ID, 2)},
		{"a change of an unknown budget", expense.ErrNotFound, budgetAt(unknownID, f.category.ID, 2)},
		{"a change of a budget at an older version", expense.ErrStale, budgetAt(f.budget.ID, l.food, f.budget.Version-1)},
		{"a second budget of a category", expense.ErrExists, budgetAt(fresh, l.food, 0)},
		{"two budgets of the whole ledger", expense.ErrExists,
			putBudgets(l.newBudget(uuid.Nil, "2025-02"), l.newBudget(uuid.Nil, "2025-02"))},
		{"a budget moved to a category that has one", expense.ErrExists,
			budgetAt(f.budget.ID, budgetOnly.ID, f.budget.Version)},
		{"deleting a deleted budget", expense.ErrGone, callBy(store.Tx.DeleteBudget, f.deletedBudget)},
		{"deleting an unknown budget", expense.ErrNotFound, callBy(store.Tx.DeleteBudget, unknownID)},

		{"a new rule with the id of another", expense.ErrExists, ruleAt(f.rule.ID, 0)},
		{"a new rule with a deleted id", expense.ErrGone, ruleAt(f.deletedRule, 0)},
		{"a change of a deleted rule", expense.ErrGone, ruleAt(f.deletedRule, 2)},
		{"a change of an unknown rule", expense.ErrNotFound, ruleAt(unknownID, 2)},
		{"a change of a rule at an older version", expense.ErrStale, ruleAt(f.rule.ID, f.rule.Version-1)},
		{"deleting a deleted rule", expense.ErrGone, callBy(store.Tx.DeleteRule, f.deletedRule)},
		{"deleting an unknown rule", expense.ErrNotFound, callBy(store.Tx.DeleteRule, unknownID)},

		{"settings at version 0", expense.ErrExists, settingsAt(0)},
		{"settings at another version", expense.ErrStale, settingsAt(77)},
		{"a second record with the same key", expense.ErrExists, callPutRecord(record)},
	}
}

func checkRejectedWrites(t *checkT) {
	l := t.ledger("a")
	f := l.populate()
	rejections := l.rejectedWrites(f)
	before := t.dump(l.reader)
	// All in one Update: each leaves the Tx as it was.
	l.update(func(tx store.Tx) error {
		for _, r := range rejections {
			t.wantError(t.runCalls(tx, r.call), r.want, "%s", r.action)
			t.wantUnchanged(before, tx, "%s was rejected but", r.action)
		}
		return nil
	})
	l.wantPayload(f.key, "a record after a rejected one with the same key")
	t.wantUnchanged(before, l.reader, "an Update whose writes were all rejected")
	// Each before a valid write, which must succeed.
	marker := l.put(l.newExpense("0.50", "EUR", "2025-04-01"))[0]
	for i, r := range rejections {
		marker.Notes = fmt.Sprintf("after %d", i)
		l.version++
		l.update(func(tx store.Tx) error {
			t.wantError(t.runCalls(tx, r.call), r.want, "%s", r.action)
			version, err := tx.PutExpenses(t.ctx, marker)
			equal(t, version, l.version, "the version of a write after %s", r.action)
			return err
		})
		marker = l.applyPut(marker)[0]
	}
	l.wantExpense(marker, "an expense written after rejected writes")
}

func checkCompareAndSet(t *checkT) {
	l := t.ledger("a")
	f := l.populate()
	e, category, b, rule, settings := f.expense, f.category, f.budget, f.rule, l.settings
	e.Notes, category.Icon, b.Until, rule.Paused, settings.Locale = "changed", "cart", month("2026-01"), true, "pt"
	for _, row := range []struct {
		kind string
		old  expense.Version
		put  func(version expense.Version) txCall
	}{
		{"an expense", e.Version, func(v expense.Version) txCall { e.Version = v; return call(store.Tx.PutExpenses, e) }},
		{"a category", category.Version, func(v expense.Version) txCall {
			category.Version = v
			return call(store.Tx.PutCategories, category)
		}},
		{"a budget", b.Version, func(v expense.Version) txCall { b.Version = v; return call(store.Tx.PutBudgets, b) }},
		{"a rule", rule.Version, func(v expense.Version) txCall { rule.Version = v; return call(store.Tx.PutRules, rule) }},
		{"settings", settings.Version, func(v expense.Version) txCall {
			settings.Version = v
			return callBy(store.Tx.PutSettings, settings)
		}},
	} {
		current := l.write(row.put(row.old))
		for _, version := range []expense.Version{row.old, current + 1} {
			err := l.tryWrite(row.put(version))
			t.wantError(err, expense.ErrStale, "a change of %s at version %d with version %d", row.kind, current, version)
			if stale, ok := errors.AsType[*expense.StaleError](err); !ok || stale.Current != current {
				t.errorf("a change of %s with version %d: got %v, want a StaleError with Current %d", row.kind, version, err,
					current)
			}
		}
		l.write(row.put(current))
	}
}

func checkExistingID(t *checkT) {
	l := t.ledger("a")
	f := l.populate()
	e, category, b, rule := f.expense, f.category, f.budget, f.rule
	e.Version, category.Version, b.Version, rule.Version = 0, 0, 0, 0
	wantAll := func(want error, state string) {
		for _, c := range []txCall{
			call(store.Tx.PutExpenses, e), call(store.Tx.PutCategories, category), call(store.Tx.PutBudgets, b),
			call(store.Tx.PutRules, rule),
		} {
			l.wantRejected(c, want, "%s of a new row with the id of one that %s", c.method, state)
		}
	}
	wantAll(expense.ErrExists, "exists, with the same content")
	l.delete(e.ID)
	l.deleteCategory(category.ID)
	l.deleteBudget(b.ID)
	l.deleteRule(rule.ID)
	wantAll(expense.ErrGone, "was deleted")
}
