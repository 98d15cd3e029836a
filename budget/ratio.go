package budget

import (
	"strings"

	"github.com/shopspring/decimal"

	"github.com/spendwise/spendwise/expense"
)

// A Ratio is a part of a limit in ten-thousandths: 8000 is 80 %. As text it is a decimal: "0.80".
type Ratio int64

const (
	// whole is the ratio of a limit that is used up.
	whole Ratio = 10_000
	// maxRatio is ten times the limit.
	maxRatio = 10 * whole
	// ratioPlaces is how many decimal places a ratio has at most.
	ratioPlaces = 4
)

// ParseRatio reads a plain decimal above 0, of at most 10 and at most four places, such as "0.80". The error is ErrInvalid.
func ParseRatio(text string) (Ratio, error) {
	value, err := expense.ParseDecimal(text)
	if err != nil {
		return 0, &expense.InvalidError{Code: "malformed_ratio", Detail: "a threshold is a plain decimal such as 0.80"}
	}
	if value.Exponent() < -ratioPlaces {
		return 0, &expense.InvalidError{Code: "too_many_digits", Detail: "a threshold has at most four decimal places"}
	}
	if value.Sign() <= 0 || value.GreaterThan(maxRatio.decimal()) {
		return 0, &expense.InvalidError{Code: "out_of_range", Detail: "a threshold is greater than 0 and at most 10"}
	}
	return Ratio(value.Shift(ratioPlaces).IntPart()), nil
}

func (r Ratio) decimal() decimal.Decimal { return decimal.New(int64(r), -ratioPlaces) }

// String returns the ratio as a decimal with two places, or up to four where it needs them: "0.80", "0.8125".
func (r Ratio) String() string {
	text := r.decimal().StringFixed(ratioPlaces)
	for range ratioPlaces - 2 {
		text = strings.TrimSuffix(text, "0")
	}
	return text
}

// MarshalText writes what String returns.
func (r Ratio) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what [ParseRatio] reads.
func (r *Ratio) UnmarshalText(text []byte) error {
	ratio, err := ParseRatio(string(text))
	if err != nil {
		return err
	}
	*r = ratio
	return nil
}
