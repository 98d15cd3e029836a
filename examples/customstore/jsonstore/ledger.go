package jsonstore

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
)

// A ledger holds all data of one owner. It is the content of the owner's file, with the field names of the domain
// types. A store for production needs row types of its own, so that renaming a field does not change the file format.
type ledger struct {
	store.State
	Settings   expense.Settings
	Categories table[expense.Category]
	Expenses   table[expense.Expense]
	Budgets    table[budget.Budget]
	Rules      table[recurrence.Rule]
	Alerts     table[budget.Alert]
	Records    []store.IdempotencyRecord

	Imports      map[uuid.UUID]store.Import
	ImportedRows []store.ImportedRow
}

// A table holds the rows of one type and the tombstones of deleted rows.
type table[R any] struct {
	Rows       map[uuid.UUID]R
	Tombstones map[uuid.UUID]tombstone
}

// A tombstone marks a deleted row. It prevents that the id is used again.
type tombstone struct {
	Version    expense.Version // of the Update that deleted the row
	MergedInto uuid.UUID       // the category that a category was merged into, or uuid.Nil
	DeletedAt  time.Time       // by the clock of this machine; Purge compares it
	MergedName string          // the folded name of a merged category
}

// newLedger returns a ledger without rows, at version 0.
func newLedger() *ledger {
	l := &ledger{State: store.State{Epoch: store.RandomEpoch()}}
	return l.clone()
}

// clone returns a copy with maps and slices of its own. The copy shares the slices inside budgets and records. That is
// safe, because they are replaced and never modified.
func (l *ledger) clone() *ledger {
	c := *l
	c.Categories, c.Expenses = l.Categories.clone(), l.Expenses.clone()
	c.Budgets, c.Rules, c.Alerts = l.Budgets.clone(), l.Rules.clone(), l.Alerts.clone()
	c.Records = slices.Clone(l.Records)
	c.Imports, c.ImportedRows = make(map[uuid.UUID]store.Import, len(l.Imports)), slices.Clone(l.ImportedRows)
	maps.Copy(c.Imports, l.Imports)
	return &c
}

func (t table[R]) clone() table[R] {
	c := table[R]{make(map[uuid.UUID]R, len(t.Rows)), make(map[uuid.UUID]tombstone, len(t.Tombstones))}
	maps.Copy(c.Rows, t.Rows)
	maps.Copy(c.Tombstones, t.Tombstones)
	return c
}

// get returns the row with this id; ErrGone if it was deleted, ErrNotFound if it never existed.
func (t table[R]) get(id uuid.UUID) (R, error) {
	row, ok := t.Rows[id]
	if ok {
		return row, nil
	}
	if _, deleted := t.Tombstones[id]; deleted {
		return row, fmt.Errorf("%T %s: %w", row, id, expense.ErrGone)
	}
	return row, fmt.Errorf("%T %s: %w", row, id, expense.ErrNotFound)
}

// delete removes rows and adds their tombstones. It returns an error of get if there is no row.
func (t table[R]) delete(version expense.Version, mergedInto uuid.UUID, ids ...uuid.UUID) error {
	for _, id := range ids {
		if _, err := t.get(id); err != nil {
			return err
		}
		delete(t.Rows, id)
		t.Tombstones[id] = tombstone{Version: version, MergedInto: mergedInto, DeletedAt: expense.Timestamp(time.Now())}
	}
	return nil
}

// contains reports whether match returns true for a row.
func (t table[R]) contains(match func(R) bool) bool {
	for _, row := range t.Rows {
		if match(row) {
			return true
		}
	}
	return false
}

// sorted returns the rows in an order.
func (t table[R]) sorted(compare func(a, b R) int) []R {
	return slices.SortedFunc(maps.Values(t.Rows), compare)
}

func compareIDs(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }

func errNoLedger() error { return fmt.Errorf("ledger: %w", expense.ErrNotFound) }
