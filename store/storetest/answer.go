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
	sayAnswer = "store.Tx.Answer: Answer returns the answer kept under key, looked up by a statement of its own after the " +
		"ledger is locked; ErrNotFound if there is none."
	sayPutAnswer = "store.Tx.PutAnswer: PutAnswer keeps an answer in the transaction of the write it belongs to, and " +
		"takes no version by itself; ErrExists if there is one under its key."
)

func answerChecks() []check {
	return []check{
		{name: "answer-values", guards: []string{sayAnswer, sayPutAnswer}, run: checkAnswerValues},
		{name: "answer-in-transaction", guards: []string{sayPutAnswer}, run: checkAnswerUndone},
		{name: "answer-twins", guards: []string{sayAnswer, sayUpdate}, run: checkTwins},
		{name: "answer-twin-waits", guards: []string{sayAnswer, sayUpdate}, run: checkTwinWaits},
	}
}

func checkAnswerValues(p *probe) {
	b := p.book("a")
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	answers := []store.IdempotencyRecord{
		{IdempotencyKey: store.IdempotencyKey{Scope: "POST /v1/expenses", Key: "k"}, Fingerprint: every[:64], Status: 201, ETag: `"7"`,
			Location: "/v1/expenses/1", Body: every},
		{IdempotencyKey: store.IdempotencyKey{Scope: "POST /v1/expenses", Key: "K"}, Fingerprint: []byte{0}, Status: 204},
		{IdempotencyKey: store.IdempotencyKey{Scope: "POST /v1/budgets", Key: "k"}, Fingerprint: []byte{1}, Status: 200, Body: []byte("{}")},
		{IdempotencyKey: store.IdempotencyKey{Scope: strings.Repeat("s", 128), Key: strings.Repeat("k", 255)}, Fingerprint: []byte{2},
			Status: 200, Body: bytes.Repeat([]byte("x"), 1<<17)},
	}
	version := b.version
	for i := range answers {
		answers[i].CreatedAt = time.Date(2025, time.May, 1, 2, 3, i, 567891234, time.FixedZone("somewhere", 3*3600))
		b.update(func(tx store.Tx) error { return tx.PutIdempotencyRecord(p.ctx, answers[i]) })
	}
	describe := func(a store.IdempotencyRecord) string {
		return fmt.Sprintf("%+v %x %d %q %q %x %s", a.IdempotencyKey, a.Fingerprint, a.Status, a.ETag, a.Location, a.Body, a.CreatedAt)
	}
	b.update(func(tx store.Tx) error {
		for _, want := range answers {
			want.CreatedAt = expense.Timestamp(want.CreatedAt)
			got, err := tx.IdempotencyRecord(p.ctx, want.IdempotencyKey)
			p.must(err, "Answer")
			same(p, describe(got), describe(want), "an answer as it was kept")
			p.fails(tx.PutIdempotencyRecord(p.ctx, want), expense.ErrExists, "a second answer under one key")
			clear(got.Body) // the caller's own
			got, err = tx.IdempotencyRecord(p.ctx, want.IdempotencyKey)
			p.must(err, "Answer")
			same(p, describe(got), describe(want), "an answer after its reader wrote over the body")
		}
		for _, key := range []store.IdempotencyKey{{Scope: "POST /v1/budgets", Key: "K"}, {}, {Scope: "POST /v1/expenses"}} {
			_, err := tx.IdempotencyRecord(p.ctx, key)
			p.fails(err, expense.ErrNotFound, "Answer(%+v)", key)
		}
		return nil
	})
	same(p, b.put(b.expense("1.00", "EUR", "2025-01-01"))[0].Version, version+1, "the version after answers alone")
}

func checkAnswerUndone(p *probe) {
	b := p.book("a")
	answer := store.IdempotencyRecord{IdempotencyKey: store.IdempotencyKey{Scope: "s", Key: "k"}, Fingerprint: []byte{1}, Status: 201, CreatedAt: epoch}
	err := p.st.Update(p.ctx, b.owner, func(tx store.Tx) error {
		if err := tx.PutIdempotencyRecord(p.ctx, answer); err != nil {
			return err
		}
		if _, err := tx.IdempotencyRecord(p.ctx, answer.IdempotencyKey); err != nil {
			return fmt.Errorf("an answer just kept: %w", err)
		}
		return errOnPurpose
	})
	p.fails(err, errOnPurpose, "Update")
	b.update(func(tx store.Tx) error {
		_, err := tx.IdempotencyRecord(p.ctx, answer.IdempotencyKey)
		p.fails(err, expense.ErrNotFound, "an answer of an Update that failed")
		if err := tx.PutIdempotencyRecord(p.ctx, answer); err != nil {
			p.note("an answer under the key of one that was undone: %v", err)
		}
		return nil
	})
}

// once adds an expense unless an answer says that it was done, and reports whether it did.
func (b *book) once(key store.IdempotencyKey, e expense.Expense, inside func()) (did bool, err error) {
	err = b.st.Update(b.ctx, b.owner, func(tx store.Tx) error {
		did = false
		answer, err := tx.IdempotencyRecord(b.ctx, key)
		if err == nil {
			if answer.Status != 201 || string(answer.Body) != "done" {
				return fmt.Errorf("the twin's answer is %+v", answer)
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
		return tx.PutIdempotencyRecord(b.ctx, store.IdempotencyRecord{IdempotencyKey: key, Fingerprint: []byte{1}, Status: 201, Body: []byte("done"),
			CreatedAt: epoch})
	})
	return did, err
}

func checkTwins(p *probe) {
	b := p.book("a")
	const twins = 10
	rows := make([]expense.Expense, twins)
	for i := range rows {
		rows[i] = b.expense("1.00", "EUR", "2025-01-01")
	}
	var mu sync.Mutex
	count := 0
	p.together(twins, func(i int) {
		did, err := b.once(store.IdempotencyKey{Scope: "s", Key: "twins"}, rows[i], func() {})
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

func checkTwinWaits(p *probe) {
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
		if did[i], err = b.once(key, e, during); err != nil {
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
