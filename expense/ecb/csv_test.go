package ecb_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/expense/ecb"
)

func TestParseCSV_ReadsPublishedHistory(t *testing.T) {
	file, err := ecb.ParseCSV(strings.NewReader(realHistory(t)))
	if err != nil {
		t.Fatal(err)
	}
	if len(file.UnknownCurrencies) != 0 {
		t.Errorf("Unknown = %v, want none", file.UnknownCurrencies)
	}
	want := scanHistory(t)
	if len(want.days) != 6958 {
		t.Fatalf("the file has %d days, want 6958", len(want.days))
	}
	count := 0
	for _, day := range want.days {
		for _, code := range slices.Sorted(slices.Values(want.codes)) {
			value, ok := want.cells[day][code]
			if !ok {
				continue
			}
			if got := file.Quotes[count]; got != quote(day, code, value) {
				t.Fatalf("quote %d is %v, want %s %s %s", count, got, day, code, value)
			}
			count++
		}
	}
	if count != len(file.Quotes) {
		t.Errorf("%d quotes, want %d", len(file.Quotes), count)
	}
}

func TestParseCSV(t *testing.T) {
	usd := []expense.Quote{quote("2026-03-05", "USD", "1.1618")}
	two := append([]expense.Quote{quote("2026-03-04", "JPY", "183.02"), quote("2026-03-05", "JPY", "183")}, usd...)
	for name, test := range map[string]struct {
		text    string
		quotes  []expense.Quote
		unknown []string
	}{
		"a trailing comma on each line":  {text: "Date,USD,\n2026-03-05,1.1618,\n", quotes: usd},
		"no trailing comma":              {text: "Date,USD\n2026-03-05,1.1618\n", quotes: usd},
		"a trailing comma in the header": {text: "Date,USD,\n2026-03-05,1.1618\n", quotes: usd},
		"no line feed at the end":        {text: "Date,USD,\n2026-03-05,1.1618,", quotes: usd},
		"CRLF":                           {text: "Date,USD,\r\n2026-03-05,1.1618,\r\n", quotes: usd},
		"blanks around values":           {text: "Date, USD, \n2026-03-05, 1.1618, \n", quotes: usd},
		"newest first": {
			text: "Date,USD,JPY,\n2026-03-05,1.1618,183,\n2026-03-04,N/A,183.02,\n", quotes: two,
		},
		"oldest first": {
			text: "Date,USD,JPY,\n2026-03-04,N/A,183.02,\n2026-03-05,1.1618,183,\n", quotes: two,
		},
		"other columns' order": {
			text: "JPY,Date,USD\n183,2026-03-05,1.1618\n183.02,2026-03-04,N/A\n", quotes: two,
		},
		"nothing for no price": {text: "Date,USD,JPY,\n2026-03-05,1.1618,,\n", quotes: usd},
		"a trailing zero more": {text: "Date,USD,\n2026-03-05,1.16180,\n", quotes: usd},
		"a currency that nobody knows yet": {
			text: "Date,QQQ,USD,\n2026-03-05,7,1.1618,\n", quotes: usd, unknown: []string{"QQQ"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			file, err := ecb.ParseCSV(strings.NewReader(test.text))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(file.Quotes, test.quotes) {
				t.Errorf("Quotes = %v, want %v", file.Quotes, test.quotes)
			}
			if !slices.Equal(file.UnknownCurrencies, test.unknown) {
				t.Errorf("Unknown = %v, want %v", file.UnknownCurrencies, test.unknown)
			}
		})
	}
}

