package httpapi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/httpapi/internal/contracttest"
	"github.com/spendwise/spendwise/store/memstore"
)

// A jsonTree is a decoded JSON object of any shape.
type jsonTree map[string]any

// at returns the object at a path of member names, or nil if there is none.
func (t jsonTree) at(path ...string) jsonTree {
	return jsonTree(contracttest.Tree(t).At(path...))
}

// resolve returns the object of doc that the $ref of t names, or t itself if it has no $ref.
func (t jsonTree) resolve(doc jsonTree) jsonTree {
	return jsonTree(contracttest.Tree(t).Resolve(contracttest.Tree(doc)))
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
		for _, text := range contracttest.Messages(errs) {
			t.Error(text)
		}
	}
}

// TestContract_HasEveryRoute compares the routing table with the OpenAPI document in both directions.
func TestContract_HasEveryRoute(t *testing.T) {
	doc := contractOf(t)
	documented := map[string]jsonTree{}
	for path, methods := range doc.at("paths") {
		for method := range methods.(map[string]any) {
			documented[strings.ToUpper(method)+" "+path] = doc.at("paths", path, method)
		}
	}
	scopes := map[auth.Scopes]string{
		0: "[]", auth.ScopeRead: "[map[credentials:[read]]]", auth.ScopeWrite: "[map[credentials:[write]]]",
		auth.ScopeExport: "[map[credentials:[export]]]", auth.ScopeAccount: "[map[credentials:[account]]]",
	}
	for _, r := range httpapi.Routes() {
		pattern := r.Method + " " + httpapi.Template(r.Path)
		op := documented[pattern]
		delete(documented, pattern)
		if op == nil {
			t.Errorf("%s is served but not in openapi.yaml", pattern)
			continue
		}
		equal(t, pattern+": security", fmt.Sprint(op["security"]), scopes[r.Scope])
		var query []string
		parameters := parametersOf(doc, op)
		for name, p := range parameters {
			if p["in"] == "query" && p.at("schema")["type"] == "array" {
				name += "*"
			}
			if p["in"] == "query" {
				query = append(query, name)
			}
		}
		equal(t, pattern+": query parameters", sorted(query), sorted(r.Query))
		writes := r.Scope == auth.ScopeWrite && r.Method != http.MethodGet
		equal(t, pattern+": has Idempotency-Key", parameters["Idempotency-Key"] != nil, writes)
		for status, response := range op.at("responses") {
			headers := jsonTree(response.(map[string]any)).resolve(doc).at("headers")
			if status < "400" {
				where := pattern + " " + status
				equal(t, where+": has RateLimit", headers["RateLimit"] != nil, r.Class != "")
				replays := writes && status < "300"
				equal(t, where+": has Idempotency-Replayed", headers["Idempotency-Replayed"] != nil, replays)
			}
		}
	}
	for pattern := range documented {
		t.Errorf("openapi.yaml has %s, which is not served", pattern)
	}
}

func sorted(names []string) string {
	names = slices.Clone(names)
	slices.Sort(names)
	return strings.Join(names, " ")
}

// TestContract_ListsEachProblem tests that the problem codes of an operation belong to the statuses of its responses,
// and that the schema of codes has the codes of the table of problems.
func TestContract_ListsEachProblem(t *testing.T) {
	doc := contractOf(t)
	codes := contracttest.StringList(doc.at("components", "schemas", "ProblemCode")["enum"])
	statuses := map[string]string{} // by code
	for _, response := range doc.at("components", "responses") {
		examples := jsonTree(response.(map[string]any)).at("content", "application/problem+json", "examples")
		for code := range examples {
			statuses[code] = fmt.Sprint(examples.at(code, "value")["status"])
		}
	}
	equal(t, "codes with an example", sorted(slices.Collect(maps.Keys(statuses))), sorted(codes))
	equal(t, "codes", sorted(codes), sorted(httpapi.ProblemCodes()))
	for path, methods := range doc.at("paths") {
		for method := range methods.(map[string]any) {
			op := doc.at("paths", path, method)
			var want, got []string
			for _, code := range contracttest.StringList(op["x-problems"]) {
				if !slices.Contains(want, statuses[code]) {
					want = append(want, statuses[code])
				}
			}
			for status := range op.at("responses") {
				if status >= "400" {
					got = append(got, status)
				}
			}
			equal(t, method+" "+path+": statuses of problems", sorted(got), sorted(want))
		}
	}
}

