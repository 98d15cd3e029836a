package expense_test

import (
	"fmt"
	"log"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"github.com/spendwise/spendwise/expense"
)

func TestParseFactor_AcceptsPlainDecimals(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"a rate", "1.0825", "1.0825"},
		{"trailing zeros", "1.082500", "1.0825"},
		{"leading zeros", "0001.0825", "1.0825"},
		{"a whole number", "1950", "1950"},
		{"a whole number with a point", "1950.00", "1950"},
		{"eighteen significant digits", "123456789.123456789", "123456789.123456789"},
		{"eighteen significant digits after zeros", "0.0000000123456789123456789", "0.0000000123456789123456789"},
		{"the smallest", "0.000000000000000001", "0.000000000000000001"},
		{"the longest", "0.00000000000000000123456789123456789", "0.00000000000000000123456789123456789"},
		{"the largest", "999999999999999999", "999999999999999999"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			factor, err := expense.ParseFactor(test.text)
			if err != nil || factor.String() != test.want {
				t.Errorf("ParseFactor(%s) = %s, %v", test.text, factor, err)
			}
		})
	}
	if expense.MustFactor("1.50") != expense.MustFactor("01.5") {
		t.Error("equal factors are not ==")
	}
}

func TestParseFactor_RejectsInvalidRates(t *testing.T) {
	for text, code := range map[string]string{
		"0": "not_positive", "0.000": "not_positive",
		"1234567891.123456789":               "too_many_digits",
		"1000000000000000000":                "out_of_range",
		"0.0000000000000000001":              "out_of_range",
		"-1":                                 "malformed_rate",
		strings.Repeat("1", 41):              "malformed_rate",
		"0." + strings.Repeat("0", 38) + "1": "malformed_rate",
	} {
		_, err := expense.ParseFactor(text)
		wantFieldError(t, err, "", code)
	}
	for _, text := range hostile() {
		_, err := expense.ParseFactor(text)
		checkRefused(t, err, text)
	}
}

// anyFactor generates factors of every length and magnitude.
func anyFactor() *rapid.Generator[expense.Factor] {
	return rapid.Custom(func(t *rapid.T) expense.Factor {
		limit := int64(1)
		for range rapid.IntRange(1, 18).Draw(t, "digits") {
			limit *= 10
		}
		coef := strconv.FormatInt(rapid.Int64Range(1, limit-1).Draw(t, "coefficient"), 10)
		magnitude := rapid.IntRange(-18, 17).Draw(t, "magnitude") // of the leading digit
		point := magnitude + 1
		var text string
		switch {
		case point <= 0:
			text = "0." + strings.Repeat("0", -point) + coef
		case point >= len(coef):
			text = coef + strings.Repeat("0", point-len(coef))
		default:
			text = coef[:point] + "." + coef[point:]
		}
		factor, err := expense.ParseFactor(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if exact, ok := new(big.Rat).SetString(text); !ok || exact.Cmp(factor.Decimal().Rat()) != 0 {
			t.Fatalf("%s is read as %s", text, factor.Decimal())
		}
		return factor
	})
}

func TestFactor_TextRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		factor := anyFactor().Draw(t, "factor")
		checkText(t, factor)
		if text := factor.String(); strings.Contains(text, ".") && strings.HasSuffix(text, "0") {
			t.Fatalf("%s has zeros behind", text)
		}
	})
	checkText(t, expense.Factor{})
}

func TestFactor_DivRoundsToEighteenDigits(t *testing.T) {
	tests := []struct{ name, f, g, want string }{
		{"one by three", "1", "3", "0.333333333333333333"},
		{"two by three rounds up", "2", "3", "0.666666666666666667"},
		{"exactly", "10", "4", "2.5"},
		{"by itself", "1.95583", "1.95583", "1"},
		{"a half is rounded away from zero", "1.00000000000000001", "2", "0.500000000000000005"},
		{"rounding carries through", "999999999999999999", "1.00000000000000001", "999999999999999989"},
		{"extremes of size", "0.000000000000000001", "0.00000000000000000123456789123456789", "0.810000006561000061"},
		{
			"the smallest by the largest", "0.000000000000000001", "999999999999999999",
			"0.000000000000000000000000000000000001",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := expense.MustFactor(test.f).Div(expense.MustFactor(test.g)); got.String() != test.want {
				t.Errorf("%s / %s = %s, want %s", test.f, test.g, got, test.want)
			}
		})
	}
}

func TestFactor_DivAgreesWithExactArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, g := anyFactor().Draw(t, "f"), anyFactor().Draw(t, "g")
		quotient := f.Div(g)
		want := roundSignificant(new(big.Rat).Quo(f.Decimal().Rat(), g.Decimal().Rat()), 18)
		if quotient.Decimal().Rat().Cmp(want) != 0 {
			t.Fatalf("%s / %s = %s, want %s", f, g, quotient, want.FloatString(60))
		}
		if text, ok := new(big.Rat).SetString(quotient.String()); !ok || text.Cmp(want) != 0 {
			t.Fatalf("%s / %s is written %s", f, g, quotient)
		}
	})
}

