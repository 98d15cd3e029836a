package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/statement"
)

type importCmd struct {
	User    string         `required:"" help:"The e-mail address of the ledger's owner." placeholder:"EMAIL"`
	Mapping string         `help:"${mappingHelp}" type:"existingfile" placeholder:"FILE"`
	Account string         `help:"${accountHelp}" placeholder:"LABEL"`
	Answer  map[string]int `help:"${answerHelp}" placeholder:"QUESTION=CHOICE"`
	DryRun  bool           `help:"Report what an import would do, and change nothing."`
	Force   bool           `help:"Import rows again that an earlier import added."`
	OnError string         `help:"If rows fail: skip them, or abort and import nothing." enum:"skip,abort" default:"skip"`
	Rates   rateMode       `help:"${ratesHelp}" enum:"ecb,embedded,off" default:"ecb"`
	Undo    string         `help:"${undoHelp}" placeholder:"ID"`
	File    string         `arg:"" optional:"" help:"${importFileHelp}" type:"existingfile"`
}

// maxListed is the maximum number of failures that are printed one by one. Their number is always printed.
const maxListed = 100

// Validate checks that there is either a file or an import to undo.
func (cmd *importCmd) Validate() error {
	if (cmd.File == "") == (cmd.Undo == "") {
		return errors.New("give the file to import, or the import to remove as --undo ID")
	}
	return nil
}

// Run imports the file, and returns an error if a row failed. With --undo it removes what an import added.
func (cmd *importCmd) Run(ctx context.Context, config *cli, p *process) (err error) {
	if cmd.Undo != "" {
		return config.withDatabase(ctx, p, func(db database) error { return cmd.undo(ctx, db, p) })
	}
	var mapping statement.Mapping
	if cmd.Mapping != "" {
		text, err := os.ReadFile(cmd.Mapping)
		if err != nil {
			return err
		}
		if mapping, err = statement.ParseMapping(text); err != nil {
			return fmt.Errorf("mapping %s: %w", cmd.Mapping, err)
		}
	}
	if cmd.Account != "" {
		mapping.Account = cmd.Account
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
		settings, err := db.Reader(owner).Settings(ctx)
		if err != nil {
			return fmt.Errorf("settings: %w", err)
		}
		if mapping, err = cmd.complete(ctx, p, file, mapping, settings); err != nil {
			return err
		}
		opts := statement.Options{DryRun: cmd.DryRun, Force: cmd.Force, Abort: cmd.OnError == "abort"}
		if isTerminal(p.stderr) {
			opts.Progress = func(done statement.Progress) {
				_, _ = fmt.Fprintf(p.stderr, "\r%d lines read, %d rows added …", done.Lines, done.Added)
			}
		}
		result, err := statement.Import(ctx, db, owner, env, file, mapping, opts)
		if opts.Progress != nil {
			_, _ = fmt.Fprintln(p.stderr)
		}
		if err != nil {
			return importError(cmd.File, err)
		}
		return cmd.report(p, result)
	})
}

// undo removes the expenses that an import added, and prints how many.
func (cmd *importCmd) undo(ctx context.Context, db database, p *process) error {
	id, err := expense.ParseID(cmd.Undo)
	if err != nil {
		return fmt.Errorf("--undo: %w", err)
	}
	owner, err := ownerOf(ctx, db, cmd.User)
	if err != nil {
		return err
	}
	undone, err := statement.Undo(ctx, db, owner, expense.Env{Now: time.Now()}, id)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.stdout, "undone: removed %d, kept %d that were edited\n", undone.Removed, len(undone.Kept))
	return err
}

// complete inspects the file and returns the mapping with the answers to all questions: those of --answer, or those
// that the user gives on a terminal. On a terminal it also prints the first rows.
func (cmd *importCmd) complete(
	ctx context.Context, p *process, file io.ReadSeeker, m statement.Mapping, settings expense.Settings,
) (statement.Mapping, error) {
	lines := bufio.NewScanner(p.stdin)
	for {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return m, err
		}
		in, err := statement.Inspect(ctx, file, m, settings)
		if err != nil {
			return m, importError(cmd.File, err)
		}
		if len(in.Questions) == 0 {
			if _, err := file.Seek(0, io.SeekStart); err != nil {
				return m, err
			}
			return in.Mapping, showRows(p, in)
		}
		m = in.Mapping
		for _, question := range in.Questions {
			choice, err := cmd.choose(p, lines, question)
			if err != nil {
				return m, err
			}
			if m, err = statement.MergeMappings(m, choice.Mapping); err != nil {
				return m, err
			}
		}
	}
}

