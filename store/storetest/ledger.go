package storetest

import (
	"fmt"
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
	sayBound = "store.Store: An owner's id is bound when a Reader or Tx is made, so no method reaches another owner's " +
		"row: a row of another owner does not exist."
	sayCreate = "store.Store.CreateLedger: CreateLedger makes owner's ledger with these settings and categories, all at " +
		"version 1, and reports whether it did: a ledger that is there stays as it is."
	sayErase = "store.Store.EraseLedger: EraseLedger removes everything that is kept of owner, tombstones and answers " +
		"too; that there is nothing is no error."
	sayPurge = "store.Store.Purge: Purge removes, in all ledgers, idempotency records of RetentionRequests created before " +
		"requests, and tombstones and records of RetentionTombstones created before tombstones."
	sayPurgeKeeps = "store.Store.Purge: It must keep tombstones whose id is a UUID of version 5: such an id is derived from " +
		"what it stands for, so the same id would be made again."
	saySafe = "store.Store: It is safe for concurrent use."
)

func ledgerChecks() []check {
	return []check{
		{name: "ledger-create", guards: []string{sayCreate,
			"expense.Reader.Settings: Settings returns the ledger's settings; ErrNotFound if the owner has no ledger."},
			run: checkCreate},
		{name: "ledger-create-at-once", guards: []string{sayCreate, saySafe}, run: checkCreateAtOnce},
		{name: "ledger-erase", guards: []string{sayErase}, run: checkErase},
		{name: "ledger-missing", guards: []string{
			"store.Store.Update: ErrNotFound if there is no ledger.",
			"expense.Reader.Settings: Settings returns the ledger's settings; ErrNotFound if the owner has no ledger.",
			sayBook,
		}, run: checkMissing},
		{name: "owner-isolation", guards: []string{sayBound, "store.Store: Store keeps the ledgers of many owners."},
			run: checkIsolation},
		{name: "owner-ids", guards: []string{sayBound, "store.Store: Store keeps the ledgers of many owners."},
			run: checkOwnerIDs},
		{name: "owner-invalid", guards: []string{"store.Store: An id that breaks [expense.OwnerID.Validate] is ErrInvalid."},
			run: checkInvalidOwner},
		{name: "owners", guards: []string{
			"store.Store.Owners: Owners yields every owner that has a ledger, in the order of their ids, byte by byte.",
			sayNoRowsOpen,
		}, alone: true, run: checkOwners},
		{name: "owners-pending", guards: []string{
			"store.Store.PendingOwners: PendingOwners yields every owner with an expense that waits for a rate, in the order of " +
				"their ids.",
			sayNoRowsOpen,
		}, alone: true, run: checkPendingOwners},
		{name: "purge-answers", guards: []string{sayPurge}, alone: true, run: checkPurgeAnswers},
		{name: "purge-tombstones", guards: []string{sayPurge}, alone: true, run: checkPurgeTombstones},
		{name: "purge-keeps-derived", guards: []string{sayPurgeKeeps}, alone: true, run: checkPurgeKeepsDerived},
		{name: "ping", guards: []string{
			"store.Store.Ping: Ping returns nil when the store answers and its schema is the one that this release needs.",
		}, run: func(p *probe) { p.must(p.st.Ping(p.ctx), "Ping") }},
	}
}

