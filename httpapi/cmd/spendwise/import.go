package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/statement"
)

type importCmd struct {
	User    string   `required:"" help:"The e-mail address of the ledger's owner." placeholder:"EMAIL"`
	Mapping string   `help:"${mappingHelp}" type:"existingfile" placeholder:"FILE" xor:"mapping"`
	Preset  string   `help:"${presetHelp}" placeholder:"NAME" xor:"mapping"`
	DryRun  bool     `help:"Report what an import would do, and change nothing."`
	OnError string   `help:"If lines fail: skip them, or abort and import nothing." enum:"skip,abort" default:"skip"`
	Rates   rateMode `help:"${ratesHelp}" enum:"ecb,embedded,off" default:"ecb"`
	File    string   `arg:"" help:"The CSV file." type:"existingfile"`
}

// maxListed is the maximum number of failures that are printed one by one. Their number is always printed.
const maxListed = 100

// Run imports the file. It returns an error if a line failed.
func (cmd *importCmd) Run(ctx context.Context, config *cli, p *process) (err error) {
	mapping := statement.OwnMapping()
	if cmd.Preset != "" {
		if mapping, err = presetMapping(cmd.Preset); err != nil {
			return err
		}
	}
	if cmd.Mapping != "" {
		text, err := os.ReadFile(cmd.Mapping)
		if err != nil {
			return err
		}
		if mapping, err = statement.ParseMapping(text); err != nil {
			return fmt.Errorf("mapping %s: %w", cmd.Mapping, err)
		}
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
		env := expense.Env{Now: time.Now()}
		if cmd.Rates != ratesOff {
			if env.Rates, err = loadRates(ctx, db); err != nil {
				return err
			}
		}
		opts := statement.Options{DryRun: cmd.DryRun}
		if cmd.OnError == "abort" {
			opts.OnError = statement.Abort
		}
		if isTerminal(p.stderr) {
			opts.Progress = func(r statement.Result) {
				_, _ = fmt.Fprintf(p.stderr, "\r%d rows …", r.Added+r.Known+r.Ignored+r.FailedLines)
			}
		}
		result, err := statement.Import(ctx, db, owner, env, statement.Rows(file, mapping), opts)
		if opts.Progress != nil {
			_, _ = fmt.Fprintln(p.stderr)
		}
		if err != nil && result.Added+result.Known+result.Ignored+result.FailedLines == 0 {
			return mappingError(cmd.File, err)
		}
		return errors.Join(cmd.report(p, result), err)
	})
}

// mappingError returns the error of an import that read no line. It lists each invalid member of the mapping in a line.
func mappingError(file string, err error) error {
	text := "nothing was imported from " + file
	for _, invalid := range expense.InvalidErrors(err) {
		text += "\n  " + invalid.Error()
	}
	if len(expense.InvalidErrors(err)) == 0 {
		return fmt.Errorf("%s: %w", text, err)
	}
	return errors.New(text)
}

func presetMapping(name string) (statement.Mapping, error) {
	var names []string
	for _, preset := range statement.Presets() {
		if preset.Name == name {
			return preset.Mapping, nil
		}
		names = append(names, preset.Name)
	}
	return statement.Mapping{}, fmt.Errorf("preset %q does not exist; the presets are: %s",
		name, strings.Join(names, ", "))
}

// report prints the result of the import. It returns an error if a line failed.
func (cmd *importCmd) report(p *process, result statement.Result) error {
	for i, failure := range result.Failed {
		if i == maxListed {
			if _, err := fmt.Fprintf(p.stderr, "and %d more\n", len(result.Failed)-maxListed); err != nil {
				return err
			}
			break
		}
		place := fmt.Sprintf("%s:%d", cmd.File, failure.Line)
		if failure.Column != "" {
			place += ": " + failure.Column
		}
		if _, err := fmt.Fprintf(p.stderr, "%s: %s\n", place, failure.Detail); err != nil {
			return err
		}
	}
	done := "imported"
	switch {
	case result.DryRun:
		done = "would import"
	case cmd.OnError == "abort" && result.FailedLines > 0:
		done = "nothing was imported"
	}
	if _, err := fmt.Fprintf(p.stdout, "%s: added %d, known %d, ignored %d, failed %d\n",
		done, result.Added, result.Known, result.Ignored, result.FailedLines); err != nil {
		return err
	}
	if result.FailedLines > 0 {
		lines := "lines"
		if result.FailedLines == 1 {
			lines = "line"
		}
		return fmt.Errorf("%d %s of %s failed", result.FailedLines, lines, cmd.File)
	}
	return nil
}
