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

// A ledger is everything kept of one owner, and what the owner's file says. The names in the file are those of the domain's
// fields; a store that is to outlive a renamed field writes rows of its own instead.
type ledger struct {
	Version    expense.Version // the last one taken; 0: there is no ledger
	Epoch      int64
	Floor      expense.Version     // the highest version of a tombstone that was purged
	Lost       store.VersionRanges // those that no row of this history ever has
	Settings   settings
	Categories table[expense.Category]
	Expenses   table[expense.Expense]
	Budgets    table[budget.Budget]
	Rules      table[recurrence.Rule]
	Alerts     table[budget.Alert]
	Records    []store.IdempotencyRecord
}

// A table holds the rows of one kind, and the tombstones of those that were deleted.
type table[R any] struct {
	Rows  map[uuid.UUID]R
	Tombs map[uuid.UUID]tombstone
}

// A tombstone keeps a deleted row's id from being used again.
type tombstone struct {
	Version expense.Version // of the Update that deleted the row
	Into    uuid.UUID       // the category that a category was merged into, or Nil
	At      time.Time       // by this machine's clock; Purge goes by it
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
	return table[R]{Rows: make(map[uuid.UUID]R), Tombs: make(map[uuid.UUID]tombstone)}
}

func (l *ledger) state() store.State {
	return store.State{Epoch: l.Epoch, Version: l.Version, PurgedThrough: l.Floor, Discarded: l.Lost}
}

// clone returns a ledger that can be changed without changing l. The rows themselves are values; the slices in a budget or a
// record are shared, for they are replaced and never written to.
func (l *ledger) clone() *ledger {
	c := *l
	c.Categories, c.Expenses = l.Categories.clone(), l.Expenses.clone()
	c.Budgets, c.Rules, c.Alerts = l.Budgets.clone(), l.Rules.clone(), l.Alerts.clone()
	c.Records = slices.Clone(l.Records)
	return &c
}

func (t table[R]) clone() table[R] {
	return table[R]{Rows: maps.Clone(t.Rows), Tombs: maps.Clone(t.Tombs)}
}

// get returns a row; ErrGone if it was deleted, ErrNotFound if there never was one.
func (t table[R]) get(id uuid.UUID) (R, error) {
	row, ok := t.Rows[id]
	if ok {
		return row, nil
	}
	if _, deleted := t.Tombs[id]; deleted {
		return row, fmt.Errorf("%T %s: %w", row, id, expense.ErrGone)
	}
	return row, fmt.Errorf("%T %s: %w", row, id, expense.ErrNotFound)
}

// bury takes a row out and leaves a tombstone.
func (t table[R]) bury(id uuid.UUID, version expense.Version, into uuid.UUID) {
	delete(t.Rows, id)
	t.Tombs[id] = tombstone{Version: version, Into: into, At: expense.Timestamp(time.Now())}
}

// pending reports whether an expense waits for a rate.
func (l *ledger) pending() bool {
	for _, e := range l.Expenses.Rows {
		if e.Pending() {
			return true
		}
	}
	return false
}

func noLedger() error { return fmt.Errorf("ledger: %w", expense.ErrNotFound) }

// settings are the ledger's settings with a form in JSON: a zone is written by its name.
type settings struct{ expense.Settings }

// settingsJSON has a Zone that comes before the one of the settings in it.
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

// readFile reads what replaceFile wrote; a file that is not there leaves into as it is.
func readFile(path string, into any) error {
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return unavailable(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		//nolint:errorlint // not wrapped: the file is at fault, so this must not look like a caller's ErrInvalid.
		return fmt.Errorf("%s is damaged, restore it from a copy: %v", path, err)
	}
	return nil
}

// replaceFile writes value to the file so that a crash at any moment leaves the old content or the new, and that the new one
// stays when it returns nil: the data is on the disk before the name moves to it, and the name is before it returns.
func replaceFile(path string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	temporary := path + ".tmp" // what a crash leaves of it, the next write of the same file takes over
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

// removeFile removes the file; that there is none is no error.
func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return unavailable(err)
	}
	return syncFolder(path)
}

// syncFolder puts the names in the file's folder on the disk.
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

// unavailable marks an error of the file system as one that may pass.
func unavailable(err error) error { return fmt.Errorf("%w: %w", expense.ErrUnavailable, err) }
