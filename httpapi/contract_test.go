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

	"github.com/spendwise/spendwise/httpapi"
)

// A referee holds answers, and the requests that were granted, to the contract. In its copy of it no object has members
// beside those that it names, so that one which is not documented is seen.
type referee struct {
	doc   jsonTree
	check validator.Validator
}

// theReferee is made once for all tests: the contract of a server with local accounts.
var theReferee = sync.OnceValues(func() (*referee, error) {
	r := &referee{}
	if err := json.Unmarshal(httpapi.Contract(), &r.doc); err != nil {
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

// operation finds what the contract says of a request, and under which pattern; nil: it has no such route.
func (r *referee) operation(method, path string) (op jsonTree, pattern string) {
	if op := r.doc.at("paths", path, strings.ToLower(method)); op != nil {
		return op, method + " " + path
	}
	if r.doc.at("paths", path) != nil {
		return nil, "" // another method of a path that a pattern would take as well
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

// forBrowsers are the headers that the contract explains once, and not with each answer.
var forBrowsers = []string{
	"X-Content-Type-Options", "Referrer-Policy", "Content-Security-Policy", "Strict-Transport-Security", "Vary",
	"Access-Control-Allow-Origin",
	"Access-Control-Expose-Headers", "Cross-Origin-Opener-Policy",
}

// faults lists what is wrong with an answer.
func (r *referee) faults(request *http.Request, sent []byte, status int, header http.Header, body []byte) []string {
	op, pattern := r.operation(request.Method, request.URL.Path)
	if request.Method == http.MethodOptions { // what a browser asks by itself
		for name := range header {
			if strings.HasPrefix(name, "Access-Control-") && r.doc.at("components", "headers", name) == nil {
				return []string{"nothing says what the header " + name + " means"}
			}
		}
		return nil
	}
	for _, elsewhere := range []string{"The API has no such route.", "This instance does not serve the role"} {
		if status == http.StatusNotFound && bytes.Contains(body, []byte(elsewhere)) {
			return nil // of a server without local accounts, or one that lacks the role; the contract is that of all together
		}
	}
	if op == nil {
		if status != http.StatusNotFound && status != http.StatusMethodNotAllowed && status != http.StatusTooManyRequests {
			return []string{fmt.Sprintf("%s %s is not in the contract and answers %d", request.Method, request.URL.Path, status)}
		}
		return nil
	}
	answer := op.at("responses", strconv.Itoa(status)).resolve(r.doc)
	if answer == nil {
		return []string{fmt.Sprintf("it answers %d, which is not in the contract: add it to operations[%q] in "+
			"openapi_operations.go (a problem's code to problems)",
			status, pattern)}
	}
	var faults []string
	documented := http.Header{"Content-Type": nil, "Content-Length": nil, "Date": nil}
	for _, name := range forBrowsers {
		documented.Set(name, "")
		if r.doc.at("components", "headers", name) == nil {
			faults = append(faults, "nothing says what the header "+name+" means")
		}
	}
	for name := range answer.at("headers") {
		documented.Set(name, "")
	}
	for name := range header {
		if _, ok := documented[name]; !ok {
			faults = append(faults, fmt.Sprintf("the answer %d has the header %s, which is not in the contract: see "+
				"headerRefs in openapi.go, and headerWords", status, name))
		}
	}
	if media := header.Get("Content-Type"); media != "" && answer.at("content", media) == nil {
		faults = append(faults, fmt.Sprintf("the answer %d is %s, which is not in the contract", status, media))
	}
	if isJSON(header.Get("Content-Type")) {
		response := &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader(body))}
		_, wrong := r.check.ValidateHttpResponse(request, response)
		faults = append(faults, told(wrong)...)
	}
	if status >= http.StatusBadRequest {
		var problem struct{ Code string }
		_ = json.Unmarshal(body, &problem) // what is no JSON was found above
		codes, _ := op["x-problems"].([]any)
		if !slices.Contains(codes, any(problem.Code)) {
			faults = append(faults, fmt.Sprintf("it has the problem %q, which is not in the contract: add it to problems of "+
				"operations[%q]", problem.Code, pattern))
		}
		return faults
	}
	rejected := bytes.Contains(body, []byte(`"status":"rejected"`)) // a push is granted whatever becomes of its items
	if isJSON(request.Header.Get("Content-Type")) && op["requestBody"] != nil && !rejected {
		asked := request.Clone(request.Context())
		asked.Body = io.NopCloser(bytes.NewReader(sent))
		_, wrong := r.check.GetRequestBodyValidator().ValidateRequestBody(asked)
		for _, text := range told(wrong) {
			faults = append(faults, "it is granted, though the contract does not allow its body: "+text)
		}
	}
	return faults
}

// told writes findings as text.
func told(wrong []*errors.ValidationError) []string {
	var texts []string
	for _, fault := range wrong {
		text := fault.Message + ": " + fault.Reason
		for _, detail := range fault.SchemaValidationErrors {
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

// refereed holds every answer of a handler to the contract. Benchmarks are left alone.
func refereed(t testing.TB, handler http.Handler) http.Handler {
	if _, measured := t.(*testing.B); measured {
		return handler
	}
	r, err := theReferee()
	if err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		var sent bytes.Buffer
		if request.Body != nil {
			request.Body = teeBody{io.TeeReader(request.Body, &sent), request.Body}
		}
		seen := &seenWriter{ResponseWriter: w, status: http.StatusOK}
		handler.ServeHTTP(seen, request)
		if request.Method == http.MethodHead {
			return
		}
		for _, fault := range r.faults(request, sent.Bytes(), seen.status, seen.header, seen.body.Bytes()) {
			t.Errorf("%s %s: %s\n  asked %.300s\n  answered %.600s", request.Method, request.URL.Path, fault, sent.Bytes(),
				seen.body.Bytes())
		}
	})
}

type teeBody struct {
	io.Reader
	io.Closer
}

// A seenWriter keeps what is answered, if it is JSON.
type seenWriter struct {
	http.ResponseWriter
	status int
	header http.Header
	body   bytes.Buffer
}

func (w *seenWriter) WriteHeader(status int) {
	w.status, w.header = status, w.Header().Clone()
	w.ResponseWriter.WriteHeader(status)
}

func (w *seenWriter) Write(part []byte) (int, error) {
	if isJSON(w.Header().Get("Content-Type")) {
		w.body.Write(part)
	}
	return w.ResponseWriter.Write(part)
}

// Flush and Unwrap let through what a stream needs.
func (w *seenWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

func (w *seenWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
