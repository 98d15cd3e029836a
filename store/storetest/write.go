package storetest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
)

// concerns reports whether a check that runs in several stages, and that has rows of its own for each stage, has to try
// those of a stage: in that stage itself, and together with those of earlier stages in the stages transactions and all.
func (t *checkT) concerns(stage stage) bool {
	return t.stage == stage || (t.stage == transactionsStage || t.stage == allStage) && t.has(stage)
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
	var all []rejection
	for _, of := range []struct {
		stage      stage
		rejections func(fixture) []rejection
	}{
		{settingsStage, l.rejectedSettings}, {categoriesStage, l.rejectedCategories}, {expensesStage, l.rejectedExpenses},
		{rulesStage, l.rejectedRules}, {budgetsStage, l.rejectedBudgets}, {mergeStage, l.rejectedMerges},
		{idempotencyStage, l.rejectedRecords},
	} {
		if l.concerns(of.stage) {
			all = append(all, of.rejections(f)...)
		}
	}
	return all
}

// notStored is a text in valid rows of calls that must be rejected.
const notStored = "must not be stored"

func (l *ledger) rejectedSettings(fixture) []rejection {
	at := func(version expense.Version) txCall {
		settings := l.settings
		settings.Locale, settings.Version = "it", version
		return callBy(store.Tx.PutSettings, settings)
	}
	return []rejection{
		{"settings at version 0", expense.ErrExists, at(0)},
		{"settings at another version", expense.ErrStale, at(77)},
	}
}

func (l *ledger) rejectedCategories(f fixture) []rejection {
	good := l.addCategory("Good")
	good.Name = notStored
	put := func(bad ...expense.Category) txCall {
		rows := append([]expense.Category{good}, bad...)
		return call(store.Tx.PutCategories, append(rows, newCategory(l.id(), "New"))...)
	}
	at := func(id uuid.UUID, name string, version expense.Version) txCall {
		c := newCategory(id, name)
		c.Version = version
		return put(c)
	}
	deletion := func(id uuid.UUID) txCall { return callBy(store.Tx.DeleteCategory, id) }
	fresh := l.id()
	return []rejection{
		{"a new category with the id of another", expense.ErrExists, at(f.category.ID, "x", 0)},
		{"a new category with a deleted id", expense.ErrGone, at(f.deletedCategory, "x", 0)},
		{"a change of a deleted category", expense.ErrGone, at(f.deletedCategory, "x", 2)},
		{"a change of an unknown category", expense.ErrNotFound, at(unknownID, "x", 2)},
		{"a change of a category at an older version", expense.ErrStale, at(f.category.ID, "x", f.category.Version-1)},
		{"a new category with the name of another", expense.ErrExists, at(fresh, f.category.Name, 0)},
		{"a new category with the name of another in other case", expense.ErrExists, at(fresh, "fOOD", 0)},
		{"two new categories with the same name", expense.ErrExists,
			put(newCategory(fresh, "Straße"), newCategory(l.id(), "STRASSE"))},
		{"a category renamed to the name of another", expense.ErrExists,
			at(f.category.ID, "travel", f.category.Version)},
		{"deleting the default category", expense.ErrInUse, deletion(l.other)},
		{"deleting a deleted category", expense.ErrGone, deletion(f.deletedCategory)},
		{"deleting an unknown category", expense.ErrNotFound, deletion(unknownID)},
	}
}

func (l *ledger) rejectedExpenses(f fixture) []rejection {
	good := l.put(l.newExpense("10.00", "EUR", "2025-03-01"))[0]
	good.Notes = notStored
	put := func(bad expense.Expense) txCall {
		return call(store.Tx.PutExpenses, good, bad, l.newExpense("1.00", "EUR", "2025-03-02"))
	}
	at := func(id uuid.UUID, version expense.Version) txCall {
		e := withID(f.expense, id)
		e.Version = version
		return put(e)
	}
	return []rejection{
		{"a new expense with the id of another", expense.ErrExists, at(f.expense.ID, 0)},
		{"a new expense with a deleted id", expense.ErrGone, at(f.deletedExpense, 0)},
		{"a change of a deleted expense", expense.ErrGone, at(f.deletedExpense, 2)},
		{"a change of an unknown expense", expense.ErrNotFound, at(unknownID, 2)},
		{"a change of an expense at an older version", expense.ErrStale, at(f.expense.ID, f.expense.Version-1)},
		{"a change of an expense at a later version", expense.ErrStale, at(f.expense.ID, f.expense.Version+1000)},
		{"an expense that exceeds the limit of the total", expense.ErrInvalid,
			put(l.newExpense("9999999999999.99", "EUR", "2025-03-03"))},
		{"deleting a deleted expense", expense.ErrGone, call(store.Tx.DeleteExpenses, good.ID, f.deletedExpense)},
		{"deleting an unknown expense", expense.ErrNotFound,
			call(store.Tx.DeleteExpenses, good.ID, unknownID, f.expense.ID)},
		{"deleting a category that an expense refers to", expense.ErrInUse, callBy(store.Tx.DeleteCategory, l.food)},
	}
}

