package httpapi_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/jobs"
)

// dates returns the text of one member of each entry, such as its date.
func dates(entries []map[string]any, name string) (texts []string) {
	for _, entry := range entries {
		text, _ := entry[name].(string)
		texts = append(texts, text)
	}
	return texts
}

func equalList(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %q, want %q", what, got, want)
		return
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%s: %q, want %q", what, got, want)
			return
		}
	}
}

// tick posts the occurrences that are due at noon.
func tick(t testing.TB, st store.Store) {
	t.Helper()
	if _, err := jobs.PostDue(t.Context(), st, expense.Env{Now: noon, Rates: fridayRates{}}); err != nil {
		t.Fatal(err)
	}
}

func TestRecurrence_AddPostChange(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		body := `{"id":"` + firstID + `","amount":"800","currency":"USD","category":"Housing","notes":"Rent",` +
			`"freq":"monthly","month_day":31,` +
			`"start_date":"2026-01-01"}`
		added := s.must(201, "POST", "/v1/recurrences", body)
		path := "/v1/recurrences/" + firstID
		equal(t, "Location", added.Header().Get("Location"), path)
		equal(t, "ETag", added.Header().Get("ETag"), `"2"`)
		for name, want := range map[string]any{
			"amount": "800.00", "currency": "USD", "interval": 1.0, "month_day": 31.0, "on_missing": "clamp",
			"next_date":  "2026-01-31",
			"until_date": nil, "count": nil, "paused": false, "last_error": nil, "retry_at": nil,
			"category_id": categoryID(s, "Housing"),
			"rrule":       "RSCALE=GREGORIAN;FREQ=MONTHLY;BYMONTHDAY=31;SKIP=BACKWARD",
		} {
			equal(t, name, added.json[name], want)
		}
		s.must(200, "POST", "/v1/recurrences", body)
		s.refused(409, "already_exists", nil, "POST", "/v1/recurrences",
			`{"id":"`+firstID+`","amount":"1","freq":"daily","start_date":"2026-01-01"}`)
		equal(t, "the lag", s.must(200, "GET", "/readyz", "").json["recurring"].(map[string]any)["lag_seconds"],
			any(36.5*24*3600))

		tick(t, st)
		posted := s.must(200, "GET", "/v1/expenses?sort=date&rule_id="+firstID, "").list()
		equalList(t, "posted", dates(posted, "occurrence"), "2026-01-31", "2026-02-28")
		equal(t, "rule_id", posted[0]["rule_id"], any(firstID))
		equal(t, "expenses of an unknown rule",
			len(s.must(200, "GET", "/v1/expenses?rule_id="+posted[0]["id"].(string), "").list()), 0)
		equal(t, "the lag", s.must(200, "GET", "/readyz", "").json["recurring"].(map[string]any)["lag_seconds"], any(0.0))

		preview := s.must(200, "GET", path+"/preview?count=3", "").list()
		equalList(t, "the preview", dates(preview, "date"), "2026-03-31", "2026-04-30", "2026-05-31")
		equal(t, "amount in the preview", preview[0]["amount"], any("800.00"))
		skipped := s.must(200, "POST", path+"/skip", `{"date":"2026-04-30"}`)
		equal(t, "skipped", skipped.json["skipped_dates"].([]any)[0], any("2026-04-30"))
		s.refused(422, "validation_error", []string{"#/date already_posted"}, "POST", path+"/skip", `{"date":"2026-02-28"}`)
		s.refused(422, "validation_error", []string{"#/date no_occurrence"}, "POST", path+"/skip", `{"date":"2026-04-01"}`)
		s.refused(422, "validation_error", []string{"#/date required"}, "POST", path+"/skip", `{}`)
		s.refused(412, "version_mismatch", nil, "POST", path+"/skip", `{"date":"2026-05-31"}`, "If-Match", `"2"`)

		changed := s.must(200, "PATCH", path, `{"month_day":null,"notes":null,"category_id":null,"count":9}`)
		equal(t, "month_day", changed.json["month_day"], nil)
		equal(t, "next_date", changed.json["next_date"], any("2026-04-01"))
		equal(t, "category_id", changed.json["category_id"], any(categoryID(s, "Other")))
		s.refused(412, "version_mismatch", nil, "PATCH", path, `{"notes":"x"}`, "If-Match", `"2"`)
		paused := s.must(200, "PATCH", path, `{"paused":true,"count":null,"until_date":"2026-12-31","weekdays":null}`)
		equal(t, "paused", paused.json["paused"], any(true))
		equal(t, "until_date", paused.json["until_date"], any("2026-12-31"))
		s.must(304, "GET", path, "", "If-None-Match", paused.Header().Get("ETag"))
		s.must(200, "PATCH", path, `{"paused":false,"until_date":null,"month_day":"last"}`)

		fresh := s.must(201, "PATCH", path, `{"from_date":"2026-07-01","amount":"900"}`, "Idempotency-Key", "split")
		equal(t, "Location", fresh.Header().Get("Location"), "/v1/recurrences/"+fresh.id())
		equal(t, "next_date", fresh.json["next_date"], any("2026-07-31"))
		equal(t, "until_date of the old rule", s.must(200, "GET", path, "").json["until_date"], any("2026-06-30"))
		again := s.must(201, "PATCH", path, `{"from_date":"2026-07-01","amount":"900"}`, "Idempotency-Key", "split")
		equal(t, "the replayed response", again.Body.String(), fresh.Body.String())
		s.refused(422, "validation_error", []string{"#/from_date out_of_range"}, "PATCH", path, `{"from_date":"2026-01-31"}`)
		s.refused(422, "validation_error", []string{"#/freq not_null", "#/from_date not_null"}, "PATCH", path,
			`{"from_date":null,"freq":null}`)

		equal(t, "number of rules", len(s.must(200, "GET", "/v1/recurrences", "").list()), 2)
		first := s.must(200, "GET", "/v1/recurrences?limit=1", "")
		second := s.must(200, "GET", "/v1/recurrences?limit=1&cursor="+first.json["next_cursor"].(string), "")
		equal(t, "the second page differs", second.list()[0]["id"] != first.list()[0]["id"], true)
		equal(t, "next_cursor of the last page", second.json["next_cursor"], nil)

		s.must(204, "DELETE", path, "")
		s.must(204, "DELETE", path, "")
		s.refused(404, "not_found", nil, "GET", path, "")
		s.refused(409, "gone", nil, "POST", "/v1/recurrences", body)
		equal(t, "expenses of the deleted rule", len(s.must(200, "GET", "/v1/expenses?rule_id="+firstID, "").list()), 2)
	})
}

