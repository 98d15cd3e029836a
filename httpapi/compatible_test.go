package httpapi_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/spendwise/spendwise/httpapi"
	"github.com/spendwise/spendwise/httpapi/internal/contracttest"
)

var keepContract = flag.Bool("keep-contract", false, "store the current contract as the contract of the last release")

// releasedContract is the contract of the last release. The current contract must not break its clients.
var releasedContract = filepath.Join("testdata", "openapi-released.json")

func TestContract_IsCompatibleWithLastRelease(t *testing.T) {
	if *keepContract {
		text, err := json.MarshalIndent(withoutDescriptions(map[string]any(parseTree(t, contractText()))), "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(releasedContract, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(releasedContract)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range breakingChanges(parseTree(t, text), parseTree(t, contractText())) {
		t.Errorf("%s: this breaks clients of the last release. Make a compatible change. Run this test with -keep-contract "+
			"only before the first release or as part of a release", change)
	}
}

// withoutDescriptions removes descriptions and examples from value. It returns value.
func withoutDescriptions(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for name, inner := range value {
			_, isText := inner.(string)
			if name == "description" && isText || name == "examples" || name == "example" {
				delete(value, name)
				continue
			}
			withoutDescriptions(inner)
		}
	case []any:
		for _, inner := range value {
			withoutDescriptions(inner)
		}
	}
	return value
}

// contractText returns the contract as JSON. It is converted from YAML once for all tests.
var contractText = sync.OnceValue(httpapi.Contract)

