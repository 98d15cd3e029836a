package storetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"runtime"
	"runtime/debug"
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

// A probe is a check at work: the store under test, and what was found wrong with it. It records rather than reports, so
// that the suite itself can be tested with stores that are broken.
type probe struct {
	ctx  context.Context //nolint:containedctx // a probe lives as long as its check
	st   store.Store
	name string

	mu       sync.Mutex
	failures []string
}

// note records a failure with the line of the check that found it.
func (p *probe) note(format string, args ...any) {
	p.record(place() + fmt.Sprintf(format, args...))
}

func (p *probe) record(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failures = append(p.failures, text)
}

// stop records a failure and ends the check. It is called on the check's own goroutine.
func (p *probe) stop(format string, args ...any) {
	p.note(format, args...)
	runtime.Goexit()
}

func (p *probe) notePanic() {
	if reason := recover(); reason != nil {
		p.note("panic: %v\n%s", reason, debug.Stack())
	}
}

func (p *probe) noted() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.failures)
}

// place returns the first line up the stack that is no helper's.
func place() string {
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		frame, more := frames.Next()
		file := filepath.Base(frame.File)
		if file != "probe.go" && file != "storetest.go" && strings.Contains(frame.Function, "/storetest.") {
			return fmt.Sprintf("%s:%d: ", file, frame.Line)
		}
		if !more {
			return ""
		}
	}
}

// must ends the check unless err is nil.
func (p *probe) must(err error, doing string, args ...any) {
	if err != nil {
		p.stop("%s: %v", fmt.Sprintf(doing, args...), err)
	}
}

// fails notes an error that is not target.
func (p *probe) fails(err, target error, doing string, args ...any) {
	if !errors.Is(err, target) {
		p.note("%s: got error %v, want one that is %q", fmt.Sprintf(doing, args...), err, target)
	}
}

// same notes a value that is not what it should be.
func same[V comparable](p *probe, got, want V, what string, args ...any) {
	if got != want {
		p.note("%s:\n\tgot  %+v\n\twant %+v", fmt.Sprintf(what, args...), got, want)
	}
}

// sameList notes the first place where two lists differ.
func sameList[V comparable](p *probe, got, want []V, what string, args ...any) {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			p.note("%s: %d rows, want %d; missing is\n\t%+v", fmt.Sprintf(what, args...), len(got), len(want), want[i])
		case i >= len(want):
			p.note("%s: %d rows, want %d; too many is\n\t%+v", fmt.Sprintf(what, args...), len(got), len(want), got[i])
		case got[i] != want[i]:
			p.note("%s: at %d of %d\n\tgot  %+v\n\twant %+v", fmt.Sprintf(what, args...), i, len(want), got[i], want[i])
		default:
			continue
		}
		return
	}
}

// all drains a sequence of rows; an error must be the last thing it yields.
func all[V any](p *probe, rows iter.Seq2[V, error], what string, args ...any) []V {
	var list []V
	for row, err := range rows {
		p.must(err, what, args...)
		list = append(list, row)
	}
	return list
}

// cancelled returns a context that is over already.
func (p *probe) cancelled() context.Context {
	ctx, cancel := context.WithCancel(p.ctx)
	cancel()
	return ctx
}

// together runs fn n times at once and ends when all have. fn gets its number, and may note but not stop.
func (p *probe) together(n int, fn func(i int)) {
	var running sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		running.Go(func() {
			defer p.notePanic()
			<-start
			fn(i)
		})
	}
	close(start)
	running.Wait()
}

// dump writes down everything that a reader tells of its ledger, a line for each row, so that two states can be compared.
func (p *probe) dump(r store.Reader) string {
	var b strings.Builder
	book, err := r.BudgetSnapshot(p.ctx)
	p.must(err, "Book")
	settings, err := r.Settings(p.ctx)
	p.must(err, "Settings")
	rules, err := r.Rules(p.ctx)
	p.must(err, "Rules")
	fmt.Fprintf(&b, "settings %+v\nbook settings %+v\n", settings, book.Settings)
	for _, category := range book.Categories {
		fmt.Fprintf(&b, "category %+v\n", category)
	}
	for _, series := range book.Budgets {
		fmt.Fprintf(&b, "budget %s\n", describeBudget(series))
	}
	for _, rule := range rules {
		fmt.Fprintf(&b, "rule %+v\n", rule)
	}
	for _, e := range all(p, r.Expenses(p.ctx, expense.Query{}), "Expenses") {
		fmt.Fprintf(&b, "expense %+v\n", e)
	}
	alerts, err := r.Alerts(p.ctx, expense.Month{})
	p.must(err, "Alerts")
	for _, alert := range alerts {
		fmt.Fprintf(&b, "alert %+v\n", alert)
	}
	totals, err := r.Totals(p.ctx, expense.TotalsQuery{Ranges: []expense.Range{{}}, Granularity: expense.ByMonth})
	p.must(err, "Totals")
	for _, total := range totals {
		fmt.Fprintf(&b, "total %+v\n", total)
	}
	return b.String()
}

