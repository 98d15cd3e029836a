package main_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/spendwise/spendwise/store/postgres/pgtest"
)

// TestMigrate_ConcurrentProcesses starts many processes concurrently on a new database. They create one schema and all
// of them serve.
func TestMigrate_ConcurrentProcesses(t *testing.T) {
	for engine, database := range map[string]string{"sqlite": "sqlite:" + filepath.Join(t.TempDir(), "ledger.db"),
		"postgres": pgtest.Empty(t)} {
		t.Run(engine, func(t *testing.T) {
			var group errgroup.Group
			for range 6 {
				dir := t.TempDir()
				group.Go(func() error { return program(t.Context(), dir, "--database", database, "migrate").Run() })
			}
			if err := group.Wait(); err != nil {
				t.Error(err)
			}
			command(t, t.TempDir(), "--database", database, "verify")
		})
	}
}

// TestServe_OnSchemaOfLaterRelease checks that a release continues to serve while the next one migrates, and can
// be restarted on that schema. It refuses a schema that needs a newer release.
func TestServe_OnSchemaOfLaterRelease(t *testing.T) {
	engines(t, func(t *testing.T, database, dataDir string) {
		s := start(t, dataDir, "--database", database)
		c := s.register(`,"home_currency":"EUR"`)
		works := func(n int) {
			t.Helper()
			c.must(t, http.StatusCreated, "POST", "/v1/expenses", `{"amount":"12.50","category":"Food"}`)
			if got := len(c.expenses(t)); got != n {
				t.Errorf("%d expenses, want %d", got, n)
			}
		}
		works(1)
		execute(t, database, `ALTER TABLE spendwise_expenses ADD COLUMN mood text NOT NULL DEFAULT 'calm'`,
			`INSERT INTO spendwise_migrations ("set", number, name, checksum, needs, applied_at) VALUES ('ledger', 3, `+
				`'moods', '', 2, 0)`)
		c.must(t, http.StatusOK, "GET", "/readyz", "")
		works(2)
		s.kill()
		s.start()
		c = c.at(s.url)
		c.must(t, http.StatusOK, "GET", "/readyz", "")
		works(3)
		if got, want := command(t, dataDir, "--database", database,
			"verify"), "verified 1 ledgers: 0 deviations in 0, 0 repaired\n"; got != want {
			t.Errorf("verify says %q, want %q", got, want)
		}

		execute(t, database, `INSERT INTO spendwise_migrations ("set", number, name, checksum, needs, applied_at) VALUES `+
			`('ledger', 4, 'feelings', '', 3, 0)`)
		c.must(t, http.StatusServiceUnavailable, "GET", "/readyz", "")
		works(4) // requests that a load balancer still sends succeed as far as the schema allows
		s.kill()
		for _, args := range [][]string{{"serve", "--listen", "127.0.0.1:0"},
			{"serve", "--listen", "127.0.0.1:0", "--no-migrate"}, {"migrate"}, {"verify"}} {
			says := refused(t, dataDir, append(args, "--database", database)...)
			for _, want := range []string{"newer than this release", "0004_feelings", "use the newer release"} {
				if !strings.Contains(says, want) {
					t.Errorf("%s does not say %q:\n%s", strings.Join(args, " "), want, says)
				}
			}
		}
	})
}
