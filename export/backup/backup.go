package backup

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/wire"
	"github.com/spendwise/spendwise/recurrence"
)

const (
	backupFormat = "spendwise-ledger"
	// backupVersion is that of the format: it rises with every change that an older reader would not understand.
	backupVersion = 1
)

// The types of a backup's lines, in the order in which they come.
const (
	lineSettings = "settings"
	lineCategory = "category"
	lineRule     = "recurrence"
	lineBudget   = "budget"
	lineAlert    = "alert"
	lineExpense  = "expense"
	lineEnd      = "end"
)

// A Reader is what a backup reads of one owner's ledger.
type Reader interface {
	budget.Reader
	recurrence.Reader

	// Expenses is that of [expense.Reader].
	Expenses(ctx context.Context, query expense.Query) iter.Seq2[expense.Expense, error]
}

// WriteOptions say how [Write] works.
type WriteOptions struct {
	Now time.Time // when the backup is made
	// Progress is called now and then with how many expenses are written.
	Progress func(expenses int)
}

// progressStep is how many expenses lie between two calls of Progress.
const progressStep = 1000

// headLine is the first line of a backup.
type headLine struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	MadeAt  string `json:"made_at"`
}

// settingsLine are a ledger's settings.
type settingsLine struct {
	Type              string `json:"type"`
	HomeCurrency      string `json:"home_currency"`
	TimeZone          string `json:"time_zone"`
	Locale            string `json:"locale"`
	FiscalYearStart   int    `json:"fiscal_year_start"`
	DefaultCategoryID string `json:"default_category_id"`
}

type categoryLine struct {
	Type      string `json:"type"`
	ID        string `json:"id"`
	Name      string `json:"name"`
	Colour    string `json:"colour"`
	Icon      string `json:"icon"`
	Archived  bool   `json:"archived"`
	CreatedAt string `json:"created_at"`
	UpdatedAt string `json:"updated_at"`
}

type ruleLine struct {
	Type       string   `json:"type"`
	ID         string   `json:"id"`
	Amount     string   `json:"amount"`
	Currency   string   `json:"currency"`
	CategoryID string   `json:"category_id"`
	Notes      string   `json:"notes"`
	Freq       string   `json:"freq"`
	Interval   int      `json:"interval"`
	Weekdays   []string `json:"weekdays"`
	MonthDay   int      `json:"month_day"`
	OnMissing  string   `json:"on_missing"`
	StartDate  string   `json:"start_date"`
	UntilDate  *string  `json:"until_date"`
	Count      int      `json:"count"`
	Paused     bool     `json:"paused"`
	NextDate   *string  `json:"next_date"`
	Skipped    string   `json:"skipped"`
	Settled    *string  `json:"settled_date"`
	LastError  string   `json:"last_error"`
	Failures   int      `json:"failures"`
	RetryAt    *string  `json:"retry_at"`
	CreatedAt  string   `json:"created_at"`
	UpdatedAt  string   `json:"updated_at"`
}

type budgetLine struct {
	Type        string         `json:"type"`
	ID          string         `json:"id"`
	CategoryID  *string        `json:"category_id"`
	Label       string         `json:"label"`
	Into        *string        `json:"into"`
	Currency    string         `json:"currency"`
	Entries     []entryLine    `json:"entries"`
	UntilMonth  *string        `json:"until_month"`
	Rollover    string         `json:"rollover"`
	RolloverCap *string        `json:"rollover_cap"`
	AlertAt     []budget.Ratio `json:"alert_at"`
	CreatedAt   string         `json:"created_at"`
	UpdatedAt   string         `json:"updated_at"`
}

type entryLine struct {
	FromMonth string `json:"from_month"`
	Amount    string `json:"amount"`
}

type alertLine struct {
	Type      string       `json:"type"`
	ID        string       `json:"id"`
	BudgetID  string       `json:"budget_id"`
	Month     string       `json:"month"`
	Threshold budget.Ratio `json:"threshold"`
	RaisedAt  string       `json:"raised_at"`
	ReadAt    *string      `json:"read_at"`
}

type expenseLine struct {
	Type string `json:"type"`
	wire.Expense
}

// endLine is the last line of a backup: without it the file is cut off, and where its sum differs the file was changed.
type endLine struct {
	Type   string `json:"type"`
	Counts Counts `json:"counts"`
	SHA256 string `json:"sha256"` // of all lines before this one, their line ends too, in hexadecimal
}

// Counts are the numbers of rows in a backup, by their types.
type Counts struct {
	Categories  int `json:"categories"`
	Recurrences int `json:"recurrences"`
	Budgets     int `json:"budgets"`
	Alerts      int `json:"alerts"`
	Expenses    int `json:"expenses"`
}

