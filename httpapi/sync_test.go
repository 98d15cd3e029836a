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

func TestAFirstPullBringsEverythingAndLaterOnesWhatIsNew(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		s.must(201, "POST", "/v1/expenses", `{"id":"`+syncID(1)+`","amount":"5"}`)
		s.must(201, "POST", "/v1/expenses", `{"id":"`+syncID(2)+`","amount":"6"}`)
		s.must(204, "DELETE", "/v1/expenses/"+syncID(1), "")
		for _, limit := range []int{1, 4, 1000} {
			changes, cursor := s.pull("", limit)
			if len(changes) != 12 {
				t.Fatalf("a first pull in pages of %d brings %d rows, want 10 categories, the settings and an expense", limit, len(changes))
			}
			for _, change := range changes {
				if change["deleted"] != false || change["data"] == nil {
					t.Errorf("a first pull brings a tombstone: %v", change)
				}
			}
			if news, again := s.pull(cursor, limit); len(news) != 0 || again != cursor {
				t.Errorf("a pull of nothing new brings %v and the cursor %q after %q", news, again, cursor)
			}
		}
		_, cursor := s.pull("", 1000)
		s.must(204, "DELETE", "/v1/expenses/"+syncID(2), "")
		news, _ := s.pull(cursor, 1000)
		if len(news) != 1 || news[0]["id"] != syncID(2) || news[0]["deleted"] != true || news[0]["data"] != nil {
			t.Errorf("after a deletion a pull brings %v", news)
		}
	})
}

func TestADeletionDuringAFirstPullIsTold(t *testing.T) {
	s := serve(t, memstore.New())
	s.must(201, "POST", "/v1/expenses", `{"id":"`+syncID(1)+`","amount":"5"}`)
	got := s.must(200, "GET", "/v1/sync?limit=1", "")
	s.must(204, "DELETE", "/v1/expenses/"+syncID(1), "")
	changes, _ := s.pull(got.json["cursor"].(string), 3)
	last := changes[len(changes)-1]
	if last["id"] != syncID(1) || last["deleted"] != true {
		t.Errorf("the last change is %v, want the tombstone", last)
	}
}

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
			"of another ledger": other, "cut": old[:len(old)-3], "forged": "AAAAAAAA" + old[8:], "no cursor at all": "hello", "empty": "",
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
			"rejected validation_error", "rejected not_found", "unchanged", "rejected validation_error", "rejected validation_error", "applied",
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

// TestConflicts goes through the rules of the contract, each on a row of its own that two devices saw at the same version.
func TestConflicts(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		n := 100
		for _, c := range []struct {
			name, first, op, data, want string
			check                       func(row map[string]any) bool
		}{
			{"notes beside another's amount", `{"amount":"9"}`, "patch", `{"notes":"mine"}`, "merged",
				func(r map[string]any) bool { return r["amount"] == "9.00" && r["notes"] == "mine" }},
			{"an amount beside another's notes", `{"notes":"theirs"}`, "patch", `{"amount":"9"}`, "merged",
				func(r map[string]any) bool { return r["amount"] == "9.00" && r["notes"] == "theirs" }},
			{"an amount against another's amount", `{"amount":"9"}`, "patch", `{"amount":"8"}`, "conflict conflict",
				func(r map[string]any) bool { return r["amount"] == "9.00" }},
			{"an amount against another's currency", `{"currency":"USD"}`, "patch", `{"amount":"8","notes":"lost"}`, "conflict conflict",
				func(r map[string]any) bool {
					return r["amount"] == "5.00" && r["currency"] == "USD" && r["notes"] == ""
				}},
			{"a date against another's amount", `{"amount":"9"}`, "patch", `{"date":"2026-03-01"}`, "conflict conflict",
				func(r map[string]any) bool { return r["date"] == "2026-03-08" }},
			{"an equal put", `{"notes":"theirs"}`, "put", `{"amount":"5","notes":"theirs"}`, "unchanged", nil},
			{"a put of other content", `{"notes":"theirs"}`, "put", `{"amount":"6"}`, "conflict conflict",
				func(r map[string]any) bool { return r["amount"] == "5.00" }},
			{"a deletion", `{"notes":"theirs"}`, "delete", ``, "applied", nil},
		} {
			t.Run(c.name, func(t *testing.T) {
				n++
				s := s
				s.t = t
				id := syncID(n)
				base := int(s.must(201, "POST", "/v1/expenses", `{"id":"`+id+`","amount":"5"}`).json["version"].(float64))
				s.must(200, "PATCH", "/v1/expenses/"+id, c.first)
				more := fmt.Sprintf(`,"base_version":%d`, base)
				if c.data != "" {
					more += `,"data":` + c.data
				}
				got := s.push(mutate("c"+id, "expense", c.op, id, more))[0]
				if status(got) != c.want {
					t.Fatalf("%s, want %s: %v", status(got), c.want, got)
				}
				if c.check == nil {
					return
				}
				stored := s.must(200, "GET", "/v1/expenses/"+id, "").json
				if !c.check(stored) {
					t.Errorf("the row is %v", stored)
				}
				if shown, ok := got["resource"].(map[string]any); !ok || shown["version"] != stored["version"] {
					t.Errorf("the answer shows %v, the row is %v", got["resource"], stored)
				}
			})
		}
		id := syncID(50)
		s.must(201, "POST", "/v1/expenses", `{"id":"`+id+`","amount":"5"}`)
		if got := s.push(mutate("p1", "expense", "put", id, `,"data":{"amount":"5"}`))[0]; status(got) != "unchanged" {
			t.Errorf("a put without a base of what is there: %s", status(got))
		}
		if got := s.push(mutate("p2", "expense", "put", id, `,"data":{"amount":"6"}`))[0]; status(got) != "conflict conflict" {
			t.Errorf("a put without a base of other content: %s", status(got))
		}
		if got := s.push(mutate("p3", "expense", "patch", id, `,"base_mutation":"p2","data":{"amount":"7"}`))[0]; status(got) != "conflict conflict" {
			t.Errorf("a patch upon a put that never went in: %s", status(got))
		}
		if got := s.push(mutate("p4", "expense", "patch", id, `,"data":{"amount":"7"}`))[0]; status(got) != "applied" {
			t.Errorf("a patch without a base: %s", status(got))
		}
		s.must(204, "DELETE", "/v1/expenses/"+id, "")
		for _, op := range []string{"put", "patch"} {
			got := s.push(mutate("gone"+op, "expense", op, id, `,"data":{"amount":"6"}`))[0]
			if status(got) != "conflict gone" {
				t.Errorf("a %s of a deleted row: %s", op, status(got))
			}
		}
	})
}

