package replica_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
	"github.com/spendwise/spendwise/store/replica"
)

func TestPull_EverythingThenWhatIsNew(t *testing.T) {
	onEachStore(t, func(l ledger) {
		put := change(store.ExpenseRow, "put", fields{"amount": "5"})
		l.edit(ref(store.ExpenseRow, 1), put)
		l.edit(ref(store.ExpenseRow, 2), put)
		l.edit(ref(store.ExpenseRow, 1), replica.Delete{})
		for _, size := range []int{1, 4, replica.MaxPageSize} {
			changes, cursor := l.pull(replica.Cursor{}, size)
			if len(changes) != 12 {
				l.t.Fatalf(
					"a first pull in pages of %d has %d rows, want 10 categories, the settings and an expense", size, len(changes),
				)
			}
			for _, change := range changes {
				if change.Deleted || change.Row == nil {
					l.t.Errorf("a first pull has the tombstone %v", change)
				}
			}
			if !slices.IsSortedFunc(changes, func(a, b store.Change) int { return a.Compare(b.FeedPosition) }) {
				l.t.Errorf("a pull in pages of %d is out of order: %v", size, changes)
			}
			if news, again := l.pull(cursor, size); len(news) != 0 || again != cursor {
				l.t.Errorf("a pull of nothing new has %v and ends with %v after %v", news, again, cursor)
			}
		}
		_, cursor := l.pull(replica.Cursor{}, replica.MaxPageSize)
		l.edit(ref(store.ExpenseRow, 2), replica.Delete{})
		news, _ := l.pull(cursor, 0)
		if len(news) != 1 || news[0].ID != id(2) || !news[0].Deleted || news[0].Row != nil {
			l.t.Errorf("after a delete a pull has %v", news)
		}
	})
}

func TestPull_DeleteDuringFirstPull(t *testing.T) {
	l := newLedger(t, memstore.New())
	l.edit(ref(store.ExpenseRow, 1), change(store.ExpenseRow, "put", fields{"amount": "5"}))
	page, err := replica.Pull(t.Context(), l.st, l.owner, replica.PullRequest{Limit: 1})
	l.check(err)
	l.edit(ref(store.ExpenseRow, 1), replica.Delete{})
	changes, _ := l.pull(page.Cursor, 3)
	if last := changes[len(changes)-1]; last.ID != id(1) || !last.Deleted {
		t.Errorf("the last change is %v, want the tombstone", last)
	}
}

// TestPull_PermanentTombstones: tombstones of derived ids are never purged. They do not raise State.PurgedThrough,
// and a first pull leaves them out.
func TestPull_PermanentTombstones(t *testing.T) {
	onEachStore(t, func(l ledger) {
		rule := id(1)
		occurrence := func(day int) (replica.RowRef, replica.Edit) {
			date := expense.MustDate(fmt.Sprintf("2026-03-%02d", day))
			return replica.RowRef{Type: store.ExpenseRow, ID: expense.OccurrenceID(rule, date)},
				change(store.ExpenseRow, "put", fields{
					"amount": "3", "date": date.String(), "rule_id": rule.String(), "occurrence": date.String(),
				})
		}
		first, putFirst := occurrence(1)
		second, putSecond := occurrence(2)
		l.edit(first, putFirst)
		l.edit(second, putSecond)
		l.edit(ref(store.ExpenseRow, 2), change(store.ExpenseRow, "put", fields{"amount": "5"}))
		cursor := func() replica.Cursor {
			_, cursor := l.pull(replica.Cursor{}, 0)
			return cursor
		}
		before := cursor()
		l.edit(first, replica.Delete{})
		afterFirst := cursor()
		l.edit(ref(store.ExpenseRow, 2), replica.Delete{})
		atFloor := cursor()
		l.edit(second, replica.Delete{})
		l.check(l.st.Purge(l.t.Context(), noon, time.Now().Add(time.Hour)))
		for name, cursor := range map[string]replica.Cursor{
			"before all deletes": before, "before the purged one": afterFirst,
		} {
			l.expired(name, cursor)
		}
		news, _ := l.pull(atFloor, 0)
		if len(news) != 1 || news[0].ID != second.ID || !news[0].Deleted {
			l.t.Errorf("a pull from State.PurgedThrough returns %v", news)
		}
		for _, size := range []int{1, replica.MaxPageSize} {
			changes, _ := l.pull(replica.Cursor{}, size)
			if slices.ContainsFunc(changes, func(c store.Change) bool { return c.Deleted }) {
				l.t.Errorf("a first pull has a tombstone: %v", changes)
			}
		}
		for i, m := range []replica.Mutation{mutation("again1", first, putFirst), mutation("again2", second, putSecond)} {
			if got := l.push(m)[0]; status(got) != "conflict gone" {
				l.t.Errorf("a deleted occurrence %d is put again: %+v", i+1, got)
			}
		}
	})
}