func TestRecurrence_OfAnotherOwnerIsNotFound(t *testing.T) {
	s := serve(t, engines()[0].open(t))
	path := "/v1/recurrences/" + s.must(201, "POST", "/v1/recurrences", `{"amount":"1","freq":"daily",`+
		`"start_date":"2026-04-01"}`).id()
	other := s.as("berta")
	equal(t, "rules of a new ledger", len(other.must(200, "GET", "/v1/recurrences", "").list()), 0)
	other.refused(404, "not_found", nil, "GET", path, "")
	other.refused(404, "not_found", nil, "GET", path+"/preview", "")
	other.refused(404, "not_found", nil, "PATCH", path, `{"notes":"x"}`)
	other.refused(404, "not_found", nil, "POST", path+"/skip", `{"date":"2026-04-01"}`)
	other.refused(404, "not_found", nil, "DELETE", path, "")
	s.must(200, "GET", path, "")
}

func TestRecurrence_RejectsInvalidMembers(t *testing.T) {
	s := serve(t, engines()[0].open(t))
	for _, test := range []struct {
		name, members string
		fieldErrors   []string
	}{
		{"a month day of 0", `"freq":"monthly","month_day":0`, []string{"#/month_day out_of_range"}},
		{"a month day of 32", `"freq":"monthly","month_day":32`, []string{"#/month_day out_of_range"}},
		{"a month day in quotes", `"freq":"monthly","month_day":"15"`, []string{"#/month_day out_of_range"}},
		{"a month day of half", `"freq":"monthly","month_day":1.5`, []string{"#/month_day out_of_range"}},
		{"an interval of 0", `"freq":"daily","interval":0`, []string{"#/interval out_of_range"}},
		{"an interval of 10^9", `"freq":"daily","interval":1000000000`, []string{"#/interval out_of_range"}},
		{"until before start", `"freq":"daily","until_date":"2025-12-31"`, []string{"#/until_date out_of_range"}},
		{"until and count", `"freq":"daily","until_date":"2026-12-31","count":3`, []string{"#/count ambiguous"}},
		{"a count of 0", `"freq":"daily","count":0`, []string{"#/count out_of_range"}},
		{"a weekday of a month", `"freq":"monthly","weekdays":["mon"]`, []string{"#/weekdays not_applicable"}},
		{"no frequency", `"notes":""`, []string{"#/freq required"}},
		{"an RRULE outside the subset", `"rrule":"FREQ=HOURLY;BYSETPOS=1"`,
			[]string{"#/rrule unsupported", "#/rrule unsupported"}},
		{"an RRULE beside a frequency", `"freq":"daily","rrule":"FREQ=DAILY"`, []string{"#/rrule ambiguous"}},
		{"an RRULE whose end is before its start", `"rrule":"FREQ=DAILY;UNTIL=20251231"`, []string{"#/rrule out_of_range"}},
		{"all of it", `"currency":"XXZ","category":"Nonsense","freq":"hourly","interval":-1,"weekdays":["xyz"],` +
			`"month_day":40,"on_missing":"guess",` +
			`"until_date":"never","count":-5`, []string{
			"#/currency unknown_currency", "#/category unknown_category", "#/freq unknown_value", "#/weekdays/0 unknown_value",
			"#/month_day out_of_range", "#/on_missing unknown_value", "#/until_date malformed_date", "#/interval out_of_range",
			"#/count out_of_range",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.t = t
			s.refused(422, "validation_error", test.fieldErrors, "POST", "/v1/recurrences",
				`{"amount":"1","start_date":"2026-01-31",`+test.members+`}`)
		})
	}
	s.t = t
	s.refused(422, "validation_error", []string{"#/amount required", "#/start_date required", "#/freq required"}, "POST",
		"/v1/recurrences", `{}`)
	s.refused(422, "validation_error", []string{"#/start_date too_many_due"}, "POST", "/v1/recurrences",
		`{"amount":"1","freq":"daily","start_date":"2010-01-01"}`)
	s.refused(422, "validation_error", []string{"#/time_zone unknown_zone"}, "PATCH", "/v1/settings",
		`{"time_zone":"Europe/Atlantis"}`)
	for value, want := range map[string]string{`0`: `month 0 is`, `"15"`: `month \"15\" is`, `1.5`: `month 1.5 is`,
		`""`: `month \"\" is`} {
		body := `{"amount":"1","freq":"monthly","start_date":"2026-04-01","month_day":` + value + `}`
		response := s.refused(422, "validation_error", []string{"#/month_day out_of_range"}, "POST", "/v1/recurrences", body)
		if !strings.Contains(response.Body.String(), want) {
			t.Errorf("month_day %s: got %s, want a text with %s", value, response.Body, want)
		}
	}
	path := "/v1/recurrences/" + s.must(201, "POST", "/v1/recurrences", `{"amount":"1","rrule":"FREQ=DAILY",`+
		`"start_date":"2026-04-01"}`).id()
	for _, count := range []string{"0", "101", "many"} {
		s.refused(422, "validation_error", []string{"count out_of_range"}, "GET", path+"/preview?count="+count, "")
	}
	s.refused(400, "malformed", []string{"#/unheard unknown_member"}, "PATCH", path, `{"unheard":1}`)
}

