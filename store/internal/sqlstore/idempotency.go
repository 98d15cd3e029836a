package sqlstore

import (
	"context"
	"fmt"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// IdempotencyRecord reads the key in a statement of its own, after the ledger is locked. Read in the statement that
// locks the ledger, it would miss the record of a concurrent request that held the lock before.
func (tx *ledgerTx) IdempotencyRecord(
	ctx context.Context, key store.IdempotencyKey,
) (record store.IdempotencyRecord, err error) {
	found, err := tx.session.one(ctx, 4, func(r *row) {
		record = store.IdempotencyRecord{
			IdempotencyKey: key, Fingerprint: r.bytes(0), Retention: store.Retention(r.int(1)), Payload: r.bytes(2),
			CreatedAt: r.instant(3),
		}
	}, `SELECT fingerprint, retention, payload, created_at FROM spendwise_idempotency_records
		WHERE owner = $1 AND scope = $2 AND key = $3`, tx.owner, key.Scope, key.Key)
	if err == nil && !found {
		err = fmt.Errorf("idempotency key %q of %q: %w", key.Key, key.Scope, expense.ErrNotFound)
	}
	return record, err
}

func (tx *ledgerTx) PutIdempotencyRecord(ctx context.Context, record store.IdempotencyRecord) error {
	inserted, err := tx.session.exec(ctx, `INSERT INTO spendwise_idempotency_records
			(owner, scope, key, fingerprint, retention, payload, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
		tx.owner, record.Scope, record.Key, blob(record.Fingerprint), int64(record.Retention), blob(record.Payload),
		record.CreatedAt.UnixMicro())
	if err == nil && inserted == 0 {
		err = fmt.Errorf("idempotency key %q of %q: %w", record.Key, record.Scope, expense.ErrExists)
	}
	return err
}

// blob returns b as an argument: an empty value, not NULL, if b is nil.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
