package storetest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
)

// idSpace is the namespace of the ids that checks make.
var idSpace = uuid.MustParse("0f4d7c1a-8d4e-5b7e-a6a2-6b2f0a6f3c55")

// unknownID is the id of no row.
var unknownID = uuid.NewSHA1(idSpace, []byte("unknown"))

// epoch is the time at which the checks create their first rows.
var epoch = time.Date(2025, time.March, 1, 8, 30, 0, 123456000, time.UTC)

// nanoTime has a zone and nanoseconds: a store must return it in UTC, cut to microseconds.
var nanoTime = time.Date(2025, time.May, 1, 2, 3, 4, 567891234, time.FixedZone("UTC+3", 3*3600))

// errOnPurpose is the error of functions that must fail.
var errOnPurpose = errors.New("failed on purpose")

func date(text string) expense.Date           { return expense.MustDate(text) }
func month(text string) expense.Month         { return expense.MustMonth(text) }
func money(amount, code string) expense.Money { return expense.MustMoney(amount, code) }
func currency(code string) expense.Currency   { return expense.MustCurrency(code) }
func dates(from, to string) expense.Range     { return expense.Range{From: date(from), To: date(to)} }
func inRange(r expense.Range) expense.Query   { return expense.Query{Filter: expense.Filter{Dates: r}} }
func compareIDs(x, y uuid.UUID) int           { return bytes.Compare(x[:], y[:]) }
func compareFolded(x, y expense.Category) int {
	return cmp.Compare(expense.Fold(x.Name), expense.Fold(y.Name))
}
func newCategory(id uuid.UUID, name string) expense.Category {
	return expense.Category{ID: id, Name: name, CreatedAt: epoch, UpdatedAt: epoch}
}

func minorUnits(n int64, currency expense.Currency) expense.Money {
	amount, err := expense.MoneyFromMinor(n, currency)
	if err != nil {
		panic(err)
	}
	return amount
}

// newRecord returns an idempotency record, whose payload is "done".
func newRecord(scope, key string) store.IdempotencyRecord {
	return store.IdempotencyRecord{
		IdempotencyKey: store.IdempotencyKey{Scope: scope, Key: key}, Fingerprint: []byte{1}, Payload: []byte("done"),
		CreatedAt: epoch,
	}
}

// A txCall is a call of a Tx method that writes.
type txCall struct {
	method string
	run    func(ctx context.Context, tx store.Tx) (expense.Version, error)
}

// call returns the call of a method that takes a list, for example store.Tx.PutRules.
func call[V any](method func(store.Tx, context.Context, ...V) (expense.Version, error), rows ...V) txCall {
	return txCall{methodName(method), func(ctx context.Context, tx store.Tx) (expense.Version, error) {
		return method(tx, ctx, slices.Clone(rows)...)
	}}
}

// callBy returns the call of a method that takes one argument, for example store.Tx.DeleteRule.
func callBy[V any](method func(store.Tx, context.Context, V) (expense.Version, error), arg V) txCall {
	return txCall{methodName(method), func(ctx context.Context, tx store.Tx) (expense.Version, error) {
		return method(tx, ctx, arg)
	}}
}

func callMerge(from, into uuid.UUID, until string) txCall {
	return txCall{"MergeCategory", func(ctx context.Context, tx store.Tx) (expense.Version, error) {
		merged, err := tx.MergeCategory(ctx, from, into, month(until))
		return merged.Version, err
	}}
}

func callPutRecord(record store.IdempotencyRecord) txCall {
	return txCall{"PutIdempotencyRecord", func(ctx context.Context, tx store.Tx) (expense.Version, error) {
		return 0, tx.PutIdempotencyRecord(ctx, record)
	}}
}

// runCalls runs calls in order until one fails.
func (t *checkT) runCalls(tx store.Tx, calls ...txCall) error {
	for _, c := range calls {
		if _, err := c.run(t.ctx, tx); err != nil {
			return err
		}
	}
	return nil
}

