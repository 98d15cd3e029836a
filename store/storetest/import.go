package storetest

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

func (l *ledger) newImport(created time.Time) store.Import {
	return store.Import{ID: l.id(), Digest: []byte{0, 1, 255}, Payload: []byte(`{"a":"é\u0000"}`), CreatedAt: created}
}

func (l *ledger) putImport(record store.Import, rows ...store.ImportedRow) store.Import {
	l.update(func(tx store.Tx) error {
		if err := tx.PutImport(l.ctx, record); err != nil {
			return err
		}
		return tx.PutImportedRows(l.ctx, rows...)
	})
	record.CreatedAt = expense.Timestamp(record.CreatedAt)
	return record
}

func describeImport(record store.Import) string {
	return fmt.Sprintf("%s %x %q %s %s", record.ID, record.Digest, record.Payload, record.CreatedAt, record.UndoneAt)
}

func (l *ledger) imports(after store.Import, limit int) string {
	records, err := l.reader.Imports(l.ctx, after, limit)
	l.noError(err, "Imports")
	var ids []string
	for _, record := range records {
		ids = append(ids, describeImport(record))
	}
	return strings.Join(ids, "\n")
}

func checkImportValues(t *checkT) {
	l, other := t.ledger("a"), t.ledger("b")
	var want []store.Import
	for i := range 5 {
		want = append(want, l.putImport(l.newImport(nanoTime.Add(time.Duration(i/2)*time.Hour))))
	}
	other.putImport(other.newImport(nanoTime))
	slices.SortFunc(want, func(a, b store.Import) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), bytes.Compare(b.ID[:], a.ID[:]))
	})
	list := func(records []store.Import) string {
		var lines []string
		for _, record := range records {
			lines = append(lines, describeImport(record))
		}
		return strings.Join(lines, "\n")
	}
	for _, record := range want {
		equal(t, describeImport(getBy(t, l.reader.Import, record.ID)), describeImport(record), "Import as it was stored")
	}
	equal(t, l.imports(store.Import{}, 10), list(want), "Imports, newest first")
	for i := range want {
		equal(t, l.imports(want[i], 2), list(want[i+1:min(i+3, len(want))]), "2 Imports after the import %d", i+1)
	}

	want[1].Payload, want[1].Digest = []byte{}, bytes.Repeat([]byte{7}, 64)
	want[1].UndoneAt = expense.Timestamp(nanoTime.Add(24 * time.Hour))
	l.putImport(want[1])
	equal(t, describeImport(getBy(t, l.reader.Import, want[1].ID)), describeImport(want[1]), "an import that was replaced")
	equal(t, l.imports(store.Import{}, 10), list(slices.Delete(slices.Clone(want), 1, 2)),
		"Imports without the undone one")
	wantErrorBy(t, l.reader.Import, unknownID, expense.ErrNotFound, "an unknown import")
	wantErrorBy(t, other.reader.Import, want[0].ID, expense.ErrNotFound, "another owner's import")
	l.put(l.anyExpense()) // fails if an import took a version
	t.erase(l.owner)
	next := t.ledgerOf(l.owner)
	wantErrorBy(t, next.reader.Import, want[0].ID, expense.ErrNotFound, "an import of an erased ledger")
}

