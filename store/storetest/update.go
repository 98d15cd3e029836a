package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

const (
	sayUpdate = "store.Store.Update: Update runs fn in one transaction that holds owner's ledger alone: all of it happens " +
		"or nothing does."
	sayUndo     = "store.Store.Update: An error from fn undoes everything and is returned."
	sayVersions = "store.Store.Update: Versions are dense and rise in commit order: every row written carries the " +
		"ledger's last version and one more; an Update that writes no row of the ledger takes none."
	sayReader   = "store.Store.Reader: Reader reads owner's ledger; each call sees what is committed at that time."
	sayView     = "store.Store.View: View runs fn over one consistent snapshot of owner's ledger."
	sayNoBlock  = "store.Store.View: It blocks no writer."
	sayReads    = "expense.Tx: Reads see what was written before them in the same Update."
	sayReturned = "expense.Tx: The returned Version is the Update's: what the rows now carry."
	sayDoomed   = "expense.Tx.PutExpenses: No id may come twice in one call; a reference to a category that the ledger " +
		"does not hold is an error that dooms the Update."
	sayRuleDoomed = "recurrence.Tx.PutRules: PutRules writes rules; a reference to a category that the ledger does not " +
		"hold is an error that dooms the Update."
)

var errOnPurpose = errors.New("failed on purpose")

func isGone(err error) bool { return errors.Is(err, expense.ErrGone) }

func updateChecks() []check {
	return []check{
		{name: "update-undoes", guards: []string{sayUpdate, sayUndo}, run: checkUndo},
		{name: "update-undoes-panic", guards: []string{sayUpdate}, run: checkPanic},
		{name: "update-cancelled", guards: []string{sayUpdate}, run: checkCancelled},
		{name: "update-doomed", guards: []string{sayDoomed, sayRuleDoomed, sayUpdate}, run: checkDoomed},
		{name: "update-alone", guards: []string{sayUpdate, saySafe}, run: checkAlone},
		{name: "update-reads-own-writes", guards: []string{sayReads,
			"store.Tx: Tx reads and writes one owner's ledger inside Update."}, run: checkOwnWrites},
		{name: "versions", guards: []string{sayVersions, sayReturned}, run: checkVersions},
		{name: "versions-at-once", guards: []string{sayVersions, sayUpdate, saySafe}, run: checkVersionsAtOnce},
		{name: "reader-sees-committed", guards: []string{sayReader, "store.Reader: Reader reads one owner's ledger."},
			run: checkReader},
		{name: "view-snapshot", guards: []string{sayView, sayNoBlock}, run: checkView},
		{name: "view-beside-writers", guards: []string{sayView, sayTotalsEqual, saySafe}, run: checkViewBesideWriters},
	}
}

// everything writes a row of each kind, deletes one of each, merges, and keeps an answer.
func (b *book) everything(tx store.Tx, f filled) error {
	settings := b.settings
	settings.Locale = "fr"
	edited := f.expense
	edited.Notes = "edited"
	series := f.budget
	series.Entries = slices.Clone(series.Entries)
	series.Entries[0].Limit = minor(1, b.settings.Home)
	fresh := expense.Category{ID: b.id(), Name: "Fresh", CreatedAt: epoch, UpdatedAt: epoch}
	for _, step := range []func() (expense.Version, error){
		func() (expense.Version, error) { return tx.PutSettings(b.ctx, settings) },
		func() (expense.Version, error) { return tx.PutCategories(b.ctx, fresh) },
		func() (expense.Version, error) {
			return tx.PutExpenses(b.ctx, edited, b.expense("7.00", "EUR", "2025-01-07"), b.expense("8", "KWD", "2025-02-07"))
		},
		func() (expense.Version, error) { return tx.PutBudgets(b.ctx, series, b.series(b.rent, "2025-05")) },
		func() (expense.Version, error) { return tx.PutRules(b.ctx, b.rule()) },
		func() (expense.Version, error) {
			merged, err := tx.MergeCategory(b.ctx, b.food, b.travel, expense.MustMonth("2025-04"))
			return merged.Version, err
		},
		func() (expense.Version, error) { return tx.DeleteExpenses(b.ctx, f.expense.ID) },
		func() (expense.Version, error) { return tx.DeleteBudget(b.ctx, f.budget.ID) },
		func() (expense.Version, error) { return tx.DeleteRule(b.ctx, f.rule.ID) },
		func() (expense.Version, error) { return tx.DeleteCategory(b.ctx, fresh.ID) },
		func() (expense.Version, error) {
			return 0, tx.PutIdempotencyRecord(b.ctx, store.IdempotencyRecord{IdempotencyKey: store.IdempotencyKey{Scope: "s", Key: "undone"},
				Fingerprint: []byte{1}, CreatedAt: epoch})
		},
	} {
		if _, err := step(); err != nil {
			return err
		}
	}
	return nil
}

