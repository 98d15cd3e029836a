package main_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export"
	"github.com/spendwise/spendwise/report"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/ledgertest"
	"github.com/spendwise/spendwise/store/postgres"
	"github.com/spendwise/spendwise/store/postgres/pgtest"
	"github.com/spendwise/spendwise/store/sqlite"
)

var large = flag.Int("large", 20_000, "number of expenses in the large ledger of BenchmarkLedgerSize")

// BenchmarkLedgerSize shows that a monthly report takes the same time in a small and in a large ledger, and that a CSV
// export uses constant memory. heap-MiB is the growth of the heap during an export.
func BenchmarkLedgerSize(b *testing.B) {
	opens := map[string]func(b *testing.B) database{
		"sqlite": func(b *testing.B) database {
			st, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "ledger.db"), sqlite.SynchronousNormal())
			if err != nil {
				b.Fatal(err)
			}
			return st
		},
		"postgres": func(b *testing.B) database {
			st, err := postgres.Open(b.Context(), pgtest.New(b))
			if err != nil {
				b.Fatal(err)
			}
			return st
		},
	}
	for _, engine := range []string{"sqlite", "postgres"} {
		for _, size := range []int{1000, *large} {
			b.Run(fmt.Sprintf("%s/%d", engine, size), func(b *testing.B) {
				st := opens[engine](b)
				b.Cleanup(func() { _ = st.Close() })
				fill(b, st, size)
				b.Run("monthly report", func(b *testing.B) {
					for b.Loop() {
						err := st.View(b.Context(), owner, func(r store.Reader) error {
							_, err := report.Monthly(b.Context(), r, time.Now(), expense.MustMonth("2025-06"))
							return err
						})
						if err != nil {
							b.Fatal(err)
						}
					}
				})
				b.Run("CSV", func(b *testing.B) {
					grown := uint64(0)
					for b.Loop() {
						grown = max(grown, writeCSV(b, st, size))
					}
					b.ReportMetric(float64(grown)/(1<<20), "heap-MiB")
					b.ReportMetric(float64(size)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
				})
			})
		}
	}
}

type database interface {
	store.Store
	Migrate(ctx context.Context) error
}

const owner expense.OwnerID = "anna"

// fill creates a ledger with size expenses, spread evenly over 2024 and 2025.
func fill(b *testing.B, st database, size int) {
	ctx := b.Context()
	if err := st.Migrate(ctx); err != nil {
		b.Fatal(err)
	}
	now := expense.Timestamp(time.Now())
	ledger := ledgertest.Create(b, st, owner, now, expense.SettingsDraft{})
	first := expense.MustDate("2024-01-01")
	for done := 0; done < size; {
		batch := make([]expense.Expense, min(1000, size-done))
		for i := range batch {
			n := done + i
			date := first.AddDays(n % 731)
			amount := expense.MustMoney(fmt.Sprintf("%d.%02d", n%90+1, n%100), "EUR")
			batch[i] = expense.Expense{
				ID: uuid.New(), Amount: amount, Date: date, CategoryID: ledger.Categories[n%10].ID,
				Notes: fmt.Sprint("Receipt ", n),
				Rate:  expense.Rate{Value: expense.MustFactor("1"), Date: date, Source: expense.SourceIdentity}, Home: amount,
				CreatedAt: now, UpdatedAt: now,
			}
		}
		if err := st.Update(ctx, owner, func(tx store.Tx) error {
			_, err := tx.PutExpenses(ctx, batch...)
			return err
		}); err != nil {
			b.Fatal(err)
		}
		done += len(batch)
	}
}

// writeCSV exports every expense and returns the maximum growth of the heap in bytes.
func writeCSV(b *testing.B, st store.Store, size int) uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	before, grown, rows := stats.HeapAlloc, uint64(0), 0
	err := st.View(b.Context(), owner, func(r store.Reader) error {
		categories, err := r.Categories(b.Context())
		if err != nil {
			return err
		}
		watched := func(yield func(expense.Expense, error) bool) {
			for e, err := range r.Expenses(b.Context(), expense.Query{Sort: expense.OldestFirst}) {
				if rows++; rows%5000 == 0 {
					runtime.ReadMemStats(&stats)
					grown = max(grown, stats.HeapAlloc-min(before, stats.HeapAlloc))
				}
				if !yield(e, err) {
					return
				}
			}
		}
		return export.WriteCSV(io.Discard, watched, export.CSVOptions{CategoryName: export.CategoryNames(categories)})
	})
	if err != nil || rows != size {
		b.Fatalf("%d rows, %v", rows, err)
	}
	return grown
}
