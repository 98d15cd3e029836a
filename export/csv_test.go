package export_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export"
	"github.com/spendwise/spendwise/export/internal/exporttest"
	"github.com/spendwise/spendwise/export/statement"
	"github.com/spendwise/spendwise/export/wire"
)

var (
	foodID = uuid.MustParse("0190a6f0-0000-7000-8000-00000000000f")
	coffee = expense.Expense{
		ID:         uuid.MustParse("0190a6f0-5c2b-7d6e-9a3f-2b1c4d5e6f70"),
		Amount:     expense.MustMoney("1000", "JPY"),
		Date:       expense.MustDate("2025-03-02"),
		CategoryID: foodID,
		Notes:      "Coffee, \"black\"",
		Rate:       expense.Rate{Value: expense.MustFactor("0.0064"), Date: expense.MustDate("2025-02-28"), Source: "ecb"},
		Home:       expense.MustMoney("6.40", "EUR"),
	}
)

func seq(rows ...expense.Expense) iter.Seq2[expense.Expense, error] {
	return func(yield func(expense.Expense, error) bool) {
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
	}
}

func optionsFor(name string) export.CSVOptions {
	return export.CSVOptions{CategoryName: export.CategoryNames([]expense.Category{{ID: foodID, Name: name}})}
}

func writeCSV(t testing.TB, opts export.CSVOptions, rows ...expense.Expense) string {
	t.Helper()
	var out bytes.Buffer
	if err := export.WriteCSV(&out, seq(rows...), opts); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestWriteCSV_FollowsRFC4180(t *testing.T) {
	pending := expense.Expense{
		ID: coffee.ID, Amount: expense.MustMoney("-3.250", "KWD"), Date: coffee.Date, CategoryID: foodID,
		Notes: "two\nlines", RuleID: foodID, Home: expense.Money{},
	}
	opts := optionsFor("Food")
	opts.BOM = true
	got := writeCSV(t, opts, pending)
	want := "\ufeff" + wire.CSVHeader + "\r\n" +
		"0190a6f0-5c2b-7d6e-9a3f-2b1c4d5e6f70,2025-03-02,-3.250,KWD,Food,\"two\nlines\",,,,,," +
		"0190a6f0-0000-7000-8000-00000000000f\r\n"
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestWriteCSV_EscapesFormulas(t *testing.T) {
	for _, test := range []struct{ name, text, cell string }{
		{"plain text", "lunch", "lunch"},
		{"a formula", "=1+1", "'=1+1"},
		{"a plus", "+49 30", "'+49 30"},
		{"a minus", "-5 off", "'-5 off"},
		{"an at sign", "@SUM(A1)", "'@SUM(A1)"},
		{"a tab", "\tx", "'\tx"},
		{"a newline", "\nx", "\"'\nx\""},
		{"a carriage return", "\rx", "\"'\rx\""},
		{"a formula after blanks", "  =1", "'  =1"},
		{"a formula after a no-break space", "\u00a0=1", "'\u00a0=1"},
		{"a formula after an ideographic space", "\u3000=1", "'\u3000=1"},
		{"a formula after a byte order mark", "\ufeff=1", "'\ufeff=1"},
		{"a tab after a blank", " \tx", "' \tx"},
		{"a full-width equals sign", "＝1", "'＝1"},
		{"a full-width plus", "＋1", "'＋1"},
		{"a full-width minus", "－1", "'－1"},
		{"a full-width at sign", "＠x", "'＠x"},
		{"an apostrophe before a formula", "'=1", "''=1"},
		{"an apostrophe before a text", "'tis", "'tis"},
		{"apostrophes alone", "''", "''"},
		{"a blank before an apostrophe", " '=1", "\" '=1\""},
		{"a sign within", "a=1", "a=1"},
		{"a true minus sign", "−1", "−1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			row := coffee
			row.Notes = test.text
			text := writeCSV(t, optionsFor("Food"), row)
			if want := ",Food," + test.cell + ",0.0064,"; !strings.Contains(text, want) {
				t.Errorf("got %q, want it to contain %q", text, want)
			}
			if rows := readOwn(t, text); len(rows) != 1 || rows[0].Notes != test.text {
				t.Errorf("parsed rows = %+v, want the notes %q", rows, test.text)
			}
		})
	}
}

func TestWriteCSV_NeverEscapesNumbers(t *testing.T) {
	row := coffee
	row.Amount, row.Home = row.Amount.Neg(), row.Home.Neg()
	text := writeCSV(t, optionsFor("=Food"), row)
	if !strings.Contains(text, ",-1000,JPY,'=Food,") || !strings.Contains(text, ",-6.40,EUR,") {
		t.Errorf("got %q", text)
	}
}

func TestWriteCSV_RoundTrip(t *testing.T) {
	specialText := rapid.StringOf(rapid.OneOf(
		rapid.SampledFrom([]rune("'\"=+-@,;\t\n \u00a0＝＠|\\")), rapid.Rune(),
	))
	// A ledger stores neither of these control characters.
	stored := func(text string) string {
		return strings.NewReplacer("\x00", "?", "\r", "?").Replace(strings.ToValidUTF8(text, "?"))
	}
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.IntRange(1, 5).Draw(t, "rows")
		var rows []expense.Expense
		for range count {
			row := coffee
			row.Notes = stored(specialText.Draw(t, "notes"))
			minor := rapid.Int64Range(-expense.MaxMinor, expense.MaxMinor).Draw(t, "amount")
			row.Amount, _ = expense.MoneyFromMinor(minor, expense.MustCurrency("KWD"))
			row.Rate.Source = expense.SourceUser
			rows = append(rows, row)
		}
		name := "x" + stored(specialText.Draw(t, "category")) + "x"
		var out bytes.Buffer
		opts := optionsFor(name)
		opts.BOM = rapid.Bool().Draw(t, "bom")
		if err := export.WriteCSV(&out, seq(rows...), opts); err != nil {
			t.Fatal(err)
		}
		read := readOwn(t, out.String())
		if len(read) != count {
			t.Fatalf("read %d rows, want %d", len(read), count)
		}
		for i, got := range read {
			want := rows[i]
			if got.Notes != want.Notes || got.Category != name || got.Amount != want.Amount || got.Date != want.Date {
				t.Fatalf("got %+v\nwant %+v", got, want)
			}
		}
	})
}