func TestFactor_MulRoundsToEighteenDigits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, g := anyFactor().Draw(t, "f"), anyFactor().Draw(t, "g")
		product, want := f.Mul(g), roundSignificant(new(big.Rat).Mul(f.Decimal().Rat(), g.Decimal().Rat()), 18)
		if product.Decimal().Rat().Cmp(want) != 0 || product != g.Mul(f) {
			t.Fatalf("%s · %s = %s, want %s", f, g, product, want.FloatString(60))
		}
		if text, ok := new(big.Rat).SetString(product.String()); !ok || text.Cmp(want) != 0 {
			t.Fatalf("%s · %s is written %s", f, g, product)
		}
	})
}

// roundSignificant rounds a positive number to a number of significant digits, half away from zero.
func roundSignificant(x *big.Rat, digits int) *big.Rat {
	ten, scale := big.NewRat(10, 1), big.NewRat(1, 1)
	limit := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil))
	floor := new(big.Rat).Quo(limit, ten)
	scaled := new(big.Rat).Set(x)
	for scaled.Cmp(limit) >= 0 {
		scaled.Quo(scaled, ten)
		scale.Mul(scale, ten)
	}
	for scaled.Cmp(floor) < 0 {
		scaled.Mul(scaled, ten)
		scale.Quo(scale, ten)
	}
	return scale.Mul(scale, new(big.Rat).SetInt(roundHalfAway(scaled)))
}

// roundHalfAway rounds to a whole number, half away from zero.
func roundHalfAway(x *big.Rat) *big.Int {
	half := big.NewRat(int64(x.Sign()), 2)
	sum := new(big.Rat).Add(x, half)
	return new(big.Int).Quo(sum.Num(), sum.Denom()) // Quo truncates towards zero
}

func TestRate_ConvertRoundsOnceHalfAwayFromZero(t *testing.T) {
	tests := []struct{ name, amount, rate, to, want string }{
		{"a half goes up", "0.01 EUR", "0.5", "USD", "0.01 USD"},
		{"a half of a refund goes down", "-0.01 EUR", "0.5", "USD", "-0.01 USD"},
		{"less than a half goes to nothing", "0.01 EUR", "0.499999999999999999", "USD", "0.00 USD"},
		{"a half just below", "1.00 EUR", "1.00499999999999999", "USD", "1.00 USD"},
		{"into a currency without a minor unit", "12.50 EUR", "163.24", "JPY", "2041 JPY"},
		{"out of one", "1000 JPY", "0.00612595", "EUR", "6.13 EUR"},
		{"into three minor digits", "12.50 EUR", "0.3335", "KWD", "4.169 KWD"},
		{"into four", "100000 CLP", "0.0000258", "CLF", "2.5800 CLF"},
		{"a rate of one between currencies", "12.50 USD", "1", "EUR", "12.50 EUR"},
		{"a rate of one into fewer digits", "12.50 USD", "1", "JPY", "13 JPY"},
		{"into itself", "12.50 EUR", "1", "EUR", "12.50 EUR"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rate := expense.Rate{Value: expense.MustFactor(test.rate)}
			amount, code, _ := strings.Cut(test.amount, " ")
			got, err := rate.Convert(expense.MustMoney(amount, code), expense.MustCurrency(test.to))
			if err != nil || got.String() != test.want {
				t.Errorf("%s at %s = %s, %v; want %s", test.amount, test.rate, got, err, test.want)
			}
		})
	}
	for amount, rate := range map[string]string{
		"1": "10000000000000", "9999999999999.99": "999999999999999999", "0.01": "1000000000000000",
		"0.16": "115292150460684697",
	} {
		_, err := expense.Rate{Value: expense.MustFactor(rate)}.Convert(
			expense.MustMoney(amount, "EUR"), expense.MustCurrency("USD"),
		)
		wantFieldError(t, err, "", "too_large")
	}
	far := expense.MustFactor("100000000000000000") // its fourth power is a multiple of 2^64
	for power := far; ; power = power.Mul(far) {
		_, err := expense.Rate{Value: power}.Convert(expense.MustMoney("1", "EUR"), expense.MustCurrency("USD"))
		wantFieldError(t, err, "", "too_large")
		if power.Decimal().Exponent() > 64 {
			break
		}
	}
}

