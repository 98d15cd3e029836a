package expense_test

import (
	"fmt"
	"log"
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/spendwise/spendwise/expense"
)

func TestParseMoney_AcceptsPlainDecimals(t *testing.T) {
	tests := []struct {
		name, amount, code string
		minor              int64
		want               string
	}{
		{"full minor digits", "12.50", "EUR", 1250, "12.50 EUR"},
		{"fewer minor digits", "12.5", "EUR", 1250, "12.50 EUR"},
		{"no minor digits", "12", "EUR", 1200, "12.00 EUR"},
		{"a refund", "-0.01", "EUR", -1, "-0.01 EUR"},
		{"a currency without a minor unit", "1000", "JPY", 1000, "1000 JPY"},
		{"a currency of three minor digits", "3.250", "KWD", 3250, "3.250 KWD"},
		{"a currency of four minor digits", "0.0001", "CLF", 1, "0.0001 CLF"},
		{"leading zeros", "000012.50", "EUR", 1250, "12.50 EUR"},
		{"zeros after the minor digits", "12.5000", "EUR", 1250, "12.50 EUR"},
		{"decimals of zero without a minor unit", "-1000.00", "JPY", -1000, "-1000 JPY"},
		{"the largest amount with zeros at the end", "9999999999999.990000", "EUR", expense.MaxMinor, "9999999999999.99 EUR"},
		{"zero, which is for the use cases to refuse", "0", "EUR", 0, "0.00 EUR"},
		{"zero with a minus", "-0.00", "EUR", 0, "0.00 EUR"},
		{"the largest amount", "9999999999999.99", "EUR", expense.MaxMinor, "9999999999999.99 EUR"},
		{"the largest refund", "-999999999999999", "JPY", -expense.MaxMinor, "-999999999999999 JPY"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			money, err := expense.ParseMoney(test.amount, test.code)
			if err != nil {
				t.Fatal(err)
			}
			if money.Minor() != test.minor || money.String() != test.want {
				t.Errorf(
					"ParseMoney(%q, %s) = %s, %d minor units; want %s", test.amount, test.code, money, money.Minor(), test.want,
				)
			}
		})
	}
}

func TestParseMoney_RejectsInvalidAmounts(t *testing.T) {
	tests := []struct{ name, amount, code, want string }{
		{"a digit too many", "12.505", "EUR", "too_many_digits"},
		{"a minor digit where there are none", "1000.5", "JPY", "too_many_digits"},
		{"a digit too many before a zero", "1.2340", "EUR", "too_many_digits"},
		{"a fifth minor digit", "1.00001", "CLF", "too_many_digits"},
		{"10^15 minor units", "10000000000000.00", "EUR", "too_large"},
		{"minus 10^15 minor units", "-1000000000000000", "JPY", "too_large"},
		{"2^64 minor units and one", "184467440737095516.17", "EUR", "too_large"},
		{"32 digits", strings.Repeat("9", 32), "JPY", "too_large"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			money, err := expense.ParseMoney(test.amount, test.code)
			wantFieldError(t, err, "amount", test.want)
			if money != (expense.Money{}) {
				t.Errorf("%s beside the error", money)
			}
		})
	}
	for _, text := range hostile() {
		_, err := expense.ParseMoney(text, "EUR")
		wantFieldError(t, err, "amount", "malformed_amount")
		_, err = expense.ParseDecimal(text)
		wantFieldError(t, err, "", "malformed_amount")
	}
}

func TestParseMoney_ReportsInvalidAmountAndCurrency(t *testing.T) {
	_, err := expense.ParseMoney("1,5", "euro")
	if errs := expense.InvalidErrors(err); len(errs) != 2 {
		t.Errorf("the errs are %v", err)
	}
}

func anyMoney() *rapid.Generator[expense.Money] {
	currencies := expense.Currencies()
	return rapid.Custom(func(t *rapid.T) expense.Money {
		minor := rapid.Int64Range(-expense.MaxMinor, expense.MaxMinor).Draw(t, "minor")
		money, err := expense.MoneyFromMinor(minor, rapid.SampledFrom(currencies).Draw(t, "currency"))
		if err != nil {
			t.Fatal(err)
		}
		return money
	})
}

func TestMoney_TextRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		money := anyMoney().Draw(t, "money")
		checkText(t, money)
		again, err := expense.ParseMoney(money.Amount(), money.Currency().Code())
		if err != nil || again != money {
			t.Fatalf("%s is parsed as %s, %v", money, again, err)
		}
		if _, fraction, _ := strings.Cut(money.Amount(), "."); len(fraction) != money.Currency().Digits() {
			t.Fatalf("%s does not have the %d minor digits of its currency", money, money.Currency().Digits())
		}
		if text := money.Decimal().StringFixed(int32(money.Currency().Digits())); text != money.Amount() {
			t.Fatalf("%s is %s as a decimal", money, text)
		}
	})
	checkText(t, expense.Money{})
	var money expense.Money
	for _, text := range []string{
		"12.50", "EUR", "12.50  EUR", "12.50 EUR ", "12.50\tEUR", "EUR 12.50", " EUR", "12.50 ",
	} {
		checkRefused(t, money.UnmarshalText([]byte(text)), text)
	}
}

// checkRefused checks that parsing text failed with a field error.
func checkRefused(t rapid.TB, err error, text string) {
	t.Helper()
	if err == nil {
		t.Errorf("%.40q is taken", text)
	}
	checkRefusal(t, err)
}

