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

// A database is a store whose schema can be made.
type database interface {
	store.Store
	Migrate(context.Context) error
}

// An engine is a way to keep ledgers in SQL; empty returns how to open one database, which is new and empty.
type engine struct {
	name  string
	empty func(testing.TB) func() (database, error)
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

// narrow returns stores that have one connection to read on; on Postgres it is the only one.
func narrow(t *testing.T) map[string]store.Store {
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

// onEach runs a test on each engine, with a migrated store.
func onEach(t *testing.T, test func(*testing.T, store.Store)) {
	for _, engine := range engines() {
		t.Run(engine.name, func(t *testing.T) { test(t, migrated(t, engine)) })
	}
}

func migrated(t testing.TB, engine engine) store.Store {
	t.Helper()
	st := opened(t, engine.empty(t))
	if err := st.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return st
}

// opened opens a store and closes it when the test is over.
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

// newLedger makes a ledger with the starter categories.
func newLedger(t testing.TB, owner expense.OwnerID, stores ...store.Store) expense.InitialLedger {
	t.Helper()
	settings, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		t.Fatal(err)
	}
	ledger := expense.NewInitialLedger(owner, settings, day)
	for _, st := range stores {
		created, err := st.CreateLedger(t.Context(), owner, ledger)
		if err := errors.Join(err, notUnless(created, "CreateLedger made nothing")); err != nil {
			t.Fatal(err)
		}
	}
	return ledger
}

// day is when everything in these tests happens.
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

func notUnless(ok bool, text string) error {
	if ok {
		return nil
	}
	return errors.New(text)
}