func TestRecurrence_ShowsLastError(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		rule := s.must(201, "POST", "/v1/recurrences",
			`{"amount":"1","freq":"daily","start_date":"2026-03-07","category":"Travel"}`)
		s.must(200, "PATCH", "/v1/categories/"+categoryID(s, "Travel"), `{"archived":true}`)
		tick(t, st)
		failed := s.must(200, "GET", "/v1/recurrences/"+rule.id(), "")
		equal(t, "last_error", failed.json["last_error"], any(`category "Travel" is archived; give an active one`))
		equal(t, "retry_at", failed.json["retry_at"], any("2026-03-08T12:01:00Z"))
		equal(t, "next_date", failed.json["next_date"], any("2026-03-07"))
		repaired := s.must(200, "PATCH", "/v1/recurrences/"+rule.id(), `{"category":"Food"}`)
		equal(t, "last_error", repaired.json["last_error"], nil)
		tick(t, st)
		equalList(t, "posted", dates(s.must(200, "GET", "/v1/expenses?sort=date", "").list(), "date"), "2026-03-07",
			"2026-03-08")
	})
}

// TestRecurrence_SkipsOccurrenceThatDeviceAdded tests that a rule does not post an occurrence that a device has already
// added.
func TestRecurrence_SkipsOccurrenceThatDeviceAdded(t *testing.T) {
	st := engines()[0].open(t)
	s := serve(t, st)
	rule := s.must(201, "POST", "/v1/recurrences", `{"amount":"1","freq":"daily","start_date":"2026-03-08"}`).id()
	id, err := expense.ParseID(rule)
	if err != nil {
		t.Fatal(err)
	}
	predicted := expense.OccurrenceID(id, expense.MustDate("2026-03-08")).String()
	body := `{"id":"` + predicted + `","amount":"1.00","date":"2026-03-08","rule_id":"` + rule +
		`","occurrence":"2026-03-08"}`
	s.refused(422, "validation_error", []string{"#/id wrong_id"}, "POST", "/v1/expenses",
		`{"id":"`+firstID+`","amount":"1","rule_id":"`+rule+`","occurrence":"2026-03-08"}`)
	s.must(201, "POST", "/v1/expenses", body)
	tick(t, st)
	s.must(200, "POST", "/v1/expenses", body)
	equal(t, "number of expenses", len(s.must(200, "GET", "/v1/expenses", "").list()), 1)
	equal(t, "next_date", s.must(200, "GET", "/v1/recurrences/"+rule, "").json["next_date"], any("2026-03-09"))

	// next_date and the preview skip an occurrence that a device has added in advance, even if it has been deleted since.
	path := "/v1/recurrences/" + rule
	etag := s.must(200, "GET", path, "").Header().Get("ETag")
	s.must(304, "GET", path, "", "If-None-Match", etag)
	for _, day := range []string{"2026-03-09", "2026-03-10"} {
		expenseID := expense.OccurrenceID(id, expense.MustDate(day)).String()
		s.must(201, "POST", "/v1/expenses",
			`{"id":"`+expenseID+`","amount":"1.00","date":"`+day+`","rule_id":"`+rule+`","occurrence":"`+day+`"}`)
	}
	s.must(204, "DELETE", "/v1/expenses/"+expense.OccurrenceID(id, expense.MustDate("2026-03-10")).String(), "")
	equal(t, "next_date", s.must(200, "GET", path, "", "If-None-Match", etag).json["next_date"], any("2026-03-11"))
	equal(t, "the preview", s.must(200, "GET", path+"/preview?count=1", "").list()[0]["date"], any("2026-03-11"))
	equal(t, "next_date in the list", s.must(200, "GET", "/v1/recurrences", "").list()[0]["next_date"], any("2026-03-11"))
	equal(t, "next_date after an edit", s.must(200, "PATCH", path, `{"notes":"x"}`).json["next_date"], any("2026-03-11"))
	equal(t, "next_date after a skip", s.must(200, "POST", path+"/skip", `{"date":"2026-03-11"}`).json["next_date"],
		any("2026-03-12"))
	equal(t, "next_date of a rule that ends", s.must(200, "PATCH", path, `{"until_date":"2026-03-10"}`).json["next_date"],
		nil)
}

