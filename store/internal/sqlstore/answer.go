package sqlstore

import (
	"context"
	"fmt"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// Answer looks the key up after the lock is held: folded into the locking statement it would miss the twin it waited for.
func (tx *ledgerTx) IdempotencyRecord(ctx context.Context, key store.IdempotencyKey) (answer store.IdempotencyRecord, err error) {
	found, err := tx.session.one(ctx, 6, func(r *row) {
		answer = store.IdempotencyRecord{
			IdempotencyKey: key, Fingerprint: r.bytes(0), Status: int(r.int(1)), ETag: r.text(2), Location: r.text(3), Body: r.bytes(4),
			CreatedAt: r.instant(5),
		}
	}, `SELECT request, status, etag, location, body, created_at FROM spendwise_answers WHERE owner = $1 AND scope = $2 AND key = $3`,
		tx.owner, key.Scope, key.Key)
	if err == nil && !found {
		err = fmt.Errorf("answer %s of %s: %w", key.Key, key.Scope, expense.ErrNotFound)
	}
	return answer, err
}

func (tx *ledgerTx) PutIdempotencyRecord(ctx context.Context, answer store.IdempotencyRecord) error {
	kept, err := tx.session.exec(ctx, `INSERT INTO spendwise_answers (owner, scope, key, request, status, etag, location, body, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`,
		tx.owner, answer.Scope, answer.Key, blob(answer.Fingerprint), int64(answer.Status), answer.ETag, answer.Location, blob(answer.Body),
		answer.CreatedAt.UnixMicro())
	if err == nil && kept == 0 {
		err = fmt.Errorf("answer %s of %s: %w", answer.Key, answer.Scope, expense.ErrExists)
	}
	return err
}

// blob is the argument for bytes: none are an empty value, not NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