// untouched holds the ledger against what it was, and shows that no version, id, name or key was used up.
func (b *book) untouched(before string, used uuid.UUID, doing string) {
	b.unchanged(before, b.dump(b.reader), "%s", doing)
	b.update(func(tx store.Tx) error {
		_, err := tx.IdempotencyRecord(b.ctx, store.IdempotencyKey{Scope: "s", Key: "undone"})
		b.fails(err, expense.ErrNotFound, "an answer kept by %s", doing)
		return nil
	})
	e := b.expense("1.23", "EUR", "2025-08-08")
	e.ID = used
	b.put(e)
}

func checkUndo(p *probe) {
	b := p.book("a")
	f := b.fill()
	before := p.dump(b.reader)
	used := b.expense("4.00", "EUR", "2025-01-04")
	err := p.st.Update(p.ctx, b.owner, func(tx store.Tx) error {
		if _, err := tx.PutExpenses(p.ctx, used); err != nil {
			return err
		}
		if err := b.everything(tx, f); err != nil {
			return err
		}
		return fmt.Errorf("wrapped: %w", errOnPurpose)
	})
	p.fails(err, errOnPurpose, "an Update whose function fails")
	b.untouched(before, used.ID, "an Update that failed")
}

func checkPanic(p *probe) {
	b := p.book("a")
	f := b.fill()
	before := p.dump(b.reader)
	used := b.expense("4.00", "EUR", "2025-01-04")
	func() {
		defer func() {
			if recover() == nil {
				p.note("a panic in Update did not come through")
			}
		}()
		_ = p.st.Update(p.ctx, b.owner, func(tx store.Tx) error {
			if _, err := tx.PutExpenses(p.ctx, used); err != nil {
				return err
			}
			if err := b.everything(tx, f); err != nil {
				return err
			}
			panic(errOnPurpose)
		})
	}()
	b.untouched(before, used.ID, "an Update that panicked")
}

func checkCancelled(p *probe) {
	b := p.book("a")
	b.fill()
	before := p.dump(b.reader)
	used := b.expense("4.00", "EUR", "2025-01-04")
	if p.st.Update(p.cancelled(), b.owner, func(tx store.Tx) error {
		_,
			err := tx.PutExpenses(p.ctx, used)
		return err
	}) == nil {
		p.note("an Update under a cancelled context succeeded")
	}
	if _, err := p.st.CreateLedger(p.cancelled(), b.owner+"2", starter(b.owner+"2")); err == nil {
		p.note("CreateLedger under a cancelled context succeeded")
	}
	if p.st.View(p.cancelled(), b.owner, func(r store.Reader) error {
		_,
			err := r.Settings(p.cancelled())
		return err
	}) == nil {
		p.note("a View under a cancelled context succeeded")
	}
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	err := p.st.Update(ctx, b.owner, func(tx store.Tx) error {
		if _, err := tx.PutExpenses(ctx, used, b.expense("5.00", "EUR", "2025-01-05")); err != nil {
			return err
		}
		cancel()
		_, err := tx.PutExpenses(ctx, b.expense("6.00", "EUR", "2025-01-06"))
		return err
	})
	if err == nil {
		p.note("an Update whose context ended midway succeeded")
	}
	b.untouched(before, used.ID, "an Update whose context ended")
}

