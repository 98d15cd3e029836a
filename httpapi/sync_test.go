package httpapi_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
)

// syncID returns the n-th id of a test.
func syncID(n int) string { return fmt.Sprintf("0190a6f0-5c2b-7d6e-9a3f-%012d", n) }

// pull follows the feed from a cursor on and returns its changes and the last cursor.
func (s server) pull(cursor string, limit int) (changes []map[string]any, last string) {
	s.t.Helper()
	for {
		target := fmt.Sprintf("/v1/sync?limit=%d", limit)
		if cursor != "" {
			target += "&cursor=" + cursor
		}
		got := s.must(200, "GET", target, "")
		for _, change := range got.json["changes"].([]any) {
			changes = append(changes, change.(map[string]any))
		}
		cursor = got.json["cursor"].(string)
		if got.json["has_more"] == false {
			return changes, cursor
		}
	}
}

// push sends mutations and returns what became of each.
func (s server) push(mutations ...string) []map[string]any {
	s.t.Helper()
	got := s.must(200, "POST", "/v1/sync", `{"mutations":[`+strings.Join(mutations, ",")+`]}`)
	var results []map[string]any
	for _, r := range got.json["results"].([]any) {
		results = append(results, r.(map[string]any))
	}
	return results
}

func mutate(id, what, op, row, more string) string {
	return fmt.Sprintf(`{"mutation_id":%q,"type":%q,"op":%q,"id":%q%s}`, id, what, op, row, more)
}

func status(result map[string]any) string {
	if problem, ok := result["problem"].(map[string]any); ok {
		return fmt.Sprintf("%s %s", result["status"], problem["code"])
	}
	return fmt.Sprint(result["status"])
}

func version(result map[string]any) int { return int(result["version"].(float64)) }

// beforeTheBeginning makes a cursor of a negative version out of one of owner's, as anybody can whose ledger it is.
func beforeTheBeginning(t *testing.T, owner, cursor string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		t.Fatal(err)
	}
	place := raw[8:]
	place[8] |= 0x80
	sum := sha256.Sum256(append([]byte("sync "+owner+"\x00"), place...))
	return base64.RawURLEncoding.EncodeToString(append(sum[:8], place...))
}

func TestCursorsThatAreOfNoUse(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		s.must(201, "POST", "/v1/expenses", `{"id":"`+syncID(1)+`","amount":"5"}`)
		_, old := s.pull("", 1000)
		_, other := s.as("bertha").pull("", 1000)
		s.must(204, "DELETE", "/v1/expenses/"+syncID(1), "")
		for name, cursor := range map[string]string{
			"of another ledger": other, "cut": old[:len(old)-3], "forged": "AAAAAAAA" + old[8:],
			"no cursor at all": "hello", "empty": "",
			"forged with a sum, before the beginning": beforeTheBeginning(t, "anna", old),
		} {
			if got := s.do("GET", "/v1/sync?cursor="+cursor, ""); got.Code != 400 || got.json["code"] != "cursor_invalid" {
				t.Errorf("a cursor that is %s: %d %v", name, got.Code, got.json["code"])
			}
			body := `{"cursor":"` + cursor + `","mutations":[]}`
			if got := s.do("POST", "/v1/sync", body); cursor != "" && (got.Code != 400 || got.json["code"] != "cursor_invalid") {
				t.Errorf("a push with a cursor that is %s: %d %v", name, got.Code, got.json["code"])
			}
		}
		expired := func(why, cursor string) {
			t.Helper()
			if got := s.do("GET", "/v1/sync?cursor="+cursor, ""); got.Code != 410 || got.json["code"] != "cursor_expired" {
				t.Errorf("a cursor %s: %d %v", why, got.Code, got.json["code"])
			}
			put := mutate("after "[:5]+why[:2], "expense", "put", syncID(9), `,"data":{"amount":"1"}`)
			body := `{"cursor":"` + cursor + `","mutations":[` + put + `]}`
			if got := s.do("POST", "/v1/sync", body); got.Code != 410 {
				t.Errorf("a push with a cursor %s: %d", why, got.Code)
			}
			s.must(404, "GET", "/v1/expenses/"+syncID(9), "")
		}
		if err := st.Purge(t.Context(), noon, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		expired("older than the tombstones", old)
		_, now := s.pull("", 1000)
		if err := st.StartEpoch(t.Context(), "anna"); err != nil {
			t.Fatal(err)
		}
		expired("of another epoch", now)
		_, fresh := s.pull("", 1000)
		s.must(200, "GET", "/v1/sync?cursor="+fresh, "")
	})
}

