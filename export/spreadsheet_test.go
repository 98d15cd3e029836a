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

// TestASpreadsheetShowsTheSameCells has LibreOffice read an export as it reads any CSV file, and write it again: every
// cell has to be the text that the export holds, and none of them may have been run as a formula.
func TestASpreadsheetShowsTheSameCells(t *testing.T) {
	office, err := exec.LookPath("soffice")
	if err != nil {
		t.Skip("LibreOffice is missing: apt-get install libreoffice-calc-nogui")
	}
	var rows []expense.Expense
	for _, notes := range append(exporttest.HostileTexts(), "=1+1", "+2+3", "-4", "@SUM(1)", "'=1+1", "\t=1+1",
		"=HYPERLINK(\"http://x\")", "=cmd|' /C calc'!A0") {
		row := coffee
		row.Notes = strings.ReplaceAll(notes, "\u2028", "") // LibreOffice takes this one for a line's end
		rows = append(rows, row)
	}
	text := writeCSV(t, export.CSVOptions{BOM: true, CategoryName: named("=Food").CategoryName}, rows...)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "expenses.csv"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// Comma, quote, UTF-8, from line 1, all columns as they come; the second filter writes what the cells show.
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
		t.Fatalf("%d lines, want %d:\n%s", len(got), len(want), shown)
	}
	columns := strings.Split(wire.CSVHeader, ",")
	for i := range want {
		for j, column := range columns {
			// A number is shown by the spreadsheet's own rules: what matters here is text, that could be run.
			if slices.Contains([]string{"id", "date", "currency", "category", "notes", "rate_source", "home_currency"},
				column) && got[i][j] != want[i][j] {
				t.Errorf("line %d, %s: the spreadsheet shows %q, the export holds %q", i+1, column, got[i][j], want[i][j])
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
