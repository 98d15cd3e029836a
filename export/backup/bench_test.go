package backup_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export"
	"github.com/spendwise/spendwise/export/backup"
	"github.com/spendwise/spendwise/export/internal/exporttest"
	"github.com/spendwise/spendwise/export/wire"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/ledgertest"
)

var million = flag.Bool("million", false, "BenchmarkExport exports a million expenses from SQLite")

// expenseLine is the line of an expense in a backup, without a version.
type expenseLine struct {
	Type string `json:"type"`
	wire.Expense
	Version *int `json:"version,omitempty"`
}

// backupOfMany writes a backup of n expenses to a file, so that the heap does not contain it.
func backupOfMany(t testing.TB, n int) *os.File {
	t.Helper()
	const id = "11111111-1111-4111-8111-111111111111"
	disk, err := os.Create(filepath.Join(t.TempDir(), "ledger.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = disk.Close() })
	sum := sha256.New()
	file := bufio.NewWriter(io.MultiWriter(disk, sum))
	_, _ = fmt.Fprintf(file, `{"format":"spendwise-ledger","version":2,"made_at":"2026-03-08T12:00:00Z"}`+"\n"+
		`{"type":"settings","home_currency":"EUR","time_zone":"UTC","locale":"en","fiscal_year_start":1,`+
		`"default_category_id":"%s"}`+"\n"+
		`{"type":"category","id":"%s","name":"Food","colour":"","icon":"","archived":false,`+
		`"created_at":"2026-03-08T12:00:00Z","updated_at":"2026-03-08T12:00:00Z"}`+"\n", id, id)
	lines := json.NewEncoder(file)
	for e, err := range exporttest.Expenses(n, backupTime, uuid.MustParse(id)) {
		if err != nil {
			t.Fatal(err)
		}
		if err := lines.Encode(expenseLine{Type: "expense", Expense: wire.NewExpense(e)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := file.Flush(); err != nil {
		t.Fatal(err)
	}
	_, _ = fmt.Fprintf(file, `{"type":"end","counts":{"categories":1,"recurrences":0,"budgets":0,"alerts":0,`+
		`"expenses":%d},"sha256":"%x"}`+"\n", n, sum.Sum(nil))
	// Flush returns the errors of earlier writes.
	if err := file.Flush(); err != nil {
		t.Fatal(err)
	}
	return disk
}

// rewind returns file at offset 0.
func rewind(t testing.TB, file *os.File) io.ReadSeeker {
	t.Helper()
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	return file
}

func BenchmarkRestore(b *testing.B) {
	const n = 100_000
	file := backupOfMany(b, n)
	for _, engine := range engines {
		b.Run(engine.name, func(b *testing.B) {
			st := engine.open(b)
			i := 0
			for b.Loop() {
				i++
				owner := expense.OwnerID(fmt.Sprint("owner ", i))
				ledgertest.Create(b, st, owner, backupTime, expense.SettingsDraft{})
				if _, err := backup.Restore(b.Context(), st, owner, backupEnv, rewind(b, file),
					backup.RestoreOptions{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkExport measures exports from a store with 100,000 rows. The flag -million uses ten times as many.
func BenchmarkExport(b *testing.B) {
	n := 100_000
	if *million {
		n = 1_000_000
	}
	file := backupOfMany(b, n)
	for _, engine := range engines {
		b.Run(engine.name, func(b *testing.B) {
			st := engine.open(b)
			ledgertest.Create(b, st, "ada", backupTime, expense.SettingsDraft{})
			start := time.Now()
			if _, err := backup.Restore(b.Context(), st, "ada", backupEnv, rewind(b, file),
				backup.RestoreOptions{}); err != nil {
				b.Fatal(err)
			}
			b.Logf("restored %d rows in %v", n, time.Since(start))
			measure := func(name string, write func(ctx context.Context, w io.Writer, r store.Reader) error) {
				b.Run(name, func(b *testing.B) {
					runtime.GC()
					peak, done := exporttest.WatchHeap()
					for b.Loop() {
						err := st.View(b.Context(), "ada", func(r store.Reader) error { return write(b.Context(), io.Discard, r) })
						if err != nil {
							b.Fatal(err)
						}
					}
					done()
					b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "rows/s")
					b.ReportMetric(float64(peak())/(1<<20), "peak-MiB")
				})
			}
			measure("csv", func(ctx context.Context, w io.Writer, r store.Reader) error {
				categories, err := r.Categories(ctx)
				if err != nil {
					return err
				}
				return export.WriteCSV(w, r.Expenses(ctx, expense.Query{Sort: expense.OldestFirst}),
					export.CSVOptions{CategoryName: export.CategoryNames(categories)})
			})
			measure("ledger", func(ctx context.Context, w io.Writer, r store.Reader) error {
				return backup.Write(ctx, w, r, backup.WriteOptions{Now: backupTime})
			})
		})
	}
}