// A ledger is one owner's ledger in the store under test. It has a model: the expenses that the ledger must hold.
type ledger struct {
	*checkT
	owner   expense.OwnerID
	reader  store.Reader
	version expense.Version // of the ledger
	rows    map[uuid.UUID]expense.Expense
	made    int // how many ids id and derivedID have returned

	settings                  expense.Settings
	food, travel, rent, other uuid.UUID // categories; other is the default
}

// owner returns an owner that no other check uses.
func (t *checkT) owner(label string) expense.OwnerID { return expense.OwnerID(t.id + "/" + label) }

// ledger creates a ledger with home currency EUR, of an owner that no other check uses.
func (t *checkT) ledger(label string) *ledger { return t.ledgerOf(t.owner(label)) }

func (t *checkT) ledgerOf(owner expense.OwnerID) *ledger {
	initial := initialLedger(owner)
	created, err := t.st.CreateLedger(t.ctx, owner, initial)
	t.noError(err, "CreateLedger of %q", owner)
	if !created {
		t.fatalf("CreateLedger of %q returned false for an owner without a ledger", owner)
	}
	l := &ledger{
		checkT: t, owner: owner, reader: t.st.Reader(owner), version: 1, rows: make(map[uuid.UUID]expense.Expense),
	}
	l.settings = get(t, l.reader.Settings)
	ids := map[string]*uuid.UUID{"Food": &l.food, "Travel": &l.travel, "Housing": &l.rent, "Other": &l.other}
	for _, category := range initial.Categories {
		if id, ok := ids[category.Name]; ok {
			*id = category.ID
		}
	}
	return l
}

func initialLedger(owner expense.OwnerID) expense.InitialLedger {
	return expense.NewInitialLedger(owner, expense.Settings{
		Home: currency("EUR"), Locale: "en", FiscalYearStart: time.January,
	}, epoch)
}

// id returns an unused id of UUID version 7.
func (l *ledger) id() uuid.UUID {
	id := l.derivedID()
	id[6] = id[6]&0x0f | 7<<4
	return id
}

// derivedID returns an unused id of UUID version 5. Purge keeps tombstones of such ids.
func (l *ledger) derivedID() uuid.UUID {
	l.made++
	return uuid.NewSHA1(idSpace, fmt.Appendf(nil, "%s#%d", l.owner, l.made))
}

// newExpense returns an expense with a new id in category food. It is pending unless it is in EUR.
func (l *ledger) newExpense(amount, code, day string) expense.Expense {
	e := expense.Expense{
		ID: l.id(), Amount: money(amount, code), Date: date(day), CategoryID: l.food, Home: minorUnits(0, l.settings.Home),
		Notes: "note " + day,
	}
	e.CreatedAt = epoch.Add(time.Duration(l.made/2) * time.Microsecond) // two rows share a time, so that orders have ties
	e.UpdatedAt = e.CreatedAt
	if e.Amount.Currency() == l.settings.Home {
		e.Rate = expense.Rate{Value: expense.MustFactor("1"), Date: e.Date, Source: expense.SourceIdentity}
		e.Home = e.Amount
	}
	return e
}

// anyExpense returns a new expense for a check that does not depend on its values.
func (l *ledger) anyExpense() expense.Expense { return l.newExpense("1.00", "EUR", "2025-01-01") }

// withID returns e with another id.
func withID(e expense.Expense, id uuid.UUID) expense.Expense {
	e.ID = id
	return e
}

// withEuros returns e with an amount in the home currency.
func withEuros(e expense.Expense, amount string) expense.Expense {
	e.Amount, e.Home = money(amount, "EUR"), money(amount, "EUR")
	return e
}

// withRate returns e converted at a rate.
func (l *ledger) withRate(e expense.Expense, factor string) expense.Expense {
	e.Rate = expense.Rate{Value: expense.MustFactor(factor), Date: e.Date, Source: "ecb"}
	home, err := e.Rate.Convert(e.Amount, l.settings.Home)
	l.noError(err, "converting %s at %s", e.Amount, factor)
	e.Home = home
	return e
}

