// Package replica implements the sync protocol between a ledger and the devices that keep a copy of it. It has no
// transport: a server decodes requests into the types of this package and encodes what the functions return.
//
//   - [Pull] returns what changed since a [Cursor], page by page.
//   - [Push] applies the changes that a device made while it was offline. Each change is a [Mutation] and gets a
//     [Result].
//   - [ReadDigest] returns a count and a hash for each type of row, so that a device can check its copy.
//
// # Order
//
// The server decides the order of changes: a push is applied when it arrives. No clock of a device is read.
//
// # Conflicts
//
// A mutation names its base: the version of the row that the device last saw, or an earlier mutation of the same
// device. Some fields of a row are guarded: an expense's amount, currency, date and rate, every field of a budget, and
// every field of a recurring rule except notes and paused. A push never combines the guarded fields of two versions:
//
//   - A patch is applied if its base is the current version.
//   - A patch with an older base is merged if it does not set guarded fields, or if they have not changed since the
//     base. Otherwise it is a conflict.
//   - A put with an older base is unchanged if its content equals the row, and a conflict otherwise.
//   - A delete is applied whatever its base is.
//   - A category whose name belongs to another category is merged into that category.
//   - The id of a category that was merged stands for the category into which it was merged. The id of a category that
//     was deleted, is archived or never existed stands for the default category. A name must be that of a category.
//
// # Repeated mutations
//
// The result of each mutation is stored under its id, in the transaction of its change, for as long as tombstones are
// kept. A device that did not receive a response sends the same push again and gets the same results.
package replica

import (
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// ErrConflict reports a mutation that contradicts a change which arrived first. Nothing was written. The user has to
// decide which change to keep.
var ErrConflict = errors.New("conflicts with a change that arrived first")

// A ConflictError is an [ErrConflict] with the versions of the row.
type ConflictError struct {
	Current expense.Version // the version of the stored row
	Base    expense.Version // the version on which the mutation is based; 0: it names none, or its base is not known
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%v: the row is at version %d, the base is version %d", ErrConflict, e.Current, e.Base)
}

// Is reports whether target is ErrConflict.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// settingsID is the textual id of the only row of its type.
const settingsID = "settings"

// A RowRef names a row of a ledger. The ID of the settings is [uuid.Nil]. The zero RowRef names no row.
type RowRef struct {
	Type store.RowType
	ID   uuid.UUID
}

// ParseRowRef returns the row of a type, such as "expense", with the textual id that devices use. It reports false if
// there is no such type or the id is malformed.
func ParseRowRef(rowType, id string) (RowRef, bool) {
	if rowType == store.SettingsRow.String() {
		if id != settingsID {
			return RowRef{}, false
		}
		return RowRef{Type: store.SettingsRow}, true
	}
	parsed, err := expense.ParseID(id)
	for _, t := range store.RowTypes() {
		if t.String() == rowType && err == nil {
			return RowRef{Type: t, ID: parsed}, true
		}
	}
	return RowRef{}, false
}

// TextID returns the id that devices use: a UUID, or "settings".
func (r RowRef) TextID() string {
	if r.Type == store.SettingsRow {
		return settingsID
	}
	return r.ID.String()
}

// wrap adds the row to an error.
func (r RowRef) wrap(err error) error {
	return &expense.RowError{Type: r.Type.String(), ID: r.ID, Err: err}
}

// conflict returns an ErrConflict of the row, which is at version current. base is the version that the device last
// saw.
func (r RowRef) conflict(base, current expense.Version) error {
	if base < 0 || base > current {
		base = 0 // unknownBase or discardedBase
	}
	return r.wrap(&ConflictError{Current: current, Base: base})
}
