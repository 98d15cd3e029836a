package statement

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/statement/internal/format"
)

const (
	maxPreamble = 100 // the number of lines among which the header is searched
	maxSample   = 500 // the number of records from which the meanings of the columns are detected
)

// A table is what is known about the columns of a file.
type table struct {
	headerLine int        // 0: the file has no header
	names      []string   // the header; empty without one
	width      int        // the number of columns
	sample     [][]string // the first records with a date, or with a status in its place
	preamble   [][]string
	known      int // how many columns have a known name
}

// delimiters lists the delimiters that detectDelimiter tries.
var delimiters = []string{",", ";", "\t", "|"}

// readTable detects the delimiter and the header of a file.
func readTable(f *file, m Mapping) (table, error) {
	if f.format != CSV {
		records, err := f.records()
		if err != nil {
			return table{}, err
		}
		t, err := sampleTable(records, m)
		if err == nil && t.width == 0 {
			err = errNoTable()
		}
		return t, err
	}
	candidates := delimiters
	if given := m.Delimiter; given != "" {
		candidates = []string{given}
	} else if separator, ok := separatorLine(f.head); ok {
		candidates = []string{separator}
	}
	best, bestScore := table{}, -1
	for _, delimiter := range candidates {
		t, err := sampleTable(format.NewCSV(strings.NewReader(f.head), "", delimiter[0]), m)
		if err != nil {
			return table{}, err
		}
		if score := t.score(); score > bestScore {
			best, bestScore, f.delimiter = t, score, delimiter[0]
		}
	}
	if bestScore <= 0 {
		return table{}, errNoTable()
	}
	return best, nil
}

func errNoTable() error {
	return format.FileError("unknown_format", "the file has no table with a date and an amount in each line; %s",
		exportInstead)
}

// score says how well a delimiter fits: it finds names of columns that are known, and many columns.
func (t *table) score() int {
	if t.width < 2 {
		return 0
	}
	return t.known*1000 + min(len(t.sample), 1)*500 + t.width
}

// separatorLine returns the delimiter of a first line such as "sep=;", which spreadsheets write.
func separatorLine(head string) (string, bool) {
	line, _, _ := strings.Cut(head, "\n")
	rest, ok := strings.CutPrefix(strings.ToLower(strings.Trim(line, "\r\" \ufeff")), "sep=")
	return rest, ok && len(rest) == 1
}

// sampleTable reads the first records and finds the header among them. Without a known header, a record above the first
// one with a date and an amount is the header if it has as many cells and no number.
func sampleTable(records format.Reader, m Mapping) (table, error) {
	var t table
	var rows [][]string
	var lines []int
	for len(rows) < maxSample+maxPreamble {
		rec, err := records.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return table{}, err
		}
		rows, lines = append(rows, slices.Clone(rec.Fields)), append(lines, rec.Line)
	}
	header := -1
	for i := range rows {
		switch {
		case m.HeaderLine != nil && *m.HeaderLine == 0:
		case m.HeaderLine != nil && lines[i] == *m.HeaderLine, m.HeaderLine == nil && i < maxPreamble && isHeader(rows[i]):
			header = i
		default:
			continue
		}
		break
	}
	if m.HeaderLine != nil && *m.HeaderLine > 0 && header < 0 {
		return table{}, &expense.InvalidError{Field: "header_line", Code: "out_of_range",
			Detail: fmt.Sprintf("header_line %d is empty or after the end of the file; give another line", *m.HeaderLine)}
	}
	first := slices.IndexFunc(rows[header+1:], isData) + header + 1
	if header < 0 && m.HeaderLine == nil && first > 0 && isUnknownHeader(rows[first-1], rows[first]) {
		header = first - 1
	}
	if header >= 0 {
		t.headerLine, t.names = lines[header], rows[header]
		t.preamble = rows[:header]
		for len(t.names) > 0 && trim(t.names[len(t.names)-1]) == "" {
			t.names = t.names[:len(t.names)-1] // a delimiter at the end of the header
		}
		for _, name := range t.names {
			if len(meaningsOf(name)) > 0 {
				t.known++
			}
		}
	}
	t.width = len(t.names)
	for _, row := range rows[header+1:] {
		if len(t.sample) < maxSample && slices.ContainsFunc(row, isDateOrStatus) {
			t.sample = append(t.sample, row)
		}
	}
	if header < 0 {
		for _, row := range t.sample {
			if isData(row) {
				t.width = max(t.width, len(row))
			}
		}
	}
	return t, nil
}

