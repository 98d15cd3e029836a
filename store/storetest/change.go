package storetest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

func (l *ledger) state() store.State { return get(l.checkT, l.reader.State) }

func (l *ledger) changes(query store.ChangeQuery) []store.Change {
	return getBy(l.checkT, l.reader.Changes, query)
}

// changesSince returns the changes after a version.
func (l *ledger) changesSince(version expense.Version) []store.Change {
	return l.changes(store.ChangeQuery{After: store.EndOfVersion(version)})
}

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

// equalChanges compares two parts of the change feed.
func (t *checkT) equalChanges(got, want []store.Change, subject string, args ...any) {
	equalLists(t, describeChanges(got), describeChanges(want), "Changes "+subject, args...)
}

func newChange(kind store.RowType, id uuid.UUID, version expense.Version, row any) store.Change {
	return store.Change{FeedPosition: store.FeedPosition{Version: version, Type: kind, ID: id}, Row: row}
}

// populateFeed writes a row of each type, and a tombstone of each type that has tombstones. It returns the change feed,
// as the other methods of the Reader describe it.
func (l *ledger) populateFeed() []store.Change {
	var want []store.Change
	addTombstone := func(kind store.RowType, id, into uuid.UUID) {
		change := newChange(kind, id, l.version, nil)
		change.Deleted, change.MergedInto = true, into
		want = append(want, change)
	}
	stored := l.put(l.newExpense("12.50", "EUR", "2025-03-01"), l.newExpense("7", "EUR", "2025-03-02"))
	deleted := l.put(l.newExpense("3", "EUR", "2025-03-03"))[0].ID
	l.delete(deleted)
	addTombstone(store.ExpenseRow, deleted, uuid.Nil)
	merged := l.addCategory("Merged").ID
	deleted = l.addCategory("Deleted").ID
	l.merge(merged, l.food, "2025-03")
	addTombstone(store.CategoryRow, merged, l.food)
	l.deleteCategory(deleted)
	addTombstone(store.CategoryRow, deleted, uuid.Nil)
	whole := l.newBudget(uuid.Nil, "2025-01")
	whole.Entries = append(whole.Entries, budget.Entry{From: month("2025-02"), Limit: money("120", "EUR")})
	l.putBudget(whole)
	deleted = l.putBudget(l.newBudget(l.food, "2025-01")).ID
	l.deleteBudget(deleted)
	addTombstone(store.BudgetRow, deleted, uuid.Nil)
	l.putRule(l.newRule())
	deleted = l.putRule(l.newRule()).ID
	l.deleteRule(deleted)
	addTombstone(store.RuleRow, deleted, uuid.Nil)
	alerts := l.putAlerts(l.newAlert(l.id(), "2025-03", epoch))

	snapshot := get(l.checkT, l.reader.BudgetSnapshot)
	want = append(want, newChange(store.SettingsRow, uuid.Nil, snapshot.Settings.Version, snapshot.Settings))
	for _, e := range stored {
		want = append(want, newChange(store.ExpenseRow, e.ID, e.Version, e))
	}
	for _, a := range alerts {
		want = append(want, newChange(store.AlertRow, a.ID, a.Version, a))
	}
	for _, c := range snapshot.Categories {
		want = append(want, newChange(store.CategoryRow, c.ID, c.Version, c))
	}
	for _, b := range snapshot.Budgets {
		want = append(want, newChange(store.BudgetRow, b.ID, b.Version, b))
	}
	for _, r := range get(l.checkT, l.reader.Rules) {
		want = append(want, newChange(store.RuleRow, r.ID, r.Version, r))
	}
	return sortChanges(want)
}

func sortChanges(changes []store.Change) []store.Change {
	slices.SortFunc(changes, func(x, y store.Change) int { return x.Compare(y.FeedPosition) })
	return changes
}

func checkChanges(t *checkT) {
	l, other := t.ledger("a"), t.ledger("b")
	other.put(other.anyExpense())
	want := l.populateFeed()
	t.equalChanges(l.changes(store.ChangeQuery{}), want, "of the whole ledger")
	// A row that changes moves to the end. The feed contains it once.
	e := l.expected(expense.Query{})[0]
	e.Notes = "again"
	e = l.put(e)[0]
	t.equalChanges(l.changesSince(l.version-1), []store.Change{newChange(store.ExpenseRow, e.ID, l.version, e)},
		"after a row was changed")
	nobody := t.st.Reader("nobody at all")
	equal(t, len(getBy(t, nobody.Changes, store.ChangeQuery{})), 0, "the number of Changes of an owner without a ledger")
}

