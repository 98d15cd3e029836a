package httpapi

import (
	"fmt"
	"net/http"

	"github.com/go-json-experiment/json"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/internal/ingress"
	"github.com/spendwise/spendwise/httpapi/internal/problem"
)

// mediaProblem is the media type of RFC 9457.
const mediaProblem = "application/problem+json"

// defaultRetryAfter is the Retry-After of a response that does not know a better delay, in seconds.
const defaultRetryAfter = "5"

// problemBody is a problem document (RFC 9457) with the extension members of this API.
type problemBody struct {
	Type           string               `json:"type"`
	Title          string               `json:"title"`
	Status         int                  `json:"status"`
	Detail         string               `json:"detail"`
	Instance       string               `json:"instance"`
	Code           string               `json:"code"`
	RequestID      string               `json:"request_id"`
	Errors         []problem.FieldError `json:"errors,omitzero"`
	CurrentVersion expense.Version      `json:"current_version,omitzero"`
	Questions      []questionBody       `json:"questions,omitzero"`
}

// sendProblem writes p as the response.
func (a *api) sendProblem(w http.ResponseWriter, r *http.Request, requestID string, p *problem.Problem) {
	t, ok := problem.TypeOf(p.Code)
	if !ok {
		t, _ = problem.TypeOf(problem.CodeInternal)
	}
	questions, _ := p.Questions.([]questionBody)
	body, err := json.Marshal(problemBody{
		Type: a.url("/problems/" + t.Code), Title: t.Title, Status: t.Status, Detail: p.Detail,
		Instance: a.url(r.URL.EscapedPath()), Code: t.Code, RequestID: requestID, Errors: p.FieldErrors,
		CurrentVersion: p.Current, Questions: questions,
	})
	if err != nil {
		a.log.Error("encoding a problem failed", "code", t.Code, "error", err, "request_id", requestID)
	}
	header := w.Header()
	header.Set("Content-Type", mediaProblem)
	switch t.Status {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		header.Set("Retry-After", defaultRetryAfter)
		if p.RetryAfter > 0 {
			header.Set("Retry-After", ingress.Seconds(p.RetryAfter))
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
	t, ok := problem.TypeOf(c.Param("code"))
	if !ok {
		return problem.New(problem.CodeNotFound, "The API has no problem with the code %s; see %s for all codes.",
			expense.QuoteText(c.Param("code")), c.api.url("/docs"))
	}
	header := c.Writer.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("Cache-Control", "public, max-age=3600")
	c.Writer.WriteHeader(http.StatusOK)
	_, err := fmt.Fprintf(c.Writer, "%s\n\n%s (status %d)\n\n%s\n", t.Code, t.Title, t.Status, t.Help)
	return err
}
