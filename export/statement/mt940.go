package statement

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
	queued     *record // a malformed line that follows a transaction
	done       bool
}

func newMT940Reader(r io.Reader) *mt940Reader { return &mt940Reader{lines: newLineReader(r)} }

var (
	mt940Field   = regexp.MustCompile(`^\s*:(\d\d[A-Z]?):(.*)$`)
	mt940Balance = regexp.MustCompile(`^[CD]\d{6}([A-Z]{3})`)
	// mt940Line has the value date, the entry date, the mark, and the amount of field 61.
	mt940Line = regexp.MustCompile(`^(\d{6})(\d{4})?(R?[CD]|E[CD])[A-Z]?(\d[\d.]*,\d*)`)
)

func (m *mt940Reader) next() (record, error) {
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
			return record{}, err
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
				m.open, m.queued = nil, &record{line: m.lines.line, fault: fault}
			}
			switch {
			case done:
				return last, nil
			case m.queued != nil:
				return m.next()
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
	return record{}, io.EOF
}

// begin opens the transaction of field 61.
func (m *mt940Reader) begin(text string) *expense.InvalidError {
	parts := mt940Line.FindStringSubmatch(text)
	if parts == nil {
		return &expense.InvalidError{Code: "malformed_line", Detail: "field 61 " + quote(text) +
			" is not a statement line of MT940"}
	}
	date, ok := newDate(number(parts[1][:2]), 2, number(parts[1][2:4]), number(parts[1][4:]))
	if !ok {
		return &expense.InvalidError{Code: "malformed_date", Detail: "field 61 " + quote(text) +
			" has a date that does not exist"}
	}
	b := &booking{line: m.lines.line, currency: m.currency, date: date.String()}
	if parts[2] != "" {
		b.date = entryDate(date, number(parts[2][:2]), number(parts[2][2:])).String()
	}
	b.amount = strings.TrimSuffix(strings.ReplaceAll(strings.ReplaceAll(parts[4], ".", ""), ",", "."), ".")
	if mark := parts[3]; mark == "D" || mark == "RC" || mark == "ED" {
		b.amount = "-" + b.amount
	}
	m.open, m.detail = b, ""
	return nil
}

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
func (m *mt940Reader) finish() (record, bool) {
	b := m.open
	if b == nil {
		return record{}, false
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
