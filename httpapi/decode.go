package httpapi

import (
	"bytes"
	"errors"
	"mime"
	"net/http"
	"strings"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/internal/jsonbody"
	"github.com/spendwise/spendwise/httpapi/internal/problem"
)

const (
	mediaJSON       = "application/json"
	mediaMergePatch = "application/merge-patch+json"
)

// maxBody is the maximum size of a JSON body in bytes.
const maxBody = 1 << 20

// document is a request body and the T that it was decoded into.
type document[T any] struct {
	raw   []byte
	value T
}

// read decodes the body of the request into a T and adds the errors of its members to those of the call. It returns an
// error if the body cannot be decoded.
func read[T any](c *call) (document[T], error) {
	raw, err := c.body()
	if err != nil {
		return document[T]{}, err
	}
	value, err := decodeShape(raw, &c.errs, jsonbody.Decode[T])
	return document[T]{raw: raw, value: value}, c.withMalformed(err)
}

// withMalformed returns a problem with the errors of the call and those of err, if err is the problem of a malformed
// body. Otherwise it returns err.
func (c *call) withMalformed(err error) error {
	p, ok := errors.AsType[*problem.Problem](err)
	if !ok || len(p.FieldErrors) == 0 {
		return err
	}
	c.errs.Add(p.FieldErrors...)
	return c.errs.Problem()
}

// A decodeFunc decodes a JSON object and adds the errors of its members to errs.
type decodeFunc[T any] func(raw []byte, errs *problem.FieldErrors) (T, error)

// decodeShape decodes raw and checks its shape, see [jsonbody.Check]. It adds the errors of the members to errs.
func decodeShape[T any](raw []byte, errs *problem.FieldErrors, decode decodeFunc[T]) (T, error) {
	value, err := decode(raw, errs)
	if err == nil {
		errs.AddNew(jsonbody.Check(value)...)
	}
	return value, err
}

// body reads the whole body. Its Content-Type must be JSON.
func (c *call) body() ([]byte, error) {
	if err := c.checkEncoding(); err != nil {
		return nil, err
	}
	if err := checkMedia(c.Request); err != nil {
		return nil, err
	}
	if c.Request.ContentLength > maxBody {
		return nil, &http.MaxBytesError{Limit: maxBody}
	}
	var buf bytes.Buffer
	if n := c.Request.ContentLength; n > 0 {
		buf.Grow(int(n) + bytes.MinRead)
	}
	if _, err := buf.ReadFrom(http.MaxBytesReader(c.Writer, c.Request.Body, maxBody)); err != nil {
		return nil, readError(err)
	}
	return buf.Bytes(), nil
}

// readError returns the error for a body that could not be read: too large, or incomplete.
func readError(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return err
	}
	return &problem.Problem{
		Code: problem.CodeMalformed, Detail: "The body ended before it was complete; send all of it.", Cause: err,
	}
}

// checkEncoding returns a problem for a compressed body, because a small body could decompress to a large one.
func (c *call) checkEncoding() error {
	for _, line := range c.Request.Header.Values("Content-Encoding") {
		if !strings.EqualFold(line, "identity") {
			c.Writer.Header().Set("Accept-Encoding", "identity")
			return problem.New(problem.CodeUnsupportedMediaType,
				"The Content-Encoding %s is not supported; send the body uncompressed.",
				expense.QuoteText(line))
		}
	}
	return nil
}

// checkMedia returns a problem for a body that is not JSON in UTF-8. A PATCH may also be a merge patch.
func checkMedia(r *http.Request) error {
	given := r.Header.Get("Content-Type")
	if given == mediaJSON {
		return nil
	}
	media, params, err := mime.ParseMediaType(given)
	charset, hasCharset := params["charset"]
	switch {
	case err != nil || media != mediaJSON && (media != mediaMergePatch || r.Method != http.MethodPatch):
		return problem.New(problem.CodeUnsupportedMediaType, "The Content-Type %s is not supported; send %s.",
			expense.QuoteText(given), mediaJSON)
	case hasCharset && !strings.EqualFold(charset, "utf-8"):
		return problem.New(problem.CodeUnsupportedMediaType, "The charset %s is not supported; send UTF-8.",
			expense.QuoteText(charset))
	}
	return nil
}

// textOrNull returns nil for "", which becomes null in JSON.
func textOrNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// orEmpty returns "" for a member that is absent or null.
func orEmpty(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
