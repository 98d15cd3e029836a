package wire

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// AppendLine appends w to b as a line of NDJSON. With a lineType it is a line of a backup: its first member is the
// type, and it has no version. AppendLine writes the same bytes as encoding/json without HTML escaping, but is about
// three times as fast.
func (w Expense) AppendLine(b []byte, lineType string) []byte {
	l := line{append(b, '{')}
	if lineType != "" {
		l.text("type", &lineType)
	}
	l.id("id", &w.ID)
	l.text("amount", &w.Amount)
	l.text("currency", &w.Currency)
	l.text("date", &w.Date)
	l.id("category_id", &w.CategoryID)
	l.text("notes", &w.Notes)
	l.id("rule_id", w.RuleID)
	l.text("occurrence", w.Occurrence)
	l.text("rate", w.Rate)
	l.text("rate_date", w.RateDate)
	l.text("rate_source", w.RateSource)
	l.text("home_amount", w.HomeAmount)
	l.text("home_currency", &w.HomeCurrency)
	l.name("pending")
	l.b = strconv.AppendBool(l.b, w.Pending)
	if lineType == "" {
		l.name("version")
		l.b = strconv.AppendInt(l.b, int64(w.Version), 10)
	}
	l.instant("created_at", w.CreatedAt)
	l.instant("updated_at", w.UpdatedAt)
	return append(l.b, '}', '\n')
}

// line is a JSON object to which members are appended.
type line struct{ b []byte }

func (l *line) name(name string) {
	if l.b[len(l.b)-1] != '{' {
		l.b = append(l.b, ',')
	}
	l.b = append(append(append(l.b, '"'), name...), '"', ':')
}

func (l *line) text(name string, text *string) {
	l.name(name)
	if text == nil {
		l.b = append(l.b, "null"...)
		return
	}
	if strings.ContainsFunc(*text, mustEscape) || !utf8.ValidString(*text) {
		var escaped bytes.Buffer
		encoder := json.NewEncoder(&escaped)
		encoder.SetEscapeHTML(false)
		_ = encoder.Encode(*text) // a string has no error
		l.b = append(l.b, bytes.TrimSuffix(escaped.Bytes(), []byte("\n"))...)
		return
	}
	l.b = append(append(append(l.b, '"'), *text...), '"')
}

func mustEscape(r rune) bool {
	return r < ' ' || r == '"' || r == '\\' || r == '\u2028' || r == '\u2029'
}

func (l *line) id(name string, id *uuid.UUID) {
	var text *string
	if id != nil {
		text = new(id.String())
	}
	l.text(name, text)
}

func (l *line) instant(name string, t time.Time) {
	l.name(name)
	l.b = append(t.AppendFormat(append(l.b, '"'), time.RFC3339Nano), '"')
}