func checkDoomed(p *probe) {
	b := p.book("a")
	f := b.fill()
	before := p.dump(b.reader)
	nowhere := uuid.NewSHA1(idSpace, []byte("nowhere"))
	used := b.expense("4.00", "EUR", "2025-01-04")
	astray := b.expense("5.00", "EUR", "2025-01-05")
	strayRule := b.rule()
	twice := b.expense("6.00", "EUR", "2025-01-06")
	for _, category := range []uuid.UUID{nowhere, f.deletedCategory} {
		astray.CategoryID, strayRule.CategoryID = category, category
		moved := f.expense
		moved.CategoryID = category
		for name, bad := range map[string]func(tx store.Tx) (expense.Version, error){
			"a new expense of an unknown category": func(tx store.Tx) (expense.Version, error) {
				return tx.PutExpenses(p.ctx, astray)
			},
			"moving an expense to an unknown category": func(tx store.Tx) (expense.Version, error) {
				return tx.PutExpenses(p.ctx, moved)
			},
			"a new rule of an unknown category": func(tx store.Tx) (expense.Version, error) {
				return tx.PutRules(p.ctx, strayRule)
			},
		} {
			err := p.st.Update(p.ctx, b.owner, func(tx store.Tx) error {
				if _, err := tx.PutExpenses(p.ctx, used); err != nil {
					return err
				}
				if _, err := bad(tx); err == nil {
					p.note("%s was written", name)
				}
				return nil // the error is lost on purpose
			})
			if err == nil {
				p.note("an Update went through although %s had doomed it", name)
			}
			p.unchanged(before, p.dump(b.reader), "an Update doomed by %s", name)
		}
	}
	err := p.st.Update(p.ctx, b.owner, func(tx store.Tx) error {
		other := twice
		other.Notes = "again"
		_, err := tx.PutExpenses(p.ctx, twice, other)
		return err
	})
	if err == nil {
		p.note("an id that came twice in one call was written")
	}
	b.untouched(before, used.ID, "an Update that was doomed")
}

func checkAlone(p *probe) {
	b := p.book("a")
	e := b.put(b.expense("1.00", "EUR", "2025-01-01"))[0]
	held, release := make(chan struct{}), make(chan struct{})
	var hold sync.Once
	var running sync.WaitGroup
	running.Go(func() {
		defer p.notePanic()
		err := p.st.Update(p.ctx, b.owner, func(tx store.Tx) error {
			row, err := tx.Expense(p.ctx, e.ID)
			if err != nil {
				return err
			}
			hold.Do(func() { close(held) })
			<-release
			row.Notes += "+first"
			_, err = tx.PutExpenses(p.ctx, row)
			return err
		})
		if err != nil {
			p.note("the first of two Updates at once: %v", err)
		}
	})
	<-held
	running.Go(func() {
		defer p.notePanic()
		err := p.st.Update(p.ctx, b.owner, func(tx store.Tx) error {
			row, err := tx.Expense(p.ctx, e.ID)
			if err != nil {
				return err
			}
			row.Notes += "+second"
			_, err = tx.PutExpenses(p.ctx, row)
			return err
		})
		if err != nil {
			p.note("the second of two Updates at once: %v", err)
		}
	})
	// A second one that does not wait gets time to do harm; one that waits passes at any speed.
	time.Sleep(20 * time.Millisecond)
	close(release)
	running.Wait()
	row, err := b.reader.Expense(p.ctx, e.ID)
	p.must(err, "Expense")
	want := e.Notes + "+first+second"
	if row.Notes == e.Notes+"+second+first" {
		want = row.Notes // the first ran again after the second: an Update may run fn more than once
	}
	same(p, row.Notes, want, "what two Updates at once made of one row")
	same(p, row.Version, e.Version+2, "the version after two Updates at once")
}

