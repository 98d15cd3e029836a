package httpapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/httpapi/internal/contracttest"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
)

// An exchange is an example in the contract: a request and its response.
type exchange struct {
	OperationID string
	Name        string // of the example in openapi.yaml
	Operation   string // method and path template
	Target      string // path and query
	Header      map[string]string
	Body        json.RawMessage // a JSON string if the body is not JSON; nil: no body
	Status      int
	Answer      json.RawMessage // a JSON string if the body of the response is not JSON; nil: not in the contract
}

// A replayer sends the requests of the examples. In the examples, placeholders stand for the IDs and secrets that the
// server generates.
type replayer struct {
	values       map[string]string // generated values by placeholder
	placeholders map[string]string // placeholders by generated value
	counts       map[string]int
	tokens       []string // the access tokens of the sessions; requests send the last one
}

var (
	anyUUID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	anyHash = regexp.MustCompile(`[0-9a-f]{64}`)
	// secrets matches the members whose values the server generates, and their values.
	secrets = regexp.MustCompile(`"(access_token|refresh_token|token|next_cursor|cursor|kid|x)":"([^"]+)"`)
)

// addPlaceholder assigns a placeholder to a generated value. Each replay of the examples assigns the same placeholders.
func (r *replayer) addPlaceholder(kind, value string) {
	if _, known := r.placeholders[value]; known {
		return
	}
	r.counts[kind]++
	name := fmt.Sprintf("example-%s-%d", strings.ReplaceAll(kind, "_", "-"), r.counts[kind])
	if kind == "uuid" {
		name = fmt.Sprintf("00000000-0000-4000-8000-%012d", r.counts[kind])
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

// fixedStarters is a store whose new ledgers all have the same ids of starter categories. Lists are ordered by id, so
// their order would otherwise depend on the generated id of the account.
type fixedStarters struct{ store.Store }

func (s fixedStarters) CreateLedger(
	ctx context.Context, owner expense.OwnerID, ledger expense.InitialLedger,
) (bool, error) {
	return s.Store.CreateLedger(ctx, owner, expense.NewInitialLedger("ada", ledger.Settings, noon))
}

// newReplay returns a server without accounts, and a replayer for its examples.
func newReplay(t *testing.T, clock func() time.Time) (http.Handler, *replayer) {
	t.Helper()
	st := fixedStarters{memstore.New()}
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
	s := serve(t, st, func(cfg *httpapi.Config) {
		cfg.Authenticator, cfg.Accounts, cfg.Done, cfg.Now = nil, service, stopping, clock
	})
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
	if len(r.tokens) > 0 {
		request.Header.Set("Authorization", "Bearer "+r.tokens[len(r.tokens)-1])
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, request)
	if x.OperationID == "logout" && w.Code == http.StatusNoContent {
		r.tokens = r.tokens[:len(r.tokens)-1]
	}
	return w
}

// atNoon is the clock of the examples.
func atNoon() time.Time { return noon }

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
			r.tokens = append(r.tokens, match[2])
		}
		r.addPlaceholder(match[1], match[2])
	}
	for _, id := range anyUUID.FindAllString(text, -1) {
		if _, generated := r.values[id]; !generated {
			r.addPlaceholder("uuid", id)
		}
	}
	text = anyHash.ReplaceAllString(replace(text, r.placeholders), strings.Repeat("0", 64))
	if contracttest.IsJSON(media) {
		return json.RawMessage(text)
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return quoted
}

const (
	contractFile = "openapi.yaml"
	// orderFile lists the examples in the order in which they are sent.
	orderFile = "testdata/examples.txt"
)

// exchanges reads the examples of the contract.
func exchanges(t *testing.T) (examples []exchange) {
	t.Helper()
	doc := contractOf(t)
	patterns := map[string]string{} // by operationId
	for path, methods := range doc.at("paths") {
		for method := range methods.(map[string]any) {
			patterns[doc.at("paths", path, method)["operationId"].(string)] = strings.ToUpper(method) + " " + path
		}
	}
	text, err := os.ReadFile(orderFile)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		if len(fields) < 3 || patterns[fields[0]] == "" {
			t.Fatalf("%s: %q is not an operationId of the contract, a name and a status", orderFile, line)
		}
		x := exchange{
			OperationID: fields[0], Name: fields[1], Operation: patterns[fields[0]], Header: map[string]string{},
		}
		if x.Status, err = strconv.Atoi(fields[2]); err != nil {
			t.Fatalf("%s: %q has no status: %v", orderFile, line, err)
		}
		for _, header := range fields[3:] {
			name, value, _ := strings.Cut(header, "=")
			x.Header[name] = value
		}
		method, path, _ := strings.Cut(x.Operation, " ")
		op := doc.at("paths", path, strings.ToLower(method))
		var hasTarget bool
		if x.Target, hasTarget = op.at("x-targets")[x.Name].(string); !hasTarget {
			t.Fatalf("%s: x-targets of %s in %s does not have the path and query of %s", orderFile, x.OperationID,
				contractFile, x.Name)
		}
		for media, content := range op.at("requestBody", "content") {
			if value, ok := jsonTree(content.(map[string]any)).at("examples", x.Name)["value"]; ok {
				x.Body = requestBody(t, media, value)
				x.Header["Content-Type"] = strings.Replace(media, "form-data", "form-data; boundary="+boundary, 1)
			}
		}
		for _, content := range op.at("responses", fields[2]).resolve(doc).at("content") {
			if value, ok := jsonTree(content.(map[string]any)).at("examples", x.Name)["value"]; ok {
				x.Answer = toJSON(t, value)
			}
		}
		examples = append(examples, x)
	}
	return examples
}

