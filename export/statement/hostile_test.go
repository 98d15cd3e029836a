package statement_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/xuri/excelize/v2"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/statement"
)

var euro = expense.Settings{Home: expense.MustCurrency("EUR")}

func zipped(t testing.TB, name string, write func(w io.Writer)) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	write(w)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestInspect_ForeignFiles(t *testing.T) {
	zeros := bytes.Repeat([]byte{'0'}, 1<<20)
	for name, test := range map[string]struct{ text, want string }{
		"an empty file":   {"", "is empty"},
		"blank lines":     {"\n\r\n \n", "is empty"},
		"a PDF":           {"%PDF-1.7\n1 0 obj", "is a PDF document"},
		"a gzip archive":  {"\x1f\x8b\x08", "is a gzip archive"},
		"an old workbook": {"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Excel workbook (.xls) or a workbook with a password"},
		"HTML as .xls":    {"<html xmlns:x=\"urn:schemas\"><table><tr><td>Date</td></tr></table>", "is an HTML page"},
		"a ZIP archive":   {zipped(t, "a.csv", func(w io.Writer) {}), "ZIP archive without a workbook"},
		"a broken ZIP":    {"PK\x03\x04abc", "damaged ZIP archive"},
		"another XML":     {"<?xml version=\"1.0\"?><feed/>", "is XML, but not OFX"},
		"JSON":            {"{\"a\": 1}", "is JSON"},
		"binary":          {"abc\x00\x00\x02def\x00\x00abcdefghijklmn", "is binary"},
		"text":            {"Dear Sir or Madam,\nI would like to.\n", "no table with a date and an amount"},
		"a list of names": {"Name,Address\nAnn,Street 1\nBob,Street 2\n", "no table with a date and an amount"},
		"one long line":   {strings.Repeat("1234567890,", 1<<20), "no table with a date and an amount"},
		"a header alone":  {"Date,Amount,Description\n", "no row has a date"},
		"a truncated CAMT": {"<?xml version=\"1.0\"?><Document xmlns=\"camt.053\"><BkToCstmrStmt><Ntry>",
			"ends within an element"},
		"a zip bomb": {zipped(t, "xl/workbook.xml", func(w io.Writer) {
			for range 129 {
				_, _ = w.Write(zeros)
			}
		}), "too large when it is unpacked"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := statement.Inspect(t.Context(), strings.NewReader(test.text), statement.Mapping{}, euro)
			if !errors.Is(err, expense.ErrInvalid) || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("Inspect = %v; want an ErrInvalid with %q", err, test.want)
			}
			if strings.Contains(err.Error(), "\n") || len(err.Error()) > 300 {
				t.Errorf("the error is longer than a sentence: %v", err)
			}
			if fields := expense.InvalidErrors(err); len(fields) != 1 || fields[0].Field != "file" {
				t.Errorf("the error is not about the file: %+v", fields)
			}
		})
	}
	t.Run("a workbook with a password", func(t *testing.T) {
		book := excelize.NewFile()
		var b bytes.Buffer
		if err := book.Write(&b, excelize.Options{Password: "secret"}); err != nil {
			t.Fatal(err)
		}
		_, err := statement.Inspect(t.Context(), bytes.NewReader(b.Bytes()), statement.Mapping{}, euro)
		if err == nil || !strings.Contains(err.Error(), "password") {
			t.Errorf("Inspect = %v; want a sentence about the password", err)
		}
	})
	t.Run("another format than the mapping's", func(t *testing.T) {
		_, err := statement.Inspect(t.Context(), strings.NewReader(sampleText(t, "bank.ofx")),
			statement.Mapping{Format: statement.CSV}, euro)
		if err == nil || !strings.Contains(err.Error(), "the file is ofx, but the mapping says csv") {
			t.Errorf("Inspect = %v; want a sentence about the format", err)
		}
	})
	t.Run("an error of the reader", func(t *testing.T) {
		type seeker struct {
			io.Reader
			io.Seeker
		}
		r := seeker{iotest.ErrReader(errors.New("on purpose")), strings.NewReader("")}
		if _, err := statement.Inspect(t.Context(), r, statement.Mapping{}, euro); err == nil ||
			errors.Is(err, expense.ErrInvalid) {
			t.Errorf("Inspect = %v; want the error of the reader", err)
		}
	})
}

func TestImport_BrokenLinesFailAlone(t *testing.T) {
	for name, test := range map[string]struct{ line, code string }{
		"an unclosed quote":                {"2026-02-01;-1,00;\"abc", "unclosed_quote"},
		"text after a quote":               {"2026-02-01;-1,00;\"abc\"d", "malformed_quotes"},
		"a cell too many":                  {"2026-02-01;-1,00;a;b;c", "wrong_field_count"},
		"a cell too few":                   {"2026-02-01;-1,00", "wrong_field_count"},
		"no amount and a broken date":      {"2026-02-3x;1x;abc", "malformed_amount"},
		"NUL in the notes":                 {"2026-02-01;-1,00;a\x00b", "control_character"},
		"bytes of another encoding":        {"2026-02-01;-1,00;caf\xe9", "malformed_text"},
		"more cells than a line may have":  {"2026-02-01;-1,00;" + strings.Repeat(";", 1100), "too_many_columns"},
		"a date before the first possible": {"1899-02-01;-1,00;x", "out_of_range"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newLedger(t, "EUR")
			good := "2026-01-01;-5,00;Tea é\n"
			text := "Date;Amount;Text\n" + strings.Repeat(good, 20) + test.line + "\n" + strings.Repeat(good, 10)
			result := f.load(text, "", statement.Options{})
			wantCounts(t, result, "30 added, 0 known, 1 failed")
			if result.Failed[len(result.Failed)-1].Code != test.code && result.Failed[0].Code != test.code ||
				result.Failed[0].Line != 22 {
				t.Errorf("failures %+v, want %s in line 22", result.Failed, test.code)
			}
		})
	}
}

