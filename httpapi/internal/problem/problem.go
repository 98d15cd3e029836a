// Package problem maps the errors of requests to problem details, as RFC 9457 defines them. It also has the errors of
// single members, parameters and headers of a request.
package problem

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/httpapi/internal/ingress"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store/replica"
)

// The codes of the problems. They are part of the contract and do not change.
const (
	CodeMalformed            = "malformed"
	CodeUnknownParameter     = "unknown_parameter"
	CodeValidation           = "validation_error"
	CodeUnauthenticated      = "unauthenticated"
	CodeForbidden            = "forbidden"
	CodeNotFound             = "not_found"
	CodeMethodNotAllowed     = "method_not_allowed"
	CodeConflict             = "conflict"
	CodeAlreadyExists        = "already_exists"
	CodeGone                 = "gone"
	CodeVersionMismatch      = "version_mismatch"
	CodePreconditionRequired = "precondition_required"
	CodeKeyReused            = "idempotency_key_reused"
	CodeMappingIncomplete    = "mapping_incomplete"
	CodeCursorInvalid        = "cursor_invalid"
	CodeCursorExpired        = "cursor_expired"
	CodePayloadTooLarge      = "payload_too_large"
	CodeUnsupportedMediaType = "unsupported_media_type"
	CodeRateLimited          = "rate_limited"
	CodeHeadersTooLarge      = "headers_too_large"
	CodeUnavailable          = "unavailable"
	CodeInternal             = "internal"
)

// The details that occur in several places.
const (
	DetailUnauthenticated = "The request has no valid access token; send one in the Authorization header."
	DetailInternal        = "The server failed unexpectedly; if the error remains, report it with its request_id."
)

// A Type is a row of the table of problems.
type Type struct {
	Code   string
	Status int
	Title  string
	Help   string // the text of GET /problems/{code}
}

//go:embed problems.md
var problemsPage string

// Types is the table of problems in problems.md, ordered by status.
var Types = parseProblemTypes(problemsPage)

// parseProblemTypes parses sections with the heading "## STATUS CODE: TITLE".
func parseProblemTypes(page string) []Type {
	var types []Type
	for _, section := range strings.Split(page, "\n## ")[1:] {
		heading, help, _ := strings.Cut(section, "\n\n")
		status, rest, _ := strings.Cut(heading, " ")
		code, title, _ := strings.Cut(rest, ": ")
		number, err := strconv.Atoi(status)
		if err != nil {
			panic(err) // problems.md is malformed; every test fails
		}
		paragraphs := strings.Split(strings.TrimSpace(help), "\n\n")
		for i, paragraph := range paragraphs {
			paragraphs[i] = strings.ReplaceAll(paragraph, "\n", " ")
		}
		types = append(types, Type{Code: code, Status: number, Title: title, Help: strings.Join(paragraphs, "\n\n")})
	}
	return types
}

// TypeOf returns the row of code.
func TypeOf(code string) (Type, bool) {
	for _, t := range Types {
		if t.Code == code {
			return t, true
		}
	}
	return Type{}, false
}

// sentinels maps the sentinel errors of the domain, the store and the ingress to problems. The first match counts.
// detail returns the detail of a problem for an error that wraps err.
var sentinels = [...]struct {
	err    error
	code   string
	detail func(err error) string
}{
	{auth.ErrInvalidCredentials, CodeUnauthenticated, text(
		"The e-mail address or the password is wrong, or there were too many failed attempts; check both and try again.")},
	{auth.ErrSessionEnded, CodeUnauthenticated, text("The session has ended; log in again.")},
	{auth.ErrUnauthenticated, CodeUnauthenticated, text(DetailUnauthenticated)},
	// The response to a token that is too long must equal the response to any other invalid token.
	{ingress.ErrCredentialsTooLong, CodeUnauthenticated, text(DetailUnauthenticated)},
	{ingress.ErrHeadersTooLarge, CodeHeadersTooLarge, text(
		"The request line and the headers are longer than 32 KiB; send fewer or shorter headers, or a shorter query.")},
	{auth.ErrRegistrationClosed, CodeForbidden, text(
		"Registration is closed on this server; ask the administrator to create an account.")},
	{auth.ErrNoAccount, CodeForbidden, text("The credentials do not belong to an account of this server; manage the " +
		"account at the provider that issued them.")},
	{auth.ErrForbidden, CodeForbidden, text(
		"The credentials do not allow this request; log in and use the access token of the session.")},
	{expense.ErrStale, CodeVersionMismatch, staleDetail},
	{expense.ErrPreconditionRequired, CodePreconditionRequired, preconditionDetail},
	{expense.ErrGone, CodeNotFound, goneDetail},
	{expense.ErrNotFound, CodeNotFound, notFoundDetail},
	{replica.ErrConflict, CodeConflict, conflictDetail},
	{expense.ErrExists, CodeAlreadyExists, existsDetail},
	{expense.ErrInUse, CodeConflict, inUseDetail},
	{expense.ErrUnavailable, CodeUnavailable, text(
		"The server cannot reach its store at the moment; try again later.")},
	{context.DeadlineExceeded, CodeUnavailable, text(
		"The request exceeded the time limit of the server; try again later.")},
	{context.Canceled, CodeUnavailable, text("The request was cancelled; send it again.")},
}

