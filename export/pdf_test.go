package export_test

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/expense/locale"
	"github.com/spendwise/spendwise/export"
	"github.com/spendwise/spendwise/export/internal/exporttest"
	"github.com/spendwise/spendwise/report"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/ledgertest"
	"github.com/spendwise/spendwise/store/memstore"
)

// now is the time at which the tests create and export their ledgers.
var now = time.Date(2025, time.June, 1, 12, 0, 0, 0, time.UTC)

// someNotes are realistic notes in several scripts, with different lengths.
var someNotes = []string{
	"Mittagessen im Café „Größe“", "Ραντεβού στην Αθήνα, €12", "Обед в Москве ₽",
	"Ramen 拉麺 in 東京, 漢字とかな",
	"Short",
	"",
	"A long note that wraps: " + strings.Repeat("the train to Zürich was late again, ", 12),
	"First line\nsecond line\n\nfourth line",
	strings.Repeat("W", 120), "naïve façade Å ø ł ő ș ğ ı İ ₹ 500 ¥ 1000 £ ₩ ₺ ₽ 한국어",
}

// yearLedger creates a ledger of "ada" with n expenses of 2025 in four categories. The notes of each expense begin with
// its number.
func yearLedger(t testing.TB, n int, notes func(i int) string) (store.Store, []expense.Expense) {
	t.Helper()
	st := memstore.New()
	ledger := ledgertest.Create(t, st, "ada", now, expense.SettingsDraft{Locale: new("de")})
	random := rand.New(rand.NewPCG(1, 2))
	rates := map[string]string{"USD": "0.923456", "JPY": "0.0061234567890123", "INR": "0.010987", "CNY": "0.128"}
	rows := make([]expense.Expense, n)
	for i := range rows {
		currency := expense.MustCurrency([]string{"EUR", "EUR", "USD", "JPY", "INR", "CNY", "KWD"}[random.IntN(7)])
		amount, err := expense.MoneyFromMinor(random.Int64N(100_000)-9_999, currency)
		if err != nil || amount.IsZero() {
			amount = expense.MustMoney("1", currency.Code())
		}
		var id uuid.UUID
		id[0], id[1], id[2], id[15] = byte(i>>16), byte(i>>8), byte(i), 1
		e := expense.Expense{
			ID: id, Amount: amount, Date: expense.MustDate("2025-01-01").AddDays(random.IntN(365)),
			Notes:      strings.TrimSpace(fmt.Sprintf("#%05d %s", i, notes(i))),
			CategoryID: ledger.Categories[random.IntN(4)].ID, Home: expense.MustMoney("0", "EUR"),
			CreatedAt: expense.Timestamp(now), UpdatedAt: expense.Timestamp(now),
		}
		switch code := currency.Code(); code {
		case "EUR":
			e.Rate = expense.Rate{Value: expense.MustFactor("1"), Date: e.Date, Source: expense.SourceIdentity}
		case "KWD":
		default:
			e.Rate = expense.Rate{Value: expense.MustFactor(rates[code]), Date: e.Date.AddDays(-random.IntN(3)), Source: "ecb"}
		}
		if !e.Pending() {
			if e.Home, err = e.Rate.Convert(amount, ledger.Settings.Home); err != nil {
				t.Fatal(err)
			}
		}
		rows[i] = e
	}
	err := st.Update(t.Context(), "ada",
		func(tx store.Tx) error { _, err := tx.PutExpenses(t.Context(), rows...); return err })
	if err != nil {
		t.Fatal(err)
	}
	return st, rows
}

func readReport(t testing.TB, st store.Store, owner string) (pdfReport *export.Report, err error) {
	t.Helper()
	err = st.View(t.Context(), "ada", func(r store.Reader) error {
		yearly, err := report.Yearly(t.Context(), r, now, 2025, 0)
		if err != nil {
			return err
		}
		pdfReport, err = export.ReadReport(t.Context(), r, yearly.Summary, export.ReportOptions{Owner: owner, Now: now})
		return err
	})
	return pdfReport, err
}

