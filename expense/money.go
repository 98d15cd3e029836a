package expense

import (
	"strings"

	"github.com/shopspring/decimal"
)

// MaxMinor is the largest absolute value of an amount and of the sum of a ledger's amounts, in minor units.
const MaxMinor = 1_000_000_000_000_000 - 1

// maxAmountText is the maximum length of an amount's text, in bytes. Parsing a very long decimal would take seconds.
const maxAmountText = 32

// Money is an exact amount in one currency, in whole minor units such as cents. The zero Money has no currency. Compare
// amounts with ==; amounts in different currencies are never equal.
type Money struct {
	minor    int64
	currency Currency
}

// ParseMoney parses a plain decimal, such as "12.50" or "-3", and an ISO 4217 code. It never rounds: it rejects an
// amount with more decimals than the currency has, not counting zeros at the end. The error is [ErrInvalid] and lists
// errors of the fields "amount" and "currency".
func ParseMoney(amount, code string) (Money, error) {
	var errs ValidationErrors
	currency, err := ParseCurrency(code)
	_ = errs.AddError("currency", err)
	if err != nil {
		_, err = CheckAmount(amount)
		_ = errs.AddError("amount", err)
		return Money{}, errs.Err()
	}
	money, err := ParseAmount(amount, currency)
	_ = errs.AddError("amount", err)
	return money, errs.Err()
}

// MustMoney is [ParseMoney] for constants. It panics on an error.
func MustMoney(amount, code string) Money {
	money, err := ParseMoney(amount, code)
	if err != nil {
		panic(err)
	}
	return money
}

// ParseAmount parses a plain decimal as an amount in currency; see [ParseMoney]. The error is [ErrInvalid].
func ParseAmount(text string, currency Currency) (Money, error) {
	value, err := ParseDecimal(text)
	if err != nil {
		return Money{}, err
	}
	if places := significantDecimals(text); places > currency.Digits() {
		return Money{}, errTooManyDigits(text, places, currency.Code(), currency.Digits())
	}
	return moneyFromDecimal(value, currency)
}

// significantDecimals returns the number of decimals of a plain decimal without the zeros at its end.
func significantDecimals(text string) int {
	_, fraction, _ := strings.Cut(text, ".")
	return len(strings.TrimRight(fraction, "0"))
}

// CheckAmount parses an amount whose currency is not known, for example because its code is malformed. It checks the
// rules of [ParseAmount] that hold in every currency. The error is [ErrInvalid].
func CheckAmount(text string) (decimal.Decimal, error) {
	value, err := ParseDecimal(text)
	if err != nil {
		return decimal.Decimal{}, err
	}
	if places := significantDecimals(text); places > maxDigits {
		return decimal.Decimal{}, errTooManyDigits(text, places, "every currency", maxDigits)
	}
	if value.Abs().GreaterThan(decimal.New(MaxMinor, 0)) {
		return decimal.Decimal{}, invalid("too_large", "amount %s is too large; give less than 10^15", value)
	}
	return value, nil
}

func errTooManyDigits(text string, places int, currency string, allowed int) error {
	decimals := "decimals"
	if places == 1 {
		decimals = "decimal"
	}
	return invalid("too_many_digits", "amount %q has %d %s; %s allows %d, so round it",
		text, places, decimals, currency, allowed)
}

// ParseDecimal parses a plain decimal of at most 32 bytes: an optional minus sign, digits, and optionally a point
// followed by digits. It rejects exponents, group separators, plus signs and spaces. The error is [ErrInvalid].
func ParseDecimal(text string) (decimal.Decimal, error) {
	whole, fraction, point := strings.Cut(strings.TrimPrefix(text[:min(len(text), maxAmountText)], "-"), ".")
	_, okWhole := digits(whole)
	_, okFraction := digits(fraction)
	ok := len(text) <= maxAmountText && okWhole && (okFraction || !point)
	value, err := decimal.NewFromString(text[:min(len(text), maxAmountText)])
	if !ok || err != nil {
		return decimal.Decimal{}, invalid("malformed_amount",
			"%s is not a plain decimal; write it like 12.50", QuoteText(text))
	}
	return value, nil
}

// moneyFromDecimal returns value as an amount. value has at most as many decimals as currency. If the amount is 10^15
// minor units or more, the error is [ErrInvalid].
func moneyFromDecimal(value decimal.Decimal, currency Currency) (Money, error) {
	// Count the digits first: a longer amount overflows int64.
	if value.NumDigits()+int(value.Exponent())+currency.Digits() > 16 && !value.IsZero() {
		return Money{}, errTooLarge(value.String(), currency)
	}
	return MoneyFromMinor(value.Shift(int32(currency.Digits())).IntPart(), currency)
}

