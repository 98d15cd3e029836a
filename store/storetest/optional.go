package storetest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// underTest returns the store itself. The store of a check hides the optional interfaces.
func (t *checkT) underTest() store.Store { return t.st.(tracedStore).Store }

func checkWatch(t *checkT) {
	watcher, ok := t.underTest().(store.Watcher)
	if !ok {
		t.skip("the store does not implement store.Watcher")
	}
	l := t.ledger("a")
	var mu sync.Mutex
	reports := make(map[expense.OwnerID]int)
	stop := watcher.Watch(func(owner expense.OwnerID) {
		mu.Lock()
		defer mu.Unlock()
		reports[owner]++
	})
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return reports[l.owner]
	}
	second := make(chan struct{}, 1)
	// A report may be lost, so the ledger changes until one arrives.
	l.writeUntil(func() bool { return count() > 0 }, "a report of a change")
	stop()
	stopped := count()
	defer watcher.Watch(func(expense.OwnerID) {
		select {
		case second <- struct{}{}:
		default:
		}
	})()
	l.writeUntil(func() bool { return len(second) > 0 }, "a report to a watcher that began later")
	equal(t, count(), stopped, "the number of reports to a watcher after it was stopped")
	mu.Lock()
	defer mu.Unlock()
	equal(t, len(reports), 1, "the number of owners of which Watch reported")
}

// writeUntil changes the ledger until done returns true.
func (l *ledger) writeUntil(done func() bool, what string) {
	for !done() {
		if l.ctx.Err() != nil {
			l.fatalf("%s did not arrive before the deadline of the check", what)
		}
		l.writeAny()
		time.Sleep(10 * time.Millisecond)
	}
}

func checkPrefetch(t *checkT) {
	l := t.ledger("a")
	rows := l.put(l.anyExpense(), l.anyExpense(), l.anyExpense())
	l.delete(rows[2].ID)
	record, later := newRecord("s", "stored"), newRecord("s", "later")
	l.putRecord(record)
	keys := []store.IdempotencyKey{record.IdempotencyKey, later.IdempotencyKey}
	ids := []uuid.UUID{rows[0].ID, rows[1].ID, rows[2].ID, unknownID}
	implemented := true
	err := t.underTest().Update(t.ctx, l.owner, func(tx store.Tx) error {
		prefetcher, ok := tx.(store.Prefetcher)
		if implemented = ok; !ok {
			return nil
		}
		t.noError(prefetcher.Prefetch(t.ctx, nil, nil), "Prefetch of nothing")
		t.noError(prefetcher.Prefetch(t.ctx, keys, ids), "Prefetch of rows of which some do not exist")
		found, err := tx.IdempotencyRecord(t.ctx, record.IdempotencyKey)
		t.noError(err, "IdempotencyRecord after Prefetch")
		equal(t, string(found.Payload), string(record.Payload), "the payload of a record after Prefetch")
		_, err = tx.IdempotencyRecord(t.ctx, later.IdempotencyKey)
		t.wantError(err, expense.ErrNotFound, "IdempotencyRecord after Prefetch of a key without a record")
		equal(t, getBy(t, tx.Expense, rows[0].ID), rows[0], "Expense after Prefetch")
		wantErrorBy(t, tx.Expense, rows[2].ID, expense.ErrGone, "a deleted expense after Prefetch")
		wantErrorBy(t, tx.Expense, unknownID, errNeverExisted, "an unknown id after Prefetch")

		// A write after Prefetch replaces what was read ahead.
		changed := rows[0]
		changed.Notes = "changed after Prefetch"
		t.noError(t.runCalls(tx, call(store.Tx.PutExpenses, changed), call(store.Tx.DeleteExpenses, rows[1].ID)),
			"writes after Prefetch")
		equal(t, getBy(t, tx.Expense, changed.ID).Notes, changed.Notes, "the notes of an expense written after Prefetch")
		wantErrorBy(t, tx.Expense, rows[1].ID, expense.ErrGone, "an expense deleted after Prefetch")
		t.noError(tx.PutIdempotencyRecord(t.ctx, later), "PutIdempotencyRecord after Prefetch")
		_, err = tx.IdempotencyRecord(t.ctx, later.IdempotencyKey)
		t.noError(err, "IdempotencyRecord of a record stored after Prefetch")
		return nil
	})
	if !implemented {
		t.skip("a Tx of the store does not implement store.Prefetcher")
	}
	t.noError(err, "an Update with Prefetch")
}

func checkPositions(t *checkT) {
	l := t.ledger("a")
	reader, ok := t.underTest().Reader(l.owner).(store.PositionReader)
	if !ok {
		t.skip("a Reader of the store does not implement store.PositionReader")
	}
	l.populateFeed()
	want := func() (texts []string) {
		for _, change := range l.changes(store.ChangeQuery{}) {
			if !change.Deleted {
				texts = append(texts, fmt.Sprint(change.FeedPosition))
			}
		}
		slices.Sort(texts)
		return texts
	}
	wantPositions := func(subject string) {
		state, positions, err := reader.Positions(t.ctx)
		t.noError(err, "Positions")
		equal(t, state, l.state(), "the state that Positions returned %s", subject)
		texts := make([]string, len(positions))
		for i, position := range positions {
			texts[i] = fmt.Sprint(position)
		}
		slices.Sort(texts)
		equalLists(t, texts, want(), "Positions %s", subject)
	}
	wantPositions("of each type of row")
	l.put(l.anyExpense())
	wantPositions("after a write")
	t.erase(l.owner)
	_, _, err := reader.Positions(t.ctx)
	t.wantError(err, expense.ErrNotFound, "Positions of an owner without a ledger")
}