func checkChangePages(t *checkT) {
	l := t.ledger("a")
	want := l.populateFeed()
	var rows []expense.Expense
	for range 7 { // with the same version, so that a page can end between rows of one version and type
		rows = append(rows, l.anyExpense())
	}
	for _, e := range l.put(rows...) {
		want = append(want, newChange(store.ExpenseRow, e.ID, e.Version, e))
	}
	sortChanges(want)
	for _, size := range []int{1, 2, 3, 5, len(want)} {
		var got []store.Change
		var after store.FeedPosition
		for {
			page := l.changes(store.ChangeQuery{After: after, Limit: size})
			if len(page) > size {
				t.fatalf("Changes with a Limit of %d returned %d changes", size, len(page))
			}
			if len(page) == 0 {
				break
			}
			got, after = append(got, page...), page[len(page)-1].FeedPosition
		}
		t.equalChanges(got, want, "in pages of %d", size)
	}
	live := slices.DeleteFunc(slices.Clone(want), func(c store.Change) bool { return c.Deleted })
	t.equalChanges(l.changes(store.ChangeQuery{SkipTombstonesThrough: l.version}), live, "without tombstones")
	for i, c := range want {
		t.equalChanges(l.changes(store.ChangeQuery{After: c.FeedPosition}), want[i+1:], "after %s %s", c.Type, c.ID)
	}
}

// checkChangesConcurrently reads the change feed during Updates. Each reader must get all rows and tombstones.
func checkChangesConcurrently(t *checkT) {
	const writers, writes, readers = 4, 12, 3
	l := t.ledger("a")
	rows := make([][]expense.Expense, writers)
	for w := range rows {
		for range writes {
			rows[w] = append(rows[w], l.anyExpense())
		}
	}
	done := make(chan struct{})
	var running sync.WaitGroup
	feeds := make([]map[store.FeedPosition]bool, readers)
	for i := range feeds {
		feeds[i] = make(map[store.FeedPosition]bool)
		running.Go(func() {
			defer t.recordPanic()
			l.followFeed(feeds[i], done)
		})
	}
	t.concurrently(writers, func(w int) {
		for i, e := range rows[w] {
			calls := []txCall{call(store.Tx.PutExpenses, e)}
			if i%3 == 2 {
				calls = append(calls, call(store.Tx.DeleteExpenses, rows[w][i-1].ID))
			}
			if err := l.tryWrite(calls...); err != nil {
				t.errorf("concurrent Update: %v", err)
			}
		}
	})
	close(done)
	running.Wait()
	for _, c := range l.changes(store.ChangeQuery{}) {
		for _, feed := range feeds {
			if !feed[c.FeedPosition] {
				t.errorf("Changes, read during Updates, did not contain %s", describeChange(c))
				return
			}
		}
	}
}