func TestAPushIsOneUpdateAndEachChangeIsByItself(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		row := syncID(1)
		mutations := []string{
			mutate("m1", "expense", "put", row, `,"data":{"amount":"5.00"}`),
			mutate("m2", "expense", "patch", row, `,"base_mutation":"m1","data":{"amount":"6.00"}`),
			mutate("m3", "expense", "put", syncID(2), `,"data":{"amount":"6.001"}`),
			mutate("m4", "expense", "put", syncID(3), `,"data":{"amount":"1","colour":"red"}`),
			mutate("m5", "spaceship", "put", syncID(4), `,"data":{}`),
			mutate("m6", "expense", "patch", row, `,"base_version":77,"data":{"notes":"x"}`),
			mutate("m7", "expense", "patch", syncID(5), `,"data":{"notes":"x"}`),
			mutate("m8", "expense", "delete", syncID(6), ``),
			mutate("m9", "expense", "explode", row, ``),
			`{"mutation_id":"m10","type":7}`,
			mutate("m11", "expense", "put", syncID(7), `,"data":{"amount":"7.00"}`),
			mutate("m12", "expense", "patch", syncID(7), `,"base_mutation":"m1","data":{"notes":"x"}`),
		}
		results := s.push(mutations...)
		want := []string{
			"applied", "applied", "rejected validation_error", "rejected malformed", "rejected validation_error",
			"rejected validation_error", "rejected not_found", "unchanged", "rejected validation_error",
			"rejected validation_error", "applied",
			"rejected validation_error",
		}
		for i, result := range results {
			if status(result) != want[i] {
				t.Errorf("m%d: %s, want %s (%v)", i+1, status(result), want[i], result)
			}
		}
		if version(results[0]) != 2 || version(results[10]) != 2 {
			t.Errorf("the rows of one push have the versions %v and %v, want 2", results[0]["version"], results[10]["version"])
		}
		if got := s.must(200, "GET", "/v1/expenses/"+row, ""); got.json["amount"] != "6.00" {
			t.Errorf("two edits of one row in a push end with %v", got.json["amount"])
		}
		before, _ := s.pull("", 1000)
		again := s.push(mutations...)
		for i := range again {
			if fmt.Sprint(again[i]) != fmt.Sprint(results[i]) {
				t.Errorf("m%d, sent again, answers %v, and %v before", i+1, again[i], results[i])
			}
		}
		if after, _ := s.pull("", 1000); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Error("a push that was sent again has changed the ledger")
		}
		other := s.push(mutate("m1", "expense", "put", syncID(8), `,"data":{"amount":"1"}`))
		if status(other[0]) != "rejected idempotency_key_reused" {
			t.Errorf("another change under the id of one: %s", status(other[0]))
		}
	})
}

func TestPushesThatAreRefusedWhole(t *testing.T) {
	s := serve(t, memstore.New())
	many := make([]string, 101)
	for i := range many {
		many[i] = mutate(fmt.Sprint("m", i), "expense", "put", syncID(i), `,"data":{"amount":"1"}`)
	}
	got := s.do("POST", "/v1/sync", `{"mutations":[`+strings.Join(many, ",")+`]}`)
	if got.Code != 422 || !strings.Contains(got.Body.String(), `"pointer":"#/mutations","code":"too_many"`) {
		t.Errorf("101 mutations: %d %v", got.Code, got.Body)
	}
	if got := s.do("POST", "/v1/sync", `{"mutations":[{"type":"expense"}]}`); got.Code != 422 {
		t.Errorf("a mutation without an id: %d", got.Code)
	}
	if got := s.do("POST", "/v1/sync", `{}`); got.Code != 422 {
		t.Errorf("no mutations: %d", got.Code)
	}
	if list := s.must(200, "GET", "/v1/expenses", "").json["data"].([]any); len(list) != 0 {
		t.Errorf("refused pushes left %v", list)
	}
}

