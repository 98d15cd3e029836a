package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
)

const (
	sayState   = "store.Reader.State: State returns where the ledger stands; ErrNotFound if the owner has no ledger."
	sayChanges = "store.Reader.Changes: Changes returns the rows and the tombstones after a place, each row in its latest " +
		"state, in the order of their places."
	sayChangesMoment = "store.Reader.Changes: What it returns is of one moment, and whatever is committed later comes after it."
	sayMergedInto    = "expense.Reader.MergedInto: MergedInto returns the category that a deleted one was merged into, Nil if it " +
		"was merged into none; ErrNotFound if there is no tombstone of it."
	sayNewEpoch = "store.Store.StartEpoch: StartEpoch begins a new epoch of owner's ledger, as one needs that was restored from a " +
		"backup: its state becomes what [State.NextEpoch] makes of it now, and no row changes."
	sayNewEpochMissing = "store.Store.StartEpoch: ErrNotFound if there is no ledger."
	sayPurgeFloor      = "store.Store.Purge: State.PurgedThrough rises to the highest version of a purged tombstone."
)

func changeChecks() []check {
	return []check{
		{name: "changes-values", guards: []string{sayChanges, sayMergedInto}, run: checkChanges},
		{name: "changes-pages", guards: []string{sayChanges}, run: checkChangePages},
		{name: "changes-while-writing", guards: []string{sayChangesMoment, sayChanges}, run: checkChangesWhileWriting},
		{name: "changes-in-update", guards: []string{sayState, sayChanges}, run: checkChangesInUpdate},
		{name: "state", guards: []string{sayState}, run: checkState},
		{name: "new-epoch", guards: []string{sayNewEpoch, sayNewEpochMissing}, run: checkNewEpoch},
		{name: "purge-floor", guards: []string{sayPurgeFloor, sayPurge}, alone: true, run: checkPurgeFloor},
	}
}

func (b *book) state() store.State {
	state, err := b.reader.State(b.ctx)
	b.must(err, "State")
	return state
}

func (b *book) changes(query store.ChangeQuery) []store.Change {
	changes, err := b.reader.Changes(b.ctx, query)
	b.must(err, "Changes after %+v", query.After)
	return changes
}

// describeChange writes a change down so that equal ones read alike.
func describeChange(c store.Change) string {
	return fmt.Sprintf("%d %s %s deleted=%t into=%s %+v", c.Version, c.Type, c.ID, c.Deleted, c.MergedInto, c.Row)
}

func describeChanges(changes []store.Change) []string {
	texts := make([]string, len(changes))
	for i, c := range changes {
		texts[i] = describeChange(c)
	}
	return texts
}

