// Package exporttest holds what the tests of export and its sub-packages share.
package exporttest

import (
	"fmt"
	"iter"
	"runtime"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// HostileTexts returns notes and names that a file format may handle wrongly: formulas, quotes, separators, line ends,
// marks.
func HostileTexts() []string {
	return []string{
		"", "=SUM(A1:A9)", "+1", "-1", "@cmd", "'quoted", "''=1", "\t=1", "a\"b", "a,b;c",
		"line\nline", "\nfirst", "tab\there", "＝1", "\u00a0=1",
		" leading", "trailing ", "漢字", "🍜", "e\u0301", "\u2028", "</script>&", `\"`, "NUL", "null", "\ufeffmark",
	}
}

// Expenses yields n expenses of one category that differ in day, notes and amount, and were created at the time at.
func Expenses(n int, at time.Time, category uuid.UUID) iter.Seq2[expense.Expense, error] {
	return func(yield func(expense.Expense, error) bool) {
		for i := range n {
			var id uuid.UUID
			id[0], id[1], id[2], id[3], id[6], id[8] = byte(i>>24), byte(i>>16), byte(i>>8), byte(i), 0x70, 0x80
			amount, err := expense.MoneyFromMinor(int64(100+i%90_000), expense.MustCurrency("USD"))
			e := expense.Expense{
				ID: id, Amount: amount, Date: expense.MustDate("2000-01-01").AddDays(i % 9000), CategoryID: category,
				Notes: "lunch with somebody, no. " + fmt.Sprint(i), CreatedAt: at, UpdatedAt: at,
			}
			e.Rate = expense.Rate{Value: expense.MustFactor("0.923456"), Date: e.Date, Source: "ecb"}
			if err == nil {
				e.Home, err = e.Rate.Convert(amount, expense.MustCurrency("EUR"))
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// WatchHeap samples every 3 milliseconds how many bytes of heap are in use beyond those in use when it is called. After
// stop has returned, peak returns the largest sample.
func WatchHeap() (peak func() uint64, stop func()) {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	start, most := stats.HeapAlloc, uint64(0)
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-quit:
				return
			case <-time.After(3 * time.Millisecond):
				runtime.ReadMemStats(&stats)
				if stats.HeapAlloc > start {
					most = max(most, stats.HeapAlloc-start)
				}
			}
		}
	}()
	return func() uint64 { return most }, func() { close(quit); <-ended }
}