const boundary = "example-boundary"

// requestBody returns the body of a request whose example in the contract is value.
func requestBody(t *testing.T, media string, value any) json.RawMessage {
	t.Helper()
	if media != "multipart/form-data" {
		return toJSON(t, value)
	}
	parts := value.(map[string]any)
	return toJSON(t, fmt.Sprintf("--%[1]s\r\nContent-Disposition: form-data; name=\"mapping\"\r\n"+
		"Content-Type: application/json\r\n\r\n%[2]s\r\n--%[1]s\r\n"+
		"Content-Disposition: form-data; name=\"file\"; filename=\"bank.csv\"\r\nContent-Type: text/csv\r\n\r\n"+
		"%[3]s\r\n--%[1]s--\r\n", boundary, toJSON(t, parts["mapping"]), parts["file"]))
}

func toJSON(t *testing.T, value any) json.RawMessage {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestContract_ExamplesAreRealResponses sends every example of the contract and compares the response with the example.
// With -update, it replaces the responses in openapi.yaml and keeps the requests.
func TestContract_ExamplesAreRealResponses(t *testing.T) {
	handler, r := newReplay(t, atNoon)
	var contract []string
	if *update {
		text, err := os.ReadFile(contractFile)
		if err != nil {
			t.Fatal(err)
		}
		contract = strings.Split(string(text), "\n")
	}
	for _, x := range exchanges(t) {
		w := r.send(t, handler, x)
		answer := r.readBody(t, w)
		if w.Code != x.Status {
			t.Errorf("%s %s: status %d, want %d: %s", x.OperationID, x.Name, w.Code, x.Status, w.Body)
			continue
		}
		switch {
		case compactJSON(t, answer) == compactJSON(t, x.Answer):
		case *update:
			contract = replaceAnswer(t, contract, x, answer)
		default:
			t.Errorf("%s %s: if the change is intended, run with -update\n got: %s\nwant: %s", x.OperationID, x.Name,
				compactJSON(t, answer), compactJSON(t, x.Answer))
		}
	}
	if *update {
		if err := os.WriteFile(contractFile, []byte(strings.Join(contract, "\n")), 0o644); err != nil {
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

// plainDate matches a date or month without quotes, which YAML 1.1 reads as an instant.
var plainDate = regexp.MustCompile(`(?m): ([0-9]{4}-[0-9]{2}(?:-[0-9]{2})?)$`)

// replaceAnswer replaces the response of an example in the lines of openapi.yaml. The example must have a value.
func replaceAnswer(t *testing.T, lines []string, x exchange, answer json.RawMessage) []string {
	t.Helper()
	i := 0
	for _, line := range []string{
		"      operationId: " + x.OperationID, "      responses:", fmt.Sprintf("        %q:", strconv.Itoa(x.Status)),
		"                " + x.Name + ":", "                  value:",
	} {
		found := slices.IndexFunc(lines[i:], func(text string) bool { return strings.HasPrefix(text, line) })
		if found < 0 {
			t.Fatalf("%s has no response example %s of %s; add one with the value null", contractFile, x.Name, x.OperationID)
		}
		i += found
	}
	const indent = "                    " // of the value
	end := i + 1
	for lines[end] == "" || strings.HasPrefix(lines[end], indent) {
		end++
	}
	var value any
	if err := yaml.UnmarshalWithOptions(answer, &value, yaml.UseOrderedMap()); err != nil {
		t.Fatal(err)
	}
	text, err := yaml.MarshalWithOptions(value, yaml.Indent(2), yaml.IndentSequence(true),
		yaml.UseLiteralStyleIfMultiline(true))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(answer), `\r`) {
		text = answer // a literal block would lose the carriage returns
	}
	text = plainDate.ReplaceAll(text, []byte(`: "$1"`))
	replacement := []string{"                  value:"}
	for line := range strings.Lines(string(text)) {
		replacement = append(replacement, strings.TrimRight(indent+line, " \n"))
	}
	return slices.Replace(lines, i, end, replacement...)
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
				t.Errorf("%s has no example: add one to openapi.yaml and %s", pattern, orderFile)
				continue
			}
			for name := range op.at("x-targets") {
				sent := func(x exchange) bool { return x.Operation == pattern && x.Name == name }
				if !slices.ContainsFunc(examples, sent) {
					t.Errorf("%s: the test does not send the example %s: add it to %s", pattern, name, orderFile)
				}
			}
			list, _ := op["parameters"].([]any)
			for _, p := range list {
				p := jsonTree(p.(map[string]any)).resolve(doc)
				if p["in"] == "query" && !strings.ContainsAny(targets.String(), "?") || p["in"] == "query" &&
					!slices.ContainsFunc(strings.FieldsFunc(targets.String(), func(c rune) bool { return c == '?' || c == '&' }),
						func(part string) bool {
							return strings.HasPrefix(part, p["name"].(string)+"=")
						}) {
					t.Errorf("%s: no example has the parameter %s: add it to x-targets in openapi.yaml", pattern, p["name"])
				}
			}
			for member := range op.at("requestBody", "content", "application/json", "schema").resolve(doc).at("properties") {
				if !members[member] {
					t.Errorf("%s: no example has the member %s: add it to one in openapi.yaml", pattern, member)
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
	handler, r := newReplay(t, atNoon)
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
			for _, member := range contracttest.StringList(object["required"]) {
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
	kinds := contracttest.StringList(s["type"])
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
