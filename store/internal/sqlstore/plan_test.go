package sqlstore_test

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/report"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/jobs"
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

// TestReader_PlansUseIndexes checks the query plans of the statements that read many rows. Each index is there for one
// of them.
func TestReader_PlansUseIndexes(t *testing.T) {
	span := expense.Range{From: expense.MustDate("2025-01-15"), To: expense.MustDate("2025-12-31")}
	rare := uuid.MustParse("00000000-0000-4000-8000-000000000001")
	list := func(query expense.Query) func(context.Context, store.Reader) error {
		return func(ctx context.Context, r store.Reader) error {
			for _, err := range r.Expenses(ctx, query) {
				if err != nil {
					return err
				}
			}
			return nil
		}
	}
	cases := []struct {
		name             string
		read             func(context.Context, store.Reader) error
		sqlite, postgres string // must be part of the plan
		not              string // must not be part of a plan
	}{
		{
			name: "report of a year",
			read: func(ctx context.Context, r store.Reader) error {
				_, err := report.Yearly(ctx, r, time.Time{}, 2025, time.January)
				return err
			},
			sqlite: "SEARCH t USING PRIMARY KEY (owner=? AND month>? AND month<?)", postgres: "spendwise_totals_pkey",
			not: "spendwise_expenses",
		},
		{
			name: "report of a month",
			read: func(ctx context.Context, r store.Reader) error {
				_, err := report.Monthly(ctx, r, time.Time{}, expense.MustMonth("2025-05"))
				return err
			},
			sqlite: "SEARCH t USING PRIMARY KEY (owner=? AND month>? AND month<?)", postgres: "spendwise_totals_pkey",
			not: "spendwise_expenses",
		},
		{
			name: "totals by day",
			read: func(ctx context.Context, r store.Reader) error {
				_, err := r.Totals(ctx, expense.TotalsQuery{Ranges: []expense.Range{span}, Granularity: expense.ByDay})
				return err
			},
			sqlite:   "SEARCH t USING PRIMARY KEY (owner=? AND date>? AND date<?)",
			postgres: "Index Only Scan using spendwise_expenses_days",
		},
		{
			name:   "newest expenses",
			read:   list(expense.Query{Limit: 50}),
			sqlite: "SEARCH x USING PRIMARY KEY (owner=?)", postgres: "Backward using spendwise_expenses_date", not: "Sort",
		},
		{
			name:   "largest expenses of all dates",
			read:   list(expense.Query{Sort: expense.LargestFirst, Limit: 50}),
			sqlite: "INDEX spendwise_expenses_amount (owner=?)", postgres: "Backward using spendwise_expenses_amount",
			not: "Sort",
		},
		{
			name:   "largest expenses of a year",
			read:   list(expense.Query{Filter: expense.Filter{Dates: span}, Sort: expense.LargestFirst, Limit: 5}),
			sqlite: "INDEX spendwise_expenses_amount (owner=?)", postgres: "Backward using spendwise_expenses_amount",
			not: "Sort",
		},
		{
			name:   "expenses of a rare category",
			read:   list(expense.Query{Filter: expense.Filter{Categories: []uuid.UUID{rare}}, Limit: 50}),
			sqlite: "SEARCH x USING PRIMARY KEY (owner=?)", postgres: "using spendwise_expenses_category", not: "Sort",
		},
		{
			name:   "pending expenses",
			read:   list(expense.Query{Filter: expense.Filter{Pending: new(true)}, Limit: 50}),
			sqlite: "INDEX spendwise_expenses_pending (owner=?)", postgres: "spendwise_expenses_pending",
		},
	}
	onEachRecorded(t, func(t *testing.T, r *recorded) {
		fillYear(t, r.database, 5000)
		r.analyze(t, "spendwise_expenses", "spendwise_totals")
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				want := c.sqlite
				if r.engine == "postgres" {
					want = c.postgres
				}
				plans := r.plans(t, func(ctx context.Context) error {
					return r.View(ctx, owner, func(reader store.Reader) error { return c.read(ctx, reader) })
				})
				all := strings.Join(plans, "\n\n")
				if !strings.Contains(all, want) || strings.Contains(all, "Seq Scan on spendwise_expenses") ||
					c.not != "" && strings.Contains(strings.ReplaceAll(all, "TEMP B-TREE", "Sort"), c.not) {
					t.Errorf("want %q and not %q in the plans:\n%s", want, c.not, all)
				}
			})
		}
	})
}

