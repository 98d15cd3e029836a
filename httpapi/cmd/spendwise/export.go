package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export"
	"github.com/spendwise/spendwise/export/backup"
	"github.com/spendwise/spendwise/report"
	"github.com/spendwise/spendwise/store"
)

type exportCmd struct {
	User   string `required:"" help:"The e-mail address of the ledger's owner." placeholder:"EMAIL"`
	Format string `help:"${formatHelp}" enum:"ndjson,csv,pdf" default:"ndjson"`
	Year   int    `help:"The fiscal year of a pdf, named by the year in which it begins. Default: the current one."`
	BOM    bool   `name:"bom" help:"Begin a csv with a byte order mark, which some spreadsheets need."`
	File   string `arg:"" optional:"" help:"The file to write. Default, and -: standard output." type:"path"`
}

// Run exports the ledger. It writes a temporary file and renames it when the export is complete.
func (cmd *exportCmd) Run(ctx context.Context, config *cli, p *process) error {
	return config.withDatabase(ctx, p, func(db database) error {
		owner, err := ownerOf(ctx, db, cmd.User)
		if err != nil {
			return err
		}
		write := func(w io.Writer) error {
			return db.View(ctx, owner, func(r store.Reader) error {
				return cmd.write(ctx, w, r, newProgressBar(p.stderr))
			})
		}
		if cmd.File == "" || cmd.File == "-" {
			return write(p.stdout)
		}
		return writeFile(cmd.File, write)
	})
}

func (cmd *exportCmd) write(ctx context.Context, w io.Writer, r store.Reader, bar *progressBar) error {
	defer bar.end()
	now := time.Now()
	switch cmd.Format {
	case "csv":
		categories, err := r.Categories(ctx)
		if err != nil {
			return err
		}
		total, err := countExpenses(ctx, r)
		if err != nil {
			return err
		}
		rows := withProgress(r.Expenses(ctx, expense.Query{Sort: expense.OldestFirst}), func(n int) {
			bar.show("exported", n, total)
		})
		return export.WriteCSV(w, rows, export.CSVOptions{BOM: cmd.BOM, CategoryName: export.CategoryNames(categories)})
	case "pdf":
		yearly, err := report.Yearly(ctx, r, now, cmd.Year, 0)
		if err != nil {
			return err
		}
		pdf, err := export.ReadReport(ctx, r, yearly.Summary, export.ReportOptions{Owner: cmd.User, Now: now})
		if err != nil {
			return err
		}
		return pdf.WritePDF(w)
	}
	total, err := countExpenses(ctx, r)
	if err != nil {
		return err
	}
	return backup.Write(ctx, w, r, backup.WriteOptions{Now: now, Progress: func(n int) { bar.show("exported", n, total) }})
}

// countExpenses returns the number of all expenses of a ledger.
func countExpenses(ctx context.Context, r store.Reader) (int, error) {
	totals, err := r.Totals(ctx, expense.TotalsQuery{Ranges: []expense.Range{{}}})
	count := 0
	for _, total := range totals {
		count += total.Count
	}
	return count, err
}

// withProgress yields rows and reports their count after every 1,000 rows.
func withProgress(rows iter.Seq2[expense.Expense, error], report func(int)) iter.Seq2[expense.Expense, error] {
	return func(yield func(expense.Expense, error) bool) {
		n := 0
		for row, err := range rows {
			if n++; n%1000 == 0 {
				report(n)
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

// writeFile writes a file that only its owner can read. It writes to a temporary file, syncs it to disk and then
// renames it to path, where it replaces an existing file.
func writeFile(path string, write func(io.Writer) error) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	err = write(file)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

type restoreCmd struct {
	User string `help:"${restoreUserHelp}" placeholder:"EMAIL"`
	File string `arg:"" help:"${restoreFileHelp}" type:"existingfile"`
}

// Run restores the ledger or the database. If it fails, it has changed nothing.
func (cmd *restoreCmd) Run(ctx context.Context, config *cli, p *process) (err error) {
	if cmd.User == "" {
		return restoreDatabase(ctx, config, p, cmd.File)
	}
	file, err := os.Open(cmd.File)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return config.withDatabase(ctx, p, func(db database) error {
		owner, err := ownerOf(ctx, db, cmd.User)
		if err != nil {
			return err
		}
		// The restore reuses ids. A new epoch ensures that no restored row gets a version that a device has seen before.
		if err := db.StartEpoch(ctx, owner); err != nil && !errors.Is(err, expense.ErrNotFound) {
			return err
		}
		bar := newProgressBar(p.stderr)
		restored, err := backup.Restore(ctx, db, owner, expense.Env{Now: time.Now()}, file, backup.RestoreOptions{
			Progress: func(written, total int) { bar.show("restored", written, total) },
		})
		bar.end()
		if err != nil {
			return fmt.Errorf("restore %s: %w", cmd.File, err)
		}
		_, err = fmt.Fprintf(p.stdout, "restored: %d expenses, %d categories, %d budgets, %d recurrences, %d alerts\n",
			restored.Expenses, restored.Categories, restored.Budgets, restored.Recurrences, restored.Alerts)
		return err
	})
}
