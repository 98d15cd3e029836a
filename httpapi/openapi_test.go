package httpapi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"github.com/spendwise/spendwise/httpapi"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/store/memstore"
)

// A jsonTree is a decoded JSON object of any shape.
type jsonTree map[string]any

// at returns the object at a path of member names, or nil if there is none.
func (t jsonTree) at(path ...string) jsonTree {
	for _, name := range path {
		next, _ := t[name].(map[string]any)
		t = next
	}
	return t
}

// resolve returns the object of doc that the $ref of t names, or t itself if it has no $ref.
func (t jsonTree) resolve(doc jsonTree) jsonTree {
	if ref, ok := t["$ref"].(string); ok {
		return doc.at(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
	}
	return t
}

// contractOf returns the OpenAPI document that a server with local accounts serves.
func contractOf(t *testing.T) jsonTree {
	t.Helper()
	var doc jsonTree
	if err := json.Unmarshal(serveAccounts(t, auth.Config{}).must(200, "GET", "/openapi.json", "").Body.Bytes(),
		&doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestContract_IsValidOpenAPI(t *testing.T) {
	text := serveAccounts(t, auth.Config{}).must(200, "GET", "/openapi.json", "").Body.Bytes()
	doc, err := libopenapi.NewDocument(text)
	if err != nil {
		t.Fatal(err)
	}
	check, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if valid, errs := check.ValidateDocument(); !valid {
		for _, err := range errs {
			t.Errorf("%s: %s", err.Message, err.Reason)
		}
	}
}

// TestContract_HasEveryRoute compares the routing table with the OpenAPI document in both directions.
func TestContract_HasEveryRoute(t *testing.T) {
	doc := contractOf(t)
	documented := map[string]bool{}
	for path, methods := range doc.at("paths") {
		for method := range methods.(map[string]any) {
			documented[strings.ToUpper(method)+" "+path] = true
		}
	}
	for _, r := range httpapi.Routes() {
		pattern := r.Method + " " + httpapi.Template(r.Path)
		if !documented[pattern] {
			t.Errorf("%s is served but not documented", pattern)
		}
		delete(documented, pattern)
		if !httpapi.Described(pattern) {
			t.Errorf("%s has no description; add a row for it to operations in openapi_operations.go", pattern)
		}
	}
	for pattern := range documented {
		t.Errorf("%s is documented but not served", pattern)
	}
	for _, pattern := range httpapi.DescribedOnly() {
		t.Errorf("operations in openapi_operations.go describes %s, which is not in the routing table", pattern)
	}
}

// TestContract_EverythingHasDescription tests that each operation, parameter, header, schema and schema member has a
// description.
func TestContract_EverythingHasDescription(t *testing.T) {
	doc := contractOf(t)
	ids := map[string]string{}
	for path, methods := range doc.at("paths") {
		for method := range methods.(map[string]any) {
			op, where := doc.at("paths", path, method), strings.ToUpper(method)+" "+path
			for _, member := range []string{"operationId", "summary"} {
				if op[member] == nil || op[member] == "" {
					t.Errorf("%s has no %s; see operations in openapi_operations.go", where, member)
				}
			}
			id, _ := op["operationId"].(string)
			if other, twice := ids[id]; twice {
				t.Errorf("%s and %s have the same operationId %s", where, other, id)
			}
			ids[id] = where
			parameters, _ := op["parameters"].([]any)
			for _, p := range parameters {
				parameter := jsonTree(p.(map[string]any)).resolve(doc)
				if parameter["description"] == nil {
					t.Errorf("%s: parameter %v has no description; add one to parameterWords in openapi_words.go", where,
						parameter["name"])
				}
			}
			for status, response := range op.at("responses") {
				for name, header := range jsonTree(response.(map[string]any)).resolve(doc).at("headers") {
					if jsonTree(header.(map[string]any)).resolve(doc)["description"] == nil {
						t.Errorf("%s %s: header %s has no description; add one to headerWords in openapi_words.go", where, status,
							name)
					}
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(doc.at("components", "schemas"))) {
		object := doc.at("components", "schemas", name)
		if object["description"] == nil {
			t.Errorf("schema %s has no description; add %q to words in openapi_words.go", name, name)
		}
		for member := range object.at("properties") {
			property := object.at("properties", member)
			if property["description"] == nil {
				t.Errorf("member %s of schema %s has no description; add %q, or %q if it means the same everywhere, to words "+
					"in openapi_words.go",
					member, name, name+"."+member, member)
			}
		}
	}
	for _, name := range httpapi.UnusedWords(doc.at("components", "schemas"), func(name string) []string {
		return slices.Collect(maps.Keys(doc.at("components", "schemas", name, "properties")))
	}) {
		t.Errorf("the document uses no description of %q; remove it from openapi_words.go", name)
	}
}

func TestContract_IsFilteredForInstance(t *testing.T) {
	mounted := serve(t, memstore.New(), func(cfg *httpapi.Config) { cfg.BaseURL = "/ledger" }).must(200, "GET",
		"/openapi.json", "")
	servers, _ := mounted.json["servers"].([]any)
	equal(t, "servers", fmt.Sprint(servers[0].(map[string]any)["url"]), "/ledger")
	doc := jsonTree(mounted.json)
	for _, path := range []string{"/v1/auth/login", "/v1/me", "/.well-known/jwks.json"} {
		if doc.at("paths", path) != nil {
			t.Errorf("a server without local accounts documents %s", path)
		}
	}
	servers, _ = contractOf(t)["servers"].([]any)
	equal(t, "servers", fmt.Sprint(servers[0].(map[string]any)["url"]), "/")
}

func TestContract_CanBeCached(t *testing.T) {
	s := serve(t, memstore.New()).as("")
	for _, path := range []string{"/openapi.json", "/docs"} {
		got := s.must(200, "GET", path, "")
		equal(t, "Cache-Control", got.Header().Get("Cache-Control"), "public, max-age=300")
		tag := got.Header().Get("ETag")
		again := s.must(304, "GET", path, "", "If-None-Match", `"other", `+tag)
		equal(t, "body", again.Body.Len(), 0)
		s.must(304, "GET", path, "", "If-None-Match", "W/"+tag)
		s.must(200, "GET", path, "", "If-None-Match", `"other"`)
		s.must(400, "GET", path, "", "If-None-Match", "other")
		equal(t, "body of a second request", s.must(200, "GET", path, "").Body.String(), got.Body.String())
	}
}

// TestRoot_RedirectsToDocs tests that the root redirects to the documentation, also behind a prefix, and that the
// problem of an unknown route refers to it.
func TestRoot_RedirectsToDocs(t *testing.T) {
	mounted := serve(t, memstore.New(), func(cfg *httpapi.Config) { cfg.BaseURL = "https://example.org/ledger" }).as("")
	equal(t, "Location", mounted.must(307, "GET", "/", "").Header().Get("Location"), "https://example.org/ledger/docs")
	unprefixed := serve(t, memstore.New()).as("")
	equal(t, "Location", unprefixed.must(307, "GET", "/", "").Header().Get("Location"), "/docs")
	unprefixed.must(405, "POST", "/", "")
	equal(t, "detail", fmt.Sprint(unprefixed.must(404, "GET", "/v2/expenses", "").json["detail"]),
		"The API has no such route. /docs lists all routes.")
}
