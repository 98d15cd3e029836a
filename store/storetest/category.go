package storetest

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
)

func checkCategoryValues(t *checkT) {
	l := t.ledger("a")
	for _, c := range l.putCategories(
		expense.Category{ID: l.id(), Name: "x", CreatedAt: nanoTime, UpdatedAt: nanoTime.Add(time.Nanosecond)},
		expense.Category{ID: l.id(), Name: strings.Repeat("😀", 60), Colour: "#00ff7f", Icon: strings.Repeat("i", 40),
			CreatedAt: nanoTime, UpdatedAt: nanoTime},
		expense.Category{ID: l.id(), Name: `it's "so" \ % _ ?`, Archived: true, CreatedAt: nanoTime, UpdatedAt: nanoTime},
	) {
		l.wantCategory(c, "Category of a row as it was written")
		c.Name, c.UpdatedAt = strings.ToValidUTF8(c.Name[1:]+"z", ""), nanoTime.Add(time.Hour)
		c.Archived, c.Colour, c.Icon = !c.Archived, "#123456", "icon"
		l.wantCategory(l.putCategories(c)[0], "Category after a change of all fields")
	}
	wantErrorBy(t, l.reader.Category, l.id(), errNeverExisted, "an unknown id")
}

func checkCategoryNames(t *checkT) {
	l := t.ledger("a")
	var written []expense.Category
	for i, name := range []string{"Café", "Straße", "ΌΔΟΣ", "zebra", "Zoo", "Äpfel", "apple", "ПРИВЕТ", "家賃", "😀", "_",
		"~", "10", "9", "a b", "ab", "İ"} {
		c := newCategory(l.id(), name)
		c.Archived = i%3 == 0
		written = append(written, c)
	}
	written = l.putCategories(written...)
	for name, want := range map[string]string{
		"Café": "Café", "cafe\u0301": "Café", "CAFÉ": "Café", "STRASSE": "Straße", "strasse": "Straße", "όδος": "ΌΔΟΣ",
		"привет": "ПРИВЕТ", "APPLE": "apple",
		"äPFEL": "Äpfel", "A\u0308pfel": "Äpfel",
	} {
		got := getBy(t, l.reader.CategoryByName, name)
		equal(t, got.Name, want, "CategoryByName(%q)", name)
		equal(t, slices.Contains(written, got), true, "whether CategoryByName(%q) is as it was written", name)
	}
	for _, name := range []string{"", "Cafe", "Caf_", "%", "apple ", "Strase", "I"} {
		wantErrorBy(t, l.reader.CategoryByName, name, expense.ErrNotFound, "the unknown name %q", name)
	}
	got := get(t, l.reader.Categories)
	want := slices.Clone(written)
	for _, category := range got {
		if !slices.ContainsFunc(written, func(c expense.Category) bool { return c.ID == category.ID }) {
			want = append(want, category)
		}
	}
	equal(t, len(got), len(written)+len(initialLedger(l.owner).Categories), "the number of Categories")
	slices.SortFunc(want, compareFolded)
	equalLists(t, got, want, "Categories")

	// A category can change the case of its name. After it gets another name, another category can use the old one.
	cafe := written[0]
	cafe.Name = "CAFE\u0301"
	cafe = l.putCategories(cafe)[0]
	cafe.Name = "Bistro"
	l.putCategories(cafe)
	l.addCategory("Café")
}

// checkCategoryDeletes deletes a category after a row of each type that can be written in the stage has referred to it.
func checkCategoryDeletes(t *checkT) {
	l := t.ledger("a")
	c := l.addCategory("Gifts")
	wantInUse := func(by string) {
		l.wantRejected(callBy(store.Tx.DeleteCategory, c.ID), expense.ErrInUse, "DeleteCategory of a category used by %s", by)
	}
	settings := l.settings
	settings.DefaultCategory = c.ID
	settings.Version = l.write(callBy(store.Tx.PutSettings, settings))
	wantInUse("the settings")
	settings.DefaultCategory = l.other
	settings.Version = l.write(callBy(store.Tx.PutSettings, settings))
	if t.has(expensesStage) {
		e := l.anyExpense()
		e.CategoryID = c.ID
		l.put(e)
		wantInUse("an expense")
		l.delete(e.ID)
	}
	if t.has(rulesStage) {
		rule := l.newRule()
		rule.CategoryID = c.ID
		l.putRule(rule)
		wantInUse("a rule")
		l.deleteRule(rule.ID)
	}
	if t.has(budgetsStage) {
		b := l.putBudget(l.newBudget(c.ID, "2025-01"))
		wantInUse("a budget")
		l.deleteBudget(b.ID)
	}
	if t.has(mergeStage) {
		merged := l.addCategory("Presents")
		b := l.putBudget(l.newBudget(merged.ID, "2025-01"))
		l.merge(merged.ID, c.ID, "2025-06")
		wantInUse("the MergedInto of a budget")
		l.deleteBudget(b.ID)
	}
	l.deleteCategory(c.ID)

	wantErrorBy(t, l.reader.Category, c.ID, expense.ErrGone, "a deleted category")
	wantErrorBy(t, l.reader.CategoryByName, c.Name, expense.ErrNotFound, "a deleted category")
	deleted := slices.ContainsFunc(get(t, l.reader.Categories), func(x expense.Category) bool { return x.ID == c.ID })
	equal(t, deleted, false, "whether Categories contains a deleted category")
	l.addCategory(c.Name) // another category can use the name, but not the id
	l.wantRejected(call(store.Tx.PutCategories, newCategory(c.ID, "Other gifts")), expense.ErrGone,
		"a new category with a deleted id")
	settings.DefaultCategory = c.ID
	l.wantRejected(callBy(store.Tx.PutSettings, settings), errAny, "PutSettings with a deleted default category")
}

