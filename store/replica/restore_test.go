package replica_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/replica"
)

// A restorableLedger is in an SQLite file that older copies of it can replace.
type restorableLedger struct {
	ledger
	file string
}

// openRestorable opens the file; close has to be called after the last use.
func openRestorable(t testing.TB, file string) *restorableLedger {
	return &restorableLedger{ledger{t, openSQLite(t, file), "anna"}.create(), file}
}

// reopen closes the store, replaces its file by other bytes unless they are nil, and opens it again.
func (r *restorableLedger) reopen(data []byte) {
	r.t.Helper()
	r.check(r.st.Close())
	if data != nil {
		for _, suffix := range []string{"-wal", "-shm"} {
			if err := os.Remove(r.file + suffix); err != nil && !os.IsNotExist(err) {
				r.t.Fatal(err)
			}
		}
		r.check(os.WriteFile(r.file, data, 0o600))
	}
	r.st = openSQLite(r.t, r.file)
}

// backup returns the bytes of the file.
func (r *restorableLedger) backup() []byte {
	r.t.Helper()
	r.check(r.st.Close())
	data, err := os.ReadFile(r.file)
	r.check(err)
	r.st = openSQLite(r.t, r.file)
	return data
}

// restore puts a backup in place and starts a new epoch.
func (r *restorableLedger) restore(data []byte) {
	r.t.Helper()
	r.reopen(data)
	r.check(r.st.StartEpoch(r.t.Context(), r.owner))
}

// TestPush_BasesOfDiscardedHistories: what a device saw in a history that a restore has replaced says nothing about the
// row as it is, however often the row has changed since. The device sends no cursor, so only the versions can tell.
func TestPush_BasesOfDiscardedHistories(t *testing.T) {
	l := openRestorable(t, filepath.Join(t.TempDir(), "ledger.db"))
	t.Cleanup(func() { _ = l.st.Close() })
	row, calm := ref(store.ExpenseRow, 1), ref(store.ExpenseRow, 2)
	note := func(text string) { l.edit(row, change(row.Type, "patch", fields{"notes": text})) }
	pushes := 0
	patch := func(row replica.RowRef, base expense.Version, data fields, want string) {
		t.Helper()
		pushes++
		m := mutation(fmt.Sprint("p", pushes), row, change(row.Type, "patch", data))
		if base < 0 {
			m = upon(m, fmt.Sprint("p", pushes-1))
		} else {
			m = based(m, base)
		}
		if got := l.push(m)[0]; status(got) != want {
			t.Errorf("a patch with %v on %d: %+v, want %s", data, base, got, want)
		}
	}
	const last = -1
	amount := func(text string) fields { return fields{"amount": text} }

	genuine := l.edit(row, change(row.Type, "put", fields{"amount": "5", "currency": "EUR"}))
	l.edit(calm, change(calm.Type, "put", fields{"amount": "1", "currency": "EUR"}))
	first := l.backup()
	// The device sees 600 yen, and makes 700 yen of them.
	lost := l.edit(row, change(row.Type, "patch", fields{"amount": "600", "currency": "JPY"}))
	_, ahead := l.pull(replica.Cursor{}, 0)
	l.reopen(first)
	l.expired("ahead of a ledger without a new epoch", ahead)
	l.restore(first)
	l.expired("of a discarded history", ahead)
	patch(row, lost, amount("700"), "conflict conflict")
	note("changed since")
	patch(row, lost, amount("700"), "conflict conflict")
	patch(row, lost, fields{"notes": "mine"}, "merged")
	patch(row, last, amount("700"), "conflict conflict")
	patch(row, genuine, amount("6"), "merged")

	second := l.backup()
	ours := l.expense(row.ID).Version
	later := l.edit(row, change(row.Type, "patch", fields{"amount": "800", "currency": "JPY"}))
	l.restore(second)
	note("changed again")
	patch(row, lost, amount("700"), "conflict conflict")
	patch(row, later, amount("900"), "conflict conflict")
	patch(row, ours, amount("7"), "merged")
	patch(calm, genuine, amount("2"), "conflict conflict") // a version before this row was added
	patch(calm, genuine+1, amount("2"), "applied")

	// After the same backup once more, no version of the first restore's history is valid.
	l.restore(first)
	note("anew")
	l.edit(row, change(row.Type, "patch", amount("8")))
	note("and anew")
	for _, base := range []expense.Version{lost, ours, later} {
		patch(row, base, amount("700"), "conflict conflict")
		err := l.st.Update(t.Context(), l.owner, func(tx store.Tx) error {
			cond := expense.Precondition{Versions: []expense.Version{base}}
			_, err := expense.Change(t.Context(), tx, env(), row.ID, expense.Patch{Amount: new("9")}, cond)
			return err
		})
		if !errors.Is(err, expense.ErrStale) {
			t.Errorf("a version of a discarded history as a precondition: %v", err)
		}
	}
	if e := l.expense(row.ID); e.Amount.String() != "8.00 EUR" {
		t.Errorf("in the end the expense is %v", e.Amount)
	}
}
