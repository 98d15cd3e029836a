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

// A jsonTree is a JSON document, read without knowing what it is.
type jsonTree map[string]any

// at returns the object at the end of a path of names; nil where there is none.
func (t jsonTree) at(path ...string) jsonTree {
	for _, name := range path {
		next, _ := t[name].(map[string]any)
		t = next
	}
	return t
}

// resolve returns the object that t stands for: itself, or what it refers to in doc.
func (t jsonTree) resolve(doc jsonTree) jsonTree {
	if ref, ok := t["$ref"].(string); ok {
		return doc.at(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
	}
	return t
}

// contractOf returns the contract of a server with local accounts, as it serves it.
func contractOf(t *testing.T) jsonTree {
	t.Helper()
	var doc jsonTree
	if err := json.Unmarshal(serveAccounts(t, auth.Config{}).must(200, "GET", "/openapi.json", "").Body.Bytes(),
		&doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestTheContractIsAnOpenAPIDocument(t *testing.T) {
	text := serveAccounts(t, auth.Config{}).must(200, "GET", "/openapi.json", "").Body.Bytes()
	doc, err := libopenapi.NewDocument(text)
	if err != nil {
		t.Fatal(err)
	}
	check, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if valid, faults := check.ValidateDocument(); !valid {
		for _, fault := range faults {
			t.Errorf("%s: %s", fault.Message, fault.Reason)
		}
	}
}

// What is served and what is documented are the same, both ways.
func TestEveryRouteIsDocumented(t *testing.T) {
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
			t.Errorf("%s is served and not documented", pattern)
		}
		delete(documented, pattern)
		if !httpapi.Described(pattern) {
			t.Errorf("nothing says what %s is for: add its row to operations in openapi_operations.go", pattern)
		}
	}
	for pattern := range documented {
		t.Errorf("%s is documented and not served", pattern)
	}
	for _, pattern := range httpapi.DescribedOnly() {
		t.Errorf("operations in openapi_operations.go describes %s, which is no row of the routing table", pattern)
	}
}

// Each thing in the contract says what it means: an operation, a parameter, a header, a schema and each member of one.
func TestEverythingInTheContractIsExplained(t *testing.T) {
	doc := contractOf(t)
	ids := map[string]string{}
	for path, methods := range doc.at("paths") {
		for method := range methods.(map[string]any) {
			op, where := doc.at("paths", path, method), strings.ToUpper(method)+" "+path
			for _, member := range []string{"operationId", "summary"} {
				if op[member] == nil || op[member] == "" {
					t.Errorf("%s has no %s: see operations in openapi_operations.go", where, member)
				}
			}
			id, _ := op["operationId"].(string)
			if other, twice := ids[id]; twice {
				t.Errorf("%s and %s are both called %s", where, other, id)
			}
			ids[id] = where
			parameters, _ := op["parameters"].([]any)
			for _, p := range parameters {
				parameter := jsonTree(p.(map[string]any)).resolve(doc)
				if parameter["description"] == nil {
					t.Errorf("%s: nothing says what the parameter %v means: add it to parameterWords in openapi_words.go", where,
						parameter["name"])
				}
			}
			for status, answer := range op.at("responses") {
				for name, header := range jsonTree(answer.(map[string]any)).resolve(doc).at("headers") {
					if jsonTree(header.(map[string]any)).resolve(doc)["description"] == nil {
						t.Errorf("%s %s: nothing says what the header %s means: add it to headerWords in openapi_words.go", where, status,
							name)
					}
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(doc.at("components", "schemas"))) {
		object := doc.at("components", "schemas", name)
		if object["description"] == nil {
			t.Errorf("nothing says what a %s is: add %q to words in openapi_words.go", name, name)
		}
		for member := range object.at("properties") {
			property := object.at("properties", member)
			if property["description"] == nil {
				t.Errorf("nothing says what %s of a %s means: add %q, or %q if it means the same everywhere, to words in "+
					"openapi_words.go",
					member, name, name+"."+member, member)
			}
		}
	}
	for _, word := range httpapi.UnusedWords(doc.at("components", "schemas"), func(name string) []string {
		return slices.Collect(maps.Keys(doc.at("components", "schemas", name, "properties")))
	}) {
		t.Errorf("%s explains what is not in the contract: remove it from openapi_words.go", word)
	}
}

func TestTheContractIsThatOfTheServer(t *testing.T) {
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

func TestTheContractMayBeKept(t *testing.T) {
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
		equal(t, "the same text each time", s.must(200, "GET", path, "").Body.String(), got.Body.String())
	}
}

// Whoever opens the server's address in a browser gets to what can be read there, behind any prefix; who is lost is
// told of it.
func TestTheRootLeadsToTheDocs(t *testing.T) {
	mounted := serve(t, memstore.New(), func(cfg *httpapi.Config) { cfg.BaseURL = "https://example.org/ledger" }).as("")
	equal(t, "Location", mounted.must(307, "GET", "/", "").Header().Get("Location"), "https://example.org/ledger/docs")
	here := serve(t, memstore.New()).as("")
	s := here.must(307, "GET", "/", "")
	equal(t, "Location", s.Header().Get("Location"), "/docs")
	here.must(405, "POST", "/", "")
	equal(t, "detail", fmt.Sprint(here.must(404, "GET", "/v2/expenses", "").json["detail"]),
		"The API has no such route. /docs lists all routes.")
}
