package expense_test

import (
	"fmt"
	"log"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/currency"
	"pgregory.net/rapid"

	"github.com/spendwise/spendwise/expense"
)

func TestCurrency_DigitsOfISO4217(t *testing.T) {
	for code, digits := range map[string]int{
		"JPY": 0, "KRW": 0, "XOF": 0, "ISK": 0, "UYI": 0,
		"EUR": 2, "USD": 2, "HUF": 2, "AFN": 2, "LBP": 2, "PKR": 2, "RSD": 2, "VED": 2, "XCG": 2, "SLE": 2, "ZWG": 2,
		"KWD": 3, "BHD": 3, "TND": 3, "IQD": 3,
		"CLF": 4, "UYW": 4,
		"ITL": 0, "BEF": 0, "ESP": 0, "DEM": 2, "FRF": 2, "SLL": 2, "STD": 2,
	} {
		if got := expense.MustCurrency(code).Digits(); got != digits {
			t.Errorf("%s has %d minor digits, want %d", code, got, digits)
		}
	}
}

func TestCurrency_LegalTender(t *testing.T) {
	tests := []struct{ code, from, until string }{
		{"EUR", "1999-01-01", ""},
		{"DEM", "1948-06-20", "2002-05-15"}, // in Montenegro longer than in Germany
		{"FRF", "1959-01-01", "2002-02-17"},
		{"HRK", "1994-05-30", "2023-01-14"}, // two weeks beside the euro
		{"BGN", "1999-07-05", "2026-01-31"}, // a month beside the euro
		{"ANG", "1940-05-10", "2025-06-30"},
		{"XCG", "2025-03-31", ""},
		{"SLL", "1964-08-04", "2023-12-31"},
		{"ZWG", "2024-06-25", ""},
		{"CLF", "", ""},
	}
	for _, test := range tests {
		tender := expense.MustCurrency(test.code).LegalTender()
		if tender.From.String() != test.from || tender.To.String() != test.until {
			t.Errorf("%s is tender from %q to %q, want %q to %q", test.code, tender.From, tender.To, test.from, test.until)
		}
	}
	kuna := expense.MustCurrency("HRK")
	if kuna.EndedBefore(expense.MustDate("2023-01-14")) || !kuna.EndedBefore(expense.MustDate("2023-01-15")) {
		t.Error("the kuna's last day is 2023-01-14")
	}
	if expense.MustCurrency("EUR").EndedBefore(expense.MustDate("9999-12-31")) {
		t.Error("the euro has ended")
	}
}

func TestCurrencies_TableIsValid(t *testing.T) {
	all := expense.Currencies()
	if !slices.IsSortedFunc(all, expense.Currency.Compare) {
		t.Error("the table is not sorted")
	}
	seen := map[string]bool{}
	for _, c := range all {
		code, tender := c.Code(), c.LegalTender()
		if len(code) != 3 || strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" || seen[code] {
			t.Errorf("%q is no code, or twice", code)
		}
		seen[code] = true
		if c.Digits() > 4 {
			t.Errorf("%s has %d digits", code, c.Digits())
		}
		for _, end := range []expense.Date{tender.From, tender.To} {
			if _, err := expense.DateFromInt(end.Int()); err != nil {
				t.Errorf("%s: %v", code, err)
			}
		}
		if !tender.To.IsZero() && tender.To.Before(tender.From) {
			t.Errorf("%s ends on %s, before it begins on %s", code, tender.To, tender.From)
		}
		if again, err := expense.ParseCurrency(code); err != nil || again != c {
			t.Errorf("ParseCurrency(%s) = %v, %v", code, again, err)
		}
	}
}

// absent gives the reasons why the table omits codes that CLDR has.
var absent = map[string]string{
	"ARL ARM BAN BGM BGO BOL BRZ CLE CNX KRH KRO MAF MCF MDC MKN MVP VNN YUR": "CLDR code, never in ISO 4217",
	"CNH":                             "the market's name for renminbi outside China, not a code of ISO 4217",
	"XAG XAU XPD XPT":                 "precious metal",
	"XBA XBB XBC XBD XEU XFO XFU XRE": "a unit of account between banks or states",
	"XDR XSU XUA":                     "a unit of account of an international bank",
	"USN USS":                         "dollars by the day they are settled",
	"BEC BEL ESA ESB LUC LUL ZAL":     "a kind of account, not a money of its own",
	"XTS":                             "for tests",
	"XXX":                             "no currency",
}

// newer gives the reasons why the table has codes that golang.org/x/text, with CLDR 32 of 2017, does not have.
var newer = map[string]string{
	"MRU": "Mauritania, 2018", "VES": "Venezuela, 2018", "UYW": "Uruguay, 2018", "VED": "Venezuela, 2021",
	"SLE": "Sierra Leone, 2022", "ZWG": "Zimbabwe, 2024", "XCG": "Curaçao and Sint Maarten, 2025",
}

