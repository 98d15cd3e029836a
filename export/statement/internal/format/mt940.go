package format

import (
	"errors"
	"io"
	"iter"
	"regexp"
	"strings"
	"time"

	"github.com/spendwise/spendwise/expense"
)

// An mt940Reader reads the statement lines (field 61) of SWIFT MT940 and MT942 with the information (field 86) after
// each.
type mt940Reader struct {
	lines      *lineReader
	started    bool
	currency   string
	open       *booking
	detail     string // of field 86 of open
	detailLine int    // the length of the last line of detail
	inDetail   bool
	queued     *Record // a malformed line that follows a transaction
	done       bool
}

// NewMT940 returns a reader of the transactions of MT940 in UTF-8.
func NewMT940(r io.Reader) Reader { return &mt940Reader{lines: newLineReader(r)} }

var (
	mt940Field   = regexp.MustCompile(`^\s*:(\d\d[A-Z]?):(.*)$`)
	mt940Balance = regexp.MustCompile(`^[CD]\d{6}([A-Z]{3})`)
	// mt940Line has the value date, the entry date, the mark, and the amount of field 61.
	mt940Line = regexp.MustCompile(`^(\d{6})(\d{4})?(R?[CD]|E[CD])[A-Z]?(\d[\d.]*,\d*)`)
)

// Next implements [Reader].
func (m *mt940Reader) Next() (Record, error) {
	if !m.started {
		m.started = true
		return bookingHeader(), nil
	}
	if queued := m.queued; queued != nil {
		m.queued = nil
		return *queued, nil
	}
	for !m.done {
		line, err := m.lines.next()
		if errors.Is(err, io.EOF) {
			m.done = true
			break
		}
		if err != nil {
			return Record{}, err
		}
		field := mt940Field.FindStringSubmatch(line)
		if field == nil {
			if m.inDetail && !strings.HasPrefix(strings.TrimSpace(line), "-}") && strings.TrimSpace(line) != "-" {
				m.addDetail(line)
			}
			continue
		}
		m.inDetail = field[1] == "86" && m.open != nil
		switch field[1] {
		case "60F", "60M":
			if balance := mt940Balance.FindStringSubmatch(field[2]); balance != nil {
				m.currency = balance[1]
			}
		case "86":
			m.addDetail(field[2])
		case "61":
			last, done := m.finish()
			if fault := m.begin(field[2]); fault != nil {
				m.open, m.queued = nil, &Record{Line: m.lines.line, Fault: fault}
			}
			switch {
			case done:
				return last, nil
			case m.queued != nil:
				return m.Next()
			}
		case "62F", "62M", "20":
			if last, done := m.finish(); done {
				return last, nil
			}
		}
	}
	if last, done := m.finish(); done {
		return last, nil
	}
	return Record{}, io.EOF
}

// begin opens the transaction of field 61.
func (m *mt940Reader) begin(text string) *expense.InvalidError {
	parts := mt940Line.FindStringSubmatch(text)
	if parts == nil {
		return &expense.InvalidError{Code: "malformed_line", Detail: "field 61 " + expense.QuoteText(text) +
			" is not a statement line of MT940"}
	}
	date, ok := swiftDate(parts[1])
	if !ok {
		return &expense.InvalidError{Code: "malformed_date", Detail: "field 61 " + expense.QuoteText(text) +
			" has a date that does not exist"}
	}
	b := &booking{line: m.lines.line, currency: m.currency, date: date.String()}
	if parts[2] != "" {
		b.date = entryDate(date, twoDigits(parts[2][:2]), twoDigits(parts[2][2:])).String()
	}
	b.amount = strings.TrimSuffix(strings.ReplaceAll(strings.ReplaceAll(parts[4], ".", ""), ",", "."), ".")
	if mark := parts[3]; mark == "D" || mark == "RC" || mark == "ED" {
		b.amount = "-" + b.amount
	}
	m.open, m.detail = b, ""
	return nil
}

