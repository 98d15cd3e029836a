package backup

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// The types of the lines that hold imports. A line of rows belongs to the import before it.
const (
	typeImport     = "import"
	typeImportRows = "import_rows"
)

// importLine is the record of an import.
type importLine struct {
	Type      string    `json:"type"`
	ID        string    `json:"id"`
	Digest    string    `json:"digest"`  // in hexadecimal
	Payload   string    `json:"payload"` // in base64
	CreatedAt time.Time `json:"created_at"`
}

// importRowsLine holds at most 1,000 rows of an import. A row has 40 bytes: the identity, the id of the expense and the
// fingerprint.
type importRowsLine struct {
	Type     string `json:"type"`
	ImportID string `json:"import_id"`
	Rows     string `json:"rows"` // in base64
}

const importedRowSize = 40

// writeImports writes the imports that are in effect, the newest first. Their order has no meaning.
func writeImports(ctx context.Context, lines *json.Encoder, r Reader, counts *Counts) error {
	var after store.Import
	for {
		imports, err := r.Imports(ctx, after, batchSize)
		if err != nil {
			return fmt.Errorf("read the imports: %w", err)
		}
		for _, record := range imports {
			if err := writeImport(ctx, lines, r, record, counts); err != nil {
				return err
			}
		}
		if len(imports) < batchSize {
			return nil
		}
		after = imports[len(imports)-1]
	}
}

func writeImport(ctx context.Context, lines *json.Encoder, r Reader, record store.Import, counts *Counts) error {
	err := lines.Encode(importLine{
		Type: typeImport, ID: record.ID.String(), Digest: hex.EncodeToString(record.Digest),
		Payload: base64.StdEncoding.EncodeToString(record.Payload), CreatedAt: record.CreatedAt,
	})
	if err != nil {
		return fmt.Errorf("write import %s: %w", record.ID, err)
	}
	counts.Imports++
	rows, err := r.RowsOfImport(ctx, record.ID)
	if err != nil {
		return fmt.Errorf("read the rows of import %s: %w", record.ID, err)
	}
	for part := range slices.Chunk(rows, batchSize) {
		text := make([]byte, 0, len(part)*importedRowSize)
		for _, row := range part {
			text = append(append(text, row.Identity[:]...), row.ExpenseID[:]...)
			text = binary.BigEndian.AppendUint64(text, uint64(row.Fingerprint))
		}
		line := importRowsLine{
			Type: typeImportRows, ImportID: record.ID.String(), Rows: base64.StdEncoding.EncodeToString(text),
		}
		if err := lines.Encode(line); err != nil {
			return fmt.Errorf("write the rows of import %s: %w", record.ID, err)
		}
		counts.ImportedRows += len(part)
	}
	return nil
}

func (f *file) addImport(line importLine) error {
	var errs rowErrors
	id, err := expense.ParseID(line.ID)
	errs.add("id", err)
	f.checkID(&errs, id)
	digest, err := hex.DecodeString(line.Digest)
	errs.add("digest", err)
	payload, err := base64.StdEncoding.DecodeString(line.Payload)
	errs.add("payload", err)
	if line.CreatedAt.Location() != time.UTC || !expense.Timestamp(line.CreatedAt).Equal(line.CreatedAt) {
		errs.Add("created_at", "malformed", "created_at is not a time in UTC of whole microseconds")
	}
	f.imports = append(f.imports, store.Import{ID: id, Digest: digest, Payload: payload, CreatedAt: line.CreatedAt})
	f.counts.Imports++
	return errs.Err()
}

func (f *file) addImportRows(line importRowsLine) error {
	if len(f.imports) == 0 || f.imports[len(f.imports)-1].ID.String() != line.ImportID {
		return errors.New("the rows do not belong to the import before them")
	}
	text, err := base64.StdEncoding.DecodeString(line.Rows)
	if err != nil || len(text) == 0 || len(text)%importedRowSize != 0 {
		return errors.New("the rows are malformed")
	}
	for entry := range slices.Chunk(text, importedRowSize) {
		row := store.ImportedRow{
			Identity: store.RowIdentity(entry[:16]), ImportID: f.imports[len(f.imports)-1].ID,
			ExpenseID:   uuid.UUID(entry[16:32]),
			Fingerprint: int64(binary.BigEndian.Uint64(entry[32:])),
		}
		if n := len(f.importedRows); n > 0 && f.importedRows[n-1].ImportID == row.ImportID &&
			bytes.Compare(f.importedRows[n-1].Identity[:], row.Identity[:]) >= 0 {
			return errors.New("the rows are not in the order of their identities")
		}
		f.importedRows = append(f.importedRows, row)
	}
	f.counts.ImportedRows += len(text) / importedRowSize
	return nil
}

// putImports writes the imports and their rows.
func (w *restorer) putImports() error {
	for _, record := range w.file.imports {
		if err := w.tx.PutImport(w.ctx, record); err != nil {
			return fmt.Errorf("restore the imports: %w", err)
		}
	}
	for part := range slices.Chunk(w.file.importedRows, batchSize) {
		if err := w.tx.PutImportedRows(w.ctx, part...); err != nil {
			return fmt.Errorf("restore the rows of imports: %w", err)
		}
	}
	return nil
}
