package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export"
	"github.com/spendwise/spendwise/store"
)

type importCmd struct {
	User    string   `required:"" help:"The e-mail address of the user whose ledger it goes into." placeholder:"EMAIL"`
	Mapping string   `help:"A JSON file that says which column is what; without it the file is an export of SpendWise." type:"existingfile" placeholder:"FILE"`
	DryRun  bool     `help:"Say what would become of each line, and change nothing."`
	OnError string   `help:"What to do when lines fail: skip them, or abort and import nothing." enum:"skip,abort" default:"skip"`
	Rates   rateMode `help:"Exchange rates: ecb or embedded (what is embedded and kept; nothing is fetched), or off." enum:"ecb,embedded,off" default:"ecb"`
	File    string   `arg:"" help:"The CSV file." type:"existingfile"`
}

// maxListed is how many failures are listed on the screen; the count of all is printed anyway.
const maxListed = 100

// Run imports the file. It fails if a line failed.
func (cmd *importCmd) Run(ctx context.Context, config *cli, p *process) (err error) {
	mapping := export.OwnMapping()
	if cmd.Mapping != "" {
		text, err := os.ReadFile(cmd.Mapping)
		if err != nil {
			return err
		}
		if mapping, err = export.ParseMapping(text); err != nil {
			return fmt.Errorf("mapping %s: %w", cmd.Mapping, err)
		}
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
		env := expense.Env{Now: time.Now()}
		if cmd.Rates != ratesOff {
			if env.Rates, err = loadRates(ctx, db); err != nil {
				return err
			}
		}
		opts := export.ImportOptions{DryRun: cmd.DryRun}
		if cmd.OnError == "abort" {
			opts.OnError = export.Abort
		}
		if isTerminal(p.stderr) {
			opts.Progress = func(r export.Result) {
				_, _ = fmt.Fprintf(p.stderr, "\r%d rows …", r.Added+r.Known+r.Ignored+r.FailedLines)
			}
		}
		result, err := export.Import(ctx, store.LedgerOf(db, account.Owner()), env, export.Rows(file, mapping), opts)
		if opts.Progress != nil {
			_, _ = fmt.Fprintln(p.stderr)
		}
		return errors.Join(cmd.report(p, result), err)
	})
}

// report prints what became of the file, and is an error if a line failed.
func (cmd *importCmd) report(p *process, result export.Result) error {
	for i, failure := range result.Failed {
		if i == maxListed {
			if _, err := fmt.Fprintf(p.stderr, "and %d more\n", len(result.Failed)-maxListed); err != nil {
				return err
			}
			break
		}
		if _, err := fmt.Fprintf(p.stderr, "%s:%d: %s: %s\n", cmd.File, failure.Line, failure.Column, failure.Detail); err != nil {
			return err
		}
	}
	done := "imported"
	if result.DryRun {
		done = "would import"
	}
	if _, err := fmt.Fprintf(p.stdout, "%s: added %d, known %d, ignored %d, failed %d\n",
		done, result.Added, result.Known, result.Ignored, result.FailedLines); err != nil {
		return err
	}
	if result.FailedLines > 0 {
		return fmt.Errorf("%d lines of %s failed", result.FailedLines, cmd.File)
	}
	return nil
}
