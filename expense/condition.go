package expense

import (
	"errors"
	"slices"
)

// ErrConditionRequired says that a row which is there would be replaced without naming the version that is meant.
var ErrConditionRequired = errors.New("a condition on the version is required")

// A Condition is what a caller demands of the row as it stands: RFC 9110's If-Match and If-None-Match. The zero Condition
// demands nothing.
type Condition struct {
	Versions []Version // the row has one of these versions
	Any      bool      // the row is there, whatever its version
	Absent   bool      // the row is not there
}

// IsZero reports whether nothing is demanded.
func (c Condition) IsZero() bool { return len(c.Versions) == 0 && !c.Any && !c.Absent }

// CheckPresent returns a [StaleError] if a row of version current breaks the condition.
func (c Condition) CheckPresent(current Version) error {
	if c.Absent || len(c.Versions) > 0 && !c.Any && !slices.Contains(c.Versions, current) {
		return &StaleError{Current: current}
	}
	return nil
}

// CheckAbsent returns a [StaleError] of version 0 if a row that is not there breaks the condition.
func (c Condition) CheckAbsent() error {
	if c.Any || len(c.Versions) > 0 {
		return &StaleError{}
	}
	return nil
}
