package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
)

// wantRolledBack checks that a failed Update left no row and took no version, name or key. rolledBack is the id of an
// expense that the Update wrote; a new expense must be able to use it.
func (l *ledger) wantRolledBack(before string, rolledBack uuid.UUID, action string) {
	l.wantUnchanged(before, l.reader, "%s", action)
	if l.has(idempotencyStage) {
		l.wantRecord(newRecord("s", "undone").IdempotencyKey, expense.ErrNotFound, "a record stored by %s", action)
	}
	if l.has(expensesStage) {
		l.put(withID(l.newExpense("1.23", "EUR", "2025-08-08"), rolledBack))
	} else {
		l.writeAny()
	}
}

// failingUpdate returns the function of an Update that writes the expense rolledBack and rows of every kind, and then
// calls fail.
func (l *ledger) failingUpdate(rolledBack expense.Expense, fail func() error) func(tx store.Tx) error {
	calls := l.writeEveryKind(l.populate())
	if l.has(expensesStage) {
		calls = append([]txCall{call(store.Tx.PutExpenses, rolledBack)}, calls...)
	}
	return func(tx store.Tx) error {
		if err := l.runCalls(tx, calls...); err != nil {
			return err
		}
		return fail()
	}
}

func checkRollback(t *checkT) {
	l := t.ledger("a")
	rolledBack := l.anyExpense()
	fn := l.failingUpdate(rolledBack, func() error { return fmt.Errorf("wrapped: %w", errOnPurpose) })
	before := t.dump(l.reader)
	t.wantError(l.tryUpdate(fn), errOnPurpose, "an Update whose function fails")
	l.wantRolledBack(before, rolledBack.ID, "an Update whose function failed")
}

func checkPanic(t *checkT) {
	l := t.ledger("a")
	rolledBack := l.anyExpense()
	fn := l.failingUpdate(rolledBack, func() error { panic(errOnPurpose) })
	before := t.dump(l.reader)
	func() {
		defer func() {
			if recover() == nil {
				t.errorf("Update did not pass on the panic of its function")
			}
		}()
		_ = l.tryUpdate(fn)
	}()
	l.wantRolledBack(before, rolledBack.ID, "an Update whose function panicked")
}

func checkCancelled(t *checkT) {
	l := t.ledger("a")
	l.populate()
	before := t.dump(l.reader)
	rolledBack := l.anyExpense()
	write := call(store.Tx.PutExpenses, rolledBack)
	err := t.st.Update(t.cancelled(), l.owner, func(tx store.Tx) error { return t.runCalls(tx, write) })
	t.wantError(err, errAny, "an Update with a cancelled context")
	_, err = t.st.CreateLedger(t.cancelled(), l.owner+"2", initialLedger(l.owner+"2"))
	t.wantError(err, errAny, "CreateLedger with a cancelled context")
	err = t.st.View(t.cancelled(), l.owner, func(r store.Reader) error { _, err := r.Settings(t.cancelled()); return err })
	t.wantError(err, errAny, "a View with a cancelled context")
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	err = t.st.Update(ctx, l.owner, func(tx store.Tx) error {
		if _, err := tx.PutExpenses(ctx, rolledBack, l.newExpense("5.00", "EUR", "2025-01-05")); err != nil {
			return err
		}
		cancel()
		_, err := tx.PutExpenses(ctx, l.newExpense("6.00", "EUR", "2025-01-06"))
		return err
	})
	t.wantError(err, errAny, "an Update whose context is cancelled while it runs")
	l.wantRolledBack(before, rolledBack.ID, "an Update whose context was cancelled")
	l.cancelAfterWrites()
}

// cancelAfterWrites cancels the context of an Update after its last write. The Update must commit all rows and return
// nil, or return an error. With an error, it may have committed all rows or none.
func (l *ledger) cancelAfterWrites() {
	ctx, cancel := context.WithCancel(l.ctx)
	defer cancel()
	rows := []expense.Expense{l.anyExpense(), l.anyExpense()}
	err := l.st.Update(ctx, l.owner, func(tx store.Tx) error {
		for _, row := range rows { // in two writes, which must not be separated
			if _, err := tx.PutExpenses(ctx, row); err != nil {
				return err
			}
		}
		cancel()
		return nil
	})
	written := 0
	for _, row := range rows {
		if _, readErr := l.reader.Expense(l.ctx, row.ID); readErr == nil {
			written++
		} else if !errors.Is(readErr, expense.ErrNotFound) {
			l.errorf("Expense after an Update whose context was cancelled: %v", readErr)
		}
	}
	if written == 1 || err == nil && written == 0 {
		l.errorf("an Update whose context was cancelled after its last write returned the error %v and wrote %d of 2 rows",
			err, written)
	}
}

