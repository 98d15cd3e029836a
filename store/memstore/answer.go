package memstore

import (
	"bytes"
	"cmp"
	"context"
	"fmt"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

func compareAnswerKeys(a, b store.AnswerKey) int {
	return cmp.Or(cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Key, b.Key))
}

// Answer implements [store.Tx].
func (t *tx) Answer(ctx context.Context, key store.AnswerKey) (store.Answer, error) {
	if err := t.usable(ctx); err != nil {
		return store.Answer{}, err
	}
	answer, ok := t.now.answers.get(key)
	if !ok {
		return store.Answer{}, fmt.Errorf("answer: %w", expense.ErrNotFound)
	}
	return cloneAnswer(answer), nil
}

// PutAnswer implements [store.Tx].
func (t *tx) PutAnswer(ctx context.Context, answer store.Answer) error {
	if err := t.usable(ctx); err != nil {
		return err
	}
	if _, ok := t.now.answers.get(answer.AnswerKey); ok {
		return fmt.Errorf("answer: %w", expense.ErrExists)
	}
	answer.CreatedAt = expense.Timestamp(answer.CreatedAt)
	t.now.answers = t.now.answers.with(answer.AnswerKey, cloneAnswer(answer))
	return nil
}

// cloneAnswer returns an answer that shares no memory with answer.
func cloneAnswer(answer store.Answer) store.Answer {
	answer.Request, answer.Body = bytes.Clone(answer.Request), bytes.Clone(answer.Body)
	return answer
}
