package main_test

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver of BenchmarkBareSQL
	_ "modernc.org/sqlite"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/store/postgres"
	"github.com/spendwise/spendwise/store/postgres/pgtest"
	"github.com/spendwise/spendwise/store/sqlite"
)

// benchMetrics is the benchmarked server's --metrics-listen: 127.0.0.1:0 measures what counting costs.
var benchMetrics = flag.String("bench-metrics", "off", "the flag --metrics-listen of the server in BenchmarkServer")

// benchClients is how many clients work at once, each in a ledger of its own.
const benchClients = 16

// seeded is how many expenses a ledger has before the measurement.
const seeded = 200

// BenchmarkServer measures the real server in a separate process with 16 clients. It also reports the CPU time of the
// server per request, which includes the engine on SQLite but not the clients.
func BenchmarkServer(b *testing.B) {
	bodies := []struct{ name, method, path, body string }{
		{"add", http.MethodPost, "/v1/expenses", `{"amount":"12.50","currency":"USD","date":"2026-03-02",` +
			`"category":"Food","notes":"Lunch with a friend"}`},
		{"page of 50", http.MethodGet, "/v1/expenses?limit=50", ""},
		{"monthly report", http.MethodGet, "/v1/reports/monthly?month=2026-03", ""},
	}
	for _, engine := range []string{"sqlite", "postgres"} {
		b.Run(engine, func(b *testing.B) {
			dir := b.TempDir()
			database := "sqlite:" + filepath.Join(dir, "ledger.db")
			if engine == "postgres" {
				database = pgtest.New(b)
			}
			s := start(b, dir, "--metrics-listen", *benchMetrics, "--database", database, "--rate-limits", "off")
			clients := make([]*client, benchClients)
			for i := range clients {
				clients[i] = s.register(`,"home_currency":"EUR"`)
				for range seeded {
					if status, got := clients[i].do(bodies[0].method, bodies[0].path, bodies[0].body); status != http.StatusCreated {
						b.Fatalf("seed: %d %v", status, got)
					}
				}
			}
			for _, request := range bodies {
				b.Run(request.name, func(b *testing.B) {
					var next, failed atomic.Int64
					b.SetParallelism(benchClients / 2) // a multiple of GOMAXPROCS, which was 2 for the published numbers
					before := s.cpu()
					b.ResetTimer()
					b.RunParallel(func(pb *testing.PB) {
						c := clients[int(next.Add(1))%benchClients]
						for pb.Next() {
							if status, _ := c.raw(request.method, request.path, request.body); status < 200 || status > 299 {
								failed.Add(1)
							}
						}
					})
					b.StopTimer()
					b.ReportMetric(float64((s.cpu()-before).Microseconds())/float64(b.N), "server-cpu-µs/op")
					b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
					if failed.Load() > 0 {
						b.Errorf("%d of %d requests failed", failed.Load(), b.N)
					}
				})
			}
		})
	}
}

// cpu returns the CPU time of the server's process, or 0 if the system has no /proc.
func (s *server) cpu() time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.command.Process.Pid))
	if err != nil {
		return 0
	}
	// The process name, in parentheses, may contain blanks. After it, user and system time are fields 12 and 13, in ticks
	// of 10 ms.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond
}

// BenchmarkBareSQL runs only the SQL statements that add an expense, with the same durability. It is the lower limit
// for a store on that engine.
func BenchmarkBareSQL(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) {
		path := filepath.Join(b.TempDir(), "bare.db")
		st, err := sqlite.Open(b.Context(), path)
		if err != nil {
			b.Fatal(err)
		}
		if err := st.Migrate(b.Context()); err != nil {
			b.Fatal(err)
		}
		if err := st.Close(); err != nil {
			b.Fatal(err)
		}
		db, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"+
			"&_pragma=foreign_keys(1)&_pragma=busy_timeout(10000)")
		if err != nil {
			b.Fatal(err)
		}
		db.SetMaxOpenConns(1)
		benchmarkBare(b, db, "", func(id uuid.UUID) any { return id[:] })
	})
	b.Run("postgres", func(b *testing.B) {
		dsn := pgtest.New(b)
		st, err := postgres.Open(b.Context(), dsn)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = st.Close() })
		db, err := sql.Open("pgx", dsn)
		if err != nil {
			b.Fatal(err)
		}
		db.SetMaxOpenConns(benchClients)
		db.SetMaxIdleConns(benchClients)
		benchmarkBare(b, db, " FOR UPDATE", func(id uuid.UUID) any { return id })
	})
}

var bareCategory = uuid.MustParse("11111111-1111-4111-8111-111111111111")

const (
	bareInsert = `INSERT INTO spendwise_expenses (owner, id, amount, currency, date, category_id, notes, search,
		rule_id, occurrence, rate, rate_date,
		rate_source, home, home_currency, version, guard, created_at, updated_at)
		VALUES ($1, $2, 1250, 'USD', 20260302, $3, 'Lunch with a friend', 'lunch with a friend', NULL, 0, '0.85', 20260302,
			'ecb', 1063, 'EUR', $4, $4, 1, 1)`
	bareTotals = `INSERT INTO spendwise_totals
		(owner, month, category_id, currency, count, amount, home, pending_count, pending)
		VALUES ($1, 202603, $2, 'USD', 1, 1250, 1063, 0, 0) ON CONFLICT (owner, month, category_id, currency) DO UPDATE SET
		count = spendwise_totals.count + 1, amount = spendwise_totals.amount + 1250, home = spendwise_totals.home + 1063`
)

// benchmarkBare adds expenses. asID returns the argument for an id.
func benchmarkBare(b *testing.B, db *sql.DB, lock string, asID func(uuid.UUID) any) {
	b.Cleanup(func() { _ = db.Close() })
	ctx := b.Context()
	for i := range benchClients {
		owner := fmt.Sprint("bare", i)
		for _, statement := range []string{
			`INSERT INTO spendwise_ledgers (owner, home, zone, locale, fiscal_year_start, default_category,
				settings_version, version, epoch, floor, lost, volume, budgets)
				VALUES ('` + owner + `', 'EUR', 'UTC', 'en', 1, $1, 1, 1, 1, 0, '', 0, 0)`,
			`INSERT INTO spendwise_categories
				(owner, id, name, name_key, colour, icon, archived, version, created_at, updated_at)
				VALUES ('` + owner + `', $1, 'Food', 'food', '', '', 0, 1, 1, 1)`,
		} {
			if _, err := db.ExecContext(ctx, statement, asID(bareCategory)); err != nil {
				b.Fatal(err)
			}
		}
	}
	var worker atomic.Int64
	b.SetParallelism(benchClients / 2)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		owner := fmt.Sprint("bare", int(worker.Add(1))%benchClients)
		for n := 0; pb.Next(); n++ {
			if err := bareAdd(ctx, db, owner, lock, asID); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

func bareAdd(ctx context.Context, db *sql.DB, owner, lock string, asID func(uuid.UUID) any) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var version int64
	if err := tx.QueryRowContext(ctx, `SELECT version FROM spendwise_ledgers WHERE owner = $1`+lock,
		owner).Scan(&version); err != nil {
		return err
	}
	var name string
	if err := tx.QueryRowContext(ctx, `SELECT name FROM spendwise_categories WHERE owner = $1 AND name_key = $2`, owner,
		"food").Scan(&name); err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, bareInsert, owner, asID(id), asID(bareCategory), version+1)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, bareTotals, owner, asID(bareCategory)); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE spendwise_ledgers SET version = $2, volume = volume + 1250 WHERE owner = $1`,
		owner, version+1); err != nil {
		return err
	}
	return tx.Commit()
}