func checkUnknownCategory(t *checkT) {
	l := t.ledger("a")
	f := l.populate()
	before := t.dump(l.reader)
	rolledBack, fresh, rule := l.anyExpense(), l.anyExpense(), l.newRule()
	for _, category := range []uuid.UUID{unknownID, f.deletedCategory} {
		moved := f.expense
		fresh.CategoryID, rule.CategoryID, moved.CategoryID = category, category, category
		writes := map[string]txCall{
			"PutExpenses of a new expense with an unknown category": call(store.Tx.PutExpenses, fresh),
			"PutExpenses that moves an expense to an unknown one":   call(store.Tx.PutExpenses, moved),
		}
		if t.has(rulesStage) {
			writes["PutRules of a new rule with an unknown category"] = call(store.Tx.PutRules, rule)
		}
		for action, bad := range writes {
			err := l.tryUpdate(func(tx store.Tx) error {
				if err := t.runCalls(tx, call(store.Tx.PutExpenses, rolledBack)); err != nil {
					return err
				}
				t.wantError(t.runCalls(tx, bad), errAny, "%s", action)
				return nil // the Update must fail although fn ignores the error
			})
			t.wantError(err, errAny, "an Update after %s", action)
			t.wantUnchanged(before, l.reader, "an Update after %s", action)
		}
	}
	twice := l.anyExpense()
	again := twice
	again.Notes = "again"
	l.wantRejected(call(store.Tx.PutExpenses, twice, again), errAny, "PutExpenses with the same id twice")
	l.wantRolledBack(before, rolledBack.ID, "an Update that had to fail")
}

// appendNote adds text to the notes of an expense in an Update. It calls locked while it holds the ledger's lock.
func (l *ledger) appendNote(id uuid.UUID, text string, locked func()) {
	defer l.recordPanic()
	err := l.tryUpdate(func(tx store.Tx) error {
		row, err := tx.Expense(l.ctx, id)
		if err != nil {
			return err
		}
		locked()
		row.Notes += text
		_, err = tx.PutExpenses(l.ctx, row)
		return err
	})
	if err != nil {
		l.errorf("concurrent Update that adds %s: %v", text, err)
	}
}

// overlap runs first and second concurrently. It starts second when first calls wait, and lets wait return 20 ms later.
func (t *checkT) overlap(first func(wait func()), second func()) {
	reached, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var running sync.WaitGroup
	running.Go(func() { first(func() { once.Do(func() { close(reached) }); <-release }) })
	<-reached
	running.Go(second)
	time.Sleep(20 * time.Millisecond) // a second Update that does not wait has time to interfere
	close(release)
	running.Wait()
}

func checkSerialized(t *checkT) {
	l := t.ledger("a")
	e := l.put(l.anyExpense())[0]
	t.overlap(func(wait func()) { l.appendNote(e.ID, "+first", wait) },
		func() { l.appendNote(e.ID, "+second", func() {}) })
	row := getBy(t, l.reader.Expense, e.ID)
	want := e.Notes + "+first+second"
	if row.Notes == e.Notes+"+second+first" {
		want = row.Notes // the first ran again after the second: an Update may run fn more than once
	}
	equal(t, row.Notes, want, "the notes after two concurrent Updates")
	equal(t, row.Version, e.Version+2, "the version after two concurrent Updates")
}