func checkOwnWrites(p *probe) {
	b := p.book("a")
	b.fill()
	fresh := expense.Category{ID: b.id(), Name: "Fresh", Icon: "leaf", Colour: "#00ff00", CreatedAt: epoch, UpdatedAt: epoch}
	added, pending := b.expense("7.00", "EUR", "2025-01-07"), b.expense("8", "KWD", "2025-02-07")
	added.CategoryID = fresh.ID
	series, rule, settings := b.series(fresh.ID, "2025-05"), b.rule(), b.settings
	rule.CategoryID, settings.DefaultCategory, settings.FiscalYearStart = fresh.ID, fresh.ID, time.July
	start := maps.Clone(b.rows)
	b.update(func(tx store.Tx) error {
		b.rows = maps.Clone(start)
		fresh, series, rule := fresh, series, rule // each run begins with the same
		wrote := func(version expense.Version, err error) {
			p.must(err, "a write")
			same(p, version, b.version+1, "the version that a write of one Update returns")
		}
		wrote(tx.PutCategories(p.ctx, fresh))
		fresh.Version = b.version + 1
		category, err := tx.Category(p.ctx, fresh.ID)
		p.must(err, "Category")
		same(p, category, fresh, "a category just written")
		category, err = tx.CategoryByName(p.ctx, "FRESH")
		p.must(err, "CategoryByName")
		same(p, category, fresh, "a category just written, by name")
		wrote(tx.PutSettings(p.ctx, settings))
		read, err := tx.Settings(p.ctx)
		p.must(err, "Settings")
		same(p, read.FiscalYearStart, time.July, "settings just written")

		wrote(tx.PutExpenses(p.ctx, added, pending))
		for _, e := range []expense.Expense{added, pending} {
			e.Version, e.Guard = b.version+1, b.version+1
			b.rows[e.ID] = e
		}
		b.verify(tx)
		known, err := tx.KnownExpenseIDs(p.ctx, pending.ID)
		p.must(err, "KnownExpenses")
		sameList(p, known, []uuid.UUID{pending.ID}, "known expenses just written")

		wrote(tx.PutBudgets(p.ctx, series))
		series.Version, series.Guard = b.version+1, b.version+1
		got, err := tx.Budget(p.ctx, series.ID)
		p.must(err, "Budget")
		same(p, describeBudget(got), describeBudget(series), "a budget just written")
		book, err := tx.BudgetSnapshot(p.ctx)
		p.must(err, "Book")
		same(p, len(book.Budgets), 2, "budgets in a book, one just written")
		wrote(tx.PutRules(p.ctx, rule))
		rule.Version, rule.Guard = b.version+1, b.version+1
		gotRule, err := tx.Rule(p.ctx, rule.ID)
		p.must(err, "Rule")
		same(p, gotRule, rule, "a rule just written")

		// The version that was returned is the one to name for a second change.
		row, err := tx.Expense(p.ctx, added.ID)
		p.must(err, "Expense")
		row.Amount, row.Home = expense.MustMoney("7.50", "EUR"), expense.MustMoney("7.50", "EUR")
		wrote(tx.PutExpenses(p.ctx, row))
		b.rows[row.ID] = row
		b.verify(tx)
		wrote(tx.DeleteExpenses(p.ctx, pending.ID))
		delete(b.rows, pending.ID)
		b.verify(tx)
		_, err = tx.Expense(p.ctx, pending.ID)
		p.fails(err, expense.ErrGone, "an expense just deleted")
		known, err = tx.KnownExpenseIDs(p.ctx, pending.ID)
		p.must(err, "KnownExpenses")
		sameList(p, known, []uuid.UUID{pending.ID}, "known expenses just deleted")
		wrote(tx.DeleteBudget(p.ctx, series.ID))
		_, err = tx.Budget(p.ctx, series.ID)
		p.fails(err, expense.ErrGone, "a budget just deleted")
		wrote(tx.DeleteRule(p.ctx, rule.ID))
		_, err = tx.Rule(p.ctx, rule.ID)
		p.fails(err, expense.ErrGone, "a rule just deleted")
		return nil
	})
	b.version++
	b.verify(b.reader)
	b.put(b.expense("1.00", "EUR", "2025-01-01"))
}

