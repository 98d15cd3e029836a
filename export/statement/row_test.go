package statement_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/statement"
	"github.com/spendwise/spendwise/export/wire"
)

// testMapping returns a mapping of the columns D, A, C, K and N.
func testMapping() statement.Mapping {
	return statement.Mapping{
		Date:     statement.DateColumn{Column: "D"},
		Amount:   statement.AmountColumn{Column: "A"},
		Currency: statement.Source{Column: "C"},
		Category: statement.Source{Column: "K"},
		Notes:    "N",
	}
}

func readAll(t testing.TB, text string, m statement.Mapping) []statement.Row {
	t.Helper()
	var rows []statement.Row
	for row, err := range statement.Rows(strings.NewReader(text), m) {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

// formatRow formats the line number of a row with its draft or its failures.
func formatRow(t *testing.T, row statement.Row) string {
	text := fmt.Sprint(row.Line)
	for _, rowError := range row.Failures {
		if rowError.Line != row.Line || rowError.Detail == "" {
			t.Errorf("failure %+v in line %d", rowError, row.Line)
		}
		text += "!" + rowError.Column + "!" + rowError.Code
	}
	if row.Failures == nil {
		d := row.Draft
		text += " " + strings.Join([]string{d.Date, d.Amount, d.Currency, d.Category, *d.Notes}, "|")
	}
	return text
}

func ExampleRows() {
	file := strings.NewReader("When;What;Paid\n31.12.2024 18:30;Fireworks;1.250,00\n")
	mapping := statement.Mapping{
		Date:      statement.DateColumn{Column: "When", Layout: "DD.MM.YYYY"},
		Amount:    statement.AmountColumn{Column: "Paid", Decimal: ","},
		Currency:  statement.Source{Value: "EUR"},
		Notes:     "What",
		Delimiter: ";",
	}
	for row, err := range statement.Rows(file, mapping) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(row.Line, row.Draft.Date, row.Draft.Amount, row.Draft.Currency, *row.Draft.Notes)
	}
	// Output: 2 2024-12-31 1250.00 EUR Fireworks
}

func TestCSVOfEveryKindIsRead(t *testing.T) {
	const row = "2024-01-02|7|EUR|Food|"
	for _, test := range []struct {
		name string
		text string
		want []string // line date|amount|currency|category|notes, or line!column!code
	}{
		{"LF", "D,A,C,K,N\n2024-01-02,7,EUR,Food,tea\n", []string{"2 " + row + "tea"}},
		{"CRLF", "D,A,C,K,N\r\n2024-01-02,7,EUR,Food,tea\r\n", []string{"2 " + row + "tea"}},
		{"no line end at the end", "D,A,C,K,N\n2024-01-02,7,EUR,Food,tea", []string{"2 " + row + "tea"}},
		{"a byte order mark", "\ufeffD,A,C,K,N\n2024-01-02,7,EUR,Food,tea", []string{"2 " + row + "tea"}},
		{"a byte order mark and a quoted header", "\ufeff\"D\",A,C,K,N\n2024-01-02,7,EUR,Food,tea",
			[]string{"2 " + row + "tea"}},
		{"columns in another order", "N,K,C,A,D\ntea,Food,EUR,7,2024-01-02\n", []string{"2 " + row + "tea"}},
		{"a header in other case and with blanks", " d ,a,c,k, n\n2024-01-02,7,EUR,Food,tea", []string{"2 " + row + "tea"}},
		{"empty lines", "\n\nD,A,C,K,N\n\n\r\n2024-01-02,7,EUR,Food,tea\n\n", []string{"6 " + row + "tea"}},
		{"a quoted comma", "D,A,C,K,N\n2024-01-02,7,EUR,Food,\"tea, green\"", []string{"2 " + row + "tea, green"}},
		{"a quoted quote", "D,A,C,K,N\n2024-01-02,7,EUR,Food,\"\"\"tea\"\"\"", []string{"2 " + row + "\"tea\""}},
		{"a quoted newline", "D,A,C,K,N\n2024-01-02,7,EUR,Food,\"a\nb\"\n2024-01-02,7,EUR,Food,c",
			[]string{"2 " + row + "a\nb", "4 " + row + "c"}},
		{"a quoted CRLF", "D,A,C,K,N\r\n2024-01-02,7,EUR,Food,\"a\r\nb\"\r\n", []string{"2 " + row + "a\nb"}},
		{"blanks around a quoted field", "D,A,C,K,N\n2024-01-02, \"7\" ,EUR,Food, \"tea, green\" \n",
			[]string{"2 " + row + "tea, green"}},
		{"blanks in fields", "D,A,C,K,N\n 2024-01-02 , 7 , eur , Food ,  tea \n", []string{"2 " + row + "tea"}},
		{"a quote within a field", "D,A,C,K,N\n2024-01-02,7,EUR,Food,5\" nail\n", []string{"2 " + row + "5\" nail"}},
		{"one empty field too many", "D,A,C,K,N\n2024-01-02,7,EUR,Food,tea,\n", []string{"2 " + row + "tea"}},
		{"empty category and notes", "D,A,C,K,N\n2024-01-02,7,EUR,,\n", []string{"2 2024-01-02|7|EUR||"}},
		{"a guarded text", "D,A,C,K,N\n2024-01-02,7,EUR,Food,'=1\n", []string{"2 " + row + "=1"}},

		{"a line too short", "D,A,C,K,N\n2024-01-02,7\n2024-01-02,7,EUR,Food,tea",
			[]string{"2!!wrong_field_count", "3 " + row + "tea"}},
		{"a line too long", "D,A,C,K,N\n2024-01-02,7,EUR,Food,tea,x\n", []string{"2!!wrong_field_count"}},
		{"text after a quote", "D,A,C,K,N\n2024-01-02,7,EUR,Food,\"a\"b\n2024-01-02,7,EUR,Food,tea",
			[]string{"2!!malformed_quotes", "3 " + row + "tea"}},
		{"a quote that is never closed", "D,A,C,K,N\n2024-01-02,7,EUR,Food,\"a\n2024-01-02,7,EUR,Food,tea\n",
			[]string{"2!!unclosed_quote", "3 " + row + "tea"}},
		{"a loose quote and an open one", "D,A,C,K,N\n2024-01-02,7,EUR,5\",\"a\n2024-01-02,7,EUR,Food,tea\n",
			[]string{"2!!malformed_quotes", "3 " + row + "tea"}},
		{"a loose quote after an open one", "D,A,C,K,N\n2024-01-02,7,EUR,\"a\nb\",5\"\n2024-01-02,7,EUR,Food,tea\n",
			[]string{"2!!malformed_quotes", "3!!wrong_field_count", "4 " + row + "tea"}},
		{"bytes that are no UTF-8", "D,A,C,K,N\n2024-01-02,7,EUR,Food,t\xe9\n2024-01-02,7,EUR,Food,tea",
			[]string{"2!!malformed_text", "3 " + row + "tea"}},
		{"halves of a rune in two fields", "D,A,C,K,N\n2024-01-02,7,EUR,Food\xc3,\xa9\n", []string{"2!!malformed_text"}},
		{"every cell at fault", "D,A,C,K,N\n31/12/2024,x,XXX1,Food,tea\n",
			[]string{"2!C!unknown_currency!A!malformed_amount!D!malformed_date"}},
		{"no currency", "D,A,C,K,N\n2024-01-02,7,,Food,tea\n", []string{"2!C!required"}},
		{"a line of more than a mebibyte", "D,A,C,K,N\n" + strings.Repeat("x", 1<<20) + "\n2024-01-02,7,EUR,Food,tea\n",
			[]string{"2!!line_too_long", "3 " + row + "tea"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, row := range readAll(t, test.text, testMapping()) {
				got = append(got, formatRow(t, row))
			}
			if strings.Join(got, "\n") != strings.Join(test.want, "\n") {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestAQuoteThatIsNeverClosedCostsItsLineAlone(t *testing.T) {
	const more = 1 << 17 // lines, above the limit of a record
	text := "D,A,C,K,N\n2024-01-02,7,EUR,Food,\"\n" + strings.Repeat("2024-01-02,7,EUR,Food,tea\n", more)
	rows := readAll(t, text, testMapping())
	if len(rows) != 1+more || rows[0].Failures[0].Code != "unclosed_quote" {
		t.Fatalf("%d rows, the first %+v", len(rows), rows[0])
	}
	for _, row := range rows[1:] {
		if row.Failures != nil {
			t.Fatalf("line %d: %+v", row.Line, row.Failures)
		}
	}
}

func TestDatesAreReadByTheirLayout(t *testing.T) {
	for _, test := range []struct{ layout, text, want string }{
		{"", "2024-02-29", "2024-02-29"},
		{"DD-MM-YYYY", "20-09-2018 12:04", "2018-09-20"},
		{"DD-MM-YYYY", "20-09-2018", "2018-09-20"},
		{"DD.MM.YY", "01.02.69", "2069-02-01"},
		{"DD.MM.YY", "01.02.70", "1970-02-01"},
		{"M/D/YYYY", "1/15/2020", "2020-01-15"},
		{"M/D/YYYY", "12/5/2020, 3:04 PM", "2020-12-05"},
		{"YYYYMMDD", "20200115", "2020-01-15"},
		{"YYYY-MM-DD", "2020-01-15T10:00:00Z", "2020-01-15"},
		{"YYYY年M月D日", "2020年1月15日", "2020-01-15"},
		{"YYYY-MM-DD", "2023-02-29", ""},
		{"YYYY-MM-DD", "2023-2-09", ""},
		{"DD-MM-YYYY", "20-09-20181", ""},
		{"DD-MM-YYYY", "20-09-2018 later", ""},
		{"DD-MM-YYYY", "20/09/2018", ""},
		{"DD-MM-YYYY", "", ""},
		{"M/D/YYYY", "13/1/2020", ""},
	} {
		m := testMapping()
		m.Date.Layout = test.layout
		row := readAll(t, "D,A,C,K,N\n\""+test.text+"\",7,EUR,,", m)[0]
		if row.Draft.Date != test.want || (row.Failures == nil) != (test.want != "") {
			t.Errorf("%q with layout %q: got %q %+v, want %q", test.text, test.layout, row.Draft.Date, row.Failures, test.want)
		}
	}
}

func TestAmountsAreReadStrictly(t *testing.T) {
	for _, test := range []struct{ decimal, text, want string }{
		{".", "12.50", "12.50"},
		{".", "1,234.50", "1234.50"},
		{".", "1,234,567", "1234567"},
		{".", "12,34,567.89", "1234567.89"},
		{".", "1'234.50", "1234.50"},
		{".", "1 234.50", "1234.50"},
		{".", "1\u202f234\u00a0EUR", "1234"},
		{".", "EUR 7", "7"},
		{".", ".5", "0.5"},
		{".", "+7", "7"},
		{".", "-7", "-7"},
		{".", "−7", "-7"},
		{".", "7-", "-7"},
		{".", "(7.00)", "-7.00"},
		{",", "1.234,50", "1234.50"},
		{",", "1.234", "1234"},
		{",", "12,5", "12.5"},
		{".", "12,50", ""},
		{".", "1,23,4", ""},
		{".", "1234,567", ""},
		{".", "1,234 567", ""},
		{".", "1.234.567", ""},
		{",", "12.50", ""},
		{",", "1,234.50", ""},
		{".", "€7", ""},
		{".", "7 USD", ""},
		{".", "--7", ""},
		{".", "-(7)", ""},
		{".", "7.", ""},
		{".", ".", ""},
		{".", "", ""},
		{".", "-", ""},
		{".", "1e3", ""},
		{".", "0x10", ""},
		{".", "٣", ""},
		{".", "5,", ""},
		{".", ",500", ""},
	} {
		m := testMapping()
		m.Amount.Decimal = test.decimal
		row := readAll(t, "D,A,C,K,N\n2024-01-02,\""+test.text+"\",EUR,,", m)[0]
		if row.Draft.Amount != test.want || (row.Failures == nil) != (test.want != "") {
			t.Errorf("%q: got %q %+v, want %q", test.text, row.Draft.Amount, row.Failures, test.want)
		}
	}
}

func TestSignsAreTurnedAsTheMappingSays(t *testing.T) {
	m := testMapping()
	m.Negate = true
	m.Sign = statement.Choice{Column: "N", Equals: []string{"credit"}}
	var got []string
	for _, row := range readAll(t, "D,A,C,K,N\n2024-01-02,-7,EUR,,\n2024-01-02,7,EUR,,\n2024-01-02,7,EUR,,Credit\n", m) {
		got = append(got, row.Draft.Amount)
	}
	if want := "[7 -7 7]"; fmt.Sprint(got) != want {
		t.Errorf("amounts = %v, want %v", got, want)
	}
}

func TestLinesThatTheMappingLeavesOutAreIgnored(t *testing.T) {
	m := testMapping()
	m.Only = statement.Choice{Column: "K", Equals: []string{"Expense", "Refund"}}
	var got []bool
	for _, row := range readAll(t, "D,A,C,K,N\n2024-01-02,7,EUR, expense ,\nx,x,x,Income,x\n2024-01-02,7,EUR,Refund,\n",
		m) {
		got = append(got, row.Ignored)
	}
	if want := "[false true false]"; fmt.Sprint(got) != want {
		t.Errorf("rows = %v, want %v", got, want)
	}
}

func TestEqualLinesAreExpensesOfTheirOwnAndKeepTheirIDs(t *testing.T) {
	const header, tea, bun = "D,A,C,K,N\n", "2024-01-02,7,EUR,Food,tea\n", "2024-01-02,3,EUR,Food,bun\n"
	ids := func(text string) (ids []string) {
		for _, row := range readAll(t, text, testMapping()) {
			ids = append(ids, row.Draft.ID)
		}
		return ids
	}
	first := ids(header + tea + bun + tea)
	if first[0] == first[2] || first[0] == first[1] {
		t.Fatalf("ids of equal lines = %v, want different ids", first)
	}
	longer := ids(header + bun + tea + tea + tea)
	if longer[1] != first[0] || longer[2] != first[2] || longer[0] == first[1] && longer[3] == first[2] {
		t.Errorf("ids of the longer file = %v, want %v", longer, first)
	}
	rewritten := ids("\ufeff" + strings.ReplaceAll(header+"2024-01-02, 7,\"EUR\",Food,\"tea\",\n", "\n", "\r\n"))
	if rewritten[0] != first[0] {
		t.Errorf("ids with other quotes and line breaks = %v, want %v", rewritten, first)
	}
	if want := "fb1d903a-661c-57b0-9782-539819610971"; first[0] != want {
		t.Errorf("id = %s, want the stable id %s", first[0], want)
	}
}

// Invalid UTF-16 is reported with its line. It is not imported as replacement characters.
func TestADamagedUTF16FileIsFaultyWhereItIsDamaged(t *testing.T) {
	const head, whole = "D,A,C,K,N\n2024-01-02,7,EUR,Food,", "\n2024-01-03,7,EUR,Food,tea\n"
	encode := func(text string) string {
		encoded, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(text)
		if err != nil {
			t.Fatal(err)
		}
		return encoded
	}
	rest := strings.TrimPrefix(encode(whole), "\xff\xfe")
	for name, test := range map[string]struct{ text, want string }{
		"the first half of a pair alone": {encode(head) + "\x3d\xd8" + rest,
			"[2!!malformed_text 3 2024-01-03|7|EUR|Food|tea]"},
		"the second half of a pair alone": {encode(head) + "\x00\xde" + rest,
			"[2!!malformed_text 3 2024-01-03|7|EUR|Food|tea]"},
		"half a character at the file's end": {encode(head+whole+"2024-01-04,7,EUR,Food,te") + "a",
			"[2 2024-01-02|7|EUR|Food| 3 2024-01-03|7|EUR|Food|tea 4!!malformed_text]"},
	} {
		for _, encoding := range []string{"", "utf-16"} {
			m := testMapping()
			m.Encoding = encoding
			var got []string
			for _, row := range readAll(t, test.text, m) {
				got = append(got, formatRow(t, row))
			}
			if fmt.Sprint(got) != test.want {
				t.Errorf("%s, encoding %q: %v, want %s", name, encoding, got, test.want)
			}
		}
	}
}

func TestAFileInAnotherEncodingIsRead(t *testing.T) {
	const text = "D,A,C,K,N\n2024-01-02,7,EUR,Café,5 €\n"
	for name, encode := range map[string]func(string) (string, error){
		"windows-1252": charmap.Windows1252.NewEncoder().String,
		"iso-8859-15":  charmap.ISO8859_15.NewEncoder().String,
		"utf-16":       unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewEncoder().String,
		"utf-8":        func(text string) (string, error) { return text, nil },
	} {
		encoded, err := encode(text)
		if err != nil {
			t.Fatal(err)
		}
		m := testMapping()
		m.Encoding = name
		row := readAll(t, encoded, m)[0]
		if row.Draft.Category != "Café" || *row.Draft.Notes != "5 €" {
			t.Errorf("%s: %+v", name, row)
		}
	}
}

func TestAHeaderThatDoesNotFitTheMappingEndsTheImport(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"no file", "", "file empty_file"},
		{"empty lines alone", "\n\n", "file empty_file"},
		{"columns that are not there", "D,A\n", "currency/column unknown_column, category/column unknown_column, notes" +
			"/column unknown_column"},
		{"a column twice", "D,A,C,K,N,N\n", "notes/column ambiguous_column"},
		{"a column twice but for its case", "D,A,C,K,m,n,N,d\n", ""},
		{"a header that is no UTF-8", "D\xff,A\n", "file malformed_text"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var err error
			for _, err = range statement.Rows(strings.NewReader(test.text), testMapping()) {
			}
			var got []string
			for _, fieldError := range expense.InvalidErrors(err) {
				got = append(got, fieldError.Field+" "+fieldError.Code)
			}
			if strings.Join(got, ", ") != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestRowsOfASeekerAreReadAgain(t *testing.T) {
	const text = "D,A,C,K,N\n2024-01-02,7,EUR,Food,tea\n"
	count := func(rows func(func(statement.Row, error) bool)) (n int, err error) {
		for _, rowErr := range rows {
			n, err = n+1, rowErr
		}
		return n, err
	}
	rows := statement.Rows(strings.NewReader(text), testMapping())
	for range 3 {
		if n, err := count(rows); n != 1 || err != nil {
			t.Errorf("got %d rows, %v", n, err)
		}
	}
	once := statement.Rows(io.MultiReader(strings.NewReader(text)), testMapping())
	if _, err := count(once); err != nil {
		t.Error(err)
	}
	if _, err := count(once); err == nil {
		t.Error("a reader without Seek was read twice")
	}
}

func TestAReaderThatFailsEndsTheRows(t *testing.T) {
	failure := errors.New("read failed")
	var err error
	n := 0
	file := io.MultiReader(strings.NewReader("D,A,C,K,N\n2024-01-02,7,EUR,Food,tea\n2024"), failingReader{failure})
	for _, err = range statement.Rows(file, testMapping()) {
		n++
	}
	if !errors.Is(err, failure) || n != 2 {
		t.Errorf("%d rows, %v", n, err)
	}
}

type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }

func FuzzRows(f *testing.F) {
	f.Add([]byte("D,A,C,K,N\n2024-01-02,7,EUR,Food,tea\n"), byte(0))
	f.Add([]byte("D;A;C;K;N\r\n2024-01-02;\"7\";EUR;\"a\r\nb\"\";\";5\"\r\n"), byte(1))
	f.Add([]byte("\ufeffD,A,C,K,N\n\"\n\n\"\"\"\n,,,,\n"), byte(0))
	f.Add([]byte("\xff\xfeD\x00,\x00A\x00"), byte(2))
	f.Add([]byte(wire.CSVHeader+"\r\n"), byte(3))
	f.Fuzz(func(t *testing.T, text []byte, kind byte) {
		m := testMapping()
		switch kind % 4 {
		case 1:
			m.Delimiter, m.Amount.Decimal, m.Date.Layout = ";", ",", "D.M.YY"
		case 2:
			m.Encoding = "utf-16"
		case 3:
			m = statement.OwnMapping()
		}
		line := 1
		ids := map[string]bool{}
		for row, err := range statement.Rows(bytes.NewReader(text), m) {
			if err != nil {
				if !errors.Is(err, expense.ErrInvalid) {
					t.Fatalf("Rows: %v", err)
				}
				return
			}
			if row.Line <= line || row.Line > bytes.Count(text, []byte("\n"))+1 && kind%4 != 2 {
				t.Fatalf("row of line %d after line %d", row.Line, line)
			}
			line = row.Line
			if row.Ignored || row.Failures != nil {
				continue
			}
			if m.Notes == "N" && ids[row.Draft.ID] {
				t.Fatalf("the row of line %d has the id of an earlier row", line)
			}
			ids[row.Draft.ID] = true
			if m.Notes != "N" {
				continue
			}
			if _, err := expense.ParseDate(row.Draft.Date); err != nil {
				t.Fatalf("line %d: %v", line, err)
			}
			if len(row.Draft.Amount) <= 32 {
				if _, err := expense.ParseDecimal(row.Draft.Amount); err != nil {
					t.Fatalf("line %d: %v", line, err)
				}
			}
		}
	})
}

func BenchmarkRows(b *testing.B) {
	text, err := os.ReadFile("testdata/household-transactions.csv")
	if err != nil {
		b.Fatal(err)
	}
	m := householdMapping(b)
	b.ReportAllocs()
	rows := 0
	for b.Loop() {
		for _, err := range statement.Rows(bytes.NewReader(text), m) {
			if err != nil {
				b.Fatal(err)
			}
			rows++
		}
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}
