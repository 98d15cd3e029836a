package memstore

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// An importedRowKey orders the rows by identity and then by import.
type importedRowKey struct {
	identity store.RowIdentity
	importID uuid.UUID
}

func compareImportedRowKeys(a, b importedRowKey) int {
	return cmp.Or(bytes.Compare(a.identity[:], b.identity[:]), compareIDs(a.importID, b.importID))
}

// Imports implements [store.ImportReader].
func (r reader) Imports(ctx context.Context, after store.Import, limit int) ([]store.Import, error) {
	l, err := r.at(ctx)
	if err != nil {
		return nil, err
	}
	newestFirst := func(a, b store.Import) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), compareIDs(b.ID, a.ID))
	}
	var selected []store.Import
	for record := range l.imports.values() {
		if record.UndoneAt.IsZero() && (after.ID == uuid.Nil || newestFirst(after, record) < 0) {
			selected = append(selected, cloneImport(record))
		}
	}
	slices.SortFunc(selected, newestFirst)
	return selected[:min(len(selected), limit)], nil
}

// Import implements [store.ImportReader].
func (r reader) Import(ctx context.Context, id uuid.UUID) (store.Import, error) {
	l, err := r.at(ctx)
	if err != nil {
		return store.Import{}, err
	}
	record, ok := l.imports.get(id)
	if !ok {
		return store.Import{}, fmt.Errorf("import %s: %w", id, expense.ErrNotFound)
	}
	return cloneImport(record), nil
}

// ImportedRows implements [store.ImportReader].
func (r reader) ImportedRows(ctx context.Context, identities ...store.RowIdentity) ([]store.ImportedRow, error) {
	l, err := r.at(ctx)
	if err != nil || len(identities) == 0 {
		return nil, err
	}
	wanted := make(map[store.RowIdentity]bool, len(identities))
	for _, identity := range identities {
		wanted[identity] = true
	}
	var rows []store.ImportedRow
	for row := range l.importedRows.values() {
		if wanted[row.Identity] {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// RowsOfImport implements [store.ImportReader].
func (r reader) RowsOfImport(ctx context.Context, id uuid.UUID) ([]store.ImportedRow, error) {
	l, err := r.at(ctx)
	if err != nil {
		return nil, err
	}
	var rows []store.ImportedRow
	for row := range l.importedRows.values() {
		if row.ImportID == id {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// MergedCategory implements [store.ImportReader].
func (r reader) MergedCategory(ctx context.Context, name string) (expense.Category, error) {
	l, err := r.at(ctx)
	if err != nil {
		return expense.Category{}, err
	}
	var last tombstone
	for _, tomb := range l.categories.tombstones.all() {
		if tomb.mergedInto != uuid.Nil && tomb.name == expense.Fold(name) && tomb.version >= last.version {
			last = tomb
		}
	}
	for id := last.mergedInto; id != uuid.Nil; {
		if category, ok := l.categories.rows.get(id); ok {
			return category, nil
		}
		tomb, _ := l.categories.tombstones.get(id)
		id = tomb.mergedInto
	}
	return expense.Category{}, fmt.Errorf("merged category named %q: %w", name, expense.ErrNotFound)
}

// PutImport implements [store.ImportTx].
func (t *tx) PutImport(ctx context.Context, record store.Import) error {
	if err := t.usable(ctx); err != nil {
		return err
	}
	record.CreatedAt = expense.Timestamp(record.CreatedAt)
	if !record.UndoneAt.IsZero() {
		record.UndoneAt = expense.Timestamp(record.UndoneAt)
	}
	t.current.imports = t.current.imports.with(record.ID, cloneImport(record))
	return nil
}

// PutImportedRows implements [store.ImportTx].
func (t *tx) PutImportedRows(ctx context.Context, rows ...store.ImportedRow) error {
	if err := t.usable(ctx); err != nil {
		return err
	}
	next := t.current.importedRows
	for _, row := range rows {
		key := importedRowKey{row.Identity, row.ImportID}
		if _, ok := t.current.imports.get(row.ImportID); !ok {
			return fmt.Errorf("import %s: %w", row.ImportID, expense.ErrNotFound)
		}
		next = next.with(key, row)
	}
	t.current.importedRows = next
	return nil
}

// cloneImport returns a copy that shares no memory with record.
func cloneImport(record store.Import) store.Import {
	record.Digest, record.Payload = bytes.Clone(record.Digest), bytes.Clone(record.Payload)
	return record
}
