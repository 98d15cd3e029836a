package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/accounts"
	"github.com/spendwise/spendwise/store/ledgertest"
	"github.com/spendwise/spendwise/store/postgres"
	"github.com/spendwise/spendwise/store/postgres/pgtest"
	"github.com/spendwise/spendwise/store/sqlite"
)

// database is a SQL store.
type database interface {
	store.Store
	Migrate(context.Context) error
	Accounts() accounts.Store
}

// engine is a kind of SQL database.
type engine struct {
	name   string
	driver string                             // for sql.Open
	empty  func(testing.TB) string            // creates a database without tables and returns its DSN
	newest func(testing.TB) string            // creates a database that may have the tables already
	copied func(testing.TB, string) string    // copies a closed database and returns the DSN of the copy
	open   func(dsn string) (database, error) // opens a store
	tables string                             // selects the names of the tables
}

func engines() []engine {
	newFile := func(t testing.TB) string { return filepath.Join(t.TempDir(), "ledger.db") }
	return []engine{
		{
			name: "sqlite", driver: "sqlite", empty: newFile, newest: newFile,
			copied: func(t testing.TB, from string) string {
				path, content := newFile(t), readFile(t, from)
				if err := os.WriteFile(path, content, 0o600); err != nil {
					t.Fatal(err)
				}
				return path
			},
			open: func(dsn string) (database, error) {
				return sqlite.Open(context.Background(), dsn, sqlite.SynchronousNormal())
			},
			tables: `SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'spendwise%'`,
		},
		{
			name: "postgres", driver: "pgx", empty: pgtest.Empty, newest: pgtest.New, copied: pgtest.Copy,
			open:   func(dsn string) (database, error) { return postgres.Open(context.Background(), dsn) },
			tables: `SELECT tablename FROM pg_tables WHERE tablename LIKE 'spendwise%'`,
		},
	}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
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

// openBenchmarked returns an empty store with the default options of Open. On PostgreSQL, analyze vacuums and analyses
// its tables, as the server does by itself within minutes. On SQLite it does nothing: with the samples that ANALYZE
// collects, SQLite would prepare each statement again for each call, and the store's own PRAGMA collects no samples.
func openBenchmarked(b *testing.B, engine engine) (st store.Store, analyze func()) {
	b.Helper()
	dsn := engine.empty(b)
	open, analyze := engine.open, func() {
		b.Helper()
		db, err := sql.Open(engine.driver, dsn)
		if err == nil {
			_, err = db.ExecContext(b.Context(), "VACUUM (ANALYZE)")
			err = errors.Join(err, db.Close())
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	if engine.name == "sqlite" {
		open = func(dsn string) (database, error) { return sqlite.Open(context.Background(), dsn) } // waits for the disk
		analyze = func() {}
	}
	migrated := opened(b, func() (database, error) { return open(dsn) })
	if err := migrated.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	return migrated, analyze
}

func migrated(t testing.TB, engine engine) store.Store {
	t.Helper()
	dsn := engine.newest(t)
	st := opened(t, func() (database, error) { return engine.open(dsn) })
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
func newLedger(t testing.TB, owner expense.OwnerID, st store.Store) expense.InitialLedger {
	t.Helper()
	return ledgertest.Create(t, st, owner, day, expense.SettingsDraft{})
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
