package httpapi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/store/memstore"
)

// An exchange is an example in the contract: a request and its response.
type exchange struct {
	Title     string            `json:"title"`
	Operation string            `json:"operation"`
	Target    string            `json:"target"`
	Header    map[string]string `json:"header,omitempty"`
	Body      json.RawMessage   `json:"body,omitempty"`
	Status    int               `json:"status"`
	Answer    json.RawMessage   `json:"answer,omitempty"`
}

// A replayer sends the requests of the examples. In the examples, placeholders stand for the IDs and secrets that the
// server generates.
type replayer struct {
	values       map[string]string // generated values by placeholder
	placeholders map[string]string // placeholders by generated value
	counts       map[string]int
	token        string
}

var (
	anyUUID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	// secrets matches the members whose values the server generates, and their values.
	secrets = regexp.MustCompile(`"(access_token|refresh_token|token|next_cursor|cursor|kid|x|hash)":"([^"]+)"`)
)

// addPlaceholder assigns a placeholder to a generated value. Each replay of the examples assigns the same placeholders.
func (r *replayer) addPlaceholder(kind, value string) {
	if _, known := r.placeholders[value]; known {
		return
	}
	r.counts[kind]++
	name := fmt.Sprintf("example-%s-%d", strings.ReplaceAll(kind, "_", "-"), r.counts[kind])
	switch kind {
	case "uuid":
		name = fmt.Sprintf("00000000-0000-4000-8000-%012d", r.counts[kind])
	case "hash":
		name = fmt.Sprintf("%064d", r.counts[kind])
	}
	r.values[name], r.placeholders[value] = value, name
}

