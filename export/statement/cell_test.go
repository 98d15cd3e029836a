package statement_test

import (
	"strings"
	"testing"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/statement"
)

// readOne reads a file of one row with the cells of a date, an amount and a currency. change changes the mapping.
func readOne(t testing.TB, date, amount, currency, home, change string) statement.Row {
	t.Helper()
	quoted := func(text string) string { return `"` + strings.ReplaceAll(text, `"`, `""`) + `"` }
	text := "Date|Amount|Currency|Text\n2026-01-31|-1|" + home + "|other\n" +
		quoted(date) + "|" + quoted(amount) + "|" + quoted(currency) + "|x\n"
	m, err := statement.MergeMappings(parseMapping(t, `{"date":{"column":"Date","layout":"YYYY-MM-DD"},
		"amount":{"column":"Amount","decimal":"."},"sign":{"expense":"negative"},"income":"refund"}`),
		parseMapping(t, change))
	if err != nil {
		t.Fatal(err)
	}
	zone, err := expense.ParseZone("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	in := inspectText(t, text, m, expense.Settings{Home: expense.MustCurrency(home), Zone: zone})
	return in.Rows[1]
}

func TestImport_AmountSpellings(t *testing.T) {
	for _, test := range []struct{ cell, decimal, home, want string }{
		{"-5.00", ".", "EUR", "5.00 EUR"},
		{"5.00", ".", "EUR", "-5.00 EUR"},
		{"+5.00", ".", "EUR", "-5.00 EUR"},
		{"5.00 DR", ".", "USD", "5.00 USD"},
		{"50.90Cr", ".", "USD", "-50.90 USD"},
		{"12.34CR", ".", "USD", "-12.34 USD"},
		{"-R$ 1.045,90", ",", "BRL", "1045.90 BRL"},
		{"R$ -45,90", ",", "BRL", "45.90 BRL"},
		{"-45,90 zł", ",", "PLN", "45.90 PLN"},
		{"-45,90 PLN", ",", "EUR", "45.90 PLN"},
		{"-45,90 pln", ",", "EUR", "45.90 PLN"},
		{"-100 kr", ".", "SEK", "100.00 SEK"},
		{"-100 kr.", ".", "DKK", "100.00 DKK"},
		{"-1 234,50 Kč", ",", "CZK", "1234.50 CZK"},
		{"-1 234 Ft", ",", "HUF", "1234.00 HUF"},
		{"-Fr. 5.-", ".", "CHF", "5.00 CHF"},
		{"Fr. -1'234.50", ".", "CHF", "1234.50 CHF"},
		{"-1’234.50", ".", "CHF", "1234.50 CHF"},
		{"-5.-", ".", "CHF", "5.00 CHF"},
		{"-5,--", ",", "EUR", "5.00 EUR"},
		{"-Rs.500", ".", "INR", "500.00 INR"},
		{"-Rs 1,00,250.50", ".", "INR", "100250.50 INR"},
		{"-₹1,00,250.50", ".", "INR", "100250.50 INR"},
		{"-RM12.30", ".", "MYR", "12.30 MYR"},
		{"-Rp 50.000", ",", "IDR", "50000.00 IDR"},
		{"-12,50 TL", ",", "TRY", "12.50 TRY"},
		{"-US$21.78", ".", "USD", "21.78 USD"},
		{"-US$21.78", ".", "EUR", "21.78 USD"},
		{"-A$5", ".", "EUR", "5.00 AUD"},
		{"-HK$5", ".", "EUR", "5.00 HKD"},
		{"-$5", ".", "CAD", "5.00 CAD"},
		{"-12.30元", ".", "CNY", "12.30 CNY"},
		{"-1,000円", ".", "JPY", "1000 JPY"},
		{"-1000.00", ".", "JPY", "1000 JPY"},
		{"-12.5000", ".", "EUR", "12.50 EUR"},
		{"-1,000원", ".", "KRW", "1000 KRW"},
		{"–5.00", ".", "EUR", "5.00 EUR"},
		{"−5.00", ".", "EUR", "5.00 EUR"},
		{"-USD 5.00", ".", "EUR", "5.00 USD"},
		{"-USD 21.78", ".", "USD", "21.78 USD"},
		{"$ -5.00 USD", ".", "EUR", "5.00 USD"},
		{"-($5.00)", ".", "USD", "5.00 USD"},
		{"$(12.34)", ".", "USD", "12.34 USD"},
		{"(1,234.56)", ".", "USD", "1234.56 USD"},
		{"12.34-", ".", "USD", "12.34 USD"},
		{"12.34 USD-", ".", "EUR", "12.34 USD"},
		{"- 1\u00a0234,50 €", ",", "EUR", "1234.50 EUR"},
		{"-1\u202f234,50", ",", "EUR", "1234.50 EUR"},
		{"-１２．５０", ".", "EUR", "12.50 EUR"},
		{"-.50", ".", "EUR", "0.50 EUR"},
		{"-$.50", ".", "USD", "0.50 USD"},
		{"-5.", ".", "EUR", "5.00 EUR"},
		{"'-5.00", ".", "EUR", "5.00 EUR"},
		{"-12,345,678.90", ".", "EUR", "12345678.90 EUR"},
		{"-9,999,999,999,999.99", ".", "EUR", "9999999999999.99 EUR"},

		{"-", ".", "EUR", "no_amount"},
		{"—", ".", "EUR", "no_amount"},
		{" ", ".", "EUR", "no_amount"},
		{"0.00", ".", "EUR", "zero"},
		{"-0", ".", "EUR", "zero"},

		{"--21.78", ".", "USD", "failed two_signs"},
		{"--$21.78", ".", "USD", "failed two_signs"},
		{"-5.00-", ".", "USD", "failed two_signs"},
		{"+-5.00", ".", "USD", "failed two_signs"},
		{"-5.00 CR", ".", "USD", "failed malformed_amount"},
		{"(5.00", ".", "USD", "failed malformed_amount"},
		{"-5.001", ".", "EUR", "failed too_many_digits"},
		{"-1000.5", ".", "JPY", "failed too_many_digits"},
		{"-1,2", ".", "EUR", "failed malformed_amount"},
		{"-1,23,45", ".", "EUR", "failed malformed_amount"},
		{"-1.2.3", ".", "EUR", "failed malformed_amount"},
		{"-5.00 apples", ".", "EUR", "failed malformed_amount"},
		{"-5.00 USD EUR", ".", "EUR", "failed malformed_amount"},
		{"-1e5", ".", "EUR", "failed malformed_amount"},
		{"-10,000,000,000,000.00", ".", "EUR", "failed too_large"},
		{"-" + strings.Repeat("9", 70), ".", "EUR", "failed malformed_amount"},
	} {
		t.Run(test.cell+" in "+test.home, func(t *testing.T) {
			row := readOne(t, "2026-02-01", test.cell, "", test.home, `{"amount":{"decimal":"`+test.decimal+`"}}`)
			got := row.Amount.String()
			if row.Status != statement.Add {
				got = describe(row)
			}
			if got != test.want {
				t.Errorf("%q in a ledger of %s is %s (%v), want %s", test.cell, test.home, got, row.Failures, test.want)
			}
		})
	}
}

func TestImport_DateSpellings(t *testing.T) {
	for _, test := range []struct{ cell, layout, want string }{
		{"2026-02-01", "YYYY-MM-DD", "2026-02-01"},
		{"2026/2/1", "YYYY-MM-DD", "2026-02-01"},
		{"20260201", "YYYY-MM-DD", "2026-02-01"},
		{"20260201123000", "YYYY-MM-DD", "2026-02-01"},
		{"26-02-01", "YYYY-MM-DD", "2026-02-01"},
		{"2026年2月1日", "YYYY-MM-DD", "2026-02-01"},
		{"2026. 2. 1.", "YYYY-MM-DD", "2026-02-01"},
		{"1.2.2026", "DD.MM.YYYY", "2026-02-01"},
		{"01.02.26", "DD.MM.YY", "2026-02-01"},
		{"01/02/2026", "DD/MM/YYYY", "2026-02-01"},
		{"02/01/2026", "MM/DD/YYYY", "2026-02-01"},
		{"2/1'26", "MM/DD/YYYY", "2026-02-01"},
		{"02/ 1/26", "MM/DD/YYYY", "2026-02-01"},
		{"01022026", "DD/MM/YYYY", "2026-02-01"},
		{"01/02/99", "DD/MM/YYYY", "1999-02-01"},
		{"01-Nov-2026", "DD/MM/YYYY", "2026-11-01"},
		{"01-NOV-26", "DD/MM/YYYY", "2026-11-01"},
		{"Dec 24, 2025", "DD/MM/YYYY", "2025-12-24"},
		{"Tue 21 June 2025", "DD/MM/YYYY", "2025-06-21"},
		{"Sat, 1st Feb 2026", "DD/MM/YYYY", "2026-02-01"},
		{"1. März 2026", "DD/MM/YYYY", "2026-03-01"},
		{"24 de diciembre de 2025", "DD/MM/YYYY", "2025-12-24"},
		{"1er févr. 2026", "DD/MM/YYYY", "2026-02-01"},
		{"1 февраля 2026 г.", "DD/MM/YYYY", "2026-02-01"},
		{"1 lutego 2026", "DD/MM/YYYY", "2026-02-01"},
		{"1 listopada 2026", "DD/MM/YYYY", "2026-11-01"},
		{"01 Şub 2026", "DD/MM/YYYY", "2026-02-01"},
		{"45689", "serial", "2025-02-01"},
		{"45689.75", "serial", "2025-02-01"},
		{"45689", "DD/MM/YYYY", "2025-02-01"},
		{"2026-02-01 23:30:00", "YYYY-MM-DD", "2026-02-01"},
		{"2026-02-01T23:30:00Z", "YYYY-MM-DD", "2026-02-02"},
		{"2026-02-01T23:30:00.123+00:00", "YYYY-MM-DD", "2026-02-02"},
		{"2026-02-01 23:30:00 UTC", "YYYY-MM-DD", "2026-02-02"},
		{"2026-02-02T00:30:00+0800", "YYYY-MM-DD", "2026-02-01"},
		{"02/01/2026 11:59 PM", "MM/DD/YYYY", "2026-02-01"},
		{"02/01/2026, 12:00 AM", "MM/DD/YYYY", "2026-02-01"},
		{"20-09-2018 12:04", "DD/MM/YYYY", "2018-09-20"},

		{"2026-02-30", "YYYY-MM-DD", ""},
		{"31/13/2026", "DD/MM/YYYY", ""},
		{"25/04/2026", "MM/DD/YYYY", ""},
		{"01 Smarch 2026", "DD/MM/YYYY", ""},
		{"Total 01/02/2026", "DD/MM/YYYY", ""},
		{"01/02", "DD/MM/YYYY", ""},
		{"2026-02-01 25:00", "YYYY-MM-DD", ""},
		{"12345678901234567890", "YYYY-MM-DD", ""},
	} {
		t.Run(test.cell, func(t *testing.T) {
			row := readOne(t, test.cell, "-1.00", "", "EUR", `{"date":{"layout":"`+test.layout+`"}}`)
			if got := row.Date.String(); got != test.want || (test.want == "") != (row.Status == statement.Failed) {
				t.Errorf("%q by %s is %q (%v), want %q", test.cell, test.layout, got, row.Failures, test.want)
			}
		})
	}
	t.Run("instants without a zone in the zone of the mapping", func(t *testing.T) {
		row := readOne(t, "2026-02-01 23:30", "-1", "", "EUR", `{"date":{"zone":"UTC"}}`)
		if row.Date.String() != "2026-02-02" {
			t.Errorf("the date is %s, want 2026-02-02", row.Date)
		}
	})
}

func TestImport_CurrencySpellings(t *testing.T) {
	for _, test := range []struct{ cell, amount, home, want string }{
		{"", "-1", "EUR", "EUR"}, {"EUR", "-1", "USD", "EUR"}, {"eur", "-1", "USD", "EUR"}, {"Euro", "-1", "USD", "EUR"},
		{"€", "-1", "USD", "EUR"}, {"978", "-1", "USD", "EUR"}, {"£", "-1", "GBP", "GBP"}, {"kr", "-1", "NOK", "NOK"},
		{"US Dollar", "-1", "EUR", "USD"}, {"Kč", "-1", "EUR", "CZK"}, {"人民币", "-1", "EUR", "CNY"}, {"CHF", "-Fr. 1", "EUR",
			"CHF"},
		{"XQX", "-1", "EUR", "unknown_currency"},
		{"EUR", "-$1", "EUR", "currency_mismatch"},
		{"EUR", "-1 USD", "EUR", "currency_mismatch"},
	} {
		row := readOne(t, "2026-02-01", test.amount, test.cell, test.home, `{"currency":{"column":"Currency"}}`)
		got := row.Amount.Currency().Code()
		if row.Status == statement.Failed {
			got = row.Failures[0].Code
		}
		if got != test.want {
			t.Errorf("currency %q with amount %q in a ledger of %s is %s, want %s", test.cell, test.amount, test.home, got,
				test.want)
		}
	}
	for _, text := range []string{
		"Date|Amount|Currency|Text\n2026-02-01|-1|$|x\n", "Date|Amount|Text\n2026-02-01|-$1|x\n",
		"Date|Amount ($)|Text\n2026-02-01|-1|x\n",
	} {
		in := inspectText(t, text, statement.Mapping{}, expense.Settings{Home: expense.MustCurrency("EUR")})
		if codes(in.Questions) != "currency" || in.Questions[0].Choices[0].Mapping.Currency.Value != "USD" {
			t.Errorf("%q asks %+v, want the currency", text, in.Questions)
		}
		if m := answer(t, in, map[string]int{"currency": 1}); m.Currency.Value != "CAD" {
			t.Errorf("%q: the second choice is %+v, want CAD", text, m.Currency)
		}
	}
}
