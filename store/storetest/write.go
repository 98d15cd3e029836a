package storetest

import (
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

const (
	sayNew   = "expense.Tx: A row whose Version is 0 is to be new: ErrExists if one has its id, ErrGone if one had."
	sayStale = "expense.Tx: Any other Version must be the one the row has: ErrStale, as a StaleError, if it is not, " +
		"ErrNotFound or ErrGone if there is no row."
	sayRefused = "expense.Tx: A method that returns one of these, or ErrInvalid or ErrInUse, changed nothing, not even " +
		"for the other rows it was given, and the Tx stays usable."
	sayPromises = "budget.Tx: Tx is what the use cases of this package do to one owner's ledger, under the promises of " +
		"[expense.Tx]."
	sayRulesToo = "recurrence.Tx: Tx is what the use cases of this package do to one owner's ledger, under the promises " +
		"of [expense.Tx]."
)

func writeChecks() []check {
	return []check{
		{name: "write-refused", guards: []string{
			sayRefused, sayNew, sayStale, sayPromises, sayRulesToo, sayCategoryTaken, sayInUse, sayBudgetTaken,
			sayDeleteExpenses, sayPutRecord,
		}, run: checkRefused},
		{name: "write-compare-and-set", guards: []string{sayStale, sayPromises, sayRulesToo}, run: checkCompareAndSet},
		{name: "write-new", guards: []string{sayNew, sayPromises, sayRulesToo}, run: checkNew},
	}
}

// A refusal is a call that must return an error of a kind, change nothing and leave the Tx usable.
type refusal struct {
	name string
	want error
	call func(tx store.Tx) error
}

func checkRefused(p *probe) {
	b := p.book("a")
	f := b.fill()
	nowhere := uuid.NewSHA1(idSpace, []byte("nowhere"))
	good := b.put(b.expense("10.00", "EUR", "2025-03-01"))[0]
	goodCategory := b.category("Good")
	goodBudget := b.putBudget(b.series(b.rent, "2025-01"))
	goodRule := b.putRule(b.rule())
	month := expense.MustMonth("2025-03")
	ruleOnly, budgetOnly := b.category("Only a rule"), b.category("Only a budget")
	ruled := b.rule()
	ruled.CategoryID = ruleOnly.ID
	b.putRule(ruled)
	b.putBudget(b.series(budgetOnly.ID, "2025-01"))

	var refusals []refusal
	refuse := func(name string, want error, call func(tx store.Tx) error) {
		refusals = append(refusals, refusal{name, want, call})
	}
	// Each batch has good rows before and after the bad one.
	expenses := func(name string, want error, bad expense.Expense) {
		refuse(name, want, func(tx store.Tx) error {
			edit, fresh := good, b.expense("1.00", "EUR", "2025-03-02")
			edit.Notes = "must not be kept"
			_, err := tx.PutExpenses(p.ctx, edit, bad, fresh)
			return err
		})
	}
	with := func(e expense.Expense, id uuid.UUID, version expense.Version) expense.Expense {
		e.ID, e.Version = id, version
		return e
	}
	expenses("a new expense with an id that is taken", expense.ErrExists, with(f.expense, f.expense.ID, 0))
	expenses("a new expense with an id that was deleted", expense.ErrGone, with(f.expense, f.deletedExpense, 0))
	expenses("a change of a deleted expense", expense.ErrGone, with(f.expense, f.deletedExpense, 2))
	expenses("a change of an unknown expense", expense.ErrNotFound, with(f.expense, nowhere, 2))
	expenses("a change of an older version of an expense", expense.ErrStale,
		with(f.expense, f.expense.ID, f.expense.Version-1))
	expenses("a change of a later version of an expense", expense.ErrStale,
		with(f.expense, f.expense.ID, f.expense.Version+1000))
	expenses("an expense too large for the total", expense.ErrInvalid, b.expense("9999999999999.99", "EUR", "2025-03-03"))
	refuse("deleting an expense that was deleted", expense.ErrGone, func(tx store.Tx) error {
		_, err := tx.DeleteExpenses(p.ctx, good.ID, f.deletedExpense)
		return err
	})
	refuse("deleting an unknown expense", expense.ErrNotFound, func(tx store.Tx) error {
		_, err := tx.DeleteExpenses(p.ctx, good.ID, nowhere, f.expense.ID)
		return err
	})

	categories := func(name string, want error, bad ...expense.Category) {
		refuse(name, want, func(tx store.Tx) error {
			edit := goodCategory
			edit.Name = "Must not be kept"
			batch := append([]expense.Category{edit}, bad...)
			_, err := tx.PutCategories(p.ctx, append(batch,
				expense.Category{ID: b.id(), Name: "New", CreatedAt: epoch, UpdatedAt: epoch})...)
			return err
		})
	}
	category := func(id uuid.UUID, name string, version expense.Version) expense.Category {
		return expense.Category{ID: id, Name: name, Version: version, CreatedAt: epoch, UpdatedAt: epoch}
	}
	fresh, another := b.id(), b.id()
	categories("a new category with an id that is taken", expense.ErrExists, category(f.category.ID, "x", 0))
	categories("a new category with an id that was deleted", expense.ErrGone, category(f.deletedCategory, "x", 0))
	categories("a change of a deleted category", expense.ErrGone, category(f.deletedCategory, "x", 2))
	categories("a change of an unknown category", expense.ErrNotFound, category(nowhere, "x", 2))
	categories("a change of an older version of a category", expense.ErrStale,
		category(f.category.ID, "x", f.category.Version-1))
	categories("a new category with a name that is taken", expense.ErrExists, category(fresh, f.category.Name, 0))
	categories("a new category with a name that is taken in other letters", expense.ErrExists, category(fresh, "fOOD", 0))
	categories("two new categories of one name", expense.ErrExists, category(fresh, "Straße", 0),
		category(another, "STRASSE", 0))
	categories("a category renamed to a name that is taken", expense.ErrExists,
		category(f.category.ID, "travel", f.category.Version))
	deleteCategory := func(name string, want error, id uuid.UUID) {
		refuse(name, want, func(tx store.Tx) error { _, err := tx.DeleteCategory(p.ctx, id); return err })
	}
	deleteCategory("deleting a category that an expense refers to", expense.ErrInUse, b.food)
	deleteCategory("deleting a category that a rule refers to", expense.ErrInUse, ruleOnly.ID)
	deleteCategory("deleting a category that a budget refers to", expense.ErrInUse, budgetOnly.ID)
	deleteCategory("deleting the default category", expense.ErrInUse, b.other)
	deleteCategory("deleting a category that was deleted", expense.ErrGone, f.deletedCategory)
	deleteCategory("deleting an unknown category", expense.ErrNotFound, nowhere)
	merge := func(name string, want error, from, into uuid.UUID) {
		refuse(name, want, func(tx store.Tx) error { _, err := tx.MergeCategory(p.ctx, from, into, month); return err })
	}
	merge("merging an unknown category", expense.ErrNotFound, nowhere, b.food)
	merge("merging a deleted category", expense.ErrGone, f.deletedCategory, b.food)
	merge("merging into an unknown category", expense.ErrNotFound, b.food, nowhere)
	merge("merging into a deleted category", expense.ErrGone, b.food, f.deletedCategory)

	budgets := func(name string, want error, bad ...budget.Budget) {
		refuse(name, want, func(tx store.Tx) error {
			edit := goodBudget
			edit.MergedName = "must not be kept"
			batch := append([]budget.Budget{edit}, bad...)
			_, err := tx.PutBudgets(p.ctx, append(batch, b.series(b.travel, "2025-01"))...)
			return err
		})
	}
	series := func(id, category uuid.UUID, version expense.Version) budget.Budget {
		s := b.series(category, "2025-02")
		s.ID, s.Version = id, version
		return s
	}
	budgets("a new budget with an id that is taken", expense.ErrExists, series(f.budget.ID, f.category.ID, 0))
	budgets("a new budget with an id that was deleted", expense.ErrGone, series(f.deletedBudget, f.category.ID, 0))
	budgets("a change of a deleted budget", expense.ErrGone, series(f.deletedBudget, f.category.ID, 2))
	budgets("a change of an unknown budget", expense.ErrNotFound, series(nowhere, f.category.ID, 2))
	budgets("a change of an older version of a budget", expense.ErrStale, series(f.budget.ID, b.food, f.budget.Version-1))
	budgets("a second budget for a category", expense.ErrExists, series(fresh, b.food, 0))
	budgets("two budgets for the whole ledger", expense.ErrExists, series(fresh, uuid.Nil, 0), series(another, uuid.Nil, 0))
	budgets("a budget moved to a category that has one", expense.ErrExists,
		series(f.budget.ID, budgetOnly.ID, f.budget.Version))
	refuse("deleting a budget that was deleted", expense.ErrGone, func(tx store.Tx) error {
		_, err := tx.DeleteBudget(p.ctx, f.deletedBudget)
		return err
	})
	refuse("deleting an unknown budget", expense.ErrNotFound,
		func(tx store.Tx) error { _, err := tx.DeleteBudget(p.ctx, nowhere); return err })

	rules := func(name string, want error, id uuid.UUID, version expense.Version) {
		refuse(name, want, func(tx store.Tx) error {
			edit, bad := goodRule, b.rule()
			edit.Notes, bad.ID, bad.Version = "must not be kept", id, version
			_, err := tx.PutRules(p.ctx, edit, bad, b.rule())
			return err
		})
	}
	rules("a new rule with an id that is taken", expense.ErrExists, f.rule.ID, 0)
	rules("a new rule with an id that was deleted", expense.ErrGone, f.deletedRule, 0)
	rules("a change of a deleted rule", expense.ErrGone, f.deletedRule, 2)
	rules("a change of an unknown rule", expense.ErrNotFound, nowhere, 2)
	rules("a change of an older version of a rule", expense.ErrStale, f.rule.ID, f.rule.Version-1)
	refuse("deleting a rule that was deleted", expense.ErrGone, func(tx store.Tx) error {
		_, err := tx.DeleteRule(p.ctx, f.deletedRule)
		return err
	})
	refuse("deleting an unknown rule", expense.ErrNotFound,
		func(tx store.Tx) error { _, err := tx.DeleteRule(p.ctx, nowhere); return err })

	settings := func(version expense.Version) func(tx store.Tx) error {
		return func(tx store.Tx) error {
			changed := b.settings
			changed.Locale, changed.Version = "it", version
			_, err := tx.PutSettings(p.ctx, changed)
			return err
		}
	}
	refuse("settings as if there were none", expense.ErrExists, settings(0))
	refuse("settings of a version that they never had", expense.ErrStale, settings(77))
	refuse("an answer under a key that has one", expense.ErrExists, func(tx store.Tx) error {
		return tx.PutIdempotencyRecord(p.ctx, store.IdempotencyRecord{IdempotencyKey: f.key, Fingerprint: []byte{9}, Payload: []byte("other"), CreatedAt: epoch})
	})

	before := p.dump(b.reader)
	// One after the other in one Update: each leaves the Tx as it was.
	b.update(func(tx store.Tx) error {
		for _, r := range refusals {
			p.fails(r.call(tx), r.want, "%s", r.name)
			b.unchanged(before, p.dump(tx), "%s, although it was refused,", r.name)
		}
		answer, err := tx.IdempotencyRecord(p.ctx, f.key)
		p.must(err, "IdempotencyRecord")
		same(p, string(answer.Payload), "{}", "the payload of a record that was there")
		return nil
	})
	p.unchanged(before, p.dump(b.reader), "an Update whose every write was refused")
	// Each before a good write: the Update goes on to its end.
	marker := b.put(b.expense("0.50", "EUR", "2025-04-01"))[0]
	for i, r := range refusals {
		marker.Notes = fmt.Sprintf("after %d", i)
		var version expense.Version
		err := p.st.Update(p.ctx, b.owner, func(tx store.Tx) (err error) {
			p.fails(r.call(tx), r.want, "%s", r.name)
			version, err = tx.PutExpenses(p.ctx, marker)
			return err
		})
		p.must(err, "a write after %s", r.name)
		b.wrote(version, "a write after "+r.name)
		marker = b.expect(marker)[0]
	}
	read, err := b.reader.Expense(p.ctx, marker.ID)
	p.must(err, "Expense")
	same(p, read, marker, "an expense written after refusals")
}

func checkCompareAndSet(p *probe) {
	b := p.book("a")
	f := b.fill()
	e, category, series, rule, settings := f.expense, f.category, f.budget, f.rule, b.settings
	// Each kind is changed once by the version it has; the same version is stale from then on.
	rows := []struct {
		kind string
		old  expense.Version
		put  func(tx store.Tx, version expense.Version) (expense.Version, error)
	}{
		{"an expense", e.Version, func(tx store.Tx, v expense.Version) (expense.Version, error) {
			e.Version, e.Notes = v, e.Notes+"!"
			return tx.PutExpenses(p.ctx, e)
		}},
		{"a category", category.Version, func(tx store.Tx, v expense.Version) (expense.Version, error) {
			category.Version, category.Icon = v, "cart"
			return tx.PutCategories(p.ctx, category)
		}},
		{"a budget", series.Version, func(tx store.Tx, v expense.Version) (expense.Version, error) {
			series.Version, series.Until = v, expense.MustMonth("2026-01")
			return tx.PutBudgets(p.ctx, series)
		}},
		{"a rule", rule.Version, func(tx store.Tx, v expense.Version) (expense.Version, error) {
			rule.Version, rule.Paused = v, true
			return tx.PutRules(p.ctx, rule)
		}},
		{"settings", settings.Version, func(tx store.Tx, v expense.Version) (expense.Version, error) {
			settings.Version, settings.Locale = v, "pt"
			return tx.PutSettings(p.ctx, settings)
		}},
	}
	for _, row := range rows {
		var current expense.Version
		current = b.write("changing "+row.kind, func(tx store.Tx) (expense.Version, error) { return row.put(tx, row.old) })
		for _, version := range []expense.Version{row.old, current + 1} {
			err := p.st.Update(p.ctx, b.owner, func(tx store.Tx) error { _, err := row.put(tx, version); return err })
			p.fails(err, expense.ErrStale, "changing %s by version %d when it is at %d", row.kind, version, current)
			if stale, ok := errors.AsType[*expense.StaleError](err); !ok || stale.Current != current {
				p.note("changing %s by version %d: %v, want a StaleError with Current %d", row.kind, version, err, current)
			}
		}
		current = b.write("changing "+row.kind+" again",
			func(tx store.Tx) (expense.Version, error) { return row.put(tx, current) })
		same(p, current, b.version, "the version of %s", row.kind)
	}
}

func checkNew(p *probe) {
	b := p.book("a")
	f := b.fill()
	e, series, rule := f.expense, f.budget, f.rule
	category := f.category
	e.Version, series.Version, rule.Version, category.Version = 0, 0, 0, 0
	taken := func(what string, want error) {
		for kind, put := range map[string]func(tx store.Tx) (expense.Version, error){
			"expense":  func(tx store.Tx) (expense.Version, error) { return tx.PutExpenses(p.ctx, e) },
			"category": func(tx store.Tx) (expense.Version, error) { return tx.PutCategories(p.ctx, category) },
			"budget":   func(tx store.Tx) (expense.Version, error) { return tx.PutBudgets(p.ctx, series) },
			"rule":     func(tx store.Tx) (expense.Version, error) { return tx.PutRules(p.ctx, rule) },
		} {
			p.fails(p.st.Update(p.ctx, b.owner, func(tx store.Tx) error { _, err := put(tx); return err }), want,
				"a new %s with the id of one that %s", kind, what)
		}
	}
	taken("is there", expense.ErrExists) // even with the very same content
	b.write("DeleteExpenses", func(tx store.Tx) (expense.Version, error) { return tx.DeleteExpenses(p.ctx, e.ID) })
	b.write("DeleteCategory", func(tx store.Tx) (expense.Version, error) { return tx.DeleteCategory(p.ctx, category.ID) })
	b.write("DeleteBudget", func(tx store.Tx) (expense.Version, error) { return tx.DeleteBudget(p.ctx, series.ID) })
	b.write("DeleteRule", func(tx store.Tx) (expense.Version, error) { return tx.DeleteRule(p.ctx, rule.ID) })
	taken("was deleted", expense.ErrGone)
}
