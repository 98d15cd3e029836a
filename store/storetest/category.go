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

const (
	sayCategory = "expense.Reader.Category: Category returns one category; ErrNotFound if there never was such a one, " +
		"ErrGone if it was deleted or merged."
	sayByName = "expense.Reader.CategoryByName: CategoryByName returns the category whose name is the same by Fold; " +
		"ErrNotFound if there is none."
	sayCategories = "expense.Reader.Categories: Categories returns all categories, archived ones too, ordered by their " +
		"folded names byte by byte."
	sayCategoryTaken = "expense.Tx.PutCategories: PutCategories writes categories; ErrExists as well if a name is taken " +
		"by another live category of the ledger."
	sayRepairs = "expense.Tx.PutCategories: The rules of each that failed get the Update's version and are as if they had " +
		"not: what was wrong with them may have been the category."
	sayInUse = "expense.Tx.DeleteCategory: DeleteCategory leaves a tombstone; ErrInUse if an expense, a rule, a budget or " +
		"the settings refer to it; a budget does so by its Into as well."
	sayMerge = "expense.Tx.MergeCategory: MergeCategory moves every expense and rule of the category from to the category " +
		"into, ends from's budget with the month before month (a series that has not begun by then is deleted; one that had " +
		"ended already keeps its end), and leaves a tombstone of from that names into."
	sayMergedSeries = "expense.Tx.MergeCategory: What is left of the series gets from's name as its Label and into as its " +
		"Into; series whose Into was from get into."
	sayMoved        = "expense.Tx.MergeCategory: The moved rows carry the Update's version; their guards stay."
	sayMergeRepairs = "expense.Tx.MergeCategory: The rules of into that failed, moved or not, get the Update's version and " +
		"are as if they had not."
	saySettings = "expense.Tx.PutSettings: PutSettings replaces the settings; the default category must be a live one."
)

func categoryChecks() []check {
	return []check{
		{name: "category-values", guards: []string{sayCategory, sayCategories, sayCategoryTaken}, run: checkCategoryValues},
		{name: "category-names", guards: []string{sayByName, sayCategories, sayCategoryTaken}, run: checkCategoryNames},
		{name: "category-deletes", guards: []string{sayInUse, sayCategory, sayByName}, run: checkCategoryDeletes},
		{name: "category-merge", guards: []string{sayMerge, sayMoved, sayCategory}, run: checkMerge},
		{name: "category-merge-budget", guards: []string{sayMerge, sayMergedSeries}, run: checkMergeBudget},
		{name: "category-repairs-rules", guards: []string{sayRepairs, sayMergeRepairs}, run: checkCategoryRepairs},
		{name: "settings", guards: []string{saySettings,
			"expense.Reader.Settings: Settings returns the ledger's settings; ErrNotFound if the owner has no ledger."},
			run: checkSettings},
	}
}

func (b *book) putCategories(categories ...expense.Category) []expense.Category {
	version := b.write("PutCategories", func(tx store.Tx) (expense.Version, error) {
		return tx.PutCategories(b.ctx, categories...)
	})
	stored := slices.Clone(categories)
	for i := range stored {
		stored[i].Version = version
		stored[i].CreatedAt, stored[i].UpdatedAt = expense.Timestamp(stored[i].CreatedAt), expense.Timestamp(stored[i].UpdatedAt)
	}
	return stored
}

func checkCategoryValues(p *probe) {
	b := p.book("a")
	made := time.Date(2025, time.May, 1, 2, 3, 4, 567891234, time.FixedZone("somewhere", -3*3600))
	for _, c := range b.putCategories(
		expense.Category{ID: b.id(), Name: "x", CreatedAt: made, UpdatedAt: made.Add(time.Nanosecond)},
		expense.Category{ID: b.id(), Name: strings.Repeat("😀", 60), Colour: "#00ff7f", Icon: strings.Repeat("i", 40),
			CreatedAt: made, UpdatedAt: made},
		expense.Category{ID: b.id(), Name: `it's "so" \ % _ ?`, Archived: true, CreatedAt: made, UpdatedAt: made},
	) {
		read, err := b.reader.Category(p.ctx, c.ID)
		p.must(err, "Category")
		same(p, read, c, "a category as it was written")
		c.Name, c.Archived, c.Colour, c.Icon, c.UpdatedAt = c.Name[1:]+"z", !c.Archived, "#123456", "icon", made.Add(time.Hour)
		c.Name = strings.ToValidUTF8(c.Name, "")
		c = b.putCategories(c)[0]
		read, err = b.reader.Category(p.ctx, c.ID)
		p.must(err, "Category")
		same(p, read, c, "a category after a change of all of it")
	}
	_, err := b.reader.Category(p.ctx, b.id())
	notGone(p, err, "a category that never was")
}

