package httpapi

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

	"github.com/go-json-experiment/json"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/httpapi/internal/ingress"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store/replica"
)

// The codes of the problems. They are part of the contract and do not change.
const (
	codeMalformed            = "malformed"
	codeUnknownParameter     = "unknown_parameter"
	codeValidation           = "validation_error"
	codeUnauthenticated      = "unauthenticated"
	codeForbidden            = "forbidden"
	codeNotFound             = "not_found"
	codeMethodNotAllowed     = "method_not_allowed"
	codeConflict             = "conflict"
	codeAlreadyExists        = "already_exists"
	codeGone                 = "gone"
	codeVersionMismatch      = "version_mismatch"
	codePreconditionRequired = "precondition_required"
	codeKeyReused            = "idempotency_key_reused"
	codeMappingIncomplete    = "mapping_incomplete"
	codeCursorInvalid        = "cursor_invalid"
	codeCursorExpired        = "cursor_expired"
	codePayloadTooLarge      = "payload_too_large"
	codeUnsupportedMediaType = "unsupported_media_type"
	codeRateLimited          = "rate_limited"
	codeHeadersTooLarge      = "headers_too_large"
	codeUnavailable          = "unavailable"
	codeInternal             = "internal"
)

// The details that occur in several places.
const (
	detailUnauthenticated = "The request has no valid access token; send one in the Authorization header."
	detailInternal        = "The server failed unexpectedly; if the error remains, report it with its request_id."
)

// mediaProblem is the media type of RFC 9457.
const mediaProblem = "application/problem+json"

// defaultRetryAfter is the Retry-After of a response that does not know a better delay, in seconds.
const defaultRetryAfter = "5"

// A problemType is a row of the table of problems.
type problemType struct {
	Code   string
	Status int
	Title  string
	Help   string // the text of GET /problems/{code}
}

//go:embed problems.md
var problemsPage string

// problemTypes is the table of problems in problems.md, ordered by status.
var problemTypes = parseProblemTypes(problemsPage)

// parseProblemTypes parses sections with the heading "## STATUS CODE: TITLE".
func parseProblemTypes(page string) []problemType {
	var types []problemType
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
		types = append(types, problemType{Code: code, Status: number, Title: title, Help: strings.Join(paragraphs, "\n\n")})
	}
	return types
}

// problemTypeOf returns the row of code.
func problemTypeOf(code string) (problemType, bool) {
	for _, t := range problemTypes {
		if t.Code == code {
			return t, true
		}
	}
	return problemType{}, false
}

// sentinels maps the sentinel errors of the domain, the store and the ingress to problems. The first match counts.
// detail returns the detail of a problem for an error that wraps err.
var sentinels = [...]struct {
	err    error
	code   string
	detail func(err error) string
}{
	{auth.ErrInvalidCredentials, codeUnauthenticated, text(
		"The e-mail address or the password is wrong, or there were too many failed attempts; check both and try again.")},
	{auth.ErrSessionEnded, codeUnauthenticated, text("The session has ended; log in again.")},
	{auth.ErrUnauthenticated, codeUnauthenticated, text(detailUnauthenticated)},
	// The response to a token that is too long must equal the response to any other invalid token.
	{ingress.ErrCredentialsTooLong, codeUnauthenticated, text(detailUnauthenticated)},
	{ingress.ErrHeadersTooLarge, codeHeadersTooLarge, text(
		"The request line and the headers are longer than 32 KiB; send fewer or shorter headers, or a shorter query.")},
	{auth.ErrRegistrationClosed, codeForbidden, text(
		"Registration is closed on this server; ask the administrator to create an account.")},
	{auth.ErrNoAccount, codeForbidden, text("The credentials do not belong to an account of this server; manage the " +
		"account at the provider that issued them.")},
	{auth.ErrForbidden, codeForbidden, text(
		"The credentials do not allow this request; log in and use the access token of the session.")},
	{expense.ErrStale, codeVersionMismatch, staleDetail},
	{expense.ErrPreconditionRequired, codePreconditionRequired, preconditionDetail},
	{expense.ErrGone, codeNotFound, goneDetail},
	{expense.ErrNotFound, codeNotFound, notFoundDetail},
	{replica.ErrConflict, codeConflict, conflictDetail},
	{expense.ErrExists, codeAlreadyExists, existsDetail},
	{expense.ErrInUse, codeConflict, inUseDetail},
	{expense.ErrUnavailable, codeUnavailable, text(
		"The server cannot reach its store at the moment; try again later.")},
	{context.DeadlineExceeded, codeUnavailable, text(
		"The request exceeded the time limit of the server; try again later.")},
	{context.Canceled, codeUnavailable, text("The request was cancelled; send it again.")},
}

