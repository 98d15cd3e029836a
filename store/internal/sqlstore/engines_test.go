package sqlstore_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/postgres"
	"github.com/spendwise/spendwise/store/postgres/pgtest"
	"github.com/spendwise/spendwise/store/sqlite"
)

// database is a store with a Migrate method.
type database interface {
	store.Store
	Migrate(context.Context) error
}

// engine is a kind of SQL database. newDatabase creates an empty database and returns a function that opens it.
type engine struct {
	name        string
	newDatabase func(testing.TB) func() (database, error)
}

func engines() []engine {
	return []engine{
		{"sqlite", func(t testing.TB) func() (database, error) {
			path := filepath.Join(t.TempDir(), "ledger.db")
			return func() (database, error) { return sqlite.Open(context.Background(), path) }
		}},
		{"postgres", func(t testing.TB) func() (database, error) {
			dsn := pgtest.Empty(t)
			return func() (database, error) { return postgres.Open(context.Background(), dsn) }
		}},
	}
}

// singleConnectionStores returns stores with one read connection. On PostgreSQL it is the only connection.
func singleConnectionStores(t *testing.T) map[string]store.Store {
	t.Helper()
	path, dsn := filepath.Join(t.TempDir(), "ledger.db"), pgtest.New(t)
	stores := map[string]store.Store{
		"sqlite":   opened(t, func() (database, error) { return sqlite.Open(t.Context(), path, sqlite.Readers(1)) }),
		"postgres": opened(t, func() (database, error) { return postgres.Open(t.Context(), dsn, postgres.MaxConns(1)) }),
	}
	if err := stores["sqlite"].(database).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return stores
}

// onEach runs a test on each engine with a migrated store.
func onEach(t *testing.T, test func(*testing.T, store.Store)) {
	for _, engine := range engines() {
		t.Run(engine.name, func(t *testing.T) { test(t, migrated(t, engine)) })
	}
}

func migrated(t testing.TB, engine engine) store.Store {
	t.Helper()
	st := opened(t, engine.newDatabase(t))
	if err := st.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return st
}

// opened opens a store. It closes the store at the end of the test.
func opened(t testing.TB, open func() (database, error)) database {
	t.Helper()
	st, err := open()
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

// newLedger creates a ledger with the starter categories.
func newLedger(t testing.TB, owner expense.OwnerID, stores ...store.Store) expense.InitialLedger {
	t.Helper()
	settings, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		t.Fatal(err)
	}
	ledger := expense.NewInitialLedger(owner, settings, day)
	for _, st := range stores {
		created, err := st.CreateLedger(t.Context(), owner, ledger)
		if err := errors.Join(err, errorUnless(created, "CreateLedger made nothing")); err != nil {
			t.Fatal(err)
		}
	}
	return ledger
}

// day is the current time in these tests.
var day = time.Date(2026, time.March, 2, 9, 0, 0, 0, time.UTC)

// coffee returns a new expense in the home currency.
func coffee(ledger expense.InitialLedger, amount string, date expense.Date) expense.Expense {
	money := expense.MustMoney(amount, "EUR")
	return expense.Expense{
		ID: uuid.Must(uuid.NewV7()), Amount: money, Date: date, CategoryID: ledger.Categories[0].ID, Notes: "coffee",
		Rate: expense.Rate{Value: expense.MustFactor("1"), Date: date, Source: expense.SourceIdentity}, Home: money,
		CreatedAt: day, UpdatedAt: day,
	}
}

func errorUnless(ok bool, text string) error {
	if ok {
		return nil
	}
	return errors.New(text)
}
