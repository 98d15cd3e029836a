package budget

import (
	"strings"

	"github.com/shopspring/decimal"

	"github.com/spendwise/spendwise/expense"
)

// A Ratio is a part of the available amount, in ten-thousandths: 8000 is 80 %. Its text is a decimal: "0.80".
type Ratio int64

const (
	// whole is 100 %.
	whole Ratio = 10_000
	// maxRatio is 1000 %.
	maxRatio = 10 * whole
	// ratioPlaces is the maximum number of decimal places.
	ratioPlaces = 4
)

// ParseRatio parses a plain decimal such as "0.80". The value must be greater than 0 and at most 10, with at most four
// decimal places. The error is ErrInvalid.
func ParseRatio(text string) (Ratio, error) {
	value, err := expense.ParseDecimal(text)
	var code, rule string
	switch {
	case err != nil:
		code, rule = "malformed_ratio", "is not a plain decimal; write it like 0.80"
	case value.Exponent() < -ratioPlaces:
		code, rule = "too_many_digits", "has more than 4 decimals; give at most 4"
	case value.Sign() <= 0 || value.GreaterThan(maxRatio.decimal()):
		code, rule = "out_of_range", "is out of range; give more than 0 and at most 10"
	default:
		return Ratio(value.Shift(ratioPlaces).IntPart()), nil
	}
	return 0, &expense.InvalidError{Code: code, Detail: "threshold " + expense.QuoteText(text) + " " + rule}
}

func (r Ratio) decimal() decimal.Decimal { return decimal.New(int64(r), -ratioPlaces) }

// String returns a decimal with two to four places: "0.80", "0.8125".
func (r Ratio) String() string {
	text := r.decimal().StringFixed(ratioPlaces)
	for range ratioPlaces - 2 {
		text = strings.TrimSuffix(text, "0")
	}
	return text
}

// MarshalText returns the text of [Ratio.String].
func (r Ratio) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText parses the text as [ParseRatio] does.
func (r *Ratio) UnmarshalText(text []byte) error {
	ratio, err := ParseRatio(string(text))
	if err != nil {
		return err
	}
	*r = ratio
	return nil
}
