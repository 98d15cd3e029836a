package sqlstore

import (
	"bytes"
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/internal/sqldb"
)

// A recordRow is an idempotency record.
type recordRow struct {
	bun.BaseModel `bun:"table:spendwise_idempotency_records,alias:r"`

	Owner       string `bun:",pk"`
	Scope       string `bun:",pk"`
	Key         string `bun:",pk"`
	Fingerprint []byte
	Retention   int64
	Payload     []byte
	CreatedAt   int64
}

func newRecordRow(owner string, record store.IdempotencyRecord) recordRow {
	return recordRow{
		Owner: owner, Scope: record.Scope, Key: record.Key, Fingerprint: sqldb.NotNull(bytes.Clone(record.Fingerprint)),
		Retention: int64(record.Retention), Payload: sqldb.NotNull(bytes.Clone(record.Payload)),
		CreatedAt: sqldb.Micros(record.CreatedAt),
	}
}

func (row *recordRow) record() *store.IdempotencyRecord {
	return &store.IdempotencyRecord{
		IdempotencyKey: store.IdempotencyKey{Scope: row.Scope, Key: row.Key}, Fingerprint: row.Fingerprint,
		Retention: store.Retention(row.Retention), Payload: row.Payload, CreatedAt: sqldb.FromMicros(row.CreatedAt),
	}
}

// loadRecords makes tx.records know about all keys, with one statement for the keys of a scope. The statement runs
// after the one that locks the ledger, so that it sees the record of a request that held the lock before. It returns
// ErrInvalid for an invalid key.
func (tx *ledgerTx) loadRecords(ctx context.Context, keys []store.IdempotencyKey) error {
	unknown := make(map[string][]string)
	for _, key := range keys {
		if err := key.Validate(); err != nil {
			return err
		}
		if _, ok := tx.records[key]; !ok {
			unknown[key.Scope] = append(unknown[key.Scope], key.Key)
			tx.keepRecord(key, nil)
		}
	}
	for scope, keys := range unknown {
		use := func(row *recordRow) error {
			tx.keepRecord(store.IdempotencyKey{Scope: scope, Key: row.Key}, row.record())
			return nil
		}
		var err error
		if texts := &tx.store.texts; len(keys) == 1 {
			err = sqldb.Each(ctx, tx.session, use, texts.record, tx.owner, scope, keys[0])
		} else {
			var rows []recordRow
			_, err = tx.session.Find(ctx, tx.session.NewSelect().Model(&rows).
				Where("owner = ? AND scope = ? AND key IN (?)", tx.owner, scope, bun.List(keys)))
			for i := range rows {
				_ = use(&rows[i])
			}
		}
		if err != nil {
			return err
		}
	}
	return tx.session.Failed
}

func (tx *ledgerTx) keepRecord(key store.IdempotencyKey, record *store.IdempotencyRecord) {
	if tx.records == nil {
		tx.records = make(map[store.IdempotencyKey]*store.IdempotencyRecord)
	}
	tx.records[key] = record
}

func (tx *ledgerTx) IdempotencyRecord(
	ctx context.Context, key store.IdempotencyKey,
) (store.IdempotencyRecord, error) {
	if err := tx.loadRecords(ctx, []store.IdempotencyKey{key}); err != nil {
		return store.IdempotencyRecord{}, err
	}
	record := tx.records[key]
	if record == nil {
		return store.IdempotencyRecord{}, fmt.Errorf("idempotency key %q of %q: %w", key.Key, key.Scope, expense.ErrNotFound)
	}
	found := *record
	found.Fingerprint, found.Payload = bytes.Clone(record.Fingerprint), bytes.Clone(record.Payload)
	return found, nil
}

func (tx *ledgerTx) PutIdempotencyRecord(ctx context.Context, record store.IdempotencyRecord) error {
	if err := tx.loadRecords(ctx, []store.IdempotencyKey{record.IdempotencyKey}); err != nil {
		return err
	}
	if tx.records[record.IdempotencyKey] != nil {
		return fmt.Errorf("idempotency key %q of %q: %w", record.Key, record.Scope, expense.ErrExists)
	}
	row := newRecordRow(tx.owner, record)
	tx.newRecords = append(tx.newRecords, row)
	tx.keepRecord(record.IdempotencyKey, row.record())
	return nil
}