func pdfOf(t testing.TB, st store.Store, owner string) []byte {
	t.Helper()
	pdfReport, err := readReport(t, st, owner)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := pdfReport.WritePDF(&file); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// fixedExpenses is an export.ReportReader that returns the same rows for each query. Its totals are empty.
type fixedExpenses struct {
	rows iter.Seq2[expense.Expense, error]
}

func (l fixedExpenses) Expenses(context.Context, expense.Query) iter.Seq2[expense.Expense, error] {
	return l.rows
}

func (l fixedExpenses) BudgetSnapshot(context.Context) (budget.Snapshot, error) {
	return budget.Snapshot{Settings: expense.Settings{Home: expense.MustCurrency("EUR")}}, nil
}

func (l fixedExpenses) Totals(context.Context, expense.TotalsQuery) ([]expense.Total, error) {
	return nil, nil
}

// poppler runs a Poppler tool on a PDF and returns its output.
func poppler(t testing.TB, pdf []byte, tool string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is missing: apt-get install poppler-utils", tool)
		}
		t.Skipf("%s is missing: apt-get install poppler-utils", tool)
	}
	path := filepath.Join(t.TempDir(), "report.pdf")
	if err := os.WriteFile(path, pdf, 0o600); err != nil {
		t.Fatal(err)
	}
	if tool == "pdftotext" {
		args = append(args, path, "-")
	} else {
		args = append(args, path)
	}
	var stderr bytes.Buffer
	command := exec.CommandContext(t.Context(), tool, args...)
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("%s: %v\n%s", tool, err, stderr.String())
	}
	return string(out)
}