func TestEveryTypeOfRowGoesBothWays(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		_, cursor := s.pull("", 1000)
		rule, occurrence := syncID(3), "2026-03-01"
		predicted := expense.OccurrenceID(uuid.MustParse(rule), expense.MustDate(occurrence)).String()
		results := s.push(
			mutate("1", "category", "put", syncID(1), `,"data":{"name":"Fun","colour":"#1e90ff"}`),
			mutate(
				"2", "budget", "put", syncID(2), `,"data":{"category_id":"`+syncID(1)+`","amount":"10","from_month":"2026-03"}`,
			),
			mutate("3", "recurrence", "put", rule, `,"data":{"amount":"3","freq":"monthly","start_date":"2026-03-01"}`),
			mutate(
				"4", "expense", "put", predicted,
				`,"data":{"amount":"3","date":"`+occurrence+`","rule_id":"`+rule+`","occurrence":"`+occurrence+`"}`,
			),
			mutate("5", "settings", "patch", "settings", `,"data":{"locale":"de"}`),
			mutate("6", "expense", "put", syncID(6), `,"data":{"amount":"9","category_id":"`+syncID(1)+`"}`),
			mutate("7", "recurrence", "patch", rule, `,"base_mutation":"3","data":{"paused":true}`),
			mutate("8", "budget", "patch", syncID(2), `,"base_mutation":"2","data":{"alert_at":["0.50"]}`),
			mutate("9", "settings", "delete", "settings", ``),
			mutate("10", "alert", "put", syncID(7), `,"data":{"read":true}`),
		)
		for i, result := range results {
			want := "applied"
			if i > 7 {
				want = "rejected validation_error"
			}
			if status(result) != want {
				t.Errorf("mutation %d: %v", i+1, result)
			}
		}
		news, _ := s.pull(cursor, 1000)
		types := map[string]string{}
		for _, change := range news {
			types[change["type"].(string)] = change["id"].(string)
		}
		for _, what := range []string{"expense", "category", "budget", "recurrence", "settings", "alert"} {
			if types[what] == "" {
				t.Errorf("the feed has no %s: %v", what, types)
			}
		}
		unread := mutate("12", "alert", "patch", types["alert"], `,"data":{"read":false}`)
		if got := s.push(unread)[0]; status(got) != "rejected validation_error" {
			t.Errorf("an alert that is marked as unread: %v", got)
		}
		read := mutate("11", "alert", "patch", types["alert"], `,"data":{"read":true}`)
		if got := s.push(read)[0]; status(got) != "applied" || got["resource"].(map[string]any)["read_at"] == nil {
			t.Errorf("an alert that was read: %v", got)
		}
		digest := s.must(200, "GET", "/v1/sync/digest", "").json
		if count := digest["types"].(map[string]any)["expense"].(map[string]any)["count"]; count != float64(2) {
			t.Errorf("the digest counts %v expenses, want 2", count)
		}
	})
}

// A listener reads an event stream.
type listener struct {
	events chan string
	cancel context.CancelFunc
	status int
}

func listen(t *testing.T, url, owner, last string) listener {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/v1/sync/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Owner", owner)
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	resp, err := http.DefaultClient.Do(r) //nolint:bodyclose // the goroutine below closes it.
	if err != nil {
		t.Fatal(err)
	}
	l := listener{events: make(chan string, 100), cancel: cancel, status: resp.StatusCode}
	go func() {
		defer close(l.events)
		defer resp.Body.Close()
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			if id, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				l.events <- id
			}
		}
	}()
	return l
}