func checkCreate(p *probe) {
	owner := expense.OwnerID(p.name + "/a")
	made := starter(owner)
	made.Settings.Locale, made.Settings.FiscalYearStart = "de-CH", time.April
	made.Categories[0].CreatedAt = time.Date(2025, time.May, 1, 2, 3, 4, 567891234, time.FixedZone("somewhere", 3*3600))
	zone, err := expense.ParseZone("America/Argentina/ComodRivadavia")
	p.must(err, "ParseZone")
	made.Settings.Zone = zone
	created, err := p.st.CreateLedger(p.ctx, owner, made)
	p.must(err, "CreateLedger")
	same(p, created, true, "whether CreateLedger made a ledger")

	r := p.st.Reader(owner)
	settings, err := r.Settings(p.ctx)
	p.must(err, "Settings")
	want := made.Settings
	want.Version = 1
	same(p, fmt.Sprintf("%+v", settings), fmt.Sprintf("%+v", want), "settings of a new ledger")
	categories, err := r.Categories(p.ctx)
	p.must(err, "Categories")
	expected := slices.Clone(made.Categories)
	for i := range expected {
		expected[i].Version = 1
		expected[i].CreatedAt = expense.Timestamp(expected[i].CreatedAt)
	}
	slices.SortFunc(expected, func(x, y expense.Category) int {
		return strings.Compare(expense.Fold(x.Name), expense.Fold(y.Name))
	})
	sameList(p, categories, expected, "categories of a new ledger")

	before := p.dump(r)
	other := starter(owner)
	other.Settings.Home = expense.MustCurrency("JPY")
	other.Categories[0].Name = "Groceries"
	created, err = p.st.CreateLedger(p.ctx, owner, other)
	p.must(err, "CreateLedger again")
	same(p, created, false, "whether CreateLedger made a ledger that is there")
	p.unchanged(before, p.dump(r), "CreateLedger of a ledger that is there")
}

func checkCreateAtOnce(p *probe) {
	owner := expense.OwnerID(p.name + "/a")
	const tries = 8
	var created [tries]bool
	p.together(tries, func(i int) {
		made, err := p.st.CreateLedger(p.ctx, owner, starter(owner))
		if err != nil {
			p.note("CreateLedger beside others: %v", err)
		}
		created[i] = made
	})
	count := 0
	for _, made := range created {
		if made {
			count++
		}
	}
	same(p, count, 1, "how many of %d at once made the ledger", tries)
	categories, err := p.st.Reader(owner).Categories(p.ctx)
	p.must(err, "Categories")
	same(p, len(categories), len(starter(owner).Categories), "categories of a ledger made by many at once")
}

// fill puts one row of each kind, a tombstone of each kind and an answer into the ledger.
func (b *book) fill() filled {
	f := filled{category: b.category("Filled"), key: store.IdempotencyKey{Scope: "POST /v1/expenses", Key: "filled"}}
	rows := b.put(b.expense("1.00", "EUR", "2025-01-01"), b.expense("200", "JPY", "2025-01-02"),
		b.expense("3.00", "EUR", "2025-01-03"))
	f.expense, f.deletedExpense = rows[0], rows[2].ID
	b.delete(f.deletedExpense)
	f.budget, f.rule = b.putBudget(b.series(b.food, "2025-01")), b.putRule(b.rule())
	f.deletedBudget, f.deletedRule = b.putBudget(b.series(b.travel, "2025-01")).ID, b.putRule(b.rule()).ID
	f.deletedCategory = b.category("Deleted").ID
	b.write("DeleteBudget", func(tx store.Tx) (expense.Version, error) { return tx.DeleteBudget(b.ctx, f.deletedBudget) })
	b.write("DeleteRule", func(tx store.Tx) (expense.Version, error) { return tx.DeleteRule(b.ctx, f.deletedRule) })
	b.write("DeleteCategory", func(tx store.Tx) (expense.Version, error) {
		return tx.DeleteCategory(b.ctx, f.deletedCategory)
	})
	b.update(func(tx store.Tx) error {
		return tx.PutIdempotencyRecord(b.ctx, store.IdempotencyRecord{IdempotencyKey: f.key, Fingerprint: []byte{1}, Payload: []byte("{}"),
			CreatedAt: epoch})
	})
	return f
}

type filled struct {
	category                                                    expense.Category
	expense                                                     expense.Expense
	budget                                                      budget.Budget
	rule                                                        recurrence.Rule
	key                                                         store.IdempotencyKey
	deletedExpense, deletedCategory, deletedBudget, deletedRule uuid.UUID
}