// text returns a function that returns detail for every error.
func text(detail string) func(error) string { return func(error) string { return detail } }

// A fieldError is a member of a problem's errors: a place in the request and what is wrong there.
type fieldError struct {
	Pointer   string `json:"pointer,omitzero"` // a JSON pointer as a URI fragment, such as "#/amount"
	Parameter string `json:"parameter,omitzero"`
	Header    string `json:"header,omitzero"`
	Code      string `json:"code"`
	Detail    string `json:"detail"`

	problem string // the code of the problem; "": validation_error
}

// overlaps reports whether e and other are about the same member of the body, or if one of them is about an element of
// the other's member.
func (e fieldError) overlaps(other fieldError) bool {
	return e.Pointer != "" && (e.Pointer == other.Pointer ||
		e.Pointer != "#" && strings.HasPrefix(other.Pointer, e.Pointer+"/") ||
		other.Pointer != "#" && strings.HasPrefix(e.Pointer, other.Pointer+"/"))
}

// newFieldError returns the field error for a validation error of the domain, without its place. It is the only place
// that turns such an error into a sentence.
func newFieldError(invalid *expense.InvalidError) fieldError {
	return fieldError{Code: invalid.Code, Detail: upperFirst(strings.TrimSuffix(invalid.Detail, ".")) + "."}
}

// upperFirst returns text with a capital first letter.
func upperFirst(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}

// maxFieldErrors is the maximum number of field errors in a problem.
const maxFieldErrors = 50

// fieldErrors collects the field errors of a request, so that the client can correct them together. It keeps the first
// maxFieldErrors and counts the others. The zero value is ready to use.
type fieldErrors struct {
	list  []fieldError
	count int
	code  string // of the problem, if it is not validation_error
}

func (f *fieldErrors) add(errs ...fieldError) {
	for _, e := range errs {
		f.count++
		f.code = cmp.Or(f.code, e.problem)
		if len(f.list) < maxFieldErrors {
			f.list = append(f.list, e)
		}
	}
}

// addNew adds the errors of members of the body that have no error yet.
func (f *fieldErrors) addNew(errs ...fieldError) {
	known := slices.Clip(f.list)
	for _, e := range errs {
		if !slices.ContainsFunc(known, e.overlaps) {
			f.add(e)
		}
	}
}

// member adds the error of a member of the body, unless the member has one already.
func (f *fieldErrors) member(name, code, detail string, args ...any) {
	f.addNew(fieldError{Pointer: pointerTo(name), Code: code, Detail: fmt.Sprintf(detail, args...)})
}

// addFrom adds the field errors of a problem. It does nothing if err is not a problem.
func (f *fieldErrors) addFrom(err error) {
	if p, ok := errors.AsType[*problem](err); ok {
		f.add(p.fieldErrors...)
	}
}

// err returns nil if there are no field errors, else a problem that lists them.
func (f *fieldErrors) err() error {
	if f.count == 0 {
		return nil
	}
	return f.problem()
}

// problem returns the problem that lists the field errors, of which there is at least one.
func (f *fieldErrors) problem() *problem {
	detail := f.list[0].Detail
	switch more := f.count - len(f.list); {
	case more > 0:
		detail = fmt.Sprintf(`The request has %d errors; correct the %d in the member "errors", then send it again to get `+
			`the others.`, f.count, len(f.list))
	case f.count > 1:
		detail = fmt.Sprintf(`The request has %d errors; see the member "errors" and correct them all.`, f.count)
	}
	return &problem{code: cmp.Or(f.code, codeValidation), detail: detail, fieldErrors: f.list}
}

// with returns a problem with the collected errors and the validation errors in err, at most one for each member of the
// body. It returns err unchanged if nothing is collected, and if err is not about the content of the request, for
// example because the resource does not exist. It does not change f.
func (f *fieldErrors) with(err error) error {
	_, hasBacklog := errors.AsType[*recurrence.BacklogError](err)
	covers := err == nil || hasBacklog || slices.ContainsFunc([]error{
		expense.ErrInvalid, expense.ErrExists, expense.ErrInUse, expense.ErrStale, expense.ErrPreconditionRequired,
	}, func(target error) bool { return errors.Is(err, target) })
	if f.count == 0 || !covers {
		return err
	}
	all := fieldErrors{list: slices.Clip(f.list), count: f.count, code: f.code}
	all.addNew(fieldErrorsOf(err)...)
	return all.problem()
}

// A problem is an error that the response shows to the client.
type problem struct {
	code        string
	detail      string
	fieldErrors []fieldError
	current     expense.Version // the current version of the resource; 0: not in the response
	questions   []questionBody  // of a file to import
	retry       time.Duration   // the value of Retry-After; 0: not known
	cause       error           // for the log only
}

