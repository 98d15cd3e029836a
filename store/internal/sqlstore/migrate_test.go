package sqlstore_test

import (
	"database/sql"
	"errors"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/accounts"
	"github.com/spendwise/spendwise/store/accounts/accountstest"
	"github.com/spendwise/spendwise/store/storetest"
)

func TestMigrate_ConcurrentInstances(t *testing.T) {
	for _, engine := range engines() {
		t.Run(engine.name, func(t *testing.T) {
			dsn := engine.empty(t)
			var group errgroup.Group
			for range 8 {
				group.Go(func() error {
					st, err := engine.open(dsn)
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
			st := opened(t, func() (database, error) { return engine.open(dsn) })
			if err := st.Ping(t.Context()); err != nil {
				t.Error(err)
			}
			newLedger(t, "ann", st)
		})
	}
}

func TestPing_RejectsOlderSchema(t *testing.T) {
	for _, engine := range engines() {
		t.Run(engine.name, func(t *testing.T) {
			dsn := engine.empty(t)
			err := opened(t, func() (database, error) { return engine.open(dsn) }).Ping(t.Context())
			if err == nil || !strings.Contains(err.Error(), "run `spendwise migrate`") {
				t.Errorf("Ping of an empty database: %v", err)
			}
		})
	}
}

// newerDatabase is a database that a newer release has migrated.
type newerDatabase struct {
	dsn string
	raw *sql.DB
}

// newNewerDatabase returns a database with compatible migrations of a newer release. Each table has two additional
// columns, one of them with a default, and an additional index. There is one additional table. No store is open in it.
func newNewerDatabase(t *testing.T, engine engine) newerDatabase {
	t.Helper()
	newer := newerDatabase{dsn: engine.newest(t)}
	st, err := engine.open(newer.dsn)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(st.Migrate(t.Context()), st.Close()); err != nil {
		t.Fatal(err)
	}
	if newer.raw, err = sql.Open(engine.driver, newer.dsn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = newer.raw.Close() })
	rows, err := newer.raw.QueryContext(t.Context(), engine.tables)
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
	for _, text := range append(statements,
		"CREATE TABLE spendwise_moods (owner text NOT NULL, id text NOT NULL, PRIMARY KEY (owner, id))") {
		execute(t, newer.raw, text)
	}
	newer.record(t, "ledger", 3, 2)
	return newer
}

// record inserts a migration of a newer release, as its Migrate does.
func (n newerDatabase) record(t *testing.T, set string, number, needs int) {
	t.Helper()
	_, err := n.raw.ExecContext(t.Context(), `INSERT INTO spendwise_migrations ("set", number, name, checksum, needs,
		applied_at) VALUES ($1, $2, 'moods', '', $3, 0)`,
		set, number, needs)
	if err != nil {
		t.Fatal(err)
	}
}

// TestStore_WorksOnSchemaOfNextRelease runs the conformance suites of this release on the schema of a newer release. It
// needs its time because the suites are long.
func TestStore_WorksOnSchemaOfNextRelease(t *testing.T) {
	for _, engine := range engines() {
		t.Run(engine.name, func(t *testing.T) {
			t.Parallel()
			newer := newNewerDatabase(t, engine)
			if err := newer.raw.Close(); err != nil {
				t.Fatal(err)
			}
			open := func(t *testing.T) database {
				dsn := engine.copied(t, newer.dsn)
				st, err := engine.open(dsn)
				if err != nil {
					t.Fatal(err)
				}
				return st
			}
			t.Run("ledgers", func(t *testing.T) {
				storetest.Run(t, func(t *testing.T) store.Store { return open(t) })
			})
			t.Run("accounts", func(t *testing.T) {
				accountstest.Run(t, func(t *testing.T) accounts.Store {
					st := open(t)
					t.Cleanup(func() {
						if err := st.Close(); err != nil {
							t.Error(err)
						}
					})
					return st.Accounts()
				})
			})
		})
	}
}

// TestMigrate_RejectsSchemaThatNeedsNewerRelease checks that Ping and Migrate reject a schema if one of its migrations
// needs a newer release. Readiness uses Ping, and a server calls Migrate when it starts.
func TestMigrate_RejectsSchemaThatNeedsNewerRelease(t *testing.T) {
	for _, engine := range engines() {
		t.Run(engine.name, func(t *testing.T) {
			newer := newNewerDatabase(t, engine)
			st := opened(t, func() (database, error) { return engine.open(newer.dsn) })
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
				newer.record(t, step.set, step.number, step.needs)
				for name, err := range map[string]error{"Ping": st.Ping(t.Context()), "Migrate": st.Migrate(t.Context())} {
					if step.wantErr == "" && err != nil || step.wantErr != "" &&
						(err == nil || !strings.Contains(err.Error(), step.wantErr)) {
						t.Errorf("%s: %s = %v, want %q", step.name, name, err, step.wantErr)
					}
				}
			}
			execute(t, newer.raw, `DELETE FROM spendwise_migrations WHERE number > 2`)
			if err := st.Ping(t.Context()); err != nil {
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
