package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

const (
	sayRecord = "store.Tx.IdempotencyRecord: IdempotencyRecord returns the record stored under key, or ErrNotFound."
	sayLocked = "store.Tx.IdempotencyRecord: It must read the record after the ledger is locked, so that it sees what a concurrent " +
		"Update with the same key has committed."
	sayPutRecord = "store.Tx.PutIdempotencyRecord: PutIdempotencyRecord stores a record in this transaction, or returns ErrExists if " +
		"its key has one."
	sayRecordVersion = "store.Tx.PutIdempotencyRecord: It takes no version."
)

func idempotencyChecks() []check {
	return []check{
		{name: "idempotency-values", guards: []string{sayRecord, sayPutRecord, sayRecordVersion}, run: checkIdempotencyValues},
		{name: "idempotency-rollback", guards: []string{sayPutRecord}, run: checkIdempotencyRollback},
		{name: "idempotency-concurrent", guards: []string{sayLocked, sayUpdate}, run: checkIdempotencyConcurrent},
		{name: "idempotency-waits", guards: []string{sayLocked, sayUpdate}, run: checkIdempotencyWaits},
	}
}

func checkIdempotencyValues(p *probe) {
	b := p.book("a")
	allBytes := make([]byte, 256)
	for i := range allBytes {
		allBytes[i] = byte(i)
	}
	records := []store.IdempotencyRecord{
		{IdempotencyKey: store.IdempotencyKey{Scope: "POST /v1/expenses", Key: "k"}, Fingerprint: allBytes[:64], Payload: allBytes},
		{IdempotencyKey: store.IdempotencyKey{Scope: "POST /v1/expenses", Key: "K"}, Fingerprint: []byte{0}},
		{IdempotencyKey: store.IdempotencyKey{Scope: "POST /v1/budgets", Key: "k"}, Fingerprint: []byte{1},
			Retention: store.RetentionTombstones, Payload: []byte("{}")},
		{IdempotencyKey: store.IdempotencyKey{Scope: strings.Repeat("s", 128), Key: strings.Repeat("k", 255)}, Fingerprint: []byte{2},
			Payload: bytes.Repeat([]byte("x"), 1<<17)},
	}
	version := b.version
	for i := range records {
		records[i].CreatedAt = time.Date(2025, time.May, 1, 2, 3, i, 567891234, time.FixedZone("somewhere", 3*3600))
		b.update(func(tx store.Tx) error { return tx.PutIdempotencyRecord(p.ctx, records[i]) })
	}
	describe := func(r store.IdempotencyRecord) string {
		return fmt.Sprintf("%+v %x %d %x %s", r.IdempotencyKey, r.Fingerprint, r.Retention, r.Payload, r.CreatedAt)
	}
	b.update(func(tx store.Tx) error {
		for _, want := range records {
			want.CreatedAt = expense.Timestamp(want.CreatedAt)
			got, err := tx.IdempotencyRecord(p.ctx, want.IdempotencyKey)
			p.must(err, "IdempotencyRecord")
			same(p, describe(got), describe(want), "the record as it was stored")
			p.fails(tx.PutIdempotencyRecord(p.ctx, want), expense.ErrExists, "a second record with the same key")
			clear(got.Payload) // the memory belongs to the caller
			got, err = tx.IdempotencyRecord(p.ctx, want.IdempotencyKey)
			p.must(err, "IdempotencyRecord")
			same(p, describe(got), describe(want), "a record after its reader overwrote the payload")
		}
		for _, key := range []store.IdempotencyKey{{Scope: "POST /v1/budgets", Key: "K"}, {}, {Scope: "POST /v1/expenses"}} {
			_, err := tx.IdempotencyRecord(p.ctx, key)
			p.fails(err, expense.ErrNotFound, "IdempotencyRecord(%+v)", key)
		}
		return nil
	})
	same(p, b.put(b.expense("1.00", "EUR", "2025-01-01"))[0].Version, version+1, "the version after Updates that stored only records")
}

