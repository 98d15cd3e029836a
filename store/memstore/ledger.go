package memstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
)

// A ledger is everything kept of one owner at one moment. It is a value: a copy is a snapshot, and changing the copy
// leaves the original alone.
type ledger struct {
	version    expense.Version // the last one taken; 0: there is no ledger
	epoch      int64
	floor      expense.Version     // the highest version of a tombstone that was purged
	lost       store.VersionRanges // those that no row of this history ever has
	settings   expense.Settings    // no reference, so copied with the ledger
	volume     int64               // the sum of the expenses' volumes
	expenses   table[expense.Expense]
	categories table[expense.Category]
	budgets    table[budget.Budget]
	rules      table[recurrence.Rule]
	alerts     table[budget.Alert]
	records    tree[store.IdempotencyKey, store.IdempotencyRecord]
}

func emptyLedger() ledger {
	return ledger{
		epoch:      store.RandomEpoch(),
		expenses:   newTable[expense.Expense](),
		categories: newTable[expense.Category](),
		budgets:    newTable[budget.Budget](),
		rules:      newTable[recurrence.Rule](),
		alerts:     newTable[budget.Alert](),
		records:    newTree[store.IdempotencyKey, store.IdempotencyRecord](compareIdempotencyKeys),
	}
}

// A table holds the rows of one kind and the tombstones of those that were deleted.
type table[R any] struct {
	rows  tree[uuid.UUID, R]
	tombs tree[uuid.UUID, tombstone]
}

// A tombstone is what is left of a deleted row.
type tombstone struct {
	version expense.Version // of the Update that deleted the row
	into    uuid.UUID       // the category it was merged into, or Nil
	at      time.Time       // when it was deleted, by this machine's clock
}

func newTable[R any]() table[R] {
	return table[R]{rows: newTree[uuid.UUID, R](compareIDs), tombs: newTree[uuid.UUID, tombstone](compareIDs)}
}

func compareIDs(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }

// row returns the row; ErrGone if it was deleted, ErrNotFound if there never was one.
func (t table[R]) row(kind string, id uuid.UUID) (R, error) {
	if row, ok := t.rows.get(id); ok {
		return row, nil
	}
	var none R
	if _, ok := t.tombs.get(id); ok {
		return none, fmt.Errorf("%s %s: %w", kind, id, expense.ErrGone)
	}
	return none, fmt.Errorf("%s %s: %w", kind, id, expense.ErrNotFound)
}

// forWrite returns the row that a write names with the version it saw, and whether there is one. Version 0 says that
// there must never have been one; any other must be the version the row has.
func (t table[R]) forWrite(
	kind string, id uuid.UUID, seen expense.Version, version func(R) expense.Version,
) (row R, found bool, err error) {
	row, err = t.row(kind, id)
	switch {
	case err != nil && seen == 0 && !errors.Is(err, expense.ErrGone):
		return row, false, nil
	case err != nil:
		return row, false, err
	case seen == 0:
		return row, true, fmt.Errorf("%s %s: %w", kind, id, expense.ErrExists)
	case seen != version(row):
		return row, true, fmt.Errorf("%s %s: %w", kind, id, &expense.StaleError{Current: version(row)})
	}
	return row, true, nil
}

// put writes a row.
func (t *table[R]) put(id uuid.UUID, row R) { t.rows = t.rows.with(id, row) }

// bury takes a row out and leaves a tombstone.
func (t *table[R]) bury(id uuid.UUID, tomb tombstone) {
	t.rows = t.rows.without(id)
	t.tombs = t.tombs.with(id, tomb)
}

// purge removes the tombstones left before the instant, but for those of ids that would come again, and raises floor to them.
func (t *table[R]) purge(before time.Time, floor *expense.Version) {
	for id, tomb := range t.tombs.all() {
		if tomb.at.Before(before) && id.Version() != 5 {
			t.tombs = t.tombs.without(id)
			*floor = max(*floor, tomb.version)
		}
	}
}

// A reader reads the ledger that at returns for each call: what is committed, a snapshot, or what an Update has made so
// far.
type reader struct {
	at func(context.Context) (ledger, error)
}

// A tx changes a copy of the ledger, which the Update then makes the ledger.
type tx struct {
	reader
	now    ledger
	next   expense.Version // the version that the Update takes if it writes a row
	doomed error           // what ended it early
}

func newTx(base ledger) *tx {
	t := &tx{now: base, next: base.version + 1}
	t.at = func(ctx context.Context) (ledger, error) { return t.now, t.usable(ctx) }
	return t
}

// usable reports why the transaction can do no more. A cancelled context dooms it, as it would in a database.
func (t *tx) usable(ctx context.Context) error {
	if t.doomed == nil {
		t.doomed = ctx.Err()
	}
	return t.doomed
}

// write runs change over a copy of the ledger and keeps the copy if it went well, so that an error leaves nothing behind.
// An error that is not one of those a Tx survives dooms the Update.
func (t *tx) write(ctx context.Context, change func(next *ledger) error) (expense.Version, error) {
	if err := t.usable(ctx); err != nil {
		return 0, err
	}
	next := t.now
	next.version = t.next
	if err := change(&next); err != nil {
		if !survivable(err) {
			t.doomed = err
		}
		return 0, err
	}
	t.now = next
	return t.next, nil
}

func survivable(err error) bool {
	for _, kind := range []error{
		expense.ErrNotFound, expense.ErrExists, expense.ErrStale, expense.ErrInvalid, expense.ErrInUse,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// tombstone returns what the running Update leaves of a row that it deletes.
func (t *tx) tombstone() tombstone {
	return tombstone{version: t.next, at: expense.Timestamp(time.Now())}
}

// distinct reports an id that comes twice.
func distinct[R any](kind string, rows []R, id func(R) uuid.UUID) error {
	seen := make(map[uuid.UUID]bool, len(rows))
	for _, row := range rows {
		if seen[id(row)] {
			return &expense.InvalidError{Field: "id", Code: "duplicate",
				Detail: fmt.Sprintf("%s %s comes twice in one call; write it once", kind, id(row))}
		}
		seen[id(row)] = true
	}
	return nil
}

// holds reports a reference to a category that the ledger does not hold. Its error is none that a Tx survives.
func (l *ledger) holds(category uuid.UUID, kind string, id uuid.UUID) error {
	if _, ok := l.categories.rows.get(category); !ok {
		return fmt.Errorf("%s %s refers to category %s, which the ledger does not hold", kind, id, category)
	}
	return nil
}