func TestRate_ConvertAgreesWithExactArithmetic(t *testing.T) {
	currencies := expense.Currencies()
	rapid.Check(t, func(t *rapid.T) {
		amount, factor := anyMoney().Draw(t, "amount"), anyFactor().Draw(t, "rate")
		to := rapid.SampledFrom(currencies).Draw(t, "to")
		got, err := expense.Rate{Value: factor}.Convert(amount, to)
		unit := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(to.Digits())), nil))
		exact := new(big.Rat).Mul(amount.Decimal().Rat(), factor.Decimal().Rat())
		want := roundHalfAway(exact.Mul(exact, unit))
		if new(big.Int).Abs(want).Cmp(big.NewInt(expense.MaxMinor)) > 0 {
			wantFieldError(t, err, "", "too_large")
			return
		}
		if err != nil || got.Minor() != want.Int64() || got.Currency() != to {
			t.Fatalf("%s at %s = %s, %v; want %s minor units of %s", amount, factor, got, err, want, to)
		}
		rounded := amount.Decimal().Mul(factor.Decimal()).Round(int32(to.Digits()))
		if !rounded.Equal(decimal.New(got.Minor(), -int32(to.Digits()))) {
			t.Fatalf("%s at %s = %s, and %s by package decimal", amount, factor, got, rounded)
		}
	})
}

// fixedRate is a Rates that returns the same rate for all currencies and days.
type fixedRate struct{ rate expense.Rate }

func (f fixedRate) Rate(expense.Currency, expense.Currency, expense.Date) (expense.Rate, bool) {
	return f.rate, true
}

func TestLookupRate_RejectsLaterAndOldRates(t *testing.T) {
	euro, dollar, day := expense.MustCurrency("EUR"), expense.MustCurrency("USD"), expense.MustDate("2026-03-01")
	for age := -400; age <= 400; age++ {
		rate := expense.Rate{Value: expense.MustFactor("1.1"), Date: day.AddDays(-age), Source: "test"}
		got, ok := expense.LookupRate(fixedRate{rate}, euro, dollar, day)
		if want := age >= 0 && age <= 7; ok != want || ok && got != rate || !ok && !got.IsZero() {
			t.Errorf("a rate of %d days before: %v, %t", age, got, ok)
		}
	}
	if rate, ok := expense.LookupRate(fixedRate{}, euro, dollar, day); ok {
		t.Errorf("a rate that is none is taken: %v", rate)
	}
	tooSmall := expense.Rate{Value: expense.MustFactor("0.000000000000000001").Div(expense.MustFactor("2")), Date: day}
	if rate, ok := expense.LookupRate(fixedRate{tooSmall}, euro, dollar, day); ok {
		t.Errorf("a rate that no text may hold is taken: %v", rate)
	}
	if rate, ok := expense.LookupRate(expense.NoRates{}, euro, dollar, day); ok {
		t.Errorf("no rates give %v", rate)
	}
	for _, rates := range []expense.Rates{
		expense.NoRates{}, fixedRate{expense.Rate{Value: expense.MustFactor("2"), Date: day}},
	} {
		rate, ok := expense.LookupRate(rates, euro, euro, day)
		if want := (expense.Rate{Value: expense.MustFactor("1"), Date: day, Source: expense.SourceIdentity}); !ok ||
			rate != want {
			t.Errorf("a currency into itself is %v, %t", rate, ok)
		}
	}
}

func FuzzParseFactor(f *testing.F) {
	for _, seed := range []string{
		"1.0825", "0", "0.00", "1e9000", "1.", ".5", "+1", "-1", "١", "1\x00", "123456789123456789", "1234567891234567891",
		"100000000000000000000000000000000",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		factor, err := expense.ParseFactor(text)
		checkRefusal(t, err)
		if err != nil {
			return
		}
		if exact, ok := new(big.Rat).SetString(text); !ok || exact.Sign() <= 0 || exact.Cmp(factor.Decimal().Rat()) != 0 {
			t.Fatalf("ParseFactor(%q) = %s", text, factor)
		}
		checkText(t, factor)
	})
}

func BenchmarkFactorDiv(b *testing.B) {
	one, price := expense.MustFactor("1"), expense.MustFactor("1.0825")
	b.ReportAllocs()
	for b.Loop() {
		_ = one.Div(price)
	}
}

func BenchmarkRateConvert(b *testing.B) {
	rate := expense.Rate{Value: expense.MustFactor("0.923787528868360277")}
	amount, euro := expense.MustMoney("1234.50", "USD"), expense.MustCurrency("EUR")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rate.Convert(amount, euro); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleFactor_Div() {
	dollarsPerEuro, yenPerEuro := expense.MustFactor("1.0825"), expense.MustFactor("163.24")
	fmt.Println(dollarsPerEuro.Div(yenPerEuro), "dollars per yen")
	// Output: 0.0066313403577554521 dollars per yen
}

func ExampleRate_Convert() {
	rate := expense.Rate{Value: expense.MustFactor("1.0825"), Date: expense.MustDate("2026-02-27"), Source: "ecb"}
	home, err := rate.Convert(expense.MustMoney("12.50", "EUR"), expense.MustCurrency("USD"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(home)
	// Output: 13.53 USD
}

func ExampleLookupRate() {
	euro, yen := expense.MustCurrency("EUR"), expense.MustCurrency("JPY")
	_, ok := expense.LookupRate(expense.NoRates{}, yen, euro, expense.MustDate("2026-03-01"))
	fmt.Println("pending:", !ok)
	// Output: pending: true
}
