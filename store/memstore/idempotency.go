package memstore

import (
	"bytes"
	"cmp"
	"context"
	"fmt"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

func compareIdempotencyKeys(a, b store.IdempotencyKey) int {
	return cmp.Or(cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Key, b.Key))
}

// IdempotencyRecord implements [store.Tx].
func (t *tx) IdempotencyRecord(ctx context.Context, key store.IdempotencyKey) (store.IdempotencyRecord, error) {
	if err := cmp.Or(t.usable(ctx), key.Validate()); err != nil {
		return store.IdempotencyRecord{}, err
	}
	record, ok := t.current.records.get(key)
	if !ok {
		return store.IdempotencyRecord{}, fmt.Errorf("idempotency key %q of %q: %w", key.Key, key.Scope, expense.ErrNotFound)
	}
	return cloneRecord(record), nil
}

// PutIdempotencyRecord implements [store.Tx].
func (t *tx) PutIdempotencyRecord(ctx context.Context, record store.IdempotencyRecord) error {
	if err := cmp.Or(t.usable(ctx), record.Validate()); err != nil {
		return err
	}
	if _, ok := t.current.records.get(record.IdempotencyKey); ok {
		return fmt.Errorf("idempotency key %q of %q: %w", record.Key, record.Scope, expense.ErrExists)
	}
	record.CreatedAt = expense.Timestamp(record.CreatedAt)
	t.current.records = t.current.records.with(record.IdempotencyKey, cloneRecord(record))
	return nil
}

// cloneRecord returns a copy that shares no memory with record.
func cloneRecord(record store.IdempotencyRecord) store.IdempotencyRecord {
	record.Fingerprint, record.Payload = bytes.Clone(record.Fingerprint), bytes.Clone(record.Payload)
	return record
}
