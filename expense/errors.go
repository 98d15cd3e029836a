package expense

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The errors that every room shares. Test for them with [errors.Is]: what is returned wraps them with the thing concerned.
var (
	// ErrNotFound says that the ledger holds no such row. A row of another owner does not exist either.
	ErrNotFound = errors.New("not found")
	// ErrExists says that the id or the name is taken.
	ErrExists = errors.New("already exists")
	// ErrGone says that the row was deleted. It is an ErrNotFound too: ids are never used again while the tombstone is kept.
	ErrGone = fmt.Errorf("deleted: %w", ErrNotFound)
	// ErrStale says that the row has changed since the version that was named; see [StaleError].
	ErrStale = errors.New("version is stale")
	// ErrInUse says that other rows still refer to the one that was to go.
	ErrInUse = errors.New("in use")
	// ErrInvalid says that a value breaks a rule; the faults are [InvalidError] values, see [InvalidErrors].
	ErrInvalid = errors.New("invalid")
	// ErrUnavailable says that the store cannot be reached at the moment; the same call may work later.
	ErrUnavailable = errors.New("store unavailable")
)

// A StaleError is an ErrStale that knows the version the row has now.
type StaleError struct {
	Current Version
}

func (e *StaleError) Error() string {
	return fmt.Sprintf("%v: the row is at version %d", ErrStale, e.Current)
}

// Is reports whether target is ErrStale.
func (e *StaleError) Is(target error) bool { return target == ErrStale }

// An InvalidError is one broken rule: which field, a stable code for programs, and a sentence for people.
type InvalidError struct {
	Field  string // the member's name as the API spells it, such as "amount"; empty for the whole
	Code   string // stable and snake_case, such as "too_many_digits"
	Detail string // what was wrong and what to do
}

func (e *InvalidError) Error() string {
	if e.Field == "" {
		return e.Detail
	}
	return e.Field + ": " + e.Detail
}

// Is reports whether target is ErrInvalid.
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// ValidationErrors collects every broken rule of one value, so that a person hears of all of them at once. The zero value is ready.
type ValidationErrors struct {
	list []*InvalidError
}

// Add notes a broken rule; detail is a format for args.
func (f *ValidationErrors) Add(field, code, detail string, args ...any) {
	f.list = append(f.list, &InvalidError{Field: field, Code: code, Detail: fmt.Sprintf(detail, args...)})
}

// Take notes the faults in err under field when they name no field of their own, and returns what in err is no fault.
// A nil err is nothing to note.
func (f *ValidationErrors) AddError(field string, err error) error {
	if err == nil {
		return nil
	}
	faults := InvalidErrors(err)
	if len(faults) == 0 {
		return err
	}
	for _, fault := range faults {
		if fault.Field == "" {
			fault = &InvalidError{Field: field, Code: fault.Code, Detail: fault.Detail}
		}
		f.list = append(f.list, fault)
	}
	return nil
}

// Has reports whether a fault of field was noted.
func (f *ValidationErrors) Has(field string) bool {
	return slices.ContainsFunc(f.list, func(e *InvalidError) bool { return e.Field == field })
}

// Err returns nil when nothing was noted, else one error that is ErrInvalid and from which [InvalidErrors] gets every fault.
func (f *ValidationErrors) Err() error {
	switch len(f.list) {
	case 0:
		return nil
	case 1:
		return f.list[0]
	}
	return invalidErrors(slices.Clone(f.list))
}

type invalidErrors []*InvalidError

func (e invalidErrors) Error() string {
	texts := make([]string, len(e))
	for i, fault := range e {
		texts[i] = fault.Error()
	}
	return strings.Join(texts, "; ")
}

func (e invalidErrors) Unwrap() []error {
	errs := make([]error, len(e))
	for i, fault := range e {
		errs[i] = fault
	}
	return errs
}

// InvalidErrors returns every [InvalidError] in err, in the order they were found; none when err is no ErrInvalid.
func InvalidErrors(err error) []*InvalidError {
	if err == nil {
		return nil
	}
	if fault, ok := err.(*InvalidError); ok { //nolint:errorlint // the tree is walked by hand: every fault in it is wanted, not the first.
		return []*InvalidError{fault}
	}
	switch wrapper := err.(type) { //nolint:errorlint // as above
	case interface{ Unwrap() error }:
		return InvalidErrors(wrapper.Unwrap())
	case interface{ Unwrap() []error }:
		var faults []*InvalidError
		for _, inner := range wrapper.Unwrap() {
			faults = append(faults, InvalidErrors(inner)...)
		}
		return faults
	}
	return nil
}

func invalid(code, detail string, args ...any) error {
	return &InvalidError{Code: code, Detail: fmt.Sprintf(detail, args...)}
}
