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

// An exchange is an example of the contract: a request, and what it was answered with.
type exchange struct {
	Title     string            `json:"title"`
	Operation string            `json:"operation"`
	Target    string            `json:"target"`
	Header    map[string]string `json:"header,omitempty"`
	Body      json.RawMessage   `json:"body,omitempty"`
	Status    int               `json:"status"`
	Answer    json.RawMessage   `json:"answer,omitempty"`
}

// A retelling asks a server for the examples again. What a server makes up, ids and secrets, has a name in the file.
type retelling struct {
	real   map[string]string // by the name
	named  map[string]string // the other way round
	counts map[string]int
	token  string
}

var (
	anyUUID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	// secrets are the members whose values a server makes up.
	secrets = regexp.MustCompile(`"(access_token|refresh_token|token|next_cursor|cursor|kid|x|hash)":"([^"]+)"`)
)

// name gives what a server made up a name, the same each time that the examples are asked for.
func (r *retelling) name(kind, value string) {
	if _, known := r.named[value]; known {
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
	r.real[name], r.named[value] = value, name
}

func replace(text string, table map[string]string) string {
	var pairs []string
	for from, to := range table {
		pairs = append(pairs, from, to)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// story serves the examples from its beginning: nobody has an account yet.
func story(t *testing.T) (http.Handler, *retelling) {
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
	stopping := make(chan struct{}) // so that the stream ends as soon as it has begun
	close(stopping)
	s := serve(t, st, func(cfg *httpapi.Config) { cfg.Authenticator, cfg.Accounts, cfg.Done = nil, service, stopping })
	return s.handler, &retelling{real: map[string]string{}, named: map[string]string{}, counts: map[string]int{}}
}

// ask sends the request of an example.
func (r *retelling) ask(t *testing.T, handler http.Handler, x exchange) *httptest.ResponseRecorder {
	t.Helper()
	body := string(x.Body)
	if strings.HasPrefix(body, `"`) {
		if err := json.Unmarshal(x.Body, &body); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range anyUUID.FindAllString(x.Target+body, -1) { // what the client chose is no secret of the server's
		if _, made := r.real[id]; !made {
			r.named[id] = id
		}
	}
	method, _, _ := strings.Cut(x.Operation, " ")
	request := httptest.NewRequestWithContext(t.Context(), method, replace(x.Target, r.real),
		strings.NewReader(replace(body, r.real)))
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, value := range x.Header {
		request.Header.Set(name, replace(value, r.real))
	}
	request.Header.Set("X-Request-Id", "example")
	if r.token != "" {
		request.Header.Set("Authorization", "Bearer "+r.token)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, request)
	return w
}

// hear returns an answer with names in the place of what the server made up; nil where it is a file that nobody reads
// as text.
func (r *retelling) hear(t *testing.T, w *httptest.ResponseRecorder) json.RawMessage {
	t.Helper()
	text, media := w.Body.String(), w.Header().Get("Content-Type")
	if text == "" || strings.HasPrefix(text, `{"openapi"`) || media == "application/pdf" ||
		strings.HasPrefix(media, "text/html") || strings.HasPrefix(media, "image/") {
		return nil
	}
	for _, found := range secrets.FindAllStringSubmatch(text, -1) {
		if found[1] == "access_token" {
			r.token = found[2]
		}
		r.name(found[1], found[2])
	}
	for _, id := range anyUUID.FindAllString(text, -1) {
		if _, made := r.real[id]; !made {
			r.name("uuid", id)
		}
	}
	text = replace(text, r.named)
	if isJSON(media) {
		return json.RawMessage(text)
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return quoted
}

// unsteady are the operations whose answers come in the order of ids that the server makes up.
var unsteady = map[string]bool{
	"GET /v1/budgets/alerts": true, "POST /v1/budgets/alerts/{id}/read": true, "GET /v1/exports/ledger.ndjson": true,
	"GET /v1/sync":        true,
	"GET /v1/sync/digest": true,
}

const examplesFile = "openapi_examples.json"

// exchanges are the examples of the contract.
func exchanges(t *testing.T) (told []exchange) {
	text, err := os.ReadFile(examplesFile)
	if err == nil {
		err = json.Unmarshal(text, &told)
	}
	if err != nil {
		t.Fatal(err)
	}
	return told
}

// What the contract shows was really asked and answered: every example is asked for again, and what is answered must be
// what the file says. With -update it is written anew, which leaves the requests as they are.
func TestEveryExampleIsAnsweredAsTheContractShows(t *testing.T) {
	told := exchanges(t)
	handler, r := story(t)
	for i, x := range told {
		w := r.ask(t, handler, x)
		answer := r.hear(t, w)
		if w.Code >= 400 {
			t.Errorf("%s %q is refused: %d %s", x.Operation, x.Title, w.Code, w.Body)
		}
		same := w.Code == x.Status && (unsteady[x.Operation] || compacted(t, answer) == compacted(t, x.Answer))
		if !*update && !same {
			t.Errorf("%s %q: run with -update if that is meant\n got: %d %s\nwant: %d %s", x.Operation, x.Title, w.Code, answer,
				x.Status, compacted(t, x.Answer))
		}
		if !same {
			told[i].Status, told[i].Answer = w.Code, answer
		}
	}
	if *update {
		var out strings.Builder
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(told); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(examplesFile, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func compacted(t *testing.T, text json.RawMessage) string {
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

// The examples leave nothing out: each operation has one, each member of each request and each parameter of a query is
// in one.
func TestTheExamplesShowEverything(t *testing.T) {
	doc := contractOf(t)
	told := exchanges(t)
	for path, methods := range doc.at("paths") {
		for method := range methods.(map[string]any) {
			op, pattern := doc.at("paths", path, method), strings.ToUpper(method)+" "+path
			var shown strings.Builder
			members := map[string]bool{}
			for _, x := range told {
				if x.Operation != pattern {
					continue
				}
				shown.WriteString(x.Target + "&")
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
			if shown.Len() == 0 {
				t.Errorf("%s has no example: add one to openapi_examples.json, and run the tests with -update", pattern)
				continue
			}
			list, _ := op["parameters"].([]any)
			for _, p := range list {
				p := jsonTree(p.(map[string]any)).resolve(doc)
				if p["in"] == "query" && !strings.ContainsAny(shown.String(), "?") || p["in"] == "query" &&
					!slices.ContainsFunc(strings.FieldsFunc(shown.String(), func(c rune) bool { return c == '?' || c == '&' }),
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

// What a request may be, the contract and the server agree on: a value beyond each limit of each member is refused, at
// its place.
func TestALimitInTheContractIsOneOfTheServer(t *testing.T) {
	doc := contractOf(t)
	told := exchanges(t)
	handler, r := story(t)
	granted, refused := map[string]string{}, map[string]bool{}
	for _, x := range told {
		method, path, _ := strings.Cut(x.Operation, " ")
		object := doc.at("paths", path, strings.ToLower(method), "requestBody", "content", "application/json",
			"schema").resolve(doc)
		var body map[string]any
		if object != nil && json.Unmarshal(x.Body, &body) == nil {
			for member := range object.at("properties") {
				for what, value := range beyond(object.at("properties", member).resolve(doc)) {
					limit := fmt.Sprintf("%s: %s %s", x.Operation, member, what)
					if refused[limit] {
						continue
					}
					wrong := maps.Clone(body)
					wrong[member] = value
					bad := x
					bad.Body, _ = json.Marshal(wrong) // of what was read as JSON
					bad.Header = nil
					w := r.ask(t, handler, bad)
					if w.Code != 422 && w.Code != 400 || !strings.Contains(w.Body.String(), `"#/`+member) {
						granted[limit] = fmt.Sprintf("%d %.200s", w.Code, w.Body)
						continue
					}
					refused[limit] = true
				}
			}
			for _, member := range texts(object["required"]) {
				lacking := maps.Clone(body)
				delete(lacking, member)
				bad := x
				bad.Body, _ = json.Marshal(lacking) // of what was read as JSON
				bad.Header = nil
				w := r.ask(t, handler, bad)
				if w.Code != 428 &&
					(w.Code != 422 || !strings.Contains(w.Body.String(), `"#/`+member)) { // 428: a PUT on what is there
					t.Errorf("%s without %s is answered %d, though the contract requires it: %.200s", x.Operation, member, w.Code,
						w.Body)
				}
			}
			odd := x
			odd.Body = json.RawMessage(`{"no_such_member":1}`)
			if w := r.ask(t, handler, odd); w.Code != 400 || object["additionalProperties"] != false {
				t.Errorf("%s: an unknown member is answered %d; additionalProperties is %v", x.Operation, w.Code,
					object["additionalProperties"])
			}
		}
		r.hear(t, r.ask(t, handler, x))
	}
	for limit, answer := range granted {
		if !refused[limit] {
			t.Errorf("%s is answered %s, though the contract does not allow it", limit, answer)
		}
	}
	if len(refused) < 100 {
		t.Errorf("only %d limits were tried", len(refused))
	}
}

// beyond returns a value beyond each limit of a schema.
func beyond(s jsonTree) map[string]any {
	values := map[string]any{}
	kinds := texts(s["type"])
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
		values["of another form"] = "§"
	}
	if inner := s.at("items"); inner["enum"] != nil || inner["pattern"] != nil {
		values["with an entry of another form"] = []any{"§"}
	}
	return values
}
