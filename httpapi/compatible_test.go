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
	"testing"

	"github.com/spendwise/spendwise/httpapi"
)

var keepContract = flag.Bool("keep-contract", false, "keep the contract as that of the last release")

// releasedContract is the contract of the last release, whose clients this release has to serve.
var releasedContract = filepath.Join("testdata", "openapi-released.json")

func TestNoPromiseOfTheLastReleaseIsBroken(t *testing.T) {
	if *keepContract {
		text, err := json.MarshalIndent(bare(map[string]any(parseTree(t, httpapi.Contract()))), "", " ")
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
	for _, broken := range breaks(parseTree(t, text), parseTree(t, httpapi.Contract())) {
		t.Errorf("%s: a client of the last release would fail. Make the change another way; only while nothing is released, "+
			"or at a release, run this test with -keep-contract", broken)
	}
}

// bare takes out what is for people.
func bare(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for name, inner := range value {
			_, explained := inner.(string)
			if name == "description" && explained || name == "examples" || name == "example" {
				delete(value, name)
				continue
			}
			bare(inner)
		}
	case []any:
		for _, inner := range value {
			bare(inner)
		}
	}
	return value
}

func parseTree(t *testing.T, text []byte) jsonTree {
	t.Helper()
	var doc jsonTree
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// The comparison sees each kind of break, and nothing in what is only added.
func TestTheComparisonSeesEachKindOfBreak(t *testing.T) {
	const expenses = "/v1/expenses"
	schemaOf := func(doc jsonTree, name string) jsonTree { return doc.at("components", "schemas", name) }
	member := func(doc jsonTree, name, member string) jsonTree { return schemaOf(doc, name).at("properties", member) }
	require := func(object jsonTree, names ...any) { object["required"] = names }
	parameters := func(doc jsonTree) []any { return doc.at("paths", expenses, "get")["parameters"].([]any) }
	for name, test := range map[string]struct {
		change func(doc jsonTree)
		broken string // part of what is said; "": nothing is broken
	}{
		"a path is gone": {func(d jsonTree) { delete(d.at("paths"), expenses) }, "GET /v1/expenses is gone"},
		"a method is gone": {func(d jsonTree) { delete(d.at("paths", expenses), "post") },
			"POST /v1/expenses is gone"},
		"an operation has another name": {func(d jsonTree) { d.at("paths", expenses, "post")["operationId"] = "spend" },
			"is called spend now"},
		"an operation needs another scope": {func(d jsonTree) {
			d.at("paths", expenses, "get")["security"] = []any{map[string]any{"bearer": []any{"account"}}}
		}, "needs other credentials"},
		"a public operation needs a token": {func(d jsonTree) {
			d.at("paths", "/healthz", "get")["security"] = []any{map[string]any{"bearer": []any{"read"}}}
		}, "needs other credentials"},
		"a parameter is gone": {
			func(d jsonTree) {
				d.at("paths", expenses, "get")["parameters"] = parameters(d)[1:]
			}, "the parameter date_from is gone"},
		"a parameter is newly required": {func(d jsonTree) { parameters(d)[0].(map[string]any)["required"] = true },
			"date_from is required now"},
		"a new parameter is required": {func(d jsonTree) { addParameter(d, expenses, true) },
			"the parameter new is required"},
		"a parameter is retyped": {
			func(d jsonTree) {
				jsonTree(parameters(d)[0].(map[string]any)).at("schema")["type"] = "integer"
			}, "no longer takes string"},
		"a body is newly required": {func(d jsonTree) {
			d.at("paths", "/v1/auth/logout", "post")["requestBody"] = map[string]any{"required": true}
		}, "a body is required now"},
		"a body's media type is gone": {func(d jsonTree) {
			delete(d.at("paths", "/v1/settings", "patch", "requestBody", "content"), "application/merge-patch+json")
		}, "no longer takes application/merge-patch+json"},
		"a request's member is gone": {
			func(d jsonTree) { delete(schemaOf(d, "ExpenseInput").at("properties"), "notes") }, "notes is gone"},
		"a request's member is retyped": {
			func(d jsonTree) { member(d, "ExpenseInput", "amount")["type"] = "number" }, "amount no longer takes string"},
		"a request's member may not be null": {func(d jsonTree) { member(d, "ExpensePatch", "rate")["type"] = "string" },
			"rate no longer takes null"},
		"a request's member is newly required": {
			func(d jsonTree) { require(schemaOf(d, "ExpenseInput"), "amount", "currency") }, "currency is required now"},
		"a request's value is gone": {
			func(d jsonTree) {
				member(d, "RuleInput", "freq")["enum"] = []any{"daily", "weekly", "monthly", nil}
			}, "freq no longer takes yearly"},
		"a request's values are listed": {
			func(d jsonTree) { member(d, "ExpenseInput", "notes")["enum"] = []any{"a", nil} }, "notes takes some values only"},
		"a request's text is shorter": {
			func(d jsonTree) { member(d, "ExpenseInput", "notes")["maxLength"] = 10.0 }, "maxLength of notes is tighter"},
		"a request's text is longer at least": {
			func(d jsonTree) { member(d, "ExpenseInput", "notes")["minLength"] = 1.0 }, "minLength of notes is tighter"},
		"a request's number is bounded": {func(d jsonTree) { member(d, "RuleInput", "interval")["maximum"] = 5.0 },
			"maximum of interval is tighter"},
		"a request's list is shorter": {
			func(d jsonTree) { member(d, "PushInput", "mutations")["maxItems"] = 5.0 }, "maxItems of mutations is tighter"},
		"a request's text has another form": {
			func(d jsonTree) { member(d, "ExpenseInput", "currency")["pattern"] = "^E" }, "pattern of currency changed"},
		"a member of a listed object is required": {
			func(d jsonTree) { require(schemaOf(d, "MutationInput"), "mutation_id", "type", "op", "id", "data") },
			"data is required now"},
		"an answer is gone": {
			func(d jsonTree) { delete(d.at("paths", expenses, "post", "responses"), "201") }, "no longer answers 201"},
		"an answer's media type changed": {func(d jsonTree) {
			delete(d.at("paths", expenses, "get", "responses", "200", "content"), "application/json")
		}, "no longer answers application/json"},
		"an answer's header is gone": {
			func(d jsonTree) { delete(d.at("paths", expenses, "post", "responses", "201", "headers"), "Location") },
			"the header Location is gone"},
		"an answer's member is gone": {
			func(d jsonTree) { delete(schemaOf(d, "Expense").at("properties"), "notes") }, "notes is gone"},
		"an answer's member may be left out": {func(d jsonTree) { require(schemaOf(d, "Expense"), "id") },
			"notes may be left out now"},
		"an answer's member is retyped": {func(d jsonTree) { member(d, "Expense", "amount")["type"] = "number" },
			"amount may be number now"},
		"an answer's member may be null": {
			func(d jsonTree) { member(d, "Expense", "date")["type"] = []any{"string", "null"} }, "date may be null now"},
		"an answer's text has another format": {func(d jsonTree) { member(d, "Expense", "id")["format"] = "uri" },
			"format of id changed"},
		"an object deep in an answer loses one": {
			func(d jsonTree) { delete(schemaOf(d, "CategoryShare").at("properties"), "share") }, "share is gone"},
		"a problem's member is gone": {
			func(d jsonTree) { delete(schemaOf(d, "Problem").at("properties"), "code") }, "code is gone"},

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
		"a description is another": {func(d jsonTree) { schemaOf(d, "Expense")["description"] = "Money that went." },
			""},
		"a required member may be omitted": {func(d jsonTree) { require(schemaOf(d, "ExpenseInput")) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			was, is := parseTree(t, httpapi.Contract()), parseTree(t, httpapi.Contract())
			test.change(is)
			found := breaks(was, is)
			if test.broken == "" && len(found) > 0 || test.broken != "" &&
				!strings.Contains(strings.Join(found, "\n"), test.broken) {
				t.Errorf("found %q, want %q", found, test.broken)
			}
		})
	}
}

func addParameter(doc jsonTree, path string, required bool) {
	get := doc.at("paths", path, "get")
	get["parameters"] = append(get["parameters"].([]any),
		map[string]any{"name": "new", "in": "query", "required": required})
}

// A comparison of two contracts: what a client that was written for the one meets in the other. The libraries for this
// take a member that is new in every answer for a break, since they do not ask who sends it; this one does.
type comparison struct {
	was, is jsonTree
	seen    map[string]bool
	broken  []string
}

// breaks lists what the second contract takes from the clients of the first.
func breaks(was, is jsonTree) []string {
	c := &comparison{was: was, is: is, seen: map[string]bool{}}
	for _, path := range slices.Sorted(maps.Keys(was.at("paths"))) {
		for _, method := range slices.Sorted(maps.Keys(was.at("paths", path))) {
			pattern := strings.ToUpper(method) + " " + path
			if op := is.at("paths", path, method); op != nil {
				c.operation(pattern, was.at("paths", path, method), op)
			} else {
				c.add("%s is gone", pattern)
			}
		}
	}
	return c.broken
}

func (c *comparison) add(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(c.broken, text) {
		c.broken = append(c.broken, text)
	}
}

func (c *comparison) operation(pattern string, was, is jsonTree) {
	if was["operationId"] != is["operationId"] {
		c.add("%s: it is called %v now", pattern, is["operationId"])
	}
	if fmt.Sprint(was["security"]) != fmt.Sprint(is["security"]) {
		c.add("%s: it needs other credentials now", pattern)
	}
	before, now := parametersOf(c.was, was), parametersOf(c.is, is)
	for name, p := range before {
		switch {
		case now[name] == nil:
			c.add("%s: the parameter %s is gone", pattern, name)
		case now[name]["required"] == true && p["required"] != true:
			c.add("%s: the parameter %s is required now", pattern, name)
		default:
			c.schema(pattern, name, p.at("schema"), now[name].at("schema"), true)
		}
	}
	for name, p := range now {
		if before[name] == nil && p["required"] == true {
			c.add("%s: the parameter %s is required", pattern, name)
		}
	}
	if was["requestBody"] == nil && is.at("requestBody")["required"] == true {
		c.add("%s: a body is required now", pattern)
	}
	for media := range was.at("requestBody", "content") {
		if is.at("requestBody", "content", media) == nil {
			c.add("%s: it no longer takes %s", pattern, media)
			continue
		}
		c.schema(pattern, "the body", was.at("requestBody", "content", media, "schema"),
			is.at("requestBody", "content", media, "schema"), true)
	}
	for status := range was.at("responses") {
		answer, still := was.at("responses", status).resolve(c.was), is.at("responses", status).resolve(c.is)
		if still == nil {
			if status < "400" {
				c.add("%s: it no longer answers %s", pattern, status)
			}
			continue
		}
		for name := range answer.at("headers") {
			if still.at("headers", name) == nil {
				c.add("%s: of %s the header %s is gone", pattern, status, name)
			}
		}
		for media := range answer.at("content") {
			if still.at("content", media) == nil {
				c.add("%s: of %s it no longer answers %s", pattern, status, media)
				continue
			}
			c.schema(pattern, "the answer", answer.at("content", media, "schema"), still.at("content", media, "schema"), false)
		}
	}
}

func parametersOf(doc, op jsonTree) map[string]jsonTree {
	found := map[string]jsonTree{}
	list, _ := op["parameters"].([]any)
	for _, p := range list {
		p := jsonTree(p.(map[string]any)).resolve(doc)
		found[p["name"].(string)] = p
	}
	return found
}

// schema compares what a value is like: one that clients send may be less restricted than it was, one that they get
// only more.
func (c *comparison) schema(where, name string, was, is jsonTree, sent bool) {
	key := fmt.Sprint(was["$ref"], is["$ref"], sent)
	if was["$ref"] != nil && c.seen[key] {
		return
	}
	if ref, ok := was["$ref"].(string); ok {
		c.seen[key] = true
		where += " " + ref[strings.LastIndex(ref, "/")+1:]
	}
	was, is = was.resolve(c.was), is.resolve(c.is)
	c.kinds(where, name, was, is, sent)
	if was["format"] != is["format"] {
		c.add("%s: the format of %s changed", where, name)
	}
	if sent {
		c.limits(where, name, was, is)
	}
	for _, member := range slices.Sorted(maps.Keys(was.at("properties"))) {
		if is.at("properties", member) == nil {
			c.add("%s: %s is gone", where, member)
			continue
		}
		c.schema(where, member, was.at("properties", member), is.at("properties", member), sent)
	}
	before, now := texts(was["required"]), texts(is["required"])
	for _, member := range now {
		if sent && !slices.Contains(before, member) {
			c.add("%s: %s is required now", where, member)
		}
	}
	for _, member := range before {
		if !sent && !slices.Contains(now, member) {
			c.add("%s: %s may be left out now", where, member)
		}
	}
	for _, inner := range []string{"items", "additionalProperties"} {
		if was.at(inner) != nil && is.at(inner) != nil {
			c.schema(where, "each of "+name, was.at(inner), is.at(inner), sent)
		}
	}
	for _, either := range choices(was) {
		for _, other := range choices(is) {
			if either["$ref"] != nil && either["$ref"] == other["$ref"] {
				c.schema(where, name, either, other, sent)
			}
		}
	}
}

// kinds compares the types and alternatives that a value may have.
func (c *comparison) kinds(where, name string, was, is jsonTree, sent bool) {
	before, now := kindsOf(was), kindsOf(is)
	for _, kind := range before {
		if sent && len(now) > 0 && !slices.Contains(now, kind) {
			c.add("%s: %s no longer takes %s", where, name, kind)
		}
	}
	for _, kind := range now {
		if !sent && len(before) > 0 && !slices.Contains(before, kind) {
			c.add("%s: %s may be %s now", where, name, kind)
		}
	}
	if len(before) > 0 && len(now) == 0 && !sent || len(before) == 0 && len(now) > 0 && sent {
		c.add("%s: %s has another type now", where, name)
	}
}

// limits compares what a value that is sent may be beyond its type.
func (c *comparison) limits(where, name string, was, is jsonTree) {
	if is["enum"] != nil {
		options, _ := is["enum"].([]any)
		before, listed := was["enum"].([]any)
		if !listed {
			c.add("%s: %s takes some values only now", where, name)
		}
		for _, option := range before {
			if !slices.Contains(options, option) {
				c.add("%s: %s no longer takes %v", where, name, option)
			}
		}
	}
	for _, limit := range []string{"maxLength", "maximum", "maxItems"} {
		c.tighter(where, name, limit, was[limit], is[limit], func(was, is float64) bool { return is < was })
	}
	for _, limit := range []string{"minLength", "minimum", "minItems"} {
		c.tighter(where, name, limit, was[limit], is[limit], func(was, is float64) bool { return is > was })
	}
	if is["pattern"] != nil && was["pattern"] != is["pattern"] {
		c.add("%s: the pattern of %s changed", where, name)
	}
	if is["additionalProperties"] == false && was["additionalProperties"] != false {
		c.add("%s: %s takes no other members now", where, name)
	}
}

func (c *comparison) tighter(where, name, limit string, was, is any, worse func(was, is float64) bool) {
	now, limited := is.(float64)
	before, wasLimited := was.(float64)
	if limited && (!wasLimited || worse(before, now)) {
		c.add("%s: the %s of %s is tighter", where, limit, name)
	}
}

// kindsOf lists the types of a value, and the schemas that it may have instead.
func kindsOf(s jsonTree) []string {
	kinds := texts(s["type"])
	for _, choice := range choices(s) {
		if ref, ok := choice["$ref"].(string); ok {
			kinds = append(kinds, ref)
		} else {
			kinds = append(kinds, kindsOf(choice)...)
		}
	}
	return kinds
}

func choices(s jsonTree) []jsonTree {
	var found []jsonTree
	list, _ := s["anyOf"].([]any)
	for _, choice := range list {
		found = append(found, choice.(map[string]any))
	}
	return found
}

// texts reads one text, or a list of them.
func texts(value any) []string {
	if text, ok := value.(string); ok {
		return []string{text}
	}
	var found []string
	list, _ := value.([]any)
	for _, entry := range list {
		found = append(found, entry.(string))
	}
	return found
}
