package sqlstore

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/internal/sqldb"
)

// An importRow is the record of an import.
type importRow struct {
	bun.BaseModel `bun:"table:spendwise_imports,alias:i"`

	Owner     string     `bun:",pk"`
	ID        sqldb.UUID `bun:"id,pk,type:uuid"`
	Digest    []byte
	Payload   []byte
	CreatedAt int64
	UndoneAt  sql.Null[int64]
}

func (row *importRow) record() store.Import {
	return store.Import{
		ID: uuid.UUID(row.ID), Digest: row.Digest, Payload: row.Payload, CreatedAt: sqldb.FromMicros(row.CreatedAt),
		UndoneAt: sqldb.FromNullMicros(row.UndoneAt),
	}
}

// An importedRow is a row that an import added.
type importedRow struct {
	bun.BaseModel `bun:"table:spendwise_imported_rows,alias:r"`

	Owner       string     `bun:",pk"`
	Identity    sqldb.UUID `bun:",pk,type:uuid"`
	ImportID    sqldb.UUID `bun:",pk,type:uuid"`
	ExpenseID   sqldb.UUID `bun:"type:uuid"`
	Fingerprint int64
}

func importedRows(rows []importedRow) []store.ImportedRow {
	imported := make([]store.ImportedRow, len(rows))
	for i, row := range rows {
		imported[i] = store.ImportedRow{
			Identity: store.RowIdentity(row.Identity), ImportID: uuid.UUID(row.ImportID), ExpenseID: uuid.UUID(row.ExpenseID),
			Fingerprint: row.Fingerprint,
		}
	}
	return imported
}

// Imports implements [store.ImportReader].
func (r *reader) Imports(ctx context.Context, after store.Import, limit int) ([]store.Import, error) {
	session := r.on()
	var rows []importRow
	query := session.NewSelect().Model(&rows).Where("owner = ? AND undone_at IS NULL", r.owner).
		Order("created_at DESC", "id DESC").Limit(int64(limit))
	if after.ID != uuid.Nil {
		created := sqldb.Micros(after.CreatedAt)
		query.Where("(created_at < ? OR created_at = ? AND id < ?)", created, created, sqldb.UUID(after.ID))
	}
	if _, err := session.Find(ctx, query); err != nil {
		return nil, err
	}
	records := make([]store.Import, len(rows))
	for i := range rows {
		records[i] = rows[i].record()
	}
	return records, nil
}

// Import implements [store.ImportReader].
func (r *reader) Import(ctx context.Context, id uuid.UUID) (store.Import, error) {
	session := r.on()
	var row importRow
	found, err := session.Find(ctx, session.NewSelect().Model(&row).Where("owner = ? AND id = ?", r.owner, sqldb.UUID(id)))
	if err == nil && !found {
		err = fmt.Errorf("import %s: %w", id, expense.ErrNotFound)
	}
	return row.record(), err
}

// maxIdentities is the maximum number of identities in one statement.
const maxIdentities = 1000

// ImportedRows implements [store.ImportReader].
func (r *reader) ImportedRows(ctx context.Context, identities ...store.RowIdentity) ([]store.ImportedRow, error) {
	session := r.on()
	var imported []store.ImportedRow
	for chunk := range slices.Chunk(identities, maxIdentities) {
		ids := make([]sqldb.UUID, len(chunk))
		for i, identity := range chunk {
			ids[i] = sqldb.UUID(identity)
		}
		var rows []importedRow
		_, err := session.Find(ctx, session.NewSelect().Model(&rows).
			Where("owner = ? AND identity IN (?)", r.owner, bun.List(ids)))
		if err != nil {
			return nil, err
		}
		imported = append(imported, importedRows(rows)...)
	}
	return imported, session.Failed
}

// RowsOfImport implements [store.ImportReader]. It reads the imported rows of the whole ledger: an undo is rare, and an
// index by import would slow down every import.
func (r *reader) RowsOfImport(ctx context.Context, id uuid.UUID) ([]store.ImportedRow, error) {
	session := r.on()
	var rows []importedRow
	_, err := session.Find(ctx, session.NewSelect().Model(&rows).
		Where("owner = ? AND import_id = ?", r.owner, sqldb.UUID(id)).Order("identity"))
	return importedRows(rows), err
}

// MergedCategory implements [store.ImportReader].
func (r *reader) MergedCategory(ctx context.Context, name string) (expense.Category, error) {
	notFound := fmt.Errorf("merged category named %q: %w", name, expense.ErrNotFound)
	session := r.on()
	if session.Failed != nil || !sqldb.Storable(name) {
		return expense.Category{}, cmp.Or(session.Failed, notFound)
	}
	var last tombstoneRow
	_, err := session.Find(ctx, session.NewSelect().Model(&last).
		Where("owner = ? AND type = ? AND name_key = ?", r.owner, store.CategoryRow.String(), expense.Fold(name)).
		Order("version DESC").Limit(1))
	for id := uuid.UUID(last.MergedInto); err == nil && id != uuid.Nil; id, err = r.MergedInto(ctx, id) {
		category, err := r.Category(ctx, id)
		if !errors.Is(err, expense.ErrNotFound) {
			return category, err
		}
	}
	if err != nil {
		return expense.Category{}, err
	}
	return expense.Category{}, notFound
}

// PutImport implements [store.ImportTx].
func (tx *ledgerTx) PutImport(ctx context.Context, record store.Import) error {
	row := importRow{
		Owner: tx.owner, ID: sqldb.UUID(record.ID), Digest: sqldb.NotNull(bytes.Clone(record.Digest)),
		Payload: sqldb.NotNull(bytes.Clone(record.Payload)), CreatedAt: sqldb.Micros(record.CreatedAt),
		UndoneAt: sqldb.NullMicros(record.UndoneAt),
	}
	_, err := tx.session.Change(ctx, tx.session.NewInsert().Model(&row).On("CONFLICT (owner, id) DO UPDATE").
		Set("digest = EXCLUDED.digest").Set("payload = EXCLUDED.payload").Set("created_at = EXCLUDED.created_at").
		Set("undone_at = EXCLUDED.undone_at"))
	return err
}

// PutImportedRows implements [store.ImportTx].
func (tx *ledgerTx) PutImportedRows(ctx context.Context, rows ...store.ImportedRow) error {
	known := make(map[uuid.UUID]bool)
	for _, row := range rows {
		if !known[row.ImportID] {
			if _, err := tx.Import(ctx, row.ImportID); err != nil {
				return err
			}
			known[row.ImportID] = true
		}
	}
	for chunk := range slices.Chunk(rows, maxIdentities) {
		models := make([]importedRow, len(chunk))
		for i, row := range chunk {
			models[i] = importedRow{
				Owner: tx.owner, Identity: sqldb.UUID(row.Identity), ImportID: sqldb.UUID(row.ImportID),
				ExpenseID:   sqldb.UUID(row.ExpenseID),
				Fingerprint: row.Fingerprint,
			}
		}
		_, err := tx.session.Change(ctx, tx.session.NewInsert().Model(&models).
			On("CONFLICT (owner, identity, import_id) DO UPDATE").Set("expense_id = EXCLUDED.expense_id").
			Set("fingerprint = EXCLUDED.fingerprint"))
		if err != nil {
			return err
		}
	}
	return tx.session.Failed
}
