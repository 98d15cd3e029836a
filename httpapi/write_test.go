package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/spendwise/spendwise/store"
)

func TestIdempotencyKey_RequestIsDoneOnce(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		first := s.must(201, "POST", "/v1/expenses", `{"amount":"5.00", "notes":"tea"}`, "Idempotency-Key", "k:1")
		equal(t, "Idempotency-Replayed", first.Header().Get("Idempotency-Replayed"), "")

		again := s.must(201, "POST", "/v1/expenses", ` {"notes":"t\u0065a","amount":"5.00"}`, "Idempotency-Key", `"k:1"`)
		equal(t, "Idempotency-Replayed", again.Header().Get("Idempotency-Replayed"), "true")
		for _, name := range []string{"ETag", "Location", "Content-Type"} {
			equal(t, name, again.Header().Get(name), first.Header().Get(name))
		}
		equal(t, "the replayed response", again.Body.String(), first.Body.String())
		equal(t, "expenses", len(s.must(200, "GET", "/v1/expenses", "").list()), 1)

		for name, body := range map[string]string{"another amount": `{"amount":"5.01","notes":"tea"}`,
			"a faulty body": `{"amount":"x"}`} {
			t.Run(name, func(t *testing.T) {
				s.refused(422, "idempotency_key_reused", []string{"Idempotency-Key idempotency_key_reused"},
					"POST", "/v1/expenses", body, "Idempotency-Key", "k:1")
			})
		}
		// The scope of a key is the owner, the method and the route.
		s.must(201, "POST", "/v1/categories", `{"name":"Cats"}`, "Idempotency-Key", "k:1")
		s.as("boris").must(201, "POST", "/v1/expenses", `{"amount":"6"}`, "Idempotency-Key", "k:1")

		// The key of a rejected request can be used again.
		s.must(422, "POST", "/v1/expenses", `{"amount":"x"}`, "Idempotency-Key", "k:2")
		s.must(201, "POST", "/v1/expenses", `{"amount":"7"}`, "Idempotency-Key", "k:2")
	})
}

func TestIdempotencyKey_ReplayPrecedesPreconditions(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		path := s.must(201, "POST", "/v1/expenses", `{"amount":"5"}`).Header().Get("Location")
		s.must(200, "PATCH", path, `{"amount":"6"}`, "If-Match", `"2"`, "Idempotency-Key", "k")
		again := s.must(200, "PATCH", path, `{"amount":"6"}`, "If-Match", `"2"`, "Idempotency-Key", "k")
		equal(t, "ETag", again.Header().Get("ETag"), `"3"`)
		s.must(204, "DELETE", path, "", "If-Match", `"3"`, "Idempotency-Key", "k")
		gone := s.must(204, "DELETE", path, "", "If-Match", `"3"`, "Idempotency-Key", "k")
		equal(t, "Idempotency-Replayed", gone.Header().Get("Idempotency-Replayed"), "true")
		s.must(200, "PATCH", path, `{"amount":"6"}`, "If-Match", `"2"`, "Idempotency-Key", "k")
	})
}

func TestIdempotencyKey_RejectsInvalidKeys(t *testing.T) {
	s := serve(t, engines()[0].open(t))
	for name, header := range map[string][]string{
		"empty":         {"Idempotency-Key", ""},
		"empty, quoted": {"Idempotency-Key", `""`},
		"with a blank":  {"Idempotency-Key", "a b"},
		"half quoted":   {"Idempotency-Key", `"a`},
		"beyond ASCII":  {"Idempotency-Key", "ключ"},
		"too long":      {"Idempotency-Key", strings.Repeat("k", 256)},
		"on two lines":  {"Idempotency-Key", "a", "Idempotency-Key", "a"},
	} {
		t.Run(name, func(t *testing.T) {
			s.refused(400, "malformed", []string{"Idempotency-Key malformed_key"}, "POST", "/v1/expenses", `{"amount":"1"}`,
				header...)
		})
	}
	s.must(201, "POST", "/v1/expenses", `{"amount":"1"}`, "Idempotency-Key", strings.Repeat("k", 255))
}

