package expense

import (
	"errors"
	"slices"
)

// ErrPreconditionRequired means that a call would replace an existing row without a [Precondition].
var ErrPreconditionRequired = errors.New("a precondition on the version is required")

// A Precondition states what must hold for the stored row before a write, like If-Match and If-None-Match of RFC 9110.
// The zero Precondition always holds.
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
		return &StaleError{Current: current}
	}
	return nil
}

// CheckAbsent returns a [StaleError] with version 0 if c does not hold for a row that does not exist.
func (c Precondition) CheckAbsent() error {
	if c.Present || len(c.Versions) > 0 {
		return &StaleError{}
	}
	return nil
}