// swiftDate returns the date of a text such as 260131. The years lie from 1970 to 2069.
func swiftDate(text string) (expense.Date, bool) {
	year := 2000 + twoDigits(text[:2])
	if year >= 2070 {
		year -= 100
	}
	date, err := expense.NewDate(year, time.Month(twoDigits(text[2:4])), twoDigits(text[4:]))
	return date, err == nil
}

func twoDigits(text string) int { return int(text[0]-'0')*10 + int(text[1]-'0') }

// entryDate returns the date with this month and day that is nearest to the value date, or the value date if there is
// none.
func entryDate(value expense.Date, month, day int) expense.Date {
	nearest, distance := value, 1<<30
	for year := value.Year() - 1; year <= value.Year()+1; year++ {
		date, err := expense.NewDate(year, time.Month(month), day)
		if err != nil {
			continue
		}
		if days := max(date.Sub(value), value.Sub(date)); days < distance {
			nearest, distance = date, days
		}
	}
	return nearest
}

// maxDetailLine is the maximum length of a line of field 86. The text of a line of this length continues without a
// blank on the next line.
const maxDetailLine = 65

// addDetail appends a line of field 86.
func (m *mt940Reader) addDetail(line string) {
	if m.open == nil || len(m.detail)+len(line) >= maxText {
		return
	}
	if m.detail != "" && m.detailLine < maxDetailLine {
		m.detail += "\n"
	}
	m.detail, m.detailLine = m.detail+line, len(line)
}

var (
	mt940Part = regexp.MustCompile(`\?(\d\d)`)
	mt940Tag  = regexp.MustCompile(`/([A-Z]{4}|IBAN|BIC|ID)/`)
)

// finish completes the open transaction.
func (m *mt940Reader) finish() (Record, bool) {
	b := m.open
	if b == nil {
		return Record{}, false
	}
	joined := strings.ReplaceAll(m.detail, "\n", "")
	switch {
	case mt940Part.MatchString(joined):
		b.addParts(joined)
	case strings.HasPrefix(joined, "/") && mt940Tag.MatchString(joined):
		b.addTags(joined)
	default:
		appendText(&b.memo, m.detail)
	}
	m.open, m.inDetail, m.detail = nil, false, ""
	return b.record(), true
}

// addParts adds a field 86 of a German bank: ?20 to ?29 and ?60 to ?63 are the purpose, ?32 and ?33 the name.
func (b *booking) addParts(detail string) {
	purpose := ""
	for number, text := range parts(mt940Part, detail) {
		switch number {
		case "32", "33":
			b.payee += text
		case "20", "21", "22", "23", "24", "25", "26", "27", "28", "29", "60", "61", "62", "63":
			purpose += text
		}
	}
	appendText(&b.memo, purpose)
}

// addTags adds a field 86 of a Dutch bank: /NAME/ is the name, /REMI/ the purpose, and the third element of /CNTP/ the
// name.
func (b *booking) addTags(detail string) {
	for tag, text := range parts(mt940Tag, detail) {
		switch tag {
		case "NAME":
			appendText(&b.payee, text)
		case "CNTP":
			if elements := strings.Split(text, "/"); len(elements) > 2 {
				appendText(&b.payee, elements[2])
			}
		case "REMI":
			appendText(&b.memo, strings.Trim(strings.TrimPrefix(text, "USTD//"), "/"))
		}
	}
}

// parts yields the texts that follow the matches of a separator, with the first group of the match.
func parts(separator *regexp.Regexp, text string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		marks := separator.FindAllStringSubmatchIndex(text, -1)
		for i, mark := range marks {
			end := len(text)
			if i+1 < len(marks) {
				end = marks[i+1][0]
			}
			if !yield(text[mark[2]:mark[3]], text[mark[1]:end]) {
				return
			}
		}
	}
}
