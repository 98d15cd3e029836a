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
	User   string `required:"" help:"The e-mail address of the user whose ledger it is." placeholder:"EMAIL"`
	Format string `help:"What to write: ndjson, the whole ledger as restore reads it; csv, all expenses; or pdf, a report of a year." enum:"ndjson,csv,pdf" default:"ndjson"`
	Year   int    `help:"The fiscal year of a pdf, by the year it begins in; without it the one at hand."`
	BOM    bool   `name:"bom" help:"Put a byte order mark before a csv, for spreadsheets that ask for one."`
	File   string `arg:"" optional:"" help:"Where to write it; without it, or with -, to standard output." type:"path"`
}

// Run exports the ledger. A file appears under its name only when all of it is written.
func (cmd *exportCmd) Run(ctx context.Context, config *cli, p *process) error {
	return config.withDatabase(ctx, p, func(db database) error {
		account, err := db.Accounts().AccountByEmail(ctx, cmd.User)
		if err != nil {
			return named(cmd.User, err)
		}
		write := func(w io.Writer) error {
			return db.View(ctx, account.Owner(), func(r store.Reader) error { return cmd.write(ctx, w, r, newBar(p.stderr)) })
		}
		if cmd.File == "" || cmd.File == "-" {
			return write(p.stdout)
		}
		return writeFile(cmd.File, write)
	})
}

func (cmd *exportCmd) write(ctx context.Context, w io.Writer, r store.Reader, bar *bar) error {
	defer bar.end()
	now := time.Now()
	switch cmd.Format {
	case "csv":
		categories, err := r.Categories(ctx)
		if err != nil {
			return err
		}
		all, err := countExpenses(ctx, r)
		if err != nil {
			return err
		}
		rows := counted(r.Expenses(ctx, expense.Query{Sort: expense.OldestFirst}), func(n int) { bar.show("exported", n, all) })
		return export.WriteCSV(w, rows, export.CSVOptions{BOM: cmd.BOM, CategoryName: export.CategoryNames(categories)})
	case "pdf":
		yearly, err := report.Yearly(ctx, r, now, cmd.Year, 0)
		if err != nil {
			return err
		}
		made, err := export.ReadReport(ctx, r, yearly.Summary, export.ReportOptions{Who: cmd.User, Now: now})
		if err != nil {
			return err
		}
		return made.WritePDF(w)
	}
	all, err := countExpenses(ctx, r)
	if err != nil {
		return err
	}
	return backup.Write(ctx, w, r, backup.WriteOptions{Now: now, Progress: func(n int) { bar.show("exported", n, all) }})
}

func countExpenses(ctx context.Context, r store.Reader) (int, error) {
	totals, err := r.Totals(ctx, expense.TotalsQuery{Ranges: []expense.Range{{}}})
	count := 0
	for _, total := range totals {
		count += total.Count
	}
	return count, err
}

// counted tells now and then how many rows have gone by.
func counted(rows iter.Seq2[expense.Expense, error], tell func(int)) iter.Seq2[expense.Expense, error] {
	return func(yield func(expense.Expense, error) bool) {
		n := 0
		for row, err := range rows {
			if n++; n%1000 == 0 {
				tell(n)
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

// writeFile writes a file beside its place, for the user's eyes only, and puts it there once it is whole and on the disk.
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
	User string `help:"The e-mail address of a user whose ledger is empty, such as a new one; without it the whole database is restored." placeholder:"EMAIL"`
	File string `arg:"" help:"With --user what spendwise export --format ndjson has written, without it what spendwise backup has." type:"existingfile"`
}

// Run restores the ledger, or the database: all of it, or nothing.
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
		account, err := db.Accounts().AccountByEmail(ctx, cmd.User)
		if err != nil {
			return named(cmd.User, err)
		}
		// Ids come back, so versions must not: of those that devices may have seen of the ledger that was, none is to be a row's.
		if err := db.StartEpoch(ctx, account.Owner()); err != nil && !errors.Is(err, expense.ErrNotFound) {
			return err
		}
		bar := newBar(p.stderr)
		restored, err := backup.Restore(ctx, db, account.Owner(), expense.Env{Now: time.Now()}, file, backup.RestoreOptions{
			Progress: func(written, all int) { bar.show("restored", written, all) },
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