func (l listener) next(t *testing.T) string {
	t.Helper()
	select {
	case event, ok := <-l.events:
		if !ok {
			t.Fatal("the stream has ended")
		}
		return event
	case <-time.After(time.Minute):
		t.Fatal("no event has come")
	}
	return ""
}

func TestEventsTellThatAPullWouldBringSomething(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		web := httptest.NewUnstartedServer(s.handler)
		web.Config.WriteTimeout = 300 * time.Millisecond // a stream outlives it
		web.Config.ReadTimeout = 300 * time.Millisecond
		web.Start()
		t.Cleanup(web.Close) // after the streams have ended
		_, cursor := s.pull("", 1000)
		quiet := listen(t, web.URL, "bertha", "")
		l := listen(t, web.URL, "anna", cursor)
		time.Sleep(time.Second)
		s.must(201, "POST", "/v1/expenses", `{"amount":"5"}`)
		event := l.next(t)
		if _, now := s.pull(cursor, 1000); event != now {
			t.Errorf("the event carries %q, a pull ends with %q", event, now)
		}
		behind := listen(t, web.URL, "anna", cursor)
		if got := behind.next(t); got != event {
			t.Errorf("a stream that is behind gets %q at once, want %q", got, event)
		}
		if len(quiet.events) > 0 {
			t.Error("another owner's stream has an event")
		}
		for range 3 {
			if more := listen(t, web.URL, "anna", ""); more.status != 200 {
				t.Fatalf("one of five streams: %d", more.status)
			}
		}
		if sixth := listen(t, web.URL, "anna", ""); sixth.status != 429 {
			t.Errorf("a sixth stream: %d", sixth.status)
		}
		l.cancel()
		behind.cancel()
	})
}

func TestAStreamEndsWithItsSession(t *testing.T) {
	st := memstore.New()
	var over bool
	s := serve(t, st, func(cfg *httpapi.Config) {
		cfg.Authenticator = auth.AuthenticatorFunc(func(r *http.Request) (auth.Identity, error) {
			if over {
				return auth.Identity{}, auth.ErrUnauthenticated
			}
			return byHeader(r)
		})
	})
	s.must(200, "GET", "/v1/settings", "")
	web := httptest.NewServer(s.handler)
	t.Cleanup(web.Close) // after the stream has ended
	l := listen(t, web.URL, "anna", "")
	time.Sleep(100 * time.Millisecond)
	over = true
	if err := st.StartEpoch(t.Context(), "anna"); err != nil {
		t.Fatal(err)
	}
	select {
	case event, ok := <-l.events:
		if ok {
			t.Errorf("a stream whose session is over has the event %q", event)
		}
	case <-time.After(time.Minute):
		t.Error("a stream has not ended with its session")
	}
}

func TestStreamsThatEndLeaveNothingBehind(t *testing.T) {
	stopping := make(chan struct{})
	s := serve(t, memstore.New(), func(cfg *httpapi.Config) { cfg.Done = stopping })
	s.must(200, "GET", "/v1/settings", "")
	web := httptest.NewServer(s.handler)
	t.Cleanup(web.Close)
	before := runtime.NumGoroutine()
	for range 4 {
		var open []listener
		for len(open) < 5 {
			l := listen(t, web.URL, "anna", "")
			if l.status == 200 {
				open = append(open, l)
				continue
			}
			time.Sleep(10 * time.Millisecond) // the server has not yet seen that those of the last round have gone
		}
		for _, l := range open {
			l.cancel()
		}
	}
	http.DefaultClient.CloseIdleConnections()
	deadline := time.Now().Add(time.Minute)
	for runtime.NumGoroutine() > before+2 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if now := runtime.NumGoroutine(); now > before+2 {
		t.Errorf("%d goroutines before 20 streams, %d after them", before, now)
	}
	last := listen(t, web.URL, "anna", "")
	close(stopping)
	select {
	case event, ok := <-last.events:
		if ok {
			t.Errorf("a server that stops tells of %q", event)
		}
	case <-time.After(time.Minute):
		t.Error("a stream outlives its server")
	}
}
