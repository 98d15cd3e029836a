package postgres_test

import (
	"testing"

	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/postgres"
	"github.com/spendwise/spendwise/store/postgres/pgtest"
)

// open returns a store in a new database, migrated.
func open(t testing.TB, opts ...postgres.Option) store.Store {
	t.Helper()
	st, err := postgres.Open(t.Context(), pgtest.New(t), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}
