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

// The errors that a host has to tell apart. What the server refuses is a [*Problem]; what is not in the local copy is
// [expense.ErrNotFound].
var (
	// ErrSignedOut says that nobody is signed in, or that the session is over: it expired, was ended from another device, or its
	// refresh token was used by somebody else. Rows and queue are kept; after a Login of the same person all goes on.
	ErrSignedOut = errors.New("signed out")

	// ErrOtherAccount says that the storage holds the ledger of another account. Forget it first, or use another storage.
	ErrOtherAccount = errors.New("the storage holds the ledger of another account")
)

// A Problem is an answer of the server that is not a success: RFC 9457's document, or as much of it as could be read.
type Problem struct {
	Type           string       `json:"type"`
	Title          string       `json:"title"`
	Status         int          `json:"status"`
	Detail         string       `json:"detail"`
	Instance       string       `json:"instance,omitempty"`
	Code           string       `json:"code"` // empty: the answer came from something in between
	RequestID      string       `json:"request_id,omitempty"`
	Errors         []FieldError `json:"errors,omitempty"`
	CurrentVersion int64        `json:"current_version,omitempty"`

	// RetryAfter is how long the server asked to be left alone.
	RetryAfter time.Duration `json:"-"`
}

// A FieldError is one broken rule: where, and what is wrong there.
type FieldError struct {
	Pointer   string `json:"pointer,omitempty"`
	Parameter string `json:"parameter,omitempty"`
	Header    string `json:"header,omitempty"`
	Code      string `json:"code"`
	Detail    string `json:"detail"`
}

// Error says what the server said.
func (p *Problem) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s", p.Status, p.Code)
	if p.Code == "" {
		fmt.Fprintf(&b, "%s", p.Title)
	}
	if p.Detail != "" {
		fmt.Fprintf(&b, ": %s", p.Detail)
	}
	for i, fault := range p.Errors {
		separator := "; "
		if i == 0 {
			separator = " ("
		}
		fmt.Fprintf(&b, "%s%s%s%s %s", separator, fault.Pointer, fault.Parameter, fault.Header, fault.Code)
	}
	if len(p.Errors) > 0 {
		b.WriteByte(')')
	}
	return b.String()
}

// Has reports a fault of this code at this place.
func (p *Problem) HasFieldError(pointer, code string) bool {
	for _, fault := range p.Errors {
		if fault.Pointer == pointer && fault.Code == code {
			return true
		}
	}
	return false
}

// problemOf reads the answer that is not a success. Whatever its body is, the result is a Problem.
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

// retryAfter reads the header's two forms: seconds, or an instant. An instant is measured by the device's clock; one that is
// wrong costs patience, never data.
func retryAfter(text string, now time.Time) time.Duration {
	const longest = time.Hour
	if seconds, err := strconv.Atoi(text); err == nil {
		return min(max(time.Duration(min(seconds, 3600))*time.Second, 0), longest)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), longest)
	}
	return 0
}

// passing reports whether an error may be gone when the same request is sent again.
func passing(err error) bool {
	if p, ok := errors.AsType[*Problem](err); ok {
		switch p.Status {
		case http.StatusRequestTimeout, http.StatusTooManyRequests:
			return true
		}
		return p.Status >= 500
	}
	_, ok := errors.AsType[*interruption](err)
	return ok
}

// An interruption is a request whose answer did not come, or not whole: nobody knows whether it was done.
type interruption struct{ cause error }

func (e *interruption) Error() string { return e.cause.Error() }
func (e *interruption) Unwrap() error { return e.cause }