func checkCategoryNames(p *probe) {
	b := p.book("a")
	var made []expense.Category
	for i, name := range []string{"Café", "Straße", "ΌΔΟΣ", "zebra", "Zoo", "Äpfel", "apple", "ПРИВЕТ", "家賃", "😀", "_",
		"~", "10", "9", "a b", "ab", "İ"} {
		made = append(made, expense.Category{ID: b.id(), Name: name, Archived: i%3 == 0, CreatedAt: epoch, UpdatedAt: epoch})
	}
	made = b.putCategories(made...)
	for name, want := range map[string]string{
		"Café": "Café", "cafe\u0301": "Café", "CAFÉ": "Café", "STRASSE": "Straße", "strasse": "Straße", "όδος": "ΌΔΟΣ",
		"привет": "ПРИВЕТ", "APPLE": "apple",
		"äPFEL": "Äpfel", "A\u0308pfel": "Äpfel",
	} {
		got, err := b.reader.CategoryByName(p.ctx, name)
		p.must(err, "CategoryByName(%q)", name)
		same(p, got.Name, want, "the category found by the name %q", name)
		same(p, slices.Contains(made, got), true, "whether the category found by the name %q is as it was written", name)
	}
	for _, name := range []string{"", "Cafe", "Caf_", "%", "apple ", "Strase", "I"} {
		_, err := b.reader.CategoryByName(p.ctx, name)
		p.fails(err, expense.ErrNotFound, "CategoryByName(%q)", name)
	}
	got, err := b.reader.Categories(p.ctx)
	p.must(err, "Categories")
	want := slices.Clone(made)
	for _, category := range got {
		if !slices.ContainsFunc(made, func(c expense.Category) bool { return c.ID == category.ID }) {
			want = append(want, category)
		}
	}
	same(p, len(got), len(made)+len(starter(b.owner).Categories), "how many categories there are, archived ones too")
	slices.SortFunc(want, func(x, y expense.Category) int {
		return strings.Compare(expense.Fold(x.Name), expense.Fold(y.Name))
	})
	sameList(p, got, want, "Categories")

	// A name is free for its own category in other letters, and for another one when it is let go.
	cafe := made[0]
	cafe.Name = "CAFE\u0301"
	cafe = b.putCategories(cafe)[0]
	cafe.Name = "Bistro"
	b.putCategories(cafe)
	b.category("Café")
}