// A batchCheckStore fails the test if one Update writes more than recurrence.MaxBatch expenses.
type batchCheckStore struct {
	store.Store
	t *testing.T
}

// A countingTx counts the expenses that are written through it.
type countingTx struct {
	store.Tx
	expenses *int
}

func (tx countingTx) PutExpenses(ctx context.Context, expenses ...expense.Expense) (expense.Version, error) {
	*tx.expenses += len(expenses)
	return tx.Tx.PutExpenses(ctx, expenses...)
}

func (b batchCheckStore) Update(ctx context.Context, owner expense.OwnerID, fn func(store.Tx) error) error {
	return b.Store.Update(ctx, owner, func(tx store.Tx) error {
		written := 0
		err := fn(countingTx{tx, &written})
		if err == nil && written > recurrence.MaxBatch {
			b.t.Errorf("one Update wrote %d expenses, want at most %d", written, recurrence.MaxBatch)
		}
		return err
	})
}

// TestRecurrence_ChangePostsBacklogInBatches tests that an edit of a rule first posts the due
// occurrences with the old values, at most a batch in each Update. The If-Match of the edit still matches, although the
// posting has changed the rule.
func TestRecurrence_ChangePostsBacklogInBatches(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, batchCheckStore{st, t})
		const daily = `"amount":"1","freq":"daily","start_date":"2022-03-09"` // 1,461 occurrences are due at noon
		rule := func() (path, etag string) {
			added := s.must(201, "POST", "/v1/recurrences", `{`+daily+`}`)
			return "/v1/recurrences/" + added.id(), added.Header().Get("ETag")
		}
		count := func(id string) int {
			total := 0
			query := expense.Query{Filter: expense.Filter{RuleID: uuid.MustParse(id[len(id)-36:])}}
			for e, err := range st.Reader(expense.OwnerID(s.owner)).Expenses(t.Context(), query) {
				if err != nil || e.Amount.Amount() != "1.00" {
					t.Fatalf("got expense %+v and error %v, want an amount of 1.00", e, err)
				}
				total++
			}
			return total
		}
		path, etag := rule()
		s.refused(422, "validation_error", []string{"#/amount zero"}, "PATCH", path, `{"amount":"0"}`, "If-Match", etag)
		equal(t, "expenses posted by a rejected edit", count(path), 0)
		changed := s.must(200, "PATCH", path, `{"amount":"2"}`, "If-Match", etag, "Idempotency-Key", "patch")
		equal(t, "expenses posted before the edit", count(path), 1461)
		equal(t, "next_date", changed.json["next_date"], any("2026-03-09"))
		s.must(200, "PATCH", path, `{"amount":"2"}`, "If-Match", etag, "Idempotency-Key", "patch")
		s.refused(412, "version_mismatch", nil, "PATCH", path, `{"amount":"3"}`, "If-Match", etag)

		path, etag = rule()
		s.must(204, "DELETE", path, "", "If-Match", etag)
		equal(t, "expenses posted before the deletion", count(path), 1461)

		path, _ = rule()
		s.must(201, "PATCH", path, `{"from_date":"2026-06-01","paused":true}`)
		equal(t, "expenses posted before the split", count(path), 1461)

		// One push changes an existing rule, adds two rules and then changes or deletes these.
		path, _ = rule()
		patched, fresh, second := path[len(path)-36:], uuid.NewString(), uuid.NewString()
		body := `{"mutations":[
			{"mutation_id":"a","type":"recurrence","op":"patch","id":"` + patched + `","data":{"amount":"2"}},
			{"mutation_id":"b","type":"recurrence","op":"put","id":"` + fresh + `","data":{` + daily + `}},
			{"mutation_id":"c","type":"recurrence","op":"patch","id":"` + fresh + `","data":{"amount":"2"}},
			{"mutation_id":"d","type":"recurrence","op":"put","id":"` + second + `",
				"data":{"amount":"1","freq":"daily","start_date":"2025-01-01","count":400}},
			{"mutation_id":"e","type":"recurrence","op":"delete","id":"` + second + `"},
			{"mutation_id":"f","type":"expense","op":"put","id":"` + uuid.NewString() + `","data":{"amount":"5"}}]}`
		response := s.must(200, "POST", "/v1/sync", body, "Idempotency-Key", "push")
		for i, result := range response.json["results"].([]any) {
			equal(t, "the status of mutation "+string(rune('a'+i)), result.(map[string]any)["status"], any("applied"))
		}
		for id, want := range map[string]int{patched: 1461, fresh: 1461, second: 400} {
			equal(t, "expenses posted before the push", count(id), want)
		}
		equal(t, "the replayed response", s.must(200, "POST", "/v1/sync", body, "Idempotency-Key", "push").Body.String(),
			response.Body.String())
	})
}

func TestNewTicker_RequiresStoreAndInterval(t *testing.T) {
	if _, err := httpapi.NewTicker(nil, httpapi.TickerConfig{Interval: time.Minute}); err == nil {
		t.Error("NewTicker accepts a nil store")
	}
	if _, err := httpapi.NewTicker(engines()[0].open(t), httpapi.TickerConfig{}); err == nil {
		t.Error("NewTicker accepts an interval of 0")
	}
}
