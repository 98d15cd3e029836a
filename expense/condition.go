package expense

import (
	"errors"
	"slices"
)

// ErrPreconditionRequired says that a row which is there would be replaced without naming the version that is meant.
var ErrPreconditionRequired = errors.New("a condition on the version is required")

// A Precondition is what a caller demands of the row as it stands: RFC 9110's If-Match and If-None-Match. The zero Precondition
// demands nothing.
type Precondition struct {
	Versions []Version // the row has one of these versions
	Present  bool      // the row is there, whatever its version
	Absent   bool      // the row is not there
}

// IsZero reports whether nothing is demanded.
func (c Precondition) IsZero() bool { return len(c.Versions) == 0 && !c.Present && !c.Absent }

// CheckPresent returns a [StaleError] if a row of version current breaks the condition.
func (c Precondition) CheckPresent(current Version) error {
	if c.Absent || len(c.Versions) > 0 && !c.Present && !slices.Contains(c.Versions, current) {
		return &StaleError{Current: current}
	}
	return nil
}

// CheckAbsent returns a [StaleError] of version 0 if a row that is not there breaks the condition.
func (c Precondition) CheckAbsent() error {
	if c.Present || len(c.Versions) > 0 {
		return &StaleError{}
	}
	return nil
}
