package statement_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/statement"
	"github.com/spendwise/spendwise/store/sqlite"
)

// statementOf returns a CSV file of n rows, ten for each day, with names of categories from a set of the given size.
func statementOf(n, categories int) string {
	var text strings.Builder
	text.WriteString("Date;Amount;Currency;Category;Description\n")
	first := expense.MustDate("2015-01-01")
	for i := range n {
		fmt.Fprintf(&text, "%s;-%d.%02d;EUR;Category %d;Card payment %d at shop %d\n", first.AddDays(i/10),
			1+i*7919%4000, i*31%100, i%categories, i, i*17%300)
	}
	return text.String()
}

// bytesWritten returns the number of bytes that this process has handed to write calls; 0 if the system does not count
// them.
func bytesWritten() (n int) {
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), "wchar: ")
	if _, err := fmt.Sscan(after, &n); err != nil {
		return 0
	}
	return n
}

// BenchmarkImport imports files into new ledgers in SQLite. It reports all bytes that are written
// until the store is closed.
func BenchmarkImport(b *testing.B) {
	for _, size := range []struct{ rows, categories int }{{2176, 9}, {10_000, 9}, {20_000, 9}, {40_000, 9}, {5_000, 990}} {
		b.Run(fmt.Sprintf("rows=%d/categories=%d", size.rows, size.categories), func(b *testing.B) {
			text := statementOf(size.rows, size.categories)
			written := 0
			for b.Loop() {
				b.StopTimer()
				st, err := sqlite.Open(context.Background(), b.TempDir()+"/ledger.db")
				if err == nil {
					err = st.Migrate(b.Context())
				}
				if err != nil {
					b.Fatal(err)
				}
				settings := expense.Settings{Home: expense.MustCurrency("EUR")}
				_, err = st.CreateLedger(b.Context(), "ada", expense.NewInitialLedger("ada", settings, env.Now))
				if err != nil {
					b.Fatal(err)
				}
				before := bytesWritten()
				b.StartTimer()
				result, err := statement.Import(b.Context(), st, "ada", env, strings.NewReader(text), statement.Mapping{},
					statement.Options{})
				if err == nil && result.Added != size.rows {
					err = fmt.Errorf("%d rows were added, want %d", result.Added, size.rows)
				}
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := st.Close(); err != nil { // copies the WAL into the database
					b.Fatal(err)
				}
				written += bytesWritten() - before
				b.StartTimer()
			}
			b.ReportMetric(float64(written)/float64(b.N)/1e6, "written-MB/op")
		})
	}
}

// BenchmarkInspect inspects a CSV file of 10 MB.
func BenchmarkInspect(b *testing.B) {
	text := statementOf(150_000, 9)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		_, err := statement.Inspect(b.Context(), strings.NewReader(text), statement.Mapping{}, euro)
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkImportMemory imports a file of 32 MiB into memory as a dry run, and reports the largest heap.
func BenchmarkImportMemory(b *testing.B) {
	f := newLedger(b, "EUR")
	text := []byte(statementOf(500_000, 9))
	b.ReportMetric(float64(len(text))/(1<<20), "file-MiB")
	for b.Loop() {
		runtime.GC()
		var before, now runtime.MemStats
		runtime.ReadMemStats(&before)
		largest := uint64(0)
		done := make(chan error)
		go func() {
			_, err := statement.Import(b.Context(), f.st, "ada", env, bytes.NewReader(text), statement.Mapping{},
				statement.Options{DryRun: true})
			done <- err
		}()
		for ended := false; !ended; {
			select {
			case err := <-done:
				if ended = true; err != nil {
					b.Fatal(err)
				}
			case <-time.After(5 * time.Millisecond):
			}
			runtime.ReadMemStats(&now)
			largest = max(largest, now.HeapAlloc-min(now.HeapAlloc, before.HeapAlloc))
		}
		b.ReportMetric(float64(largest)/(1<<20), "heap-MiB")
	}
}
