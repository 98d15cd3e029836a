package expense

import (
	"math/bits"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
)

const (
	// rateDigits is how many significant digits a rate keeps.
	rateDigits = 18
	// maxFactorText bounds a factor's text before it is read; the longest in range has 37 bytes.
	maxFactorText = 40
	rateLimit     = 1_000_000_000_000_000_000 // 10^18, the first coefficient with more digits
	// rateWindow is how many days old a rate may be on the day it is used.
	rateWindow = 7
)

// A Source names where a rate comes from, such as "ecb". It is kept with every conversion, so that it can be traced.
type Source string

// The sources that the domain itself knows.
const (
	SourceUser     Source = "user"     // given by hand with the expense
	SourceIdentity Source = "identity" // the expense is in the home currency
)

// A Factor is a positive number of at most 18 significant digits: so many units of one currency for one of another. The
// zero Factor is none. Equal factors compare with ==.
type Factor struct {
	coef uint64 // no trailing zeros, below 10^18
	exp  int32  // the value is coef·10^exp
}

// ParseFactor reads a positive plain decimal of at most 18 significant digits, from 10^-18 to below 10^18. The error is
// ErrInvalid.
func ParseFactor(text string) (Factor, error) {
	whole, fraction, point := strings.Cut(text[:min(len(text), maxFactorText)], ".")
	_, okWhole := digits(whole)
	_, okFraction := digits(fraction)
	if len(text) > maxFactorText || !okWhole || point && !okFraction {
		return Factor{}, invalid("malformed_rate", "%s is not a positive plain decimal such as 1.0825", quoteTruncated(text))
	}
	significant := strings.Trim(strings.TrimLeft(whole+fraction, "0"), "0")
	if significant == "" {
		return Factor{}, invalid("not_positive", "a rate must be greater than zero")
	}
	if len(significant) > rateDigits {
		return Factor{}, invalid("too_many_digits", "a rate has at most %d significant digits", rateDigits)
	}
	coef := uint64(0)
	for i := range len(significant) {
		coef = coef*10 + uint64(significant[i]-'0')
	}
	trailing := len(whole+fraction) - len(strings.TrimRight(whole+fraction, "0"))
	factor := Factor{coef: coef, exp: int32(trailing - len(fraction))}
	if !factor.inRange() {
		return Factor{}, invalid("out_of_range", "a rate lies from 10^-18 to 10^18")
	}
	return factor, nil
}

// inRange reports whether the factor's text can be read back.
func (f Factor) inRange() bool {
	magnitude := int32(len(strconv.FormatUint(f.coef, 10))) + f.exp // 10^(magnitude-1) <= f < 10^magnitude
	return magnitude > -rateDigits && magnitude <= rateDigits
}

// MustFactor is ParseFactor for constants in a program; it panics on a text that is no factor.
func MustFactor(text string) Factor {
	factor, err := ParseFactor(text)
	if err != nil {
		panic(err)
	}
	return factor
}

// IsZero reports whether f is no factor.
func (f Factor) IsZero() bool { return f.coef == 0 }

// Decimal returns the exact value.
func (f Factor) Decimal() decimal.Decimal { return decimal.New(int64(f.coef), f.exp) }

// String returns the exact value as a plain decimal, without trailing zeros; "" for the zero Factor.
func (f Factor) String() string { return string(f.AppendTo(make([]byte, 0, maxFactorText))) }

// AppendTo appends what String returns to b.
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

// MarshalText writes what String returns.
func (f Factor) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads what MarshalText writes.
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
	// The dividend is widened until the quotient has more than 18 digits or 128 bits are full; then one rounding cuts it.
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
	// Both are below 10^18, so the product over 10^18 is below 10^18, and over some 10^shift it is the first to be.
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

// roundFactor returns n·10^exp at 18 significant digits, half away from zero. A remainder that a division left below n's
// last digit cannot matter: Div's quotient has more than 18 digits, so the half is decided by those it has.
func roundFactor(n uint64, exp int32) Factor {
	scale := uint64(1)
	for n/scale >= rateLimit {
		scale *= 10
		exp++
	}
	kept, cut := n/scale, n%scale
	if scale > 1 && cut >= scale/2 {
		kept++
	}
	for kept != 0 && kept%10 == 0 {
		kept /= 10
		exp++
	}
	return Factor{coef: kept, exp: exp}
}

// A Rate is what a conversion used: how many units of the home currency one unit costs, the day that price is of, and where
// it comes from. The zero Rate is none: the expense is pending. Equal rates compare with ==.
type Rate struct {
	Value  Factor
	Date   Date
	Source Source
}

// IsZero reports whether there is no rate.
func (r Rate) IsZero() bool { return r.Value.IsZero() }

// Convert returns amount in currency to, rounded once, half away from zero, to its minor digits. A result of 10^15 minor
// units or more is ErrInvalid.
func (r Rate) Convert(amount Money, to Currency) (Money, error) {
	if amount.currency == to && r.Value == one {
		return amount, nil
	}
	product := amount.Decimal().Mul(r.Value.Decimal()).Round(int32(to.Digits()))
	return moneyFromDecimal(product, to)
}

var one = Factor{coef: 1}

// Rates is a source of exchange rates. It is asked while a ledger is locked, so it answers from memory.
type Rates interface {
	// Rate returns how many units of to one unit of from costs, at its latest price on or before the day on. It reports
	// false when there is none. The two currencies differ.
	Rate(from, to Currency, on Date) (Rate, bool)
}

// NoRates is a [Rates] that knows none: whatever is not in the home currency is pending until a rate is given by hand.
type NoRates struct{}

// Rate reports false.
func (NoRates) Rate(Currency, Currency, Date) (Rate, bool) { return Rate{}, false }

// LookupRate returns the rate that a conversion of from into to on the day on uses: 1 for a currency into itself, else the
// price of that day, else the latest earlier one of at most 7 days before. Without one it reports false: such an expense is
// pending. A later rate is never taken.
func LookupRate(rates Rates, from, to Currency, on Date) (Rate, bool) {
	if from == to {
		return Rate{Value: one, Date: on, Source: SourceIdentity}, true
	}
	rate, ok := rates.Rate(from, to, on)
	if !ok || rate.IsZero() || !rate.Value.inRange() || rate.Date.After(on) || on.Sub(rate.Date) > rateWindow {
		return Rate{}, false
	}
	return rate, true
}

// A Quote is one published price: so many units of Currency for one unit of the pivot that its source quotes against.
type Quote struct {
	Source   Source
	Date     Date
	Currency Currency
	Value    Factor
}