// otherDigits gives the reasons why the table has other numbers of decimals than golang.org/x/text.
var otherDigits = map[string]string{
	"AFN ALL AMD COP GYD IDR IRR KPW LAK LBP MGA MMK MNT MUR PKR RSD SOS SYP TZS UZS YER": "CLDR: 0, ISO 4217: 2",
	"IQD":                     "CLDR shows none, ISO 4217 has three",
	"MRO SLL STD TMM ZMK ZWD": "withdrawn; CLDR shows none, ISO 4217 had two",
	"BEF BYB GRD PTE TPE":     "withdrawn; CLDR shows two, ISO 4217 had none",
}

// endedSince gives the reasons why the table has other last days than golang.org/x/text.
var endedSince = map[string]string{
	"MRO VEF CUC HRK SLL ZWL ANG BGN": "ended, or its end was set, after 2017",
	"ECV":                             "no tender for golang.org/x/text, so without dates",
}

func TestCurrencies_DifferencesFromXText(t *testing.T) {
	absent, otherDigits, endedSince := splitKeys(absent), splitKeys(otherDigits), splitKeys(endedSince)
	theirs, ends := map[string]currency.Unit{}, map[string]string{}
	for it := currency.Query(currency.Historical, currency.NonTender); it.Next(); {
		code := it.Unit().String()
		theirs[code] = it.Unit()
		if !it.IsTender() {
			continue
		}
		end := "none"
		if to, ok := it.To(); ok {
			end = to.Format("2006-01-02")
		}
		ends[code] = max(ends[code], end) // "none" sorts after every date
	}
	explained := func(code string, differs bool, reasons map[string]string, difference string) {
		t.Helper()
		switch reason, ok := reasons[code]; {
		case differs && !ok:
			t.Errorf("%s: %s, and no reason is given", code, difference)
		case !differs && ok:
			t.Errorf("%s does not differ, yet there is a reason: %s", code, reason)
		}
	}
	for code := range theirs {
		_, err := expense.ParseCurrency(code)
		explained(code, err != nil, absent, "not in the table")
	}
	for _, ours := range expense.Currencies() {
		code := ours.Code()
		unit, known := theirs[code]
		explained(code, !known, newer, "not in golang.org/x/text")
		if !known {
			continue
		}
		digits, _ := currency.Standard.Rounding(unit)
		explained(
			code, digits != ours.Digits(), otherDigits, fmt.Sprintf("%d digits, %d in golang.org/x/text", ours.Digits(), digits),
		)
		until := ours.LegalTender().To.String()
		theirEnd := strings.TrimPrefix(ends[code], "none")
		explained(code, until != theirEnd, endedSince, fmt.Sprintf("last day %q, %q in golang.org/x/text", until, theirEnd))
	}
}

// splitKeys returns the map with an entry for each code of a key.
func splitKeys(grouped map[string]string) map[string]string {
	single := map[string]string{}
	for codes, reason := range grouped {
		for code := range strings.FieldsSeq(codes) {
			single[code] = reason
		}
	}
	return single
}

func TestParseCurrency_RejectsInvalidCodes(t *testing.T) {
	for _, text := range []string{
		"", "E", "EU", "eur", "Eur", "EURO", " EUR", "EUR ", "ЕUR", "EU\x00", "€", "XXX", "XAU", "XTS", "ZZZ", "\xff\xfe\xfd",
		strings.Repeat("EUR", 4_000_000),
	} {
		c, err := expense.ParseCurrency(text)
		wantFieldError(t, err, "", "unknown_currency")
		if !c.IsZero() {
			t.Errorf("ParseCurrency(%.20q) = %v beside its error", text, c)
		}
	}
}

func TestCurrency_TextRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		checkText(t, rapid.SampledFrom(append(expense.Currencies(), expense.Currency{})).Draw(t, "currency"))
	})
}

func FuzzParseCurrency(f *testing.F) {
	for _, seed := range []string{"EUR", "JPY", "DEM", "eur", "XXX", "", "EU\x00", "€€€"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := expense.ParseCurrency(text)
		if err == nil && c.String() != text {
			t.Errorf("ParseCurrency(%q) = %s", text, c)
		}
		checkRefusal(t, err)
	})
}

func ExampleParseCurrency() {
	dinar, err := expense.ParseCurrency("KWD")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(dinar, dinar.Digits())
	_, err = expense.ParseCurrency("XYZ")
	fmt.Println(err)
	// Output:
	// KWD 3
	// "XYZ" is not an ISO 4217 currency code; give one such as EUR
}

func ExampleCurrency_LegalTender() {
	kuna := expense.MustCurrency("HRK")
	fmt.Println(kuna.LegalTender().From, kuna.LegalTender().To)
	fmt.Println(kuna.EndedBefore(expense.MustDate("2023-01-15")))
	// Output:
	// 1994-05-30 2023-01-14
	// true
}
