package report_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/report"
)

// BenchmarkSummarise reports on a month of 20 categories, each paid for in three currencies in all three months. What it
// costs depends on these numbers, not on how many expenses the totals stand for.
func BenchmarkSummarise(b *testing.B) {
	home := expense.MustCurrency("EUR")
	book := budget.Snapshot{Settings: expense.Settings{Home: home}}
	var totals []expense.Total
	for n := range 20 {
		id := uuid.UUID{15: byte(n + 1)}
		book.Categories = append(book.Categories, expense.Category{ID: id, Name: fmt.Sprintf("category %02d", n)})
		for period := range 3 {
			for _, code := range []string{"EUR", "JPY", "USD"} {
				totals = append(totals, expense.Total{
					Range: period, CategoryID: id, Count: 1000, Amount: expense.MustMoney("123", code), Home: expense.MustMoney("99.95", "EUR"),
				})
			}
		}
	}
	today, periods := expense.MustDate("2025-05-20"), report.MonthPeriods(expense.MustMonth("2025-05"))
	for b.Loop() {
		if _, err := report.Summarise(book, today, periods, totals); err != nil {
			b.Fatal(err)
		}
	}
}
