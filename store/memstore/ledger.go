package memstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
)

// A ledger is everything that is stored for one owner at one moment. It is a value: a copy is a snapshot, and changes
// of the copy do not affect the original.
type ledger struct {
	version       expense.Version // of the last Update; 0: there is no ledger
	epoch         int64
	purgedThrough expense.Version     // highest version of a purged tombstone
	discarded     store.VersionRanges // see store.State
	settings      expense.Settings    // contains no pointers to shared memory
	volume        int64               // sum of expense.Expense.Volume
	expenses      table[expense.Expense]
	categories    table[expense.Category]
	budgets       table[budget.Budget]
	rules         table[recurrence.Rule]
	alerts        table[budget.Alert]
	records       tree[store.IdempotencyKey, store.IdempotencyRecord]
	imports       tree[uuid.UUID, store.Import]
	importedRows  tree[importedRowKey, store.ImportedRow]
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

		imports:      newTree[uuid.UUID, store.Import](compareIDs),
		importedRows: newTree[importedRowKey, store.ImportedRow](compareImportedRowKeys),
	}
}

// A table holds the rows of one type and the tombstones of its deleted rows.
type table[R any] struct {
	rows       tree[uuid.UUID, R]
	tombstones tree[uuid.UUID, tombstone]
}

// A tombstone records a deleted row.
type tombstone struct {
	version    expense.Version // of the Update that deleted the row
	mergedInto uuid.UUID       // the category it was merged into, or uuid.Nil
	name       string          // the folded name of a merged category
	at         time.Time       // by the clock of this machine
}

func newTable[R any]() table[R] {
	return table[R]{rows: newTree[uuid.UUID, R](compareIDs), tombstones: newTree[uuid.UUID, tombstone](compareIDs)}
}

func compareIDs(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }

// row returns the row, ErrGone if it was deleted, or ErrNotFound.
func (t table[R]) row(kind string, id uuid.UUID) (R, error) {
	if row, ok := t.rows.get(id); ok {
		return row, nil
	}
	var zero R
	if _, ok := t.tombstones.get(id); ok {
		return zero, fmt.Errorf("%s %s: %w", kind, id, expense.ErrGone)
	}
	return zero, fmt.Errorf("%s %s: %w", kind, id, expense.ErrNotFound)
}

func (t *table[R]) put(id uuid.UUID, row R) { t.rows = t.rows.with(id, row) }

// delete removes a row and returns it. It returns ErrGone or ErrNotFound if there is no row.
func (t *table[R]) delete(kind string, id uuid.UUID, tomb tombstone) (R, error) {
	row, err := t.row(kind, id)
	if err == nil {
		t.remove(id, tomb)
	}
	return row, err
}

// remove replaces a row with a tombstone.
func (t *table[R]) remove(id uuid.UUID, tomb tombstone) {
	t.rows = t.rows.without(id)
	t.tombstones = t.tombstones.with(id, tomb)
}

// purge removes tombstones created before an instant, except those with derived ids and those of merged categories, and
// raises purgedThrough to the highest version it removes.
func (t *table[R]) purge(before time.Time, purgedThrough *expense.Version) {
	for id, tomb := range t.tombstones.all() {
		if tomb.at.Before(before) && id.Version() != 5 && tomb.mergedInto == uuid.Nil {
			t.tombstones = t.tombstones.without(id)
			*purgedThrough = max(*purgedThrough, tomb.version)
		}
	}
}

// A reader reads the ledger that at returns: the committed one, a snapshot, or the current state of an Update.
type reader struct {
	at func(context.Context) (ledger, error)
}

// A tx changes a copy of the ledger. Update then publishes the copy.
type tx struct {
	reader
	current ledger
	next    expense.Version // the version that the Update takes if it writes a row
	failed  error           // ended the transaction
}

func newTx(base ledger) *tx {
	t := &tx{current: base, next: base.version + 1}
	t.at = func(ctx context.Context) (ledger, error) { return t.current, t.usable(ctx) }
	return t
}

// usable returns the error that ended the transaction, if any. A cancelled context ends it, as it would in a database.
func (t *tx) usable(ctx context.Context) error {
	if t.failed == nil {
		t.failed = ctx.Err()
	}
	return t.failed
}

// write runs change on a copy of the ledger and keeps the copy if change returns nil, so an error changes nothing. An
// error after which a Tx is not usable ends the transaction. A write of zero rows takes no version.
func (t *tx) write(ctx context.Context, rows int, change func(next *ledger) error) (expense.Version, error) {
	if err := t.usable(ctx); err != nil || rows == 0 {
		return 0, err
	}
	next := t.current
	next.version = t.next
	if err := change(&next); err != nil {
		if !keepsUsable(err) {
			t.failed = err
		}
		return 0, err
	}
	t.current = next
	return t.next, nil
}

// keepsUsable reports whether a Tx stays usable after an error, as the interfaces guarantee.
func keepsUsable(err error) bool {
	for _, kind := range []error{
		expense.ErrNotFound, expense.ErrExists, expense.ErrStale, expense.ErrInvalid, expense.ErrInUse,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// tombstone returns a tombstone at the version of this Update.
func (t *tx) tombstone() tombstone {
	return tombstone{version: t.next, at: expense.Timestamp(time.Now())}
}

// rowFields points to the fields that all types of rows have.
type rowFields struct {
	id               uuid.UUID
	version, guard   *expense.Version // guard is nil if the rows have none
	created, updated *time.Time
}

// put writes rows to a table of the ledger that an Update changes, with the versions and guards that [expense.Tx]
// guarantees. kind names a row in errors. sameGuarded reports whether two rows have the same guarded fields. check may
// reject or change a row before it is written; old is the stored row, or the zero value if the row is new.
func put[R any](
	t *tx, stored *table[R], kind string, rows []R, fieldsOf func(*R) rowFields, sameGuarded func(row, old R) bool,
	check func(row, old *R) error,
) error {
	var old R
	oldFields := fieldsOf(&old)
	rows = slices.Clone(rows)
	written := make(map[uuid.UUID]bool, len(rows))
	for i := range rows {
		row := fieldsOf(&rows[i])
		if written[row.id] {
			return &expense.InvalidError{Field: "id", Code: "duplicate",
				Detail: fmt.Sprintf("%s %s occurs twice in one call; write it once", kind, row.id)}
		}
		written[row.id] = true
		var err error
		old, err = stored.row(kind, row.id)
		switch seen, current := *row.version, *oldFields.version; {
		case err != nil && (seen != 0 || errors.Is(err, expense.ErrGone)):
			return err
		case seen == 0 && current != 0:
			return fmt.Errorf("%s %s: %w", kind, row.id, expense.ErrExists)
		case seen != current:
			return fmt.Errorf("%s %s: %w", kind, row.id, &expense.StaleError{Current: current})
		}
		if err := check(&rows[i], &old); err != nil {
			return err
		}
		if row.guard != nil {
			*row.guard = t.next
			if err == nil && sameGuarded(rows[i], old) {
				*row.guard = *oldFields.guard
			}
		}
		*row.version, *row.created, *row.updated = t.next, expense.Timestamp(*row.created), expense.Timestamp(*row.updated)
		stored.put(row.id, rows[i])
	}
	return nil
}

// checkCategory returns an error if the ledger has no such category. The error ends the transaction: use cases check
// references before they write.
func (l *ledger) checkCategory(category uuid.UUID, kind string, id uuid.UUID) error {
	if _, ok := l.categories.rows.get(category); !ok {
		return fmt.Errorf("%s %s refers to category %s, which does not exist", kind, id, category)
	}
	return nil
}