func (l *ledger) rejectedRules(f fixture) []rejection {
	category, good, other := l.addCategory("Only a rule"), l.putRule(l.newRule()), l.newRule()
	other.CategoryID = category.ID
	l.putRule(other)
	good.Notes = notStored
	at := func(id uuid.UUID, version expense.Version) txCall {
		bad := l.newRule()
		bad.ID, bad.Version = id, version
		return call(store.Tx.PutRules, []recurrence.Rule{good, bad, l.newRule()}...)
	}
	return []rejection{
		{"a new rule with the id of another", expense.ErrExists, at(f.rule.ID, 0)},
		{"a new rule with a deleted id", expense.ErrGone, at(f.deletedRule, 0)},
		{"a change of a deleted rule", expense.ErrGone, at(f.deletedRule, 2)},
		{"a change of an unknown rule", expense.ErrNotFound, at(unknownID, 2)},
		{"a change of a rule at an older version", expense.ErrStale, at(f.rule.ID, f.rule.Version-1)},
		{"deleting a deleted rule", expense.ErrGone, callBy(store.Tx.DeleteRule, f.deletedRule)},
		{"deleting an unknown rule", expense.ErrNotFound, callBy(store.Tx.DeleteRule, unknownID)},
		{"deleting a category that a rule refers to", expense.ErrInUse, callBy(store.Tx.DeleteCategory, category.ID)},
	}
}

func (l *ledger) rejectedBudgets(f fixture) []rejection {
	category, good := l.addCategory("Only a budget"), l.putBudget(l.newBudget(l.rent, "2025-01"))
	l.putBudget(l.newBudget(category.ID, "2025-01"))
	good.MergedName = notStored
	put := func(bad ...budget.Budget) txCall {
		rows := append([]budget.Budget{good}, bad...)
		return call(store.Tx.PutBudgets, append(rows, l.newBudget(l.travel, "2025-01"))...)
	}
	at := func(id, category uuid.UUID, version expense.Version) txCall {
		b := l.newBudget(category, "2025-02")
		b.ID, b.Version = id, version
		return put(b)
	}
	return []rejection{
		{"a new budget with the id of another", expense.ErrExists, at(f.budget.ID, f.category.ID, 0)},
		{"a new budget with a deleted id", expense.ErrGone, at(f.deletedBudget, f.category.ID, 0)},
		{"a change of a deleted budget", expense.ErrGone, at(f.deletedBudget, f.category.ID, 2)},
		{"a change of an unknown budget", expense.ErrNotFound, at(unknownID, f.category.ID, 2)},
		{"a change of a budget at an older version", expense.ErrStale, at(f.budget.ID, l.food, f.budget.Version-1)},
		{"a second budget of a category", expense.ErrExists, at(l.id(), l.food, 0)},
		{"two budgets of the whole ledger", expense.ErrExists,
			put(l.newBudget(uuid.Nil, "2025-02"), l.newBudget(uuid.Nil, "2025-02"))},
		{"a budget moved to a category that has one", expense.ErrExists, at(f.budget.ID, category.ID, f.budget.Version)},
		{"deleting a deleted budget", expense.ErrGone, callBy(store.Tx.DeleteBudget, f.deletedBudget)},
		{"deleting an unknown budget", expense.ErrNotFound, callBy(store.Tx.DeleteBudget, unknownID)},
		{"deleting a category that a budget refers to", expense.ErrInUse, callBy(store.Tx.DeleteCategory, category.ID)},
	}
}

