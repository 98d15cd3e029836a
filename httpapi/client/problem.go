package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Errors that a host needs to distinguish. Error responses of the server are of type [*Problem]. Methods return
// [expense.ErrNotFound] for rows that are not in the local copy.
var (
	// ErrSignedOut means that there is no session or that it has ended: it expired, was ended from another device, or its
	// refresh token was used twice. Rows and queue are kept. Synchronisation continues after a Login to the same account.
	ErrSignedOut = errors.New("signed out")

	// ErrOtherAccount means that the storage holds the ledger of another account. Call [Client.ClearStorage] first or use
	// another storage.
	ErrOtherAccount = errors.New("the storage holds the ledger of another account; clear it or use another storage")
)

// A Problem is an error response in the format of RFC 9457. If the body has another format, only Status, Title and
// RetryAfter are set.
type Problem struct {
	Type           string       `json:"type"`
	Title          string       `json:"title"`
	Status         int          `json:"status"`
	Detail         string       `json:"detail"`
	Instance       string       `json:"instance,omitempty"`
	Code           string       `json:"code"` // empty: the response came from a proxy, not from the API
	RequestID      string       `json:"request_id,omitempty"`
	Errors         []FieldError `json:"errors,omitempty"`
	CurrentVersion int64        `json:"current_version,omitempty"`

	// RetryAfter is the wait that the server asks for; 0: none.
	RetryAfter time.Duration `json:"-"`
}

// A FieldError is one invalid part of the request.
type FieldError struct {
	Pointer   string `json:"pointer,omitempty"`
	Parameter string `json:"parameter,omitempty"`
	Header    string `json:"header,omitempty"`
	Code      string `json:"code"`
	Detail    string `json:"detail"`
}

// Error implements error.
func (p *Problem) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s", p.Status, p.Code)
	if p.Code == "" {
		fmt.Fprintf(&b, "%s", p.Title)
	}
	if p.Detail != "" {
		fmt.Fprintf(&b, ": %s", p.Detail)
	}
	for i, fieldErr := range p.Errors {
		separator := "; "
		if i == 0 {
			separator = " ("
		}
		fmt.Fprintf(&b, "%s%s%s%s %s", separator, fieldErr.Pointer, fieldErr.Parameter, fieldErr.Header, fieldErr.Code)
	}
	if len(p.Errors) > 0 {
		b.WriteByte(')')
	}
	return b.String()
}

// HasFieldError reports whether the problem has a field error with this pointer and code.
func (p *Problem) HasFieldError(pointer, code string) bool {
	for _, fieldErr := range p.Errors {
		if fieldErr.Pointer == pointer && fieldErr.Code == code {
			return true
		}
	}
	return false
}

// problemOf parses an error response. It returns a Problem whatever the body contains.
func problemOf(status int, header http.Header, body []byte, now time.Time) *Problem {
	p := &Problem{}
	media, _, _ := strings.Cut(header.Get("Content-Type"), ";")
	if strings.TrimSpace(media) != "application/problem+json" || json.Unmarshal(body, p) != nil {
		p = &Problem{}
	}
	p.Status = status
	if p.Title == "" {
		p.Title = http.StatusText(status)
	}
	p.RetryAfter = retryAfter(header.Get("Retry-After"), now)
	return p
}

// retryAfter parses the header Retry-After: seconds or an HTTP date. A date is compared with the local clock. The
// result is at most an hour.
func retryAfter(text string, now time.Time) time.Duration {
	const maxWait = time.Hour
	if seconds, err := strconv.Atoi(text); err == nil {
		return min(max(time.Duration(min(seconds, 3600))*time.Second, 0), maxWait)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), maxWait)
	}
	return 0
}

// retryable reports whether sending the same request again may succeed.
func retryable(err error) bool {
	if p, ok := errors.AsType[*Problem](err); ok {
		switch p.Status {
		case http.StatusRequestTimeout, http.StatusTooManyRequests:
			return true
		}
		return p.Status >= 500
	}
	_, ok := errors.AsType[*transportError](err)
	return ok
}

// A transportError means that no complete response was received. The server may have processed the request.
type transportError struct{ cause error }

func (e *transportError) Error() string { return e.cause.Error() }
func (e *transportError) Unwrap() error { return e.cause }
