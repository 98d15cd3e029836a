package locale_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/expense/locale"
)

func TestFormatter_Money(t *testing.T) {
	const (
		nb  = "\u00a0" // no-break space
		nnb = "\u202f" // narrow no-break space
		rlm = "\u200f" // right-to-left mark
		lrm = "\u200e" // left-to-right mark
		alm = "\u061c" // Arabic letter mark
	)
	tests := []struct {
		name, locale, money string
		long, short         string
	}{
		{"en drops no cents that count", "en", "320.50 USD", "$320.50", "$320.50"},
		{"en drops zero cents when short", "en", "320.00 USD", "$320.00", "$320"},
		{"en groups by thousands", "en", "-1234567.89 USD", "-$1,234,567.89", "-$1,234,567.89"},
		{"en tells other dollars apart", "en", "5.00 CAD", "CA$5.00", "CA$5"},
		{"en keeps letters off the digits", "en", "12.00 CHF", "CHF" + nb + "12.00", "CHF" + nb + "12"},
		{"en writes three digits of a dinar", "en", "-3.250 KWD", "-KWD" + nb + "3.250", "-KWD" + nb + "3.250"},
		{"en writes a yen whole", "en", "1000 JPY", "¥1,000", "¥1,000"},
		{"en-CA calls its own dollar so", "en-CA", "5.00 CAD", "$5.00", "$5"},
		{"en-GB is not en-US", "en-GB", "5.00 USD", "US$5.00", "US$5"},
		{"en-IN groups by lakh and crore", "en-IN", "12345678.90 INR", "₹1,23,45,678.90", "₹1,23,45,678.90"},
		{"hi groups by lakh and crore", "hi", "123456.00 INR", "₹1,23,456.00", "₹1,23,456"},
		{"de puts the sign behind", "de", "-1234.50 EUR", "-1.234,50" + nb + "€", "-1.234,50" + nb + "€"},
		{"de-CH puts the minus behind the currency", "de-CH", "-1234.00 CHF", "CHF-1'234.00", "CHF-1'234"},
		{"de-AT groups money by points", "de-AT", "1234.50 EUR", "€" + nb + "1.234,50", "€" + nb + "1.234,50"},
		{
			"fr groups by narrow spaces", "fr", "1234567.00 EUR", "1" + nnb + "234" + nnb + "567,00" + nb + "€",
			"1" + nnb + "234" + nnb + "567" + nb + "€",
		},
		{"es does not group four digits", "es", "1234.50 EUR", "1234,50" + nb + "€", "1234,50" + nb + "€"},
		{"es groups five", "es", "12345.50 EUR", "12.345,50" + nb + "€", "12.345,50" + nb + "€"},
		{"es-MX is not es", "es-MX", "1234.50 MXN", "$1,234.50", "$1,234.50"},
		{"pt-BR is pt", "pt-BR", "1234.50 BRL", "R$" + nb + "1.234,50", "R$" + nb + "1.234,50"},
		{"nb has a real minus", "nb", "-12.00 NOK", "−12,00" + nb + "kr", "−12" + nb + "kr"},
		{"nl puts the minus at the digits", "nl", "-12.00 EUR", "€" + nb + "-12,00", "€" + nb + "-12"},
		{"ja has a wide yen", "ja", "1000 JPY", "￥1,000", "￥1,000"},
		{"zh-TW is read as zh-Hant", "zh-TW", "5.00 TWD", "$5.00", "$5"},
		{"zh-CN is read as zh-Hans", "zh-CN", "5.00 TWD", "NT$5.00", "NT$5"},
		{"tr has a pattern for its own lira", "tr", "5.00 TRY", "₺5,00", "₺5"},
		{"de-LU has signs for its old franc", "de-LU", "1234 LUF", "1,234" + nb + "F", "1,234" + nb + "F"},
		{
			"he keeps its direction", "he", "-5.00 ILS", rlm + lrm + "-5.00" + nb + rlm + "₪", rlm + lrm + "-5" + nb + rlm + "₪",
		},
		{
			"ar-EG has digits of its own", "ar-EG", "-1234.00 EGP", alm + "-" + rlm + "١٬٢٣٤٫٠٠" + nb + "ج.م." + rlm,
			alm + "-" + rlm + "١٬٢٣٤" + nb + "ج.م." + rlm,
		},
		{
			"ar-EG writes Latin digits when asked", "ar-EG-u-nu-latn", "1234.00 EGP", rlm + "1,234.00" + nb + "ج.م." + rlm,
			rlm + "1,234" + nb + "ج.م." + rlm,
		},
		{"bn has digits of its own", "bn", "123456.00 BDT", "১,২৩,৪৫৬.০০৳", "১,২৩,৪৫৬৳"},
		{"ca-ES-valencia is ca", "ca-ES-valencia", "5.00 EUR", "5,00" + nb + "€", "5" + nb + "€"},
		{"an old code is read as the new one", "iw", "5.00 ILS", rlm + "5.00" + nb + rlm + "₪", rlm + "5" + nb + rlm + "₪"},
		{"an unknown region is its language", "de-XK", "5.00 EUR", "5,00" + nb + "€", "5" + nb + "€"},
		{"an unknown language is the root", "qqx", "5.00 USD", "US$" + nb + "5.00", "US$" + nb + "5"},
		{"another script is the root", "en-Cyrl", "5.00 USD", "US$" + nb + "5.00", "US$" + nb + "5"},
		{
			"a tag without end is its beginning", "de-DE" + strings.Repeat("-x-aaaaaaaa", 100_000), "5.00 USD",
			"5,00" + nb + "$", "5" + nb + "$",
		},
		{"no tag at all is the root", "not a tag!", "5.00 USD", "US$" + nb + "5.00", "US$" + nb + "5"},
		{"four minor digits", "en", "0.0100 CLF", "CLF" + nb + "0.0100", "CLF" + nb + "0.0100"},
		{"the largest amount", "en", "9999999999999.99 USD", "$9,999,999,999,999.99", "$9,999,999,999,999.99"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			formatter, money := locale.NewFormatter(test.locale), parseMoney(t, test.money)
			if got := formatter.Money(money); got != test.long {
				t.Errorf("Money(%s) in %s = %+q, want %+q", money, test.locale, got, test.long)
			}
			if got := formatter.MoneyShort(money); got != test.short {
				t.Errorf("MoneyShort(%s) in %s = %+q, want %+q", money, test.locale, got, test.short)
			}
		})
	}
}

