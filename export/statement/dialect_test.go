package statement_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/htmlindex"
	"pgregory.net/rapid"

	"github.com/xuri/excelize/v2"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/statement"
)

// A dialect is a way to write rows.
type dialect struct {
	encoding, delimiter, lineEnd, preamble, footer string
	words                                          headerWords
	date                                           func(expense.Date) string
	decimal                                        string
	group                                          string
	sign                                           string // of spending, as in the generator below
	quotes                                         bool
}

type headerWords struct{ date, amount, debit, credit, direction, out, in, notes, text string }

// The texts have letters of the language, so that the encoding can be detected.
var languages = map[string]headerWords{
	"english": {"Date", "Amount", "Debit", "Credit", "Type", "Debit", "Credit", "Description", "Tea for two"},
	"german":  {"Buchungstag", "Betrag", "Soll", "Haben", "S/H", "S", "H", "Verwendungszweck", "Bäcker Müller Straße"},
	"french": {"Date", "Montant", "Débit", "Crédit", "Sens", "Debit", "Credit", "Libellé de l'opération",
		"Pâtisserie à côté"},
	"polish": {"Data operacji", "Kwota", "Obciążenia", "Uznania", "Typ", "D", "K", "Opis operacji", "Żabka Łódź świeże"},
	"russian": {"Дата операции", "Сумма", "Расход", "Приход", "Тип", "расход", "приход", "Описание",
		"Продукты в магазине"},
	"japanese": {"取引日", "金額", "出金額", "入金額", "入出金", "出金", "入金", "摘要", "スーパーの買い物"},
	"chinese":  {"交易日期", "交易金额", "支出", "收入", "收/支", "支出", "收入", "摘要", "超市购物和午饭"},
}

var encodings = map[string][]string{
	"english":  {"utf-8", "windows-1252", "utf-16le", "utf-16be"},
	"german":   {"utf-8", "windows-1252", "utf-16le"},
	"french":   {"utf-8", "windows-1252"},
	"polish":   {"utf-8", "windows-1250"},
	"russian":  {"utf-8", "windows-1251", "utf-16le"},
	"japanese": {"utf-8", "shift_jis"},
	"chinese":  {"utf-8", "gbk"},
}

var dateStyles = map[string]func(expense.Date) string{
	"iso":      expense.Date.String,
	"points":   func(d expense.Date) string { return fmt.Sprintf("%02d.%02d.%d", d.Day(), d.MonthOfYear(), d.Year()) },
	"short":    func(d expense.Date) string { return fmt.Sprintf("%d.%d.%02d", d.Day(), d.MonthOfYear(), d.Year()%100) },
	"slashes":  func(d expense.Date) string { return fmt.Sprintf("%02d/%02d/%d", d.Day(), d.MonthOfYear(), d.Year()) },
	"american": func(d expense.Date) string { return fmt.Sprintf("%d/%d/%d", d.MonthOfYear(), d.Day(), d.Year()) },
	"names": func(d expense.Date) string {
		return time.Date(d.Year(), d.MonthOfYear(), d.Day(), 0, 0, 0, 0, time.UTC).Format("2 Jan 2006")
	},
	"month day": func(d expense.Date) string {
		return time.Date(d.Year(), d.MonthOfYear(), d.Day(), 0, 0, 0, 0, time.UTC).Format("January 2, 2006")
	},
	"compact":    func(d expense.Date) string { return strings.ReplaceAll(d.String(), "-", "") },
	"with times": func(d expense.Date) string { return d.String() + " 12:34:56" },
}

type dialectRow struct {
	date   expense.Date
	minor  int64 // of spending; negative: money in
	number int
}