func checkVersions(p *probe) {
	b := p.book("a")
	e := b.put(b.expense("1.00", "EUR", "2025-01-01"))[0]
	same(p, e.Version, 2, "the version of the first write after version 1")
	none := func(doing string, fn func(tx store.Tx) error) {
		b.update(fn)
		e.Notes += "."
		version := b.version
		e = b.put(e)[0] // notes a version that is not the next
		read, err := b.reader.Expense(p.ctx, e.ID)
		p.must(err, "Expense")
		same(p, read.Version, version+1, "the version a row carries after %s", doing)
	}
	none("an Update that did nothing", func(store.Tx) error { return nil })
	none("an Update that only read", func(tx store.Tx) error { p.dump(tx); return nil })
	none("writes of no row", func(tx store.Tx) error {
		if _, err := tx.PutExpenses(p.ctx); err != nil {
			return err
		}
		if _, err := tx.DeleteExpenses(p.ctx); err != nil {
			return err
		}
		if _, err := tx.PutCategories(p.ctx); err != nil {
			return err
		}
		if _, err := tx.PutBudgets(p.ctx); err != nil {
			return err
		}
		_, err := tx.PutRules(p.ctx)
		return err
	})
	none("an Update that kept an answer alone", func(tx store.Tx) error {
		return tx.PutIdempotencyRecord(p.ctx, store.IdempotencyRecord{IdempotencyKey: store.IdempotencyKey{Scope: "s", Key: "k"}, Fingerprint: []byte{1},
			CreatedAt: epoch})
	})
	none("a write that was refused", func(tx store.Tx) error {
		fresh := b.expense("1.00", "EUR", "2025-01-01")
		fresh.ID = e.ID
		_, err := tx.PutExpenses(p.ctx, fresh)
		p.fails(err, expense.ErrExists, "an expense with an id that is taken")
		_, err = tx.DeleteRule(p.ctx, uuid.Max)
		p.fails(err, expense.ErrNotFound, "deleting what is not there")
		return nil
	})
	version := b.version
	p.fails(p.st.Update(p.ctx, b.owner, func(tx store.Tx) error {
		row := e
		if _, err := tx.PutExpenses(p.ctx, row); err != nil {
			return err
		}
		return errOnPurpose
	}), errOnPurpose, "an Update that fails")
	e = b.put(e)[0]
	same(p, e.Version, version+1, "the version after an Update that failed")

	// One Update takes one version, however many rows and kinds it writes.
	var versions []expense.Version
	b.update(func(tx store.Tx) error {
		versions = nil
		for _, write := range []func() (expense.Version, error){
			func() (expense.Version, error) {
				return tx.PutExpenses(p.ctx, b.expense("1", "EUR", "2025-01-01"), b.expense("2", "EUR", "2025-01-01"))
			},
			func() (expense.Version, error) { return tx.PutExpenses(p.ctx, b.expense("3", "EUR", "2025-01-01")) },
			func() (expense.Version, error) { return tx.PutRules(p.ctx, b.rule()) },
			func() (expense.Version, error) { return tx.DeleteExpenses(p.ctx, e.ID) },
			func() (expense.Version, error) { return tx.PutSettings(p.ctx, b.settings) },
		} {
			version, err := write()
			if err != nil {
				return err
			}
			versions = append(versions, version)
		}
		return nil
	})
	sameList(p, versions, slices.Repeat([]expense.Version{b.version + 1}, 5),
		"versions that the writes of one Update returned")
	b.version++
	settings, err := b.reader.Settings(p.ctx)
	p.must(err, "Settings")
	same(p, settings.Version, b.version, "the version that settings carry")
	b.put(b.expense("1.00", "EUR", "2025-01-01"))
}

func checkVersionsAtOnce(p *probe) {
	b := p.book("a")
	counter := b.put(b.expense("1.00", "EUR", "2025-01-01"))[0]
	const writers, rounds = 8, 6
	var mu sync.Mutex
	var versions []expense.Version
	p.together(writers, func(i int) {
		for range rounds {
			var version expense.Version
			err := p.st.Update(p.ctx, b.owner, func(tx store.Tx) error {
				row, err := tx.Expense(p.ctx, counter.ID)
				if err != nil {
					return err
				}
				last := row.Version
				row.Amount = minor(row.Amount.Minor()+1, row.Amount.Currency())
				row.Home = row.Amount
				if version, err = tx.PutExpenses(p.ctx, row); err != nil {
					return err
				}
				if version != last+1 {
					return fmt.Errorf("version %d follows %d", version, last)
				}
				return nil
			})
			if err != nil {
				p.note("writer %d of %d at once: %v", i, writers, err)
				return
			}
			row, err := b.reader.Expense(p.ctx, counter.ID)
			if err != nil || row.Version < version {
				p.note("after an Update that took version %d a Reader sees version %d, error %v", version, row.Version, err)
			}
			mu.Lock()
			versions = append(versions, version)
			mu.Unlock()
		}
	})
	slices.Sort(versions)
	var want []expense.Version
	for i := range writers * rounds {
		want = append(want, b.version+1+expense.Version(i))
	}
	sameList(p, versions, want, "versions that %d writers took", writers)
	row, err := b.reader.Expense(p.ctx, counter.ID)
	p.must(err, "Expense")
	same(p, row.Amount.Minor(), counter.Amount.Minor()+writers*rounds,
		"a counter that %d writers raised; less is a lost update", writers)
	b.rows[row.ID] = row
	b.verify(b.reader)
}

