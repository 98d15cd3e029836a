package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/httpapi/internal/ingress"
	"github.com/spendwise/spendwise/store/replica"
)

// The codes of the problems that this API answers with. They are part of the contract: stable, snake_case.
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
	detailInternal        = "The server met a condition it did not expect."
)

// mediaProblem is RFC 9457's media type.
const mediaProblem = "application/problem+json"

// retryAfter is how many seconds a client should wait for a store that does not answer.
const retryAfter = "5"

// A kind is one row of the table of problems: its code, the status it travels under, and what a person should know of it.
type problemType struct {
	code   string
	status int
	title  string
	help   string // the text of GET /problems/{code}
}

// kinds is the whole table, in the order of their statuses.
var problemTypes = [...]problemType{
	{codeMalformed, http.StatusBadRequest, "The request is malformed",
		"The body, a parameter or a header cannot be read: it is not valid JSON in UTF-8, names a member twice or one that is not " +
			"known, or a header does not follow its syntax.\n\n" +
			"Correct the place that `errors` names. Sending it again unchanged will not help."},
	{codeUnknownParameter, http.StatusBadRequest, "Unknown query parameter",
		"The query names a parameter that this resource does not have, so the answer might not be what was meant.\n\n" +
			"Remove it, or correct its spelling."},
	{codeCursorInvalid, http.StatusBadRequest, "The cursor does not belong to this list",
		"A cursor is good for the list, the filters and the order it was given for, and for nothing else.\n\n" +
			"Start the list again without a cursor, or send the filters and the sort that the cursor was made with."},
	{codeUnauthenticated, http.StatusUnauthorized, "Authentication is required",
		"The request carries no valid credentials: the token is missing, expired or revoked, or the e-mail address and the password do " +
			"not belong together.\n\nLog in, or refresh the access token, and send the request again."},
	{codeForbidden, http.StatusForbidden, "Not allowed",
		"The credentials are valid, but they do not allow this.\n\nUse credentials that do."},
	{codeNotFound, http.StatusNotFound, "Not found",
		"There is no such resource in your ledger: it never was there, it was deleted, or it belongs to somebody else.\n\n" +
			"Check the address and the id."},
	{codeMethodNotAllowed, http.StatusMethodNotAllowed, "Method not allowed",
		"The resource exists, but not with this method.\n\nThe `Allow` header lists the methods it has."},
	{codeConflict, http.StatusConflict, "The request conflicts with the state of the ledger",
		"The ledger's state does not permit this: a category that expenses, rules or budgets use cannot be deleted, for example.\n\n" +
			"Change that state first. A category can be archived, or merged into another one."},
	{codeAlreadyExists, http.StatusConflict, "It exists already, with other content",
		"The id, the name or the address is taken by a resource whose content differs.\n\n" +
			"Choose another one, or change the resource that is there with PATCH or PUT."},
	{codeGone, http.StatusConflict, "The id belonged to a resource that was deleted",
		"Ids are never used again, so that a device which was offline cannot bring back what was deleted elsewhere.\n\n" +
			"Use a new id if the resource is to be made again."},
	{codeCursorExpired, http.StatusGone, "The cursor is of no use any more",
		"What happened since the cursor was given can no longer be told: too much time has passed, or the ledger was restored from a " +
			"backup.\n\nKeep the changes that were not sent, fetch everything without a cursor, drop local rows that did not come, and send " +
			"the changes again."},
	{codeVersionMismatch, http.StatusPreconditionFailed, "The resource has changed",
		"The version that If-Match names is not the one the resource has now, or If-None-Match: * met a resource that exists.\n\n" +
			"Fetch the resource, decide anew, and send the request with the current ETag. `current_version` names it."},
	{codePayloadTooLarge, http.StatusRequestEntityTooLarge, "The body is too large",
		"A body has at most 1 MiB, an import at most 32 MiB.\n\nSend less at once."},
	{codeUnsupportedMediaType, http.StatusUnsupportedMediaType, "Unsupported media type",
		"A body is application/json in UTF-8; PATCH takes application/merge-patch+json as well, an import multipart/form-data.\n\n" +
			"Set the Content-Type header accordingly."},
	{codeValidation, http.StatusUnprocessableEntity, "A value breaks a rule",
		"The request can be read, but at least one value in it is not allowed.\n\n" +
			"`errors` lists every fault at once: the place (a JSON pointer, a parameter or a header), a code for programs, and a sentence."},
	{codeKeyReused, http.StatusUnprocessableEntity, "The Idempotency-Key belongs to another request",
		"A key stands for one request: the same method, path, query and body.\n\n" +
			"Use a new key for a new request. To repeat a request whose answer was lost, send it exactly as before."},
	{codePreconditionRequired, http.StatusPreconditionRequired, "If-Match is required",
		"PUT would replace a resource that exists with other content, so it has to say which version it means.\n\n" +
			"Fetch the resource and send its ETag in If-Match, or If-None-Match: * to create only."},
	{codeRateLimited, http.StatusTooManyRequests, "Too many at once",
		"More was asked for, in a time or at the same time, than one user may.\n\n" +
			"Wait as long as the Retry-After header says, or close a connection that is not needed."},
	{codeHeadersTooLarge, http.StatusRequestHeaderFieldsTooLarge, "The headers are too large",
		"The request line and the headers have at most 32 KiB together.\n\n" +
			"Send fewer or shorter headers, or a shorter query."},
	{codeInternal, http.StatusInternalServerError, "Something went wrong in the server",
		"The server met a condition it did not expect; nothing was changed.\n\n" +
			"Try again later. If it stays, report it together with the `request_id`."},
	{codeUnavailable, http.StatusServiceUnavailable, "The service is not available at the moment",
		"The server cannot reach its store, or the store did not answer in time.\n\n" +
			"Wait as long as the Retry-After header says and send the request again; with an Idempotency-Key that is always safe."},
}