func checkErase(p *probe) {
	b, neighbour := p.book("a"), p.book("neighbour")
	f := b.fill()
	neighbour.fill()
	before := p.dump(neighbour.reader)
	p.must(p.st.EraseLedger(p.ctx, b.owner), "EraseLedger")
	_, err := b.reader.Settings(p.ctx)
	p.fails(err, expense.ErrNotFound, "Settings of an erased ledger")
	p.fails(p.st.Update(p.ctx, b.owner, func(store.Tx) error { return nil }), expense.ErrNotFound,
		"Update of an erased ledger")
	p.must(p.st.EraseLedger(p.ctx, b.owner), "EraseLedger of nothing")
	p.unchanged(before, p.dump(neighbour.reader), "EraseLedger of another owner")

	// A ledger made anew begins at version 1, and remembers no id and no answer of the one before.
	anew := p.bookOf(b.owner)
	known, err := anew.reader.KnownExpenseIDs(p.ctx, f.expense.ID, f.deletedExpense)
	p.must(err, "KnownExpenses")
	same(p, len(known), 0, "expenses that a ledger knows which was erased and made anew")
	p.must(p.st.Update(p.ctx, b.owner, func(tx store.Tx) error {
		_, err := tx.IdempotencyRecord(p.ctx, f.key)
		p.fails(err, expense.ErrNotFound, "Answer of an erased ledger")
		_, err = tx.Budget(p.ctx, f.deletedBudget)
		notGone(p, err, "a budget that was deleted before the ledger was erased")
		_, err = tx.Rule(p.ctx, f.deletedRule)
		notGone(p, err, "a rule that was deleted before the ledger was erased")
		_, err = tx.Category(p.ctx, f.deletedCategory)
		notGone(p, err, "a category that was deleted before the ledger was erased")
		return nil
	}), "Update")
	e := anew.expense("1.00", "EUR", "2025-01-01")
	e.ID = f.deletedExpense
	anew.put(e)
	anew.verify(anew.reader)
}

func checkMissing(p *probe) {
	owner := expense.OwnerID(p.name + "/nobody")
	ran := false
	err := p.st.Update(p.ctx, owner, func(store.Tx) error { ran = true; return nil })
	p.fails(err, expense.ErrNotFound, "Update of an owner without a ledger")
	same(p, ran, false, "whether Update ran its function without a ledger")
	_, err = p.st.Reader(owner).Settings(p.ctx)
	p.fails(err, expense.ErrNotFound, "Settings of an owner without a ledger")
	_, err = p.st.Reader(owner).BudgetSnapshot(p.ctx)
	p.fails(err, expense.ErrNotFound, "Book of an owner without a ledger")
	err = p.st.View(p.ctx, owner, func(r store.Reader) error { _, err := r.Settings(p.ctx); return err })
	p.fails(err, expense.ErrNotFound, "Settings in a View of an owner without a ledger")
}

