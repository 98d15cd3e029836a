package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

func checkCreate(t *checkT) {
	owner := t.owner("a")
	initial := initialLedger(owner)
	initial.Settings.Locale, initial.Settings.FiscalYearStart = "de-CH", time.April
	initial.Categories[0].CreatedAt = nanoTime
	zone, err := expense.ParseZone("America/Argentina/ComodRivadavia")
	t.noError(err, "ParseZone")
	initial.Settings.Zone = zone
	created, err := t.st.CreateLedger(t.ctx, owner, initial)
	t.noError(err, "CreateLedger")
	equal(t, created, true, "the result of CreateLedger for a new owner")

	r := t.st.Reader(owner)
	want := initial.Settings
	want.Version = 1
	equal(t, describe(get(t, r.Settings)), describe(want), "Settings of a new ledger")
	expected := slices.Clone(initial.Categories)
	for i := range expected {
		expected[i].Version = 1
		expected[i].CreatedAt = expense.Timestamp(expected[i].CreatedAt)
	}
	slices.SortFunc(expected, compareFolded)
	equalLists(t, get(t, r.Categories), expected, "Categories of a new ledger")

	before := t.dump(r)
	other := initialLedger(owner)
	other.Settings.Home = currency("JPY")
	other.Categories[0].Name = "Groceries"
	created, err = t.st.CreateLedger(t.ctx, owner, other)
	t.noError(err, "CreateLedger for an owner with a ledger")
	equal(t, created, false, "the result of CreateLedger for an owner with a ledger")
	t.wantUnchanged(before, r, "CreateLedger for an owner with a ledger")
}

func checkCreateConcurrently(t *checkT) {
	owner := t.owner("a")
	const calls = 8
	var created [calls]bool
	t.concurrently(calls, func(i int) {
		var err error
		if created[i], err = t.st.CreateLedger(t.ctx, owner, initialLedger(owner)); err != nil {
			t.errorf("one of %d concurrent CreateLedger calls: %v", calls, err)
		}
	})
	count := 0
	for _, made := range created {
		if made {
			count++
		}
	}
	equal(t, count, 1, "the number of concurrent CreateLedger calls that returned true")
	equal(t, len(get(t, t.st.Reader(owner).Categories)), len(initialLedger(owner).Categories),
		"the number of categories after concurrent CreateLedger calls")
}

// checkEraseSettings erases a ledger that has only what CreateLedger stored.
func checkEraseSettings(t *checkT) {
	l, neighbour := t.ledger("a"), t.ledger("neighbour")
	before := t.dump(neighbour.reader)
	t.erase(l.owner)
	_, err := l.reader.Settings(t.ctx)
	t.wantError(err, expense.ErrNotFound, "Settings of an erased ledger")
	equal(t, len(get(t, l.reader.Categories)), 0, "the number of Categories of an erased ledger")
	t.erase(l.owner) // EraseLedger returns nil if there is no ledger
	t.wantUnchanged(before, neighbour.reader, "EraseLedger of another owner")
	equal(t, t.ledgerOf(l.owner).settings.Version, 1, "the version of a new ledger of an owner whose ledger was erased")
}

func checkErase(t *checkT) {
	l, neighbour := t.ledger("a"), t.ledger("neighbour")
	f := l.populate()
	neighbour.populate()
	before, epoch := t.dump(neighbour.reader), l.state().Epoch
	t.erase(l.owner)
	_, err := l.reader.Settings(t.ctx)
	t.wantError(err, expense.ErrNotFound, "Settings of an erased ledger")
	t.wantError(l.tryWrite(), expense.ErrNotFound, "Update of an erased ledger")
	t.erase(l.owner) // EraseLedger returns nil if there is no ledger
	t.wantUnchanged(before, neighbour.reader, "EraseLedger of another owner")

	// The owner's next ledger starts at version 1. It has no id and no record of the erased one.
	next := t.ledgerOf(l.owner)
	if next.state().Epoch == epoch {
		t.errorf("State: a new ledger has the epoch of an erased ledger of the same owner")
	}
	t.wantKnown(next.reader, []uuid.UUID{f.expense.ID, f.deletedExpense}, nil, "a ledger that was erased")
	next.wantRecord(f.key, expense.ErrNotFound, "IdempotencyRecord of an erased ledger")
	next.wantTombstones(f, errNeverExisted, "a row that was deleted before the ledger was erased")
	next.put(withID(next.anyExpense(), f.deletedExpense))
	next.wantModel(next.reader)
}

