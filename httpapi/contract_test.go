package httpapi_test

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
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	"github.com/pb33f/libopenapi-validator/errors"
)

// A contractChecker checks responses, and requests that succeed, against the contract. In its copy of the contract, no
// schema with properties allows additional ones, so it reports undocumented members.
type contractChecker struct {
	doc   jsonTree
	check validator.Validator
}

// sharedChecker returns the checker that all tests share. It uses the contract of a server with local accounts.
var sharedChecker = sync.OnceValues(func() (*contractChecker, error) {
	r := &contractChecker{}
	if err := json.Unmarshal(contractText(), &r.doc); err != nil {
		return nil, err
	}
	for name := range r.doc.at("components", "schemas") {
		if object := r.doc.at("components", "schemas", name); object["properties"] != nil {
			object["additionalProperties"] = false
		}
	}
	text, err := json.Marshal(r.doc)
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
	r.check = check
	return r, nil
})

// operation returns the operation of a request and its pattern. It returns nil if the contract has no such operation.
func (r *contractChecker) operation(method, path string) (op jsonTree, pattern string) {
	if op := r.doc.at("paths", path, strings.ToLower(method)); op != nil {
		return op, method + " " + path
	}
	if r.doc.at("paths", path) != nil {
		return nil, "" // the path exists without this method; no template may match it
	}
	parts := strings.Split(path, "/")
	for template := range r.doc.at("paths") {
		fits := slices.EqualFunc(strings.Split(template, "/"), parts,
			func(a, b string) bool { return a == b || strings.HasPrefix(a, "{") && b != "" })
		if fits {
			return r.doc.at("paths", template, strings.ToLower(method)), method + " " + template
		}
	}
	return nil, ""
}

// commonHeaders are the headers that the contract documents once and not with each response.
var commonHeaders = []string{
	"X-Content-Type-Options", "Referrer-Policy", "Content-Security-Policy", "Strict-Transport-Security", "Vary",
	"Access-Control-Allow-Origin",
	"Access-Control-Expose-Headers", "Cross-Origin-Opener-Policy",
}

// violations lists how a response, or the request that succeeded, violates the contract.
func (r *contractChecker) violations(request *http.Request, sent []byte, status int, header http.Header,
	body []byte) []string {
	op, pattern := r.operation(request.Method, request.URL.Path)
	if request.Method == http.MethodOptions { // a CORS preflight request
		for name := range header {
			if strings.HasPrefix(name, "Access-Control-") && r.doc.at("components", "headers", name) == nil {
				return []string{"the contract does not document the header " + name}
			}
		}
		return nil
	}
	for _, detail := range []string{"The API has no route for the path", "This instance does not serve the role"} {
		if status == http.StatusNotFound && bytes.Contains(body, []byte(detail)) {
			return nil // The contract covers local accounts and all roles; this server lacks one of them.
		}
	}
	if op == nil {
		if status != http.StatusNotFound && status != http.StatusMethodNotAllowed && status != http.StatusTooManyRequests {
			return []string{fmt.Sprintf("%s %s is not in the contract and has status %d", request.Method,
				request.URL.Path, status)}
		}
		return nil
	}
	responseDoc := op.at("responses", strconv.Itoa(status)).resolve(r.doc)
	if responseDoc == nil {
		return []string{fmt.Sprintf("status %d of %s is not in openapi.yaml", status, pattern)}
	}
	var violations []string
	documented := http.Header{"Content-Type": nil, "Content-Length": nil, "Date": nil}
	for _, name := range commonHeaders {
		documented.Set(name, "")
		if r.doc.at("components", "headers", name) == nil {
			violations = append(violations, "the contract does not document the header "+name)
		}
	}
	for name := range responseDoc.at("headers") {
		documented.Set(name, "")
	}
	for name := range header {
		if _, ok := documented[name]; !ok {
			violations = append(violations, fmt.Sprintf("response %d has the header %s, which is not in openapi.yaml", status,
				name))
		}
	}
	if media := header.Get("Content-Type"); media != "" && responseDoc.at("content", media) == nil {
		violations = append(violations,
			fmt.Sprintf("response %d has the media type %s, which is not in the contract", status, media))
	}
	if isJSON(header.Get("Content-Type")) {
		response := &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader(body))}
		_, wrong := r.check.ValidateHttpResponse(request, response)
		violations = append(violations, messages(wrong)...)
	}
	var problem struct{ Code string }
	if status >= http.StatusBadRequest {
		_ = json.Unmarshal(body, &problem) // a body that is not JSON is reported above
		if !slices.Contains(stringList(op["x-problems"]), problem.Code) {
			violations = append(violations, fmt.Sprintf("the problem code %q is not in x-problems of %s in openapi.yaml",
				problem.Code, pattern))
		}
	}
	coverage.addExchange(pattern, request, status, header, problem.Code)
	rejected := bytes.Contains(body, []byte(`"status":"rejected"`)) // a push succeeds even if its mutations are rejected
	if status < http.StatusBadRequest && !rejected {
		sentRequest := request.Clone(request.Context())
		sentRequest.Body = io.NopCloser(bytes.NewReader(sent))
		_, wrong := r.check.ValidateHttpRequestSync(sentRequest)
		for _, text := range messages(wrong) {
			// The integers of the validator have 64 bits.
			if !strings.Contains(text, "'99999999999999999999' is not a valid integer") {
				violations = append(violations, "the request succeeds, but the contract does not allow it: "+text)
			}
		}
	}
	return violations
}

// messages formats validation errors as text.
func messages(wrong []*errors.ValidationError) []string {
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

func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (strings.HasSuffix(media, "/json") || strings.HasSuffix(media, "+json"))
}

// checkContract returns a handler that checks every response of handler against the contract. It returns handler
// unchanged in a benchmark.
func checkContract(t testing.TB, handler http.Handler) http.Handler {
	if _, measured := t.(*testing.B); measured {
		return handler
	}
	r, err := sharedChecker()
	if err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		var sent bytes.Buffer
		if request.Body != nil {
			request.Body = teeBody{io.TeeReader(request.Body, &sent), request.Body}
		}
		recorder := &recordingWriter{ResponseWriter: w, status: http.StatusOK}
		handler.ServeHTTP(recorder, request)
		if request.Method == http.MethodHead {
			return
		}
		body := recorder.body.Bytes()
		for _, violation := range r.violations(request, sent.Bytes(), recorder.status, recorder.header, body) {
			t.Errorf("%s %s: %s\n  request %.300s\n  response %.600s", request.Method, request.URL.Path, violation,
				sent.Bytes(), body)
		}
	})
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
	if isJSON(w.Header().Get("Content-Type")) {
		w.body.Write(part)
	}
	return w.ResponseWriter.Write(part)
}

// Flush and Unwrap make the methods of the underlying writer available to event streams.
func (w *recordingWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

func (w *recordingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