func checkIsolation(p *probe) {
	mine, theirs := p.book("mine"), p.book("theirs")
	f := mine.fill()
	before := p.dump(mine.reader)
	nothing := func(r store.Reader, where string) {
		absent := func(what string, err error) {
			p.fails(err, expense.ErrNotFound, "%s of another owner by %s", what, where)
			notGone(p, err, what+" of another owner by "+where)
		}
		_, err := r.Expense(p.ctx, f.expense.ID)
		absent("an expense", err)
		_, err = r.Expense(p.ctx, f.deletedExpense)
		absent("a deleted expense", err)
		_, err = r.Category(p.ctx, f.category.ID)
		absent("a category", err)
		_, err = r.Category(p.ctx, f.deletedCategory)
		absent("a deleted category", err)
		_, err = r.CategoryByName(p.ctx, f.category.Name)
		absent("a category's name", err)
		_, err = r.Budget(p.ctx, f.budget.ID)
		absent("a budget", err)
		_, err = r.Rule(p.ctx, f.rule.ID)
		absent("a rule", err)
		known, err := r.KnownExpenseIDs(p.ctx, f.expense.ID, f.deletedExpense)
		p.must(err, "KnownExpenses")
		same(p, len(known), 0, "expenses of another owner known by %s", where)
		same(p, len(all(p, r.Expenses(p.ctx, expense.Query{}), "Expenses")), 0, "expenses of another owner listed by %s", where)
		totals, err := r.Totals(p.ctx, expense.TotalsQuery{Ranges: []expense.Range{{}, expense.MustMonth("2025-01").Range()}})
		p.must(err, "Totals")
		same(p, len(totals), 0, "totals of another owner by %s", where)
		rules, err := r.Rules(p.ctx)
		p.must(err, "Rules")
		same(p, len(rules), 0, "rules of another owner by %s", where)
		book, err := r.BudgetSnapshot(p.ctx)
		p.must(err, "Book")
		same(p, len(book.Budgets), 0, "budgets of another owner by %s", where)
		categories, err := r.Categories(p.ctx)
		p.must(err, "Categories")
		for _, list := range [][]expense.Category{book.Categories, categories} {
			if slices.ContainsFunc(list, func(c expense.Category) bool { return c.ID == f.category.ID }) {
				p.note("a category of another owner listed by %s", where)
			}
		}
	}
	nothing(theirs.reader, "a Reader")
	p.must(p.st.View(p.ctx, theirs.owner, func(r store.Reader) error { nothing(r, "a View"); return nil }), "View")
	theirs.update(func(tx store.Tx) error {
		nothing(tx, "an Update")
		_, err := tx.IdempotencyRecord(p.ctx, f.key)
		p.fails(err, expense.ErrNotFound, "an answer of another owner")
		_, err = tx.PutExpenses(p.ctx, f.expense)
		p.fails(err, expense.ErrNotFound, "changing an expense of another owner")
		_, err = tx.PutCategories(p.ctx, f.category)
		p.fails(err, expense.ErrNotFound, "changing a category of another owner")
		_, err = tx.PutBudgets(p.ctx, f.budget)
		p.fails(err, expense.ErrNotFound, "changing a budget of another owner")
		_, err = tx.PutRules(p.ctx, f.rule)
		p.fails(err, expense.ErrNotFound, "changing a rule of another owner")
		_, err = tx.DeleteExpenses(p.ctx, f.expense.ID)
		p.fails(err, expense.ErrNotFound, "deleting an expense of another owner")
		_, err = tx.DeleteCategory(p.ctx, f.category.ID)
		p.fails(err, expense.ErrNotFound, "deleting a category of another owner")
		_, err = tx.DeleteBudget(p.ctx, f.budget.ID)
		p.fails(err, expense.ErrNotFound, "deleting a budget of another owner")
		_, err = tx.DeleteRule(p.ctx, f.rule.ID)
		p.fails(err, expense.ErrNotFound, "deleting a rule of another owner")
		_, err = tx.MergeCategory(p.ctx, f.category.ID, theirs.food, expense.MustMonth("2025-03"))
		p.fails(err, expense.ErrNotFound, "merging a category of another owner")
		_, err = tx.MergeCategory(p.ctx, theirs.food, f.category.ID, expense.MustMonth("2025-03"))
		p.fails(err, expense.ErrNotFound, "merging into a category of another owner")
		return nil
	})
	p.unchanged(before, p.dump(mine.reader), "what another owner tried")

	// The same ids, names and keys are free in another ledger.
	same(p, theirs.category(f.category.Name).Version, 2, "the version of a category with a name that another owner has")
	for _, id := range []uuid.UUID{f.expense.ID, f.deletedExpense} {
		e := theirs.expense("5.00", "EUR", "2025-01-01")
		e.ID = id
		theirs.put(e)
	}
	series, rule := theirs.series(theirs.food, "2025-02"), theirs.rule()
	series.ID, rule.ID = f.budget.ID, f.rule.ID
	rule.CategoryID = theirs.food
	theirs.putBudget(series)
	theirs.putRule(rule)
	theirs.update(func(tx store.Tx) error {
		return tx.PutIdempotencyRecord(p.ctx, store.IdempotencyRecord{IdempotencyKey: f.key, Fingerprint: []byte{2}, Payload: []byte("other"), CreatedAt: epoch})
	})
	theirs.verify(theirs.reader)
	p.unchanged(before, p.dump(mine.reader), "another owner's rows with the same ids")
	mine.update(func(tx store.Tx) error {
		answer, err := tx.IdempotencyRecord(p.ctx, f.key)
		same(p, string(answer.Payload), "{}", "the answer under a key that another owner uses too")
		return err
	})
	theirs.delete(f.expense.ID)
	p.unchanged(before, p.dump(mine.reader), "another owner's deletion of a row with the same id")
	p.must(p.st.EraseLedger(p.ctx, theirs.owner), "EraseLedger")
	p.unchanged(before, p.dump(mine.reader), "another owner's erasure")
}

