package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// A Optional is a member of a patch: it is left out, or it is set to a value, or to null, which puts back its default.
type Optional[T any] struct {
	given, null bool
	value       T
}

// Set returns the Optional that sets a value.
func Set[T any](value T) Optional[T] { return Optional[T]{given: true, value: value} }

// Null returns the Optional that puts back the default.
func Null[T any]() Optional[T] { return Optional[T]{given: true, null: true} }

// IsZero reports a Optional that is left out.
func (m Optional[T]) IsZero() bool { return !m.given }

// MarshalJSON writes the value, or null.
func (m Optional[T]) MarshalJSON() ([]byte, error) {
	if !m.given || m.null {
		return []byte("null"), nil
	}
	return json.Marshal(m.value)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (m *Optional[T]) UnmarshalJSON(text []byte) error {
	*m = Optional[T]{given: true, null: string(text) == "null"}
	if m.null {
		return nil
	}
	return json.Unmarshal(text, &m.value)
}

// A Change is what a mutation says: one of the drafts and patches of this package.
type Change interface {
	change() (Type, Op)
}

// A draft is a Change that may name its row.
type draft interface {
	Change
	rowID() uuid.UUID
}

// A Table is the rows of one type: what is read shows what the server told last together with what was changed here since.
type Table[R any, D draft, P Change] struct {
	client *Client
	of     Type
}

// Get returns one row; ErrNotFound if there is none here.
func (t Table[R, D, P]) Get(ctx context.Context, id uuid.UUID) (R, error) {
	var row R
	err := t.client.storage.View(ctx, func(tx Tx) error {
		text, err := shown(ctx, tx, RowKey{t.of, id.String()})
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
		texts, err := allShown(ctx, tx, t.of)
		if err != nil {
			return err
		}
		for _, text := range texts {
			var row R
			if err := json.Unmarshal(text, &row); err != nil {
				return fmt.Errorf("a stored %s: %w", t.of, err)
			}
			rows = append(rows, row)
		}
		return nil
	})
	return rows, err
}

// Put queues a row that is new, or that replaces the one with its id, and returns it as it is shown from now on. A draft without an
// id gets one.
func (t Table[R, D, P]) Put(ctx context.Context, d D) (R, error) {
	id := d.rowID()
	if id == uuid.Nil {
		var err error
		if id, err = uuid.NewV7(); err != nil {
			var none R
			return none, err
		}
	}
	return t.queue(ctx, RowKey{t.of, id.String()}, Put, d)
}

// Patch queues a change of some members of a row; ErrNotFound if the row is not here.
func (t Table[R, D, P]) Patch(ctx context.Context, id uuid.UUID, p P) (R, error) {
	return t.queue(ctx, RowKey{t.of, id.String()}, Patch, p)
}

// Delete queues the deletion of a row, which wins over whatever other devices make of the row. One that is not here is no error.
func (t Table[R, D, P]) Delete(ctx context.Context, id uuid.UUID) error {
	_, err := t.client.queue(ctx, Mutation{Key: RowKey{t.of, id.String()}, Op: Delete}, nil)
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

// members is a JSON object whose values are left as they are.
type members map[string]json.RawMessage

func parseMembers(text json.RawMessage) (members, error) {
	m := members{}
	if len(text) == 0 {
		return m, nil
	}
	err := json.Unmarshal(text, &m)
	if m == nil {
		m = members{}
	}
	return m, err
}

func (m members) text(name string) string {
	var text string
	if json.Unmarshal(m[name], &text) != nil {
		return ""
	}
	return text
}

func (m members) set(name string, value any) error {
	text, err := json.Marshal(value)
	m[name] = text
	return err
}

func (m members) isNull(name string) bool {
	return len(m[name]) == 0 || bytes.Equal(m[name], []byte("null"))
}