// withoutRate returns e pending.
func (l *ledger) withoutRate(e expense.Expense) expense.Expense {
	e.Rate, e.Home = expense.Rate{}, minorUnits(0, l.settings.Home)
	return e
}

// newBudget returns a budget of a category from a month on.
func (l *ledger) newBudget(category uuid.UUID, from string) budget.Budget {
	return budget.Budget{
		ID: l.id(), CategoryID: category, AlertAt: []budget.Ratio{8000, 10000}, CreatedAt: epoch, UpdatedAt: epoch,
		Entries: []budget.Entry{{From: month(from), Limit: minorUnits(50000, l.settings.Home)}},
	}
}

// newRule returns a monthly rule in category food.
func (l *ledger) newRule() recurrence.Rule {
	start := date("2025-01-31")
	return recurrence.Rule{
		ID: l.id(), Amount: money("9.99", "EUR"), CategoryID: l.food, Notes: "subscription",
		Freq: recurrence.Monthly, Interval: 1, Start: start, Next: start, CreatedAt: epoch, UpdatedAt: epoch,
	}
}

// newAlert returns an alert of a month.
func (l *ledger) newAlert(id uuid.UUID, of string, raised time.Time) budget.Alert {
	return budget.Alert{ID: id, BudgetID: l.id(), Month: month(of), Threshold: 8000, RaisedAt: raised}
}

// tryUpdate runs fn in an Update and returns the error of the Update.
func (l *ledger) tryUpdate(fn func(tx store.Tx) error) error { return l.st.Update(l.ctx, l.owner, fn) }

// update runs fn in an Update that must succeed.
func (l *ledger) update(fn func(tx store.Tx) error) { l.noError(l.tryUpdate(fn), "Update") }

// tryWrite runs calls in one Update and returns the error of the Update.
func (l *ledger) tryWrite(calls ...txCall) error {
	return l.tryUpdate(func(tx store.Tx) error { return l.runCalls(tx, calls...) })
}

// wantRejected runs a call in an Update of its own. The Update must return the error want.
func (l *ledger) wantRejected(c txCall, want error, action string, args ...any) {
	l.wantError(l.tryWrite(c), want, action, args...)
}

// rollBack runs calls in an Update whose function then fails.
func (l *ledger) rollBack(calls ...txCall) {
	l.wantError(l.tryUpdate(func(tx store.Tx) error {
		if err := l.runCalls(tx, calls...); err != nil {
			return err
		}
		return errOnPurpose
	}), errOnPurpose, "an Update whose function fails")
}

// write runs calls in one Update. Each must return the ledger's next version.
func (l *ledger) write(calls ...txCall) expense.Version {
	next := l.version + 1
	l.update(func(tx store.Tx) error {
		for _, c := range calls {
			version, err := c.run(l.ctx, tx)
			if err != nil {
				return err
			}
			equal(l.checkT, version, next, "the version that %s returned", c.method)
		}
		return nil
	})
	l.version = next
	return next
}

// putRecord stores an idempotency record.
func (l *ledger) putRecord(record store.IdempotencyRecord) {
	l.noError(l.tryWrite(callPutRecord(record)), "PutIdempotencyRecord")
}

// writeAny writes a row of a type that can be written in the stage. It fails if the Update does not get the ledger's
// next version.
func (l *ledger) writeAny() {
	if l.has(expensesStage) {
		l.put(l.anyExpense())
		return
	}
	l.settings.Version = l.write(callBy(store.Tx.PutSettings, l.settings))
}

// wantRecord reads the record with this key. The read must return the error want, or none if want is nil.
func (l *ledger) wantRecord(key store.IdempotencyKey, want error, subject string, args ...any) {
	l.update(func(tx store.Tx) error {
		_, err := tx.IdempotencyRecord(l.ctx, key)
		l.wantError(err, want, subject, args...)
		return nil
	})
}

// put writes expenses and returns them as the store must return them.
func (l *ledger) put(rows ...expense.Expense) []expense.Expense {
	l.write(call(store.Tx.PutExpenses, rows...))
	return l.applyPut(rows...)
}

