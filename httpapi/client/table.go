package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/wire"
)

// An Optional is a member of a patch. It is absent, which leaves the row's member unchanged, or a value, or null, which
// restores the default. The zero value is absent.
type Optional[T any] = wire.Optional[T]

// Set returns an Optional with a value.
func Set[T any](value T) Optional[T] { return wire.Set(value) }

// Null returns an Optional that restores the default.
func Null[T any]() Optional[T] { return wire.Null[T]() }

// A Change is the content of a mutation: one of this package's drafts and patches.
type Change interface {
	change() (Type, Op)
}

// A draft is a Change that may set the id of its row.
type draft interface {
	Change
	rowID() uuid.UUID
}

// A Table accesses the rows of one type. Reads return the local copy with queued mutations applied. Writes are queued.
// No method uses the network.
type Table[R any, D draft, P Change] struct {
	client  *Client
	rowType Type
}

// Get returns a row. It returns ErrNotFound if there is none.
func (t Table[R, D, P]) Get(ctx context.Context, id uuid.UUID) (R, error) {
	var row R
	err := t.client.storage.View(ctx, func(tx Tx) error {
		text, err := visibleRow(ctx, tx, RowKey{t.rowType, id.String()})
		if err != nil {
			return err
		}
		return json.Unmarshal(text, &row)
	})
	return row, err
}

// List returns all rows, ordered by id.
func (t Table[R, D, P]) List(ctx context.Context) ([]R, error) {
	var rows []R
	err := t.client.storage.View(ctx, func(tx Tx) error {
		rows = nil
		texts, err := visibleRows(ctx, tx, t.rowType)
		if err != nil {
			return err
		}
		for _, text := range texts {
			var row R
			if err := json.Unmarshal(text, &row); err != nil {
				return fmt.Errorf("stored %s: %w", t.rowType, err)
			}
			rows = append(rows, row)
		}
		return nil
	})
	return rows, err
}

// Put queues the creation or replacement of a row and returns the row with the change applied. If the draft has no id,
// Put generates one. It returns ErrGone if the row was deleted on this device.
func (t Table[R, D, P]) Put(ctx context.Context, d D) (R, error) {
	id := d.rowID()
	if id == uuid.Nil {
		var err error
		if id, err = uuid.NewV7(); err != nil {
			var none R
			return none, err
		}
	}
	return t.queue(ctx, RowKey{t.rowType, id.String()}, Put, d)
}

// Patch queues a change of some members of a row and returns the row with the change applied. It returns ErrNotFound if
// there is no such row.
func (t Table[R, D, P]) Patch(ctx context.Context, id uuid.UUID, p P) (R, error) {
	return t.queue(ctx, RowKey{t.rowType, id.String()}, Patch, p)
}

// Delete queues the deletion of a row. A deletion wins over concurrent changes of other devices. Delete returns nil if
// there is no such row.
func (t Table[R, D, P]) Delete(ctx context.Context, id uuid.UUID) error {
	_, err := t.client.queue(ctx, Mutation{Key: RowKey{t.rowType, id.String()}, Op: Delete}, nil)
	if errors.Is(err, expense.ErrNotFound) {
		return nil
	}
	return err
}

func (t Table[R, D, P]) queue(ctx context.Context, key RowKey, op Op, data any) (R, error) {
	var row R
	text, err := t.client.queue(ctx, Mutation{Key: key, Op: op}, data)
	if err == nil {
		err = json.Unmarshal(text, &row)
	}
	return row, err
}

// jsonObject is a JSON object with undecoded values.
type jsonObject map[string]json.RawMessage

func parseObject(text json.RawMessage) (jsonObject, error) {
	m := jsonObject{}
	if len(text) == 0 {
		return m, nil
	}
	err := json.Unmarshal(text, &m)
	if m == nil {
		m = jsonObject{}
	}
	return m, err
}

func (m jsonObject) text(name string) string {
	var text string
	if json.Unmarshal(m[name], &text) != nil {
		return ""
	}
	return text
}

func (m jsonObject) set(name string, value any) error {
	text, err := json.Marshal(value)
	m[name] = text
	return err
}

func (m jsonObject) isNull(name string) bool {
	return len(m[name]) == 0 || bytes.Equal(m[name], []byte("null"))
}