// everyRow makes a ledger that holds a row and a tombstone of every type that can have one, and returns its feed as the other
// methods tell of it.
func (b *book) everyRow() []store.Change {
	var want []store.Change
	add := func(what store.RowType, id uuid.UUID, version expense.Version, row any) {
		want = append(want, store.Change{FeedPosition: store.FeedPosition{Version: version, Type: what, ID: id}, Row: row})
	}
	bury := func(what store.RowType, id, into uuid.UUID) {
		want = append(want, store.Change{
			FeedPosition: store.FeedPosition{Version: b.version, Type: what, ID: id}, Deleted: true, MergedInto: into,
		})
	}
	kept := b.put(b.expense("12.50", "EUR", "2025-03-01"), b.expense("7", "EUR", "2025-03-02"))
	for _, e := range kept {
		add(store.ExpenseRow, e.ID, e.Version, e)
	}
	gone := b.put(b.expense("3", "EUR", "2025-03-03"))[0]
	b.delete(gone.ID)
	bury(store.ExpenseRow, gone.ID, uuid.Nil)
	merged, plain := b.category("Merged away"), b.category("Thrown away")
	b.write("MergeCategory", func(tx store.Tx) (expense.Version, error) {
		done, err := tx.MergeCategory(b.ctx, merged.ID, b.food, expense.MustMonth("2025-03"))
		return done.Version, err
	})
	bury(store.CategoryRow, merged.ID, b.food)
	b.write("DeleteCategory", func(tx store.Tx) (expense.Version, error) { return tx.DeleteCategory(b.ctx, plain.ID) })
	bury(store.CategoryRow, plain.ID, uuid.Nil)
	series := budget.Budget{
		ID: b.id(), Entries: []budget.Entry{
			{From: expense.MustMonth("2025-01"), Limit: expense.MustMoney("100", "EUR")},
			{From: expense.MustMonth("2025-02"), Limit: expense.MustMoney("120", "EUR")},
		}, AlertAt: []budget.Ratio{8000, 10000}, CreatedAt: epoch, UpdatedAt: epoch,
	}
	b.write("PutBudgets", func(tx store.Tx) (expense.Version, error) { return tx.PutBudgets(b.ctx, series) })
	short := series
	short.ID, short.CategoryID = b.id(), b.food
	b.write("PutBudgets", func(tx store.Tx) (expense.Version, error) { return tx.PutBudgets(b.ctx, short) })
	b.write("DeleteBudget", func(tx store.Tx) (expense.Version, error) { return tx.DeleteBudget(b.ctx, short.ID) })
	bury(store.BudgetRow, short.ID, uuid.Nil)
	rule := recurrence.Rule{
		ID: b.id(), Amount: expense.MustMoney("9.99", "EUR"), CategoryID: b.food, Freq: recurrence.Monthly, Interval: 1,
		Start: expense.MustDate("2025-01-31"), Next: expense.MustDate("2025-01-31"), CreatedAt: epoch, UpdatedAt: epoch,
	}
	b.write("PutRules", func(tx store.Tx) (expense.Version, error) { return tx.PutRules(b.ctx, rule) })
	old := rule
	old.ID = b.id()
	b.write("PutRules", func(tx store.Tx) (expense.Version, error) { return tx.PutRules(b.ctx, old) })
	b.write("DeleteRule", func(tx store.Tx) (expense.Version, error) { return tx.DeleteRule(b.ctx, old.ID) })
	bury(store.RuleRow, old.ID, uuid.Nil)
	alert := b.putAlerts(b.alert(b.id(), "2025-03", epoch))[0]
	add(store.AlertRow, alert.ID, alert.Version, alert)

	held, err := b.reader.BudgetSnapshot(b.ctx)
	b.must(err, "Book")
	add(store.SettingsRow, uuid.Nil, held.Settings.Version, held.Settings)
	for _, c := range held.Categories {
		add(store.CategoryRow, c.ID, c.Version, c)
	}
	for _, s := range held.Budgets {
		add(store.BudgetRow, s.ID, s.Version, s)
	}
	rules, err := b.reader.Rules(b.ctx)
	b.must(err, "Rules")
	for _, r := range rules {
		add(store.RuleRow, r.ID, r.Version, r)
	}
	slices.SortFunc(want, func(x, y store.Change) int { return x.Compare(y.FeedPosition) })
	return want
}

func checkChanges(p *probe) {
	b, other := p.book("a"), p.book("b")
	other.put(other.expense("1", "EUR", "2025-01-01"))
	want := b.everyRow()
	sameList(p, describeChanges(b.changes(store.ChangeQuery{})), describeChanges(want), "the whole feed")
	for _, c := range want {
		if c.Type != store.CategoryRow || !c.Deleted {
			continue
		}
		into, err := b.reader.MergedInto(p.ctx, c.ID)
		p.must(err, "MergedInto")
		same(p, into, c.MergedInto, "what a category was merged into")
	}
	_, err := b.reader.MergedInto(p.ctx, b.food)
	p.fails(err, expense.ErrNotFound, "MergedInto of a live category")
	_, err = other.reader.MergedInto(p.ctx, want[len(want)-1].ID)
	p.fails(err, expense.ErrNotFound, "MergedInto of what never was")
	// A row that changes moves to the end, and stands in the feed once.
	e := b.rows[slices.Collect(keysOf(b.rows))[0]]
	e.Notes = "again"
	stored := b.put(e)[0]
	changes := b.changes(store.ChangeQuery{After: store.EndOfVersion(b.version - 1)})
	sameList(p, describeChanges(changes), describeChanges([]store.Change{
		{FeedPosition: store.FeedPosition{Version: b.version, Type: store.ExpenseRow, ID: e.ID}, Row: stored},
	}), "the feed after a row has changed")
	nobody, err := p.st.Reader("nobody at all").Changes(p.ctx, store.ChangeQuery{})
	p.must(err, "Changes of no ledger")
	same(p, len(nobody), 0, "changes of no ledger")
}