func isDate(cell string) bool {
	d, ok := parseDateCell(cell, false)
	return ok && !d.serial && d.orders() != noOrder && (d.count > 1 || d.widths[0] == 8)
}

// isDateOrStatus reports whether a cell is a date or says that the transaction did not take place, or not yet.
func isDateOrStatus(cell string) bool { return isDate(cell) || wordIn(voidWords, cell) }

func isAmount(cell string) bool { return !noAmount(cell) && separatorsOf(cell) != malformedCell }

// isData reports whether a record has a date and, in another cell, an amount.
func isData(row []string) bool {
	date := slices.IndexFunc(row, isDate)
	if date < 0 {
		return false
	}
	for i, cell := range row {
		if i != date && isAmount(cell) && !isDate(cell) {
			return true
		}
	}
	return false
}

// isHeader reports whether a record names a date and an amount, and contains neither.
func isHeader(row []string) bool {
	date, amount := false, false
	for _, cell := range row {
		if isDate(cell) || isAmount(cell) && onlyDigits(strings.Trim(cell, "-+., ")) {
			return false
		}
		for _, m := range meaningsOf(cell) {
			date = date || m.meaning == MeansDate || m.meaning == MeansValueDate
			amount = amount || m.meaning == MeansAmount || m.meaning == MeansDebit || m.meaning == MeansCredit
		}
	}
	return date && amount
}

// isUnknownHeader reports whether row may be the header of a table whose first row is data.
func isUnknownHeader(row, data []string) bool {
	if len(row) < 2 || len(row) > len(data)+1 || len(row)+1 < len(data) {
		return false
	}
	filled := 0
	for _, cell := range row {
		if isDate(cell) || isAmount(cell) {
			return false
		}
		if trim(cell) != "" {
			filled++
		}
	}
	return filled*2 > len(row)
}

// columnName returns the name of a column in a mapping: its header if no other column has the same, else its position.
func (t *table) columnName(index int) string {
	if index >= len(t.names) || trim(t.names[index]) == "" {
		return positionName(index)
	}
	for i, name := range t.names {
		if i != index && expense.Fold(trim(name)) == expense.Fold(trim(t.names[index])) {
			return positionName(index)
		}
	}
	return trim(t.names[index])
}

func positionName(index int) string { return "#" + strconv.Itoa(index+1) }

// find returns the index of a column that a mapping names. The error is ErrInvalid.
func (t *table) find(name string) (int, error) {
	if name == "" {
		return -1, nil
	}
	found := -1
	for i, header := range t.names {
		if expense.Fold(trim(header)) != expense.Fold(trim(name)) {
			continue
		}
		if found >= 0 {
			return -1, &expense.InvalidError{Code: "ambiguous_column", Detail: fmt.Sprintf(
				"the file has several columns %s; name one by its position, such as %q", quote(name), positionName(i))}
		}
		found = i
	}
	if digits, ok := strings.CutPrefix(name, "#"); found < 0 && ok {
		if n, err := strconv.Atoi(digits); err == nil && 0 < n && n <= t.width {
			return n - 1, nil
		}
	}
	if found < 0 {
		shown := make([]string, 0, 30)
		for i := range min(t.width, 30) {
			shown = append(shown, quote(t.columnName(i)))
		}
		return -1, &expense.InvalidError{Code: "unknown_column", Detail: fmt.Sprintf(
			"the file has no column %s; its columns are %s", quote(name), strings.Join(shown, ", "))}
	}
	return found, nil
}