func checkMergedInto(t *checkT) {
	l, other := t.ledger("a"), t.ledger("b")
	merged, deleted := l.addCategory("Merged").ID, l.addCategory("Deleted").ID
	l.merge(merged, l.food, "2025-03")
	l.deleteCategory(deleted)
	equal(t, getBy(t, l.reader.MergedInto, merged), l.food, "MergedInto of a merged category")
	equal(t, getBy(t, l.reader.MergedInto, deleted), uuid.Nil, "MergedInto of a deleted category")
	wantErrorBy(t, l.reader.MergedInto, l.food, expense.ErrNotFound, "a category that exists")
	wantErrorBy(t, l.reader.MergedInto, unknownID, expense.ErrNotFound, "an unknown id")
	wantErrorBy(t, other.reader.MergedInto, merged, expense.ErrNotFound, "another owner's category")
}

func checkMerge(t *checkT) {
	l := t.ledger("a")
	rows := l.put(l.anyExpense(), l.newExpense("200", "JPY", "2025-02-01"), l.newExpense("-3.00", "EUR", "2025-02-01"))
	inRent, inTravel := l.newExpense("4.00", "EUR", "2025-01-01"), l.newExpense("5.00", "EUR", "2025-02-01")
	inRent.CategoryID, inTravel.CategoryID = l.rent, l.travel
	deleted := l.newExpense("9.00", "EUR", "2025-02-01")
	l.put(inRent, inTravel, deleted)
	l.delete(deleted.ID)
	rule, otherRule := l.putRule(l.newRule()), l.newRule()
	otherRule.CategoryID = l.rent
	otherRule = l.putRule(otherRule)
	from, into := l.putBudget(l.newBudget(l.food, "2025-01")), l.putBudget(l.newBudget(l.travel, "2025-01"))

	merged := l.merge(l.food, l.travel, "2025-03")
	equal(t, merged, expense.MergeResult{
		Version: l.version, Expenses: 3, Rules: 1, BudgetID: from.ID, BudgetUntil: month("2025-02"),
	}, "the result of MergeCategory")
	l.applyMove(l.food, l.travel)
	for _, e := range rows {
		l.wantExpense(l.rows[e.ID], "Expense that a merge moved")
	}
	l.wantModel(l.reader)
	rule.CategoryID, rule.Version = l.travel, l.version
	l.wantRule(rule, "Rule that a merge moved")
	l.wantRule(otherRule, "Rule of a category that was not merged")
	l.wantBudget(into, "Budget of the category into")
	from.Until, from.MergedName, from.MergedInto = month("2025-02"), "Food", l.travel
	from.Version, from.Guard = l.version, l.version
	l.wantBudget(from, "Budget of the category from")

	wantErrorBy(t, l.reader.Category, l.food, expense.ErrGone, "a merged category")
	wantErrorBy(t, l.reader.CategoryByName, "Food", expense.ErrNotFound, "a merged category")
	equal(t, len(get(t, l.reader.Categories)), len(initialLedger(l.owner).Categories)-1,
		"the number of Categories after a merge")
	l.wantRejected(call(store.Tx.PutCategories, newCategory(l.food, "New food")), expense.ErrGone,
		"a new category with the id of a merged one")
	l.addCategory("Food")
	wantErrorBy(t, l.reader.Expense, deleted.ID, expense.ErrGone, "an expense that was deleted before the merge")

	equal(t, l.merge(l.rent, l.travel, "2025-03").Expenses, 1, "the number of expenses that a second merge moved")
	merged = l.merge(l.addCategory("Empty").ID, l.travel, "2025-03")
	equal(t, merged, expense.MergeResult{Version: l.version}, "the result of MergeCategory of an unused category")
}

