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

// syncID returns the UUID for the number n.
func syncID(n int) string { return fmt.Sprintf("0190a6f0-5c2b-7d6e-9a3f-%012d", n) }

// pull reads the change feed after cursor to its end, limit changes at a time. If cursor is empty, it reads the whole
// feed. It returns the changes and the last cursor.
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

// push sends mutations in one request and returns their results.
func (s server) push(mutations ...string) []map[string]any {
	s.t.Helper()
	got := s.must(200, "POST", "/v1/sync", `{"mutations":[`+strings.Join(mutations, ",")+`]}`)
	var results []map[string]any
	for _, r := range got.json["results"].([]any) {
		results = append(results, r.(map[string]any))
	}
	return results
}

// mutate returns a mutation as JSON. extra contains further members, each after a comma.
func mutate(id, kind, op, row, extra string) string {
	return fmt.Sprintf(`{"mutation_id":%q,"type":%q,"op":%q,"id":%q%s}`, id, kind, op, row, extra)
}

// status returns the status of a result, followed by the code of its problem if it has one.
func status(result map[string]any) string {
	if problem, ok := result["problem"].(map[string]any); ok {
		return fmt.Sprintf("%s %s", result["status"], problem["code"])
	}
	return fmt.Sprint(result["status"])
}

func version(result map[string]any) int { return int(result["version"].(float64)) }

// negativeCursor replaces the version in a cursor of owner by a negative one. The checksum is valid: it depends on no
// secret, so every owner can compute it.
func negativeCursor(t *testing.T, owner, cursor string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		t.Fatal(err)
	}
	position := raw[8:]
	position[8] |= 0x80
	sum := sha256.Sum256(append([]byte("sync "+owner+"\x00"), position...))
	return base64.RawURLEncoding.EncodeToString(append(sum[:8], position...))
}

func TestPull_RejectsUnusableCursors(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		s.must(201, "POST", "/v1/expenses", `{"id":"`+syncID(1)+`","amount":"5"}`)
		_, old := s.pull("", 1000)
		_, other := s.as("bertha").pull("", 1000)
		s.must(204, "DELETE", "/v1/expenses/"+syncID(1), "")
		for name, cursor := range map[string]string{
			"a cursor of another ledger": other, "a truncated cursor": old[:len(old)-3],
			"a wrong checksum": "AAAAAAAA" + old[8:], "another text": "hello", "an empty cursor": "",
			"a negative version": negativeCursor(t, "anna", old),
		} {
			if got := s.do("GET", "/v1/sync?cursor="+cursor, ""); got.Code != 400 || got.json["code"] != "cursor_invalid" {
				t.Errorf("a pull with %s: %d %v, want 400 cursor_invalid", name, got.Code, got.json["code"])
			}
			body := `{"cursor":"` + cursor + `","mutations":[]}`
			if got := s.do("POST", "/v1/sync", body); cursor != "" && (got.Code != 400 || got.json["code"] != "cursor_invalid") {
				t.Errorf("a push with %s: %d %v, want 400 cursor_invalid", name, got.Code, got.json["code"])
			}
		}
		expectExpired := func(why, cursor string) {
			t.Helper()
			if got := s.do("GET", "/v1/sync?cursor="+cursor, ""); got.Code != 410 || got.json["code"] != "cursor_expired" {
				t.Errorf("a pull with a cursor %s: %d %v, want 410 cursor_expired", why, got.Code, got.json["code"])
			}
			put := mutate("after"+why[:2], "expense", "put", syncID(9), `,"data":{"amount":"1"}`)
			body := `{"cursor":"` + cursor + `","mutations":[` + put + `]}`
			if got := s.do("POST", "/v1/sync", body); got.Code != 410 {
				t.Errorf("a push with a cursor %s: %d, want 410", why, got.Code)
			}
			s.must(404, "GET", "/v1/expenses/"+syncID(9), "")
		}
		if err := st.Purge(t.Context(), noon, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		expectExpired("older than the tombstones", old)
		_, now := s.pull("", 1000)
		if err := st.StartEpoch(t.Context(), "anna"); err != nil {
			t.Fatal(err)
		}
		expectExpired("of another epoch", now)
		_, fresh := s.pull("", 1000)
		s.must(200, "GET", "/v1/sync?cursor="+fresh, "")
	})
}