func (p *problem) Error() string {
	if p.cause != nil {
		return fmt.Sprintf("%s: %v", p.code, p.cause)
	}
	return p.code + ": " + p.detail
}

func (p *problem) Unwrap() error { return p.cause }

func newProblem(code, detail string, args ...any) *problem {
	return &problem{code: code, detail: fmt.Sprintf(detail, args...)}
}

// newFieldProblem returns a problem with one field error.
func newFieldProblem(e fieldError) *problem {
	var errs fieldErrors
	errs.add(e)
	return errs.problem()
}

// problemOf returns the problem of an error. It is the only place that maps errors to statuses.
func problemOf(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return newProblem(codePayloadTooLarge, "The body is longer than %d bytes; split the request.", tooLarge.Limit)
	}
	if limited, ok := errors.AsType[*ingress.LimitError](err); ok {
		p := newProblem(codeRateLimited,
			"More than %d requests of this kind arrived in %.0f seconds; wait as many seconds as the header Retry-After says.",
			limited.Quota.Requests, limited.Quota.Window.Seconds())
		p.retry = limited.RetryAfter
		return p
	}
	if expired, ok := errors.AsType[*replica.CursorExpiredError](err); ok {
		return newProblem(codeCursorExpired, "The cursor has expired: %s; fetch everything without a cursor.", expired.Reason)
	}
	var errs fieldErrors
	if errs.add(fieldErrorsOf(err)...); errs.count > 0 {
		return errs.problem()
	}
	for _, s := range sentinels {
		if errors.Is(err, s.err) {
			p := &problem{code: s.code, detail: s.detail(err), cause: err}
			if stale, ok := errors.AsType[*expense.StaleError](err); ok {
				p.current = stale.Current
			}
			return p
		}
	}
	return &problem{code: codeInternal, detail: detailInternal, cause: err}
}

// fieldErrorsOf converts the validation errors in err to field errors of the body.
func fieldErrorsOf(err error) []fieldError {
	var errs []fieldError
	for _, invalid := range expense.InvalidErrors(err) {
		e := newFieldError(invalid)
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

// problemBody is a problem document (RFC 9457) with the extension members of this API.
type problemBody struct {
	Type           string          `json:"type"`
	Title          string          `json:"title"`
	Status         int             `json:"status"`
	Detail         string          `json:"detail"`
	Instance       string          `json:"instance"`
	Code           string          `json:"code"`
	RequestID      string          `json:"request_id"`
	Errors         []fieldError    `json:"errors,omitzero"`
	CurrentVersion expense.Version `json:"current_version,omitzero"`
	Questions      []questionBody  `json:"questions,omitzero"`
}

// sendProblem writes p as the response.
func (a *api) sendProblem(w http.ResponseWriter, r *http.Request, requestID string, p *problem) {
	t, ok := problemTypeOf(p.code)
	if !ok {
		t, _ = problemTypeOf(codeInternal)
	}
	body, err := json.Marshal(problemBody{
		Type: a.url("/problems/" + t.Code), Title: t.Title, Status: t.Status, Detail: p.detail,
		Instance: a.url(r.URL.EscapedPath()), Code: t.Code, RequestID: requestID, Errors: p.fieldErrors,
		CurrentVersion: p.current, Questions: p.questions,
	})
	if err != nil {
		a.log.Error("encoding a problem failed", "code", t.Code, "error", err, "request_id", requestID)
	}
	header := w.Header()
	header.Set("Content-Type", mediaProblem)
	switch t.Status {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		header.Set("Retry-After", defaultRetryAfter)
		if p.retry > 0 {
			header.Set("Retry-After", ingress.Seconds(p.retry))
		}
	case http.StatusUnauthorized:
		header.Set("WWW-Authenticate", a.challenge)
	}
	w.WriteHeader(t.Status)
	if _, err := w.Write(body); err != nil {
		a.log.Debug("writing a problem failed", "error", err, "request_id", requestID)
	}
}

// getProblem handles GET /problems/{code}. It explains a problem and its remedy.
func (c *call) getProblem() error {
	t, ok := problemTypeOf(c.Param("code"))
	if !ok {
		return newProblem(codeNotFound, "The API has no problem with the code %s; see %s for all codes.",
			expense.QuoteText(c.Param("code")), c.api.url("/docs"))
	}
	header := c.Writer.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("Cache-Control", "public, max-age=3600")
	c.Writer.WriteHeader(http.StatusOK)
	_, err := fmt.Fprintf(c.Writer, "%s\n\n%s (status %d)\n\n%s\n", t.Code, t.Title, t.Status, t.Help)
	return err
}