func TestPDF_HasEveryExpenseAndTotal(t *testing.T) {
	st, rows := yearLedger(t, 400, func(i int) string { return someNotes[i%len(someNotes)] })
	text := poppler(t, pdfOf(t, st, "Ada Łovelace"), "pdftotext", "-layout")
	// Text search treats no-break spaces as spaces.
	text = strings.NewReplacer("\u00a0", " ", "\u202f", " ").Replace(text)
	money := func(m expense.Money) string {
		return strings.NewReplacer("\u00a0", " ", "\u202f", " ").Replace(locale.NewFormatter("de").Money(m))
	}
	lines := map[string]string{}
	for line := range strings.Lines(text) {
		if at := strings.Index(line, "#"); at >= 0 && len(line) >= at+6 {
			lines[line[at:at+6]] = line
		}
	}
	for i, e := range rows {
		want := []string{e.Date.String(), e.Amount.Currency().Code(), money(e.Amount)}
		if e.Pending() {
			want = append(want, "pending")
		} else {
			want = append(want, strings.Replace(e.Rate.Value.String(), ".", ",", 1), e.Rate.Date.String(), string(e.Rate.Source),
				money(e.Home))
		}
		line := lines[fmt.Sprintf("#%05d", i)]
		for _, part := range want {
			if !strings.Contains(line, part) {
				t.Errorf("the line of expense %d does not contain %q: %q", i, part, line)
			}
		}
	}
	pdfReport, err := readReport(t, st, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range pdfReport.ByCategory {
		row := regexp.MustCompile(regexp.QuoteMeta(c.Name) + ` +` + fmt.Sprint(c.Sum.Count) + ` +` +
			strings.Replace(c.Share.String(), ".", ",", 1) + ` % +` + regexp.QuoteMeta(money(c.Sum.Home)))
		if !row.MatchString(text) {
			t.Errorf("no row for the category %s: %s", c.Name, row)
		}
	}
	for _, c := range pdfReport.ByCurrency {
		row := regexp.MustCompile(c.Paid.Currency().Code() + ` +` + fmt.Sprint(c.Sum.Count) + ` +` +
			regexp.QuoteMeta(money(c.Paid)) + ` +` + regexp.QuoteMeta(money(c.Sum.Home)))
		if !row.MatchString(text) {
			t.Errorf("no row for the currency %s: %s", c.Paid.Currency(), row)
		}
	}
	for _, part := range []string{
		"Expenses from 2025-01-01 to 2025-12-31", "Ada Łovelace", "Home currency", "2025-06-01 12:00 UTC",
		money(pdfReport.Sum.Home), "(continued)", "Page 1 of ",
		"ecb: the euro foreign exchange reference rates of the European Central Bank", "東京", "한국어", "₹ 500",
		"Größe",
		"Αθήνα",
		"Москве",
		"pending: there is no rate",
	} {
		if !strings.Contains(text, part) {
			t.Errorf("the pages do not contain %q", part)
		}
	}
	if strings.Contains(text, "replaces a character") {
		t.Error("unexpected footnote about missing characters")
	}
}

func TestPDF_MarksCharactersThatFontsLack(t *testing.T) {
	st, _ := yearLedger(t, 3, func(i int) string { return []string{"🍜 noodles", "عربي", "plain"}[i] })
	text := poppler(t, pdfOf(t, st, "ada 🍜"), "pdftotext", "-layout")
	for _, part := range []string{"� noodles", "����", "plain",
		"� replaces a character that the fonts of this document do not have"} {
		if !strings.Contains(text, part) {
			t.Errorf("the pages do not contain %q:\n%s", part, text)
		}
	}
}

func TestPDF_RemovesBidiControlsFromNotes(t *testing.T) {
	st, _ := yearLedger(t, 1, func(int) string { return "evil \u202egnp.001\u2066" })
	text := poppler(t, pdfOf(t, st, "ada"), "pdftotext", "-layout")
	if !strings.Contains(text, "evil gnp.001") || strings.ContainsAny(text, "\u202e\u2066") {
		t.Errorf("text of the pages =\n%+q", text)
	}
}

func TestPDF_HasDocumentInformation(t *testing.T) {
	st, _ := yearLedger(t, 30, func(int) string { return "" })
	pdf := pdfOf(t, st, "Ada Łovelace")
	info := poppler(t, pdf, "pdfinfo", "-isodates")
	for _, part := range []string{
		"Title:           Expenses from 2025-01-01 to 2025-12-31", "Author:          Ada Łovelace",
		"CreationDate:    2025-06-01T12:00:00",
		"ModDate:         2025-06-01T12:00:00", "Page size:       841.89 x 595.28 pts (A4)",
	} {
		if !strings.Contains(info, part) {
			t.Errorf("the document information does not contain %q:\n%s", part, info)
		}
	}
	if !bytes.Contains(pdf, []byte("/Type /Catalog\n/Lang (en)\n")) {
		t.Error("the PDF catalogue has no language")
	}
}

// TestPDF_FirstPageHasTotals uses a ledger with the ten starter categories and three currencies.
func TestPDF_FirstPageHasTotals(t *testing.T) {
	st, rows := yearLedger(t, 60, func(int) string { return "" })
	categories, err := st.Reader("ada").Categories(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		e := &rows[i]
		e.CategoryID, e.Version = categories[i%len(categories)].ID, 2
		e.Amount, e.Rate = expense.MustMoney("12.50", "EUR"), expense.Rate{Value: expense.MustFactor("1"), Date: e.Date,
			Source: expense.SourceIdentity}
		if i%3 > 0 {
			// The rate has the maximum number of digits and is below 0.01.
			e.Amount = expense.MustMoney("1250", []string{"JPY", "INR"}[i%3-1])
			e.Rate.Value, e.Rate.Source = expense.MustFactor("0.00612345678901234567"), "ecb"
		}
		if e.Home, err = e.Rate.Convert(e.Amount, e.Home.Currency()); err != nil {
			t.Fatal(err)
		}
	}
	err = st.Update(t.Context(), "ada",
		func(tx store.Tx) error { _, err := tx.PutExpenses(t.Context(), rows...); return err })
	if err != nil {
		t.Fatal(err)
	}
	pdf := pdfOf(t, st, "ada")
	front := poppler(t, pdf, "pdftotext", "-layout", "-l", "1")
	if strings.Count(front, "Total") != 5 { // two headings, three sums
		t.Errorf("the front page does not contain five totals:\n%s", front)
	}
	if all := poppler(t, pdf, "pdftotext", "-layout"); strings.Count(all, "0,00612345678901234567 ") < 40 {
		t.Errorf("a rate is wrapped over two lines:\n%s", all)
	}
}

func TestPDF_WithoutExpensesHasNoCharts(t *testing.T) {
	st, _ := yearLedger(t, 0, nil)
	pdf := pdfOf(t, st, "ada")
	if text := poppler(t, pdf, "pdftotext", "-layout"); !strings.Contains(text, "0,00") ||
		bytes.Contains(pdf, []byte("/Subtype /Image")) {
		t.Errorf("unexpected charts, or no total:\n%s", text)
	}
}

func TestPDF_IsDeterministic(t *testing.T) {
	st, _ := yearLedger(t, 300, func(i int) string { return someNotes[i%len(someNotes)] })
	first, second := pdfOf(t, st, "ada"), pdfOf(t, st, "ada")
	if poppler(t, first, "pdftotext", "-layout") != poppler(t, second, "pdftotext", "-layout") {
		t.Error("the texts of two reports of the same data differ")
	}
	if a, b := poppler(t, first, "pdfinfo"), poppler(t, second, "pdfinfo"); a != b {
		t.Errorf("document information differs:\n%s\n%s", a, b)
	}
}

func TestPDF_LongNoteContinuesOnNextPage(t *testing.T) {
	var note strings.Builder
	for i := range 200 {
		fmt.Fprintf(&note, "\nline %03d.", i)
	}
	st, _ := yearLedger(t, 3, func(int) string { return note.String() })
	text := poppler(t, pdfOf(t, st, "ada"), "pdftotext", "-layout")
	for i := range 200 {
		if part := fmt.Sprintf("line %03d.", i); strings.Count(text, part) != 3 {
			t.Errorf("the pages contain %q %d times, want 3", part, strings.Count(text, part))
		}
	}
}

func TestPDF_AcceptsAnyText(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom(exporttest.HostileTexts()),
			rapid.StringMatching(`(\pL|\pM|\pS|\pZ|\pC){0,200}`),
			rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
		summary := report.Summary{
			Settings: expense.Settings{Home: expense.MustCurrency("EUR"),
				Locale: rapid.SampledFrom([]string{"en", "ar", "hi", "my", "de-CH", "x"}).Draw(rt, "locale")},
			Dates: expense.MustMonth("2025-01").Range(), Sum: expense.NewSum(expense.MustCurrency("EUR")),
			ByCategory: []report.CategorySpending{
				{ID: uuid.UUID{1}, Name: text.Draw(rt, "category"), Sum: expense.NewSum(expense.MustCurrency("EUR"))}},
		}
		rows := seq(expense.Expense{ID: uuid.UUID{2}, CategoryID: uuid.UUID{1}, Notes: text.Draw(rt, "notes"),
			Amount: expense.MustMoney("1", "AED"), Date: expense.MustDate("2025-01-02")})
		pdfReport, err := export.ReadReport(t.Context(), fixedExpenses{rows}, summary,
			export.ReportOptions{Owner: text.Draw(rt, "who"), Now: now})
		if err != nil {
			rt.Fatal(err)
		}
		if err := pdfReport.WritePDF(&bytes.Buffer{}); err != nil {
			rt.Fatal(err)
		}
	})
}