// kindOf returns the row of code.
func problemTypeOf(code string) (problemType, bool) {
	for _, k := range problemTypes {
		if k.code == code {
			return k, true
		}
	}
	return problemType{}, false
}

// sentinels maps the errors that the domain and the store share to problems; the first that matches counts.
var sentinels = [...]struct {
	err    error
	code   string
	detail string
}{
	{auth.ErrInvalidCredentials, codeUnauthenticated, "The e-mail address or the password is wrong."},
	{auth.ErrSessionEnded, codeUnauthenticated, "The session is over; sign in again."},
	{auth.ErrUnauthenticated, codeUnauthenticated, detailUnauthenticated},
	// A long token must be answered exactly as any other invalid token.
	{ingress.ErrCredentialsTooLong, codeUnauthenticated, detailUnauthenticated},
	{ingress.ErrHeadersTooLarge, codeHeadersTooLarge,
		"The request line and the headers are longer than 32 KiB. Send fewer or shorter headers, or a shorter query."},
	{auth.ErrRegistrationClosed, codeForbidden, "Registration is closed on this server; ask who runs it for an account."},
	{auth.ErrForbidden, codeForbidden, "The credentials do not allow this."},
	{expense.ErrStale, codeVersionMismatch, "The resource is not at the version that the request names."},
	{expense.ErrPreconditionRequired, codePreconditionRequired, "The resource exists with other content; name its version in If-Match."},
	{expense.ErrGone, codeNotFound, "It was deleted."},
	{expense.ErrNotFound, codeNotFound, "There is no such resource."},
	{replica.ErrConflict, codeConflict, "Another change of the row arrived first and contradicts this one; compare both and decide."},
	{replica.ErrMutationIDReused, codeKeyReused, "The mutation's id belongs to another mutation."},
	{replica.ErrCursorInvalid, codeCursorInvalid, "The cursor is malformed, or it belongs to another ledger."},
	{expense.ErrExists, codeAlreadyExists, "What is unique of it, its id, name, category or e-mail address, is taken by a resource with other content."},
	{expense.ErrInUse, codeConflict, "Other resources refer to it; archive it, or merge it into another one."},
	{expense.ErrUnavailable, codeUnavailable, "The store cannot be reached at the moment."},
	{context.DeadlineExceeded, codeUnavailable, "The request took longer than the server allows."},
	{context.Canceled, codeUnavailable, "The request was cancelled."},
}

// A fault is one entry of a problem's errors: a place in the body, in the query or in the headers, and what is wrong there.
type fieldError struct {
	Pointer   string `json:"pointer,omitzero"` // a JSON pointer as a URI fragment, such as "#/amount"
	Parameter string `json:"parameter,omitzero"`
	Header    string `json:"header,omitzero"`
	Code      string `json:"code"`
	Detail    string `json:"detail"`
}

// member returns the name of the body's member that f is about, or "".
func (f fieldError) member() string {
	name, _, _ := strings.Cut(strings.TrimPrefix(f.Pointer, "#/"), "/")
	return name
}