func keysOf(rows map[uuid.UUID]expense.Expense) func(func(uuid.UUID) bool) {
	return func(yield func(uuid.UUID) bool) {
		for id := range rows {
			if !yield(id) {
				return
			}
		}
	}
}

func checkChangePages(p *probe) {
	b := p.book("a")
	want := b.everyRow()
	// All in one version, so that pages end among rows of one version, one type.
	var rows []expense.Expense
	for range 7 {
		rows = append(rows, b.expense("1", "EUR", "2025-04-01"))
	}
	for _, e := range b.put(rows...) {
		want = append(want, store.Change{FeedPosition: store.FeedPosition{Version: e.Version, Type: store.ExpenseRow, ID: e.ID}, Row: e})
	}
	slices.SortFunc(want, func(x, y store.Change) int { return x.Compare(y.FeedPosition) })
	for _, size := range []int{1, 2, 3, 5, len(want)} {
		var got []store.Change
		var after store.FeedPosition
		for {
			page := b.changes(store.ChangeQuery{After: after, Limit: size})
			if len(page) > size {
				p.stop("a page of %d has %d changes", size, len(page))
			}
			if len(page) == 0 {
				break
			}
			got, after = append(got, page...), page[len(page)-1].FeedPosition
		}
		sameList(p, describeChanges(got), describeChanges(want), "the feed in pages of %d", size)
	}
	var live []store.Change
	for _, c := range want {
		if !c.Deleted {
			live = append(live, c)
		}
	}
	sameList(p, describeChanges(b.changes(store.ChangeQuery{SkipTombstonesThrough: b.version})), describeChanges(live), "the feed without tombstones")
	for _, c := range want {
		after := b.changes(store.ChangeQuery{After: c.FeedPosition})
		i := slices.IndexFunc(want, func(o store.Change) bool { return o.FeedPosition == c.FeedPosition })
		sameList(p, describeChanges(after), describeChanges(want[i+1:]), "the feed after %s %s", c.Type, c.ID)
	}
}

// checkChangesWhileWriting lets readers follow the feed while others write: each ends with what the ledger holds.
func checkChangesWhileWriting(p *probe) {
	const writers, writes, readers = 4, 12, 3
	b := p.book("a")
	ids := make([][]uuid.UUID, writers)
	for w := range ids {
		for range writes {
			ids[w] = append(ids[w], b.id())
		}
	}
	template := b.expense("1", "EUR", "2025-04-01")
	done := make(chan struct{})
	var running sync.WaitGroup
	replicas := make([]map[store.FeedPosition]bool, readers)
	for i := range replicas {
		replicas[i] = make(map[store.FeedPosition]bool)
		running.Go(func() {
			defer p.notePanic()
			p.follow(b, replicas[i], done)
		})
	}
	p.together(writers, func(w int) {
		for i, id := range ids[w] {
			err := p.st.Update(p.ctx, b.owner, func(tx store.Tx) error {
				e := template
				e.ID = id
				if _, err := tx.PutExpenses(p.ctx, e); err != nil {
					return err
				}
				if i%3 == 2 {
					_, err := tx.DeleteExpenses(p.ctx, ids[w][i-1])
					return err
				}
				return nil
			})
			if err != nil {
				p.note("Update: %v", err)
			}
		}
	})
	close(done)
	running.Wait()
	want := b.changes(store.ChangeQuery{})
	for i, replica := range replicas {
		for _, c := range want {
			if !replica[c.FeedPosition] {
				p.note("reader %d, which followed the feed, missed %s", i, describeChange(c))
				return
			}
		}
	}
}