// wantTombstones reads the deleted rows of f. Each read must return the error want.
func (l *ledger) wantTombstones(f fixture, want error, subject string) {
	wantErrorBy(l.checkT, l.reader.Expense, f.deletedExpense, want, "%s", subject)
	wantErrorBy(l.checkT, l.reader.Category, f.deletedCategory, want, "%s", subject)
	wantErrorBy(l.checkT, l.reader.Budget, f.deletedBudget, want, "%s", subject)
	wantErrorBy(l.checkT, l.reader.Rule, f.deletedRule, want, "%s", subject)
}

func checkMissingLedger(t *checkT) {
	r := t.st.Reader(t.owner("nobody"))
	_, err := r.Settings(t.ctx)
	t.wantError(err, expense.ErrNotFound, "Settings of an owner without a ledger")
	equal(t, len(get(t, r.Categories)), 0, "the number of Categories of an owner without a ledger")
}

func checkMissingUpdate(t *checkT) {
	owner := t.owner("nobody")
	ran := false
	err := t.st.Update(t.ctx, owner, func(store.Tx) error { ran = true; return nil })
	t.wantError(err, expense.ErrNotFound, "Update of an owner without a ledger")
	equal(t, ran, false, "whether Update ran fn for an owner without a ledger")
	err = t.st.View(t.ctx, owner, func(r store.Reader) error { _, err := r.Settings(t.ctx); return err })
	t.wantError(err, expense.ErrNotFound, "Settings in a View of an owner without a ledger")
}

// wantNoRows checks that r returns no row of f. r must be bound to an owner who did not write f and has no rows.
func (t *checkT) wantNoRows(r store.Reader, f fixture, reader string) {
	subject := "another owner's row, read by " + reader
	wantErrorBy(t, r.Category, f.category.ID, errNeverExisted, "%s", subject)
	wantErrorBy(t, r.Category, f.deletedCategory, errNeverExisted, "%s", subject)
	wantErrorBy(t, r.CategoryByName, f.category.Name, errNeverExisted, "%s", subject)
	categories := get(t, r.Categories)
	wantErrorBy(t, r.Expense, f.expense.ID, errNeverExisted, "%s", subject)
	wantErrorBy(t, r.Expense, f.deletedExpense, errNeverExisted, "%s", subject)
	t.wantKnown(r, []uuid.UUID{f.expense.ID, f.deletedExpense}, nil, subject)
	equal(t, len(t.expenses(r, expense.Query{})), 0, "the number of Expenses of %s", subject)
	totals := getBy(t, r.Totals, expense.TotalsQuery{Ranges: []expense.Range{{}, month("2025-01").Range()}})
	equal(t, len(totals), 0, "the number of Totals of %s", subject)
	if t.has(rulesStage) {
		wantErrorBy(t, r.Rule, f.rule.ID, errNeverExisted, "%s", subject)
		equal(t, len(get(t, r.Rules)), 0, "the number of Rules of %s", subject)
	}
	if t.has(budgetsStage) {
		wantErrorBy(t, r.Budget, f.budget.ID, errNeverExisted, "%s", subject)
		snapshot := get(t, r.BudgetSnapshot)
		equal(t, len(snapshot.Budgets), 0, "the number of budgets of %s", subject)
		categories = slices.Concat(categories, snapshot.Categories)
		equal(t, len(getBy(t, r.Alerts, expense.Month{})), 0, "the number of Alerts of %s", subject)
	}
	if slices.ContainsFunc(categories, func(c expense.Category) bool { return c.ID == f.category.ID }) {
		t.errorf("Categories or BudgetSnapshot contains %s", subject)
	}
}

