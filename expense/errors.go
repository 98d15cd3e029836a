package expense

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
)

// The sentinel errors that all packages of the module share. Returned errors wrap them: test with [errors.Is].
var (
	// ErrNotFound means that the ledger has no row with this id or name. The rows of other owners are not found either.
	ErrNotFound = errors.New("not found")
	// ErrExists means that another row has the id or the name.
	ErrExists = errors.New("already exists")
	// ErrGone means that the row was deleted and its tombstone still exists. It is also an ErrNotFound. Ids are never
	// reused.
	ErrGone error = goneError{}
	// ErrStale means that the row's version is not the one that the caller requires; see [StaleError].
	ErrStale = errors.New("version is stale")
	// ErrInUse means that the row cannot be deleted because other rows refer to it.
	ErrInUse = errors.New("in use")
	// ErrInvalid means that the input is invalid. [InvalidErrors] returns its field errors.
	ErrInvalid = errors.New("invalid")
	// ErrUnavailable means that the store cannot be reached at the moment. A retry may succeed.
	ErrUnavailable = errors.New("store unavailable")
)

type goneError struct{}

func (goneError) Error() string { return "deleted" }

func (goneError) Is(target error) bool { return target == ErrNotFound }

// A StaleError is an [ErrStale] with the row's current version.
type StaleError struct {
	Current  Version      // 0 if the row does not exist
	Required Precondition // what the caller requires; the zero Precondition if a store returns the error
}

func (e *StaleError) Error() string {
	return fmt.Sprintf("%v: the row is at version %d", ErrStale, e.Current)
}

// Is reports whether target is ErrStale.
func (e *StaleError) Is(target error) bool { return target == ErrStale }

// A RowError says which row an error is about. It wraps Err.
type RowError struct {
	Type    string    // the type of the row in the API: "expense", "category", "budget", "recurrence", "alert", "settings"
	ID      uuid.UUID // Nil for the settings
	Version Version   // the current version of the row; 0: not known, or there is no such row
	Err     error
}

func (e *RowError) Error() string {
	if e.ID == uuid.Nil {
		return fmt.Sprintf("%s: %v", e.Type, e.Err)
	}
	return fmt.Sprintf("%s %s: %v", e.Type, e.ID, e.Err)
}

// Unwrap returns Err.
func (e *RowError) Unwrap() error { return e.Err }

// An InvalidError is a field error: one rule that a value breaks. It is an [ErrInvalid].
type InvalidError struct {
	// Field is the field's name in the API, such as "amount". It is followed by an index if the error is about an element
	// of a list: "weekdays/0". It is empty if the error is about several fields.
	Field  string
	Code   string // a stable code in snake_case for programs, such as "too_many_digits"
	Detail string // a text for people: the value, the rule and the remedy
}

func (e *InvalidError) Error() string {
	if e.Field == "" {
		return e.Detail
	}
	return e.Field + ": " + e.Detail
}

// Is reports whether target is ErrInvalid.
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// ValidationErrors collects all field errors of a value, so that a user can correct them together. The zero value is
// ready to use.
type ValidationErrors struct {
	list []*InvalidError
}

// Add adds a field error. detail is a [fmt.Sprintf] format for args.
func (v *ValidationErrors) Add(field, code, detail string, args ...any) {
	v.list = append(v.list, &InvalidError{Field: field, Code: code, Detail: fmt.Sprintf(detail, args...)})
}

// AddError adds the field errors in err. If a field error has no field name, AddError sets it to field. If err is not
// nil and contains no field error, AddError returns err unchanged. Otherwise it returns nil.
func (v *ValidationErrors) AddError(field string, err error) error {
	if err == nil {
		return nil
	}
	fieldErrors := InvalidErrors(err)
	if len(fieldErrors) == 0 {
		return err
	}
	for _, e := range fieldErrors {
		if e.Field == "" {
			e = &InvalidError{Field: field, Code: e.Code, Detail: e.Detail}
		}
		v.list = append(v.list, e)
	}
	return nil
}

// Has reports whether there is an error of field or of an element of it.
func (v *ValidationErrors) Has(field string) bool {
	return slices.ContainsFunc(v.list, func(e *InvalidError) bool {
		return e.Field == field || strings.HasPrefix(e.Field, field+"/")
	})
}

// Err returns nil if there are no field errors, else an error that is [ErrInvalid] and from which [InvalidErrors]
// returns them all.
func (v *ValidationErrors) Err() error {
	switch len(v.list) {
	case 0:
		return nil
	case 1:
		return v.list[0]
	}
	return invalidErrors(slices.Clone(v.list))
}

type invalidErrors []*InvalidError

func (e invalidErrors) Error() string {
	texts := make([]string, len(e))
	for i, fieldError := range e {
		texts[i] = fieldError.Error()
	}
	return strings.Join(texts, "; ")
}

func (e invalidErrors) Unwrap() []error {
	errs := make([]error, len(e))
	for i, fieldError := range e {
		errs[i] = fieldError
	}
	return errs
}

// InvalidErrors returns every [InvalidError] that err wraps, in the order in which they were added. It returns nil if
// err wraps none.
func InvalidErrors(err error) []*InvalidError {
	if err == nil {
		return nil
	}
	if e, ok := err.(*InvalidError); ok { //nolint:errorlint // errors.As finds only the first one.
		return []*InvalidError{e}
	}
	switch wrapper := err.(type) { //nolint:errorlint // as above
	case interface{ Unwrap() error }:
		return InvalidErrors(wrapper.Unwrap())
	case interface{ Unwrap() []error }:
		var all []*InvalidError
		for _, inner := range wrapper.Unwrap() {
			all = append(all, InvalidErrors(inner)...)
		}
		return all
	}
	return nil
}

func invalid(code, detail string, args ...any) error {
	return &InvalidError{Code: code, Detail: fmt.Sprintf(detail, args...)}
}

// QuoteText returns text in double quotes for the detail of an error. It escapes the characters that Go escapes in a
// string literal. It shortens a text of more than 40 characters, or of fewer if they need many bytes: the result has at
// most 120 bytes.
func QuoteText(text string) string {
	const maxRunes, maxBytes = 40, 100
	quoted := []byte{'"'}
	for n := 0; text != ""; n++ {
		if n == maxRunes || len(quoted) > maxBytes {
			quoted = append(quoted, "…"...)
			break
		}
		_, size := utf8.DecodeRuneInString(text)
		escaped := strconv.Quote(text[:size])
		quoted = append(quoted, escaped[1:len(escaped)-1]...)
		text = text[size:]
	}
	return string(append(quoted, '"'))
}
