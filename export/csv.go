package export

import (
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/wire"
)

// flushSize is the number of bytes that are buffered before they are written.
const flushSize = 32 << 10

// CSVOptions are the options of [WriteCSV].
type CSVOptions struct {
	// BOM writes a byte order mark first. Some spreadsheets recognise UTF-8 only by the mark.
	BOM bool
	// CategoryName returns the name of a category. If it returns an error, WriteCSV stops and returns the error. See
	// [CategoryNames].
	CategoryName func(id uuid.UUID) (string, error)
}

// CategoryNames returns a function for [CSVOptions.CategoryName] that knows the given categories. It returns
// expense.ErrNotFound for any other category.
func CategoryNames(categories []expense.Category) func(uuid.UUID) (string, error) {
	names := make(map[uuid.UUID]string, len(categories))
	for _, category := range categories {
		names[category.ID] = category.Name
	}
	return func(id uuid.UUID) (string, error) {
		name, ok := names[id]
		if !ok {
			return "", fmt.Errorf("category %s: %w", id, expense.ErrNotFound)
		}
		return name, nil
	}
}

// WriteCSV writes rows as CSV (RFC 4180): UTF-8, CRLF line ends, [wire.CSVHeader] as the first line, and a point as the
// decimal separator. A text that a spreadsheet could run as a formula gets a leading apostrophe, see [wire.GuardCell].
//
// WriteCSV writes while it reads and does not hold the rows in memory. It stops at the first error of rows or w and
// returns it. Package export/statement reads the file without loss by its OwnMapping.
func WriteCSV(w io.Writer, rows iter.Seq2[expense.Expense, error], opts CSVOptions) error {
	buf := make([]byte, 0, flushSize+(16<<10))
	if opts.BOM {
		buf = append(buf, "\ufeff"...)
	}
	buf = append(buf, wire.CSVHeader+"\r\n"...)
	for row, err := range rows {
		if err != nil {
			return fmt.Errorf("read the expenses to export: %w", err)
		}
		category, err := opts.CategoryName(row.CategoryID)
		if err != nil {
			return fmt.Errorf("find the category of expense %s: %w", row.ID, err)
		}
		buf = appendRow(buf, row, category)
		if len(buf) >= flushSize {
			if _, err := w.Write(buf); err != nil {
				return fmt.Errorf("write the export: %w", err)
			}
			buf = buf[:0]
		}
	}
	if _, err := w.Write(buf); err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	return nil
}

// appendRow appends the line of one expense in the order of [wire.CSVHeader].
func appendRow(b []byte, row expense.Expense, category string) []byte {
	b = append(appendID(b, row.ID), ',')
	b = append(row.Date.AppendTo(b), ',')
	b = append(row.Amount.AppendAmount(b), ',')
	b = append(append(b, row.Amount.Currency().Code()...), ',')
	b = append(appendText(b, category), ',')
	b = append(appendText(b, row.Notes), ',')
	if row.Pending() {
		b = append(b, ",,,,"...)
	} else {
		b = append(row.Rate.Value.AppendTo(b), ',')
		b = append(row.Rate.Date.AppendTo(b), ',')
		b = append(appendText(b, string(row.Rate.Source)), ',')
		b = append(row.Home.AppendAmount(b), ',')
	}
	b = append(append(b, row.Home.Currency().Code()...), ',')
	if row.RuleID != uuid.Nil {
		b = appendID(b, row.RuleID)
	}
	return append(b, '\r', '\n')
}

// appendText appends a text cell. It guards formulas, and quotes the text where RFC 4180 requires it and around leading
// and trailing spaces.
func appendText(b []byte, text string) []byte {
	text = wire.GuardCell(text)
	if text == "" {
		return b
	}
	if text[0] != ' ' && text[len(text)-1] != ' ' && !strings.ContainsAny(text, "\",\r\n") {
		return append(b, text...)
	}
	b = append(b, '"')
	for {
		before, after, quote := strings.Cut(text, `"`)
		b = append(b, before...)
		if !quote {
			return append(b, '"')
		}
		b = append(b, `""`...)
		text = after
	}
}

// appendID appends an id in its usual form of 36 characters.
func appendID(b []byte, id uuid.UUID) []byte {
	b = hex.AppendEncode(b, id[0:4])
	b = append(b, '-')
	b = hex.AppendEncode(b, id[4:6])
	b = append(b, '-')
	b = hex.AppendEncode(b, id[6:8])
	b = append(b, '-')
	b = hex.AppendEncode(b, id[8:10])
	b = append(b, '-')
	return hex.AppendEncode(b, id[10:16])
}