func replace(text string, table map[string]string) string {
	var pairs []string
	for from, to := range table {
		pairs = append(pairs, from, to)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// newReplay returns a server without accounts, and a replayer for its examples.
func newReplay(t *testing.T) (http.Handler, *replayer) {
	t.Helper()
	st, clock := memstore.New(), func() time.Time { return noon }
	defaults, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		t.Fatal(err)
	}
	service, err := auth.New(t.Context(), auth.NewUsers(memstore.NewAccounts(), st, defaults, clock),
		auth.Config{KEK: make([]byte, auth.KEKSize), Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	stopping := make(chan struct{}) // closed, so that the event stream ends right after it starts
	close(stopping)
	s := serve(t, st, func(cfg *httpapi.Config) { cfg.Authenticator, cfg.Accounts, cfg.Done = nil, service, stopping })
	return s.handler, &replayer{values: map[string]string{}, placeholders: map[string]string{}, counts: map[string]int{}}
}

// send sends the request of an example.
func (r *replayer) send(t *testing.T, handler http.Handler, x exchange) *httptest.ResponseRecorder {
	t.Helper()
	body := string(x.Body)
	if strings.HasPrefix(body, `"`) {
		if err := json.Unmarshal(x.Body, &body); err != nil {
			t.Fatal(err)
		}
	}
	// An ID that the client chooses needs no placeholder.
	for _, id := range anyUUID.FindAllString(x.Target+body, -1) {
		if _, generated := r.values[id]; !generated {
			r.placeholders[id] = id
		}
	}
	method, _, _ := strings.Cut(x.Operation, " ")
	request := httptest.NewRequestWithContext(t.Context(), method, replace(x.Target, r.values),
		strings.NewReader(replace(body, r.values)))
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, value := range x.Header {
		request.Header.Set(name, replace(value, r.values))
	}
	request.Header.Set("X-Request-Id", "example")
	if r.token != "" {
		request.Header.Set("Authorization", "Bearer "+r.token)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, request)
	return w
}

// readBody returns the body of a response with placeholders for generated values. It returns nil for an empty body, an
// OpenAPI document, a PDF, an HTML page and an image. It stores the access token for the next requests.
func (r *replayer) readBody(t *testing.T, w *httptest.ResponseRecorder) json.RawMessage {
	t.Helper()
	text, media := w.Body.String(), w.Header().Get("Content-Type")
	if text == "" || strings.HasPrefix(text, `{"openapi"`) || media == "application/pdf" ||
		strings.HasPrefix(media, "text/html") || strings.HasPrefix(media, "image/") {
		return nil
	}
	for _, match := range secrets.FindAllStringSubmatch(text, -1) {
		if match[1] == "access_token" {
			r.token = match[2]
		}
		r.addPlaceholder(match[1], match[2])
	}
	for _, id := range anyUUID.FindAllString(text, -1) {
		if _, generated := r.values[id]; !generated {
			r.addPlaceholder("uuid", id)
		}
	}
	text = replace(text, r.placeholders)
	if isJSON(media) {
		return json.RawMessage(text)
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return quoted
}

// unstableOrder are the operations whose responses depend on the order of generated IDs. Their bodies are not compared.
var unstableOrder = map[string]bool{
	"GET /v1/budgets/alerts": true, "POST /v1/budgets/alerts/{id}/read": true, "GET /v1/exports/ledger.ndjson": true,
	"GET /v1/sync":        true,
	"GET /v1/sync/digest": true,
}

const examplesFile = "openapi_examples.json"

// exchanges reads the examples of the contract.
func exchanges(t *testing.T) (examples []exchange) {
	text, err := os.ReadFile(examplesFile)
	if err == nil {
		err = json.Unmarshal(text, &examples)
	}
	if err != nil {
		t.Fatal(err)
	}
	return examples
}

// The server's responses equal those in the examples. With -update, the test replaces the responses in the file and
// keeps the requests.
func TestContract_ExamplesAreRealResponses(t *testing.T) {
	examples := exchanges(t)
	handler, r := newReplay(t)
	for i, x := range examples {
		w := r.send(t, handler, x)
		answer := r.readBody(t, w)
		if w.Code >= 400 {
			t.Errorf("%s %q: status %d, want success: %s", x.Operation, x.Title, w.Code, w.Body)
		}
		same := w.Code == x.Status && (unstableOrder[x.Operation] || compactJSON(t, answer) == compactJSON(t, x.Answer))
		if !*update && !same {
			t.Errorf("%s %q: if the change is intended, run with -update\n got: %d %s\nwant: %d %s", x.Operation, x.Title,
				w.Code, answer, x.Status, compactJSON(t, x.Answer))
		}
		if !same {
			examples[i].Status, examples[i].Answer = w.Code, answer
		}
	}
	if *update {
		var out strings.Builder
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(examples); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(examplesFile, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func compactJSON(t *testing.T, text json.RawMessage) string {
	t.Helper()
	if text == nil {
		return ""
	}
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// Each operation has an example. Each member of a request body and each query parameter occurs in an example.
func TestContract_ExamplesCoverMembersAndParameters(t *testing.T) {
	doc := contractOf(t)
	examples := exchanges(t)
	for path, methods := range doc.at("paths") {
		for method := range methods.(map[string]any) {
			op, pattern := doc.at("paths", path, method), strings.ToUpper(method)+" "+path
			var targets strings.Builder
			members := map[string]bool{}
			for _, x := range examples {
				if x.Operation != pattern {
					continue
				}
				targets.WriteString(x.Target + "&")
				var body map[string]any
				if strings.HasPrefix(string(x.Body), "{") {
					if err := json.Unmarshal(x.Body, &body); err != nil {
						t.Fatal(err)
					}
				}
				for name := range body {
					members[name] = true
				}
			}
			if targets.Len() == 0 {
				t.Errorf("%s has no example: add one to openapi_examples.json, and run the tests with -update", pattern)
				continue
			}
			list, _ := op["parameters"].([]any)
			for _, p := range list {
				p := jsonTree(p.(map[string]any)).resolve(doc)
				if p["in"] == "query" && !strings.ContainsAny(targets.String(), "?") || p["in"] == "query" &&
					!slices.ContainsFunc(strings.FieldsFunc(targets.String(), func(c rune) bool { return c == '?' || c == '&' }),
						func(part string) bool {
							return strings.HasPrefix(part, p["name"].(string)+"=")
						}) {
					t.Errorf("%s: no example has the parameter %s: add one to openapi_examples.json", pattern, p["name"])
				}
			}
			for member := range op.at("requestBody", "content", "application/json", "schema").resolve(doc).at("properties") {
				if !members[member] {
					t.Errorf("%s: no example has the member %s: add one to openapi_examples.json", pattern, member)
				}
			}
		}
	}
}

// The server enforces the limits in the contract: it rejects a value that violates a limit of a member, and names the
// member.
func TestContract_LimitsAreEnforced(t *testing.T) {
	doc := contractOf(t)
	examples := exchanges(t)
	handler, r := newReplay(t)
	accepted, rejected := map[string]string{}, map[string]bool{}
	for _, x := range examples {
		method, path, _ := strings.Cut(x.Operation, " ")
		object := doc.at("paths", path, strings.ToLower(method), "requestBody", "content", "application/json",
			"schema").resolve(doc)
		var body map[string]any
		if object != nil && json.Unmarshal(x.Body, &body) == nil {
			for member := range object.at("properties") {
				for violation, value := range invalidValues(object.at("properties", member).resolve(doc)) {
					limit := fmt.Sprintf("%s: %s %s", x.Operation, member, violation)
					if rejected[limit] {
						continue
					}
					wrong := maps.Clone(body)
					wrong[member] = value
					bad := x
					bad.Body, _ = json.Marshal(wrong) // cannot fail for a value decoded from JSON
					bad.Header = nil
					w := r.send(t, handler, bad)
					if w.Code != 422 && w.Code != 400 || !strings.Contains(w.Body.String(), `"#/`+member) {
						accepted[limit] = fmt.Sprintf("%d %.200s", w.Code, w.Body)
						continue
					}
					rejected[limit] = true
				}
			}
			for _, member := range stringList(object["required"]) {
				incomplete := maps.Clone(body)
				delete(incomplete, member)
				bad := x
				bad.Body, _ = json.Marshal(incomplete) // cannot fail for a value decoded from JSON
				bad.Header = nil
				w := r.send(t, handler, bad)
				// A PUT to an existing resource gets 428.
				if w.Code != 428 && (w.Code != 422 || !strings.Contains(w.Body.String(), `"#/`+member)) {
					t.Errorf("%s without the required member %s: status %d, want 422: %.200s", x.Operation, member, w.Code, w.Body)
				}
			}
			unknown := x
			unknown.Body = json.RawMessage(`{"no_such_member":1}`)
			if w := r.send(t, handler, unknown); w.Code != 400 || object["additionalProperties"] != false {
				t.Errorf("%s with an unknown member: status %d, want 400; additionalProperties is %v, want false", x.Operation,
					w.Code, object["additionalProperties"])
			}
		}
		r.readBody(t, r.send(t, handler, x))
	}
	for limit, answer := range accepted {
		if !rejected[limit] {
			t.Errorf("%s: the contract does not allow this value, but the response is %s", limit, answer)
		}
	}
	if len(rejected) < 100 {
		t.Errorf("the test checked %d limits, want at least 100", len(rejected))
	}
}

// invalidValues returns values that each violate one limit of a schema. The keys describe the violations.
func invalidValues(s jsonTree) map[string]any {
	values := map[string]any{}
	kinds := stringList(s["type"])
	number := func(limit string) (int, bool) {
		n, ok := s[limit].(float64)
		return int(n), ok
	}
	if !slices.Contains(kinds, "null") && len(kinds) > 0 {
		values["null"] = nil
	}
	if len(kinds) > 0 {
		values["of another type"] = map[string]any{}
	}
	if n, ok := number("maxLength"); ok {
		values["too long"] = strings.Repeat("1", n+1)
	}
	if n, ok := number("minLength"); ok {
		values["too short"] = strings.Repeat("1", n-1)
	}
	if n, ok := number("maximum"); ok {
		values["too large"] = n + 1
	}
	if n, ok := number("minimum"); ok {
		values["too small"] = n - 1
	}
	if n, ok := number("maxItems"); ok {
		values["too many"] = slices.Repeat([]any{"0.5"}, n+1)
	}
	if n, ok := number("minItems"); ok && n > 0 {
		values["too few"] = []any{}
	}
	if s["enum"] != nil || s["pattern"] != nil || s["format"] != nil {
		values["in another format"] = "§"
	}
	if inner := s.at("items"); inner["enum"] != nil || inner["pattern"] != nil {
		values["with an entry in another format"] = []any{"§"}
	}
	return values
}