// SentinelDetails returns the details of the problems of the sentinel errors. It is for tests.
func SentinelDetails() []string {
	details := []string{DetailInternal}
	for _, s := range sentinels {
		details = append(details, s.detail(s.err))
	}
	return details
}

// text returns a function that returns detail for every error.
func text(detail string) func(error) string { return func(error) string { return detail } }

// A FieldError is a member of a problem's errors: a place in the request and what is wrong there.
type FieldError struct {
	Pointer   string `json:"pointer,omitzero"` // a JSON pointer as a URI fragment, such as "#/amount"
	Parameter string `json:"parameter,omitzero"`
	Header    string `json:"header,omitzero"`
	Code      string `json:"code"`
	Detail    string `json:"detail"`

	Problem string `json:"-"` // the code of the problem; "": validation_error
}

// overlaps reports whether e and other are about the same member of the body, or if one of them is about an element of
// the other's member.
func (e FieldError) overlaps(other FieldError) bool {
	return e.Pointer != "" && (e.Pointer == other.Pointer ||
		e.Pointer != "#" && strings.HasPrefix(other.Pointer, e.Pointer+"/") ||
		other.Pointer != "#" && strings.HasPrefix(e.Pointer, other.Pointer+"/"))
}

// NewFieldError returns the field error for a validation error of the domain, without its place. It is the only place
// that turns such an error into a sentence.
func NewFieldError(invalid *expense.InvalidError) FieldError {
	return FieldError{Code: invalid.Code, Detail: upperFirst(strings.TrimSuffix(invalid.Detail, ".")) + "."}
}

// upperFirst returns text with a capital first letter.
func upperFirst(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}

// maxFieldErrors is the maximum number of field errors in a problem.
const maxFieldErrors = 50

// FieldErrors collects the field errors of a request, so that the client can correct them together. It keeps the first
// maxFieldErrors and counts the others. The zero value is ready to use.
type FieldErrors struct {
	list  []FieldError
	count int
	code  string // of the problem, if it is not validation_error
}

// Add adds errors.
func (f *FieldErrors) Add(errs ...FieldError) {
	for _, e := range errs {
		f.count++
		f.code = cmp.Or(f.code, e.Problem)
		if len(f.list) < maxFieldErrors {
			f.list = append(f.list, e)
		}
	}
}

// Empty reports whether there are no errors.
func (f *FieldErrors) Empty() bool { return f.count == 0 }

// List returns the errors that are kept. The caller may append to it.
func (f *FieldErrors) List() []FieldError { return slices.Clip(f.list) }

// AddNew adds the errors of members of the body that have no error yet.
func (f *FieldErrors) AddNew(errs ...FieldError) {
	known := slices.Clip(f.list)
	for _, e := range errs {
		if !slices.ContainsFunc(known, e.overlaps) {
			f.Add(e)
		}
	}
}

// Member adds the error of a member of the body, unless the member has one already.
func (f *FieldErrors) Member(name, code, detail string, args ...any) {
	f.AddNew(FieldError{Pointer: pointerTo(name), Code: code, Detail: fmt.Sprintf(detail, args...)})
}

// AddFrom adds the field errors of a problem. It does nothing if err is not a problem.
func (f *FieldErrors) AddFrom(err error) {
	if p, ok := errors.AsType[*Problem](err); ok {
		f.Add(p.FieldErrors...)
	}
}

// Err returns nil if there are no field errors, else a problem that lists them.
func (f *FieldErrors) Err() error {
	if f.count == 0 {
		return nil
	}
	return f.Problem()
}