// describeBudget writes a budget down so that equal ones, with nil or empty lists, read alike.
func describeBudget(b budget.Budget) string { return fmt.Sprintf("%+v", b) }

// unchanged notes the first line in which two dumps differ.
func (p *probe) unchanged(before, after, doing string, args ...any) {
	if before == after {
		return
	}
	old, now := strings.Split(before, "\n"), strings.Split(after, "\n")
	for i := range max(len(old), len(now)) {
		was, is := "nothing", "nothing"
		if i < len(old) {
			was = old[i]
		}
		if i < len(now) {
			is = now[i]
		}
		if was != is {
			p.note("%s changed the ledger:\n\twas    %s\n\tis now %s", fmt.Sprintf(doing, args...), was, is)
			return
		}
	}
}

// idSpace is the namespace of the ids that checks make.
var idSpace = uuid.MustParse("0f4d7c1a-8d4e-5b7e-a6a2-6b2f0a6f3c55")

// epoch is when the rows of the checks begin to be made.
var epoch = time.Date(2025, time.March, 1, 8, 30, 0, 123456000, time.UTC)

// A book is one owner's ledger in the hands of a check, with a model beside it: what its expenses should be by now.
type book struct {
	*probe
	owner   expense.OwnerID
	reader  store.Reader
	version expense.Version // the last one taken
	rows    map[uuid.UUID]expense.Expense
	made    int

	settings                  expense.Settings
	food, travel, rent, other uuid.UUID
}

// book makes a ledger, kept in euros, of an owner that no other check uses.
func (p *probe) book(label string) *book {
	return p.bookOf(expense.OwnerID(p.name + "/" + label))
}

func (p *probe) bookOf(owner expense.OwnerID) *book {
	b := &book{probe: p, owner: owner, reader: p.st.Reader(owner), rows: make(map[uuid.UUID]expense.Expense)}
	created, err := p.st.CreateLedger(p.ctx, owner, starter(owner))
	p.must(err, "CreateLedger of %q", owner)
	if !created {
		p.stop("CreateLedger of %q: there was one already", owner)
	}
	b.version = 1
	b.settings, err = b.reader.Settings(p.ctx)
	p.must(err, "Settings of %q", owner)
	for name, id := range map[string]*uuid.UUID{"Food": &b.food, "Travel": &b.travel, "Housing": &b.rent, "Other": &b.other} {
		category, err := b.reader.CategoryByName(p.ctx, name)
		p.must(err, "CategoryByName %s of %q", name, owner)
		*id = category.ID
	}
	return b
}

func starter(owner expense.OwnerID) expense.InitialLedger {
	return expense.NewInitialLedger(owner, expense.Settings{
		Home: expense.MustCurrency("EUR"), Locale: "en", FiscalYearStart: time.January,
	}, epoch)
}

// id returns an id that the book has not used. It is made from its number, but says that it is of version 7, for the
// tombstones of version 5 are kept for ever.
func (b *book) id() uuid.UUID {
	id := b.derivedID()
	id[6] = id[6]&0x0f | 7<<4
	return id
}

// derivedID returns an id of version 5 that the book has not used.
func (b *book) derivedID() uuid.UUID {
	b.made++
	return uuid.NewSHA1(idSpace, fmt.Appendf(nil, "%s#%d", b.owner, b.made))
}

// expense returns a new expense on food. One in euros is converted; any other is pending.
func (b *book) expense(amount, code, date string) expense.Expense {
	e := expense.Expense{
		ID: b.id(), Amount: expense.MustMoney(amount, code), Date: expense.MustDate(date), CategoryID: b.food,
		Home: minor(0, b.settings.Home), Notes: "note " + date,
	}
	e.CreatedAt = epoch.Add(time.Duration(b.made/2) * time.Microsecond) // in pairs, so that orders have ties
	e.UpdatedAt = e.CreatedAt
	if e.Amount.Currency() == b.settings.Home {
		e.Rate = expense.Rate{Value: expense.MustFactor("1"), Date: e.Date, Source: expense.SourceIdentity}
		e.Home = e.Amount
	}
	return e
}

// converted returns e with a rate.
func (b *book) converted(e expense.Expense, factor string) expense.Expense {
	e.Rate = expense.Rate{Value: expense.MustFactor(factor), Date: e.Date, Source: "ecb"}
	home, err := e.Rate.Convert(e.Amount, b.settings.Home)
	b.must(err, "converting %s at %s", e.Amount, factor)
	e.Home = home
	return e
}

