package expense

import (
	"strings"

	"github.com/shopspring/decimal"
)

// MaxMinor is the largest absolute amount, in minor units: an amount, and every total, is smaller than 10^15 of them.
const MaxMinor = 1_000_000_000_000_000 - 1

// maxAmountText bounds an amount's text before it is read: a decimal with a long exponent or mantissa costs seconds.
const maxAmountText = 32

// Money is an exact amount of one currency, kept in whole minor units. The zero Money is nothing of no currency. Equal
// amounts of one currency compare with ==.
type Money struct {
	minor    int64
	currency Currency
}

// ParseMoney reads a plain decimal, such as "12.50" or "-3", with at most the currency's minor digits, and an ISO 4217 code.
// More digits are an error, not a rounding. The error is ErrInvalid, its field "amount" or "currency".
func ParseMoney(amount, code string) (Money, error) {
	var faults ValidationErrors
	currency, err := ParseCurrency(code)
	_ = faults.AddError("currency", err)
	if err != nil {
		_, err = ParseDecimal(amount)
		_ = faults.AddError("amount", err)
		return Money{}, faults.Err()
	}
	money, err := ParseAmount(amount, currency)
	_ = faults.AddError("amount", err)
	return money, faults.Err()
}

// MustMoney is ParseMoney for constants in a program; it panics on a text that is no amount.
func MustMoney(amount, code string) Money {
	money, err := ParseMoney(amount, code)
	if err != nil {
		panic(err)
	}
	return money
}

// ParseAmount reads a plain decimal as an amount of currency; see [ParseMoney].
func ParseAmount(text string, currency Currency) (Money, error) {
	value, err := ParseDecimal(text)
	if err != nil {
		return Money{}, err
	}
	if places := -value.Exponent(); places > int32(currency.Digits()) {
		if currency.Digits() == 0 {
			return Money{}, invalid("too_many_digits", "%s has no minor unit, so %s has too many digits", currency, text)
		}
		return Money{}, invalid("too_many_digits", "%s has %d minor digits, so %s has too many", currency, currency.Digits(), text)
	}
	return moneyFromDecimal(value, currency)
}

// ParseDecimal reads a plain decimal of at most 32 bytes: an optional minus, digits, and optionally a point with digits
// after it. No exponent, no grouping, no plus, no blanks. The error is ErrInvalid.
func ParseDecimal(text string) (decimal.Decimal, error) {
	whole, fraction, point := strings.Cut(strings.TrimPrefix(text[:min(len(text), maxAmountText)], "-"), ".")
	_, okWhole := digits(whole)
	_, okFraction := digits(fraction)
	if len(text) > maxAmountText || !okWhole || point && !okFraction {
		return decimal.Decimal{}, invalid("malformed_amount", "%s is not a plain decimal such as 12.50", quoteTruncated(text))
	}
	value, err := decimal.NewFromString(text)
	if err != nil {
		return decimal.Decimal{}, invalid("malformed_amount", "%s is not a plain decimal such as 12.50", quoteTruncated(text))
	}
	return value, nil
}

// moneyFromDecimal returns value, which has no more decimals than currency allows, as an amount. 10^15 minor units or more are
// ErrInvalid.
func moneyFromDecimal(value decimal.Decimal, currency Currency) (Money, error) {
	// Count the digits first: a longer amount overflows int64.
	if value.NumDigits()+int(value.Exponent())+currency.Digits() > 16 && !value.IsZero() {
		return Money{}, errTooLarge()
	}
	return MoneyFromMinor(value.Shift(int32(currency.Digits())).IntPart(), currency)
}

// MoneyFromMinor returns minor units of currency. Amounts of 10^15 minor units or more are ErrInvalid.
func MoneyFromMinor(minor int64, currency Currency) (Money, error) {
	if minor > MaxMinor || minor < -MaxMinor {
		return Money{}, errTooLarge()
	}
	return Money{minor: minor, currency: currency}, nil
}

// ClampMoney returns minor units of currency, limited to the range from -MaxMinor to MaxMinor. Use it for amounts that are no part
// of the ledger and may exceed that range, such as projections.
func ClampMoney(minor int64, currency Currency) Money {
	return Money{minor: min(max(minor, -MaxMinor), MaxMinor), currency: currency}
}

// Prorate returns m × n / d, rounded once, half away from zero, and limited as by [ClampMoney]. n and d are numbers of days;
// d is at least 1.
func (m Money) Prorate(n, d int) Money {
	product, half := m.minor*int64(n), int64(d)/2
	if product < 0 {
		half = -half
	}
	return ClampMoney((product+half)/int64(d), m.currency)
}

func errTooLarge() error {
	return invalid("too_large", "an amount must be smaller than 10^15 minor units")
}

// Minor returns the amount in minor units.
func (m Money) Minor() int64 { return m.minor }

// Currency returns the currency.
func (m Money) Currency() Currency { return m.currency }

// IsZero reports whether the amount is nothing, of whatever currency.
func (m Money) IsZero() bool { return m.minor == 0 }

// Sign returns -1, 0 or 1.
func (m Money) Sign() int { return int(min(1, max(-1, m.minor))) }

// Decimal returns the amount in major units.
func (m Money) Decimal() decimal.Decimal { return decimal.New(m.minor, -int32(m.currency.Digits())) }

// Neg returns the amount with its sign turned.
func (m Money) Neg() Money { return Money{minor: -m.minor, currency: m.currency} }

// Add returns the sum. Two currencies, or a sum of 10^15 minor units or more, are ErrInvalid.
func (m Money) Add(other Money) (Money, error) {
	if m.currency != other.currency {
		return Money{}, invalid("currency_mismatch", "%s and %s do not add up", m, other)
	}
	return MoneyFromMinor(m.minor+other.minor, m.currency)
}

// Amount returns the amount alone, as a plain decimal with the currency's full minor digits: "12.50", "1000", "-3.250".
func (m Money) Amount() string { return string(m.AppendAmount(make([]byte, 0, 24))) }

// AppendAmount appends what Amount returns to b.
func (m Money) AppendAmount(b []byte) []byte {
	return appendFixed(b, m.minor, m.currency.Digits())
}

// String returns amount and code, such as "12.50 EUR".
func (m Money) String() string {
	if m.currency.IsZero() {
		return m.Amount()
	}
	return m.Amount() + " " + m.currency.Code()
}

// appendFixed writes coef·10^-places with exactly that many places.
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

// MarshalText writes what String returns.
func (m Money) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (m *Money) UnmarshalText(text []byte) error {
	amount, code, found := strings.Cut(string(text), " ")
	if !found {
		if amount == "0" || amount == "" {
			*m = Money{}
			return nil
		}
		return invalid("malformed_amount", "%s is not an amount and a currency, such as 12.50 EUR", quoteTruncated(string(text)))
	}
	money, err := ParseMoney(amount, code)
	if err != nil {
		return err
	}
	*m = money
	return nil
}