func TestFormatter_ZeroValueWritesPlainMoney(t *testing.T) {
	var formatter locale.Formatter
	for text, short := range map[string]string{
		"12.50 EUR": "12.50 EUR", "-12.00 EUR": "-12 EUR", "1000 JPY": "1000 JPY", "0": "0",
	} {
		money := parseMoney(t, text)
		if got := formatter.Money(money); got != text {
			t.Errorf("Money(%s) = %q", text, got)
		}
		if got := formatter.MoneyShort(money); got != short {
			t.Errorf("MoneyShort(%s) = %q, want %q", text, got, short)
		}
	}
	if got := locale.NewFormatter("en").Money(expense.Money{}); got != "¤0" {
		t.Errorf("nothing of no currency is written %q", got)
	}
}

// In every locale of CLDR, a formatted amount has the digits and the sign of the amount, and no space at which a line
// could break.
func TestFormatter_MoneyKeepsDigits(t *testing.T) {
	names := localeNames(t)
	if len(names) < 700 {
		t.Fatalf("only %d locales", len(names))
	}
	native, latin := map[string]locale.Formatter{}, map[string]locale.Formatter{}
	for _, name := range names {
		native[name], latin[name] = locale.NewFormatter(name), locale.NewFormatter(name+"-u-nu-latn")
	}
	currencies := expense.Currencies()
	rapid.Check(t, func(t *rapid.T) {
		minor := rapid.Int64Range(-expense.MaxMinor, expense.MaxMinor).Draw(t, "minor")
		money, err := expense.MoneyFromMinor(minor, rapid.SampledFrom(currencies).Draw(t, "currency"))
		if err != nil {
			t.Fatal(err)
		}
		unit := int64(1)
		for range money.Currency().Digits() {
			unit *= 10
		}
		short := minor
		if minor%unit == 0 {
			short = minor / unit
		}
		for _, name := range names {
			checkDigits(t, name, native[name].Money(money), minor)
			checkDigits(t, name, native[name].MoneyShort(money), short)
			text := latin[name].Money(money)
			checkDigits(t, name, text, minor)
			if strings.ContainsFunc(text, func(r rune) bool { return r > '9' && unicode.IsDigit(r) }) {
				t.Fatalf("%s: %+q has other than Latin digits", name, text)
			}
		}
	})
}

func checkDigits(t *rapid.T, locale, text string, want int64) {
	t.Helper()
	digits := strings.Map(digitOf, text)
	got, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		t.Fatalf("%s: %+q: %v", locale, text, err)
	}
	if negative := strings.ContainsAny(text, "-−"); negative != (want < 0) || got != max(want, -want) {
		t.Fatalf("%s: %d is written %+q", locale, want, text)
	}
	if strings.ContainsAny(text, " \t\n#;¤") {
		t.Fatalf("%s: %+q holds a blank that breaks, or a part of the pattern", locale, text)
	}
}

// digitOf maps the decimal digits of every script to ASCII digits, and drops other characters.
func digitOf(r rune) rune {
	if !unicode.Is(unicode.Nd, r) {
		return -1
	}
	// 		// Each block of digits begins at a multiple of ten from the start of its range.
	for _, span := range unicode.Nd.R16 {
		if rune(span.Lo) <= r && r <= rune(span.Hi) {
			return '0' + (r-rune(span.Lo))%10
		}
	}
	for _, span := range unicode.Nd.R32 {
		if rune(span.Lo) <= r && r <= rune(span.Hi) {
			return '0' + (r-rune(span.Lo))%10
		}
	}
	return -1
}

// localeNames returns the names of the locales of the generated file.
func localeNames(t *testing.T) []string {
	t.Helper()
	file, err := os.Open("locales.txt.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		name, _, _ := strings.Cut(line, "\t")
		names = append(names, name)
	}
	return names
}

// parseMoney parses the output of Money.String.
func parseMoney(t rapid.TB, text string) expense.Money {
	t.Helper()
	var money expense.Money
	if err := money.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return money
}

func ExampleFormatter() {
	spent, limit := expense.MustMoney("320", "USD"), expense.MustMoney("500", "USD")
	en, de := locale.NewFormatter("en"), locale.NewFormatter("de")
	fmt.Printf("%s / %s\n", en.MoneyShort(spent), en.MoneyShort(limit))
	fmt.Println(strings.ReplaceAll(de.Money(spent), "\u00a0", " "))
	// Output:
	// $320 / $500
	// 320,00 $
}

func BenchmarkFormatterMoney(b *testing.B) {
	formatter, money := locale.NewFormatter("de-CH"), expense.MustMoney("-1234567.50", "EUR")
	b.ReportAllocs()
	for b.Loop() {
		formatter.Money(money)
	}
}

func BenchmarkFormatterMoneyShort(b *testing.B) {
	formatter, money := locale.NewFormatter("en"), expense.MustMoney("320", "USD")
	b.ReportAllocs()
	for b.Loop() {
		formatter.MoneyShort(money)
	}
}

func BenchmarkNewFormatter(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		locale.NewFormatter("en-AU")
	}
}