func checkCategoryDeletes(p *probe) {
	b := p.book("a")
	c := b.category("Gifts")
	e := b.expense("1.00", "EUR", "2025-01-01")
	e.CategoryID = c.ID
	e = b.put(e)[0]
	deleteIt := func(tx store.Tx) error { _, err := tx.DeleteCategory(p.ctx, c.ID); return err }
	p.fails(p.st.Update(p.ctx, b.owner, deleteIt), expense.ErrInUse, "deleting a category that an expense refers to")
	b.delete(e.ID) // a tombstone refers to nothing
	rule := b.rule()
	rule.CategoryID = c.ID
	rule = b.putRule(rule)
	p.fails(p.st.Update(p.ctx, b.owner, deleteIt), expense.ErrInUse, "deleting a category that a rule refers to")
	b.write("DeleteRule", func(tx store.Tx) (expense.Version, error) { return tx.DeleteRule(p.ctx, rule.ID) })
	series := b.putBudget(b.series(c.ID, "2025-01"))
	p.fails(p.st.Update(p.ctx, b.owner, deleteIt), expense.ErrInUse, "deleting a category that a budget refers to")
	b.write("DeleteBudget", func(tx store.Tx) (expense.Version, error) { return tx.DeleteBudget(p.ctx, series.ID) })
	merged := b.category("Presents")
	left := b.putBudget(b.series(merged.ID, "2025-01"))
	b.merge(merged.ID, c.ID, "2025-06")
	p.fails(p.st.Update(p.ctx, b.owner, deleteIt), expense.ErrInUse, "deleting a category that a merge left another's budget")
	b.write("DeleteBudget", func(tx store.Tx) (expense.Version, error) { return tx.DeleteBudget(p.ctx, left.ID) })
	settings := b.settings
	settings.DefaultCategory = c.ID
	settings.Version = b.write("PutSettings", func(tx store.Tx) (expense.Version, error) {
		return tx.PutSettings(p.ctx, settings)
	})
	p.fails(p.st.Update(p.ctx, b.owner, deleteIt), expense.ErrInUse, "deleting the default category")
	settings.DefaultCategory = b.other
	b.write("PutSettings", func(tx store.Tx) (expense.Version, error) { return tx.PutSettings(p.ctx, settings) })
	b.write("DeleteCategory", func(tx store.Tx) (expense.Version, error) { return tx.DeleteCategory(p.ctx, c.ID) })

	_, err := b.reader.Category(p.ctx, c.ID)
	p.fails(err, expense.ErrGone, "a deleted category")
	_, err = b.reader.CategoryByName(p.ctx, c.Name)
	p.fails(err, expense.ErrNotFound, "a deleted category's name")
	list, err := b.reader.Categories(p.ctx)
	p.must(err, "Categories")
	same(p, slices.ContainsFunc(list, func(x expense.Category) bool { return x.ID == c.ID }), false,
		"whether a deleted category is listed")
	b.category(c.Name) // the name is free, the id is not
	c.Version, c.Name = 0, "Other gifts"
	err = p.st.Update(p.ctx, b.owner, func(tx store.Tx) error { _, err := tx.PutCategories(p.ctx, c); return err })
	p.fails(err, expense.ErrGone, "a new category with the id of a deleted one")
}

// merge merges in an Update of its own.
func (b *book) merge(from, into uuid.UUID, month string) expense.MergeResult {
	var merged expense.MergeResult
	b.update(func(tx store.Tx) (err error) {
		merged, err = tx.MergeCategory(b.ctx, from, into, expense.MustMonth(month))
		return err
	})
	b.wrote(merged.Version, "MergeCategory")
	return merged
}

func checkMerge(p *probe) {
	b := p.book("a")
	rows := b.put(b.expense("1.00", "EUR", "2025-01-01"), b.expense("200", "JPY", "2025-02-01"),
		b.expense("-3.00", "EUR", "2025-02-01"))
	stays := b.expense("4.00", "EUR", "2025-01-01")
	stays.CategoryID = b.rent
	b.put(stays)
	there := b.expense("5.00", "EUR", "2025-02-01")
	there.CategoryID = b.travel
	b.put(there)
	gone := b.put(b.expense("9.00", "EUR", "2025-02-01"))[0]
	b.delete(gone.ID)
	rule, resting := b.putRule(b.rule()), b.rule()
	resting.CategoryID = b.rent
	resting = b.putRule(resting)
	own, target := b.putBudget(b.series(b.food, "2025-01")), b.putBudget(b.series(b.travel, "2025-01"))

	merged := b.merge(b.food, b.travel, "2025-03")
	same(p, merged, expense.MergeResult{Version: b.version, Expenses: 3, Rules: 1, BudgetID: own.ID,
		BudgetUntil: expense.MustMonth("2025-02")}, "what the merge says it did")
	for _, e := range rows {
		e.CategoryID, e.Version = b.travel, b.version // the guard and the times stay
		b.rows[e.ID] = e
		read, err := b.reader.Expense(p.ctx, e.ID)
		p.must(err, "Expense")
		same(p, read, e, "an expense that a merge moved")
	}
	b.verify(b.reader)
	rule.CategoryID, rule.Version = b.travel, b.version
	read, err := b.reader.Rule(p.ctx, rule.ID)
	p.must(err, "Rule")
	same(p, read, rule, "a rule that a merge moved")
	read, err = b.reader.Rule(p.ctx, resting.ID)
	p.must(err, "Rule")
	same(p, read, resting, "a rule of a third category")
	series, err := b.reader.Budget(p.ctx, target.ID)
	p.must(err, "Budget")
	same(p, describeBudget(series), describeBudget(target), "the target's budget")
	own.Until, own.MergedName, own.MergedInto = expense.MustMonth("2025-02"), "Food", b.travel
	own.Version, own.Guard = b.version, b.version
	series, err = b.reader.Budget(p.ctx, own.ID)
	p.must(err, "Budget")
	same(p, describeBudget(series), describeBudget(own), "the budget of a category that was merged away")

	_, err = b.reader.Category(p.ctx, b.food)
	p.fails(err, expense.ErrGone, "a merged category")
	_, err = b.reader.CategoryByName(p.ctx, "Food")
	p.fails(err, expense.ErrNotFound, "a merged category's name")
	list, err := b.reader.Categories(p.ctx)
	p.must(err, "Categories")
	same(p, len(list), len(starter(b.owner).Categories)-1, "categories after a merge")
	err = p.st.Update(p.ctx, b.owner, func(tx store.Tx) error {
		_, err := tx.PutCategories(p.ctx, expense.Category{ID: b.food, Name: "Food anew", CreatedAt: epoch, UpdatedAt: epoch})
		return err
	})
	p.fails(err, expense.ErrGone, "a new category with the id of a merged one")
	b.category("Food")
	_, err = b.reader.Expense(p.ctx, gone.ID)
	p.fails(err, expense.ErrGone, "an expense deleted before the merge")

	// Without expenses, rules and a budget there is nothing to move.
	merged = b.merge(b.rent, b.travel, "2025-03")
	same(p, merged.Expenses, 1, "expenses that a second merge moved")
	merged = b.merge(b.category("Empty").ID, b.travel, "2025-03")
	same(p, merged, expense.MergeResult{Version: b.version}, "what the merge of an empty category says it did")
}

