package sqlstore_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

const owner expense.OwnerID = "7f0c1d52-94a9-4d0e-8a3c-0d6f1f6f9c11"

// benchmarkOn runs a benchmark on each engine with a ledger of 5,000 expenses over two years.
func benchmarkOn(b *testing.B, run func(*testing.B, store.Store, expense.InitialLedger)) {
	for _, engine := range engines() {
		b.Run(engine.name, func(b *testing.B) {
			st, analyze := openBenchmarked(b, engine)
			ledger := newLedger(b, owner, st)
			for range 5 {
				putExpenses(b, st, newBatch(ledger))
			}
			analyze()
			b.ReportAllocs()
			b.ResetTimer()
			run(b, st, ledger)
		})
	}
}

func newBatch(ledger expense.InitialLedger) []expense.Expense {
	batch := make([]expense.Expense, 1000)
	first := expense.MustDate("2025-01-01")
	for i := range batch {
		batch[i] = coffee(ledger, "3.20", first.AddDays(i*7%730))
		batch[i].CategoryID = ledger.Categories[i%len(ledger.Categories)].ID
	}
	return batch
}

func putExpenses(b *testing.B, st store.Store, batch []expense.Expense) {
	b.Helper()
	err := st.Update(b.Context(), owner, func(tx store.Tx) error {
		_, err := tx.PutExpenses(b.Context(), batch...)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}

func BenchmarkAdd(b *testing.B) {
	benchmarkOn(b, func(b *testing.B, st store.Store, ledger expense.InitialLedger) {
		ctx := b.Context()
		for b.Loop() {
			err := st.Update(ctx, owner, func(tx store.Tx) error {
				if _, err := tx.Category(ctx, ledger.Categories[0].ID); err != nil {
					return err
				}
				_, err := tx.PutExpenses(ctx, coffee(ledger, "3.20", expense.MustDate("2026-03-02")))
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAddWithIdempotencyKey(b *testing.B) {
	benchmarkOn(b, func(b *testing.B, st store.Store, ledger expense.InitialLedger) {
		ctx := b.Context()
		for b.Loop() {
			key := store.IdempotencyKey{Scope: "POST /v1/expenses", Key: uuid.NewString()}
			err := addOnce(ctx, st, key, coffee(ledger, "3.20", expense.MustDate("2026-03-02")))
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkPageOf50(b *testing.B) {
	benchmarkOn(b, func(b *testing.B, st store.Store, ledger expense.InitialLedger) {
		ctx := b.Context()
		for b.Loop() {
			n := 0
			for _, err := range st.Reader(owner).Expenses(ctx, expense.Query{Limit: 51}) {
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
			if n != 51 {
				b.Fatal(n)
			}
		}
	})
}

func BenchmarkSnapshotAndTotals(b *testing.B) {
	benchmarkOn(b, func(b *testing.B, st store.Store, ledger expense.InitialLedger) {
		ctx := b.Context()
		query := expense.TotalsQuery{Ranges: []expense.Range{
			expense.MustMonth("2026-03").Range(), expense.MustMonth("2026-02").Range(), expense.MustMonth("2025-03").Range(),
		}}
		for b.Loop() {
			err := st.View(ctx, owner, func(r store.Reader) error {
				if _, err := r.BudgetSnapshot(ctx); err != nil {
					return err
				}
				_, err := r.Totals(ctx, query)
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkPut1000(b *testing.B) {
	benchmarkOn(b, func(b *testing.B, st store.Store, ledger expense.InitialLedger) {
		for b.Loop() {
			putExpenses(b, st, newBatch(ledger))
		}
	})
}
