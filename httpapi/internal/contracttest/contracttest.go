// Package contracttest checks the responses of a server against its contract. It is for tests.
package contracttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	"github.com/pb33f/libopenapi-validator/errors"
)

// A Tree is a decoded JSON object of any shape.
type Tree map[string]any

// At returns the object at a path of member names, or nil if there is none.
func (t Tree) At(path ...string) Tree {
	for _, name := range path {
		next, _ := t[name].(map[string]any)
		t = next
	}
	return t
}

// Resolve returns the object of doc that the $ref of t names, or t itself if it has no $ref.
func (t Tree) Resolve(doc Tree) Tree {
	if ref, ok := t["$ref"].(string); ok {
		return doc.At(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
	}
	return t
}

// An Exchange is a request and its response.
type Exchange struct {
	Pattern string // method and path template of the operation
	Request *http.Request
	Status  int
	Header  http.Header
	Body    []byte // of the response, if it is JSON
	Code    string // the code of the problem; empty if the request succeeds
}

// A Checker checks responses, and requests that succeed, against a contract. In its copy of the contract, no schema
// with properties allows additional ones, so it reports undocumented members. It is safe for concurrent use.
type Checker struct {
	doc   Tree
	check validator.Validator
}

// New returns a checker for an OpenAPI document, which must be that of a server with all roles and local accounts.
func New(document []byte) (*Checker, error) {
	c := &Checker{}
	if err := json.Unmarshal(document, &c.doc); err != nil {
		return nil, err
	}
	for name := range c.doc.At("components", "schemas") {
		if object := c.doc.At("components", "schemas", name); object["properties"] != nil {
			object["additionalProperties"] = false
		}
	}
	text, err := json.Marshal(c.doc)
	if err != nil {
		return nil, err
	}
	doc, err := libopenapi.NewDocument(text)
	if err != nil {
		return nil, err
	}
	check, errs := validator.NewValidator(doc, config.WithoutSecurityValidation(), config.WithFormatAssertions())
	if len(errs) > 0 {
		return nil, errs[0]
	}
	c.check = check
	return c, nil
}

// Document returns the checker's copy of the contract.
func (c *Checker) Document() Tree { return c.doc }

// Handler returns a handler that checks every response of next against the contract. It calls report for each
// violation, and observe, unless that is nil, for each exchange of a documented operation. It does not check responses
// to HEAD.
func (c *Checker) Handler(
	next http.Handler, report func(format string, args ...any), observe func(Exchange),
) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		var sent bytes.Buffer
		if request.Body != nil {
			request.Body = teeBody{io.TeeReader(request.Body, &sent), request.Body}
		}
		recorder := &recordingWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(recorder, request)
		if request.Method == http.MethodHead {
			return
		}
		x := Exchange{Request: request, Status: recorder.status, Header: recorder.header, Body: recorder.body.Bytes()}
		violations, documented := c.violations(&x, sent.Bytes())
		for _, violation := range violations {
			report("%s %s: %s\n  request %.300s\n  response %.600s", request.Method, request.URL.Path, violation,
				sent.Bytes(), x.Body)
		}
		if documented && observe != nil {
			observe(x)
		}
	})
}

// operation returns the operation of a request and its pattern. It returns nil if the contract has no such operation.
func (c *Checker) operation(method, path string) (op Tree, pattern string) {
	if op := c.doc.At("paths", path, strings.ToLower(method)); op != nil {
		return op, method + " " + path
	}
	if c.doc.At("paths", path) != nil {
		return nil, "" // the path exists without this method; no template may match it
	}
	parts := strings.Split(path, "/")
	for template := range c.doc.At("paths") {
		fits := slices.EqualFunc(strings.Split(template, "/"), parts,
			func(a, b string) bool { return a == b || strings.HasPrefix(a, "{") && b != "" })
		if fits {
			return c.doc.At("paths", template, strings.ToLower(method)), method + " " + template
		}
	}
	return nil, ""
}

// CommonHeaders are the headers that the contract documents once and not with each response.
var CommonHeaders = []string{
	"X-Content-Type-Options", "Referrer-Policy", "Content-Security-Policy", "Strict-Transport-Security", "Vary",
	"Access-Control-Allow-Origin",
	"Access-Control-Expose-Headers", "Cross-Origin-Opener-Policy",
}