// followFeed reads the change feed in pages, until done is closed and a page is empty.
func (l *ledger) followFeed(seen map[store.FeedPosition]bool, done <-chan struct{}) {
	var after store.FeedPosition
	for {
		ending := false
		select {
		case <-done:
			ending = true
		default:
		}
		page, err := l.reader.Changes(l.ctx, store.ChangeQuery{After: after, Limit: 5})
		if err != nil {
			l.errorf("Changes during Updates: %v", err)
			return
		}
		for _, c := range page {
			if c.Compare(after) <= 0 {
				l.errorf("Changes after %+v returned the earlier position %+v", after, c.FeedPosition)
				return
			}
			after, seen[c.FeedPosition] = c.FeedPosition, true
		}
		if len(page) == 0 {
			if ending {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
}

func checkChangesInUpdate(t *checkT) {
	l := t.ledger("a")
	before := l.state()
	e := l.anyExpense()
	err := l.tryUpdate(func(tx store.Tx) error {
		equal(t, get(t, tx.State), before, "State before the first write of an Update")
		if _, err := tx.PutExpenses(t.ctx, e); err != nil {
			return err
		}
		equal(t, get(t, tx.State).Version, before.Version+1, "the version of State after a write in the same Update")
		changes := getBy(t, tx.Changes, store.ChangeQuery{After: store.EndOfVersion(before.Version)})
		if len(changes) != 1 || changes[0].ID != e.ID {
			t.errorf("Changes after a write in the same Update: got %v, want the written row", describeChanges(changes))
		}
		return errOnPurpose
	})
	t.wantError(err, errOnPurpose, "an Update whose function fails")
	equal(t, l.state(), before, "State after an Update was rolled back")
	equal(t, len(l.changesSince(before.Version)), 0, "the number of Changes after an Update was rolled back")
}

func checkState(t *checkT) {
	_, err := t.st.Reader("nobody at all").State(t.ctx)
	t.wantError(err, expense.ErrNotFound, "State of an owner without a ledger")
	l := t.ledger("a")
	first := l.state()
	equal(t, first.Version, 1, "the version of a new ledger")
	equal(t, first.PurgedThrough, 0, "PurgedThrough of a new ledger")
	l.writeAny()
	equal(t, l.state(), store.State{Epoch: first.Epoch, Version: 2}, "State after an Update")
	t.erase(l.owner)
	if t.ledgerOf(l.owner).state().Epoch == first.Epoch {
		t.errorf("State: a new ledger has the epoch of an erased ledger of the same owner")
	}
}

func checkStartEpoch(t *checkT) {
	t.wantError(t.st.StartEpoch(t.ctx, "nobody at all"), expense.ErrNotFound, "StartEpoch of an owner without a ledger")
	l, other := t.ledger("a"), t.ledger("b")
	kept := l.put(l.anyExpense())[0]
	before := other.state()
	l.startEpoch()
	l.startEpoch() // without a write between them, so that the discarded versions are one range
	equal(t, other.state(), before, "State of another ledger after StartEpoch")
	l.wantExpense(kept, "Expense after StartEpoch")
	l.put(l.anyExpense())
	l.startEpoch()
	late := l.put(l.anyExpense())[0]
	discarded := l.state().Discarded
	for version, want := range map[expense.Version]bool{
		kept.Version: false, late.Version: false, kept.Version + 1: true, late.Version - 1: true,
	} {
		equal(t, discarded.Contains(version), want, "whether Discarded %s contains version %d", discarded, version)
	}
}

// startEpoch starts an epoch and compares the state with State.NextEpoch.
func (l *ledger) startEpoch() {
	before, earliest := l.state(), time.Now()
	l.noError(l.st.StartEpoch(l.ctx, l.owner), "StartEpoch")
	after, latest := l.state(), time.Now()
	low, high := before.NextEpoch(earliest), before.NextEpoch(latest)
	if after.Epoch == before.Epoch {
		l.errorf("StartEpoch: the new epoch is equal to the old one")
	}
	if after.Version < low.Version || after.Version > high.Version {
		l.errorf("StartEpoch: the new version is %d, want %d to %d", after.Version, low.Version, high.Version)
	}
	for _, version := range []expense.Version{
		before.Version, before.Version + 1, low.Version, after.Version, after.Version + 1,
	} {
		want := before.Version < version && version <= after.Version || before.Discarded.Contains(version)
		equal(l.checkT, after.Discarded.Contains(version), want, "StartEpoch from version %d to %d: whether %d is discarded",
			before.Version, after.Version, version)
	}
	equal(l.checkT, after.PurgedThrough, before.PurgedThrough, "PurgedThrough after StartEpoch")
	l.version = after.Version
}

func checkPurgedThrough(t *checkT) {
	l := t.ledger("a")
	// The tombstone with the highest version does not have the highest id.
	for _, id := range []string{"ffffffff-ffff-4fff-bfff-ffffffffffff", "00000000-0000-4000-8000-000000000000"} {
		l.put(withID(l.anyExpense(), uuid.MustParse(id)))
		l.delete(uuid.MustParse(id))
	}
	deletedAt := l.version
	derived := l.put(withID(l.anyExpense(), l.derivedID()))[0]
	l.delete(derived.ID)
	last := l.put(l.anyExpense())[0]
	long, short := newRecord("sync", "m"), newRecord("POST /v1/expenses", "m")
	long.Retention = store.RetentionTombstones
	l.putRecord(long)
	l.putRecord(short)
	t.purge(epoch.Add(time.Hour), epoch.Add(-time.Hour))
	equal(t, l.state().PurgedThrough, 0, "PurgedThrough after Purge kept all tombstones")
	l.wantRecord(long.IdempotencyKey, nil, "a record of RetentionTombstones after Purge of RetentionRequests")
	l.wantRecord(short.IdempotencyKey, expense.ErrNotFound, "a record of RetentionRequests after Purge")
	t.purge(epoch, time.Now().Add(time.Hour))
	equal(t, l.state().PurgedThrough, deletedAt, "PurgedThrough after Purge of a tombstone")
	l.wantRecord(long.IdempotencyKey, expense.ErrNotFound, "a record of RetentionTombstones after Purge of tombstones")
	changes := l.changesSince(deletedAt - 1)
	if len(changes) != 2 || changes[0].ID != derived.ID || !changes[0].Deleted || changes[1].ID != last.ID {
		t.errorf("Changes after Purge: got %v, want the kept tombstone and the last row", describeChanges(changes))
	}
	l.startEpoch() // keeps PurgedThrough
}