// A problem is an error that knows how the wire tells it.
type problem struct {
	code        string
	detail      string
	fieldErrors []fieldError
	current     expense.Version
	retry       time.Duration // when to come back; 0: that is not known
	cause       error
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

// faulty returns the problem of these faults.
func newFieldProblem(code string, faults ...fieldError) *problem {
	detail := faults[0].Detail
	if len(faults) > 1 {
		detail = fmt.Sprintf("%d values break a rule; errors lists them.", len(faults))
	}
	return &problem{code: code, detail: detail, fieldErrors: faults}
}

// problemOf says how err is told. It is the one place where errors become statuses.
func problemOf(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return newProblem(codePayloadTooLarge, "The body has more than %d bytes.", tooLarge.Limit)
	}
	if faults := fieldErrorsOf(err); len(faults) > 0 {
		return newFieldProblem(codeValidation, faults...)
	}
	if limited, ok := errors.AsType[*ingress.LimitError](err); ok {
		p := newProblem(codeRateLimited, "More than %d requests of this kind in %s. Wait as long as Retry-After says.",
			limited.Quota.Requests, limited.Quota.Window)
		p.retry = limited.RetryAfter
		return p
	}
	if expired, ok := errors.AsType[*replica.CursorExpiredError](err); ok {
		return newProblem(codeCursorExpired, "The cursor has expired: %s. Fetch everything without a cursor.", expired.Reason)
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

// faultsOf returns the broken rules in err as faults of the body.
func fieldErrorsOf(err error) []fieldError {
	var faults []fieldError
	for _, broken := range expense.InvalidErrors(err) {
		faults = append(faults, fieldError{Pointer: pointerTo(broken.Field), Code: broken.Code, Detail: broken.Detail})
	}
	return faults
}

// pointerTo returns the pointer to a member of the body.
func pointerTo(field string) string {
	if field == "" {
		return "#"
	}
	return "#/" + field
}

// mergeFaults returns shape's faults together with those in err, at most one for each member of the body; an err that is something
// else than faults is returned as it is.
func mergeFieldErrors(shape []fieldError, err error) error {
	if len(shape) == 0 {
		return err
	}
	if err != nil && !errors.Is(err, expense.ErrInvalid) {
		return err
	}
	faults := shape
	for _, f := range fieldErrorsOf(err) {
		if !hasMember(shape, f.member()) {
			faults = append(faults, f)
		}
	}
	return newFieldProblem(codeValidation, faults...)
}

func hasMember(faults []fieldError, member string) bool {
	for _, f := range faults {
		if f.Pointer != "" && f.member() == member {
			return true
		}
	}
	return false
}

// problemBody is RFC 9457's document with the members of this API.
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

// sendProblem answers with p.
func (a *api) sendProblem(w http.ResponseWriter, r *http.Request, requestID string, p *problem) {
	k, ok := problemTypeOf(p.code)
	if !ok {
		k, _ = problemTypeOf(codeInternal)
	}
	body, err := json.Marshal(problemBody{
		Type: a.url("/problems/" + k.code), Title: k.title, Status: k.status, Detail: p.detail, Instance: a.url(r.URL.EscapedPath()),
		Code: k.code, RequestID: requestID, Errors: p.fieldErrors, CurrentVersion: p.current,
	})
	if err != nil {
		a.log.Error("a problem cannot be encoded", "code", k.code, "error", err, "request_id", requestID)
	}
	header := w.Header()
	header.Set("Content-Type", mediaProblem)
	switch k.status {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		header.Set("Retry-After", retryAfter)
		if p.retry > 0 {
			header.Set("Retry-After", ingress.Seconds(p.retry))
		}
	case http.StatusUnauthorized:
		header.Set("WWW-Authenticate", a.challenge)
	}
	w.WriteHeader(k.status)
	if _, err := w.Write(body); err != nil {
		a.log.Debug("the client did not take its answer", "error", err, "request_id", requestID)
	}
}

// explain answers GET /problems/{code} with what the problem means and what to do.
func (c *call) getProblem() error {
	k, ok := problemTypeOf(c.Param("code"))
	if !ok {
		return newProblem(codeNotFound, "There is no problem of this code.")
	}
	header := c.Writer.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("Cache-Control", "public, max-age=3600")
	c.Writer.WriteHeader(http.StatusOK)
	_, err := fmt.Fprintf(c.Writer, "%s\n\n%s (status %d)\n\n%s\n", k.code, k.title, k.status, k.help)
	return err
}
