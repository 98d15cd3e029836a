package memstore

import (
	"bytes"
	"cmp"
	"context"
	"fmt"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

func compareAnswerKeys(a, b store.IdempotencyKey) int {
	return cmp.Or(cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Key, b.Key))
}

// Answer implements [store.Tx].
func (t *tx) IdempotencyRecord(ctx context.Context, key store.IdempotencyKey) (store.IdempotencyRecord, error) {
	if err := t.usable(ctx); err != nil {
		return store.IdempotencyRecord{}, err
	}
	answer, ok := t.now.answers.get(key)
	if !ok {
		return store.IdempotencyRecord{}, fmt.Errorf("answer: %w", expense.ErrNotFound)
	}
	return cloneAnswer(answer), nil
}

// PutAnswer implements [store.Tx].
func (t *tx) PutIdempotencyRecord(ctx context.Context, answer store.IdempotencyRecord) error {
	if err := t.usable(ctx); err != nil {
		return err
	}
	if _, ok := t.now.answers.get(answer.IdempotencyKey); ok {
		return fmt.Errorf("answer: %w", expense.ErrExists)
	}
	answer.CreatedAt = expense.Timestamp(answer.CreatedAt)
	t.now.answers = t.now.answers.with(answer.IdempotencyKey, cloneAnswer(answer))
	return nil
}

// cloneAnswer returns an answer that shares no memory with answer.
func cloneAnswer(answer store.IdempotencyRecord) store.IdempotencyRecord {
	answer.Fingerprint, answer.Body = bytes.Clone(answer.Fingerprint), bytes.Clone(answer.Body)
	return answer
}