func drawDialect(t *rapid.T) dialect {
	language := rapid.SampledFrom([]string{"english", "german", "french", "polish", "russian", "japanese",
		"chinese"}).Draw(t, "language")
	d := dialect{
		words:     languages[language],
		encoding:  rapid.SampledFrom(encodings[language]).Draw(t, "encoding"),
		delimiter: rapid.SampledFrom([]string{",", ";", "\t", "|"}).Draw(t, "delimiter"),
		lineEnd:   rapid.SampledFrom([]string{"\n", "\r\n", "\r"}).Draw(t, "line end"),
		decimal:   rapid.SampledFrom([]string{".", ","}).Draw(t, "decimal"),
		sign: rapid.SampledFrom([]string{"minus", "parentheses", "trailing", "unicode", "pair", "negative pair", "direction",
			"mark"}).
			Draw(t, "sign"),
		quotes: rapid.Bool().Draw(t, "quotes"),
	}
	d.date = dateStyles[rapid.SampledFrom([]string{
		"iso", "points", "short", "slashes", "american", "names", "month day", "compact", "with times",
	}).Draw(t, "date")]
	groups := map[string][]string{".": {"", ",", "'"}, ",": {"", ".", " "}}[d.decimal]
	d.group = rapid.SampledFrom(groups).Draw(t, "group")
	if rapid.Bool().Draw(t, "preamble") {
		d.preamble = "Account 4711" + d.lineEnd + "From 2026" + d.delimiter + "to 2027" + d.lineEnd + d.lineEnd
	}
	if rapid.Bool().Draw(t, "footer") {
		d.footer = d.lineEnd + "Total" + d.delimiter + "1000" + d.lineEnd
	}
	if d.sign == "unicode" && d.encoding != "utf-8" && !strings.HasPrefix(d.encoding, "utf-16") {
		d.sign = "minus"
	}
	return d
}

func (d dialect) amount(minor int64) string {
	whole, cents := fmt.Sprint(minor/100), fmt.Sprintf("%02d", minor%100)
	if d.group != "" {
		for i := len(whole) - 3; i > 0; i -= 3 {
			whole = whole[:i] + d.group + whole[i:]
		}
	}
	return whole + d.decimal + cents
}

func (d dialect) write(t *rapid.T, rows []dialectRow) string {
	var b strings.Builder
	line := func(cells ...string) {
		for i, cell := range cells {
			if i > 0 {
				b.WriteString(d.delimiter)
			}
			if d.quotes || strings.Contains(cell, d.delimiter) {
				cell = `"` + cell + `"`
			}
			b.WriteString(cell)
		}
		b.WriteString(d.lineEnd)
	}
	b.WriteString(d.preamble)
	w := d.words
	switch d.sign {
	case "pair", "negative pair":
		line(w.date, w.notes, w.debit, w.credit)
	case "direction":
		line(w.date, w.notes, w.amount, w.direction)
	default:
		line(w.date, w.notes, w.amount)
	}
	for _, row := range rows {
		date, text, spending := d.date(row.date), fmt.Sprintf("%s %d", w.text, row.number), row.minor > 0
		amount := d.amount(max(row.minor, -row.minor))
		switch d.sign {
		case "pair", "negative pair":
			if spending && d.sign == "negative pair" {
				amount = "-" + amount
			}
			if spending {
				line(date, text, amount, "")
			} else {
				line(date, text, "", amount)
			}
		case "direction":
			line(date, text, amount, map[bool]string{true: w.out, false: w.in}[spending])
		case "mark":
			line(date, text, amount+map[bool]string{true: " DR", false: " CR"}[spending])
		default:
			if spending {
				amount = map[string]string{"minus": "-" + amount, "parentheses": "(" + amount + ")", "trailing": amount + "-",
					"unicode": "−" + amount}[d.sign]
			}
			line(date, text, amount)
		}
	}
	b.WriteString(d.footer)
	enc, err := htmlindex.Get(d.encoding)
	if err != nil {
		t.Fatal(err)
	}
	if d.encoding == "utf-8" {
		return b.String()
	}
	encoded, err := enc.NewEncoder().String(b.String())
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

// drawRows draws rows that leave no doubt: one date has a day after the twelfth, and amounts have two decimals.
func drawRows(t *rapid.T) []dialectRow {
	start := expense.MustDate("2026-01-13")
	n := rapid.IntRange(1, 40).Draw(t, "rows")
	rows := []dialectRow{{date: start, minor: 1234}}
	for i := range n {
		minor := rapid.Int64Range(1, 99_999_999).Draw(t, "amount")
		if rapid.IntRange(0, 3).Draw(t, "income") == 0 {
			minor = -minor
		}
		rows = append(rows, dialectRow{start.AddDays(rapid.IntRange(0, 300).Draw(t, "day")), minor, i + 1})
	}
	return rows
}

func TestInspect_AnyDialectGivesTheSameRows(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d, rows := drawDialect(rt), drawRows(rt)
		text := d.write(rt, rows)
		in, err := statement.Inspect(t.Context(), strings.NewReader(text), statement.Mapping{}, euro)
		if err != nil {
			rt.Fatalf("%v in\n%s", err, text)
		}
		for _, question := range in.Questions {
			// Files with signs of both kinds do not say which one is spending.
			if question.Code != "sign" {
				rt.Fatalf("Inspect asks %q: %+v\n%s", question.Code, question.Choices, text)
			}
		}
		m := in.Mapping
		if len(in.Questions) > 0 {
			m.Sign.Expense = "negative"
		}
		m.Income = "refund"
		in, err = statement.Inspect(t.Context(), strings.NewReader(text), m, euro)
		if err != nil {
			rt.Fatal(err)
		}
		var got []statement.Row
		for _, row := range in.Rows {
			if row.Status != statement.Ignored {
				got = append(got, row)
			}
		}
		for i, row := range rows[:min(len(rows), 20)] {
			want := fmt.Sprintf("%s %s %s %d", row.date, statementAmount(row.minor), d.words.text, row.number)
			if i < len(got) && describe(got[i]) == want {
				continue
			}
			rt.Fatalf("row %d is %+v, want %s; encoding %s\n%s", i, got[min(i, len(got)-1)], want, in.Encoding, text)
		}
	})
}