// notGone notes an ErrGone where not even a tombstone should be seen.
func notGone(p *probe, err error, what string) {
	p.fails(err, expense.ErrNotFound, "%s", what)
	if isGone(err) {
		p.note("%s is ErrGone, want it never to have been", what)
	}
}

func checkOwnerIDs(p *probe) {
	var books []*book
	for i, owner := range []expense.OwnerID{
		"ada", "Ada", "ADA", " ada", "ada ", "ada%", "ada_", `a'd"a\`, "$1 ? :name {} --",
		"00000000-0000-0000-0000-000000000000", "1", "01",
		"\u00e9", "e\u0301", "中文", "😀", "\u202eada", "a/b", "null", expense.OwnerID(strings.Repeat("x", 64)),
		expense.OwnerID(strings.Repeat("é", 32)),
	} {
		b := p.bookOf(owner)
		b.put(b.expense(fmt.Sprintf("%d.00", i+1), "EUR", "2025-01-01"))
		books = append(books, b)
	}
	for _, b := range books {
		b.verify(b.reader)
	}
}

func checkInvalidOwner(p *probe) {
	for _, owner := range []expense.OwnerID{"", expense.OwnerID(strings.Repeat("x", 65)), "a\x00b", "a\nb", "\xff"} {
		invalid := func(method string, err error) {
			p.fails(err, expense.ErrInvalid, "%s of owner %q", method, owner)
		}
		_, err := p.st.CreateLedger(p.ctx, owner, starter("x"))
		invalid("CreateLedger", err)
		invalid("EraseLedger", p.st.EraseLedger(p.ctx, owner))
		ran := false
		invalid("Update", p.st.Update(p.ctx, owner, func(store.Tx) error { ran = true; return nil }))
		invalid("View", p.st.View(p.ctx, owner, func(r store.Reader) error { _, err := r.Settings(p.ctx); return err }))
		same(p, ran, false, "whether Update ran its function for owner %q", owner)
		r := p.st.Reader(owner)
		_, err = r.Settings(p.ctx)
		invalid("Settings", err)
		_, err = r.Category(p.ctx, uuid.Max)
		invalid("Category", err)
		_, err = r.CategoryByName(p.ctx, "Food")
		invalid("CategoryByName", err)
		_, err = r.Categories(p.ctx)
		invalid("Categories", err)
		_, err = r.Expense(p.ctx, uuid.Max)
		invalid("Expense", err)
		_, err = r.KnownExpenseIDs(p.ctx, uuid.Max)
		invalid("KnownExpenses", err)
		_, err = r.Totals(p.ctx, expense.TotalsQuery{Ranges: []expense.Range{{}}})
		invalid("Totals", err)
		_, err = r.BudgetSnapshot(p.ctx)
		invalid("Book", err)
		_, err = r.Budget(p.ctx, uuid.Max)
		invalid("Budget", err)
		_, err = r.Rule(p.ctx, uuid.Max)
		invalid("Rule", err)
		_, err = r.Rules(p.ctx)
		invalid("Rules", err)
		for _, err := range r.Expenses(p.ctx, expense.Query{}) {
			invalid("Expenses", err)
		}
	}
}

// oddOwners sort differently by bytes than by any language, by case, or by UTF-16.
var oddOwners = []expense.OwnerID{"b", "B", "a", "Z", "_", "~", "é", "e", "ａ", "😀", "中", "aa", "a b", "A"}

func checkOwners(p *probe) {
	same(p, len(all(p, p.st.Owners(p.ctx), "Owners")), 0, "owners of an empty store")
	for _, owner := range oddOwners {
		p.bookOf(owner)
	}
	p.must(p.st.EraseLedger(p.ctx, "Z"), "EraseLedger")
	want := slices.DeleteFunc(slices.Sorted(slices.Values(oddOwners)), func(o expense.OwnerID) bool { return o == "Z" })
	sameList(p, all(p, p.st.Owners(p.ctx), "Owners"), want, "Owners")
	seen := 0
	for owner, err := range p.st.Owners(p.ctx) {
		p.must(err, "Owners")
		p.must(p.st.Update(p.ctx, owner, func(tx store.Tx) error { _, err := tx.BudgetSnapshot(p.ctx); return err }),
			"Update in the body of a loop over Owners")
		if seen++; seen == 5 {
			break
		}
	}
	same(p, seen, 5, "rounds before a break")
}

func checkPendingOwners(p *probe) {
	books := make(map[expense.OwnerID]*book)
	for _, owner := range oddOwners {
		books[owner] = p.bookOf(owner)
		books[owner].put(books[owner].expense("1.00", "EUR", "2025-01-01"))
	}
	same(p, len(all(p, p.st.PendingOwners(p.ctx), "PendingOwners")), 0, "pending owners where nothing is pending")
	waiting := []expense.OwnerID{"b", "B", "é", "😀", "ａ", "_"}
	for _, owner := range waiting {
		books[owner].put(books[owner].expense("100", "JPY", "2025-01-01"), books[owner].expense("5", "USD", "2025-01-02"))
	}
	sameList(p, all(p, p.st.PendingOwners(p.ctx), "PendingOwners"), slices.Sorted(slices.Values(waiting)), "PendingOwners")
	// Converting one owner after the other, as the server does, with the loop open.
	for owner, err := range p.st.PendingOwners(p.ctx) {
		p.must(err, "PendingOwners")
		yes := true
		for _, e := range all(p, p.st.Reader(owner).Expenses(p.ctx, expense.Query{Filter: expense.Filter{Pending: &yes}}),
			"Expenses") {
			switch {
			case owner == "B": // one of the two stays pending
				books[owner].put(books[owner].converted(e, "0.5"))
			case e.Amount.Currency().Code() == "JPY":
				books[owner].delete(e.ID)
				continue
			default:
				books[owner].put(books[owner].converted(e, "0.5"))
			}
			if owner == "B" {
				break
			}
		}
	}
	sameList(p, all(p, p.st.PendingOwners(p.ctx), "PendingOwners"), []expense.OwnerID{"B"},
		"PendingOwners after conversions and deletions")
}

func checkPurgeAnswers(p *probe) {
	books := []*book{p.book("a"), p.book("b")}
	cut := epoch.Add(time.Hour)
	times := map[string]time.Time{"old": epoch, "just before": cut.Add(-time.Microsecond), "at": cut,
		"new": cut.Add(time.Hour)}
	for _, b := range books {
		b.update(func(tx store.Tx) error {
			for key, at := range times {
				answer := store.IdempotencyRecord{IdempotencyKey: store.IdempotencyKey{Scope: "s", Key: key}, Fingerprint: []byte{1}, CreatedAt: at}
				if err := tx.PutIdempotencyRecord(p.ctx, answer); err != nil {
					return err
				}
			}
			return nil
		})
	}
	p.must(p.st.Purge(p.ctx, cut, time.Time{}), "Purge")
	for _, b := range books {
		b.update(func(tx store.Tx) error {
			for key, at := range times {
				_, err := tx.IdempotencyRecord(p.ctx, store.IdempotencyKey{Scope: "s", Key: key})
				if at.Before(cut) {
					p.fails(err, expense.ErrNotFound, "the answer kept %s after Purge", key)
				} else if err != nil {
					p.note("the answer kept %s after Purge: %v", key, err)
				}
			}
			return nil
		})
	}
}

func checkPurgeTombstones(p *probe) {
	books := []*book{p.book("a"), p.book("b")}
	var fills []filled
	for _, b := range books {
		fills = append(fills, b.fill())
	}
	tombs := func(b *book, f filled) []error {
		_, expenseErr := b.reader.Expense(p.ctx, f.deletedExpense)
		_, categoryErr := b.reader.Category(p.ctx, f.deletedCategory)
		_, budgetErr := b.reader.Budget(p.ctx, f.deletedBudget)
		_, ruleErr := b.reader.Rule(p.ctx, f.deletedRule)
		return []error{expenseErr, categoryErr, budgetErr, ruleErr}
	}
	const day = 24 * time.Hour
	p.must(p.st.Purge(p.ctx, time.Time{}, time.Now().Add(-day)), "Purge")
	var before []string
	for i, b := range books {
		for _, err := range tombs(b, fills[i]) {
			p.fails(err, expense.ErrGone, "a row deleted today, after a Purge of what was deleted before yesterday")
		}
		before = append(before, p.dump(b.reader))
	}
	p.must(p.st.Purge(p.ctx, time.Time{}, time.Now().Add(day)), "Purge")
	for i, b := range books {
		p.unchanged(before[i], p.dump(b.reader), "Purge of tombstones")
	}
	for i, b := range books {
		for _, err := range tombs(b, fills[i]) {
			notGone(p, err, "a deleted row after a Purge of its tombstone")
		}
		known, err := b.reader.KnownExpenseIDs(p.ctx, fills[i].deletedExpense, fills[i].expense.ID)
		p.must(err, "KnownExpenses")
		sameList(p, known, []uuid.UUID{fills[i].expense.ID}, "known expenses after a Purge")
		b.update(func(tx store.Tx) error {
			_, err := tx.IdempotencyRecord(p.ctx, fills[i].key)
			p.must(err, "an answer after a Purge of tombstones alone")
			return nil
		})
		b.put(b.expense("1.00", "EUR", "2025-01-01")) // no version was taken
	}
}

func checkPurgeKeepsDerived(p *probe) {
	b := p.book("a")
	posted, plain := b.expense("1.00", "EUR", "2025-01-01"), b.expense("2.00", "EUR", "2025-01-01")
	posted.ID = b.derivedID()
	b.put(posted, plain)
	b.delete(posted.ID, plain.ID)
	p.must(p.st.Purge(p.ctx, time.Time{}, time.Now().Add(time.Hour)), "Purge")
	p.must(p.st.Purge(p.ctx, time.Time{}, time.Now().Add(time.Hour)), "Purge again")
	known, err := b.reader.KnownExpenseIDs(p.ctx, posted.ID, plain.ID)
	p.must(err, "KnownExpenses")
	sameList(p, known, []uuid.UUID{posted.ID}, "deleted expenses that are known after a Purge")
	_, err = b.reader.Expense(p.ctx, posted.ID)
	p.fails(err, expense.ErrGone, "a deleted expense of a derived id after a Purge")
	err = p.st.Update(p.ctx, b.owner, func(tx store.Tx) error { _, err := tx.PutExpenses(p.ctx, posted); return err })
	p.fails(err, expense.ErrGone, "a deleted expense of a derived id, written anew after a Purge")
}