func TestInspect_Layouts(t *testing.T) {
	rows := "01.02.2026;-3,00;A\n15.02.2026;-4,00;B\n"
	for name, text := range map[string]string{
		"CR as line end":                  strings.ReplaceAll("Datum;Betrag;Text\n"+rows, "\n", "\r"),
		"CRLF as line end":                strings.ReplaceAll("Datum;Betrag;Text\n"+rows, "\n", "\r\n"),
		"no line end at the end":          strings.TrimSuffix("Datum;Betrag;Text\n"+rows, "\n"),
		"a byte order mark":               "\ufeffDatum;Betrag;Text\n" + rows,
		"a delimiter at the end of lines": "Datum;Betrag;Text;\n01.02.2026;-3,00;A;\n15.02.2026;-4,00;B;\n",
		"a delimiter at the header's end": "Datum;Betrag;Text;\n" + rows,
		"quotes": "\"Datum\";\"Betrag\";\"Text\"\n" +
			"\"01.02.2026\";\"-3,00\";\"A\"\n15.02.2026;-4,00;B\n",
		"a header in an unknown language": "Foo;Bar;Baz\n" + rows,
		"no header":                       rows,
		"blank lines":                     "\n\nDatum;Betrag;Text\n\n" + rows + "\n\n",
		"a preamble":                      "Konto 123\nZeitraum;01.02.2026 - 28.02.2026\n\nDatum;Betrag;Text\n" + rows,
		"a footer":                        "Datum;Betrag;Text\n" + rows + "\nAnfangssaldo;1.000,00\nEndsaldo;;993,00\n",
		"the header repeated":             "Datum;Betrag;Text\n01.02.2026;-3,00;A\nDatum;Betrag;Text\n15.02.2026;-4,00;B\n",
		"sep=":                            "sep=;\r\nDatum;Betrag;Text\r\n" + rows,
		"balances in the last column":     "Datum;Betrag;Text;Saldo\n01.02.2026;-3,00;A;100,00\n15.02.2026;-4,00;B;96,00\n",
		"tabs":                            strings.ReplaceAll("Datum;Betrag;Text\n"+rows, ";", "\t"),
		"bars":                            strings.ReplaceAll("Datum;Betrag;Text\n"+rows, ";", "|"),
		"commas and quotes":               "Datum,Betrag,Text\n01.02.2026,\"-3,00\",A\n15.02.2026,\"-4,00\",B\n",
		"amounts in parentheses":          "Datum;Betrag;Text\n01.02.2026;(3,00);A\n15.02.2026;(4,00);B\n",
		"debit and credit columns":        "Datum;Soll;Haben;Text\n01.02.2026;3,00;;A\n15.02.2026;4,00;;B\n",
		"negative debits":                 "Datum;Soll;Haben;Text\n01.02.2026;-3,00;0,00;A\n15.02.2026;-4,00;0,00;B\n",
		"a column of S and H": "Datum;Betrag;S/H;Text\n01.02.2026;3,00;S;A\n" +
			"15.02.2026;4,00;S;B\n10.02.2026;9,00;H;income\n",
		"a column of D and K": "Datum;Betrag;D/K;Text\n01.02.2026;3,00;D;A\n" +
			"15.02.2026;4,00;D;B\n10.02.2026;9,00;K;income\n",
		"a column of Af and Bij": "Datum;Bedrag (EUR);Af Bij;Omschrijving\n01.02.2026;3,00;Af;A\n" +
			"15.02.2026;4,00;Af;B\n10.02.2026;9,00;Bij;in\n",
		"DR and CR behind the amount": "Datum;Betrag;Text\n01.02.2026;3,00 DR;A\n" +
			"15.02.2026;4,00DR;B\n10.02.2026;9,00 CR;income\n",
		"Cr behind the money in alone": "Datum;Betrag;Text\n01.02.2026;3,00;A\n" +
			"15.02.2026;4,00;B\n10.02.2026;9,00Cr;income\n",
		"positive debits, negative credits": "Datum;Debit;Credit;Text\n01.02.2026;3,00;;A\n" +
			"15.02.2026;4,00;;B\n10.02.2026;;-9,00;income\n",
	} {
		t.Run(name, func(t *testing.T) {
			in := inspectText(t, text, statement.Mapping{}, euro)
			if len(in.Questions) > 0 {
				t.Errorf("Inspect asks %q", codes(in.Questions))
			}
			var rows []string
			for _, row := range in.Rows {
				if row.Status != statement.Ignored {
					rows = append(rows, describe(row))
				}
			}
			if got := strings.Join(rows, "; "); got != "2026-02-01 3.00 EUR A; 2026-02-15 4.00 EUR B" {
				t.Errorf("rows: %s; mapping %+v", got, in.Mapping)
			}
		})
	}
}
