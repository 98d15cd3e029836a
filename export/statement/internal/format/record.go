// Package format splits files into records: the lines of CSV, and the transactions of OFX, QIF, MT940 and CAMT.
package format

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spendwise/spendwise/expense"
)

// The bounds of a file.
const (
	maxRecord = 1 << 20 // bytes of a record of CSV, over all its lines, and of a line of another format
	// MaxColumns is the maximum number of cells of a record.
	MaxColumns = 1000
)

// A Record is one line of a file, or one transaction of a format that is not a table.
type Record struct {
	Line   int      // the physical line on which it begins, or its row in a spreadsheet; from 1
	Fields []string // valid until the next record is read; none for an empty line
	Fault  *expense.InvalidError
}

// A Reader reads the records of a file. For a format that is not a table, the first record is a header with the
// names of the columns in [Columns].
type Reader interface {
	// Next returns the next record. The error is io.EOF after the last one.
	Next() (Record, error)
}

// FileError returns an error about the file as a whole.
func FileError(code, detail string, args ...any) error {
	return &expense.InvalidError{Field: "file", Code: code, Detail: fmt.Sprintf(detail, args...)}
}

// A lineReader reads the lines of a text.
type lineReader struct {
	scanner *bufio.Scanner
	line    int
}

func newLineReader(r io.Reader) *lineReader {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(make([]byte, 4096), maxRecord)
	return &lineReader{scanner: scanner}
}

// next returns the next line without its line end. The error is io.EOF after the last one, and ErrInvalid for a line
// that is too long.
func (l *lineReader) next() (string, error) {
	if l.scanner.Scan() {
		l.line++
		return strings.TrimRight(l.scanner.Text(), "\r"), nil
	}
	switch err := l.scanner.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return "", FileError("line_too_long", "line %d is longer than 1 MiB; export the file again", l.line+1)
	case err != nil:
		return "", fmt.Errorf("read the file after line %d: %w", l.line, err)
	}
	return "", io.EOF
}
