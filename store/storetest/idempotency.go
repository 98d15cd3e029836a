package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

func checkRecordValues(t *checkT) {
	l := t.ledger("a")
	allBytes := make([]byte, 256)
	for i := range allBytes {
		allBytes[i] = byte(i)
	}
	const scope, otherScope = "POST /v1/expenses", "POST /v1/budgets"
	records := []store.IdempotencyRecord{
		{IdempotencyKey: store.IdempotencyKey{Scope: scope, Key: "k"}, Fingerprint: allBytes[:64], Payload: allBytes},
		{IdempotencyKey: store.IdempotencyKey{Scope: scope, Key: "K"}, Fingerprint: []byte{0}},
		{IdempotencyKey: store.IdempotencyKey{Scope: otherScope, Key: "k"}, Fingerprint: []byte{1},
			Retention: store.RetentionTombstones, Payload: []byte("{}")},
		{IdempotencyKey: store.IdempotencyKey{Scope: strings.Repeat("s", 128), Key: strings.Repeat("k", 255)},
			Fingerprint: []byte{2}, Payload: bytes.Repeat([]byte("x"), 1<<17)},
	}
	for i := range records {
		records[i].CreatedAt = nanoTime.Add(time.Duration(i) * time.Second)
		l.putRecord(records[i])
	}
	describeRecord := func(r store.IdempotencyRecord) string {
		return fmt.Sprintf("%+v %x %d %x %s", r.IdempotencyKey, r.Fingerprint, r.Retention, r.Payload, r.CreatedAt)
	}
	l.update(func(tx store.Tx) error {
		for _, want := range records {
			want.CreatedAt = expense.Timestamp(want.CreatedAt)
			got := getBy(t, tx.IdempotencyRecord, want.IdempotencyKey)
			equal(t, describeRecord(got), describeRecord(want), "IdempotencyRecord as it was stored")
			t.wantError(tx.PutIdempotencyRecord(t.ctx, want), expense.ErrExists, "a second record with the same key")
			clear(got.Payload) // the memory belongs to the caller
			got = getBy(t, tx.IdempotencyRecord, want.IdempotencyKey)
			equal(t, describeRecord(got), describeRecord(want), "IdempotencyRecord after its reader overwrote the payload")
		}
		for _, key := range []store.IdempotencyKey{{Scope: otherScope, Key: "K"}, {}, {Scope: scope}} {
			wantErrorBy(t, tx.IdempotencyRecord, key, expense.ErrNotFound, "the unknown key %+v", key)
		}
		return nil
	})
	l.put(l.anyExpense()) // fails if a record took a version
}

func checkInvalidKey(t *checkT) {
	l := t.ledger("a")
	l.update(func(tx store.Tx) error {
		for _, key := range []store.IdempotencyKey{
			{Scope: strings.Repeat("s", 129), Key: "k"}, {Scope: "s", Key: strings.Repeat("k", 256)},
			{Scope: "s", Key: "a\x00b"}, {Scope: "s\n", Key: "k"}, {Scope: "s", Key: "\xff"},
		} {
			wantErrorBy(t, tx.IdempotencyRecord, key, expense.ErrInvalid, "the invalid key %q", key)
			record := newRecord(key.Scope, key.Key)
			t.wantError(tx.PutIdempotencyRecord(t.ctx, record), expense.ErrInvalid, "a record with the invalid key %q", key)
		}
		return nil // an ErrInvalid leaves the Tx usable
	})
}

func checkRecordRollback(t *checkT) {
	l := t.ledger("a")
	record := newRecord("s", "k")
	err := l.tryUpdate(func(tx store.Tx) error {
		if err := tx.PutIdempotencyRecord(t.ctx, record); err != nil {
			return err
		}
		if _, err := tx.IdempotencyRecord(t.ctx, record.IdempotencyKey); err != nil {
			return fmt.Errorf("a record stored by the same Update: %w", err)
		}
		return errOnPurpose
	})
	t.wantError(err, errOnPurpose, "an Update whose function fails")
	l.wantRecord(record.IdempotencyKey, expense.ErrNotFound, "a record of an Update whose function failed")
	l.putRecord(record)
}

// addOnce adds e unless record is stored, and stores record. It reports whether it added e. It calls locked while it
// holds the ledger's lock.
func (l *ledger) addOnce(record store.IdempotencyRecord, e expense.Expense, locked func()) (added bool) {
	defer l.recordPanic()
	err := l.tryUpdate(func(tx store.Tx) error {
		added = false
		stored, err := tx.IdempotencyRecord(l.ctx, record.IdempotencyKey)
		if err == nil {
			if string(stored.Payload) != "done" {
				return fmt.Errorf("the concurrent request's record is %+v", stored)
			}
			return nil
		}
		if !errors.Is(err, expense.ErrNotFound) {
			return err
		}
		locked()
		added = true
		return l.runCalls(tx, call(store.Tx.PutExpenses, e), callPutRecord(record))
	})
	if err != nil {
		l.errorf("concurrent request: %v", err)
	}
	return added
}

func checkRecordConcurrently(t *checkT) {
	l := t.ledger("a")
	rows := make([]expense.Expense, 10)
	for i := range rows {
		rows[i] = l.anyExpense()
	}
	var count atomic.Int32
	t.concurrently(len(rows), func(i int) {
		if l.addOnce(newRecord("s", "concurrent"), rows[i], func() {}) {
			count.Add(1)
		}
	})
	equal(t, count.Load(), 1, "the number of concurrent requests with the same key that wrote")
	equal(t, len(t.expenses(l.reader, expense.Query{})), 1, "the number of Expenses after these requests")
}

func checkRecordWaits(t *checkT) {
	l := t.ledger("a")
	record := newRecord("s", "waits")
	rows := []expense.Expense{l.anyExpense(), l.anyExpense()}
	var added [2]bool
	t.overlap(func(wait func()) { added[0] = l.addOnce(record, rows[0], wait) },
		func() { added[1] = l.addOnce(record, rows[1], func() {}) })
	// Either request may write: if the first Update runs again, the second may come first.
	if added[0] == added[1] {
		t.errorf("two overlapping requests with the same key: whether they wrote is %t and %t, want one", added[0], added[1])
	}
	for i, e := range rows {
		var want error
		if !added[i] {
			want = expense.ErrNotFound
		}
		wantErrorBy(t, l.reader.Expense, e.ID, want, "the request %d of two with the same key", i+1)
	}
}