// Problem returns the problem that lists the field errors. It panics if there are none; see [FieldErrors.Err].
func (f *FieldErrors) Problem() *Problem {
	detail := f.list[0].Detail
	switch more := f.count - len(f.list); {
	case more > 0:
		detail = fmt.Sprintf(`The request has %d errors; correct the %d in the member "errors", then send it again to get `+
			`the others.`, f.count, len(f.list))
	case f.count > 1:
		detail = fmt.Sprintf(`The request has %d errors; see the member "errors" and correct them all.`, f.count)
	}
	return &Problem{Code: cmp.Or(f.code, CodeValidation), Detail: detail, FieldErrors: f.list}
}

// With returns a problem with the collected errors and the validation errors in err, at most one for each member of the
// body. It returns err unchanged if nothing is collected. It also does so if err is not about the content of the
// request, for example because the resource does not exist. With does not change f.
func (f *FieldErrors) With(err error) error {
	_, hasBacklog := errors.AsType[*recurrence.BacklogError](err)
	covers := err == nil || hasBacklog || slices.ContainsFunc([]error{
		expense.ErrInvalid, expense.ErrExists, expense.ErrInUse, expense.ErrStale, expense.ErrPreconditionRequired,
	}, func(target error) bool { return errors.Is(err, target) })
	if f.count == 0 || !covers {
		return err
	}
	all := FieldErrors{list: slices.Clip(f.list), count: f.count, code: f.code}
	all.AddNew(fieldErrorsOf(err)...)
	return all.Problem()
}

// A Problem is an error that the response shows to the client.
type Problem struct {
	Code        string
	Detail      string
	FieldErrors []FieldError
	Current     expense.Version // the current version of the resource; 0: not in the response
	Questions   any             // of a file to import, as the response shows them; nil: none
	RetryAfter  time.Duration   // the value of Retry-After; 0: not known
	Cause       error           // for the log only
}

func (p *Problem) Error() string {
	if p.Cause != nil {
		return fmt.Sprintf("%s: %v", p.Code, p.Cause)
	}
	return p.Code + ": " + p.Detail
}

func (p *Problem) Unwrap() error { return p.Cause }

// New returns a problem with a detail in the format of fmt.Sprintf.
func New(code, detail string, args ...any) *Problem {
	return &Problem{Code: code, Detail: fmt.Sprintf(detail, args...)}
}

// ForField returns a problem with one field error.
func ForField(e FieldError) *Problem {
	var errs FieldErrors
	errs.Add(e)
	return errs.Problem()
}

// Of returns the problem of an error. It is the only place that maps errors to statuses.
func Of(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return New(CodePayloadTooLarge, "The body is longer than %d bytes; split the request.", tooLarge.Limit)
	}
	if limited, ok := errors.AsType[*ingress.LimitError](err); ok {
		p := New(CodeRateLimited,
			"More than %d requests of this kind arrived in %.0f seconds; wait as many seconds as the header Retry-After says.",
			limited.Quota.Requests, limited.Quota.Window.Seconds())
		p.RetryAfter = limited.RetryAfter
		return p
	}
	if expired, ok := errors.AsType[*replica.CursorExpiredError](err); ok {
		return New(CodeCursorExpired, "The cursor has expired: %s; fetch everything without a cursor.", expired.Reason)
	}
	var errs FieldErrors
	if errs.Add(fieldErrorsOf(err)...); errs.count > 0 {
		return errs.Problem()
	}
	for _, s := range sentinels {
		if errors.Is(err, s.err) {
			p := &Problem{Code: s.code, Detail: s.detail(err), Cause: err}
			if stale, ok := errors.AsType[*expense.StaleError](err); ok {
				p.Current = stale.Current
			}
			return p
		}
	}
	return &Problem{Code: CodeInternal, Detail: DetailInternal, Cause: err}
}

// fieldErrorsOf converts the validation errors in err to field errors of the body.
func fieldErrorsOf(err error) []FieldError {
	var errs []FieldError
	for _, invalid := range expense.InvalidErrors(err) {
		e := NewFieldError(invalid)
		e.Pointer = pointerTo(invalid.Field)
		errs = append(errs, e)
	}
	return errs
}

// pointerTo returns the JSON pointer of a top-level member of the body, or of the body itself if field is "".
func pointerTo(field string) string {
	if field == "" {
		return "#"
	}
	return "#/" + field
}
