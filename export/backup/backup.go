package backup

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/wire"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
)

const (
	format = "spendwise-ledger"
	// formatVersion rises with every change of the format that an older release cannot read.
	formatVersion = 2
)

// The types of the lines, in the order in which they are written.
const (
	typeSettings = "settings"
	typeCategory = "category"
	typeRule     = "recurrence"
	typeBudget   = "budget"
	typeAlert    = "alert"
	typeExpense  = "expense"
	typeEnd      = "end"
)

// Reader reads one ledger for Write. Every [store.Reader] implements it.
type Reader interface {
	budget.Reader
	recurrence.Reader

	// Expenses is the method of [expense.Reader].
	Expenses(ctx context.Context, query expense.Query) iter.Seq2[expense.Expense, error]
	// Imports is the method of [store.ImportReader].
	Imports(ctx context.Context, after store.Import, limit int) ([]store.Import, error)
	// RowsOfImport is the method of [store.ImportReader].
	RowsOfImport(ctx context.Context, id uuid.UUID) ([]store.ImportedRow, error)
}

// WriteOptions are the options of [Write].
type WriteOptions struct {
	// Now is the time of the backup. It is written into the first line.
	Now time.Time
	// Progress is called after every 1,000 expenses with the number of expenses written so far. It may be nil.
	Progress func(expenses int)
}

// progressInterval is the number of expenses between two calls of Progress.
const progressInterval = 1000

// Counts are the numbers of rows in a backup.
type Counts struct {
	Categories  int `json:"categories"`
	Recurrences int `json:"recurrences"`
	Budgets     int `json:"budgets"`
	Alerts      int `json:"alerts"`
	Expenses    int `json:"expenses"`

	Imports      int `json:"imports"`
	ImportedRows int `json:"imported_rows"`
}

// String lists the counts in words.
func (c Counts) String() string {
	return fmt.Sprintf("%d categories, %d recurrences, %d budgets, %d alerts, %d imports and %d expenses",
		c.Categories, c.Recurrences, c.Budgets, c.Alerts, c.Imports, c.Expenses)
}

// headLine is the first line of a backup.
type headLine struct {
	Format  string    `json:"format"`
	Version int       `json:"version"`
	MadeAt  time.Time `json:"made_at"`
}

// omitted is the type of a member of the wire form that a backup does not have. It is never written, and reading it is
// an error.
type omitted struct{}

func (omitted) UnmarshalJSON([]byte) error { return errors.New("a backup holds no versions") }

// The lines that hold rows: a type, and the wire form without its version.
type (
	settingsLine struct {
		Type string `json:"type"`
		wire.Settings
		Version omitted `json:"version,omitzero"`
		Rerated omitted `json:"rerated,omitzero"`
	}
	categoryLine struct {
		Type string `json:"type"`
		wire.Category
		Version omitted `json:"version,omitzero"`
	}
	ruleLine struct {
		Type string `json:"type"`
		wire.Rule
		Version        omitted `json:"version,omitzero"`
		SettledThrough *string `json:"settled_date"`
		Failures       int     `json:"failures"`
	}
	budgetLine struct {
		Type string `json:"type"`
		wire.Budget
		Version omitted `json:"version,omitzero"`
	}
	alertLine struct {
		Type string `json:"type"`
		wire.Alert
		Version omitted `json:"version,omitzero"`
	}
	expenseLine struct {
		Type string `json:"type"`
		wire.Expense
		Version omitted `json:"version,omitzero"`
	}
)

// endLine is the last line of a backup.
type endLine struct {
	Type   string `json:"type"`
	Counts Counts `json:"counts"`
	SHA256 string `json:"sha256"` // of all lines before this one with their line ends, in hexadecimal
}

