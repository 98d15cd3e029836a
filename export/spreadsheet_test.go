package export_test

import (
	"encoding/csv"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export"
	"github.com/spendwise/spendwise/export/internal/exporttest"
	"github.com/spendwise/spendwise/export/wire"
)

// TestWriteCSV_SpreadsheetShowsSameCells lets LibreOffice read an export as a CSV file and write it again. Each cell
// must contain the text of the export. LibreOffice must not evaluate a cell as a formula.
func TestWriteCSV_SpreadsheetShowsSameCells(t *testing.T) {
	office, err := exec.LookPath("soffice")
	if err != nil {
		t.Skip("LibreOffice is missing: apt-get install libreoffice-calc-nogui")
	}
	var rows []expense.Expense
	for _, notes := range append(exporttest.HostileTexts(), "=1+1", "+2+3", "-4", "@SUM(1)", "'=1+1", "\t=1+1",
		"=HYPERLINK(\"http://x\")", "=cmd|' /C calc'!A0") {
		row := coffee
		row.Notes = strings.ReplaceAll(notes, "\u2028", "") // LibreOffice treats U+2028 as a line break
		rows = append(rows, row)
	}
	text := writeCSV(t, export.CSVOptions{BOM: true, CategoryName: optionsFor("=Food").CategoryName}, rows...)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "expenses.csv"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// The options of the input filter are: comma, double quote, UTF-8, start at line 1, default column formats. The output
	// filter writes the cells as shown.
	command := exec.CommandContext(t.Context(), office, "-env:UserInstallation=file://"+dir+"/profile", "--headless",
		"--infilter=CSV:44,34,76,1", "--convert-to", "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false",
		"--outdir", dir+"/out", dir+"/expenses.csv")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	shown, err := os.ReadFile(filepath.Join(dir, "out", "expenses.csv"))
	if err != nil {
		t.Fatal(err)
	}
	want, got := cells(t, text), cells(t, string(shown))
	if len(got) != len(want) {
		t.Fatalf("the spreadsheet has %d lines, want %d:\n%s", len(got), len(want), shown)
	}
	columns := strings.Split(wire.CSVHeader, ",")
	for i := range want {
		for j, column := range columns {
			// The spreadsheet formats numbers by its own rules. This test compares only texts, because only texts could be
			// evaluated as formulas.
			if slices.Contains([]string{"id", "date", "currency", "category", "notes", "rate_source", "home_currency"},
				column) && got[i][j] != want[i][j] {
				t.Errorf("line %d, %s: the spreadsheet shows %q, the export contains %q", i+1, column, got[i][j], want[i][j])
			}
		}
	}
}

func cells(t *testing.T, text string) [][]string {
	t.Helper()
	records, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\ufeff"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return records
}
