package budget

import (
	"github.com/spendwise/spendwise/expense"
)

// A Rollover selects which remainder of a month is carried into the next month.
type Rollover uint8

// The kinds of rollover.
const (
	RolloverNone    Rollover = iota // nothing is carried
	RolloverSurplus                 // the unspent amount increases the amount available in the next month
	RolloverDeficit                 // the overspent amount reduces it
	RolloverBoth                    // both of them
)

// rolloverNames are the names in the API.
var rolloverNames = [...]string{
	RolloverNone: "none", RolloverSurplus: "surplus", RolloverDeficit: "deficit", RolloverBoth: "both",
}

const rolloverValues = "give none, surplus, deficit or both"

// ParseRollover parses the names that [Rollover.String] returns. The error is ErrInvalid.
func ParseRollover(text string) (Rollover, error) {
	for rollover, name := range rolloverNames {
		if text == name {
			return Rollover(rollover), nil
		}
	}
	return RolloverNone, &expense.InvalidError{
		Code: "unknown_value", Detail: "rollover " + expense.QuoteText(text) + " is unknown; " + rolloverValues,
	}
}

// String returns the name in the API: "none", "surplus", "deficit" or "both".
func (r Rollover) String() string {
	if int(r) < len(rolloverNames) {
		return rolloverNames[r]
	}
	return "none"
}

// MarshalText returns the text of [Rollover.String].
func (r Rollover) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText parses the text as [ParseRollover] does.
func (r *Rollover) UnmarshalText(text []byte) error {
	rollover, err := ParseRollover(string(text))
	if err == nil {
		*r = rollover
	}
	return err
}

// carry returns the amount that a month with this remaining amount carries into the next month. A positive amount is a
// surplus, a negative one a deficit. RolloverCap limits both.
func (b Budget) carry(remaining expense.Money) expense.Money {
	minor := remaining.Minor()
	if b.Rollover != RolloverBoth && b.Rollover != RolloverSurplus {
		minor = min(minor, 0)
	}
	if b.Rollover != RolloverBoth && b.Rollover != RolloverDeficit {
		minor = max(minor, 0)
	}
	if most := b.RolloverCap.Minor(); most > 0 {
		minor = min(max(minor, -most), most)
	}
	return expense.ClampMoney(minor, remaining.Currency())
}