func checkIdempotencyRollback(p *probe) {
	b := p.book("a")
	record := store.IdempotencyRecord{
		IdempotencyKey: store.IdempotencyKey{Scope: "s", Key: "k"}, Fingerprint: []byte{1}, Payload: []byte("done"), CreatedAt: epoch,
	}
	err := p.st.Update(p.ctx, b.owner, func(tx store.Tx) error {
		if err := tx.PutIdempotencyRecord(p.ctx, record); err != nil {
			return err
		}
		if _, err := tx.IdempotencyRecord(p.ctx, record.IdempotencyKey); err != nil {
			return fmt.Errorf("a record stored by the same Update: %w", err)
		}
		return errOnPurpose
	})
	p.fails(err, errOnPurpose, "Update")
	b.update(func(tx store.Tx) error {
		_, err := tx.IdempotencyRecord(p.ctx, record.IdempotencyKey)
		p.fails(err, expense.ErrNotFound, "a record of an Update that failed")
		if err := tx.PutIdempotencyRecord(p.ctx, record); err != nil {
			p.note("a record with the key of one that was rolled back: %v", err)
		}
		return nil
	})
}

// addOnce adds an expense unless the key has a record, and reports whether it added it. It calls inside while the ledger is locked.
func (b *book) addOnce(key store.IdempotencyKey, e expense.Expense, inside func()) (did bool, err error) {
	err = b.st.Update(b.ctx, b.owner, func(tx store.Tx) error {
		did = false
		record, err := tx.IdempotencyRecord(b.ctx, key)
		if err == nil {
			if string(record.Payload) != "done" {
				return fmt.Errorf("the concurrent request's record is %+v", record)
			}
			return nil
		}
		if !errors.Is(err, expense.ErrNotFound) {
			return err
		}
		inside()
		if _, err := tx.PutExpenses(b.ctx, e); err != nil {
			return err
		}
		did = true
		return tx.PutIdempotencyRecord(b.ctx, store.IdempotencyRecord{IdempotencyKey: key, Fingerprint: []byte{1}, Payload: []byte("done"),
			CreatedAt: epoch})
	})
	return did, err
}

func checkIdempotencyConcurrent(p *probe) {
	b := p.book("a")
	const twins = 10
	rows := make([]expense.Expense, twins)
	for i := range rows {
		rows[i] = b.expense("1.00", "EUR", "2025-01-01")
	}
	var mu sync.Mutex
	count := 0
	p.together(twins, func(i int) {
		did, err := b.addOnce(store.IdempotencyKey{Scope: "s", Key: "twins"}, rows[i], func() {})
		if err != nil {
			p.note("twin %d: %v", i, err)
		}
		if did {
			mu.Lock()
			count++
			mu.Unlock()
		}
	})
	same(p, count, 1, "how many of %d twins did the work", twins)
	same(p, len(all(p, b.reader.Expenses(p.ctx, expense.Query{}), "Expenses")), 1, "expenses that %d twins made", twins)
}

func checkIdempotencyWaits(p *probe) {
	b := p.book("a")
	key := store.IdempotencyKey{Scope: "s", Key: "waits"}
	first, second := b.expense("1.00", "EUR", "2025-01-01"), b.expense("1.00", "EUR", "2025-01-01")
	held, release := make(chan struct{}), make(chan struct{})
	var hold sync.Once
	var running sync.WaitGroup
	var did [2]bool
	twin := func(i int, e expense.Expense, during func()) {
		defer p.notePanic()
		var err error
		if did[i], err = b.addOnce(key, e, during); err != nil {
			p.note("twin %d: %v", i+1, err)
		}
	}
	running.Go(func() { twin(0, first, func() { hold.Do(func() { close(held) }); <-release }) })
	<-held
	running.Go(func() { twin(1, second, func() {}) })
	time.Sleep(20 * time.Millisecond) // as in checkAlone
	close(release)
	running.Wait()
	// A store that runs fn again may let the second in between, so either may be the one.
	if did[0] == did[1] {
		p.note("two twins, of which the second came while the first was at work: did %t and %t, want one", did[0], did[1])
	}
	for i, e := range []expense.Expense{first, second} {
		_, err := b.reader.Expense(p.ctx, e.ID)
		if did[i] {
			p.must(err, "the expense of the twin that did it")
		} else {
			p.fails(err, expense.ErrNotFound, "the expense of the twin that did not")
		}
	}
}
