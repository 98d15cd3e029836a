package report_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/report"
)

// BenchmarkSummarise computes the report of a month from the totals of 20 categories in three currencies and three
// months. The time depends on these numbers, not on the number of expenses.
func BenchmarkSummarise(b *testing.B) {
	home := expense.MustCurrency("EUR")
	snapshot := budget.Snapshot{Settings: expense.Settings{Home: home}}
	var totals []expense.Total
	for n := range 20 {
		id := uuid.UUID{15: byte(n + 1)}
		snapshot.Categories = append(snapshot.Categories, expense.Category{ID: id, Name: fmt.Sprintf("category %02d", n)})
		for period := range 3 {
			for _, code := range []string{"EUR", "JPY", "USD"} {
				totals = append(totals, expense.Total{
					Range: period, CategoryID: id, Count: 1000,
					Amount: expense.MustMoney("123", code), Home: expense.MustMoney("99.95", "EUR"),
				})
			}
		}
	}
	r, month := fixedReader{snapshot: snapshot, totals: totals}, expense.MustMonth("2025-05")
	for b.Loop() {
		if _, err := report.Monthly(b.Context(), r, env.Now, month); err != nil {
			b.Fatal(err)
		}
	}
}
