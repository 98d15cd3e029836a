package problem

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store/replica"
)

// The types of an [expense.RowError] for a session and a token. They belong to an account, not to a ledger.
const (
	SessionType = "session"
	TokenType   = "token"
)

// WithRow adds the row to an error of a store. It returns nil if err is nil.
func WithRow(rowType string, id uuid.UUID, err error) error {
	if err == nil {
		return nil
	}
	return &expense.RowError{Type: rowType, ID: id, Err: err}
}

// A rowName holds what the details of problems say about a row.
type rowName struct {
	noun    string // such as "expense", or "resource" if the error does not name a row
	id      string // with a leading space; empty if the error does not name a row
	version expense.Version
}

// rowOf returns the row that the error names.
func rowOf(err error) rowName {
	row, ok := errors.AsType[*expense.RowError](err)
	if !ok {
		return rowName{noun: "resource"}
	}
	name := rowName{noun: row.Type, version: row.Version}
	switch row.Type {
	case "settings":
		name.noun = "settings resource"
	case "recurrence":
		name.noun = "recurring rule"
	case "alert":
		name.noun = "budget alert"
	}
	if row.ID != uuid.Nil {
		name.id = " " + row.ID.String()
	}
	return name
}

// String returns the noun and the id, such as "expense 0190a6f0-5c2b-7d6e-9a3f-2b1c4d5e6f70".
func (r rowName) String() string { return r.noun + r.id }

func goneDetail(err error) string {
	return fmt.Sprintf("The %s was deleted; create a new one with another id.", rowOf(err))
}

func notFoundDetail(err error) string {
	row := rowOf(err)
	switch {
	case row.id == "":
		return "The ledger has no such resource; check the id."
	case row.noun == SessionType || row.noun == TokenType:
		return fmt.Sprintf("The account has no %s; check the id.", row)
	}
	return fmt.Sprintf("The ledger has no %s; check the id.", row)
}

// staleDetail returns the detail for a precondition that does not hold.
func staleDetail(err error) string {
	row := rowOf(err)
	stale, ok := errors.AsType[*expense.StaleError](err)
	switch {
	case !ok || stale.Current == 0 && stale.Required.IsZero():
		return fmt.Sprintf("The %s has another version than the request requires; get it and repeat the request with its "+
			"ETag.", row)
	case stale.Current == 0:
		return fmt.Sprintf("If-Match requires that the %s exists, but it does not; leave If-Match out to create it.", row)
	case stale.Required.Absent:
		return fmt.Sprintf("If-None-Match requires that the %s does not exist, but it has version %d; "+
			"send its ETag in If-Match to replace it.", row, stale.Current)
	}
	return fmt.Sprintf("If-Match requires %s of the %s, but its version is %d; get it and repeat the request with its "+
		"ETag.", versionList(stale.Required.Versions), row, stale.Current)
}

// versionList returns the versions of If-Match for a detail, such as "version 1 or 2". Version 0 stands for a tag that
// is not the tag of a version.
func versionList(versions []expense.Version) string {
	const maxShown = 3
	var shown []string
	for _, version := range versions {
		if version != 0 {
			shown = append(shown, strconv.FormatInt(int64(version), 10))
		}
	}
	if len(shown) == 0 || len(shown) > maxShown {
		return "another version"
	}
	return "version " + strings.Join(slices.Compact(shown), " or ")
}

func preconditionDetail(err error) string {
	row := rowOf(err)
	if row.version == 0 {
		return fmt.Sprintf("The %s exists with other content; send its ETag in If-Match to replace it.", row)
	}
	return fmt.Sprintf("The %s has version %d and other content; send its ETag in If-Match to replace it.",
		row, row.version)
}

func existsDetail(err error) string {
	if taken, ok := errors.AsType[*expense.NameExistsError](err); ok {
		return fmt.Sprintf("The category %s already has the name %s; choose another name, or use that category.",
			taken.Existing.ID, expense.QuoteText(taken.Existing.Name))
	}
	switch row := rowOf(err); {
	case row.id == "":
		return "Another resource already has this id, name, category or e-mail address, and its content differs; " +
			"choose another value, or change the existing resource."
	case row.version == 0:
		return fmt.Sprintf("The %s exists with other content; use another id, or change the existing %s.", row, row.noun)
	default:
		return fmt.Sprintf("The %s has version %d and other content; use another id, or change the existing %s.",
			row, row.version, row.noun)
	}
}

func inUseDetail(err error) string {
	return fmt.Sprintf("Expenses, recurring rules, budgets or the settings use the %s; archive it, merge it into another "+
		"category, or first choose another default category.", rowOf(err))
}

// conflictDetail returns the detail for a mutation that contradicts a change which arrived first.
func conflictDetail(err error) string {
	conflict, ok := errors.AsType[*replica.ConflictError](err)
	if !ok {
		return "Another change of the row arrived first and contradicts this one; compare both and push the one that applies."
	}
	based := "without a known base version"
	if conflict.Base != 0 {
		based = fmt.Sprintf("based on version %d", conflict.Base)
	}
	return fmt.Sprintf("The %s has version %d, and this change is %s; compare both, and push the change that applies "+
		"with base_version %d.", rowOf(err), conflict.Current, based, conflict.Current)
}

// ConflictIfGone returns a problem with status 409 for expense.ErrGone, because a request to create cannot reuse the id
// of a deleted resource. It returns any other error unchanged.
func ConflictIfGone(err error) error {
	if !errors.Is(err, expense.ErrGone) {
		return err
	}
	detail := "The id belongs to a deleted resource; use a new id."
	if row := rowOf(err); row.id != "" {
		detail = fmt.Sprintf("The id%s belongs to a deleted %s; use a new id.", row.id, row.noun)
	}
	return &Problem{Code: CodeGone, Detail: detail, Cause: err}
}