func TestMoney_Add(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := anyMoney().Draw(t, "a")
		minor := rapid.Int64Range(-expense.MaxMinor, expense.MaxMinor).Draw(t, "b")
		b, err := expense.MoneyFromMinor(minor, a.Currency())
		if err != nil {
			t.Fatal(err)
		}
		sum, err := a.Add(b)
		exact := a.Minor() + b.Minor()
		if fits := exact >= -expense.MaxMinor && exact <= expense.MaxMinor; fits != (err == nil) {
			t.Fatalf("%s + %s = %s, %v", a, b, sum, err)
		}
		if err != nil {
			wantFieldError(t, err, "", "too_large")
			return
		}
		if sum.Minor() != exact || sum.Currency() != a.Currency() || !sum.Decimal().Equal(a.Decimal().Add(b.Decimal())) {
			t.Fatalf("%s + %s = %s", a, b, sum)
		}
		if turned, err := b.Add(a); err != nil || turned != sum {
			t.Fatalf("%s + %s = %s the other way round, %v", b, a, turned, err)
		}
		if back, err := sum.Add(b.Neg()); err != nil || back != a {
			t.Fatalf("%s - %s = %s, %v", sum, b, back, err)
		}
	})
	_, err := expense.MustMoney("1", "EUR").Add(expense.MustMoney("1", "USD"))
	wantFieldError(t, err, "", "currency_mismatch")
}

func TestMoney_Sign(t *testing.T) {
	for text, sign := range map[string]int{"12.50": 1, "0.01": 1, "0": 0, "-0.01": -1, "-9999999999999.99": -1} {
		money := expense.MustMoney(text, "EUR")
		if money.Sign() != sign || money.Neg().Sign() != -sign || money.IsZero() != (sign == 0) {
			t.Errorf("%s has sign %d, turned %d", money, money.Sign(), money.Neg().Sign())
		}
	}
}

func TestParseAmount_RejectsTooManyDigitsAndTooLargeAmounts(t *testing.T) {
	euro := expense.MustCurrency("EUR")
	for text, code := range map[string]string{
		"0.001": "too_many_digits", "-12.345": "too_many_digits", "12.5001": "too_many_digits",
		"0.000000000000000000000000000001": "too_many_digits",
		"10000000000000":                   "too_large", "-10000000000000": "too_large", "184467440737095516.17": "too_large",
		"99999999999999999999999999999999": "too_large", "-9999999999999999999999999999999": "too_large",
	} {
		_, err := expense.ParseAmount(text, euro)
		wantFieldError(t, err, "", code)
	}
	if money, err := expense.ParseAmount("00000000000000000000000000000.00", euro); err != nil ||
		money.String() != "0.00 EUR" {
		t.Errorf("a long zero is %s, %v", money, err)
	}
	for _, minor := range []int64{expense.MaxMinor + 1, -expense.MaxMinor - 1, math.MaxInt64, math.MinInt64} {
		_, err := expense.MoneyFromMinor(minor, euro)
		wantFieldError(t, err, "", "too_large")
	}
}

func TestCheckAmount_AcceptsWhatOneCurrencyAccepts(t *testing.T) {
	for text, code := range map[string]string{
		"x": "malformed_amount", "0.00001": "too_many_digits", "1000000000000000": "too_large",
		"-1000000000000000": "too_large",
	} {
		_, err := expense.CheckAmount(text)
		wantFieldError(t, err, "", code)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?[0-9]{1,17}(\.[0-9]{1,6})?|[0-9x.-]{0,5}`).Draw(t, "text")
		_, checkErr := expense.CheckAmount(text)
		for _, currency := range expense.Currencies() {
			if _, err := expense.ParseAmount(text, currency); err == nil && checkErr != nil {
				t.Errorf("CheckAmount(%q): %v, but %s accepts it", text, checkErr, currency)
			}
		}
	})
}

func TestParseAmount_NamesOneDecimal(t *testing.T) {
	_, err := expense.ParseAmount("12.5", expense.MustCurrency("JPY"))
	if want := `amount "12.5" has 1 decimal; JPY allows 0, so round it`; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func FuzzParseMoney(f *testing.F) {
	for _, seed := range []string{
		"12.50", "-3", "0", "1.", ".5", "+1", "1e9000", "١", "1\x00", "9999999999999.99", "10000000000000", "-0.00",
	} {
		f.Add(seed, "EUR")
	}
	f.Add("1000", "JPY")
	f.Add("3.250", "KWD")
	f.Add("0.0001", "CLF")
	f.Add("1", "")
	f.Fuzz(func(t *testing.T, amount, code string) {
		money, err := expense.ParseMoney(amount, code)
		checkRefusal(t, err)
		if err != nil {
			return
		}
		exact, ok := new(big.Rat).SetString(amount)
		if !ok {
			t.Fatalf("ParseMoney took %q", amount)
		}
		if exact.Cmp(money.Decimal().Rat()) != 0 || money.Currency().Code() != code {
			t.Errorf("ParseMoney(%q, %q) = %s", amount, code, money)
		}
		again, err := expense.ParseMoney(money.Amount(), code)
		if err != nil || again != money {
			t.Errorf("%s is read back as %s, %v", money, again, err)
		}
	})
}

func BenchmarkParseMoney(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := expense.ParseMoney("1234.50", "EUR"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMoneyString(b *testing.B) {
	money := expense.MustMoney("-1234.50", "EUR")
	b.ReportAllocs()
	for b.Loop() {
		_ = money.String()
	}
}

func ExampleParseMoney() {
	coffee, err := expense.ParseMoney("3.250", "KWD")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(coffee, coffee.Minor())
	_, err = expense.ParseMoney("12.505", "EUR")
	fmt.Println(err)
	// Output:
	// 3.250 KWD 3250
	// amount: amount "12.505" has 3 decimals; EUR allows 2, so round it
}

func ExampleMoney_Add() {
	sum, err := expense.MustMoney("12.50", "EUR").Add(expense.MustMoney("-2.50", "EUR"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sum)
	// Output: 10.00 EUR
}
