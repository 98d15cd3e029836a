package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/sqlite"
)

// open returns a store in a new file, migrated.
func open(t testing.TB, opts ...sqlite.Option) store.Store {
	t.Helper()
	st, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := st.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return st
}