func TestParseCSV_RejectsInvalidFiles(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"an empty file":            {"", "the file is empty"},
		"a header alone":           {"Date,USD,\n", "has no rate of a known currency"},
		"no column of days":        {"Day,USD,\n2026-03-05,1.1618,\n", `line 1, column 1: "Day" is not a currency code`},
		"no column of days at all": {"USD,JPY,\n1.1618,183,\n", `the header has no column "Date"`},
		"a web page": {
			"<!doctype html>\n<html>\n", `line 1, column 1: "<!doctype html>" is not a currency code`,
		},
		"a small code": {"Date,usd,\n2026-03-05,1.1618,\n", `line 1, column 6: "usd" is not a currency code`},
		"a column twice": {
			"Date,USD,USD,\n2026-03-05,1,1,\n", `line 1, column 10: the header has column "USD" twice`,
		},
		"the euro":                {"Date,EUR,\n2026-03-05,1,\n", "line 1, column 6: EUR must not have a rate"},
		"only unknown currencies": {"Date,QQQ,\n2026-03-05,1,\n", "has no rate of a known currency"},
		"a day of another layout": {
			"Date,USD,\n05 March 2026,1.1618,\n", "line 2, column 1: \"05 March 2026\" is not a date",
		},
		"an impossible day": {
			"Date,USD,\n2026-02-29,1.1618,\n", "line 2, column 1: date 2026-02-29 does not exist in the calendar",
		},
		"a day twice": {
			"Date,USD,\n2026-03-05,1,\n2026-03-05,2,\n", "line 3, column 1: day 2026-03-05 is already on line 2",
		},
		"a price of nothing": {
			"Date,USD,\n2026-03-05,0.0,\n", "rate of USD: line 2, column 12: rate \"0.0\" is not greater than 0",
		},
		"a negative price": {
			"Date,USD,\n2026-03-05,-1.1618,\n", "line 2, column 12: rate \"-1.1618\" is not a positive plain decimal",
		},
		"an exponent":                {"Date,USD,\n2026-03-05,1e9,\n", "line 2, column 12: rate \"1e9\" is not"},
		"a comma for a point":        {"Date,USD\n2026-03-05,\"1,16\"\n", "line 2, column 12: rate \"1,16\" is not"},
		"an unknown one's bad price": {"Date,USD,QQQ,\n2026-03-05,1.1618,many,\n", "rate of QQQ: line 2, column 19"},
		"a short line": {
			"Date,USD,JPY,\n2026-03-05,1.1618\n", "line 2, column 1: the line has 2 values, but the header has 3",
		},
		"a long line": {
			"Date,USD,\n2026-03-05,1.1618,183,\n", "line 2, column 1: the line has 4 values, but the header has 2",
		},
		"a stray quote": {"Date,USD,\n2026-03-05,1.1\"618,\n", "line 2, column 15: bare"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ecb.ParseCSV(strings.NewReader(test.text))
			mustBeMalformed(t, err, test.want)
		})
	}
}

func mustBeMalformed(t *testing.T, err error, want string) {
	t.Helper()
	if !errors.Is(err, expense.ErrInvalid) {
		t.Fatalf("error %v is no ErrInvalid", err)
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("error %q does not say %q", err, want)
	}
	if !strings.Contains(err.Error(), "download the file again") {
		t.Errorf("error %q does not say what to do", err)
	}
}

func TestParse_ReturnsErrorOfReader(t *testing.T) {
	broken := errors.New("the line is dead")
	for name, parse := range map[string]func(io.Reader) (ecb.File, error){"CSV": ecb.ParseCSV, "XML": ecb.ParseXML} {
		if _, err := parse(iotest.ErrReader(broken)); !errors.Is(err, broken) || errors.Is(err, expense.ErrInvalid) {
			t.Errorf("%s: error %v, want that of the reader and no ErrInvalid", name, err)
		}
	}
}

// endless is a reader that repeats a text without end.
type endless string

func (e endless) Read(p []byte) (int, error) {
	return copy(p, strings.Repeat(string(e), len(p)/len(e)+1)), nil
}

func TestParse_StopsAtSizeLimit(t *testing.T) {
	_, err := ecb.ParseCSV(io.MultiReader(strings.NewReader("Date,USD,\n"), endless(" ")))
	mustBeMalformed(t, err, "larger than the limit of 32768 KiB")
	_, err = ecb.ParseXML(io.MultiReader(strings.NewReader("<?xml version='1.0'?>"), endless(" ")))
	mustBeMalformed(t, err, "larger than the limit of 32768 KiB")
}