func minor(n int64, currency expense.Currency) expense.Money {
	money, err := expense.MoneyFromMinor(n, currency)
	if err != nil {
		panic(err)
	}
	return money
}

// update runs fn in an Update that must go well.
func (b *book) update(fn func(tx store.Tx) error) {
	b.must(b.st.Update(b.ctx, b.owner, fn), "Update")
}

// wrote notes a version other than the next, and counts it.
func (b *book) wrote(version expense.Version, doing string) {
	same(b.probe, version, b.version+1, "the version that %s returned", doing)
	b.version = version
}

// put writes expenses in an Update of their own and returns them as they should now be read.
func (b *book) put(rows ...expense.Expense) []expense.Expense {
	var version expense.Version
	b.update(func(tx store.Tx) (err error) {
		version, err = tx.PutExpenses(b.ctx, rows...)
		return err
	})
	b.wrote(version, "PutExpenses")
	return b.expect(rows...)
}

// expect puts rows into the model as the last version has written them.
func (b *book) expect(rows ...expense.Expense) []expense.Expense {
	stored := slices.Clone(rows)
	for i, e := range stored {
		old, found := b.rows[e.ID]
		e.Version, e.Guard = b.version, old.Guard
		if !found || !e.SameGuardedFields(old) {
			e.Guard = b.version
		}
		e.CreatedAt, e.UpdatedAt = expense.Timestamp(e.CreatedAt), expense.Timestamp(e.UpdatedAt)
		b.rows[e.ID], stored[i] = e, e
	}
	return stored
}

// delete deletes expenses in an Update of their own.
func (b *book) delete(ids ...uuid.UUID) {
	var version expense.Version
	b.update(func(tx store.Tx) (err error) {
		version, err = tx.DeleteExpenses(b.ctx, ids...)
		return err
	})
	b.wrote(version, "DeleteExpenses")
	for _, id := range ids {
		delete(b.rows, id)
	}
}

// write runs one writing method in an Update of its own.
func (b *book) write(doing string, fn func(tx store.Tx) (expense.Version, error)) expense.Version {
	var version expense.Version
	b.update(func(tx store.Tx) (err error) {
		version, err = fn(tx)
		return err
	})
	b.wrote(version, doing)
	return version
}

// category makes a category.
func (b *book) category(name string) expense.Category {
	c := expense.Category{ID: b.id(), Name: name, CreatedAt: epoch, UpdatedAt: epoch}
	c.Version = b.write("PutCategories", func(tx store.Tx) (expense.Version, error) { return tx.PutCategories(b.ctx, c) })
	return c
}

// series returns a new budget of a category from a month on.
func (b *book) series(category uuid.UUID, from string) budget.Budget {
	return budget.Budget{
		ID: b.id(), CategoryID: category, AlertAt: []budget.Ratio{8000, 10000}, CreatedAt: epoch, UpdatedAt: epoch,
		Entries: []budget.Entry{{From: expense.MustMonth(from), Limit: minor(50000, b.settings.Home)}},
	}
}

// rule returns a new monthly rule on food.
func (b *book) rule() recurrence.Rule {
	start := expense.MustDate("2025-01-31")
	return recurrence.Rule{
		ID: b.id(), Amount: expense.MustMoney("9.99", "EUR"), CategoryID: b.food, Notes: "subscription",
		Freq: recurrence.Monthly, Interval: 1, Start: start, Next: start, CreatedAt: epoch, UpdatedAt: epoch,
	}
}

// putBudget writes a budget in an Update of its own and returns it as it should now be read, given its guard.
func (b *book) putBudget(series budget.Budget) budget.Budget {
	series.Version = b.write("PutBudgets", func(tx store.Tx) (expense.Version, error) { return tx.PutBudgets(b.ctx, series) })
	series.Guard = series.Version
	return series
}

// putRule writes a rule in an Update of its own and returns it as it should now be read, if its guarded group changed.
func (b *book) putRule(rule recurrence.Rule) recurrence.Rule {
	rule.Version = b.write("PutRules", func(tx store.Tx) (expense.Version, error) { return tx.PutRules(b.ctx, rule) })
	rule.Guard = rule.Version
	return rule
}

// verify holds the expenses that r lists, and their totals, against the model.
func (b *book) verify(r store.Reader) {
	b.list(r, expense.Query{})
	for _, step := range []expense.Granularity{expense.WholeRange, expense.ByMonth} {
		b.totals(r, expense.TotalsQuery{Ranges: []expense.Range{{}}, Granularity: step})
	}
}
