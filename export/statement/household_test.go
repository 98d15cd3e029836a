package statement_test

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spendwise/spendwise/export/statement"
	"github.com/spendwise/spendwise/report"
)

// yearsByAwk sums the expenses of the household file by year. It first removes the quoted cells, which may contain
// commas. The amount is the cell before the cell "Expense".
const yearsByAwk = `NR > 1 {
	line = $0; gsub(/"[^"]*"/, "", line); cells = split(line, cell, ",")
	for (i = 1; i <= cells; i++) if (cell[i] ~ /^ *Expense *$/) {
		amount = cell[i-1]; gsub(/ /, "", amount); year = substr(cell[1], 7, 4)
		paise[year] += int(amount * 100 + 0.5); count[year]++
	}
} END { for (year in paise) printf "%s %.2f %d\n", year, paise[year] / 100, count[year] }`

// TestImport_YearlyReportsAgreeWithAwk compares the yearly reports of the household file with the sums that awk
// computes from the same file.
func TestImport_YearlyReportsAgreeWithAwk(t *testing.T) {
	const file = "testdata/household-transactions.csv"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	f := newLedger(t, "INR")
	f.load(string(text), "", statement.Options{})
	now := time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC)
	var got []string
	for year := 2015; year <= 2018; year++ {
		yearly, err := report.Yearly(t.Context(), f.st.Reader(owner), now, year, 0)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%d %s %d", year, yearly.Sum.Home.Amount(), yearly.Sum.Count))
		months, categories := int64(0), int64(0)
		for _, month := range yearly.ByMonth {
			months += month.Sum.Home.Minor()
		}
		for _, category := range yearly.ByCategory {
			categories += category.Sum.Home.Minor()
		}
		if months != yearly.Sum.Home.Minor() || categories != yearly.Sum.Home.Minor() {
			t.Errorf("%d: the months sum to %d paise, the categories to %d, the year to %s", year, months, categories,
				yearly.Sum.Home)
		}
	}
	// The expected output of awk. The test also runs without awk.
	want := []string{"2015 422074.40 388", "2016 470084.20 329", "2017 652597.67 889", "2018 412634.26 570"}
	if awk, err := exec.LookPath("awk"); err == nil {
		out, err := exec.CommandContext(t.Context(), awk, yearsByAwk, file).Output()
		if err != nil {
			t.Fatal(err)
		}
		output := slices.Sorted(strings.Lines(string(out)))
		if !slices.Equal(output, []string{want[0] + "\n", want[1] + "\n", want[2] + "\n", want[3] + "\n"}) {
			t.Errorf("output of awk = %q, want %q", output, want)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("sums of the yearly reports = %q, sums of awk = %q", got, want)
	}
}
