package jsonstore

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

// Imports implements [store.ImportReader].
func (r reader) Imports(ctx context.Context, after store.Import, limit int) ([]store.Import, error) {
	l, err := r(ctx)
	if err != nil {
		return nil, err
	}
	newestFirst := func(a, b store.Import) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), bytes.Compare(b.ID[:], a.ID[:]))
	}
	var selected []store.Import
	for _, record := range l.Imports {
		if record.UndoneAt.IsZero() && (after.ID == uuid.Nil || newestFirst(after, record) < 0) {
			selected = append(selected, cloneImport(record))
		}
	}
	slices.SortFunc(selected, newestFirst)
	return selected[:min(len(selected), limit)], nil
}

// Import implements [store.ImportReader].
func (r reader) Import(ctx context.Context, id uuid.UUID) (store.Import, error) {
	l, err := r(ctx)
	if err != nil {
		return store.Import{}, err
	}
	record, ok := l.Imports[id]
	if !ok {
		return store.Import{}, fmt.Errorf("import %s: %w", id, expense.ErrNotFound)
	}
	return cloneImport(record), nil
}

// ImportedRows implements [store.ImportReader]. It reads every row. A store for production needs an index by identity.
func (r reader) ImportedRows(ctx context.Context, identities ...store.RowIdentity) ([]store.ImportedRow, error) {
	return r.rowsWhere(ctx, func(row store.ImportedRow) bool { return slices.Contains(identities, row.Identity) })
}

// RowsOfImport implements [store.ImportReader].
func (r reader) RowsOfImport(ctx context.Context, id uuid.UUID) ([]store.ImportedRow, error) {
	return r.rowsWhere(ctx, func(row store.ImportedRow) bool { return row.ImportID == id })
}

// rowsWhere returns the imported rows that match, ordered by identity.
func (r reader) rowsWhere(ctx context.Context, match func(store.ImportedRow) bool) ([]store.ImportedRow, error) {
	l, err := r(ctx)
	if err != nil {
		return nil, err
	}
	var rows []store.ImportedRow
	for _, row := range l.ImportedRows {
		if match(row) {
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b store.ImportedRow) int { return bytes.Compare(a.Identity[:], b.Identity[:]) })
	return rows, nil
}

// MergedCategory implements [store.ImportReader].
func (r reader) MergedCategory(ctx context.Context, name string) (expense.Category, error) {
	l, err := r(ctx)
	if err != nil {
		return expense.Category{}, err
	}
	var last tombstone
	for _, t := range l.Categories.Tombstones {
		if t.MergedInto != uuid.Nil && t.MergedName == expense.Fold(name) && t.Version >= last.Version {
			last = t
		}
	}
	for id := last.MergedInto; id != uuid.Nil; id = l.Categories.Tombstones[id].MergedInto {
		if category, ok := l.Categories.Rows[id]; ok {
			return category, nil
		}
	}
	return expense.Category{}, fmt.Errorf("merged category named %q: %w", name, expense.ErrNotFound)
}

// PutImport implements [store.ImportTx]. It writes no row of the change feed, so it does not use a version.
func (t *tx) PutImport(ctx context.Context, record store.Import) error {
	if err := t.usable(ctx); err != nil {
		return err
	}
	record.CreatedAt = expense.Timestamp(record.CreatedAt)
	if !record.UndoneAt.IsZero() {
		record.UndoneAt = expense.Timestamp(record.UndoneAt)
	}
	next := t.ledger.clone()
	next.Imports[record.ID] = cloneImport(record)
	t.ledger = next
	return nil
}

// PutImportedRows implements [store.ImportTx].
func (t *tx) PutImportedRows(ctx context.Context, rows ...store.ImportedRow) error {
	if err := t.usable(ctx); err != nil {
		return err
	}
	next := t.ledger.clone()
	for _, row := range rows {
		if _, ok := next.Imports[row.ImportID]; !ok {
			return fmt.Errorf("import %s: %w", row.ImportID, expense.ErrNotFound)
		}
		sameRow := func(r store.ImportedRow) bool { return r.Identity == row.Identity && r.ImportID == row.ImportID }
		next.ImportedRows = append(slices.DeleteFunc(next.ImportedRows, sameRow), row)
	}
	t.ledger = next
	return nil
}

// cloneImport returns a copy that shares no memory with record.
func cloneImport(record store.Import) store.Import {
	record.Digest, record.Payload = bytes.Clone(record.Digest), bytes.Clone(record.Payload)
	return record
}
