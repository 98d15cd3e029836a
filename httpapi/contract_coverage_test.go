package httpapi_test

import (
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// unproduced are the parts of the contract that no test of this package produces, with the reasons.
var unproduced = map[string]string{
	problemPart("GET /v1/me", "not_found"):                         "no request that causes it is known",
	problemPart("DELETE /v1/categories/{id}", "version_mismatch"):  "possible, but no test sends a stale If-Match",
	problemPart("DELETE /v1/recurrences/{id}", "version_mismatch"): "possible, but no test sends a stale If-Match",
	problemPart("PATCH /v1/budgets/{id}", "version_mismatch"):      "possible, but no test sends a stale If-Match",
}

// A contractCoverage records which parts of the contract the tests have produced: statuses, headers, media types,
// parameters and codes. It is safe for concurrent use.
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

// addExchange records a request and its response. Parameters of a request that fails do not count.
func (c *contractCoverage) addExchange(pattern string, request *http.Request, status int, header http.Header,
	code string) {
	media, _, _ := strings.Cut(header.Get("Content-Type"), ";")
	parts := []string{statusPart(pattern, status), mediaPart(pattern, status, media)}
	for name := range header {
		parts = append(parts, headerPart(name))
	}
	if status >= http.StatusBadRequest {
		c.add(append(parts, problemPart(pattern, code))...)
		return
	}
	sent, _, _ := strings.Cut(request.Header.Get("Content-Type"), ";")
	parts = append(parts, requestPart(pattern, sent))
	query, _ := url.ParseQuery(request.URL.RawQuery) // the server has accepted it
	for name := range query {
		parts = append(parts, parameterPart(pattern, "query", name))
	}
	for name := range request.Header {
		parts = append(parts, parameterPart(pattern, "header", name))
	}
	c.add(parts...)
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
			for _, code := range stringList(op["x-problems"]) {
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
	slices.Sort(parts)
	return slices.Compact(parts)
}

// missing lists the parts of the contract that no test has produced and that are not in unproduced.
func (c *contractCoverage) missing() []string {
	checker, err := sharedChecker()
	if err != nil {
		return []string{err.Error()}
	}
	var missing []string
	documented := documentedParts(checker.doc)
	for _, part := range documented {
		if _, excepted := unproduced[part]; !excepted && !c.produced[part] {
			missing = append(missing, part+": no test produces it; add a test or remove it from openapi.yaml")
		}
	}
	for part := range unproduced {
		if !slices.Contains(documented, part) {
			missing = append(missing, part+": it is not in openapi.yaml; remove it from unproduced")
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