func checkReadsOwnWrites(t *checkT) {
	l := t.ledger("a")
	l.populate()
	category := newCategory(l.id(), "Fresh")
	category.Icon, category.Colour = "leaf", "#00ff00"
	added, pending := l.newExpense("7.00", "EUR", "2025-01-07"), l.newExpense("8", "KWD", "2025-02-07")
	added.CategoryID = category.ID
	rule, b, settings := l.newRule(), l.newBudget(category.ID, "2025-05"), l.settings
	rule.CategoryID, settings.DefaultCategory, settings.FiscalYearStart = category.ID, category.ID, time.July
	start := maps.Clone(l.rows)
	l.update(func(tx store.Tx) error {
		l.rows = maps.Clone(start)
		category := category // fn may run more than once
		next := l.version + 1
		write := func(version expense.Version, err error) {
			t.noError(err, "a write")
			equal(t, version, next, "the version that a write returned")
		}
		write(tx.PutCategories(t.ctx, category))
		category.Version = next
		equal(t, getBy(t, tx.Category, category.ID), category, "Category after PutCategories in the same Update")
		equal(t, getBy(t, tx.CategoryByName, "FRESH"), category, "CategoryByName after PutCategories in the same Update")
		write(tx.PutSettings(t.ctx, settings))
		equal(t, get(t, tx.Settings).FiscalYearStart, time.July, "Settings after PutSettings in the same Update")

		write(tx.PutExpenses(t.ctx, added, pending))
		for _, e := range []expense.Expense{added, pending} {
			e.Version, e.Guard = next, next
			l.rows[e.ID] = e
		}
		l.wantModel(tx)
		known := []uuid.UUID{pending.ID}
		t.wantKnown(tx, known, known, "an expense written in the same Update")

		// A second write of a row compares with the version that the first returned.
		row := withEuros(getBy(t, tx.Expense, added.ID), "7.50")
		write(tx.PutExpenses(t.ctx, row))
		l.rows[row.ID] = row
		l.wantModel(tx)
		write(tx.DeleteExpenses(t.ctx, pending.ID))
		delete(l.rows, pending.ID)
		l.wantModel(tx)
		wantErrorBy(t, tx.Expense, pending.ID, expense.ErrGone, "an expense deleted in the same Update")
		t.wantKnown(tx, known, known, "an expense deleted in the same Update")
		if t.has(rulesStage) {
			t.readOwnRule(tx, rule, next)
		}
		if t.has(budgetsStage) {
			t.readOwnBudget(tx, b, next)
		}
		return nil
	})
	l.version++
	l.wantModel(l.reader)
	l.put(l.anyExpense())
}

// readOwnRule writes, reads and deletes a rule in one Update, whose version is next.
func (t *checkT) readOwnRule(tx store.Tx, rule recurrence.Rule, next expense.Version) {
	t.noError(t.runCalls(tx, call(store.Tx.PutRules, rule)), "PutRules")
	rule.Version, rule.Guard = next, next
	equal(t, getBy(t, tx.Rule, rule.ID), rule, "Rule after PutRules in the same Update")
	t.noError(t.runCalls(tx, callBy(store.Tx.DeleteRule, rule.ID)), "DeleteRule")
	wantErrorBy(t, tx.Rule, rule.ID, expense.ErrGone, "a rule deleted in the same Update")
}

// readOwnBudget writes, reads and deletes a budget in one Update, whose version is next. The ledger must have another
// budget.
func (t *checkT) readOwnBudget(tx store.Tx, b budget.Budget, next expense.Version) {
	t.noError(t.runCalls(tx, call(store.Tx.PutBudgets, b)), "PutBudgets")
	b.Version, b.Guard = next, next
	equal(t, describe(getBy(t, tx.Budget, b.ID)), describe(b), "Budget after PutBudgets in the same Update")
	equal(t, len(get(t, tx.BudgetSnapshot).Budgets), 2, "the number of budgets after PutBudgets in the same Update")
	t.noError(t.runCalls(tx, callBy(store.Tx.DeleteBudget, b.ID)), "DeleteBudget")
	wantErrorBy(t, tx.Budget, b.ID, expense.ErrGone, "a budget deleted in the same Update")
}