func archive(t testing.TB, members ...string) []byte {
	t.Helper()
	var packed bytes.Buffer
	writer := zip.NewWriter(&packed)
	for i := 0; i < len(members); i += 2 {
		member, err := writer.Create(members[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(member, members[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// checksum returns the checksum of a text in a zip archive.
func checksum(text string) []byte {
	return binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(text)))
}

func TestParseZip(t *testing.T) {
	small := "Date,USD,\n2026-03-05,1.1618,\n"
	packed := archive(t, "eurofxref-hist.csv", small)
	file, err := ecb.ParseZip(bytes.NewReader(packed), int64(len(packed)))
	if err != nil {
		t.Fatal(err)
	}
	if want := []expense.Quote{quote("2026-03-05", "USD", "1.1618")}; !slices.Equal(file.Quotes, want) {
		t.Errorf("Quotes = %v, want %v", file.Quotes, want)
	}

	damaged := func(garbage string) []byte {
		damaged := bytes.Clone(packed)
		copy(damaged[bytes.Index(damaged, []byte("eurofxref-hist.csv"))+len("eurofxref-hist.csv"):], garbage)
		return damaged
	}
	for name, test := range map[string]struct {
		packed []byte
		want   string
	}{
		"no archive":           {[]byte(small), "the file is not a zip archive"},
		"an archive cut short": {packed[:len(packed)/2], "the file is not a zip archive"},
		"an empty archive":     {archive(t), "contains no CSV file"},
		"no CSV file":          {archive(t, "readme.txt", small), "contains no CSV file"},
		"two CSV files":        {archive(t, "a.csv", small, "b.csv", small), "more than one CSV file"},
		"garbage in the CSV":   {archive(t, "a.csv", "garbage"), "is not a currency code"},
		"damaged blocks":       {damaged("\xff\xff\xff\xff"), "is corrupt"},
		"another checksum":     {bytes.Replace(packed, checksum(small), []byte("1234"), 2), "is corrupt"},
		"a bomb":               {archive(t, "a.csv", "Date,USD,\n"+strings.Repeat(" ", 33<<20)), "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ecb.ParseZip(bytes.NewReader(test.packed), int64(len(test.packed)))
			mustBeMalformed(t, err, test.want)
		})
	}
}

// mustBeOrdered fails unless quotes are valid, sorted by date and code, and distinct.
func mustBeOrdered(t *testing.T, quotes []expense.Quote) {
	t.Helper()
	for i, q := range quotes {
		if q.Source != ecb.Source || q.Date.IsZero() || q.Currency.IsZero() || q.Currency.Code() == "EUR" ||
			q.Value.IsZero() {
			t.Fatalf("quote %d is %v", i, q)
		}
		if i > 0 && order(quotes[i-1], q) >= 0 {
			t.Fatalf("%v comes after %v", q, quotes[i-1])
		}
	}
}

// renderCSV returns quotes in the bank's CSV format, with one line for each day.
func renderCSV(quotes []expense.Quote) string {
	var codes []string
	rows := map[string]map[string]string{}
	for _, q := range quotes {
		if !slices.Contains(codes, q.Currency.Code()) {
			codes = append(codes, q.Currency.Code())
		}
		if rows[q.Date.String()] == nil {
			rows[q.Date.String()] = map[string]string{}
		}
		rows[q.Date.String()][q.Currency.Code()] = q.Value.String()
	}
	var text strings.Builder
	fmt.Fprintf(&text, "Date,%s,\n", strings.Join(codes, ","))
	for day, row := range rows {
		text.WriteString(day + ",")
		for _, code := range codes {
			value, ok := row[code]
			if !ok {
				value = "N/A"
			}
			text.WriteString(value + ",")
		}
		text.WriteString("\n")
	}
	return text.String()
}

func FuzzParseCSV(f *testing.F) {
	f.Add("Date,USD,JPY,\n2026-03-05,1.1618,183.03,\n2026-03-04,N/A,183.02,\n")
	f.Add("Date,QQQ,USD\r\n2026-03-05,7,1.16180")
	f.Add("\"Date\", USD\n\"2026-03-05\", 1000000000000000000000000000000\n")
	f.Add("Date,USD,\n2026-02-30,,\n")
	f.Add(",,\n,,\n")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := ecb.ParseCSV(strings.NewReader(text))
		if err != nil {
			if !errors.Is(err, expense.ErrInvalid) {
				t.Fatalf("error %v is no ErrInvalid", err)
			}
			return
		}
		mustBeOrdered(t, file.Quotes)
		again, err := ecb.ParseCSV(strings.NewReader(renderCSV(file.Quotes)))
		if err != nil || !slices.Equal(again.Quotes, file.Quotes) {
			t.Fatalf("written and read again: %v, %v; want %v", again.Quotes, err, file.Quotes)
		}
	})
}