func checkMergeBudget(p *probe) {
	b := p.book("a")
	for _, one := range []struct {
		name         string
		from, until  string
		ends, delete bool
	}{
		{name: "in force without an end", from: "2025-01", ends: true},
		{name: "in force until later", from: "2025-01", until: "2025-12", ends: true},
		{name: "in force until the month itself", from: "2025-01", until: "2025-06", ends: true},
		{name: "begun the month before", from: "2025-05", ends: true},
		{name: "ended the month before", from: "2025-01", until: "2025-05"},
		{name: "ended long ago", from: "2024-01", until: "2024-06"},
		{name: "beginning in the month itself", from: "2025-06", delete: true},
		{name: "beginning later", from: "2025-09", until: "2025-12", delete: true},
	} {
		source := b.category(one.name)
		series := b.series(source.ID, one.from)
		if one.until != "" {
			series.Until = expense.MustMonth(one.until)
		}
		series = b.putBudget(series)
		whole := b.putBudget(b.series(uuid.Nil, "2025-01"))
		merged := b.merge(source.ID, b.other, "2025-06")
		want := expense.MergeResult{Version: b.version}
		kept := series
		kept.MergedName, kept.MergedInto, kept.Version = source.Name, b.other, b.version
		switch {
		case one.ends:
			kept.Until, kept.Guard = expense.MustMonth("2025-05"), b.version
			want.BudgetID, want.BudgetUntil = series.ID, kept.Until
		case one.delete:
			want.BudgetID = series.ID
		}
		same(p, merged, want, "what a merge says of a budget %s", one.name)
		read, err := b.reader.Budget(p.ctx, series.ID)
		if one.delete {
			p.fails(err, expense.ErrGone, "a budget %s after the merge", one.name)
		} else {
			p.must(err, "Budget")
			same(p, describeBudget(read), describeBudget(kept), "a budget %s after the merge", one.name)
		}
		read, err = b.reader.Budget(p.ctx, whole.ID)
		p.must(err, "Budget")
		same(p, describeBudget(read), describeBudget(whole), "the whole ledger's budget after a merge")
		b.write("DeleteBudget", func(tx store.Tx) (expense.Version, error) { return tx.DeleteBudget(p.ctx, whole.ID) })
		// What the merge left can be read back in one piece, and written to.
		if one.ends {
			kept.AlertAt = []budget.Ratio{5000}
			b.putBudget(kept)
		}
	}
	// A series follows its expenses through one merge after another.
	first, second := b.category("First"), b.category("Second")
	series := b.putBudget(b.series(first.ID, "2025-01"))
	b.merge(first.ID, second.ID, "2025-06")
	series.Until, series.MergedName, series.MergedInto = expense.MustMonth("2025-05"), "First", second.ID
	series.Guard = b.version
	b.merge(second.ID, b.other, "2025-07")
	series.MergedInto, series.Version = b.other, b.version
	read, err := b.reader.Budget(p.ctx, series.ID)
	p.must(err, "Budget")
	same(p, describeBudget(read), describeBudget(series), "a series after its category was merged twice")
}

