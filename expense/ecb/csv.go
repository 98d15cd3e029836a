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

// dateColumn is the header of the column with the dates.
const dateColumn = "Date"

// ParseCSV parses the bank's history, eurofxref-hist.csv. The header has a column Date and a column for each currency
// code, in any order. Lines may end with a comma. N/A or an empty value means that there is no rate. Dates are
// YYYY-MM-DD, in any order, each once. If the file is malformed, the error is [expense.ErrInvalid] and states line and
// column.
func ParseCSV(r io.Reader) (File, error) {
	content := newLimitedReader(r, maxFile)
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
	// The bank's file begins with the latest day, and parse reads the columns from the last code to the first. So
	// reversing sorts the quotes.
	slices.Reverse(c.quotes)
	return c.file()
}

// columns is the parsed header of the file.
type columns struct {
	width int      // the number of columns, without the empty one after a trailing comma
	date  int      // the index of the date
	rates []column // from the last currency code to the first, then the unknown currencies
}

type column struct {
	index    int
	name     string
	currency expense.Currency // zero if it is unknown
}

func parseHeader(c *collector, reader *csv.Reader, header []string) (columns, error) {
	header = withoutTrailingComma(header)
	cols := columns{width: len(header), date: -1}
	seen := map[string]bool{}
	for i, name := range header {
		name = strings.TrimSpace(name)
		at := cellPosition(reader, i)
		if seen[name] {
			return columns{}, at.errorf("the header has column %s twice", quote(name))
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
		cols.rates = append(cols.rates, column{index: i, name: strings.Clone(name), currency: currency})
	}
	if cols.date < 0 {
		return columns{}, position{1, 1}.errorf("the header has no column %q", dateColumn)
	}
	slices.SortFunc(cols.rates, func(a, b column) int { return b.currency.Compare(a.currency) })
	return cols, nil
}

func (cols columns) parse(c *collector, reader *csv.Reader, record []string) error {
	if len(record) == cols.width+1 {
		record = withoutTrailingComma(record)
	}
	if len(record) != cols.width {
		return cellPosition(reader, 0).errorf("the line has %d values, but the header has %d", len(record), cols.width)
	}
	date, err := c.day(cellPosition(reader, cols.date), strings.TrimSpace(record[cols.date]))
	if err != nil {
		return err
	}
	for _, col := range cols.rates {
		text := strings.TrimSpace(record[col.index])
		if text == "N/A" || text == "" {
			continue
		}
		if err := c.rate(cellPosition(reader, col.index), date, col.currency, text); err != nil {
			return fmt.Errorf("rate of %s: %w", col.name, err)
		}
	}
	return nil
}

// withoutTrailingComma removes the empty value after a trailing comma.
func withoutTrailingComma(record []string) []string {
	if last := len(record) - 1; last >= 0 && strings.TrimSpace(record[last]) == "" {
		return record[:last]
	}
	return record
}

// cellPosition returns the position of value i of the record that was read last.
func cellPosition(reader *csv.Reader, i int) position {
	line, column := reader.FieldPos(i)
	return position{line, column}
}

// csvError returns an error of the reader with its position. If reading the file failed, it returns that error.
func csvError(content *limitedReader, err error) error {
	if content.err != nil {
		return content.err
	}
	if syntax, ok := errors.AsType[*csv.ParseError](err); ok {
		return position{syntax.Line, syntax.Column}.errorf("%v", syntax.Err)
	}
	return malformed("%v", err)
}