func TestReadReport_RejectsTooManyExpenses(t *testing.T) {
	summary := report.Summary{Sum: expense.Sum{Count: export.MaxReportExpenses + 1}}
	_, err := export.ReadReport(t.Context(), nil, summary, export.ReportOptions{})
	fieldErrs := expense.InvalidErrors(err)
	if len(fieldErrs) != 1 || fieldErrs[0].Code != "too_many_expenses" || !strings.Contains(fieldErrs[0].Detail, "CSV") {
		t.Errorf("ReadReport: %v, want too_many_expenses with CSV as the alternative", err)
	}
}

// BenchmarkPDF measures the creation of a report and its peak heap usage.
func BenchmarkPDF(b *testing.B) {
	for _, n := range []int{1200, 12_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			st, _ := yearLedger(b, n, func(i int) string { return someNotes[i%len(someNotes)] })
			pdfReport, err := readReport(b, st, "ada")
			if err != nil {
				b.Fatal(err)
			}
			runtime.GC()
			peak, done := exporttest.WatchHeap()
			size := 0
			for b.Loop() {
				var file bytes.Buffer
				if err := pdfReport.WritePDF(&file); err != nil {
					b.Fatal(err)
				}
				size = file.Len()
			}
			done()
			b.ReportMetric(float64(peak())/(1<<20), "peak-MiB")
			b.ReportMetric(float64(size)/(1<<10), "file-KiB")
		})
	}
}