// Write writes a whole ledger as NDJSON: a line that names the format and its version, the settings, then every category,
// recurrence, budget, alert and expense, and a last line with their counts and their SHA-256. [Restore] makes the same ledger of it. What counts the
// changes of this one ledger is left out: versions, tombstones, answers to requests. It writes as it reads; what it reads agrees
// when r is a View's.
func Write(ctx context.Context, w io.Writer, r Reader, opts WriteOptions) error {
	book, err := r.BudgetSnapshot(ctx)
	if err != nil {
		return fmt.Errorf("book: %w", err)
	}
	rules, err := r.Rules(ctx)
	if err != nil {
		return fmt.Errorf("rules: %w", err)
	}
	alerts, err := r.Alerts(ctx, expense.Month{})
	if err != nil {
		return fmt.Errorf("alerts: %w", err)
	}
	sum := sha256.New()
	buffered := bufio.NewWriterSize(io.MultiWriter(w, sum), 32<<10)
	lines := json.NewEncoder(buffered)
	lines.SetEscapeHTML(false)
	head := []any{
		headLine{Format: backupFormat, Version: backupVersion, MadeAt: instantText(opts.Now)},
		newSettingsLine(book.Settings),
	}
	for _, line := range head {
		if err := lines.Encode(line); err != nil {
			return err
		}
	}
	end := endLine{Type: lineEnd, Counts: Counts{
		Categories: len(book.Categories), Recurrences: len(rules), Budgets: len(book.Budgets), Alerts: len(alerts),
	}}
	if err := writeAll(lines, book.Categories, newCategoryLine); err != nil {
		return err
	}
	if err := writeAll(lines, rules, newRuleLine); err != nil {
		return err
	}
	if err := writeAll(lines, book.Budgets, newBudgetLine); err != nil {
		return err
	}
	if err := writeAll(lines, alerts, newAlertLine); err != nil {
		return err
	}
	for e, err := range r.Expenses(ctx, expense.Query{Sort: expense.OldestFirst}) {
		if err != nil {
			return fmt.Errorf("read the expenses to export: %w", err)
		}
		line := expenseLine{Type: lineExpense, Expense: wire.NewExpense(e)}
		line.Version = 0
		if err := lines.Encode(line); err != nil {
			return err
		}
		if end.Counts.Expenses++; opts.Progress != nil && end.Counts.Expenses%progressStep == 0 {
			opts.Progress(end.Counts.Expenses)
		}
	}
	if err := buffered.Flush(); err != nil {
		return err
	}
	end.SHA256 = hex.EncodeToString(sum.Sum(nil))
	if err := lines.Encode(end); err != nil {
		return err
	}
	return buffered.Flush()
}

func writeAll[R, L any](lines *json.Encoder, rows []R, line func(R) L) error {
	for _, row := range rows {
		if err := lines.Encode(line(row)); err != nil {
			return err
		}
	}
	return nil
}

func newSettingsLine(s expense.Settings) settingsLine {
	return settingsLine{
		Type: lineSettings, HomeCurrency: s.Home.Code(), TimeZone: s.Zone.String(), Locale: s.Locale,
		FiscalYearStart: int(s.FiscalYearStart), DefaultCategoryID: s.DefaultCategory.String(),
	}
}

func newCategoryLine(c expense.Category) categoryLine {
	return categoryLine{
		Type: lineCategory, ID: c.ID.String(), Name: c.Name, Colour: c.Colour, Icon: c.Icon, Archived: c.Archived,
		CreatedAt: instantText(c.CreatedAt), UpdatedAt: instantText(c.UpdatedAt),
	}
}

func newRuleLine(r recurrence.Rule) ruleLine {
	return ruleLine{
		Type: lineRule, ID: r.ID.String(), Amount: r.Amount.Amount(), Currency: r.Amount.Currency().Code(), CategoryID: r.CategoryID.String(),
		Notes: r.Notes, Freq: r.Freq.String(), Interval: r.Interval, Weekdays: r.Weekdays.Names(), MonthDay: r.MonthDay,
		OnMissing: r.OnMissing.String(), StartDate: r.Start.String(), UntilDate: textOrNull(r.Until.String()), Count: r.Count,
		Paused: r.Paused, NextDate: textOrNull(r.Next.String()),
		Skipped: r.Skipped.String(), Settled: textOrNull(r.SettledThrough.String()), LastError: r.LastError, Failures: r.Failures, RetryAt: instantOrNull(r.RetryAt),
		CreatedAt: instantText(r.CreatedAt), UpdatedAt: instantText(r.UpdatedAt),
	}
}

func newBudgetLine(b budget.Budget) budgetLine {
	line := budgetLine{
		Type: lineBudget, ID: b.ID.String(), CategoryID: idOrNull(b.CategoryID), Label: b.MergedName, Into: idOrNull(b.MergedInto),
		Currency: b.Entries[0].Limit.Currency().Code(), Entries: make([]entryLine, len(b.Entries)), UntilMonth: textOrNull(b.Until.String()),
		Rollover: b.Rollover.String(), AlertAt: b.AlertAt, CreatedAt: instantText(b.CreatedAt), UpdatedAt: instantText(b.UpdatedAt),
	}
	for i, entry := range b.Entries {
		line.Entries[i] = entryLine{FromMonth: entry.From.String(), Amount: entry.Limit.Amount()}
	}
	if !b.RolloverCap.IsZero() {
		line.RolloverCap = new(b.RolloverCap.Amount())
	}
	return line
}

func newAlertLine(a budget.Alert) alertLine {
	return alertLine{
		Type: lineAlert, ID: a.ID.String(), BudgetID: a.BudgetID.String(), Month: a.Month.String(), Threshold: a.Threshold,
		RaisedAt: instantText(a.RaisedAt), ReadAt: instantOrNull(a.ReadAt),
	}
}

// idOrNull and textOrNull write what there may be none of; orEmpty reads it.
func idOrNull(id uuid.UUID) *string {
	if id == uuid.Nil {
		return nil
	}
	return new(id.String())
}

func textOrNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func orEmpty(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

func instantText(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func instantOrNull(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	return new(instantText(t))
}