func TestIdempotencyKey_ConcurrentRequestsAddOneExpense(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		const requests = 50
		bodies := make([]string, requests)
		var wg sync.WaitGroup
		for i := range requests {
			wg.Go(func() {
				got := s.do("POST", "/v1/expenses", `{"amount":"5.00","currency":"USD"}`, "Idempotency-Key", "once")
				bodies[i] = fmt.Sprint(got.Code, got.Header().Get("ETag"), got.Header().Get("Location"), got.Body)
			})
		}
		wg.Wait()
		for i, body := range bodies {
			equal(t, fmt.Sprintf("response %d", i), body, bodies[0])
		}
		equal(t, "expenses", len(s.must(200, "GET", "/v1/expenses", "").list()), 1)
	})
}

func TestPrecondition_RejectsMalformedFields(t *testing.T) {
	s := serve(t, engines()[0].open(t))
	path := s.must(201, "POST", "/v1/expenses", `{"amount":"1"}`).Header().Get("Location")
	for _, value := range []string{"2", `"2`, `2"`, `"2" "3"`, `"2",`, `,`, ``, `* , "2"`, `"a b"`, `w/"2"`} {
		t.Run(value, func(t *testing.T) {
			s.refused(400, "malformed", []string{"If-Match malformed_tag"}, "DELETE", path, "", "If-Match", value)
			s.refused(400, "malformed", []string{"If-None-Match malformed_tag"}, "GET", path, "", "If-None-Match", value)
		})
	}
	s.refused(400, "malformed", []string{"If-None-Match not_a_star"}, "PUT", path, `{"amount":"1"}`, "If-None-Match",
		`"2"`)
	s.refused(412, "version_mismatch", nil, "DELETE", path, "", "If-Match", `"02", "two", W/"2"`)
	s.must(204, "DELETE", path, "", "If-Match", `"1"`, "If-Match", `"2"`)
}

func TestOwner_RowsOfOthersAreNotFound(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		added := s.must(201, "POST", "/v1/expenses", `{"amount":"1"}`)
		path, other := "/v1/expenses/"+added.id(), s.as("boris")
		other.refused(404, "not_found", nil, "GET", path, "")
		other.refused(404, "not_found", nil, "PATCH", path, `{"amount":"2"}`)
		other.refused(404, "not_found", nil, "DELETE", path, "")
		other.refused(422, "validation_error", []string{"#/category_id unknown_category"},
			"POST", "/v1/expenses", `{"amount":"1","category_id":"`+added.json["category_id"].(string)+`"}`)
		equal(t, "the expense afterwards", s.must(200, "GET", path, "").Body.String(), added.Body.String())
	})
}

func TestOwner_FirstRequestCreatesLedger(t *testing.T) {
	for _, first := range []string{
		"GET /v1/settings", "GET /v1/categories", "GET /v1/budgets/progress", "GET /v1/reports/monthly", "GET /v1/budgets",
		"GET /v1/exports/expenses.csv", "GET /v1/expenses",
	} {
		t.Run(first, func(t *testing.T) {
			s := serve(t, engines()[0].open(t))
			method, path, _ := strings.Cut(first, " ")
			s.must(200, method, path, "")
			settings := s.must(200, "GET", "/v1/settings", "")
			equal(t, "home_currency", settings.json["home_currency"], "EUR")
			equal(t, "version", settings.json["version"], 1.0)
			equal(t, "categories", len(s.must(200, "GET", "/v1/categories", "").list()), 10)
		})
	}
}

func TestRouter_HeadWhereGet(t *testing.T) {
	s := serve(t, engines()[0].open(t))
	equal(t, "status", s.do(http.MethodHead, "/v1/settings", "").Code, 200)
}
