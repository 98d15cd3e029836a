package sqlstore_test

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/report"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/internal/sqlstore"
	"github.com/spendwise/spendwise/store/jobs"
	"github.com/spendwise/spendwise/store/postgres"
	"github.com/spendwise/spendwise/store/postgres/pgtest"
	"github.com/spendwise/spendwise/store/sqlite"
)

var (
	yearSize    = flag.Int("year-size", 20_000, "number of expenses in BenchmarkYear, a multiple of 1000")
	alertOwners = flag.Int("alert-owners", 200, "number of ledgers with a budget in BenchmarkAlertRounds")
)

// fillYear adds n expenses dated in 2025.
func fillYear(t testing.TB, st store.Store, n int) {
	t.Helper()
	ledger := newLedger(t, owner, st)
	first := expense.MustDate("2025-01-01")
	for at := 0; at < n; at += 1000 {
		batch := make([]expense.Expense, 1000)
		for i := range batch {
			k := at + i
			batch[i] = coffee(ledger, fmt.Sprintf("%d.%02d", k*7919%5000, k%100+1-k%100/99), first.AddDays(k*31%365))
			batch[i].CategoryID = ledger.Categories[k%len(ledger.Categories)].ID
		}
		err := st.Update(t.Context(), owner, func(tx store.Tx) error {
			_, err := tx.PutExpenses(t.Context(), batch...)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// queryRecorder is a report.Reader of an empty ledger. It records the query of the totals.
type queryRecorder struct{ query expense.TotalsQuery }

func (r *queryRecorder) BudgetSnapshot(context.Context) (budget.Snapshot, error) {
	return budget.Snapshot{}, nil
}

func (r *queryRecorder) Totals(_ context.Context, query expense.TotalsQuery) ([]expense.Total, error) {
	r.query = query
	return nil, nil
}

// TestPlansOfReports checks the query plans. A report of whole months must not read the expenses table. The largest
// expenses of a year must be read from their index.
func TestPlansOfReports(t *testing.T) {
	var year, month queryRecorder
	if _, err := report.Yearly(t.Context(), &year, time.Time{}, 2025, time.January); err != nil {
		t.Fatal(err)
	}
	if _, err := report.Monthly(t.Context(), &month, time.Time{}, expense.MustMonth("2025-05")); err != nil {
		t.Fatal(err)
	}
	span := expense.Range{From: expense.MustDate("2025-01-15"), To: expense.MustDate("2025-12-31")}
	for _, engine := range []struct {
		name string
		open func(*testing.T) (store.Store, func(text string, args []any) string)
	}{
		{"sqlite", explainSQLite}, {"postgres", explainPostgres},
	} {
		t.Run(engine.name, func(t *testing.T) {
			st, explain := engine.open(t)
			fillYear(t, st, 5000)
			for name, query := range map[string]expense.TotalsQuery{"year": year.query, "month": month.query} {
				plan := explain(sqlstore.TotalsText(owner, query))
				if strings.Contains(plan, "spendwise_expenses") || !strings.Contains(plan, "spendwise_totals_pkey") &&
					engine.name == "postgres" {
					t.Errorf("the report of a %s reads the expenses table, or does not use the key of the summary:\n%s", name, plan)
				}
				t.Logf("report of a %s:\n%s", name, plan)
			}
			days := expense.TotalsQuery{Ranges: []expense.Range{span}, Granularity: expense.ByDay}
			byDay := explain(sqlstore.TotalsText(owner, days))
			if !strings.Contains(byDay, "spendwise_expenses_days") || strings.Contains(byDay, "TEMP B-TREE") ||
				strings.Contains(byDay, "Sort") ||
				engine.name == "sqlite" && !strings.Contains(byDay, "COVERING INDEX") || engine.name == "postgres" &&
				!strings.Contains(byDay, "Index Only Scan") {
				t.Errorf("the totals by day are not read in index order:\n%s", byDay)
			}
			t.Logf("totals by day:\n%s", byDay)
			plan := explain(sqlstore.ExtremesText(owner, span, expense.LargestFirst, 5))
			if !strings.Contains(plan, "spendwise_expenses_largest") || strings.Contains(plan, "Seq Scan") ||
				strings.Contains(plan, "SCAN i") {
				t.Errorf("the largest expenses are not read from their index:\n%s", plan)
			}
			t.Logf("largest expenses:\n%s", plan)
		})
	}
}

// TestAGrowingLedgerIsNotReadWhole checks PostgreSQL's query plans for a table without statistics, as during a large
// restore. A batch must find its rows by the primary key. SQLite needs no such check, because it keeps the table order
// of a CROSS JOIN.
func TestAGrowingLedgerIsNotReadWhole(t *testing.T) {
	dsn := pgtest.Empty(t)
	tracer := &statementTracer{}
	st := opened(t, func() (database, error) { return postgres.Open(context.Background(), dsn, postgres.Tracer(tracer)) })
	if err := st.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	fillYear(t, st, 2000)
	var existing []expense.Expense
	for e, err := range st.Reader(owner).Expenses(t.Context(), expense.Query{Limit: 5}) {
		if err != nil {
			t.Fatal(err)
		}
		existing = append(existing, e)
	}
	tracer.texts, tracer.args = nil, nil
	err := st.Update(t.Context(), owner, func(tx store.Tx) error {
		if _, err := tx.KnownExpenseIDs(t.Context(), existing[0].ID, existing[1].ID); err != nil {
			return err
		}
		fresh := slices.Clone(existing)
		for i := range fresh {
			fresh[i].ID, fresh[i].Version = uuid.New(), 0
		}
		_, err := tx.PutExpenses(t.Context(), fresh...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	explained := 0
	for i, text := range tracer.texts {
		if !strings.HasPrefix(text, "SELECT") || !strings.Contains(text, "unnest") {
			continue
		}
		explained++
		rows, err := conn.Query(t.Context(), "EXPLAIN "+text, tracer.args[i]...)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		if all := strings.Join(plan, "\n"); strings.Contains(all, "Hash") || strings.Contains(all, "hashed") ||
			strings.Contains(all, "Seq Scan") {
			t.Errorf("%s\nreads more rows than requested:\n%s", text, all)
		}
	}
	if explained < 3 {
		t.Fatalf("explained %d statements, want those for known, existing and deleted ids:\n%s", explained,
			strings.Join(tracer.texts, "\n"))
	}
}

// statementTracer records the statements of a store and their arguments.
type statementTracer struct {
	texts []string
	args  [][]any
}

func (q *statementTracer) TraceQueryStart(
	ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData,
) context.Context {
	q.texts, q.args = append(q.texts, data.SQL), append(q.args, data.Args)
	return ctx
}

func (*statementTracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func explainSQLite(t *testing.T) (store.Store, func(string, []any) string) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	st := opened(t, func() (database, error) { return sqlite.Open(context.Background(), path) })
	if err := st.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return st, func(text string, args []any) string {
		rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+text, args...)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = rows.Close() }()
		var plan []string
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, detail)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return strings.Join(plan, "\n")
	}
}

func explainPostgres(t *testing.T) (store.Store, func(string, []any) string) {
	dsn := pgtest.Empty(t)
	st := opened(t, func() (database, error) { return postgres.Open(context.Background(), dsn) })
	db := openMigrated(t, st, "pgx", dsn)
	db.SetMaxOpenConns(1) // SET applies to one session
	return st, func(text string, args []any) string {
		// PostgreSQL would scan a small table. The test checks the plan of a large one.
		execute(t, db, "SET enable_seqscan = off")
		execute(t, db, "SET enable_bitmapscan = off")
		execute(t, db, "ANALYZE")
		vacuum(t, db, "spendwise_expenses")
		return explain(t, db, "EXPLAIN "+text, 1, args...)
	}
}

// BenchmarkYear reads reports of a year with -year-size expenses: the summary of a past and of a current year, the
// largest expenses, and trends by month and by day.
func BenchmarkYear(b *testing.B) {
	for _, engine := range engines() {
		b.Run(engine.name, func(b *testing.B) {
			st := migrated(b, engine)
			fillYear(b, st, *yearSize)
			year := expense.MustMonth("2025-01")
			dates := expense.Range{From: year.First(), To: year.Add(11).Last()}
			for name, run := range map[string]func(store.Reader) error{
				"report": func(r store.Reader) error {
					_, err := report.Yearly(b.Context(), r, time.Date(2026, time.October, 10, 12, 0, 0, 0, time.UTC), 2025, 0)
					return err
				},
				"report in October": func(r store.Reader) error {
					_, err := report.Yearly(b.Context(), r, time.Date(2025, time.October, 10, 12, 0, 0, 0, time.UTC), 2025, 0)
					return err
				},
				"top": func(r store.Reader) error {
					top, err := report.LargestExpenses(b.Context(), r, dates, 5)
					if len(top) != 5 {
						b.Fatalf("%d largest expenses", len(top))
					}
					return err
				},
				"trend by month": func(r store.Reader) error {
					_, err := report.Trend(b.Context(), r, report.TrendQuery{Dates: dates, Granularity: expense.ByMonth})
					return err
				},
				"trend by day": func(r store.Reader) error {
					_, err := report.Trend(b.Context(), r, report.TrendQuery{Dates: dates, Granularity: expense.ByDay})
					return err
				},
			} {
				b.Run(name, func(b *testing.B) {
					for b.Loop() {
						if err := st.View(b.Context(), owner, run); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		})
	}
}

var feedRows = flag.Int("feed-rows", 20_000,
	"number of expenses, and of tombstones, in TestPlansOfTheFeed")

// seedFeed inserts expenses and tombstones with statements of the engine. Each of them has its own version.
const seedFeed = `
	INSERT INTO spendwise_expenses (owner, id, amount, currency, date, category_id, notes, occurrence, rate, rate_date,
	rate_source, home,
			home_currency, version, guard, created_at, updated_at)
		SELECT '%[1]s', %[2]s, 1250, 'EUR', 20250101, '%[3]s', 'coffee', 0, '1', 20250101, 'identity', 1250, 'EUR', n + 2,
		n + 2, 1, 1
		FROM (%[4]s) numbers;
	INSERT INTO spendwise_tombstones (owner, type, id, version, deleted_at) SELECT '%[1]s', 'expense', %[5]s, n + 2, 1
	FROM (%[4]s) numbers`

// TestPlansOfTheFeed checks the query plans of a page in the middle of a large change feed and of the first page. Each
// page must be read from the index (owner, version, id) without sorting. No table may be scanned.
func TestPlansOfTheFeed(t *testing.T) {
	last := expense.Version(*feedRows)
	pages := map[string]store.ChangeQuery{
		"a first page": {SkipTombstonesThrough: last + 1, Limit: 501},
		"a page in the middle": {After: store.FeedPosition{Version: last / 2, Type: store.ExpenseRow, ID: uuid.Max},
			Limit: 501},
		"a page of the last row": {After: store.EndOfVersion(last), Limit: 501},
	}
	t.Run("sqlite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "ledger.db")
		st := opened(t, func() (database, error) { return sqlite.Open(t.Context(), path) })
		db := openMigrated(t, st, "sqlite", "file:"+path)
		ledger := newLedger(t, owner, st)
		numbers := fmt.Sprintf("WITH RECURSIVE count(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM count WHERE n < %d) "+
			"SELECT n FROM count", *feedRows-1)
		id := "printf('%d2222222-2222-4222-8222-%%012d', n)"
		execute(t, db, fmt.Sprintf(seedFeed, owner, fmt.Sprintf(id, 2), ledger.Categories[0].ID, numbers,
			fmt.Sprintf(id, 3))+"; ANALYZE")
		for name, query := range pages {
			texts, args := sqlstore.FeedTexts(owner, query)
			for i, text := range texts {
				plan := explain(t, db, "EXPLAIN QUERY PLAN "+text, 4, args[i]...)
				if !strings.Contains(plan, "_version (owner=? AND ") || strings.Contains(plan, "TEMP B-TREE") {
					t.Errorf("%s, statement %d:\n%s", name, i+1, plan)
				}
			}
			logPage(t, st, name, query)
		}
	})
	t.Run("postgres", func(t *testing.T) {
		dsn := pgtest.New(t)
		st := opened(t, func() (database, error) { return postgres.Open(t.Context(), dsn) })
		db := openMigrated(t, st, "pgx", dsn)
		ledger := newLedger(t, owner, st)
		numbers := fmt.Sprintf("SELECT n FROM generate_series(0, %d) AS n", *feedRows-1)
		id := "('%d2222222-2222-4222-8222-' || lpad(n::text, 12, '0'))::uuid"
		seed := fmt.Sprintf(seedFeed, owner, fmt.Sprintf(id, 2), ledger.Categories[0].ID, numbers, fmt.Sprintf(id, 3))
		for statement := range strings.SplitSeq(seed+"; ANALYZE spendwise_expenses; ANALYZE spendwise_tombstones", ";") {
			execute(t, db, statement)
		}
		for name, query := range pages {
			texts, args := sqlstore.FeedTexts(owner, query)
			for i, text := range texts {
				plan := explain(t, db, "EXPLAIN (COSTS OFF) "+text, 1, args[i]...)
				large := strings.Contains(text, "spendwise_expenses") || strings.Contains(text, "spendwise_tombstones")
				// PostgreSQL would scan a table of ten rows.
				if large && (!strings.Contains(plan, "_version on ") || strings.Contains(plan, "Seq Scan") ||
					strings.Contains(plan, "Sort")) {
					t.Errorf("%s, statement %d:\n%s", name, i+1, plan)
				}
			}
			logPage(t, st, name, query)
		}
	})
}

// logPage reads a page of the change feed and logs the duration.
func logPage(t *testing.T, st store.Store, name string, query store.ChangeQuery) {
	t.Helper()
	began := time.Now()
	page, err := st.Reader(owner).Changes(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d changes in %s", name, len(page), time.Since(began))
}

// BenchmarkAlertRounds measures RaiseAll over -alert-owners ledgers. The first call reads each ledger. The next calls
// find no new writes.
func BenchmarkAlertRounds(b *testing.B) {
	for _, engine := range engines() {
		b.Run(engine.name, func(b *testing.B) {
			st := migrated(b, engine)
			for i := range *alertOwners {
				owner := expense.OwnerID(fmt.Sprintf("owner %06d", i))
				ledger := newLedger(b, owner, st)
				err := st.Update(b.Context(), owner, func(tx store.Tx) error {
					if _, err := budget.Add(b.Context(), tx, expense.Env{Now: day}, budget.Draft{Amount: "100"}); err != nil {
						return err
					}
					_, err := tx.PutExpenses(b.Context(), coffee(ledger, "90", expense.DateOf(day, time.UTC)))
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			if _, err := jobs.NewAlertRaiser(st).RaiseAll(b.Context(), day); err != nil {
				b.Fatal(err)
			}
			raiser := jobs.NewAlertRaiser(st)
			if _, err := raiser.RaiseAll(b.Context(), day); err != nil {
				b.Fatal(err)
			}
			round := func(b *testing.B, raiser func() *jobs.AlertRaiser) {
				for b.Loop() {
					if _, err := raiser().RaiseAll(b.Context(), day); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.Run("first", func(b *testing.B) { round(b, func() *jobs.AlertRaiser { return jobs.NewAlertRaiser(st) }) })
			b.Run("after it", func(b *testing.B) { round(b, func() *jobs.AlertRaiser { return raiser }) })
		})
	}
}