// MoneyFromMinor returns an amount of minor units of currency. The error is [ErrInvalid] if the absolute value exceeds
// [MaxMinor].
func MoneyFromMinor(minor int64, currency Currency) (Money, error) {
	if minor > MaxMinor || minor < -MaxMinor {
		return Money{}, errTooLarge(decimal.New(minor, -int32(currency.Digits())).String(), currency)
	}
	return Money{minor: minor, currency: currency}, nil
}

// ClampMoney returns minor units of currency, limited to the range from -MaxMinor to MaxMinor. Use it for amounts that
// are no part of the ledger and may exceed that range, such as projections.
func ClampMoney(minor int64, currency Currency) Money {
	return Money{minor: min(max(minor, -MaxMinor), MaxMinor), currency: currency}
}

// Prorate returns m × n / d, rounded once, half away from zero, and limited as by [ClampMoney]. n and d are numbers of
// days. n is at most 9,000, so that the product does not overflow. d is at least 1.
func (m Money) Prorate(n, d int) Money {
	product, half := m.minor*int64(n), int64(d)/2
	if product < 0 {
		half = -half
	}
	return ClampMoney((product+half)/int64(d), m.currency)
}

func errTooLarge(amount string, currency Currency) error {
	return invalid("too_large", "amount %s is too large; give less than 10^15 minor units of %s", amount, currency)
}

// Minor returns the amount in minor units.
func (m Money) Minor() int64 { return m.minor }

// Currency returns the currency.
func (m Money) Currency() Currency { return m.currency }

// IsZero reports whether the amount is 0, in any currency or none.
func (m Money) IsZero() bool { return m.minor == 0 }

// Sign returns -1 for a negative amount, 0 for zero, and 1 for a positive one.
func (m Money) Sign() int { return int(min(1, max(-1, m.minor))) }

// Decimal returns the amount in major units.
func (m Money) Decimal() decimal.Decimal { return decimal.New(m.minor, -int32(m.currency.Digits())) }

// Neg returns -m.
func (m Money) Neg() Money { return Money{minor: -m.minor, currency: m.currency} }

// Add returns m + other. The error is [ErrInvalid] if the currencies differ or the absolute value of the sum exceeds
// [MaxMinor].
func (m Money) Add(other Money) (Money, error) {
	if m.currency != other.currency {
		return Money{}, invalid("currency_mismatch",
			"%s cannot be added to %s; convert it into %s first", other, m, m.currency)
	}
	return MoneyFromMinor(m.minor+other.minor, m.currency)
}

// Amount returns the amount without its currency, as a plain decimal with all decimals of the currency: "12.50",
// "1000", "-3.250".
func (m Money) Amount() string { return string(m.AppendAmount(make([]byte, 0, 24))) }

// AppendAmount appends [Money.Amount] to b.
func (m Money) AppendAmount(b []byte) []byte {
	return appendFixed(b, m.minor, m.currency.Digits())
}

// String returns the amount and the currency's code, such as "12.50 EUR".
func (m Money) String() string {
	if m.currency.IsZero() {
		return m.Amount()
	}
	return m.Amount() + " " + m.currency.Code()
}

// appendFixed appends coef·10^-places, with exactly places decimals, to b.
func appendFixed(b []byte, coef int64, places int) []byte {
	magnitude := uint64(coef)
	if coef < 0 {
		b = append(b, '-')
		magnitude = -magnitude
	}
	var buf [64]byte
	i := len(buf)
	for n := 0; magnitude > 0 || n <= places; n++ {
		if n == places && places > 0 {
			i--
			buf[i] = '.'
		}
		i--
		buf[i] = byte('0' + magnitude%10)
		magnitude /= 10
	}
	return append(b, buf[i:]...)
}

// MarshalText returns [Money.String].
func (m Money) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText parses the output of [Money.MarshalText]. The error is [ErrInvalid].
func (m *Money) UnmarshalText(text []byte) error {
	amount, code, found := strings.Cut(string(text), " ")
	if !found {
		if amount == "0" || amount == "" {
			*m = Money{}
			return nil
		}
		return invalid("malformed_amount",
			"%s is not an amount with a currency; write it like 12.50 EUR", QuoteText(string(text)))
	}
	money, err := ParseMoney(amount, code)
	if err != nil {
		return err
	}
	*m = money
	return nil
}
