package replica

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// A record is the stored result of a mutation. Push replays it if the mutation is sent again, and uses it for mutations
// that name this one as their base_mutation.
type record struct {
	fingerprint []byte
	status      Status
	version     expense.Version // of the result
	row         RowRef          // zero if the mutation named no valid row
	base        baseVersion     // of mutations whose base_mutation is this one
	response    []byte
}

// recordFormat is the first byte of a record in the store.
const recordFormat = 1

func recordKey(mutation string) store.IdempotencyKey {
	return store.IdempotencyKey{Scope: "sync", Key: mutation}
}

// record returns the record of a mutation, or ErrNotFound.
func (p *push) record(ctx context.Context, mutation string) (record, error) {
	stored, err := p.tx.tx.IdempotencyRecord(ctx, recordKey(mutation))
	if err != nil {
		return record{}, fmt.Errorf("record of mutation %s: %w", mutation, err)
	}
	r, err := decodeRecord(stored.Payload)
	if err != nil {
		return record{}, fmt.Errorf("record of mutation %s: %w", mutation, err)
	}
	r.fingerprint = stored.Fingerprint
	return r, nil
}

func (p *push) putRecord(ctx context.Context, m Mutation, r record) error {
	err := p.tx.tx.PutIdempotencyRecord(ctx, store.IdempotencyRecord{
		IdempotencyKey: recordKey(m.ID), Fingerprint: m.Fingerprint, Retention: store.RetentionTombstones,
		Payload: r.encode(), CreatedAt: expense.Timestamp(p.env.Now),
	})
	if err != nil {
		return fmt.Errorf("store the result: %w", err)
	}
	return nil
}

func (r record) encode() []byte {
	payload := []byte{recordFormat, byte(r.status), byte(r.row.Type)}
	payload = append(payload, r.row.ID[:]...)
	for _, version := range []expense.Version{r.version, r.base.Row, r.base.Guarded} {
		payload = binary.AppendVarint(payload, int64(version))
	}
	return append(payload, r.response...)
}

func decodeRecord(payload []byte) (record, error) {
	const fixed = 3 + len(uuid.UUID{})
	if len(payload) < fixed || payload[0] != recordFormat {
		return record{}, errors.New("payload has an unknown format")
	}
	r := record{status: Status(payload[1]), row: RowRef{store.RowType(payload[2]), uuid.UUID(payload[3:fixed])}}
	rest := payload[fixed:]
	for _, version := range []*expense.Version{&r.version, &r.base.Row, &r.base.Guarded} {
		value, size := binary.Varint(rest)
		if size <= 0 {
			return record{}, errors.New("payload is truncated")
		}
		*version, rest = expense.Version(value), rest[size:]
	}
	r.response = rest
	return r, nil
}