// choose returns the choice that --answer or the user names, by its number from 1.
func (cmd *importCmd) choose(
	p *process, lines *bufio.Scanner, q statement.Question,
) (statement.QuestionChoice, error) {
	var text strings.Builder
	fmt.Fprintf(&text, "%s\n", q.Detail)
	for i, choice := range q.Choices {
		fmt.Fprintf(&text, "  %d  %s\n", i+1, choice.Label)
	}
	if n, given := cmd.Answer[q.Code]; given {
		if n < 1 || n > len(q.Choices) {
			return statement.QuestionChoice{}, fmt.Errorf("--answer %s=%d is not one of the choices:\n%s", q.Code, n, &text)
		}
		return q.Choices[n-1], nil
	}
	if input, ok := p.stdin.(*os.File); !ok || !isTerminal(input) || !isTerminal(p.stderr) {
		return statement.QuestionChoice{}, fmt.Errorf("%s is not clear; give --answer %s=NUMBER:\n%s", cmd.File, q.Code,
			&text)
	}
	for {
		if _, err := fmt.Fprintf(p.stderr, "%sNumber: ", &text); err != nil {
			return statement.QuestionChoice{}, err
		}
		if !lines.Scan() {
			return statement.QuestionChoice{}, errors.Join(errors.New("nothing was imported: no answer was given"), lines.Err())
		}
		if n, err := strconv.Atoi(strings.TrimSpace(lines.Text())); err == nil && n >= 1 && n <= len(q.Choices) {
			return q.Choices[n-1], nil
		}
	}
}

// showRows prints what was detected and the first rows on a terminal.
func showRows(p *process, in *statement.Inspection) error {
	if !isTerminal(p.stderr) {
		return nil
	}
	source := ""
	if in.Source != "" {
		source = ", the format of " + in.Source
	}
	mapping, err := json.Marshal(in.Mapping)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(p.stderr, "%s%s\nmapping %s\n", in.Format, source, mapping); err != nil {
		return err
	}
	table := tabwriter.NewWriter(p.stderr, 0, 0, 2, ' ', 0)
	for _, row := range in.Rows {
		detail := row.Reason
		if len(row.Failures) > 0 {
			detail = row.Failures[0].Detail
		}
		if _, err := fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s %s\n", row.Line, row.Date, row.Amount, row.Category,
			row.Notes,
			row.Status, detail); err != nil {
			return err
		}
	}
	return table.Flush()
}

// importError returns the error of an import. It lists each invalid member of the mapping in a line.
func importError(file string, err error) error {
	invalid := expense.InvalidErrors(err)
	if len(invalid) == 0 {
		return fmt.Errorf("the import of %s ended: %w", file, err)
	}
	text := "nothing was imported from " + file
	for _, e := range invalid {
		text += "\n  " + e.Error()
	}
	return errors.New(text)
}

// report prints the result of the import. It returns an error if a row failed.
func (cmd *importCmd) report(p *process, result statement.Result) error {
	for i, failure := range result.Failed {
		if i == maxListed {
			if _, err := fmt.Fprintf(p.stderr, "and %d more\n", result.FailedRows-maxListed); err != nil {
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
	case cmd.DryRun:
		done = "would import"
	case cmd.OnError == "abort" && result.FailedRows > 0:
		done = "nothing was imported"
	}
	ignored, reasons := 0, ""
	for _, reason := range slices.Sorted(maps.Keys(result.Ignored)) {
		ignored += result.Ignored[reason]
		reasons += fmt.Sprintf(", %d %s", result.Ignored[reason], reason)
	}
	if reasons != "" {
		if _, err := fmt.Fprintf(p.stderr, "ignored: %s\n", reasons[2:]); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(p.stdout, "%s: added %d, known %d, ignored %d, failed %d\n",
		done, result.Added, result.Known, ignored, result.FailedRows); err != nil {
		return err
	}
	if result.Added > 0 && result.ID != uuid.Nil {
		if _, err := fmt.Fprintf(p.stderr, "to undo: import --user %s --undo %s\n", cmd.User, result.ID); err != nil {
			return err
		}
	}
	if result.FailedRows > 0 {
		rows := "rows"
		if result.FailedRows == 1 {
			rows = "row"
		}
		return fmt.Errorf("%d %s of %s failed", result.FailedRows, rows, cmd.File)
	}
	return nil
}