// TestContract_EverythingHasDescription tests that each operation, parameter, header, schema and schema member has a
// description, and that each component is used.
func TestContract_EverythingHasDescription(t *testing.T) {
	doc := contractOf(t)
	ids := map[string]string{}
	for path, methods := range doc.at("paths") {
		for method := range methods.(map[string]any) {
			op, where := doc.at("paths", path, method), strings.ToUpper(method)+" "+path
			for _, member := range []string{"operationId", "summary", "description"} {
				if op[member] == nil || op[member] == "" {
					t.Errorf("%s has no %s", where, member)
				}
			}
			id, _ := op["operationId"].(string)
			if other, twice := ids[id]; twice {
				t.Errorf("%s and %s have the same operationId %s", where, other, id)
			}
			ids[id] = where
		}
	}
	for _, kind := range []string{"schemas", "parameters", "headers", "responses", "securitySchemes"} {
		for name, component := range doc.at("components", kind) {
			if jsonTree(component.(map[string]any))["description"] == nil {
				t.Errorf("%s/%s has no description", kind, name)
			}
			for member := range jsonTree(component.(map[string]any)).at("properties") {
				if doc.at("components", kind, name, "properties", member)["description"] == nil {
					t.Errorf("%s/%s: member %s has no description", kind, name, member)
				}
			}
		}
	}
	references := string(contractText())
	for _, kind := range []string{"schemas", "parameters"} {
		for name := range doc.at("components", kind) {
			if ref := fmt.Sprintf("\"#/components/%s/%s\"", kind, name); !strings.Contains(references, ref) {
				t.Errorf("nothing refers to %s", ref)
			}
		}
	}
}

// TestContract_ShowsServedRoles tests that the contract has only the operations, tags and schemas of the instance's
// roles.
func TestContract_ShowsServedRoles(t *testing.T) {
	service, err := auth.New(t.Context(), auth.NewUsers(memstore.NewAccounts(), memstore.New(), expense.Settings{}, nil),
		auth.Config{KEK: make([]byte, auth.KEKSize)})
	if err != nil {
		t.Fatal(err)
	}
	doc := jsonTree(serve(t, memstore.New(), func(cfg *httpapi.Config) {
		cfg.Authenticator, cfg.Accounts, cfg.Roles = nil, service, httpapi.RoleAuth
	}).must(200, "GET", "/openapi.json", "").json)
	equal(t, "has /v1/me", doc.at("paths", "/v1/me") != nil, true)
	equal(t, "has /v1/expenses", doc.at("paths", "/v1/expenses") != nil, false)
	equal(t, "has the schema Expense", doc.at("components", "schemas", "Expense") != nil, false)
	equal(t, "has the schema Account", doc.at("components", "schemas", "Account") != nil, true)
	equal(t, "has the tag Expenses", strings.Contains(fmt.Sprint(doc["tags"]), "name:Expenses"), false)
	equal(t, "has the tag Tokens", strings.Contains(fmt.Sprint(doc["tags"]), "name:Tokens"), true)
}

// TestContract_SecuritySchemeIsThatOfTheHost tests that the security scheme describes the host's Authenticator.
func TestContract_SecuritySchemeIsThatOfTheHost(t *testing.T) {
	for name, test := range map[string]struct {
		config func(*httpapi.Config)
		want   map[string]any // without the description
	}{
		"bearer tokens by default": {func(*httpapi.Config) {}, map[string]any{"type": "http", "scheme": "bearer"}},
		"the scheme of the challenge": {func(cfg *httpapi.Config) { cfg.Challenge = `Basic realm="host"` },
			map[string]any{"type": "http", "scheme": "basic"}},
		"the scheme of the host": {func(cfg *httpapi.Config) {
			cfg.SecurityScheme = map[string]string{"type": "apiKey", "in": "cookie", "name": "session"}
		}, map[string]any{"type": "apiKey", "in": "cookie", "name": "session"}},
	} {
		t.Run(name, func(t *testing.T) {
			doc := jsonTree(serve(t, memstore.New(), test.config).must(200, "GET", "/openapi.json", "").json)
			scheme := doc.at("components", "securitySchemes", "credentials")
			delete(scheme, "description")
			equal(t, "scheme", fmt.Sprint(map[string]any(scheme)), fmt.Sprint(test.want))
		})
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
		`The API has no route for the path "/v2/expenses"; see /docs for all routes.`)
}
