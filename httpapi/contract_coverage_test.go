package httpapi_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/spendwise/spendwise/httpapi/internal/contracttest"
)

// A contractCoverage records which parts of the contract the tests have produced: statuses, headers, media types,
// parameters, and the codes and the details of problems. It is safe for concurrent use.
type contractCoverage struct {
	mu       sync.Mutex
	produced map[string]bool
}

var coverage = contractCoverage{produced: map[string]bool{}}

func (c *contractCoverage) add(parts ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, part := range parts {
		c.produced[part] = true
	}
}

// anyOperation stands for the operation in parts that code common to all operations produces. One test of any operation
// covers them.
const anyOperation = "any operation"

// sharedProblems are the codes of such parts.
var sharedProblems = []string{
	"malformed", "unknown_parameter", "unauthenticated", "forbidden", "payload_too_large", "unsupported_media_type",
	"idempotency_key_reused", "rate_limited", "headers_too_large", "internal", "unavailable",
}

// The parts of the contract.
func statusPart(pattern string, status int) string {
	if status >= http.StatusBadRequest {
		pattern = anyOperation // the parts of the problems tell the operation
	}
	return fmt.Sprintf("%s: status %d", pattern, status)
}

func mediaPart(pattern string, status int, media string) string {
	if status >= http.StatusBadRequest {
		pattern = anyOperation
	}
	return fmt.Sprintf("%s: media type %s of response %d", pattern, media, status)
}

func headerPart(name string) string {
	return fmt.Sprintf("%s: header %s of a response", anyOperation, http.CanonicalHeaderKey(name))
}

func requestPart(pattern, media string) string {
	if media == "application/merge-patch+json" {
		pattern = anyOperation
	}
	return fmt.Sprintf("%s: media type %s of the request", pattern, media)
}

func parameterPart(pattern, place, name string) string {
	if place == "header" {
		pattern, name = anyOperation, http.CanonicalHeaderKey(name)
	}
	return fmt.Sprintf("%s: %s parameter %s", pattern, place, name)
}

func problemPart(pattern, code string) string {
	if slices.Contains(sharedProblems, code) {
		pattern = anyOperation
	}
	return fmt.Sprintf("%s: problem %s", pattern, code)
}

// detailPart returns the part for a detail of a problem. The ids, numbers and quoted values in it may be others.
func detailPart(detail string) string {
	return fmt.Sprintf("%s: detail %s", anyOperation, variableParts.ReplaceAllString(detail, "…"))
}

var variableParts = regexp.MustCompile(`"[^"]*"|[0-9a-f]{8}-[0-9a-f-]{27}|[0-9]+`)

func fieldErrorPart(code string) string {
	return fmt.Sprintf("%s: code %s of a field error", anyOperation, code)
}

// addExchange records a request and its response. Parameters of a request that fails do not count.
func (c *contractCoverage) addExchange(x contracttest.Exchange) {
	media, _, _ := strings.Cut(x.Header.Get("Content-Type"), ";")
	parts := []string{statusPart(x.Pattern, x.Status), mediaPart(x.Pattern, x.Status, media)}
	for name := range x.Header {
		parts = append(parts, headerPart(name))
	}
	for _, code := range fieldErrorCodes(x.Body) {
		parts = append(parts, fieldErrorPart(code))
	}
	if x.Status >= http.StatusBadRequest {
		var problem struct{ Detail string }
		_ = json.Unmarshal(x.Body, &problem) // the checker has reported a body that is not JSON
		c.add(append(parts, problemPart(x.Pattern, x.Code), detailPart(problem.Detail))...)
		return
	}
	sent, _, _ := strings.Cut(x.Request.Header.Get("Content-Type"), ";")
	parts = append(parts, requestPart(x.Pattern, sent))
	query, _ := url.ParseQuery(x.Request.URL.RawQuery) // the server has accepted it
	for name := range query {
		parts = append(parts, parameterPart(x.Pattern, "query", name))
	}
	for name := range x.Request.Header {
		parts = append(parts, parameterPart(x.Pattern, "header", name))
	}
	c.add(parts...)
}

// fieldErrorCodes returns the codes of the field errors in a response: of a problem, of the problems of mutations, and
// of the rows of an import.
func fieldErrorCodes(body []byte) []string {
	type fieldErrors []struct{ Code string }
	var response struct {
		Errors, Failed fieldErrors
		Results        []struct{ Problem struct{ Errors fieldErrors } }
	}
	if json.Unmarshal(body, &response) != nil { // another response has no field errors
		return nil
	}
	all := append(response.Errors, response.Failed...)
	for _, result := range response.Results {
		all = append(all, result.Problem.Errors...)
	}
	codes := make([]string, len(all))
	for i, e := range all {
		codes[i] = e.Code
	}
	return codes
}

// documentedParts lists the parts of the contract.
func documentedParts(doc jsonTree) []string {
	var parts []string
	for path, methods := range doc.at("paths") {
		for method := range methods.(map[string]any) {
			op, pattern := doc.at("paths", path, method), strings.ToUpper(method)+" "+path
			parameters, _ := op["parameters"].([]any)
			for _, p := range parameters {
				p := jsonTree(p.(map[string]any)).resolve(doc)
				if p["in"] != "path" {
					parts = append(parts, parameterPart(pattern, p["in"].(string), p["name"].(string)))
				}
			}
			for media := range op.at("requestBody").resolve(doc).at("content") {
				parts = append(parts, requestPart(pattern, media))
			}
			for _, code := range contracttest.StringList(op["x-problems"]) {
				parts = append(parts, problemPart(pattern, code))
			}
			for text, response := range op.at("responses") {
				status, _ := strconv.Atoi(text)
				response := jsonTree(response.(map[string]any)).resolve(doc)
				parts = append(parts, statusPart(pattern, status))
				for media := range response.at("content") {
					media, _, _ = strings.Cut(media, ";")
					parts = append(parts, mediaPart(pattern, status, media))
				}
				for name := range response.at("headers") {
					parts = append(parts, headerPart(name))
				}
			}
		}
	}
	for _, response := range doc.at("components", "responses") {
		examples := jsonTree(response.(map[string]any)).at("content", "application/problem+json", "examples")
		for code := range examples {
			if code != "method_not_allowed" { // no operation has this response
				parts = append(parts, detailPart(examples.at(code, "value")["detail"].(string)))
			}
		}
	}
	for _, code := range contracttest.StringList(doc.at("components", "schemas", "FieldErrorCode")["enum"]) {
		parts = append(parts, fieldErrorPart(code))
	}
	slices.Sort(parts)
	return slices.Compact(parts)
}

// missing lists the parts of the contract that no test has produced.
func (c *contractCoverage) missing() []string {
	checker, err := sharedChecker()
	if err != nil {
		return []string{err.Error()}
	}
	var missing []string
	for _, part := range documentedParts(jsonTree(checker.Document())) {
		if !c.produced[part] {
			missing = append(missing, part+": no test produces it; add a test or remove it from openapi.yaml")
		}
	}
	return missing
}

// runsAllTests reports whether no flag selects tests.
func runsAllTests() bool {
	for _, name := range []string{"run", "skip", "list", "bench", "fuzz"} {
		if flag.Lookup("test."+name).Value.String() != "" {
			return false
		}
	}
	return true
}