func TestPush_IsOneUpdateOfIndependentMutations(t *testing.T) {
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
			t.Errorf("two edits of one row in a push: the amount is %v, want 6.00", got.json["amount"])
		}
		before, _ := s.pull("", 1000)
		again := s.push(mutations...)
		for i := range again {
			if fmt.Sprint(again[i]) != fmt.Sprint(results[i]) {
				t.Errorf("m%d, sent again: got %v, want %v", i+1, again[i], results[i])
			}
		}
		if after, _ := s.pull("", 1000); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Error("sending the push again changed the ledger")
		}
		other := s.push(mutate("m1", "expense", "put", syncID(8), `,"data":{"amount":"1"}`))
		if status(other[0]) != "rejected idempotency_key_reused" {
			t.Errorf("another mutation with the same mutation_id: %s, want rejected idempotency_key_reused", status(other[0]))
		}
	})
}

// TestSync_ConflictHasCurrentRow: the result of a conflict holds the row as it is now and its version.
func TestSync_ConflictHasCurrentRow(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		s.push(mutate("m1", "expense", "put", syncID(1), `,"data":{"amount":"5.00","notes":"lunch"}`))
		s.push(mutate("m2", "expense", "patch", syncID(1), `,"base_version":2,"data":{"amount":"6.00"}`))
		conflict := s.push(mutate("m3", "expense", "patch", syncID(1), `,"base_version":2,"data":{"amount":"7.00"}`))[0]
		equal(t, "the result of a patch with an old base", status(conflict), "conflict conflict")
		equal(t, "its version", conflict["version"], 3.0)
		equal(t, "the current_version of its problem", conflict["problem"].(map[string]any)["current_version"], 3.0)
		current := s.must(200, "GET", "/v1/expenses/"+syncID(1), "").json
		equal(t, "its resource", fmt.Sprint(conflict["resource"]), fmt.Sprint(current))
	})
}

func TestPush_RejectedAsWhole(t *testing.T) {
	s := serve(t, memstore.New())
	many := make([]string, 101)
	for i := range many {
		many[i] = mutate(fmt.Sprint("m", i), "expense", "put", syncID(i), `,"data":{"amount":"1"}`)
	}
	got := s.do("POST", "/v1/sync", `{"mutations":[`+strings.Join(many, ",")+`]}`)
	if got.Code != 422 || !strings.Contains(got.Body.String(), `"pointer":"#/mutations","code":"too_many"`) {
		t.Errorf("101 mutations: %d %v, want 422 too_many", got.Code, got.Body)
	}
	if got := s.do("POST", "/v1/sync", `{"mutations":[{"type":"expense"}]}`); got.Code != 422 {
		t.Errorf("a mutation without a mutation_id: %d, want 422", got.Code)
	}
	if got := s.do("POST", "/v1/sync", `{}`); got.Code != 422 {
		t.Errorf("no mutations: %d, want 422", got.Code)
	}
	if list := s.must(200, "GET", "/v1/expenses", "").json["data"].([]any); len(list) != 0 {
		t.Errorf("rejected pushes added %v", list)
	}
}

func TestSync_EveryRowTypeBothWays(t *testing.T) {
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
				t.Errorf("mutation %d: %v, want %s", i+1, result, want)
			}
		}
		changes, _ := s.pull(cursor, 1000)
		types := map[string]string{}
		for _, change := range changes {
			types[change["type"].(string)] = change["id"].(string)
		}
		for _, kind := range []string{"expense", "category", "budget", "recurrence", "settings", "alert"} {
			if types[kind] == "" {
				t.Errorf("the feed has no %s: %v", kind, types)
			}
		}
		unread := mutate("12", "alert", "patch", types["alert"], `,"data":{"read":false}`)
		if got := s.push(unread)[0]; status(got) != "rejected validation_error" {
			t.Errorf("marking an alert as unread: %v, want rejected validation_error", got)
		}
		read := mutate("11", "alert", "patch", types["alert"], `,"data":{"read":true}`)
		if got := s.push(read)[0]; status(got) != "applied" || got["resource"].(map[string]any)["read_at"] == nil {
			t.Errorf("marking an alert as read: %v, want applied with read_at", got)
		}
		digest := s.must(200, "GET", "/v1/sync/digest", "").json
		if count := digest["types"].(map[string]any)["expense"].(map[string]any)["count"]; count != float64(2) {
			t.Errorf("the digest counts %v expenses, want 2", count)
		}
	})
}

