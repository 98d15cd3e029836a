package budget

import "github.com/spendwise/spendwise/expense"

// A Rollover says what of a month's remainder the next month begins with.
type Rollover uint8

// The ways to roll over.
const (
	RolloverNone    Rollover = iota // each month begins anew
	RolloverSurplus                 // what was left over is added to the next month's limit
	RolloverDeficit                 // what was overspent is taken from it
	RolloverBoth
)

// rolloverNames are the names on the wire.
var rolloverNames = [...]string{RolloverNone: "none", RolloverSurplus: "surplus", RolloverDeficit: "deficit", RolloverBoth: "both"}

// ParseRollover reads what [Rollover.String] returns. The error is ErrInvalid.
func ParseRollover(text string) (Rollover, error) {
	for rollover, name := range rolloverNames {
		if text == name {
			return Rollover(rollover), nil
		}
	}
	return RolloverNone, &expense.InvalidError{
		Code: "unknown_value", Detail: "a budget rolls over none, surplus, deficit or both of what is left of a month",
	}
}

// String returns the name on the wire: "none", "surplus", "deficit", "both".
func (r Rollover) String() string {
	if int(r) < len(rolloverNames) {
		return rolloverNames[r]
	}
	return "none"
}

// MarshalText writes what String returns.
func (r Rollover) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what [ParseRollover] reads.
func (r *Rollover) UnmarshalText(text []byte) error {
	rollover, err := ParseRollover(string(text))
	if err == nil {
		*r = rollover
	}
	return err
}

// carry returns what the month after one begins with that ended with left: none of it, its surplus, its deficit or both, and
// never more than the cap in either direction.
func (b Budget) carry(left expense.Money) expense.Money {
	minor := left.Minor()
	if b.Rollover != RolloverBoth && b.Rollover != RolloverSurplus {
		minor = min(minor, 0)
	}
	if b.Rollover != RolloverBoth && b.Rollover != RolloverDeficit {
		minor = max(minor, 0)
	}
	if most := b.RolloverCap.Minor(); most > 0 {
		minor = min(max(minor, -most), most)
	}
	return expense.CapMoney(minor, left.Currency())
}
