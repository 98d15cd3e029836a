package httpapi

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/httpapi/internal/ingress"
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
	detailUnauthenticated = "The request needs a valid access token in the Authorization header."
	detailInternal        = "The server failed unexpectedly. If the error remains, report it with its request_id."
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
var sentinels = [...]struct {
	err    error
	code   string
	detail string
}{
	{auth.ErrInvalidCredentials, codeUnauthenticated, "The e-mail address or the password is wrong."},
	{auth.ErrSessionEnded, codeUnauthenticated, "The session has ended. Log in again."},
	{auth.ErrUnauthenticated, codeUnauthenticated, detailUnauthenticated},
	// The response to a token that is too long must equal the response to any other invalid token.
	{ingress.ErrCredentialsTooLong, codeUnauthenticated, detailUnauthenticated},
	{ingress.ErrHeadersTooLarge, codeHeadersTooLarge,
		"The request line and the headers are longer than 32 KiB. Send fewer or shorter headers, or a shorter query."},
	{auth.ErrRegistrationClosed, codeForbidden,
		"Registration is closed on this server. Ask the administrator to create an account."},
	{auth.ErrForbidden, codeForbidden, "The token lacks the scope of this request. Use a token that has the scope."},
	{expense.ErrStale, codeVersionMismatch,
		"The resource does not have the version in the request. Get the resource and repeat the request with its ETag."},
	{expense.ErrPreconditionRequired, codePreconditionRequired,
		"The resource already exists with other content. Send its ETag in If-Match to replace it."},
	{expense.ErrGone, codeNotFound, "The resource was deleted."},
	{expense.ErrNotFound, codeNotFound, "The ledger has no such resource. Check the id."},
	{replica.ErrConflict, codeConflict,
		"Another change of the row arrived first and contradicts this one. Compare both and decide which one applies."},
	{replica.ErrMutationIDReused, codeKeyReused,
		"Another mutation has used this mutation id. Use a new id for a new mutation."},
	{replica.ErrCursorInvalid, codeCursorInvalid,
		"The cursor is malformed, or it belongs to another ledger. Fetch everything without a cursor."},
	{expense.ErrExists, codeAlreadyExists,
		"Another resource already has this id, name, category or e-mail address, and its content differs. " +
			"Choose another value, or change the existing resource."},
	{expense.ErrInUse, codeConflict, "Other resources refer to this resource. Archive it, or merge it into another one."},
	{expense.ErrUnavailable, codeUnavailable, "The server cannot reach its store at the moment. Try again later."},
	{context.DeadlineExceeded, codeUnavailable, "The request exceeded the time limit of the server. Try again later."},
	{context.Canceled, codeUnavailable, "The request was cancelled."},
}

// A fieldError is a member of a problem's errors: a place in the request and what is wrong there.
type fieldError struct {
	Pointer   string `json:"pointer,omitzero"` // a JSON pointer as a URI fragment, such as "#/amount"
	Parameter string `json:"parameter,omitzero"`
	Header    string `json:"header,omitzero"`
	Code      string `json:"code"`
	Detail    string `json:"detail"`
}

// member returns the name of the top-level member of the body that e is about, or "".
func (e fieldError) member() string {
	name, _, _ := strings.Cut(strings.TrimPrefix(e.Pointer, "#/"), "/")
	return name
}

// A problem is an error that the response shows to the client.
type problem struct {
	code        string
	detail      string
	fieldErrors []fieldError
	current     expense.Version // the current version of the resource; 0: not in the response
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

// newFieldProblem returns a problem with one or more field errors.
func newFieldProblem(code string, errs ...fieldError) *problem {
	detail := errs[0].Detail
	if len(errs) > 1 {
		detail = fmt.Sprintf("The request has %d invalid values. The member errors lists them.", len(errs))
	}
	return &problem{code: code, detail: detail, fieldErrors: errs}
}

// problemOf returns the problem of an error. It is the only place that maps errors to statuses.
func problemOf(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return newProblem(codePayloadTooLarge, "The body is longer than %d bytes. Split the request.", tooLarge.Limit)
	}
	if limited, ok := errors.AsType[*ingress.LimitError](err); ok {
		p := newProblem(codeRateLimited,
			"You sent more than %d requests of this kind in %s. Wait for the seconds in the Retry-After header.",
			limited.Quota.Requests, limited.Quota.Window)
		p.retry = limited.RetryAfter
		return p
	}
	if expired, ok := errors.AsType[*replica.CursorExpiredError](err); ok {
		return newProblem(codeCursorExpired, "The cursor has expired: %s. Fetch everything without a cursor.", expired.Reason)
	}
	if errs := fieldErrorsOf(err); len(errs) > 0 {
		return newFieldProblem(codeValidation, errs...)
	}
	for _, s := range sentinels {
		if errors.Is(err, s.err) {
			p := &problem{code: s.code, detail: s.detail, cause: err}
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
		errs = append(errs, fieldError{Pointer: pointerTo(invalid.Field), Code: invalid.Code, Detail: invalid.Detail})
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

// mergeFieldErrors adds the validation errors in err to errs, at most one for each member of the body. It returns err
// unchanged if errs is empty or if err is another kind of error.
func mergeFieldErrors(errs []fieldError, err error) error {
	if len(errs) == 0 || err != nil && !errors.Is(err, expense.ErrInvalid) {
		return err
	}
	merged := errs
	for _, e := range fieldErrorsOf(err) {
		if !hasMember(errs, e.member()) {
			merged = append(merged, e)
		}
	}
	return newFieldProblem(codeValidation, merged...)
}

// hasMember reports whether errs has an error of a member of the body.
func hasMember(errs []fieldError, member string) bool {
	return slices.ContainsFunc(errs, func(e fieldError) bool { return e.Pointer != "" && e.member() == member })
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
		CurrentVersion: p.current,
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
		return newProblem(codeNotFound, "The API has no problem with this code. %s lists all codes.", c.api.url("/docs"))
	}
	header := c.Writer.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("Cache-Control", "public, max-age=3600")
	c.Writer.WriteHeader(http.StatusOK)
	_, err := fmt.Fprintf(c.Writer, "%s\n\n%s (status %d)\n\n%s\n", t.Code, t.Title, t.Status, t.Help)
	return err
}
