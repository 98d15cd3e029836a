package sqlstore_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/accounts"
	"github.com/spendwise/spendwise/store/accounts/accountstest"
	"github.com/spendwise/spendwise/store/postgres"
	"github.com/spendwise/spendwise/store/postgres/pgtest"
	"github.com/spendwise/spendwise/store/sqlite"
	"github.com/spendwise/spendwise/store/storetest"
)

func TestEightInstancesMigrateAtOnce(t *testing.T) {
	for _, engine := range engines() {
		t.Run(engine.name, func(t *testing.T) {
			open := engine.newDatabase(t)
			var group errgroup.Group
			for range 8 {
				group.Go(func() error {
					st, err := open()
					if err != nil {
						return err
					}
					defer st.Close()
					return st.Migrate(t.Context())
				})
			}
			if err := group.Wait(); err != nil {
				t.Fatal(err)
			}
			st := opened(t, open)
			if err := st.Ping(t.Context()); err != nil {
				t.Error(err)
			}
			newLedger(t, "ann", st)
		})
	}
}

func TestPingSaysThatTheSchemaIsOlder(t *testing.T) {
	for _, engine := range engines() {
		t.Run(engine.name, func(t *testing.T) {
			err := opened(t, engine.newDatabase(t)).Ping(t.Context())
			if err == nil || !strings.Contains(err.Error(), "run `spendwise migrate`") {
				t.Errorf("Ping of an empty database: %v", err)
			}
		})
	}
}

// newerDatabase is a database that a newer release has migrated, with a store of this release.
type newerDatabase struct {
	database
	accounts accounts.Store
	raw      *sql.DB
}

// openNewerDatabase returns a database with compatible migrations of a newer release. Each table has two additional
// columns, one of them with a default, and an additional index. There is one additional table.
func openNewerDatabase(t *testing.T, engine string) newerDatabase {
	t.Helper()
	var next newerDatabase
	var err error
	tables := `SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'spendwise%'`
	if engine == "postgres" {
		dsn := pgtest.Empty(t)
		st := opened(t, func() (database, error) { return postgres.Open(context.Background(), dsn) })
		next.database, next.accounts = st, st.(*postgres.Store).Accounts()
		next.raw, err = sql.Open("pgx", dsn)
		tables = `SELECT tablename FROM pg_tables WHERE tablename LIKE 'spendwise%'`
	} else {
		path := filepath.Join(t.TempDir(), "ledger.db")
		st := opened(t, func() (database, error) {
			return sqlite.Open(context.Background(), path, sqlite.SynchronousNormal())
		})
		next.database, next.accounts = st, st.(*sqlite.Store).Accounts()
		next.raw, err = sql.Open("sqlite", path)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := next.raw.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := next.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows, err := next.raw.QueryContext(t.Context(), tables)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var statements []string
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			t.Fatal(err)
		}
		statements = append(statements, "ALTER TABLE "+table+" ADD COLUMN aaa_mood text NOT NULL DEFAULT 'calm'",
			"ALTER TABLE "+table+" ADD COLUMN zzz_weight integer", "CREATE INDEX "+table+"_mood ON "+table+" (aaa_mood)")
	}
	if err := rows.Err(); err != nil || len(statements) < 3*15 {
		t.Fatalf("%d statements for the existing tables, %v", len(statements), err)
	}
	next.exec(t, append(statements,
		"CREATE TABLE spendwise_moods (owner text NOT NULL, id text NOT NULL, PRIMARY KEY (owner, id))")...)
	next.record(t, "ledger", 3, 2)
	return next
}

func (l newerDatabase) exec(t *testing.T, statements ...string) {
	t.Helper()
	for _, text := range statements {
		if _, err := l.raw.ExecContext(t.Context(), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
}

// record inserts a migration of a newer release, as its Migrate does.
func (l newerDatabase) record(t *testing.T, set string, number, needs int) {
	t.Helper()
	_, err := l.raw.ExecContext(t.Context(), `INSERT INTO spendwise_migrations ("set", number, name, checksum, needs,
		applied_at) VALUES ($1, $2, 'moods', '', $3, 0)`,
		set, number, needs)
	if err != nil {
		t.Fatal(err)
	}
}

// TestTheReleaseBeforeWorksOnTheNextSchema runs the conformance suite of this release on the schema of a newer release.
func TestTheReleaseBeforeWorksOnTheNextSchema(t *testing.T) {
	for _, engine := range engines() {
		t.Run(engine.name, func(t *testing.T) {
			t.Parallel()
			t.Run("ledgers", func(t *testing.T) {
				storetest.Run(t, func(t *testing.T) store.Store { return openNewerDatabase(t, engine.name).database })
			})
			t.Run("accounts", func(t *testing.T) {
				accountstest.Run(t, func(t *testing.T) accounts.Store { return openNewerDatabase(t, engine.name).accounts })
			})
		})
	}
}

// TestWhichNewerSchemasARefusalIsFor checks that Ping and Migrate reject a schema if one of its migrations needs a
// newer release. Readiness uses Ping, and a server calls Migrate when it starts.
func TestWhichNewerSchemasARefusalIsFor(t *testing.T) {
	for _, engine := range engines() {
		t.Run(engine.name, func(t *testing.T) {
			next := openNewerDatabase(t, engine.name)
			for _, step := range []struct {
				name          string
				set           string
				number, needs int
				wantErr       string
			}{
				{"one that adds", "ledger", 4, 2, ""},
				{"one that adds, of the other set", "accounts", 3, 1, ""},
				{"one of a set that this release does not know, but may leave alone", "photos", 1, 0, ""},
				{"one that takes away what the next release no longer needs", "ledger", 5, 3,
					`its migration 0005_moods of the set "ledger" needs a release that knows 0003, ` +
						`and this release only knows 0002; use the newer release`},
			} {
				next.record(t, step.set, step.number, step.needs)
				for name, err := range map[string]error{"Ping": next.Ping(t.Context()), "Migrate": next.Migrate(t.Context())} {
					if step.wantErr == "" && err != nil || step.wantErr != "" &&
						(err == nil || !strings.Contains(err.Error(), step.wantErr)) {
						t.Errorf("%s: %s = %v, want %q", step.name, name, err, step.wantErr)
					}
				}
			}
			next.exec(t, `DELETE FROM spendwise_migrations WHERE number > 2`)
			if err := next.Ping(t.Context()); err != nil {
				t.Errorf("Ping without the newer migrations: %v", err)
			}
		})
	}
}

// TestMigrate_RejectsASchemaFromBeforeTheFirstRelease checks that the error says how to move the ledgers.
func TestMigrate_RejectsASchemaFromBeforeTheFirstRelease(t *testing.T) {
	onEachRecorded(t, func(t *testing.T, r *recorded) {
		execute(t, r.db, `UPDATE spendwise_migrations SET checksum =
			'fbbe0a218f88e9d90cefa7d36d868b9ac3e8e10b3b176a367563cf19a0f56d06' WHERE "set" = 'ledger' AND number = 1`)
		for name, err := range map[string]error{"Ping": r.Ping(t.Context()), "Migrate": r.Migrate(t.Context())} {
			if err == nil || !strings.Contains(err.Error(), "run `spendwise export --user EMAIL FILE` of that version") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