func checkIsolation(t *checkT) {
	mine, theirs := t.ledger("mine"), t.ledger("theirs")
	f := mine.populate()
	before := t.dump(mine.reader)
	t.wantNoRows(theirs.reader, f, "a Reader")
	t.view(theirs.owner, func(r store.Reader) { t.wantNoRows(r, f, "a View's Reader") })
	theirs.update(func(tx store.Tx) error {
		t.wantNoRows(tx, f, "a Tx")
		calls := []txCall{
			call(store.Tx.PutExpenses, f.expense), call(store.Tx.PutCategories, f.category),
			call(store.Tx.DeleteExpenses, f.expense.ID), callBy(store.Tx.DeleteCategory, f.category.ID),
		}
		if t.has(rulesStage) {
			calls = append(calls, call(store.Tx.PutRules, f.rule), callBy(store.Tx.DeleteRule, f.rule.ID))
		}
		if t.has(budgetsStage) {
			calls = append(calls, call(store.Tx.PutBudgets, f.budget), callBy(store.Tx.DeleteBudget, f.budget.ID),
				call(store.Tx.PutAlerts, f.alert))
		}
		if t.has(mergeStage) {
			calls = append(calls, callMerge(f.category.ID, theirs.food, "2025-03"),
				callMerge(theirs.food, f.category.ID, "2025-03"))
		}
		for _, c := range calls {
			t.wantError(t.runCalls(tx, c), expense.ErrNotFound, "%s of another owner's row", c.method)
		}
		if t.has(idempotencyStage) {
			wantErrorBy(t, tx.IdempotencyRecord, f.key, expense.ErrNotFound, "another owner's key")
		}
		return nil
	})
	t.wantUnchanged(before, mine.reader, "writes of another owner")

	// The other owner can use the same ids, names and keys.
	equal(t, theirs.addCategory(f.category.Name).Version, 2, "the version of a category with another owner's name")
	for _, id := range []uuid.UUID{f.expense.ID, f.deletedExpense} {
		theirs.put(withID(theirs.newExpense("5.00", "EUR", "2025-01-01"), id))
	}
	if t.has(rulesStage) {
		rule := theirs.newRule()
		rule.ID = f.rule.ID
		theirs.putRule(rule)
	}
	if t.has(budgetsStage) {
		b := theirs.newBudget(theirs.food, "2025-02")
		b.ID = f.budget.ID
		theirs.putBudget(b)
		theirs.putAlerts(theirs.newAlert(f.alert.ID, "2025-02", epoch))
	}
	if t.has(idempotencyStage) {
		record := newRecord(f.key.Scope, f.key.Key)
		record.Fingerprint, record.Payload = []byte{2}, []byte("other")
		theirs.putRecord(record)
		mine.wantPayload(f.key, "an idempotency key that another owner uses too")
	}
	theirs.wantModel(theirs.reader)
	t.wantUnchanged(before, mine.reader, "another owner's rows with the same ids")
	theirs.delete(f.expense.ID)
	t.wantUnchanged(before, mine.reader, "another owner's deletion of a row with the same id")
	t.erase(theirs.owner)
	t.wantUnchanged(before, mine.reader, "EraseLedger of another owner")
}

// wantPayload checks that the record of newRecord with this key is stored.
func (l *ledger) wantPayload(key store.IdempotencyKey, subject string) {
	l.update(func(tx store.Tx) error {
		record, err := tx.IdempotencyRecord(l.ctx, key)
		equal(l.checkT, string(record.Payload), "done", "the payload of %s", subject)
		return err
	})
}

