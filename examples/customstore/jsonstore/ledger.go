package jsonstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
)

// A ledger holds all data of one owner. It is the content of the owner's file. The file uses the field names of the
// domain types. A store for production needs row types of its own, so that renaming a field does not change the file
// format.
type ledger struct {
	Version       expense.Version // the current version; 0: the ledger does not exist
	Epoch         int64
	PurgedThrough expense.Version     // the highest version of a purged tombstone
	Discarded     store.VersionRanges // versions that a restore has discarded; no row has one of them
	Settings      settings
	Categories    table[expense.Category]
	Expenses      table[expense.Expense]
	Budgets       table[budget.Budget]
	Rules         table[recurrence.Rule]
	Alerts        table[budget.Alert]
	Records       []store.IdempotencyRecord
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
}

func newLedger() *ledger {
	return &ledger{
		Epoch:      store.RandomEpoch(),
		Categories: newTable[expense.Category](),
		Expenses:   newTable[expense.Expense](),
		Budgets:    newTable[budget.Budget](),
		Rules:      newTable[recurrence.Rule](),
		Alerts:     newTable[budget.Alert](),
	}
}

func newTable[R any]() table[R] {
	return table[R]{Rows: make(map[uuid.UUID]R), Tombstones: make(map[uuid.UUID]tombstone)}
}

func (l *ledger) state() store.State {
	return store.State{Epoch: l.Epoch, Version: l.Version, PurgedThrough: l.PurgedThrough, Discarded: l.Discarded}
}

// clone returns a copy of l with maps and slices of its own. The copy shares the slices inside budgets and records.
// That is safe, because they are replaced and never modified.
func (l *ledger) clone() *ledger {
	c := *l
	c.Categories, c.Expenses = l.Categories.clone(), l.Expenses.clone()
	c.Budgets, c.Rules, c.Alerts = l.Budgets.clone(), l.Rules.clone(), l.Alerts.clone()
	c.Records = slices.Clone(l.Records)
	return &c
}

func (t table[R]) clone() table[R] {
	return table[R]{Rows: maps.Clone(t.Rows), Tombstones: maps.Clone(t.Tombstones)}
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

// delete removes a row and adds its tombstone. It returns an error of get if there is no row.
func (t table[R]) delete(id uuid.UUID, version expense.Version, mergedInto uuid.UUID) error {
	if _, err := t.get(id); err != nil {
		return err
	}
	delete(t.Rows, id)
	t.Tombstones[id] = tombstone{Version: version, MergedInto: mergedInto, DeletedAt: expense.Timestamp(time.Now())}
	return nil
}

// hasPending reports whether the ledger has a pending expense.
func (l *ledger) hasPending() bool {
	for _, e := range l.Expenses.Rows {
		if e.Pending() {
			return true
		}
	}
	return false
}

func noLedger() error { return fmt.Errorf("ledger: %w", expense.ErrNotFound) }

// settings encodes the time zone of the settings by its name.
type settings struct{ expense.Settings }

// settingsJSON is the JSON form of settings. Its Zone hides that of the embedded Settings.
type settingsJSON struct {
	expense.Settings
	Zone string
}

// MarshalJSON implements [json.Marshaler].
func (s settings) MarshalJSON() ([]byte, error) {
	return json.Marshal(settingsJSON{Settings: s.Settings, Zone: s.Zone.String()})
}

// UnmarshalJSON implements [json.Unmarshaler].
func (s *settings) UnmarshalJSON(data []byte) error {
	var read settingsJSON
	if err := json.Unmarshal(data, &read); err != nil {
		return err
	}
	zone, err := expense.ParseZone(read.Zone)
	s.Settings, s.Zone = read.Settings, zone
	return err
}

// readFile decodes the file into the value. It leaves the value as it is if the file does not exist.
func readFile(path string, into any) error {
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return unavailable(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		//nolint:errorlint // not wrapped: a damaged file must not look like a caller's ErrInvalid.
		return fmt.Errorf("%s is damaged; restore it from a backup: %v", path, err)
	}
	return nil
}

// replaceFile replaces the content of the file by value. It is atomic: after a crash, the file has either the old
// content or the new. It is durable: once replaceFile returns nil, a crash does not lose the new content. So it syncs
// the data before it renames the temporary file, and the folder after it.
func replaceFile(path string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	temporary := path + ".tmp" // the next write overwrites a file that a crash has left
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return unavailable(err)
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return unavailable(err)
	}
	return syncFolder(path)
}

// removeFile removes the file. It is not an error if the file does not exist.
func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return unavailable(err)
	}
	return syncFolder(path)
}

// syncFolder writes the entries of the file's folder to the disk.
func syncFolder(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return unavailable(err)
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		return unavailable(err)
	}
	return nil
}

// unavailable marks an error of the file system as ErrUnavailable, because it may be temporary.
func unavailable(err error) error { return fmt.Errorf("%w: %w", expense.ErrUnavailable, err) }
