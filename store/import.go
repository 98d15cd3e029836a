package store

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// A RowIdentity identifies a row of an imported file within one ledger. The importer computes it.
type RowIdentity [16]byte

// An Import is the record of one import of a file.
type Import struct {
	ID        uuid.UUID
	Digest    []byte    // a hash of the file; at most 64 bytes
	Payload   []byte    // the mapping and the counts, encoded by the importer; the store does not interpret it
	CreatedAt time.Time // UTC, whole microseconds
	UndoneAt  time.Time // UTC, whole microseconds; zero: the import is in effect
}

// An ImportedRow is a row that an import added.
type ImportedRow struct {
	Identity    RowIdentity
	ImportID    uuid.UUID
	ExpenseID   uuid.UUID
	Fingerprint int64 // a hash of the expense as imported, to detect later changes
}

// ImportReader reads the imports of one owner's ledger. Imports are no part of the change feed and have no version.
type ImportReader interface {
	// Imports returns at most limit imports that are in effect, newest first: by CreatedAt and then by the bytes of the
	// id, both descending. It returns those after the import that after describes; the zero Import is the start.
	Imports(ctx context.Context, after Import, limit int) ([]Import, error)

	// Import returns an import, also one that was undone. It returns ErrNotFound if the id is unknown.
	Import(ctx context.Context, id uuid.UUID) (Import, error)

	// ImportedRows returns the rows with one of these identities, of all imports, including those that were undone.
	ImportedRows(ctx context.Context, identities ...RowIdentity) ([]ImportedRow, error)

	// RowsOfImport returns the rows that an import added, ordered by the bytes of the identities.
	RowsOfImport(ctx context.Context, id uuid.UUID) ([]ImportedRow, error)

	// MergedCategory returns the category into which the category that had this folded name was merged last. It follows
	// later merges of that category. It returns ErrNotFound if no such category was merged, or if the last one was
	// deleted.
	MergedCategory(ctx context.Context, name string) (expense.Category, error)
}

// ImportTx writes the imports of one owner's ledger. It takes no version. Purge keeps imports and their rows.
type ImportTx interface {
	// PutImport creates an import, or replaces the import with the same id.
	PutImport(ctx context.Context, record Import) error

	// PutImportedRows adds rows to an import, or replaces its rows with the same identities. It returns ErrNotFound if the
	// import does not exist.
	PutImportedRows(ctx context.Context, rows ...ImportedRow) error
}