func checkVersions(t *checkT) {
	l := t.ledger("a")
	e := l.put(l.anyExpense())[0]
	equal(t, e.Version, 2, "the version of the first write after version 1")
	takesNoVersion := func(action string, fn func(tx store.Tx) error) {
		l.update(fn)
		e.Notes += "."
		version := l.version
		e = l.put(e)[0] // fails if it does not get the next version
		equal(t, getBy(t, l.reader.Expense, e.ID).Version, version+1, "the version of a row written after %s", action)
	}
	takesNoVersion("an Update without calls", func(store.Tx) error { return nil })
	takesNoVersion("an Update that only read", func(tx store.Tx) error { t.dump(tx); return nil })
	takesNoVersion("writes without rows", func(tx store.Tx) error {
		calls := []txCall{call(store.Tx.PutExpenses), call(store.Tx.DeleteExpenses), call(store.Tx.PutCategories)}
		if t.has(rulesStage) {
			calls = append(calls, call(store.Tx.PutRules))
		}
		if t.has(budgetsStage) {
			calls = append(calls, call(store.Tx.PutBudgets), call(store.Tx.PutAlerts))
		}
		return t.runCalls(tx, calls...)
	})
	if t.has(idempotencyStage) {
		takesNoVersion("an Update that only stored a record", func(tx store.Tx) error {
			return tx.PutIdempotencyRecord(t.ctx, newRecord("s", "k"))
		})
	}
	takesNoVersion("rejected writes", func(tx store.Tx) error {
		t.wantError(t.runCalls(tx, call(store.Tx.PutExpenses, withID(l.anyExpense(), e.ID))), expense.ErrExists,
			"PutExpenses of a new expense with the id of another")
		t.wantError(t.runCalls(tx, callBy(store.Tx.DeleteCategory, unknownID)), expense.ErrNotFound,
			"DeleteCategory of an unknown category")
		return nil
	})
	version := l.version
	l.rollBack(call(store.Tx.PutExpenses, e))
	e = l.put(e)[0]
	equal(t, e.Version, version+1, "the version after an Update whose function failed")

	// One Update takes one version for all its writes, which write checks.
	l.write(append([]txCall{
		call(store.Tx.PutExpenses, l.anyExpense(), l.anyExpense()), call(store.Tx.PutExpenses, l.anyExpense()),
	}, l.writeEveryType(e)...)...)
	equal(t, get(t, l.reader.Settings).Version, l.version, "the version of the settings")
	l.put(l.anyExpense())
}

// writeEveryType returns calls that delete e, and write a row of each type that can be written in the stage.
func (l *ledger) writeEveryType(e expense.Expense) []txCall {
	calls := []txCall{
		call(store.Tx.DeleteExpenses, e.ID), callBy(store.Tx.PutSettings, l.settings),
		call(store.Tx.PutCategories, newCategory(l.id(), "Another")),
	}
	if l.has(rulesStage) {
		calls = append(calls, call(store.Tx.PutRules, l.newRule()))
	}
	if l.has(budgetsStage) {
		calls = append(calls, call(store.Tx.PutBudgets, l.newBudget(l.rent, "2025-01")),
			call(store.Tx.PutAlerts, l.newAlert(l.id(), "2025-01", epoch)))
	}
	return calls
}

func checkVersionsConcurrently(t *checkT) {
	l := t.ledger("a")
	counter := l.put(l.anyExpense())[0]
	const writers, rounds = 8, 6
	var mu sync.Mutex
	var versions []expense.Version
	t.concurrently(writers, func(int) {
		for range rounds {
			var version expense.Version
			err := l.tryUpdate(func(tx store.Tx) error {
				row, err := tx.Expense(t.ctx, counter.ID)
				if err != nil {
					return err
				}
				last := row.Version
				row.Amount = minorUnits(row.Amount.Minor()+1, row.Amount.Currency())
				row.Home = row.Amount
				if version, err = tx.PutExpenses(t.ctx, row); err != nil {
					return err
				}
				if version != last+1 {
					return fmt.Errorf("version %d follows %d", version, last)
				}
				return nil
			})
			if err != nil {
				t.errorf("concurrent Update: %v", err)
				return
			}
			row, err := l.reader.Expense(t.ctx, counter.ID)
			if err != nil || row.Version < version {
				t.errorf("after an Update with version %d, Expense returned version %d, error %v", version, row.Version, err)
			}
			mu.Lock()
			versions = append(versions, version)
			mu.Unlock()
		}
	})
	slices.Sort(versions)
	var want []expense.Version
	for i := range writers * rounds {
		want = append(want, l.version+1+expense.Version(i))
	}
	equalLists(t, versions, want, "the versions of concurrent Updates")
	row := getBy(t, l.reader.Expense, counter.ID)
	equal(t, row.Amount.Minor(), counter.Amount.Minor()+writers*rounds,
		"a counter that concurrent Updates increased (an update was lost if it is less)")
	l.rows[row.ID] = row
	l.wantModel(l.reader)
}

