package expense

import (
	"math/bits"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
)

const (
	// rateDigits is the maximum number of significant digits of a Factor.
	rateDigits = 18
	// maxFactorText is the maximum length of a Factor's text, in bytes. The longest valid text has 37.
	maxFactorText = 40
	rateLimit     = 1_000_000_000_000_000_000 // 10^18, the smallest number with more than rateDigits digits
	// maxRateAge is the maximum number of days between the date of a rate and the date of the expense.
	maxRateAge = 7
)

// A Source names the origin of a rate, such as "ecb". Every conversion stores the source of its rate.
type Source string

// The sources that this package sets.
const (
	SourceUser     Source = "user"     // the user gave the rate with the expense
	SourceIdentity Source = "identity" // the expense is in the home currency
)

// A Factor is the numeric value of an exchange rate: the number of units of one currency per unit of another. It is an
// exact positive decimal of at most 18 significant digits. The zero Factor is no rate. Compare factors with ==.
type Factor struct {
	coef uint64 // without trailing zeros, below 10^18
	exp  int32  // the value is coef·10^exp
}

// ParseFactor parses a positive plain decimal of at most 18 significant digits, from 10^-18 to below 10^18. The error
// is [ErrInvalid].
func ParseFactor(text string) (Factor, error) {
	whole, fraction, point := strings.Cut(text[:min(len(text), maxFactorText)], ".")
	_, okWhole := digits(whole)
	_, okFraction := digits(fraction)
	if len(text) > maxFactorText || !okWhole || point && !okFraction {
		return Factor{}, invalid("malformed_rate",
			"rate %s is not a positive plain decimal; write it like 1.0825", QuoteText(text))
	}
	significant := strings.Trim(strings.TrimLeft(whole+fraction, "0"), "0")
	if significant == "" {
		return Factor{}, invalid("not_positive", "rate %q is not greater than 0; give a positive rate", text)
	}
	if len(significant) > rateDigits {
		return Factor{}, invalid("too_many_digits", "rate %q has %d significant digits; at most %d are allowed",
			text, len(significant), rateDigits)
	}
	coef := uint64(0)
	for i := range len(significant) {
		coef = coef*10 + uint64(significant[i]-'0')
	}
	trailing := len(whole+fraction) - len(strings.TrimRight(whole+fraction, "0"))
	factor := Factor{coef: coef, exp: int32(trailing - len(fraction))}
	if !factor.inRange() {
		return Factor{}, invalid("out_of_range", "rate %q is out of range; give at least 10^-18 and less than 10^18", text)
	}
	return factor, nil
}

// inRange reports whether ParseFactor accepts the factor's text.
func (f Factor) inRange() bool {
	magnitude := int32(len(strconv.FormatUint(f.coef, 10))) + f.exp // 10^(magnitude-1) <= f < 10^magnitude
	return magnitude > -rateDigits && magnitude <= rateDigits
}

// MustFactor is [ParseFactor] for constants. It panics on an error.
func MustFactor(text string) Factor {
	factor, err := ParseFactor(text)
	if err != nil {
		panic(err)
	}
	return factor
}

// IsZero reports whether f is the zero Factor.
func (f Factor) IsZero() bool { return f.coef == 0 }

// Decimal returns the exact value.
func (f Factor) Decimal() decimal.Decimal { return decimal.New(int64(f.coef), f.exp) }

// String returns the exact value as a plain decimal without trailing zeros, or "" for the zero Factor.
func (f Factor) String() string { return string(f.AppendTo(make([]byte, 0, maxFactorText))) }

// AppendTo appends [Factor.String] to b.
func (f Factor) AppendTo(b []byte) []byte {
	if f.IsZero() {
		return b
	}
	b = appendFixed(b, int64(f.coef), int(max(0, -f.exp)))
	for range f.exp {
		b = append(b, '0')
	}
	return b
}

// MarshalText returns [Factor.String].
func (f Factor) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText parses the output of [Factor.MarshalText]. The error is [ErrInvalid].
func (f *Factor) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*f = Factor{}
		return nil
	}
	factor, err := ParseFactor(string(text))
	if err != nil {
		return err
	}
	*f = factor
	return nil
}

