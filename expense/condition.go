package expense

import (
	"errors"
	"slices"
)

// ErrPreconditionRequired means that a call would replace an existing row without a [Precondition].
var ErrPreconditionRequired = errors.New("a precondition on the version is required")

// A Precondition is a condition on the stored row that must hold before a write. It corresponds to If-Match and
// If-None-Match of RFC 9110. The zero Precondition always holds. If Present is set, Versions is ignored.
type Precondition struct {
	Versions []Version // the row exists and has one of these versions
	Present  bool      // the row exists, at any version
	Absent   bool      // the row does not exist
}

// IsZero reports whether c always holds.
func (c Precondition) IsZero() bool { return len(c.Versions) == 0 && !c.Present && !c.Absent }

// CheckPresent returns a [StaleError] if c does not hold for an existing row at version current.
func (c Precondition) CheckPresent(current Version) error {
	if c.Absent || len(c.Versions) > 0 && !c.Present && !slices.Contains(c.Versions, current) {
		return &StaleError{Current: current, Required: c}
	}
	return nil
}

// CheckAbsent returns a [StaleError] with version 0 if c does not hold for a row that does not exist.
func (c Precondition) CheckAbsent() error {
	if c.Present || len(c.Versions) > 0 {
		return &StaleError{Required: c}
	}
	return nil
}