func checkReader(t *checkT) {
	l := t.ledger("a")
	e := l.put(l.anyExpense())[0]
	l.wantExpense(e, "an expense read by an older Reader")
	before := t.dump(l.reader)
	changed := e
	changed.Notes = "not committed"
	l.rollBack(call(store.Tx.PutExpenses, changed))
	t.wantUnchanged(before, l.reader, "an Update that was rolled back")
	l.delete(e.ID)
	wantErrorBy(t, l.reader.Expense, e.ID, expense.ErrGone, "a deleted expense, read by an older Reader")
}

func checkView(t *checkT) {
	l := t.ledger("a")
	f := l.populate()
	var before, after string
	err := t.st.View(t.ctx, l.owner, func(r store.Reader) error {
		before = t.dump(r)
		l.update(func(tx store.Tx) error { return t.runCalls(tx, l.writeEveryKind(f)...) })
		after = t.dump(l.reader)
		t.wantUnchanged(before, r, "an Update during a View")
		if t.has(expensesStage) {
			equal(t, getBy(t, r.Expense, f.expense.ID), f.expense, "an expense in a View, deleted during the View")
			known := []uuid.UUID{f.expense.ID}
			t.wantKnown(r, known, known, "an expense deleted during the View")
		}
		return errOnPurpose
	})
	t.wantError(err, errOnPurpose, "a View whose function fails")
	if before == after {
		t.errorf("an Update during a View changed nothing")
	}
	t.view(l.owner, func(r store.Reader) { t.wantUnchanged(after, r, "a new View") })
}

// checkViewLargeUpdate commits an Update of about 4 MiB while a View is open. A store over a memory-mapped file fails
// if it must map the file again to let it grow, and waits for open Views to do so.
func checkViewLargeUpdate(t *checkT) {
	l := t.ledger("a")
	first := l.put(l.anyExpense())[0]
	rows := make([]expense.Expense, 525)
	for i := range rows {
		rows[i] = l.anyExpense()
		rows[i].Notes = strings.Repeat("🍕", expense.MaxNotesLength)
	}
	committed := make(chan error, 1)
	t.view(l.owner, func(r store.Reader) {
		equalLists(t, t.expenses(r, expense.Query{}), []expense.Expense{first}, "Expenses in a View before an Update")
		go func() {
			defer close(committed)
			defer t.recordPanic()
			committed <- l.tryWrite(call(store.Tx.PutExpenses, rows...))
		}()
		select {
		case err := <-committed:
			t.noError(err, "an Update of several megabytes during a View")
		case <-t.ctx.Done():
			t.fatalf("an Update of several megabytes did not commit while a View was open, only after the View had ended")
		}
		equalLists(t, t.expenses(r, expense.Query{}), []expense.Expense{first}, "Expenses in a View after an Update")
	})
	equal(t, len(t.expenses(l.reader, expense.Query{})), len(rows)+1, "the number of Expenses after the Update")
}

func checkViewConcurrently(t *checkT) {
	l := t.ledger("a")
	e := l.put(l.anyExpense())[0]
	ctx, cancel := context.WithCancel(t.ctx)
	var running sync.WaitGroup
	running.Go(func() {
		defer t.recordPanic()
		for i := 0; ctx.Err() == nil; i++ {
			fresh := withID(e, uuid.NewSHA1(idSpace, fmt.Appendf(nil, "%s/%d", l.owner, i)))
			fresh.Version, fresh.Date = 0, e.Date.AddDays(i%50)
			if err := l.tryWrite(call(store.Tx.PutExpenses, fresh)); err != nil {
				t.errorf("an Update during Views: %v", err)
				return
			}
		}
	})
	defer running.Wait()
	defer cancel()
	query := expense.TotalsQuery{Ranges: []expense.Range{{}, {From: e.Date, To: e.Date.AddDays(40)}}}
	for range 12 {
		t.view(l.owner, func(r store.Reader) {
			totals := getBy(t, r.Totals, query)
			l.rows = make(map[uuid.UUID]expense.Expense)
			for _, row := range t.expenses(r, expense.Query{}) {
				l.rows[row.ID] = row
			}
			equalLists(t, totals, l.expectedTotals(query), "Totals and the sums of Expenses in one View during Updates")
		})
	}
}
