package ecb

import (
	"compress/gzip"
	_ "embed"
	"fmt"
	"strings"
)

// history is the bank's file eurofxref-hist.csv with all rates from 1999-01-04 to 2026-03-05, compressed by gzip -9;
// see NOTICE. To update it, replace the file.
//
//go:embed eurofxref-hist.csv.gz
var history string

// EmbeddedTable returns a new table with the history that is embedded in the program. It uses no network. One call
// takes about 10 ms and 5 MB of memory: call it once.
func EmbeddedTable() (*Table, error) {
	var file File
	reader, err := gzip.NewReader(strings.NewReader(history))
	if err == nil {
		file, err = ParseCSV(reader)
	}
	if err != nil {
		return nil, fmt.Errorf("embedded exchange rates: %w", err)
	}
	table := new(Table)
	table.Add(file.Quotes...)
	return table, nil
}