func checkReader(p *probe) {
	b := p.book("a")
	r := p.st.Reader(b.owner)
	e := b.put(b.expense("1.00", "EUR", "2025-01-01"))[0]
	read, err := r.Expense(p.ctx, e.ID)
	p.must(err, "Expense")
	same(p, read, e, "an expense read by a Reader made before it")
	before := p.dump(r)
	p.fails(p.st.Update(p.ctx, b.owner, func(tx store.Tx) error {
		changed := e
		changed.Notes = "not committed"
		if _, err := tx.PutExpenses(p.ctx, changed); err != nil {
			return err
		}
		return errOnPurpose
	}), errOnPurpose, "Update")
	p.unchanged(before, p.dump(r), "what was never committed")
	b.delete(e.ID)
	_, err = r.Expense(p.ctx, e.ID)
	p.fails(err, expense.ErrGone, "a deleted expense read by a Reader made before that")
}

func checkView(p *probe) {
	b := p.book("a")
	f := b.fill()
	var before, after string
	err := p.st.View(p.ctx, b.owner, func(r store.Reader) error {
		before = p.dump(r)
		b.update(func(tx store.Tx) error { return b.everything(tx, f) })
		after = p.dump(b.reader)
		p.unchanged(before, p.dump(r), "an Update beside a View")
		_, err := r.Expense(p.ctx, f.expense.ID)
		p.must(err, "an expense in a View, deleted beside it")
		known, err := r.KnownExpenseIDs(p.ctx, f.expense.ID)
		p.must(err, "KnownExpenses")
		same(p, len(known), 1, "known expenses in a View")
		return errOnPurpose
	})
	p.fails(err, errOnPurpose, "a View whose function fails")
	if before == after {
		p.note("an Update that ran while a View was open changed nothing")
	}
	p.must(p.st.View(p.ctx, b.owner, func(r store.Reader) error {
		p.unchanged(after, p.dump(r), "opening a new View")
		return nil
	}), "View")
}

func checkViewBesideWriters(p *probe) {
	b := p.book("a")
	e := b.put(b.expense("1.00", "EUR", "2025-01-01"))[0]
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	var running sync.WaitGroup
	running.Go(func() {
		defer p.notePanic()
		for i := 0; ctx.Err() == nil; i++ {
			fresh := e
			fresh.ID, fresh.Version = uuid.NewSHA1(idSpace, fmt.Appendf(nil, "%s/%d", b.owner, i)), 0
			fresh.Date = e.Date.AddDays(i % 50)
			if err := p.st.Update(p.ctx, b.owner, func(tx store.Tx) error {
				_,
					err := tx.PutExpenses(p.ctx, fresh)
				return err
			}); err != nil {
				p.note("an Update beside Views: %v", err)
				return
			}
		}
	})
	defer running.Wait()
	defer cancel()
	for range 12 {
		p.must(p.st.View(p.ctx, b.owner, func(r store.Reader) error {
			first, err := r.Totals(p.ctx, expense.TotalsQuery{Ranges: []expense.Range{{}, {From: e.Date, To: e.Date.AddDays(40)}}})
			p.must(err, "Totals")
			b.rows = make(map[uuid.UUID]expense.Expense)
			for _, row := range all(p, r.Expenses(p.ctx, expense.Query{}), "Expenses") {
				b.rows[row.ID] = row
			}
			sums := b.sums(expense.TotalsQuery{Ranges: []expense.Range{{}, {From: e.Date, To: e.Date.AddDays(40)}}})
			sameList(p, first, sums, "totals and expenses of one View beside a writer")
			return nil
		}), "View")
	}
}
