package client

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/spendwise/spendwise/expense"
)

// MemoryStorage is a [Storage] in memory, for tests and for services that keep no local copy. Its content is lost when
// the process ends.
type MemoryStorage struct {
	mu        sync.RWMutex
	values    map[string][]byte
	rows      map[RowKey]Row
	mutations map[string]Mutation
}

var _ Storage = (*MemoryStorage)(nil)

// NewMemoryStorage returns an empty MemoryStorage.
func NewMemoryStorage() *MemoryStorage {
	return &MemoryStorage{values: map[string][]byte{}, rows: map[RowKey]Row{}, mutations: map[string]Mutation{}}
}

// View implements [Storage].
func (m *MemoryStorage) View(ctx context.Context, fn func(Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	return fn(&memoryTx{MemoryStorage: m})
}

// Update implements [Storage].
func (m *MemoryStorage) Update(ctx context.Context, fn func(Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	tx := &memoryTx{MemoryStorage: m, writes: true}
	committed := false
	defer func() {
		if !committed {
			for _, undo := range slices.Backward(tx.undo) {
				undo()
			}
		}
	}()
	if err := fn(tx); err != nil {
		return err
	}
	committed = true
	return nil
}

// Close implements [Storage]. It does not discard the content.
func (m *MemoryStorage) Close() error { return nil }

// A memoryTx writes directly to the maps and records a function that undoes each write.
type memoryTx struct {
	*MemoryStorage
	writes bool
	undo   []func()
}

// set writes an entry of a map, or deletes it if present is false.
func set[K comparable, V any](tx *memoryTx, in map[K]V, key K, value V, present bool) error {
	if !tx.writes {
		return fmt.Errorf("%v cannot be written in a View; use Update", key)
	}
	before, had := in[key]
	tx.undo = append(tx.undo, func() {
		if delete(in, key); had {
			in[key] = before
		}
	})
	if delete(in, key); present {
		in[key] = value
	}
	return nil
}

// Value implements [Tx].
func (tx *memoryTx) Value(_ context.Context, name string) ([]byte, error) {
	return tx.values[name], nil
}

// SetValue implements [Tx].
func (tx *memoryTx) SetValue(_ context.Context, name string, value []byte) error {
	return set(tx, tx.values, name, value, value != nil)
}

// Row implements [Tx].
func (tx *memoryTx) Row(_ context.Context, key RowKey) (Row, error) {
	row, ok := tx.rows[key]
	if !ok {
		return Row{}, fmt.Errorf("%s %s: %w", key.Type, key.ID, expense.ErrNotFound)
	}
	return row, nil
}

// Rows implements [Tx].
func (tx *memoryTx) Rows(_ context.Context, t Type) ([]Row, error) {
	var rows []Row
	for key, row := range tx.rows {
		if key.Type == t {
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b Row) int { return cmp.Compare(a.ID, b.ID) })
	return rows, nil
}

// PutRows implements [Tx].
func (tx *memoryTx) PutRows(_ context.Context, rows ...Row) error {
	for _, row := range rows {
		if err := set(tx, tx.rows, row.RowKey, row, true); err != nil {
			return err
		}
	}
	return nil
}

// DeleteRows implements [Tx].
func (tx *memoryTx) DeleteRows(_ context.Context, keys ...RowKey) error {
	for _, key := range keys {
		if err := set(tx, tx.rows, key, Row{}, false); err != nil {
			return err
		}
	}
	return nil
}

// DeleteRowsBefore implements [Tx].
func (tx *memoryTx) DeleteRowsBefore(ctx context.Context, generation int64) error {
	for key, row := range tx.rows {
		if row.Generation < generation {
			if err := tx.DeleteRows(ctx, key); err != nil {
				return err
			}
		}
	}
	return nil
}

// Mutations implements [Tx].
func (tx *memoryTx) Mutations(_ context.Context, query MutationQuery) ([]Mutation, error) {
	var found []Mutation
	for _, m := range tx.mutations {
		if query.Matches(m) {
			found = append(found, m)
		}
	}
	slices.SortFunc(found, func(a, b Mutation) int { return cmp.Compare(a.Seq, b.Seq) })
	if query.Limit > 0 && len(found) > query.Limit {
		found = found[:query.Limit]
	}
	return found, nil
}

// PutMutations implements [Tx].
func (tx *memoryTx) PutMutations(_ context.Context, mutations ...Mutation) error {
	for _, m := range mutations {
		if err := set(tx, tx.mutations, m.ID, m, true); err != nil {
			return err
		}
	}
	return nil
}

// DeleteMutations implements [Tx].
func (tx *memoryTx) DeleteMutations(_ context.Context, ids ...string) error {
	for _, id := range ids {
		if err := set(tx, tx.mutations, id, Mutation{}, false); err != nil {
			return err
		}
	}
	return nil
}