// Write writes a backup of a whole ledger as NDJSON. The first line names the format and its version, the second line
// holds the settings. Categories, recurring rules, budgets, alerts, imports and expenses follow. The last line
// holds their counts and the SHA-256 of the lines before it. [Restore] reads the file.
//
// Write writes while it reads and does not hold the expenses in memory. Pass the Reader of a [store.Store]'s View, so
// that all rows come from one snapshot.
func Write(ctx context.Context, w io.Writer, r Reader, opts WriteOptions) error {
	snapshot, err := r.BudgetSnapshot(ctx)
	if err != nil {
		return fmt.Errorf("read settings, categories and budgets: %w", err)
	}
	rules, err := r.Rules(ctx)
	if err != nil {
		return fmt.Errorf("read the recurring rules: %w", err)
	}
	alerts, err := r.Alerts(ctx, expense.Month{})
	if err != nil {
		return fmt.Errorf("read the alerts: %w", err)
	}
	sum := sha256.New()
	buffered := bufio.NewWriterSize(io.MultiWriter(w, sum), 32<<10)
	lines := json.NewEncoder(buffered)
	lines.SetEscapeHTML(false)
	if err := lines.Encode(headLine{Format: format, Version: formatVersion, MadeAt: opts.Now.UTC()}); err != nil {
		return fmt.Errorf("write the first line: %w", err)
	}
	if err := lines.Encode(settingsLine{Type: typeSettings, Settings: wire.NewSettings(snapshot.Settings)}); err != nil {
		return fmt.Errorf("write the settings: %w", err)
	}
	err = encodeAll(lines, snapshot.Categories, func(c expense.Category) any {
		return categoryLine{Type: typeCategory, Category: wire.NewCategory(c)}
	})
	if err != nil {
		return err
	}
	err = encodeAll(lines, rules, func(r recurrence.Rule) any {
		line := ruleLine{Type: typeRule, Rule: wire.NewRule(r), Failures: r.Failures}
		if !r.SettledThrough.IsZero() {
			line.SettledThrough = new(r.SettledThrough.String())
		}
		return line
	})
	if err != nil {
		return err
	}
	err = encodeAll(lines, snapshot.Budgets, func(b budget.Budget) any {
		return budgetLine{Type: typeBudget, Budget: wire.NewBudget(b)}
	})
	if err != nil {
		return err
	}
	err = encodeAll(lines, alerts, func(a budget.Alert) any { return alertLine{Type: typeAlert, Alert: wire.NewAlert(a)} })
	if err != nil {
		return err
	}
	counts := Counts{
		Categories: len(snapshot.Categories), Recurrences: len(rules), Budgets: len(snapshot.Budgets), Alerts: len(alerts),
	}
	if err := writeImports(ctx, lines, r, &counts); err != nil {
		return err
	}
	written, line := 0, []byte{}
	for e, err := range r.Expenses(ctx, expense.Query{Sort: expense.OldestFirst}) {
		if err != nil {
			return fmt.Errorf("read the expenses: %w", err)
		}
		line = wire.NewExpense(e).AppendLine(line[:0], typeExpense)
		if _, err := buffered.Write(line); err != nil {
			return fmt.Errorf("write expense %s: %w", e.ID, err)
		}
		if written++; opts.Progress != nil && written%progressInterval == 0 {
			opts.Progress(written)
		}
	}
	if err := buffered.Flush(); err != nil {
		return fmt.Errorf("write the expenses: %w", err)
	}
	counts.Expenses = written
	err = lines.Encode(endLine{Type: typeEnd, SHA256: hex.EncodeToString(sum.Sum(nil)), Counts: counts})
	if err == nil {
		err = buffered.Flush()
	}
	if err != nil {
		return fmt.Errorf("write the last line: %w", err)
	}
	return nil
}

func encodeAll[R any](lines *json.Encoder, rows []R, line func(R) any) error {
	for _, row := range rows {
		if err := lines.Encode(line(row)); err != nil {
			return fmt.Errorf("write a %T: %w", row, err)
		}
	}
	return nil
}