// A listener is a client of an event stream. It sends the data of each event to events, and closes events at the end of
// the stream.
type listener struct {
	events chan string
	cancel context.CancelFunc
	status int
}

// listen opens an event stream of owner. If last is not empty, it is sent as Last-Event-ID.
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

// next returns the data of the next event. It waits for at most a minute.
func (l listener) next(t *testing.T) string {
	t.Helper()
	select {
	case event, ok := <-l.events:
		if !ok {
			t.Fatal("the stream has ended")
		}
		return event
	case <-time.After(time.Minute):
		t.Fatal("no event arrived within a minute")
	}
	return ""
}

func TestEvents_AnnounceChanges(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		web := httptest.NewServer(s.handler)
		t.Cleanup(web.Close) // after the streams have ended
		_, cursor := s.pull("", 1000)
		otherOwner := listen(t, web.URL, "bertha", "")
		l := listen(t, web.URL, "anna", cursor)
		s.must(201, "POST", "/v1/expenses", `{"amount":"5"}`)
		event := l.next(t)
		if _, now := s.pull(cursor, 1000); event != now {
			t.Errorf("the event has the cursor %q, want that of a pull, %q", event, now)
		}
		behind := listen(t, web.URL, "anna", cursor)
		if got := behind.next(t); got != event {
			t.Errorf("a stream with an old cursor: the first event has %q, want %q", got, event)
		}
		if len(otherOwner.events) > 0 {
			t.Error("the stream of another owner got an event")
		}
		for range 3 {
			if more := listen(t, web.URL, "anna", ""); more.status != 200 {
				t.Fatalf("one of the first five streams: %d, want 200", more.status)
			}
		}
		if sixth := listen(t, web.URL, "anna", ""); sixth.status != 429 {
			t.Errorf("a sixth stream: %d, want 429", sixth.status)
		}
		l.cancel()
		behind.cancel()
	})
}

func TestEvents_EndWithSession(t *testing.T) {
	st := memstore.New()
	var sessionEnded bool
	s := serve(t, st, func(cfg *httpapi.Config) {
		cfg.Authenticator = auth.AuthenticatorFunc(func(r *http.Request) (auth.Identity, error) {
			if sessionEnded {
				return auth.Identity{}, auth.ErrUnauthenticated
			}
			return ownerFromHeader(r)
		})
	})
	s.must(200, "GET", "/v1/settings", "")
	web := httptest.NewServer(s.handler)
	t.Cleanup(web.Close) // after the stream has ended
	l := listen(t, web.URL, "anna", "")
	time.Sleep(100 * time.Millisecond)
	sessionEnded = true
	if err := st.StartEpoch(t.Context(), "anna"); err != nil {
		t.Fatal(err)
	}
	select {
	case event, ok := <-l.events:
		if ok {
			t.Errorf("the stream got the event %q after the end of its session", event)
		}
	case <-time.After(time.Minute):
		t.Error("the stream did not end within a minute of its session")
	}
}

func TestEvents_EndedStreamsReleaseResources(t *testing.T) {
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
			time.Sleep(10 * time.Millisecond) // the server has not yet noticed the end of the previous streams
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
		t.Errorf("%d goroutines before 20 streams, %d after them, want at most 2 more", before, now)
	}
	last := listen(t, web.URL, "anna", "")
	close(stopping)
	select {
	case event, ok := <-last.events:
		if ok {
			t.Errorf("the stream got the event %q when the server stopped", event)
		}
	case <-time.After(time.Minute):
		t.Error("the stream did not end within a minute of its server")
	}
}