func checkImportedRows(t *checkT) {
	l, other := t.ledger("a"), t.ledger("b")
	first, second := l.newImport(nanoTime), l.newImport(nanoTime)
	row := func(record store.Import, n byte) store.ImportedRow {
		return store.ImportedRow{
			Identity: store.RowIdentity{0, n, 255}, ImportID: record.ID, ExpenseID: l.id(), Fingerprint: -int64(n) << 50,
		}
	}
	inFirst := []store.ImportedRow{row(first, 3), row(first, 1), row(first, 2)}
	inSecond := []store.ImportedRow{row(second, 1), row(second, 4)}
	l.putImport(first, inFirst...)
	l.putImport(second, inSecond...)
	elsewhere := other.newImport(nanoTime)
	elsewhere.ID = first.ID // ids are unique within a ledger only
	other.putImport(elsewhere, store.ImportedRow{Identity: inFirst[0].Identity, ImportID: first.ID, ExpenseID: unknownID})

	rowsOf := func(l *ledger, id uuid.UUID) []store.ImportedRow { return getBy(t, l.reader.RowsOfImport, id) }
	equalLists(t, rowsOf(l, first.ID), []store.ImportedRow{inFirst[1], inFirst[2], inFirst[0]}, "RowsOfImport")
	equalLists(t, rowsOf(l, unknownID), nil, "RowsOfImport of an unknown import")
	equal(t, len(rowsOf(other, first.ID)), 1, "the number of RowsOfImport of another owner")
	found := func(identities ...store.RowIdentity) []store.ImportedRow {
		rows, err := l.reader.ImportedRows(l.ctx, identities...)
		l.noError(err, "ImportedRows")
		slices.SortFunc(rows, func(a, b store.ImportedRow) int {
			return cmp.Or(bytes.Compare(a.Identity[:], b.Identity[:]), bytes.Compare(a.ImportID[:], b.ImportID[:]))
		})
		return rows
	}
	both := []store.ImportedRow{inFirst[1], inSecond[0]}
	slices.SortFunc(both, func(a, b store.ImportedRow) int { return bytes.Compare(a.ImportID[:], b.ImportID[:]) })
	equalLists(t, found(inFirst[1].Identity, store.RowIdentity{9}), both,
		"ImportedRows with the same identity in two imports")
	equalLists(t, found(), nil, "ImportedRows without identities")
	many := make([]store.RowIdentity, 1500)
	for i := range many {
		many[i] = store.RowIdentity{1, byte(i), byte(i >> 8)}
	}
	equalLists(t, found(append(many, inSecond[1].Identity)...), inSecond[1:], "ImportedRows with 1,501 identities")

	l.update(func(tx store.Tx) error {
		strange := row(first, 8)
		strange.ImportID = unknownID
		t.wantError(tx.PutImportedRows(t.ctx, strange), expense.ErrNotFound, "a row of an unknown import")
		if err := tx.PutImportedRows(t.ctx); err != nil {
			return err
		}
		inFirst[1].Fingerprint = 1 << 62
		return tx.PutImportedRows(t.ctx, inFirst[1])
	})
	equalLists(t, rowsOf(l, first.ID), []store.ImportedRow{inFirst[1], inFirst[2], inFirst[0]},
		"RowsOfImport after a row was replaced")
	t.wantError(l.tryUpdate(func(tx store.Tx) error {
		if err := tx.PutImportedRows(t.ctx, row(first, 7)); err != nil {
			return err
		}
		return errOnPurpose
	}), errOnPurpose, "an Update whose function fails")
	equal(t, len(rowsOf(l, first.ID)), 3, "the number of RowsOfImport after an Update whose function failed")
	t.purgeTombstones()
	equal(t, len(rowsOf(l, first.ID)), 3, "the number of RowsOfImport after Purge")
	t.erase(l.owner)
	equal(t, len(rowsOf(t.ledgerOf(l.owner), first.ID)), 0, "the number of RowsOfImport after EraseLedger")
	equal(t, len(rowsOf(other, first.ID)), 1, "the number of another owner's RowsOfImport after EraseLedger")
}

func checkMergedCategory(t *checkT) {
	l, other := t.ledger("a"), t.ledger("b")
	merged, middle := l.addCategory("Äpfel"), l.addCategory("Middle")
	wantErrorBy(t, l.reader.MergedCategory, "Äpfel", expense.ErrNotFound, "a category that was not merged")
	l.merge(merged.ID, middle.ID, "2025-03")
	equal(t, getBy(t, l.reader.MergedCategory, "äPFEL").ID, middle.ID, "MergedCategory by the folded name")
	l.merge(middle.ID, l.food, "2025-03")
	equal(t, getBy(t, l.reader.MergedCategory, "Äpfel").ID, l.food, "MergedCategory after another merge")
	again := l.addCategory("Äpfel")
	equal(t, getBy(t, l.reader.MergedCategory, "Äpfel").ID, l.food, "MergedCategory while another category has the name")
	l.merge(again.ID, l.travel, "2025-03")
	equal(t, getBy(t, l.reader.MergedCategory, "Äpfel").ID, l.travel, "MergedCategory of the name that was merged last")
	t.purgeTombstones()
	equal(t, getBy(t, l.reader.MergedCategory, "Middle").ID, l.food, "MergedCategory after Purge")
	wantErrorBy(t, l.reader.MergedCategory, "Food", expense.ErrNotFound, "a category that was not merged")
	wantErrorBy(t, l.reader.MergedCategory, "a\x00", expense.ErrNotFound, "a name that no category can have")
	wantErrorBy(t, other.reader.MergedCategory, "Äpfel", expense.ErrNotFound, "a category that another owner merged")

	gone := l.addCategory("Gone")
	l.merge(l.addCategory("Source").ID, gone.ID, "2025-03")
	l.deleteCategory(gone.ID)
	wantErrorBy(t, l.reader.MergedCategory, "Source", expense.ErrNotFound, "a category that was merged into a deleted one")
}