func parseTree(t *testing.T, text []byte) jsonTree {
	t.Helper()
	var doc jsonTree
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// breakingChanges reports each kind of breaking change. It reports no compatible change.
func TestBreakingChanges_FindsEachKind(t *testing.T) {
	const expenses = "/v1/expenses"
	schemaOf := func(doc jsonTree, name string) jsonTree { return doc.at("components", "schemas", name) }
	member := func(doc jsonTree, name, member string) jsonTree { return schemaOf(doc, name).at("properties", member) }
	require := func(object jsonTree, names ...any) { object["required"] = names }
	parameters := func(doc jsonTree) []any { return doc.at("paths", expenses, "get")["parameters"].([]any) }
	for name, test := range map[string]struct {
		change func(doc jsonTree)
		want   string // part of a message; "" if no change is breaking
	}{
		"a path is gone": {func(d jsonTree) { delete(d.at("paths"), expenses) }, "GET /v1/expenses is removed"},
		"a method is gone": {func(d jsonTree) { delete(d.at("paths", expenses), "post") },
			"POST /v1/expenses is removed"},
		"an operation has another name": {func(d jsonTree) { d.at("paths", expenses, "post")["operationId"] = "spend" },
			"operationId is now spend"},
		"an operation needs another scope": {func(d jsonTree) {
			d.at("paths", expenses, "get")["security"] = []any{map[string]any{"credentials": []any{"account"}}}
		}, "security requirements changed"},
		"a public operation needs a token": {func(d jsonTree) {
			d.at("paths", "/healthz", "get")["security"] = []any{map[string]any{"credentials": []any{"read"}}}
		}, "security requirements changed"},
		"a parameter is gone": {
			func(d jsonTree) {
				d.at("paths", expenses, "get")["parameters"] = parameters(d)[1:]
			}, "parameter date_from is removed"},
		"a parameter is newly required": {func(d jsonTree) {
			d.at("components", "parameters", "DateFrom")["required"] = true
		},
			"date_from is now required"},
		"a new parameter is required": {func(d jsonTree) { addParameter(d, expenses, true) },
			"new parameter new is required"},
		"a parameter is retyped": {
			func(d jsonTree) {
				d.at("components", "parameters", "DateFrom", "schema")["type"] = "integer"
			}, "no longer accepts string"},
		"a body is newly required": {func(d jsonTree) {
			d.at("paths", "/v1/auth/logout", "post")["requestBody"] = map[string]any{"required": true}
		}, "request body is now required"},
		"a body's media type is gone": {func(d jsonTree) {
			delete(d.at("paths", "/v1/settings", "patch", "requestBody", "content"), "application/merge-patch+json")
		}, "no longer accepts application/merge-patch+json"},
		"a request's member is gone": {
			func(d jsonTree) { delete(schemaOf(d, "ExpenseInput").at("properties"), "notes") }, "notes is removed"},
		"a request's member is retyped": {
			func(d jsonTree) { member(d, "ExpenseInput", "amount")["type"] = "number" }, "amount no longer accepts string"},
		"a request's member may not be null": {func(d jsonTree) { member(d, "ExpensePatch", "rate")["type"] = "string" },
			"rate no longer accepts null"},
		"a request's member is newly required": {
			func(d jsonTree) { require(schemaOf(d, "ExpenseInput"), "amount", "currency") }, "currency is now required"},
		"a request's value is gone": {
			func(d jsonTree) {
				member(d, "RuleInput", "freq")["enum"] = []any{"daily", "weekly", "monthly", nil}
			}, "freq no longer accepts yearly"},
		"a request's values are listed": {
			func(d jsonTree) { member(d, "ExpenseInput", "notes")["enum"] = []any{"a", nil} },
			"notes now accepts listed values only"},
		"a request's text is shorter": {
			func(d jsonTree) { member(d, "ExpenseInput", "notes")["maxLength"] = 10.0 }, "maxLength of notes is tighter"},
		"a request's text is longer at least": {
			func(d jsonTree) { member(d, "ExpenseInput", "notes")["minLength"] = 1.0 }, "minLength of notes is tighter"},
		"a request's number is bounded": {func(d jsonTree) { member(d, "RuleInput", "interval")["maximum"] = 5.0 },
			"maximum of interval is tighter"},
		"a request's list is shorter": {
			func(d jsonTree) { member(d, "PushRequest", "mutations")["maxItems"] = 5.0 }, "maxItems of mutations is tighter"},
		"a request's text has another form": {
			func(d jsonTree) { member(d, "ExpenseInput", "currency")["pattern"] = "^E" }, "pattern of currency changed"},
		"a member of a listed object is required": {
			func(d jsonTree) { require(schemaOf(d, "Mutation"), "mutation_id", "type", "op", "id", "data") },
			"data is now required"},
		"an answer is gone": {
			func(d jsonTree) { delete(d.at("paths", expenses, "post", "responses"), "201") }, "no longer returns status 201"},
		"an answer's media type changed": {func(d jsonTree) {
			delete(d.at("paths", expenses, "get", "responses", "200", "content"), "application/json")
		}, "no longer has the media type application/json"},
		"an answer's header is gone": {
			func(d jsonTree) { delete(d.at("paths", expenses, "post", "responses", "201", "headers"), "Location") },
			"header Location of response 201 is removed"},
		"an answer's member is gone": {
			func(d jsonTree) { delete(schemaOf(d, "Expense").at("properties"), "notes") }, "notes is removed"},
		"an answer's member may be left out": {func(d jsonTree) { require(schemaOf(d, "Expense"), "id") },
			"notes is now optional"},
		"an answer's member is retyped": {func(d jsonTree) { member(d, "Expense", "amount")["type"] = "number" },
			"amount may now be number"},
		"an answer's member may be null": {
			func(d jsonTree) { member(d, "Expense", "date")["type"] = []any{"string", "null"} }, "date may now be null"},
		"an answer's text has another format": {func(d jsonTree) { member(d, "Expense", "id")["format"] = "uri" },
			"format of id changed"},
		"an object deep in an answer loses one": {
			func(d jsonTree) { delete(schemaOf(d, "CategoryShare").at("properties"), "share") }, "share is removed"},
		"a problem's member is gone": {
			func(d jsonTree) { delete(schemaOf(d, "Problem").at("properties"), "code") }, "code is removed"},

		"nothing changed": {func(jsonTree) {}, ""},
		"a path is added": {
			func(d jsonTree) { d.at("paths")["/v1/new"] = map[string]any{"get": map[string]any{}} }, ""},
		"an optional parameter is added": {func(d jsonTree) { addParameter(d, expenses, false) }, ""},
		"an optional member is taken": {func(d jsonTree) {
			schemaOf(d, "ExpenseInput").at("properties")["mood"] = map[string]any{"type": "string"}
		}, ""},
		"an answer has one more member": {func(d jsonTree) {
			s := schemaOf(d, "Expense")
			s.at("properties")["mood"] = map[string]any{"type": "string"}
			require(s, append(s["required"].([]any), "mood")...)
		}, ""},
		"a request's text may be longer": {func(d jsonTree) { member(d, "ExpenseInput", "notes")["maxLength"] = 5000.0 },
			""},
		"a request takes one more value": {
			func(d jsonTree) { m := member(d, "RuleInput", "freq"); m["enum"] = append(m["enum"].([]any), "hourly") }, ""},
		"an answer has one more value": {
			func(d jsonTree) { m := member(d, "Rule", "freq"); m["enum"] = append(m["enum"].([]any), "hourly") }, ""},
		"a description is another": {func(d jsonTree) { schemaOf(d, "Expense")["description"] = "A different description." },
			""},
		"a required member may be omitted": {func(d jsonTree) { require(schemaOf(d, "ExpenseInput")) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			released, current := parseTree(t, contractText()), parseTree(t, contractText())
			test.change(current)
			got := breakingChanges(released, current)
			if test.want == "" && len(got) > 0 || test.want != "" &&
				!strings.Contains(strings.Join(got, "\n"), test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func addParameter(doc jsonTree, path string, required bool) {
	get := doc.at("paths", path, "get")
	get["parameters"] = append(get["parameters"].([]any),
		map[string]any{"name": "new", "in": "query", "required": required})
}

// A comparison collects the breaking changes between two contracts. Libraries for this purpose report a new required
// member of a response as breaking, because they do not distinguish requests from responses. A comparison does.
type comparison struct {
	released, current jsonTree
	compared          map[string]bool
	changes           []string
}

// breakingChanges lists the changes from released to current that break a client of released.
func breakingChanges(released, current jsonTree) []string {
	c := &comparison{released: released, current: current, compared: map[string]bool{}}
	for _, path := range slices.Sorted(maps.Keys(released.at("paths"))) {
		for _, method := range slices.Sorted(maps.Keys(released.at("paths", path))) {
			pattern := strings.ToUpper(method) + " " + path
			if op := current.at("paths", path, method); op != nil {
				c.operation(pattern, released.at("paths", path, method), op)
			} else {
				c.add("%s is removed", pattern)
			}
		}
	}
	return c.changes
}

func (c *comparison) add(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(c.changes, text) {
		c.changes = append(c.changes, text)
	}
}

func (c *comparison) operation(pattern string, released, current jsonTree) {
	if released["operationId"] != current["operationId"] {
		c.add("%s: its operationId is now %v", pattern, current["operationId"])
	}
	if fmt.Sprint(released["security"]) != fmt.Sprint(current["security"]) {
		c.add("%s: its security requirements changed", pattern)
	}
	before, now := parametersOf(c.released, released), parametersOf(c.current, current)
	for name, p := range before {
		switch {
		case now[name] == nil:
			c.add("%s: parameter %s is removed", pattern, name)
		case now[name]["required"] == true && p["required"] != true:
			c.add("%s: parameter %s is now required", pattern, name)
		default:
			c.schema(pattern, name, p.at("schema"), now[name].at("schema"), true)
		}
	}
	for name, p := range now {
		if before[name] == nil && p["required"] == true {
			c.add("%s: new parameter %s is required", pattern, name)
		}
	}
	if released["requestBody"] == nil && current.at("requestBody")["required"] == true {
		c.add("%s: the request body is now required", pattern)
	}
	for media := range released.at("requestBody", "content") {
		if current.at("requestBody", "content", media) == nil {
			c.add("%s: it no longer accepts %s", pattern, media)
			continue
		}
		c.schema(pattern, "the body", released.at("requestBody", "content", media, "schema"),
			current.at("requestBody", "content", media, "schema"), true)
	}
	for status := range released.at("responses") {
		response := released.at("responses", status).resolve(c.released)
		currentResponse := current.at("responses", status).resolve(c.current)
		if currentResponse == nil {
			if status < "400" {
				c.add("%s: it no longer returns status %s", pattern, status)
			}
			continue
		}
		for name := range response.at("headers") {
			if currentResponse.at("headers", name) == nil {
				c.add("%s: header %s of response %s is removed", pattern, name, status)
			}
		}
		for media := range response.at("content") {
			if currentResponse.at("content", media) == nil {
				c.add("%s: response %s no longer has the media type %s", pattern, status, media)
				continue
			}
			c.schema(pattern, "the response", response.at("content", media, "schema"),
				currentResponse.at("content", media, "schema"), false)
		}
	}
}

func parametersOf(doc, op jsonTree) map[string]jsonTree {
	parameters := map[string]jsonTree{}
	list, _ := op["parameters"].([]any)
	for _, p := range list {
		p := jsonTree(p.(map[string]any)).resolve(doc)
		parameters[p["name"].(string)] = p
	}
	return parameters
}

// schema compares two schemas of a value. In a request, the current schema may only be less strict than the released
// one. In a response, it may only be stricter or have additional members.
func (c *comparison) schema(where, name string, released, current jsonTree, inRequest bool) {
	key := fmt.Sprint(released["$ref"], current["$ref"], inRequest)
	if released["$ref"] != nil && c.compared[key] {
		return
	}
	if ref, ok := released["$ref"].(string); ok {
		c.compared[key] = true
		where += " " + ref[strings.LastIndex(ref, "/")+1:]
	}
	released, current = released.resolve(c.released), current.resolve(c.current)
	c.types(where, name, released, current, inRequest)
	if released["format"] != current["format"] {
		c.add("%s: the format of %s changed", where, name)
	}
	if inRequest {
		c.limits(where, name, released, current)
	}
	for _, member := range slices.Sorted(maps.Keys(released.at("properties"))) {
		if current.at("properties", member) == nil {
			c.add("%s: %s is removed", where, member)
			continue
		}
		c.schema(where, member, released.at("properties", member), current.at("properties", member), inRequest)
	}
	before, now := contracttest.StringList(released["required"]), contracttest.StringList(current["required"])
	for _, member := range now {
		if inRequest && !slices.Contains(before, member) {
			c.add("%s: %s is now required", where, member)
		}
	}
	for _, member := range before {
		if !inRequest && !slices.Contains(now, member) {
			c.add("%s: %s is now optional", where, member)
		}
	}
	for _, inner := range []string{"items", "additionalProperties"} {
		if released.at(inner) != nil && current.at(inner) != nil {
			c.schema(where, "each element of "+name, released.at(inner), current.at(inner), inRequest)
		}
	}
	for _, either := range alternatives(released) {
		for _, other := range alternatives(current) {
			if either["$ref"] != nil && either["$ref"] == other["$ref"] {
				c.schema(where, name, either, other, inRequest)
			}
		}
	}
}

// types compares the types and alternatives of a value.
func (c *comparison) types(where, name string, released, current jsonTree, inRequest bool) {
	before, now := typesOf(released), typesOf(current)
	for _, kind := range before {
		if inRequest && len(now) > 0 && !slices.Contains(now, kind) {
			c.add("%s: %s no longer accepts %s", where, name, kind)
		}
	}
	for _, kind := range now {
		if !inRequest && len(before) > 0 && !slices.Contains(before, kind) {
			c.add("%s: %s may now be %s", where, name, kind)
		}
	}
	if len(before) > 0 && len(now) == 0 && !inRequest || len(before) == 0 && len(now) > 0 && inRequest {
		c.add("%s: %s has a different type", where, name)
	}
}

// limits compares the constraints, other than the type, of a value in a request.
func (c *comparison) limits(where, name string, released, current jsonTree) {
	if current["enum"] != nil {
		options, _ := current["enum"].([]any)
		before, listed := released["enum"].([]any)
		if !listed {
			c.add("%s: %s now accepts listed values only", where, name)
		}
		for _, option := range before {
			if !slices.Contains(options, option) {
				c.add("%s: %s no longer accepts %v", where, name, option)
			}
		}
	}
	for _, limit := range []string{"maxLength", "maximum", "maxItems"} {
		c.tighter(where, name, limit, released[limit], current[limit], func(before, now float64) bool { return now < before })
	}
	for _, limit := range []string{"minLength", "minimum", "minItems"} {
		c.tighter(where, name, limit, released[limit], current[limit], func(before, now float64) bool { return now > before })
	}
	if current["pattern"] != nil && released["pattern"] != current["pattern"] {
		c.add("%s: the pattern of %s changed", where, name)
	}
	if current["additionalProperties"] == false && released["additionalProperties"] != false {
		c.add("%s: %s no longer accepts additional members", where, name)
	}
}

func (c *comparison) tighter(where, name, limit string, released, current any,
	stricter func(before, now float64) bool) {
	now, limited := current.(float64)
	before, releasedLimited := released.(float64)
	if limited && (!releasedLimited || stricter(before, now)) {
		c.add("%s: the %s of %s is tighter", where, limit, name)
	}
}

// typesOf lists the types in a schema and the references to its alternatives.
func typesOf(s jsonTree) []string {
	types := contracttest.StringList(s["type"])
	for _, choice := range alternatives(s) {
		if ref, ok := choice["$ref"].(string); ok {
			types = append(types, ref)
		} else {
			types = append(types, typesOf(choice)...)
		}
	}
	return types
}

func alternatives(s jsonTree) []jsonTree {
	var result []jsonTree
	list, _ := s["anyOf"].([]any)
	for _, choice := range list {
		result = append(result, choice.(map[string]any))
	}
	return result
}
