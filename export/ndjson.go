package export

import (
	"bufio"
	"fmt"
	"io"
	"iter"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/wire"
)

// WriteNDJSON writes rows as NDJSON: one [wire.Expense] per line. It writes while it reads and does not hold the rows
// in memory. It stops at the first error of rows or w and returns it.
func WriteNDJSON(w io.Writer, rows iter.Seq2[expense.Expense, error]) error {
	buffered := bufio.NewWriterSize(w, flushSize)
	var line []byte
	for row, err := range rows {
		if err != nil {
			return fmt.Errorf("read the expenses to export: %w", err)
		}
		line = wire.NewExpense(row).AppendLine(line[:0], "")
		if _, err := buffered.Write(line); err != nil {
			return fmt.Errorf("write expense %s: %w", row.ID, err)
		}
	}
	if err := buffered.Flush(); err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	return nil
}