func checkSettings(p *probe) {
	b := p.book("a")
	zone, err := expense.ParseZone("Pacific/Kiritimati")
	p.must(err, "ParseZone")
	for _, settings := range []expense.Settings{
		{Home: expense.MustCurrency("JPY"), Zone: zone, Locale: "ja", FiscalYearStart: time.April, DefaultCategory: b.food},
		{Home: expense.MustCurrency("EUR"), Locale: "zh-Hant-TW", FiscalYearStart: time.December, DefaultCategory: b.other},
	} {
		settings.Version = b.settings.Version
		settings.Version = b.write("PutSettings", func(tx store.Tx) (expense.Version, error) {
			return tx.PutSettings(p.ctx, settings)
		})
		read, err := b.reader.Settings(p.ctx)
		p.must(err, "Settings")
		same(p, read.Zone.String(), settings.Zone.String(), "the zone of settings as they were written")
		read.Zone, settings.Zone = expense.Zone{}, expense.Zone{}
		same(p, read, settings, "settings as they were written")
		b.settings = read
	}
	deleted := b.category("Deleted")
	b.write("DeleteCategory", func(tx store.Tx) (expense.Version, error) { return tx.DeleteCategory(p.ctx, deleted.ID) })
	before := p.dump(b.reader)
	for what, id := range map[string]uuid.UUID{"unknown": b.id(), "deleted": deleted.ID, "nil": uuid.Nil} {
		settings := b.settings
		settings.DefaultCategory = id
		if p.st.Update(p.ctx, b.owner, func(tx store.Tx) error { _, err := tx.PutSettings(p.ctx, settings); return err }) == nil {
			p.note("settings with a default category that is %s were written", what)
		}
		p.unchanged(before, p.dump(b.reader), "settings with a default category that is %s", what)
	}
}

// checkCategoryRepairs holds the store to letting rules be tried again whose category may have been what was wrong.
func checkCategoryRepairs(p *probe) {
	b := p.book("a")
	rule := func(category uuid.UUID, failed bool) recurrence.Rule {
		rule := b.rule()
		rule.CategoryID = category
		if failed {
			rule.LastError, rule.Failures, rule.RetryAt = "archived", 3, epoch.Add(time.Hour)
		}
		return b.putRule(rule)
	}
	fails := func(rule recurrence.Rule) recurrence.Rule {
		rule.LastError, rule.Failures, rule.RetryAt = "again", 1, epoch.Add(time.Minute)
		guard := rule.Guard
		rule = b.putRule(rule)
		rule.Guard = guard
		return rule
	}
	compare := func(doing string, rules ...recurrence.Rule) {
		for _, want := range rules {
			read, err := b.reader.Rule(p.ctx, want.ID)
			p.must(err, "Rule")
			same(p, read, want, "a rule after %s", doing)
		}
	}
	ofFood, ofTravel, ofRent := rule(b.food, true), rule(b.travel, true), rule(b.rent, true)
	well := rule(b.food, false)

	food, err := b.reader.Category(p.ctx, b.food)
	p.must(err, "Category")
	food.Archived = true
	b.putCategories(food)
	ofFood = ofFood.WithoutFailure()
	ofFood.Version = b.version
	compare("its category was written, or another", ofFood, ofTravel, ofRent, well)

	ofFood = fails(ofFood)
	b.merge(b.food, b.travel, "2025-03")
	well.CategoryID, ofFood.CategoryID = b.travel, b.travel
	ofFood, ofTravel = ofFood.WithoutFailure(), ofTravel.WithoutFailure()
	well.Version, ofFood.Version, ofTravel.Version = b.version, b.version, b.version
	compare("its category was merged, or got another's rows", ofFood, ofTravel, ofRent, well)
}