func (l *ledger) rejectedMerges(f fixture) []rejection {
	return []rejection{
		{"merging an unknown category", expense.ErrNotFound, callMerge(unknownID, l.food, "2025-03")},
		{"merging a deleted category", expense.ErrGone, callMerge(f.deletedCategory, l.food, "2025-03")},
		{"merging into an unknown category", expense.ErrNotFound, callMerge(l.food, unknownID, "2025-03")},
		{"merging into a deleted category", expense.ErrGone, callMerge(l.food, f.deletedCategory, "2025-03")},
	}
}

func (l *ledger) rejectedRecords(f fixture) []rejection {
	record := newRecord(f.key.Scope, f.key.Key)
	record.Fingerprint, record.Payload = []byte{9}, []byte("other")
	return []rejection{{"a second record with the same key", expense.ErrExists, callPutRecord(record)}}
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
			t.wantUnchanged(before, tx, "%s, which must be rejected,", r.action)
		}
		return nil
	})
	if t.has(idempotencyStage) {
		l.wantPayload(f.key, "a record after a rejected one with the same key")
	}
	t.wantUnchanged(before, l.reader, "an Update whose writes were all rejected")
	// Each before a valid write, which must succeed.
	settings := l.settings
	for i, r := range rejections {
		settings.Locale = fmt.Sprint("after ", i)
		l.version++
		l.update(func(tx store.Tx) error {
			t.wantError(t.runCalls(tx, r.call), r.want, "%s", r.action)
			version, err := tx.PutSettings(t.ctx, settings)
			equal(t, version, l.version, "the version of a write after %s", r.action)
			return err
		})
		settings.Version = l.version
	}
	equal(t, get(t, l.reader.Settings).Locale, settings.Locale, "the locale written after rejected writes")
}

func checkCompareAndSet(t *checkT) {
	l := t.ledger("a")
	f := l.populate()
	for _, row := range l.versionedRows(f) {
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

// A versionedRow is a changed row that put writes at a version.
type versionedRow struct {
	stage stage // that has its type
	kind  string
	old   expense.Version // the stored version
	put   func(version expense.Version) txCall
}

// versionedRows returns the changed rows of the stage.
func (l *ledger) versionedRows(f fixture) []versionedRow {
	e, category, b, rule, settings := f.expense, f.category, f.budget, f.rule, l.settings
	e.Notes, category.Icon, b.Until, rule.Paused, settings.Locale = "changed", "cart", month("2026-01"), true, "pt"
	rows := []versionedRow{
		{settingsStage, "settings", settings.Version, func(v expense.Version) txCall {
			settings.Version = v
			return callBy(store.Tx.PutSettings, settings)
		}},
		{categoriesStage, "a category", category.Version, func(v expense.Version) txCall {
			category.Version = v
			return call(store.Tx.PutCategories, category)
		}},
		{expensesStage, "an expense", e.Version, func(v expense.Version) txCall {
			e.Version = v
			return call(store.Tx.PutExpenses, e)
		}},
		{rulesStage, "a rule", rule.Version, func(v expense.Version) txCall {
			rule.Version = v
			return call(store.Tx.PutRules, rule)
		}},
		{budgetsStage, "a budget", b.Version, func(v expense.Version) txCall {
			b.Version = v
			return call(store.Tx.PutBudgets, b)
		}},
	}
	return slices.DeleteFunc(rows, func(row versionedRow) bool { return !l.concerns(row.stage) })
}

func checkExistingID(t *checkT) {
	l := t.ledger("a")
	f := l.populate()
	e, category, b, rule := f.expense, f.category, f.budget, f.rule
	e.Version, category.Version, b.Version, rule.Version = 0, 0, 0, 0
	put := map[stage]txCall{
		categoriesStage: call(store.Tx.PutCategories, category), expensesStage: call(store.Tx.PutExpenses, e),
		rulesStage: call(store.Tx.PutRules, rule), budgetsStage: call(store.Tx.PutBudgets, b),
	}[t.stage]
	deletion := map[stage]txCall{
		categoriesStage: callBy(store.Tx.DeleteCategory, category.ID), expensesStage: call(store.Tx.DeleteExpenses, e.ID),
		rulesStage: callBy(store.Tx.DeleteRule, rule.ID), budgetsStage: callBy(store.Tx.DeleteBudget, b.ID),
	}[t.stage]
	l.wantRejected(put, expense.ErrExists, "%s of a new row with the id and content of one that exists", put.method)
	l.write(deletion)
	l.wantRejected(put, expense.ErrGone, "%s of a new row with the id of one that was deleted", put.method)
}