// applyPut puts rows that were written with the ledger's version into the model.
func (l *ledger) applyPut(rows ...expense.Expense) []expense.Expense {
	stored := slices.Clone(rows)
	for i, e := range stored {
		old, found := l.rows[e.ID]
		e.Version, e.Guard = l.version, old.Guard
		if !found || !e.SameGuardedFields(old) {
			e.Guard = l.version
		}
		e.CreatedAt, e.UpdatedAt = expense.Timestamp(e.CreatedAt), expense.Timestamp(e.UpdatedAt)
		l.rows[e.ID], stored[i] = e, e
	}
	return stored
}

// applyMove moves the model's expenses of the category from into another one, at the ledger's version. Call it after a
// merge of these categories. It returns the number of moved expenses.
func (l *ledger) applyMove(from, into uuid.UUID) int {
	moved := 0
	for id, e := range l.rows {
		if e.CategoryID == from {
			e.CategoryID, e.Version = into, l.version
			l.rows[id] = e
			moved++
		}
	}
	return moved
}

// delete deletes expenses.
func (l *ledger) delete(ids ...uuid.UUID) {
	l.write(call(store.Tx.DeleteExpenses, ids...))
	for _, id := range ids {
		delete(l.rows, id)
	}
}

func (l *ledger) deleteCategory(id uuid.UUID) { l.write(callBy(store.Tx.DeleteCategory, id)) }
func (l *ledger) deleteBudget(id uuid.UUID)   { l.write(callBy(store.Tx.DeleteBudget, id)) }
func (l *ledger) deleteRule(id uuid.UUID)     { l.write(callBy(store.Tx.DeleteRule, id)) }

// addCategory creates a category.
func (l *ledger) addCategory(name string) expense.Category {
	return l.putCategories(newCategory(l.id(), name))[0]
}

// putCategories writes categories and returns them as the store must return them.
func (l *ledger) putCategories(categories ...expense.Category) []expense.Category {
	version := l.write(call(store.Tx.PutCategories, categories...))
	stored := slices.Clone(categories)
	for i := range stored {
		c := &stored[i]
		c.Version, c.CreatedAt, c.UpdatedAt = version, expense.Timestamp(c.CreatedAt), expense.Timestamp(c.UpdatedAt)
	}
	return stored
}

// putBudget writes a budget whose guarded fields have changed, and returns it as the store must return it.
func (l *ledger) putBudget(b budget.Budget) budget.Budget {
	b.Version = l.write(call(store.Tx.PutBudgets, b))
	b.Guard = b.Version
	return b
}

// putRule writes a rule whose guarded fields have changed, and returns it as the store must return it.
func (l *ledger) putRule(rule recurrence.Rule) recurrence.Rule {
	rule.Version = l.write(call(store.Tx.PutRules, rule))
	rule.Guard = rule.Version
	return rule
}

// merge merges a category in an Update of its own.
func (l *ledger) merge(from, into uuid.UUID, until string) expense.MergeResult {
	var merged expense.MergeResult
	l.update(func(tx store.Tx) (err error) {
		merged, err = tx.MergeCategory(l.ctx, from, into, month(until))
		return err
	})
	l.version++
	equal(l.checkT, merged.Version, l.version, "the version that MergeCategory returned")
	return merged
}

// wantExpense compares a stored expense.
func (l *ledger) wantExpense(want expense.Expense, subject string, args ...any) {
	equal(l.checkT, getBy(l.checkT, l.reader.Expense, want.ID), want, subject, args...)
}

// wantCategory compares a stored category.
func (l *ledger) wantCategory(want expense.Category, subject string) {
	equal(l.checkT, getBy(l.checkT, l.reader.Category, want.ID), want, "%s", subject)
}

// wantRule compares a stored rule.
func (l *ledger) wantRule(want recurrence.Rule, subject string, args ...any) {
	equal(l.checkT, getBy(l.checkT, l.reader.Rule, want.ID), want, subject, args...)
}