// violations lists how an exchange violates the contract. documented is false if the contract has no such operation. It
// sets the Pattern and the Code of x.
func (c *Checker) violations(x *Exchange, sent []byte) (violations []string, documented bool) {
	op, pattern := c.operation(x.Request.Method, x.Request.URL.Path)
	x.Pattern = pattern
	if x.Request.Method == http.MethodOptions { // a CORS preflight request
		for name := range x.Header {
			if strings.HasPrefix(name, "Access-Control-") && c.doc.At("components", "headers", name) == nil {
				violations = append(violations, "the contract does not document the header "+name)
			}
		}
		return violations, false
	}
	for _, detail := range []string{"The API has no route for the path", "This instance does not serve the role"} {
		if x.Status == http.StatusNotFound && bytes.Contains(x.Body, []byte(detail)) {
			return nil, false // The contract covers local accounts and all roles; this server lacks one of them.
		}
	}
	if op == nil {
		expected := []int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusTooManyRequests}
		if !slices.Contains(expected, x.Status) {
			violations = append(violations, fmt.Sprintf("the operation is not in the contract and has status %d", x.Status))
		}
		return violations, false
	}
	response := op.At("responses", strconv.Itoa(x.Status)).Resolve(c.doc)
	if response == nil {
		return []string{fmt.Sprintf("status %d of %s is not in openapi.yaml", x.Status, pattern)}, false
	}
	violations = c.responseViolations(x, response)
	if x.Status >= http.StatusBadRequest {
		var problem struct{ Code string }
		_ = json.Unmarshal(x.Body, &problem) // a body that is not JSON is reported already
		x.Code = problem.Code
		if !slices.Contains(StringList(op["x-problems"]), x.Code) {
			violations = append(violations, fmt.Sprintf("the problem code %q is not in x-problems of %s in openapi.yaml",
				x.Code, pattern))
		}
	}
	rejected := bytes.Contains(x.Body, []byte(`"status":"rejected"`)) // a push succeeds even if its mutations are rejected
	if x.Status < http.StatusBadRequest && !rejected {
		request := x.Request.Clone(x.Request.Context())
		request.Body = io.NopCloser(bytes.NewReader(sent))
		_, wrong := c.check.ValidateHttpRequestSync(request)
		for _, text := range Messages(wrong) {
			// The integers of the validator have 64 bits.
			if !strings.Contains(text, "'99999999999999999999' is not a valid integer") {
				violations = append(violations, "the request succeeds, but the contract does not allow it: "+text)
			}
		}
	}
	return violations, true
}

// responseViolations lists how the headers and the body of a response violate its description in the contract.
func (c *Checker) responseViolations(x *Exchange, response Tree) []string {
	var violations []string
	documented := http.Header{"Content-Type": nil, "Content-Length": nil, "Date": nil}
	for _, name := range CommonHeaders {
		documented.Set(name, "")
		if c.doc.At("components", "headers", name) == nil {
			violations = append(violations, "the contract does not document the header "+name)
		}
	}
	for name := range response.At("headers") {
		documented.Set(name, "")
	}
	for name := range x.Header {
		if _, ok := documented[name]; !ok {
			violations = append(violations, fmt.Sprintf("response %d has the header %s, which is not in openapi.yaml",
				x.Status, name))
		}
	}
	media := x.Header.Get("Content-Type")
	if media != "" && response.At("content", media) == nil {
		violations = append(violations,
			fmt.Sprintf("response %d has the media type %s, which is not in the contract", x.Status, media))
	}
	if IsJSON(media) {
		_, wrong := c.check.ValidateHttpResponse(x.Request, &http.Response{
			StatusCode: x.Status, Header: x.Header, Body: io.NopCloser(bytes.NewReader(x.Body)),
		})
		violations = append(violations, Messages(wrong)...)
	}
	return violations
}

// StringList returns a string, or a list of strings, as a list.
func StringList(value any) []string {
	if text, ok := value.(string); ok {
		return []string{text}
	}
	var result []string
	list, _ := value.([]any)
	for _, entry := range list {
		if text, ok := entry.(string); ok {
			result = append(result, text)
		}
	}
	return result
}

// Messages formats validation errors as text.
func Messages(wrong []*errors.ValidationError) []string {
	var texts []string
	for _, err := range wrong {
		text := err.Message + ": " + err.Reason
		for _, detail := range err.SchemaValidationErrors {
			text += fmt.Sprintf("\n    %s: %s", detail.FieldPath, detail.Reason)
		}
		texts = append(texts, text)
	}
	return texts
}

// IsJSON reports whether a Content-Type is that of JSON.
func IsJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (strings.HasSuffix(media, "/json") || strings.HasSuffix(media, "+json"))
}

type teeBody struct {
	io.Reader
	io.Closer
}

// A recordingWriter records the status, the headers and, if it is JSON, the body of a response.
type recordingWriter struct {
	http.ResponseWriter
	status int
	header http.Header
	body   bytes.Buffer
}

func (w *recordingWriter) WriteHeader(status int) {
	w.status, w.header = status, w.Header().Clone()
	w.ResponseWriter.WriteHeader(status)
}

func (w *recordingWriter) Write(part []byte) (int, error) {
	if IsJSON(w.Header().Get("Content-Type")) {
		w.body.Write(part)
	}
	return w.ResponseWriter.Write(part)
}

// Flush and Unwrap make the methods of the underlying writer available to event streams.
func (w *recordingWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

func (w *recordingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