// similarOwners are ids that a database could confuse or interpret.
var similarOwners = []expense.OwnerID{
	"ada", "Ada", "ADA", " ada", "ada ", "ada%", "ada_", `a'd"a\`, "$1 ? :name {} --",
	"00000000-0000-0000-0000-000000000000", "1", "01",
	"\u00e9", "e\u0301", "中文", "😀", "\u202eada", "a/b", "null", expense.OwnerID(strings.Repeat("x", 64)),
	expense.OwnerID(strings.Repeat("é", 32)),
}

func checkOwnerIDs(t *checkT) {
	locale := func(i int) string { return fmt.Sprint("en-", i) }
	for i, owner := range similarOwners {
		initial := initialLedger(owner)
		initial.Settings.Locale = locale(i)
		created, err := t.st.CreateLedger(t.ctx, owner, initial)
		t.noError(err, "CreateLedger of %q", owner)
		equal(t, created, true, "the result of CreateLedger of %q", owner)
	}
	for i, owner := range similarOwners {
		equal(t, get(t, t.st.Reader(owner).Settings).Locale, locale(i), "the locale in the Settings of %q", owner)
	}
}

func checkOwnerIDRows(t *checkT) {
	var ledgers []*ledger
	for i, owner := range similarOwners {
		l := t.ledgerOf(owner)
		l.put(l.newExpense(fmt.Sprintf("%d.00", i+1), "EUR", "2025-01-01"))
		ledgers = append(ledgers, l)
	}
	for _, l := range ledgers {
		l.wantModel(l.reader)
	}
}

func checkInvalidOwner(t *checkT) {
	for _, owner := range []expense.OwnerID{"", expense.OwnerID(strings.Repeat("x", 65)), "a\x00b", "a\nb", "\xff"} {
		subject := fmt.Sprintf("the invalid owner %q", owner)
		invalid := func(method string, err error) {
			t.wantError(err, expense.ErrInvalid, "%s of %s", method, subject)
		}
		_, err := t.st.CreateLedger(t.ctx, owner, initialLedger("x"))
		invalid("CreateLedger", err)
		invalid("EraseLedger", t.st.EraseLedger(t.ctx, owner))
		r := t.st.Reader(owner)
		_, err = r.Settings(t.ctx)
		invalid("Settings", err)
		_, err = r.Categories(t.ctx)
		invalid("Categories", err)
		if t.has(allStage) {
			t.wantInvalidOwner(owner, r, subject)
		}
	}
}

// wantInvalidOwner calls the methods that the stage ledgers does not have.
func (t *checkT) wantInvalidOwner(owner expense.OwnerID, r store.Reader, subject string) {
	invalid := func(method string, err error) { t.wantError(err, expense.ErrInvalid, "%s of %s", method, subject) }
	ran := false
	invalid("Update", t.st.Update(t.ctx, owner, func(store.Tx) error { ran = true; return nil }))
	equal(t, ran, false, "whether Update ran fn for %s", subject)
	invalid("View", t.st.View(t.ctx, owner, func(r store.Reader) error { _, err := r.Settings(t.ctx); return err }))
	invalid("StartEpoch", t.st.StartEpoch(t.ctx, owner))
	_, err := r.State(t.ctx)
	invalid("State", err)
	_, err = r.KnownExpenseIDs(t.ctx, uuid.Max)
	invalid("KnownExpenseIDs", err)
	_, err = r.BudgetSnapshot(t.ctx)
	invalid("BudgetSnapshot", err)
	_, err = r.Rules(t.ctx)
	invalid("Rules", err)
	wantErrorBy(t, r.Category, uuid.Max, expense.ErrInvalid, "%s", subject)
	wantErrorBy(t, r.CategoryByName, "Food", expense.ErrInvalid, "%s", subject)
	wantErrorBy(t, r.MergedInto, uuid.Max, expense.ErrInvalid, "%s", subject)
	wantErrorBy(t, r.Expense, uuid.Max, expense.ErrInvalid, "%s", subject)
	wantErrorBy(t, r.Totals, expense.TotalsQuery{Ranges: []expense.Range{{}}}, expense.ErrInvalid, "%s", subject)
	wantErrorBy(t, r.Budget, uuid.Max, expense.ErrInvalid, "%s", subject)
	wantErrorBy(t, r.Alerts, expense.Month{}, expense.ErrInvalid, "%s", subject)
	wantErrorBy(t, r.Rule, uuid.Max, expense.ErrInvalid, "%s", subject)
	wantErrorBy(t, r.Changes, store.ChangeQuery{}, expense.ErrInvalid, "%s", subject)
	for _, err := range r.Expenses(t.ctx, expense.Query{}) {
		invalid("Expenses", err)
	}
}

// trickyOwners have another order by bytes than by the rules of a language, by UTF-16, or if case is ignored.
var trickyOwners = []expense.OwnerID{"b", "B", "a", "Z", "_", "~", "é", "e", "ａ", "😀", "中", "aa", "a b", "A"}

// someOwners are some of trickyOwners.
var someOwners = []expense.OwnerID{"b", "B", "é", "😀", "ａ", "_"}

// trickyLedgers creates the ledgers of trickyOwners.
func (t *checkT) trickyLedgers() map[expense.OwnerID]*ledger {
	ledgers := make(map[expense.OwnerID]*ledger)
	for _, owner := range trickyOwners {
		ledgers[owner] = t.ledgerOf(owner)
	}
	return ledgers
}

func checkOwners(t *checkT) {
	equal(t, len(collect(t, t.st.Owners(t.ctx), "Owners")), 0, "the number of Owners of an empty store")
	t.trickyLedgers()
	t.erase("Z")
	want := slices.DeleteFunc(slices.Sorted(slices.Values(trickyOwners)), func(o expense.OwnerID) bool { return o == "Z" })
	equalLists(t, collect(t, t.st.Owners(t.ctx), "Owners"), want, "Owners")
}

func checkOwnersLoopBody(t *checkT) {
	ledgers := t.trickyLedgers()
	seen := 0
	for owner, err := range t.st.Owners(t.ctx) {
		t.noError(err, "Owners")
		ledgers[owner].writeAny()
		if seen++; seen == 5 {
			break
		}
	}
	equal(t, seen, 5, "the number of Owners before a break")
	t.ledger("after a break")
}

func checkPendingOwners(t *checkT) {
	ledgers := t.trickyLedgers()
	pendingOwners := func() []expense.OwnerID { return collect(t, t.st.PendingOwners(t.ctx), "PendingOwners") }
	for _, l := range ledgers {
		l.put(l.anyExpense())
	}
	equal(t, len(pendingOwners()), 0, "the number of PendingOwners of a store without pending expenses")
	for _, owner := range someOwners {
		l := ledgers[owner]
		l.put(l.newExpense("100", "JPY", "2025-01-01"), l.newExpense("5", "USD", "2025-01-02"))
	}
	equalLists(t, pendingOwners(), slices.Sorted(slices.Values(someOwners)), "PendingOwners")
	// The server converts the expenses of each owner in the body of such a loop.
	pending := true
	for owner, err := range t.st.PendingOwners(t.ctx) {
		t.noError(err, "PendingOwners")
		l := ledgers[owner]
		for _, e := range t.expenses(l.reader, expense.Query{Filter: expense.Filter{Pending: &pending}}) {
			if owner != "B" && e.Amount.Currency().Code() == "JPY" {
				l.delete(e.ID)
				continue
			}
			l.put(l.withRate(e, "0.5"))
			if owner == "B" {
				break // the other expense stays pending
			}
		}
	}
	equalLists(t, pendingOwners(), []expense.OwnerID{"B"}, "PendingOwners after conversions and deletions")
}

func checkPurgeRecords(t *checkT) {
	ledgers := []*ledger{t.ledger("a"), t.ledger("b")}
	limit := epoch.Add(time.Hour)
	times := map[string]time.Time{
		"long before": epoch, "just before": limit.Add(-time.Microsecond), "at": limit, "after": limit.Add(time.Hour),
	}
	for _, l := range ledgers {
		for key, at := range times {
			record := newRecord("s", key)
			record.CreatedAt = at
			l.putRecord(record)
		}
	}
	t.purge(limit, time.Time{})
	for _, l := range ledgers {
		for key, at := range times {
			var want error
			if at.Before(limit) {
				want = expense.ErrNotFound
			}
			l.wantRecord(newRecord("s", key).IdempotencyKey, want, "the record created %s the limit of Purge", key)
		}
	}
}

func checkPurgeTombstones(t *checkT) {
	ledgers := []*ledger{t.ledger("a"), t.ledger("b")}
	var fixtures []fixture
	for _, l := range ledgers {
		fixtures = append(fixtures, l.populate())
	}
	const day = 24 * time.Hour
	t.purge(time.Time{}, time.Now().Add(-day))
	var before []string
	for i, l := range ledgers {
		l.wantTombstones(fixtures[i], expense.ErrGone, "a row deleted after the limit of Purge")
		before = append(before, t.dump(l.reader))
	}
	t.purge(time.Time{}, time.Now().Add(day))
	for i, l := range ledgers {
		t.wantUnchanged(before[i], l.reader, "Purge of tombstones")
	}
	for i, l := range ledgers {
		f := fixtures[i]
		l.wantTombstones(f, errNeverExisted, "a deleted row after Purge of its tombstone")
		t.wantKnown(l.reader, []uuid.UUID{f.deletedExpense, f.expense.ID}, []uuid.UUID{f.expense.ID}, "purged tombstones")
		l.wantRecord(f.key, nil, "a record after Purge of tombstones")
		l.put(l.anyExpense()) // fails if Purge took a version
	}
}

func checkPurgeKeepsDerived(t *checkT) {
	l := t.ledger("a")
	derived, random := withID(l.anyExpense(), l.derivedID()), l.newExpense("2.00", "EUR", "2025-01-01")
	l.put(derived, random)
	l.delete(derived.ID, random.ID)
	t.purgeTombstones()
	t.purgeTombstones()
	t.wantKnown(l.reader, []uuid.UUID{derived.ID, random.ID}, []uuid.UUID{derived.ID}, "deleted expenses after Purge")
	wantErrorBy(t, l.reader.Expense, derived.ID, expense.ErrGone, "a deleted expense with a derived id after Purge")
	l.wantRejected(call(store.Tx.PutExpenses, derived), expense.ErrGone,
		"PutExpenses with the derived id of a deleted expense after Purge")
}