// follow reads the feed page by page until done is closed and nothing is left.
func (p *probe) follow(b *book, seen map[store.FeedPosition]bool, done <-chan struct{}) {
	var after store.FeedPosition
	for {
		ending := false
		select {
		case <-done:
			ending = true
		default:
		}
		page, err := b.reader.Changes(p.ctx, store.ChangeQuery{After: after, Limit: 5})
		if err != nil {
			p.note("Changes: %v", err)
			return
		}
		for _, c := range page {
			if c.Compare(after) <= 0 {
				p.note("the feed goes back from %+v to %+v", after, c.FeedPosition)
				return
			}
			after, seen[c.FeedPosition] = c.FeedPosition, true
		}
		if len(page) == 0 && ending {
			return
		}
		if len(page) == 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

func checkChangesInUpdate(p *probe) {
	b := p.book("a")
	before := b.state()
	broken := errors.New("undone")
	err := p.st.Update(p.ctx, b.owner, func(tx store.Tx) error {
		state, err := tx.State(p.ctx)
		p.must(err, "State in an Update")
		same(p, state, before, "the state before an Update writes")
		e := b.expense("1", "EUR", "2025-04-01")
		if _, err := tx.PutExpenses(p.ctx, e); err != nil {
			return err
		}
		state, err = tx.State(p.ctx)
		p.must(err, "State in an Update")
		same(p, state.Version, before.Version+1, "the version after an Update has written")
		changes, err := tx.Changes(p.ctx, store.ChangeQuery{After: store.EndOfVersion(before.Version)})
		p.must(err, "Changes in an Update")
		if len(changes) != 1 || changes[0].ID != e.ID {
			p.note("the feed in an Update lacks what it wrote: %v", describeChanges(changes))
		}
		return broken
	})
	p.fails(err, broken, "Update")
	same(p, b.state(), before, "the state after an Update was undone")
	same(p, len(b.changes(store.ChangeQuery{After: store.EndOfVersion(before.Version)})), 0, "changes after an Update was undone")
}

func checkState(p *probe) {
	_, err := p.st.Reader("nobody at all").State(p.ctx)
	p.fails(err, expense.ErrNotFound, "State of no ledger")
	b := p.book("a")
	first := b.state()
	same(p, first.Version, expense.Version(1), "the version of a new ledger")
	same(p, first.PurgedThrough, expense.Version(0), "the floor of a new ledger")
	b.put(b.expense("1", "EUR", "2025-04-01"))
	same(p, b.state(), store.State{Epoch: first.Epoch, Version: 2}, "the state after an Update")
	p.must(p.st.EraseLedger(p.ctx, b.owner), "EraseLedger")
	_, err = p.st.CreateLedger(p.ctx, b.owner, starter(b.owner))
	p.must(err, "CreateLedger")
	if b.state().Epoch == first.Epoch {
		p.note("a ledger that was made again has the epoch of the one that was erased")
	}
}

func checkNewEpoch(p *probe) {
	p.fails(p.st.StartEpoch(p.ctx, "nobody at all"), expense.ErrNotFound, "NewEpoch of no ledger")
	b, other := p.book("a"), p.book("b")
	kept := b.put(b.expense("1", "EUR", "2025-04-01"))[0]
	untouched := other.state()
	b.newEpoch()
	b.newEpoch() // at once, so that what is lost is one range
	same(p, other.state(), untouched, "another ledger's state")
	got, err := b.reader.Expense(p.ctx, kept.ID)
	p.must(err, "Expense")
	same(p, got, kept, "a row in a new epoch")
	b.put(b.expense("2", "EUR", "2025-04-01"))
	b.newEpoch()
	late := b.put(b.expense("3", "EUR", "2025-04-01"))[0]
	lost := b.state().Discarded
	for _, version := range []expense.Version{kept.Version, late.Version} {
		if lost.Contains(version) {
			p.note("version %d, which a row has, is among the lost: %s", version, lost)
		}
	}
	for _, version := range []expense.Version{kept.Version + 1, late.Version - 1} {
		if !lost.Contains(version) {
			p.note("version %d, which only a lost history may have had, is not among the lost: %s", version, lost)
		}
	}
}

// newEpoch begins one, and holds the state to what is said of it.
func (b *book) newEpoch() {
	before, earliest := b.state(), time.Now()
	b.must(b.st.StartEpoch(b.ctx, b.owner), "NewEpoch")
	after, latest := b.state(), time.Now()
	low, high := before.NextEpoch(earliest), before.NextEpoch(latest)
	if after.Epoch == before.Epoch {
		b.note("a new epoch has the number of the one before")
	}
	if after.Version < low.Version || after.Version > high.Version {
		b.note("a new epoch begins at version %d; from %d to %d is right", after.Version, low.Version, high.Version)
	}
	for _, version := range []expense.Version{before.Version, before.Version + 1, low.Version, after.Version, after.Version + 1} {
		if got, want := after.Discarded.Contains(version), before.Version < version && version <= after.Version || before.Discarded.Contains(version); got != want {
			b.note("a ledger that went on from version %d at version %d: that %d is lost is %t", before.Version, after.Version, version, got)
		}
	}
	same(b.probe, after.PurgedThrough, before.PurgedThrough, "the floor in a new epoch")
	b.version = after.Version
}

func checkPurgeFloor(p *probe) {
	b := p.book("a")
	row := b.put(b.expense("1", "EUR", "2025-04-01"))[0]
	b.delete(row.ID)
	buried := b.version
	derived := b.expense("2", "EUR", "2025-04-02")
	derived.ID = uuid.NewSHA1(b.id(), []byte("stays for ever"))
	b.put(derived)
	b.delete(derived.ID)
	last := b.put(b.expense("1", "EUR", "2025-04-01"))[0]
	key := store.IdempotencyKey{Scope: "sync", Key: "m"}
	other := store.IdempotencyKey{Scope: "POST /v1/expenses", Key: "m"}
	b.update(func(tx store.Tx) error {
		return errors.Join(
			tx.PutIdempotencyRecord(p.ctx, store.IdempotencyRecord{IdempotencyKey: key, Fingerprint: []byte{1}, Retention: store.RetentionTombstones, CreatedAt: epoch}),
			tx.PutIdempotencyRecord(p.ctx, store.IdempotencyRecord{IdempotencyKey: other, Fingerprint: []byte{1}, CreatedAt: epoch}),
		)
	})
	p.must(p.st.Purge(p.ctx, epoch.Add(time.Hour), epoch.Add(-time.Hour)), "Purge")
	same(p, b.state().PurgedThrough, expense.Version(0), "the floor while every tombstone is kept")
	b.update(func(tx store.Tx) error {
		_, err := tx.IdempotencyRecord(p.ctx, key)
		p.must(err, "the answer to a mutation, after the other answers were purged")
		_, err = tx.IdempotencyRecord(p.ctx, other)
		p.fails(err, expense.ErrNotFound, "another answer of that age")
		return nil
	})
	future := time.Now().Add(time.Hour)
	p.must(p.st.Purge(p.ctx, epoch, future), "Purge")
	same(p, b.state().PurgedThrough, buried, "the floor after a tombstone was purged")
	b.update(func(tx store.Tx) error {
		_, err := tx.IdempotencyRecord(p.ctx, key)
		p.fails(err, expense.ErrNotFound, "the answer to a mutation, after the tombstones were purged")
		return nil
	})
	changes := b.changes(store.ChangeQuery{After: store.EndOfVersion(buried - 1)})
	if len(changes) != 2 || changes[0].ID != derived.ID || !changes[0].Deleted || changes[1].ID != last.ID {
		p.note("after a purge the feed has %v", describeChanges(changes))
	}
}