// readOwn reads a file of WriteCSV.
func readOwn(t interface {
	Helper()
	Fatal(args ...any)
}, text string) []statement.Row {
	t.Helper()
	in, err := statement.Inspect(context.Background(), strings.NewReader(text), statement.OwnMapping(),
		expense.Settings{Home: expense.MustCurrency("EUR")})
	if err != nil || len(in.Questions) > 0 {
		t.Fatal(err, in)
	}
	return in.Rows
}

func TestWriteCSV_StopsAtFirstError(t *testing.T) {
	failure := errors.New("write failed")
	t.Run("of the rows", func(t *testing.T) {
		rows := func(yield func(expense.Expense, error) bool) {
			if yield(coffee, nil) {
				yield(expense.Expense{}, failure)
			}
		}
		if err := export.WriteCSV(io.Discard, rows, optionsFor("Food")); !errors.Is(err, failure) {
			t.Errorf("WriteCSV: %v", err)
		}
	})
	t.Run("of the writer", func(t *testing.T) {
		reader, writer := io.Pipe()
		_ = reader.CloseWithError(failure)
		if err := export.WriteCSV(writer, seq(coffee), optionsFor("Food")); !errors.Is(err, failure) {
			t.Errorf("WriteCSV: %v", err)
		}
	})
	t.Run("of a category that has no name", func(t *testing.T) {
		row := coffee
		row.CategoryID = uuid.Nil
		if err := export.WriteCSV(io.Discard, seq(row), optionsFor("Food")); !errors.Is(err, expense.ErrNotFound) {
			t.Errorf("WriteCSV: %v", err)
		}
	})
}

func TestWriteCSV_StreamsRows(t *testing.T) {
	rows := func(yield func(expense.Expense, error) bool) {
		for range 10_000 {
			if !yield(coffee, nil) {
				return
			}
		}
	}
	var largest, total int
	err := export.WriteCSV(writerFunc(func(p []byte) (int, error) {
		largest, total = max(largest, len(p)), total+len(p)
		return len(p), nil
	}), rows, optionsFor("Food"))
	if err != nil || total < 1_000_000 || largest > 64<<10 {
		t.Errorf("WriteCSV wrote %d bytes, at most %d in one write: %v", total, largest, err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestWriteCSV_DoesNotAllocatePerRow checks that WriteCSV formats rows in a reused buffer and does not allocate for
// each row.
func TestWriteCSV_DoesNotAllocatePerRow(t *testing.T) {
	var rows []expense.Expense
	for e, err := range exporttest.Expenses(2000, now, uuid.Nil) {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, e)
	}
	list := func(yield func(expense.Expense, error) bool) {
		for _, e := range rows {
			if !yield(e, nil) {
				return
			}
		}
	}
	name := func(uuid.UUID) (string, error) { return "Food", nil }
	allocations := testing.AllocsPerRun(5, func() {
		if err := export.WriteCSV(io.Discard, list, export.CSVOptions{CategoryName: name}); err != nil {
			t.Fatal(err)
		}
	})
	if allocations > 20 {
		t.Errorf("%d rows need %v allocations", len(rows), allocations)
	}
}

func BenchmarkWriteCSV(b *testing.B) {
	rows := func(yield func(expense.Expense, error) bool) {
		for range b.N {
			if !yield(coffee, nil) {
				return
			}
		}
	}
	b.ReportAllocs()
	if err := export.WriteCSV(io.Discard, rows, optionsFor("Food")); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