func statementAmount(minor int64) expense.Money {
	money, err := expense.MoneyFromMinor(minor, euro.Home)
	if err != nil {
		panic(err)
	}
	return money
}

func TestInspect_Workbook(t *testing.T) {
	book := excelize.NewFile()
	date, err := book.NewStyle(&excelize.Style{CustomNumFmt: new("dd/mm/yyyy")})
	if err != nil {
		t.Fatal(err)
	}
	euros, err := book.NewStyle(&excelize.Style{CustomNumFmt: new("#,##0.00 [$€-407]")})
	if err != nil {
		t.Fatal(err)
	}
	day := func(d int) time.Time { return time.Date(2026, time.February, d, 0, 0, 0, 0, time.UTC) }
	for i, row := range [][]any{
		{"My bank"}, {}, {"Date", "Amount", "Description"},
		{day(1), -1234.5, "A"}, {day(2), -0.1 - 0.2, "B"}, {"03/02/2026", -3, "C"}, {46057, "-4.00", "D"}, {day(20), -5.25,
			"E"},
	} {
		if err := book.SetSheetRow("Sheet1", fmt.Sprintf("A%d", i+1), &row); err != nil {
			t.Fatal(err)
		}
	}
	for cell, style := range map[string]int{"A4": date, "A5": date, "A8": date, "B4": euros, "B8": euros} {
		if err := book.SetCellStyle("Sheet1", cell, cell, style); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := book.Write(&b); err != nil {
		t.Fatal(err)
	}
	in := inspectText(t, b.String(), statement.Mapping{Date: statement.DateColumn{Layout: "DD/MM/YYYY"}},
		expense.Settings{Home: expense.MustCurrency("CHF")})
	var rows []string
	for _, row := range in.Rows {
		rows = append(rows, describe(row))
	}
	const want = "2026-02-01 1234.50 EUR A; 2026-02-02 0.30 CHF B; 2026-02-03 3.00 CHF C; 2026-02-04 4.00 CHF D; " +
		"2026-02-20 5.25 EUR E"
	if got := strings.Join(rows, "; "); got != want || len(in.Questions) > 0 || in.Format != statement.XLSX {
		t.Errorf("rows: %s, want %s; questions %q", got, want, codes(in.Questions))
	}
}

// workbookOf returns a workbook whose only sheet is this XML.
func workbookOf(t testing.TB, sheet []byte) []byte {
	t.Helper()
	var empty, b bytes.Buffer
	if err := excelize.NewFile().Write(&empty); err != nil {
		t.Fatal(err)
	}
	from, err := zip.NewReader(bytes.NewReader(empty.Bytes()), int64(empty.Len()))
	if err != nil {
		t.Fatal(err)
	}
	to := zip.NewWriter(&b)
	for _, part := range from.File {
		w, err := to.Create(part.Name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := part.Open()
		if err != nil {
			t.Fatal(err)
		}
		if part.Name == "xl/worksheets/sheet1.xml" {
			r = io.NopCloser(bytes.NewReader(sheet))
		}
		if _, err := io.Copy(w, r); err != nil {
			t.Fatal(err)
		}
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
