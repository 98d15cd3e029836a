package statement_test

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/statement"
)

// samples are the files in testdata/samples with the ledger's home currency and what [statement.Inspect] must make of
// them. A row is "date amount currency notes", or "reason" for an ignored row, or "failed code". asked has the codes of
// the questions; the rows are those of the choices in answers, or else of the first choices.
var samples = []struct {
	file, home string
	asked      string
	answers    map[string]int
	rows       []string
}{
	{"two-cards-a.csv", "GBP", "date_layout sign", nil, []string{
		"2026-03-02 2.80 GBP TFL TRAVEL CHARGE", "2026-03-03 9.00 GBP Deli"}},
	{"date-order.csv", "GBP", "", nil, []string{
		"2026-04-03 800.00 GBP Rent", "2026-06-05 3.00 GBP Tea", "2026-04-25 2.00 GBP Bus"}},
	{"ing-de.csv", "CHF", "", nil, []string{"2026-08-10 4.20 EUR Bäckerei · Lastschrift · Brot"}},
	{"swedbank-cut.csv", "SEK", "", nil, []string{"2026-02-01 100.50 SEK ICA"}},
	{"neg-debit.csv", "EUR", "", nil, []string{"2026-02-01 800.00 EUR Miete", "income 2000.00"}},
	{"rownumbers-1.csv", "INR", "date_layout", nil, []string{"2026-02-02 20.00 INR Tea", "2026-02-01 10.00 INR Bus"}},
	{"dkb.csv", "EUR", "", nil, []string{"2026-08-31 12.34 EUR Markt · VISA Debitkartenumsatz"}},
	{"hdfc.csv", "INR", "date_layout", nil, []string{
		"no_amount", "2026-02-01 100250.50 INR UPI-SHOP", "income 500000.00", "footer", "footer", "footer", "footer",
		"footer"}},
	{"boa.csv", "USD", "date_layout", map[string]int{"date_layout": 1}, []string{"no_amount",
		"2026-01-05 12.34 USD SHOP"}},
	{"headerless-wf.csv", "USD", "date_layout", map[string]int{"date_layout": 1}, []string{
		"2026-01-02 12.34 USD COFFEE", "2026-01-03 45.00 USD GROCER"}},
	{"sep-line.csv", "EUR", "", nil, []string{"2026-02-01 3.00 EUR A"}},
	{"creditsuisse-dash.csv", "CHF", "", nil, []string{"income 500.00", "2026-05-24 500.00 CHF Buchung 2"}},
	{"month-names2.csv", "USD", "", nil, []string{
		"2026-11-01 9.99 USD Interest", "2025-12-24 1.00 USD x", "2025-06-21 1.00 USD x"}},
	{"symbols-letters.csv", "PLN", "", nil, []string{
		"2026-02-01 45.90 PLN A", "2026-02-02 45.90 PLN B", "2026-02-03 45.90 PLN C"}},
	{"symbols-letters.csv", "EUR", "", nil, []string{
		"2026-02-01 45.90 PLN A", "2026-02-02 45.90 PLN B", "2026-02-03 45.90 PLN C"}},
	{"br-reais.csv", "BRL", "date_layout", nil, []string{"2026-02-01 1045.90 BRL Compra", "2026-02-02 45.90 BRL Compra"}},
	{"revolut-fee.csv", "EUR", "", nil, []string{
		"2026-02-01 10.00 EUR Shop", "2026-02-03 101.50 EUR To USD", "excluded", "zero", "2026-02-05 1000 JPY Ramen"}},
	{"currency-symbol-col.csv", "EUR", "", nil, []string{
		"2026-02-01 3.00 EUR A", "2026-02-02 3.00 EUR A", "2026-02-03 3.00 EUR A", "2026-02-04 3.00 EUR A",
		"2026-02-05 3.00 EUR A"}},
	{"us-parens.csv", "USD", "", nil, []string{
		"income 400.00", "2026-01-02 30.00 USD Restaurant", "2026-01-03 12.34 USD Shop", "2026-01-04 5.00 USD Shop",
		"2026-01-05 1234.56 USD Big", "failed contradictory_sign", "2026-01-07 12.34 USD Trail",
		"2026-01-08 12.34 USD TrailCur",
		"2026-01-09 12.34 USD DrCr", "income 12.34", "failed two_signs", "income 21.78", "income 21.78"}},
	{"nubank.csv", "BRL", "date_layout", nil, []string{"2026-02-01 45.90 BRL Compra no débito", "income 3000.00"}},
	{"amex.csv", "USD", "date_layout sign", nil, []string{"2026-01-02 45.00 USD SHOP", "income 800.00"}},
	{"bank.ofx", "EUR", "", nil, []string{
		"2026-02-01 12.34 USD AT&T Store · Phone", "income 100.00", "2026-02-03 5.50 USD Bakery"}},
	{"bank2.ofx", "EUR", "", nil, []string{"2026-02-01 3.00 EUR Café"}},
	{"money.qif", "USD", "", nil, []string{
		"2026-02-13 1234.50 USD Supermarket", "2026-02-14 10.00 USD Shop", "2026-02-14 20.00 USD Shop · Shirt", "excluded"}},
	{"bank.sta", "EUR", "", nil, []string{
		"2026-02-01 12.34 EUR Stadtwerke · Rechnung 477", "income 2000.00", "2026-01-02 1.50 EUR Coffee"}},
	{"camt.xml", "EUR", "", nil, []string{"2026-02-01 12.34 EUR Energy & Co · Bill 1", "income 50.00", "excluded"}},
}