// TestPutExpenses_PlansOfGrowingLedger checks PostgreSQL's query plans for a table without statistics, as during a
// large restore. A batch must find its rows by the primary key. SQLite needs no such check, because it keeps the table
// order of a CROSS JOIN.
func TestPutExpenses_PlansOfGrowingLedger(t *testing.T) {
	r := newRecorded(t, "postgres")
	fillYear(t, r.database, 2000)
	var existing []expense.Expense
	for e, err := range r.Reader(owner).Expenses(t.Context(), expense.Query{Limit: 5}) {
		if err != nil {
			t.Fatal(err)
		}
		existing = append(existing, e)
	}
	fresh := slices.Clone(existing)
	for i := range fresh {
		fresh[i].ID, fresh[i].Version = uuid.New(), 0
	}
	plans := r.plans(t, func(ctx context.Context) error {
		return r.Update(ctx, owner, func(tx store.Tx) error {
			if _, err := tx.KnownExpenseIDs(ctx, existing[0].ID, existing[1].ID); err != nil {
				return err
			}
			_, err := tx.PutExpenses(ctx, append(fresh, existing...)...)
			return err
		})
	})
	lookups := 0
	for _, plan := range plans {
		if strings.Contains(plan, "Function Scan on unnest e") {
			lookups++
		}
		if strings.Contains(plan, "Hash") || strings.Contains(plan, "hashed") ||
			strings.Contains(plan, "Seq Scan on spendwise") {
			t.Errorf("the statement reads more rows than requested:\n%s", plan)
		}
	}
	if lookups < 3 {
		t.Fatalf("%d statements look ids up, want those for known, existing and deleted ids:\n%s", lookups,
			strings.Join(plans, "\n\n"))
	}
}

// BenchmarkYear reads reports of a year with -year-size expenses: the summary of a past and of a current year, the
// largest expenses, and trends by month and by day.
func BenchmarkYear(b *testing.B) {
	for _, engine := range engines() {
		b.Run(engine.name, func(b *testing.B) {
			st, analyze := openBenchmarked(b, engine)
			fillYear(b, st, *yearSize)
			analyze()
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
	"number of expenses, and of tombstones, in TestChanges_PlansUseIndexOfVersions")

// seedFeed inserts expenses and tombstones with statements of the engine. Each of them has its own version.
const seedFeed = `
	INSERT INTO spendwise_expenses (owner, id, amount, currency, date, category_id, notes, occurrence, rate, rate_date,
	rate_source, home,
			home_currency, version, guard, created_at, updated_at)
		SELECT '%[1]s', %[2]s, 1250, 'EUR', 20250101, %[3]s, 'coffee', 0, '1', 20250101, 'identity', 1250, 'EUR', n + 2,
		n + 2, 1, 1
		FROM (%[4]s) numbers;
	INSERT INTO spendwise_tombstones (owner, type, id, version, deleted_at, permanent)
		SELECT '%[1]s', 'expense', %[5]s, n + 2, 1, 0
	FROM (%[4]s) numbers`

// TestChanges_PlansUseIndexOfVersions checks the query plans of a page in the middle of a large change feed and of the
// first page. Each page must be read from the index (owner, version, id) without sorting. No table may be scanned.
func TestChanges_PlansUseIndexOfVersions(t *testing.T) {
	last := expense.Version(*feedRows)
	pages := map[string]store.ChangeQuery{
		"a first page": {SkipTombstonesThrough: last + 1, Limit: 501},
		"a page in the middle": {After: store.FeedPosition{Version: last / 2, Type: store.ExpenseRow, ID: uuid.Max},
			Limit: 501},
		"a page of the last row": {After: store.EndOfVersion(last), Limit: 501},
	}
	onEachRecorded(t, func(t *testing.T, r *recorded) {
		ledger := newLedger(t, owner, r.database)
		numbers := fmt.Sprintf("WITH RECURSIVE count(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM count WHERE n < %d) "+
			"SELECT n FROM count", *feedRows-1)
		id := func(digit int) string { return fmt.Sprintf("unhex(printf('%d222222222224222822%%013d', n))", digit) }
		category := fmt.Sprintf("X'%x'", ledger.Categories[0].ID[:])
		if r.engine == "postgres" {
			numbers = fmt.Sprintf("SELECT n FROM generate_series(0, %d) AS n", *feedRows-1)
			id = func(digit int) string {
				return fmt.Sprintf("('%d2222222-2222-4222-8222-' || lpad(n::text, 12, '0'))::uuid", digit)
			}
			category = fmt.Sprintf("'%s'::uuid", ledger.Categories[0].ID)
		}
		for statement := range strings.SplitSeq(fmt.Sprintf(seedFeed, owner, id(2), category, numbers, id(3)), ";") {
			execute(t, r.db, statement)
		}
		r.analyze(t, "spendwise_expenses", "spendwise_tombstones")
		for name, query := range pages {
			plans := r.plans(t, func(ctx context.Context) error {
				_, err := r.Reader(owner).Changes(ctx, query)
				return err
			})
			for _, plan := range plans {
				large := strings.Contains(plan, "spendwise_expenses") || strings.Contains(plan, "spendwise_tombstones")
				if large && (!strings.Contains(plan, "_version") || strings.Contains(plan, "TEMP B-TREE") ||
					strings.Contains(plan, "Sort") || strings.Contains(plan, "Seq Scan")) {
					t.Errorf("%s:\n%s", name, plan)
				}
			}
			began := time.Now()
			page, err := r.Reader(owner).Changes(t.Context(), query)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s: %d changes in %s", name, len(page), time.Since(began))
		}
	})
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