// expired checks that neither a pull nor a push accepts a cursor, and that such a push changes nothing.
func (l ledger) expired(name string, cursor replica.Cursor) {
	l.t.Helper()
	_, err := replica.Pull(l.t.Context(), l.st, l.owner, replica.PullRequest{After: cursor})
	if _, ok := errors.AsType[*replica.CursorExpiredError](err); !ok {
		l.t.Errorf("a pull with a cursor %s: %v", name, err)
	}
	row := replica.RowRef{Type: store.ExpenseRow, ID: uuid.New()}
	_, err = replica.Push(l.t.Context(), l.st, l.owner, env(), replica.PushRequest{
		Cursor: cursor, Mutations: []replica.Mutation{
			mutation(row.ID.String(), row, change(row.Type, "put", fields{"amount": "1"})),
		},
	})
	if _, ok := errors.AsType[*replica.CursorExpiredError](err); !ok || l.row(row) != nil {
		l.t.Errorf("a push with a cursor %s: %v", name, err)
	}
}

func TestParseCursor(t *testing.T) {
	onEachStore(t, func(l ledger) {
		l.edit(ref(store.ExpenseRow, 1), change(store.ExpenseRow, "put", fields{"amount": "5"}))
		_, old := l.pull(replica.Cursor{}, 0)
		_, other := l.as("bertha").pull(replica.Cursor{}, 0)
		text := old.String()
		if parsed, err := replica.ParseCursor("anna", text); err != nil || parsed != old {
			l.t.Errorf("%s is read as %v, %v", text, parsed, err)
		}
		for name, text := range map[string]string{
			"of another ledger": other.String(), "cut": text[:len(text)-3], "forged": "AAAAAAAA" + text[8:],
			"not a cursor": "hello", "empty": "",
		} {
			if cursor, err := replica.ParseCursor("anna", text); !errors.Is(err, replica.ErrCursorInvalid) {
				l.t.Errorf("a cursor that is %s: %v, %v", name, cursor, err)
			}
		}
		_, err := replica.Pull(l.t.Context(), l.st, "anna", replica.PullRequest{After: other})
		if !errors.Is(err, replica.ErrCursorInvalid) {
			l.t.Errorf("a pull with a cursor of another ledger: %v", err)
		}
		l.edit(ref(store.ExpenseRow, 1), replica.Delete{})
		l.check(l.st.Purge(l.t.Context(), noon, time.Now().Add(time.Hour)))
		l.expired("older than the tombstones", old)
		_, now := l.pull(replica.Cursor{}, 0)
		l.check(l.st.StartEpoch(l.t.Context(), l.owner))
		l.expired("of another epoch", now)
	})
}

func TestDigestOf(t *testing.T) {
	onEachStore(t, func(l ledger) {
		l.edit(ref(store.ExpenseRow, 1), change(store.ExpenseRow, "put", fields{"amount": "5"}))
		_, cursor := l.pull(replica.Cursor{}, 0)
		digest, err := replica.ReadDigest(l.t.Context(), l.st, l.owner)
		l.check(err)
		if digest.Cursor != cursor || digest.Version != l.state().Version || len(digest.Types) != len(store.RowTypes()) {
			l.t.Errorf("the digest is %v after a pull that ends with %v", digest, cursor)
		}
		for rowType, want := range map[store.RowType]int{
			store.ExpenseRow: 1, store.CategoryRow: 10, store.SettingsRow: 1, store.RuleRow: 0,
		} {
			if got := digest.Types[rowType].Count; got != want {
				l.t.Errorf("the digest counts %d of %s, want %d", got, rowType, want)
			}
		}
	})
}