// wantBudget compares a stored budget.
func (l *ledger) wantBudget(want budget.Budget, subject string, args ...any) {
	equal(l.checkT, describe(getBy(l.checkT, l.reader.Budget, want.ID)), describe(want), subject, args...)
}

// wantKnown compares the ids that r knows, in any order.
func (t *checkT) wantKnown(r store.Reader, ids, want []uuid.UUID, subject string) {
	got, err := r.KnownExpenseIDs(t.ctx, ids...)
	t.noError(err, "KnownExpenseIDs")
	slices.SortFunc(got, compareIDs)
	equalLists(t, got, slices.SortedFunc(slices.Values(want), compareIDs), "KnownExpenseIDs of %s", subject)
}

// wantModel compares the expenses that r reads, and their totals, with the model, as far as the stage can read them.
func (l *ledger) wantModel(r store.Reader) {
	if !l.has(queriesStage) {
		for _, e := range l.rows {
			equal(l.checkT, getBy(l.checkT, r.Expense, e.ID), e, "Expense of a row that was written")
		}
		return
	}
	l.wantList(r, expense.Query{})
	if !l.has(totalsStage) {
		return
	}
	for _, step := range []expense.Granularity{expense.WholeRange, expense.ByMonth} {
		l.wantTotals(r, expense.TotalsQuery{Ranges: []expense.Range{{}}, Granularity: step})
	}
}

// wantList compares the expenses that r yields for query with the model.
func (l *ledger) wantList(r store.Reader, query expense.Query) {
	equalLists(l.checkT, l.expenses(r, query), l.expected(query), "Expenses(%+v)", query)
}

// wantTotals compares the totals that r returns for query with the model.
func (l *ledger) wantTotals(r store.Reader, query expense.TotalsQuery) {
	equalLists(l.checkT, getBy(l.checkT, r.Totals, query), l.expectedTotals(query), "Totals(%+v)", query)
}

func comparePositions(order expense.Sort, x, y expense.Position) int {
	result := cmp.Or(cmp.Compare(x.SortKey, y.SortKey), compareIDs(x.ID, y.ID))
	if order.Descending() {
		return -result
	}
	return result
}