func TestInspect_Samples(t *testing.T) {
	for _, sample := range samples {
		t.Run(sample.file+" in "+sample.home, func(t *testing.T) {
			text, err := os.ReadFile("testdata/samples/" + sample.file)
			if err != nil {
				t.Fatal(err)
			}
			settings := expense.Settings{Home: expense.MustCurrency(sample.home)}
			in := inspectText(t, string(text), statement.Mapping{}, settings)
			if asked := codes(in.Questions); asked != sample.asked {
				t.Errorf("Inspect asks %q, want %q", asked, sample.asked)
			}
			mapping := answer(t, in, sample.answers)
			in = inspectText(t, string(text), mapping, settings)
			if len(in.Questions) > 0 {
				t.Errorf("after the answers, Inspect still asks %q", codes(in.Questions))
			}
			var rows []string
			for _, row := range in.Rows {
				rows = append(rows, describe(row))
			}
			want := slices.Clone(sample.rows)
			if !slices.Equal(rows, want) {
				t.Errorf("rows:\n%s\nwant:\n%s", strings.Join(rows, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

func TestInspect_FilesOfBanks(t *testing.T) {
	for name, test := range map[string]struct {
		text, home string
		rows       []string
	}{
		"columns named DR and CR": {
			"Tran Date,CHQNO,PARTICULARS,DR,CR,BAL\n16-03-2026,-,Shop,  12.50, ,  90.00\n17-03-2026,-,Pay, ,  5.00,  95.00\n",
			"INR", []string{"2026-03-16 12.50 INR Shop", "income 5.00"}},
		"a column of currencies with another name": {
			"account,mutationcode,date,amount,description,balance\n1,EUR,20260131,-85.5,Shop,9\n1,EUR,20260201,-1.25,Bus,8\n",
			"USD", []string{"2026-01-31 85.50 EUR Shop", "2026-02-01 1.25 EUR Bus"}},
		"a status in place of the date": {
			"Bokföringsdag;Belopp;Namn;Saldo;Valuta\nReserverat;-89,00;Café;;SEK\n2026/06/28;-349,00;Shop;9700,25;SEK\n",
			"SEK", []string{"excluded", "2026-06-28 349.00 SEK Shop"}},
		"pending rows of a Sparkasse": {
			"Auftragskonto;Buchungstag;Valutadatum;Buchungstext;Verwendungszweck;Betrag;Waehrung;Info\n" +
				"DE1;02.10.26;02.10.26;KARTE;Markt;-23,45;EUR;Umsatz gebucht\n" +
				"DE1;03.10.26;03.10.26;KARTE;Kino;-12,99;EUR;Umsatz vorgemerkt\n",
			"EUR", []string{"2026-10-02 23.45 EUR KARTE · Markt", "excluded"}},
		"holds of PayPal": {
			"Date,Time,Name,Type,Status,Currency,Gross,Fee,Net\n" +
				"10/13/2026,09:00:00,,Account Hold for Open Authorization,Completed,EUR,-10.00,0.00,-10.00\n" +
				"10/14/2026,09:00:00,Shop,Payment,Completed,EUR,-10.00,0.00,-10.00\n",
			"EUR", []string{"excluded", "2026-10-14 10.00 EUR Shop · Payment"}},
		"information of several lines in MT940": {
			":20:A\n:25:B\n:28C:1\n:60F:C260101EUR1,\n:61:2601020102D5,NTRF\n:86:Shop\nMain Street\n" +
				":61:2601030103D6,NTRF\n:86:" + strings.Repeat("x", 65) + "y\n:62F:C260103EUR1,\n",
			"EUR", []string{"2026-01-02 5.00 EUR Shop Main Street", "2026-01-03 6.00 EUR " + strings.Repeat("x", 65) + "y"}},
		"tags of a Dutch bank in MT940": {
			":20:A\n:25:B\n:28C:1\n:60F:C260101EUR1,\n:61:2601020102D5,NTRF\n" +
				":86:/TRTP/SEPA/IBAN/NL91/NAME/Bakery/REMI/Bread/EREF/1\n" +
				":61:2601030103D6,NTRF\n:86:/CNTP/NL1/INGBNL2A/Florist/City//REMI/USTD//Roses/\n:62F:C260103EUR1,\n",
			"EUR", []string{"2026-01-02 5.00 EUR Bakery · Bread", "2026-01-03 6.00 EUR Florist · Roses"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := inspectText(t, test.text, statement.Mapping{}, expense.Settings{Home: expense.MustCurrency(test.home)})
			if len(in.Questions) > 0 {
				t.Errorf("Inspect asks %q", codes(in.Questions))
			}
			var rows []string
			for _, row := range in.Rows {
				rows = append(rows, describe(row))
			}
			if !slices.Equal(rows, test.rows) {
				t.Errorf("rows %q, want %q", rows, test.rows)
			}
		})
	}
}

func inspectText(t testing.TB, text string, m statement.Mapping, settings expense.Settings) *statement.Inspection {
	t.Helper()
	in, err := statement.Inspect(t.Context(), bytes.NewReader([]byte(text)), m, settings)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func codes(questions []statement.Question) string {
	var codes []string
	for _, q := range questions {
		codes = append(codes, q.Code)
	}
	return strings.Join(codes, " ")
}

// answer returns the proposed mapping with a choice of each question: by code, or else the first one.
func answer(t testing.TB, in *statement.Inspection, choices map[string]int) statement.Mapping {
	t.Helper()
	m := in.Mapping
	for _, question := range in.Questions {
		var err error
		if m, err = statement.MergeMappings(m, question.Choices[choices[question.Code]].Mapping); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func describe(row statement.Row) string {
	switch row.Status {
	case statement.Failed:
		return "failed " + row.Failures[0].Code
	case statement.Ignored:
		if row.Reason == statement.ReasonIncome {
			return row.Reason + " " + row.Amount.Amount()
		}
		return row.Reason
	default:
		return strings.TrimSpace(fmt.Sprintf("%s %s %s", row.Date, row.Amount, row.Notes))
	}
}