func checkMergeBudget(t *checkT) {
	l := t.ledger("a")
	for _, test := range []struct {
		name           string
		from, until    string
		ended, deleted bool // by the merge
	}{
		{name: "without an end", from: "2025-01", ended: true},
		{name: "with a later end", from: "2025-01", until: "2025-12", ended: true},
		{name: "that ends in the month of the merge", from: "2025-01", until: "2025-06", ended: true},
		{name: "that began the month before", from: "2025-05", ended: true},
		{name: "that ended the month before", from: "2025-01", until: "2025-05"},
		{name: "that ended long ago", from: "2024-01", until: "2024-06"},
		{name: "that begins in the month of the merge", from: "2025-06", deleted: true},
		{name: "that begins later", from: "2025-09", until: "2025-12", deleted: true},
	} {
		source := l.addCategory(test.name)
		b := l.newBudget(source.ID, test.from)
		if test.until != "" {
			b.Until = month(test.until)
		}
		b = l.putBudget(b)
		whole := l.putBudget(l.newBudget(uuid.Nil, "2025-01"))
		merged := l.merge(source.ID, l.other, "2025-06")
		want := expense.MergeResult{Version: l.version}
		b.MergedName, b.MergedInto, b.Version = source.Name, l.other, l.version
		switch {
		case test.ended:
			b.Until, b.Guard = month("2025-05"), l.version
			want.BudgetID, want.BudgetUntil = b.ID, b.Until
		case test.deleted:
			want.BudgetID = b.ID
		}
		equal(t, merged, want, "the result of MergeCategory with a budget %s", test.name)
		if test.deleted {
			wantErrorBy(t, l.reader.Budget, b.ID, expense.ErrGone, "a budget %s after a merge", test.name)
		} else {
			l.wantBudget(b, "Budget %s after a merge", test.name)
		}
		l.wantBudget(whole, "Budget of the whole ledger after a merge")
		l.deleteBudget(whole.ID)
		if test.ended { // the budget can still be changed
			b.AlertAt = []budget.Ratio{5000}
			l.putBudget(b)
		}
	}
	first, second := l.addCategory("First"), l.addCategory("Second")
	b := l.putBudget(l.newBudget(first.ID, "2025-01"))
	l.merge(first.ID, second.ID, "2025-06")
	b.Until, b.MergedName, b.Guard = month("2025-05"), "First", l.version
	l.merge(second.ID, l.other, "2025-07")
	b.MergedInto, b.Version = l.other, l.version
	l.wantBudget(b, "Budget after the category into was merged too")
}

func checkSettings(t *checkT) {
	l := t.ledger("a")
	zone, err := expense.ParseZone("Pacific/Kiritimati")
	t.noError(err, "ParseZone")
	for _, settings := range []expense.Settings{
		{Home: currency("JPY"), Zone: zone, Locale: "ja", FiscalYearStart: time.April, DefaultCategory: l.food},
		{Home: currency("EUR"), Locale: "zh-Hant-TW", FiscalYearStart: time.December, DefaultCategory: l.other},
	} {
		settings.Version = l.settings.Version
		settings.Version = l.write(callBy(store.Tx.PutSettings, settings))
		got := get(t, l.reader.Settings)
		equal(t, got.Zone.String(), settings.Zone.String(), "the zone of Settings")
		got.Zone, settings.Zone = expense.Zone{}, expense.Zone{}
		equal(t, got, settings, "Settings as they were written")
		l.settings = got
	}
}

func checkDefaultCategory(t *checkT) {
	l := t.ledger("a")
	before := t.dump(l.reader)
	for state, id := range map[string]uuid.UUID{"unknown": unknownID, "empty": uuid.Nil} {
		settings := l.settings
		settings.DefaultCategory = id
		l.wantRejected(callBy(store.Tx.PutSettings, settings), errAny, "PutSettings with an %s default category", state)
		t.wantUnchanged(before, l.reader, "PutSettings with an %s default category", state)
	}
}

// checkClearedFailures checks that a change of a category clears the failure state of its rules.
func checkClearedFailures(t *checkT) {
	l := t.ledger("a")
	add := func(category uuid.UUID, failed bool) recurrence.Rule {
		rule := l.newRule()
		rule.CategoryID = category
		if failed {
			rule.LastError, rule.Failures, rule.RetryAt = "archived", 3, epoch.Add(time.Hour)
		}
		return l.putRule(rule)
	}
	wantRules := func(action string, rules ...recurrence.Rule) {
		for _, want := range rules {
			l.wantRule(want, "Rule after its category, or another, was %s", action)
		}
	}
	ofFood, ofTravel, ofRent, working := add(l.food, true), add(l.travel, true), add(l.rent, true), add(l.food, false)

	food := getBy(t, l.reader.Category, l.food)
	food.Archived = true
	l.putCategories(food)
	ofFood = ofFood.WithoutFailure()
	ofFood.Version = l.version
	wantRules("written", ofFood, ofTravel, ofRent, working)
	if !t.has(mergeStage) {
		return
	}

	ofFood.LastError, ofFood.Failures, ofFood.RetryAt = "again", 1, epoch.Add(time.Minute)
	l.putRule(ofFood) // keeps its Guard
	l.merge(l.food, l.travel, "2025-03")
	working.CategoryID, ofFood.CategoryID = l.travel, l.travel
	ofFood, ofTravel = ofFood.WithoutFailure(), ofTravel.WithoutFailure()
	working.Version, ofFood.Version, ofTravel.Version = l.version, l.version, l.version
	wantRules("merged", ofFood, ofTravel, ofRent, working)
}