func TestAnExpenseOutlivesItsCategory(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		taken := s.push(mutate("c1", "category", "put", syncID(1), `,"data":{"name":"  food "}`))[0]
		if status(taken) != "merged" || taken["resource"].(map[string]any)["name"] != "Food" {
			t.Fatalf("a category whose name is taken: %v", taken)
		}
		food := taken["resource"].(map[string]any)["id"].(string)
		_, cursor := s.pull("", 1000)
		s.push(mutate("c2", "category", "put", syncID(2), `,"data":{"name":"Gone"}`), mutate("c3", "category", "delete", syncID(2), ``))
		results := s.push(
			mutate("e1", "expense", "put", syncID(11), `,"data":{"amount":"1","category_id":"`+syncID(1)+`"}`),
			mutate("e2", "expense", "put", syncID(12), `,"data":{"amount":"1","category_id":"`+syncID(2)+`"}`),
			mutate("e3", "expense", "put", syncID(13), `,"data":{"amount":"1","category_id":"`+syncID(3)+`"}`),
		)
		settings := s.must(200, "GET", "/v1/settings", "").json
		if status(results[0]) != "merged" || results[0]["resource"].(map[string]any)["category_id"] != food {
			t.Errorf("a reference to a merged category: %v", results[0])
		}
		if status(results[1]) != "merged" || results[1]["resource"].(map[string]any)["category_id"] != settings["default_category_id"] {
			t.Errorf("a reference to a deleted category: %v", results[1])
		}
		if status(results[2]) != "merged" || results[2]["resource"].(map[string]any)["category_id"] != settings["default_category_id"] {
			t.Errorf("a reference to a category that is not known, or not any more: %v", results[2])
		}
		renamed := s.push(mutate("c4", "category", "patch", food, `,"data":{"name":"travel"}`))[0]
		if status(renamed) != "merged" || renamed["resource"].(map[string]any)["name"] != "Travel" {
			t.Errorf("a category renamed to a taken name: %v", renamed)
		}
		news, _ := s.pull(cursor, 1000)
		told := false
		for _, change := range news {
			told = told || change["id"] == food && change["merged_into"] == renamed["resource"].(map[string]any)["id"]
		}
		if !told {
			t.Errorf("the feed does not say what %s was merged into: %v", food, news)
		}
		if got := s.must(200, "GET", "/v1/expenses/"+syncID(11), "").json; got["category_id"] != renamed["resource"].(map[string]any)["id"] {
			t.Errorf("the expense has the category %v", got["category_id"])
		}
	})
}

func TestEveryTypeOfRowGoesBothWays(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		_, cursor := s.pull("", 1000)
		rule, occurrence := syncID(3), "2026-03-01"
		predicted := expense.OccurrenceID(uuid.MustParse(rule), expense.MustDate(occurrence)).String()
		results := s.push(
			mutate("1", "category", "put", syncID(1), `,"data":{"name":"Fun","colour":"#1e90ff"}`),
			mutate("2", "budget", "put", syncID(2), `,"data":{"category_id":"`+syncID(1)+`","amount":"10","from_month":"2026-03"}`),
			mutate("3", "recurrence", "put", rule, `,"data":{"amount":"3","freq":"monthly","start_date":"2026-03-01"}`),
			mutate("4", "expense", "put", predicted, `,"data":{"amount":"3","date":"`+occurrence+`","rule_id":"`+rule+`","occurrence":"`+occurrence+`"}`),
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

// TestAChangeThatBreaksOffHalfWay holds a push to whole changes: a new home currency that the ledger's total cannot take is
// found out after a part of the rows was converted, and none may stay so.
func TestAChangeThatBreaksOffHalfWay(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		s.must(201, "POST", "/v1/expenses", `{"id":"`+syncID(1)+`","amount":"900000000000","currency":"JPY"}`)
		before := s.must(200, "GET", "/v1/settings", "").json
		results := s.push(
			mutate("1", "expense", "put", syncID(2), `,"data":{"amount":"1"}`),
			mutate("2", "expense", "put", syncID(3), `,"data":{"amount":"9900000000000"}`),
			mutate("3", "settings", "patch", "settings", `,"data":{"home_currency":"USD"}`),
			mutate("4", "expense", "put", syncID(4), `,"data":{"amount":"2"}`),
		)
		if status(results[0]) != "applied" || status(results[3]) != "applied" {
			t.Errorf("the good changes: %v, %v", results[0], results[3])
		}
		after := s.must(200, "GET", "/v1/settings", "").json
		if status(results[2]) == "rejected validation_error" && after["home_currency"] != before["home_currency"] {
			t.Errorf("a refused change of the home currency left %v", after)
		}
		if status(results[2]) != "rejected validation_error" {
			t.Errorf("a change that cannot go in: %v", results[2])
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
