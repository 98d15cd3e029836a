package export

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// expenseLine is an expense as a line of NDJSON: the members that the API gives it. In a backup it also has a type, and no version.
type expenseLine struct {
	Type         string          `json:"type,omitempty"`
	ID           string          `json:"id"`
	Amount       string          `json:"amount"`
	Currency     string          `json:"currency"`
	Date         string          `json:"date"`
	CategoryID   string          `json:"category_id"`
	Notes        string          `json:"notes"`
	RuleID       *string         `json:"rule_id"`
	Occurrence   *string         `json:"occurrence"`
	Rate         *string         `json:"rate"`
	RateDate     *string         `json:"rate_date"`
	RateSource   *string         `json:"rate_source"`
	HomeAmount   *string         `json:"home_amount"`
	HomeCurrency string          `json:"home_currency"`
	Pending      bool            `json:"pending"`
	Version      expense.Version `json:"version,omitempty"`
	CreatedAt    string          `json:"created_at"`
	UpdatedAt    string          `json:"updated_at"`
}

func newExpenseLine(e expense.Expense) expenseLine {
	line := expenseLine{
		ID: e.ID.String(), Amount: e.Amount.Amount(), Currency: e.Amount.Currency().Code(), Date: e.Date.String(),
		CategoryID: e.CategoryID.String(), Notes: e.Notes, RuleID: idOrNull(e.RuleID), Occurrence: textOrNull(e.Occurrence.String()),
		HomeCurrency: e.Home.Currency().Code(), Pending: e.Pending(), Version: e.Version,
		CreatedAt: instantText(e.CreatedAt), UpdatedAt: instantText(e.UpdatedAt),
	}
	if !line.Pending {
		texts := [...]string{e.Rate.Value.String(), e.Rate.Date.String(), string(e.Rate.Source), e.Home.Amount()}
		line.Rate, line.RateDate, line.RateSource, line.HomeAmount = &texts[0], &texts[1], &texts[2], &texts[3]
	}
	return line
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

// WriteNDJSON writes rows as NDJSON: one JSON object a line, with the members that the API gives an expense. It writes as it
// reads and holds no rows; the first error of rows or w ends it.
func WriteNDJSON(w io.Writer, rows iter.Seq2[expense.Expense, error]) error {
	lines := newLineWriter(w)
	for row, err := range rows {
		if err != nil {
			return fmt.Errorf("read the expenses to export: %w", err)
		}
		if err := lines.write(newExpenseLine(row)); err != nil {
			return err
		}
	}
	return lines.flush()
}

// A lineWriter writes values as lines of JSON, many at once.
type lineWriter struct {
	w     io.Writer
	buf   bytes.Buffer
	json  *json.Encoder
	lines int
}

func newLineWriter(w io.Writer) *lineWriter {
	l := &lineWriter{w: w}
	l.json = json.NewEncoder(&l.buf)
	l.json.SetEscapeHTML(false)
	return l
}

func (l *lineWriter) write(value any) error {
	if err := l.json.Encode(value); err != nil {
		return fmt.Errorf("encode line %d: %w", l.lines+1, err)
	}
	l.lines++
	if l.buf.Len() < flushSize {
		return nil
	}
	return l.flush()
}

func (l *lineWriter) flush() error {
	if _, err := l.buf.WriteTo(l.w); err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	return nil
}