// Div returns f/g, rounded half away from zero to 18 significant digits. g must not be zero.
func (f Factor) Div(g Factor) Factor {
	// Multiply the dividend by 10 until the quotient has more than 18 digits or 128 bits are full. Then round once.
	hi, lo, shift := uint64(0), f.coef, int32(0)
	for {
		overflow, low := bits.Mul64(lo, 10)
		carry, high := bits.Mul64(hi, 10)
		high, over := bits.Add64(high, overflow, 0)
		if carry|over != 0 || high >= g.coef {
			break
		}
		hi, lo, shift = high, low, shift+1
	}
	quotient, _ := bits.Div64(hi, lo, g.coef)
	return roundFactor(quotient, f.exp-g.exp-shift)
}

// Mul returns f·g, rounded half away from zero to 18 significant digits.
func (f Factor) Mul(g Factor) Factor {
	hi, lo := bits.Mul64(f.coef, g.coef)
	if hi == 0 {
		return roundFactor(lo, f.exp+g.exp)
	}
	// Both factors are below 10^18. Find the smallest shift for which the product divided by 10^shift is below 10^18.
	for shift, scale := int32(1), uint64(10); ; shift, scale = shift+1, scale*10 {
		if hi >= scale {
			continue
		}
		quotient, remainder := bits.Div64(hi, lo, scale)
		if quotient >= rateLimit {
			continue
		}
		if remainder >= scale/2 {
			quotient++
		}
		return roundFactor(quotient, f.exp+g.exp+shift)
	}
}

// roundFactor returns n·10^exp, rounded half away from zero to 18 significant digits. n may be a truncated quotient of
// Div, because that has more than 18 digits and its 19th digit decides the rounding.
func roundFactor(n uint64, exp int32) Factor {
	scale := uint64(1)
	for n/scale >= rateLimit {
		scale *= 10
		exp++
	}
	coef, remainder := n/scale, n%scale
	if scale > 1 && remainder >= scale/2 {
		coef++
	}
	for coef != 0 && coef%10 == 0 {
		coef /= 10
		exp++
	}
	return Factor{coef: coef, exp: exp}
}

// A Rate is the exchange rate of a conversion. The zero Rate means that the expense is pending. Compare rates with ==.
type Rate struct {
	Value  Factor // units of the target currency per unit of the original currency
	Date   Date   // the day for which the rate was published or given
	Source Source // where the rate comes from
}

// IsZero reports whether r has no value.
func (r Rate) IsZero() bool { return r.Value.IsZero() }

// Convert returns amount × r.Value in currency to, rounded once, half away from zero, to the decimals of to. The error
// is [ErrInvalid] if the absolute value of the result exceeds [MaxMinor].
func (r Rate) Convert(amount Money, to Currency) (Money, error) {
	if amount.currency == to && r.Value == one {
		return amount, nil
	}
	product := amount.Decimal().Mul(r.Value.Decimal()).Round(int32(to.Digits()))
	return moneyFromDecimal(product, to)
}

var one = Factor{coef: 1}

// Rates is a source of exchange rates. Use cases call it while they lock a ledger, so it must not wait for I/O.
type Rates interface {
	// Rate returns the latest rate whose date is not after on, in units of to per unit of from. It returns false if there
	// is none. The two currencies differ.
	Rate(from, to Currency, on Date) (Rate, bool)
}

// NoRates implements [Rates] and has no rates. With it, every expense in a foreign currency is pending until the user
// gives a rate.
type NoRates struct{}

// Rate returns false.
func (NoRates) Rate(Currency, Currency, Date) (Rate, bool) { return Rate{}, false }

// LookupRate returns the rate that converts from into to on a date. The rate of a currency into itself is 1. Otherwise
// LookupRate returns the latest rate on or before that day that is at most 7 days old. It never returns a later rate.
// It returns false if there is no such rate.
func LookupRate(rates Rates, from, to Currency, on Date) (Rate, bool) {
	if from == to {
		return Rate{Value: one, Date: on, Source: SourceIdentity}, true
	}
	rate, ok := rates.Rate(from, to, on)
	if !ok || rate.IsZero() || !rate.Value.inRange() || rate.Date.After(on) || on.Sub(rate.Date) > maxRateAge {
		return Rate{}, false
	}
	return rate, true
}

// A Quote is a published exchange rate of a currency against the base currency of its source. The base of "ecb" is the
// euro.
type Quote struct {
	Source   Source
	Date     Date
	Currency Currency
	Value    Factor // units of Currency per unit of the base currency
}