// expected returns the model's expenses for query.
func (l *ledger) expected(query expense.Query) []expense.Expense {
	var list []expense.Expense
	for _, e := range l.rows {
		after := query.After.IsZero() || comparePositions(query.Sort, query.Sort.Position(e), query.After) > 0
		if after && query.Matches(e) {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(x, y expense.Expense) int {
		return comparePositions(query.Sort, query.Sort.Position(x), query.Sort.Position(y))
	})
	if query.Limit > 0 && len(list) > query.Limit {
		list = list[:query.Limit]
	}
	return list
}

// expectedTotals sums the model's expenses for query.
func (l *ledger) expectedTotals(query expense.TotalsQuery) []expense.Total {
	var totals []expense.Total
	for i, span := range query.Ranges {
		for _, e := range l.rows {
			if !span.Contains(e.Date) {
				continue
			}
			period, code := query.Granularity.Truncate(e.Date), e.Amount.Currency()
			at := slices.IndexFunc(totals, func(t expense.Total) bool {
				return t.Range == i && t.Period == period && t.CategoryID == e.CategoryID && t.Amount.Currency() == code
			})
			if at < 0 {
				at = len(totals)
				totals = append(totals, expense.Total{
					Range: i, Period: period, CategoryID: e.CategoryID, Amount: minorUnits(0, code), Pending: minorUnits(0, code),
					Home: minorUnits(0, l.settings.Home),
				})
			}
			total := &totals[at]
			total.Count++
			total.Amount = minorUnits(total.Amount.Minor()+e.Amount.Minor(), code)
			if e.Pending() {
				total.PendingCount++
				total.Pending = minorUnits(total.Pending.Minor()+e.Amount.Minor(), code)
			} else {
				total.Home = minorUnits(total.Home.Minor()+e.Home.Minor(), l.settings.Home)
			}
		}
	}
	slices.SortFunc(totals, func(x, y expense.Total) int {
		return cmp.Or(cmp.Compare(x.Range, y.Range), cmp.Compare(x.Period.Int(), y.Period.Int()),
			compareIDs(x.CategoryID, y.CategoryID), cmp.Compare(x.Amount.Currency().Code(), y.Amount.Currency().Code()))
	})
	return totals
}

// A fixture names the rows that populate has written.
type fixture struct {
	category                                                    expense.Category
	expense                                                     expense.Expense
	budget                                                      budget.Budget
	alert                                                       budget.Alert
	rule                                                        recurrence.Rule
	key                                                         store.IdempotencyKey
	deletedExpense, deletedCategory, deletedBudget, deletedRule uuid.UUID
}

// populate writes a row and a tombstone of each type that can be written in the stage, and an idempotency record. The
// fixture has no rows of the other types.
func (l *ledger) populate() fixture {
	var f fixture
	if l.has(categoriesStage) {
		f.category, f.deletedCategory = l.addCategory("Filled"), l.addCategory("Deleted").ID
		l.deleteCategory(f.deletedCategory)
	}
	if l.has(expensesStage) {
		rows := l.put(l.anyExpense(), l.newExpense("200", "JPY", "2025-01-02"), l.newExpense("3.00", "EUR", "2025-01-03"))
		f.expense, f.deletedExpense = rows[0], rows[2].ID
		l.delete(f.deletedExpense)
	}
	if l.has(rulesStage) {
		f.rule, f.deletedRule = l.putRule(l.newRule()), l.putRule(l.newRule()).ID
		l.deleteRule(f.deletedRule)
	}
	if l.has(budgetsStage) {
		f.budget = l.putBudget(l.newBudget(l.food, "2025-01"))
		f.deletedBudget = l.putBudget(l.newBudget(l.travel, "2025-01")).ID
		l.deleteBudget(f.deletedBudget)
		f.alert = l.putAlerts(l.newAlert(l.id(), "2025-01", epoch))[0]
	}
	if l.has(idempotencyStage) {
		record := newRecord("POST /v1/expenses", "populate")
		f.key = record.IdempotencyKey
		l.putRecord(record)
	}
	return f
}

// writeEveryKind returns calls that write and delete a row of each type that can be written in the stage, merge a
// category and store a record.
func (l *ledger) writeEveryKind(f fixture) []txCall {
	settings := l.settings
	settings.Locale = "fr"
	calls := []txCall{callBy(store.Tx.PutSettings, settings)}
	add := func(stage stage, more ...txCall) {
		if l.has(stage) {
			calls = append(calls, more...)
		}
	}
	fresh, edited := newCategory(l.id(), "Fresh"), f.expense
	edited.Notes = "edited"
	add(categoriesStage, call(store.Tx.PutCategories, fresh))
	add(expensesStage, call(store.Tx.PutExpenses, edited, l.newExpense("7.00", "EUR", "2025-01-07"),
		l.newExpense("8", "KWD", "2025-02-07")))
	add(rulesStage, call(store.Tx.PutRules, l.newRule()))
	if l.has(budgetsStage) {
		changed, read := f.budget, f.alert
		changed.Entries = []budget.Entry{{From: changed.Entries[0].From, Limit: minorUnits(1, l.settings.Home)}}
		read.ReadAt = epoch
		add(budgetsStage, call(store.Tx.PutBudgets, changed, l.newBudget(l.rent, "2025-05")), call(store.Tx.PutAlerts, read))
	}
	add(mergeStage, callMerge(l.food, l.travel, "2025-04"))
	add(expensesStage, call(store.Tx.DeleteExpenses, f.expense.ID))
	add(budgetsStage, callBy(store.Tx.DeleteBudget, f.budget.ID))
	add(rulesStage, callBy(store.Tx.DeleteRule, f.rule.ID))
	add(categoriesStage, callBy(store.Tx.DeleteCategory, fresh.ID))
	add(idempotencyStage, callPutRecord(newRecord("s", "undone")))
	return calls
}
