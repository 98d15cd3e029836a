package sqlstore_test

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spendwise/spendwise/store/internal/sqlstore"
	"github.com/spendwise/spendwise/store/postgres"
	"github.com/spendwise/spendwise/store/postgres/pgtest"
	"github.com/spendwise/spendwise/store/sqlite"
)

var idleRules = flag.Int("idle-rules", 10_000,
	"number of rules, none of them due, in the measurement of DueOwners")

// seedIdle inserts ledgers of five rules each with statements of the engine. The first rule is due at the time %[5]d.
const seedIdle = `
	INSERT INTO spendwise_ledgers (owner, home, zone, locale, fiscal_year_start, default_category, settings_version,
	version, floor, volume %[2]s)
		SELECT 'owner ' || n, 'EUR', 'UTC', 'en', 1, %[6]s, 1, 1, 0, 0 %[3]s
		FROM (%[1]s) numbers WHERE n %% 5 = 0;
	INSERT INTO spendwise_categories (owner, id, name, name_key, colour, icon, archived, version, created_at, updated_at)
		SELECT 'owner ' || n, %[6]s, 'Food', 'food', '', '', 0, 1, 1, 1 FROM (%[1]s) numbers
		WHERE n %% 5 = 0;
	INSERT INTO spendwise_rules (owner, id, amount, currency, category_id, notes, freq, every, weekdays, month_day,
	on_missing, start_date,
			until_date, times, paused, next_date, skipped, settled, last_error, failures, retry_at, due_at, version, guard,
			created_at, updated_at)
		SELECT 'owner ' || (n - n %% 5), %[4]s, 1250, 'EUR', %[6]s, 'subscription', 3, 1, 0,
		0, 0, 20250101,
			0, 0, 0, 20260401, '', 0, '', 0, NULL, %[5]d + n * 1000, 1, 1, 1, 1 FROM (%[1]s) numbers;`

// TestDueOwners_ReadsOnlyItsIndex checks the query plans of DueOwners. If no rule is due, the cost must not
// depend on the number of rules. The test logs the duration.
func TestDueOwners_ReadsOnlyItsIndex(t *testing.T) {
	tomorrow := day.AddDate(0, 0, 1).UnixMicro()
	t.Run("sqlite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "ledger.db")
		st := opened(t, func() (database, error) { return sqlite.Open(t.Context(), path) })
		db := openMigrated(t, st, "sqlite", "file:"+path)
		numbers := fmt.Sprintf("WITH RECURSIVE count(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM count WHERE n < %d) "+
			"SELECT n FROM count", *idleRules-1)
		execute(t, db, seedStatements(t, db, numbers, "unhex(printf('22222222222242228222%012d', n))",
			"X'11111111111141118111111111111111'", tomorrow)+"ANALYZE;")
		plan := explain(t, db, "EXPLAIN QUERY PLAN "+sqlstore.DueOwners(false), 4, day.UnixMicro(),
			int64(math.MinInt64), "", 1000)
		if strings.Count(plan, "\n") != 1 || !strings.Contains(plan,
			"USING COVERING INDEX spendwise_rules_due (due_at>? AND due_at<?)") &&
			!strings.Contains(plan, "USING COVERING INDEX spendwise_rules_due (due_at<?)") &&
			!strings.Contains(plan, "USING COVERING INDEX spendwise_rules_due ((due_at,owner)>(?,?) AND due_at<?)") {
			t.Errorf("query plan =\n%s", plan)
		}
		logScanTime(t, st)
	})
	t.Run("postgres", func(t *testing.T) {
		dsn := pgtest.New(t)
		st := opened(t, func() (database, error) { return postgres.Open(t.Context(), dsn) })
		db := openMigrated(t, st, "pgx", dsn)
		db.SetMaxOpenConns(1) // PREPARE and SET apply to one session
		numbers := fmt.Sprintf("SELECT n FROM generate_series(0, %d) AS n", *idleRules-1)
		seed := seedStatements(t, db, numbers, "('22222222-2222-4222-8222-' || lpad(n::text, 12, '0'))::uuid",
			"'11111111-1111-4111-8111-111111111111'::uuid", tomorrow)
		for statement := range strings.SplitAfterSeq(seed, ";") {
			execute(t, db, statement)
		}
		vacuum(t, db, "spendwise_rules")
		execute(t, db, "PREPARE due (bigint, bigint, text, bigint) AS "+sqlstore.DueOwners(true))
		for _, mode := range []string{"force_generic_plan", "force_custom_plan"} {
			execute(t, db, "SET plan_cache_mode = "+mode)
			plan := explain(t, db, fmt.Sprintf("EXPLAIN (COSTS OFF) EXECUTE due (%d, %d, '', 1000)", day.UnixMicro(),
				int64(math.MinInt64)), 1)
			if !strings.Contains(plan, "Index Only Scan using spendwise_rules_due") || strings.Contains(plan, "Seq Scan") ||
				strings.Contains(plan, "Sort") {
				t.Errorf("query plan with %s =\n%s", mode, plan)
			}
		}
		logScanTime(t, st)
	})
}

