package ecb

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spendwise/spendwise/expense"
)

// dateColumn is the header of the column that holds the days.
const dateColumn = "Date"

// ParseCSV reads the bank's history, eurofxref-hist.csv: a column Date and one per currency, found by their names in the
// header, in any order; each line may end with a comma; N/A or nothing stands for no price. Days are YYYY-MM-DD, in any
// order, none twice. The error is expense.ErrInvalid, with line and column, when the file is not like that.
func ParseCSV(r io.Reader) (File, error) {
	content := bound(r, maxFile)
	reader := csv.NewReader(content)
	reader.FieldsPerRecord = -1
	reader.ReuseRecord = true

	c := newCollector()
	header, err := reader.Read()
	if errors.Is(err, io.EOF) {
		return File{}, malformed("the file is empty")
	}
	if err != nil {
		return File{}, csvError(content, err)
	}
	columns, err := parseHeader(c, reader, header)
	if err != nil {
		return File{}, err
	}
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return File{}, csvError(content, err)
		}
		if err := columns.parse(c, reader, record); err != nil {
			return File{}, err
		}
	}
	// The bank's file begins with the newest day, and the columns were read from the last code to the first.
	slices.Reverse(c.quotes)
	return c.file()
}

// columns says what stands where in a record.
type columns struct {
	width  int // without the empty column that a trailing comma makes
	date   int
	prices []column // from the last currency code to the first, then the unknown ones
}

type column struct {
	index    int
	name     string
	currency expense.Currency // zero: not known, left out
}

func parseHeader(c *collector, reader *csv.Reader, header []string) (columns, error) {
	header = withoutTrailingComma(header)
	cols := columns{width: len(header), date: -1}
	seen := map[string]bool{}
	for i, name := range header {
		name = strings.TrimSpace(name)
		at := cell(reader, i)
		if seen[name] {
			return columns{}, at.fault("the header has the column %s twice", quote(name))
		}
		seen[name] = true
		if name == dateColumn {
			cols.date = i
			continue
		}
		currency, err := c.currency(at, name)
		if err != nil {
			return columns{}, err
		}
		cols.prices = append(cols.prices, column{index: i, name: strings.Clone(name), currency: currency})
	}
	if cols.date < 0 {
		return columns{}, place{1, 1}.fault("the header has no column %q", dateColumn)
	}
	slices.SortFunc(cols.prices, func(a, b column) int { return b.currency.Compare(a.currency) })
	return cols, nil
}

func (cols columns) parse(c *collector, reader *csv.Reader, record []string) error {
	if len(record) == cols.width+1 {
		record = withoutTrailingComma(record)
	}
	if len(record) != cols.width {
		return cell(reader, 0).fault("the line has %d values, the header %d", len(record), cols.width)
	}
	date, err := c.day(cell(reader, cols.date), strings.TrimSpace(record[cols.date]))
	if err != nil {
		return err
	}
	for _, col := range cols.prices {
		text := strings.TrimSpace(record[col.index])
		if text == "N/A" || text == "" {
			continue
		}
		if err := c.price(cell(reader, col.index), date, col.currency, text); err != nil {
			return fmt.Errorf("the price of %s: %w", col.name, err)
		}
	}
	return nil
}

// withoutTrailingComma drops the empty value after a record's last comma.
func withoutTrailingComma(record []string) []string {
	if last := len(record) - 1; last >= 0 && strings.TrimSpace(record[last]) == "" {
		return record[:last]
	}
	return record
}

// cell returns where value i of the last record read begins.
func cell(reader *csv.Reader, i int) place {
	line, column := reader.FieldPos(i)
	return place{line, column}
}

// csvError says where the syntax is broken and what to do; when the file could not be read, that is the error.
func csvError(content *bounded, err error) error {
	if content.err != nil {
		return content.err
	}
	if syntax, ok := errors.AsType[*csv.ParseError](err); ok {
		return place{syntax.Line, syntax.Column}.fault("%v", syntax.Err)
	}
	return malformed("%v", err)
}