// openMigrated migrates a store and opens its database without the store.
func openMigrated(t *testing.T, st database, driver, dsn string) *sql.DB {
	t.Helper()
	if err := st.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// seedStatements returns the statements of seedIdle. Other columns of the ledgers get 0 or an empty text.
func seedStatements(t *testing.T, db *sql.DB, numbers, id, category string, due int64) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT * FROM spendwise_ledgers WHERE 1 = 0")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.ColumnTypes()
	if err != nil {
		t.Fatal(err)
	}
	var names, values string
	for _, column := range columns {
		if strings.Contains(seedIdle, column.Name()) {
			continue
		}
		names += ", " + column.Name()
		if strings.Contains(strings.ToLower(column.DatabaseTypeName()), "int") {
			values += ", 0"
		} else {
			values += ", ''"
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(seedIdle, numbers, names, values, id, due, category)
}

func execute(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%v in %s", err, statement)
	}
}

// vacuum makes all pages of a table all-visible, so that an index-only scan does not read the table. In production,
// autovacuum does this after inserts. VACUUM skips pages while another transaction has an older snapshot, so vacuum
// retries.
func vacuum(t *testing.T, db *sql.DB, table string) {
	t.Helper()
	for range 1200 { // a minute
		execute(t, db, "VACUUM ANALYZE "+table)
		var allVisible bool
		err := db.QueryRowContext(t.Context(), "SELECT relallvisible = relpages FROM pg_class WHERE oid = $1::text::regclass",
			table).Scan(&allVisible)
		if err != nil {
			t.Fatal(err)
		}
		if allVisible {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("VACUUM could not make all pages of %s all-visible", table)
}

// explain returns the last column of each row of a query plan, one line for each row.
func explain(t *testing.T, db *sql.DB, statement string, width int, args ...any) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), statement, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		cells := make([]string, width)
		targets := make([]any, width)
		for i := range cells {
			targets[i] = &cells[i]
		}
		if err := rows.Scan(targets...); err != nil {
			t.Fatal(err)
		}
		plan.WriteString(cells[width-1] + "\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan.String()
}

// logScanTime logs the duration of DueOwners if no rule is due.
func logScanTime(t *testing.T, st database) {
	t.Helper()
	times := make([]time.Duration, 101)
	for i := range times {
		began := time.Now()
		for due, err := range st.DueOwners(context.Background(), day) {
			t.Fatalf("DueOwners returned %+v, %v; want none", due, err)
		}
		times[i] = time.Since(began)
	}
	slices.Sort(times)
	t.Logf("DueOwners over %d rules, none due: median %s, maximum %s",
		*idleRules, times[len(times)/2], times[len(times)-1])
	all := 0
	for _, err := range st.DueOwners(context.Background(), day.AddDate(1, 0, 0)) {
		if err != nil {
			t.Fatal(err)
		}
		all++
	}
	if all != *idleRules {
		t.Errorf("after a year %d rules are due, want %d", all, *idleRules)
	}
}
