package httpapi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/store/memstore"
)

// dependsOn lists the members and parameters without which an error cannot be found. The key is the place and the code
// of the error.
var dependsOn = map[string][]string{
	"#/currency currency_ended":    {"#/date"},
	"#/rate not_identity":          {"#/currency", "#/date"},
	"#/occurrence incomplete":      {"#/occurrence", "#/rule_id", "#/id"},
	"#/rule_id incomplete":         {"#/occurrence", "#/rule_id", "#/id"},
	"#/until_month before_start":   {"#/from_month"},
	"#/until_date out_of_range":    {"#/start_date", "#/rrule"},
	"#/start_date out_of_range":    {"#/rrule"},
	"#/freq required":              {"#/rrule"},
	"#/home_currency no_rate":      {"#/limit_rate"},
	"amount_min currency_required": {"currency"},
	"amount_max currency_required": {"currency"},
	"date_to ends_before_start":    {"date_from", "date_to"},
	"date_to range_too_long":       {"date_from"},
	"month_to ends_before_start":   {"month_from"},
	"month_to range_too_long":      {"month_from"},
	"date_from required":           {"date_from"},
	"date_to required":             {"date_to"},
	"#/base_mutation ambiguous":    {"#/base_version"},
}

// wrongValues are values of members and parameters, as JSON. Each is wrong for some of them.
var wrongValues = []string{
	`7.25`, `"bad-8"`, `"0"`, `"1.23456"`, `"1800-01-01"`, `"1800-01"`, `"9000-01-01"`, `"DEM"`, `-3`, `["2"]`,
	`["mon","x"]`, `"a\u0007"`, `"` + firstID + `"`, `"2020-01-01T00:00:00Z"`, `"FREQ=HOURLY"`, `""`,
}

// TestValidation_EachErrorIsListedBesideAnyOther sends requests with one wrong value, and then with two. The errors of
// the second request are those of the first ones, except errors that depend on another member with an error. Each body
// that could change the ledger also has an unknown member, so that it is rejected.
func TestValidation_EachErrorIsListedBesideAnyOther(t *testing.T) {
	s := serve(new(testing.B), memstore.New()) // without checks of the contract, which take most of the time
	s.t = t
	accounts := serveAccounts(t, auth.Config{})
	session := accounts.must(201, "POST", "/v1/auth/register",
		`{"email":"anna@example.org","password":"nine purple otters knitting"}`)
	bearer := []string{"Authorization", "Bearer " + session.json["access_token"].(string)}
	stored := s.must(201, "POST", "/v1/expenses", `{"amount":"1"}`).id()
	category := s.must(201, "POST", "/v1/categories", `{"name":"Boats"}`).id()
	budget := s.must(201, "POST", "/v1/budgets", `{"amount":"100","category_id":"`+category+`"}`).id()
	rule := s.must(201, "POST", "/v1/recurrences", `{"amount":"1","freq":"daily","start_date":"2026-03-10"}`).id()

	const (
		expenses = "amount currency date category_id category notes rate"
		budgets  = "from_month until_month amount currency rollover rollover_cap alert_at"
		rules    = "amount currency category_id category notes freq interval weekdays month_day on_missing start_date " +
			"until_date count rrule paused"
		settings = "home_currency time_zone locale fiscal_year_start default_category_id limit_rate"
	)
	for _, op := range []struct{ method, target, valid, members string }{
		{"POST", "/v1/expenses", `{"x":1,"amount":"1"}`, "id rule_id occurrence " + expenses},
		{"PATCH", "/v1/expenses/" + stored, `{"x":1}`, expenses},
		{"POST", "/v1/categories", `{"x":1,"name":"N"}`, "id name colour icon archived"},
		{"POST", "/v1/budgets", `{"x":1,"amount":"1"}`, "id category_id category " + budgets},
		{"PATCH", "/v1/budgets/" + budget, `{"x":1}`, budgets},
		{"POST", "/v1/recurrences", `{"x":1,"amount":"1","freq":"monthly","start_date":"2026-04-01"}`, "id " + rules},
		{"PATCH", "/v1/recurrences/" + rule, `{"x":1}`, "from_date " + rules},
		{"PATCH", "/v1/settings", `{"x":1}`, settings},
	} {
		pairs(t, op.method+" "+op.target, op.valid, op.members, func(values map[string]any) reply {
			return s.do(op.method, op.target, string(toJSON(t, values)))
		})
	}
	for _, op := range []struct{ target, valid, members string }{
		{"/v1/auth/register", `{"password":"y"}`, "email home_currency time_zone locale device_name"},
		{"/v1/tokens", `{"name":"n","scopes":["read"]}`, "name scopes expires_at x"},
	} {
		pairs(t, "POST "+op.target, op.valid, op.members, func(values map[string]any) reply {
			return accounts.do("POST", op.target, string(toJSON(t, values)), bearer...)
		})
	}
	pushed := 0
	for _, op := range []struct{ op, kind, id, valid, members string }{
		{"put", "expense", secondID, `{"x":1,"amount":"1"}`, "rule_id occurrence " + expenses},
		{"patch", "expense", stored, `{"x":1}`, expenses},
		{"put", "category", secondID, `{"x":1,"name":"N"}`, "name colour icon archived"},
		{"put", "budget", secondID, `{"x":1,"amount":"1"}`, budgets},
		{"patch", "recurrence", rule, `{"x":1}`, rules},
		{"patch", "settings", "settings", `{"x":1}`, settings},
	} {
		pairs(t, "push: "+op.op+" "+op.kind, op.valid, op.members, func(values map[string]any) reply {
			pushed++
			const push = `{"mutations":[{"mutation_id":"m%d","type":%q,"op":%q,"id":%q,"data":%s}]}`
			return s.do("POST", "/v1/sync", fmt.Sprintf(push, pushed, op.kind, op.op, op.id, toJSON(t, values)))
		})
	}
	const period = `{"date_from":"2026-01-01","date_to":"2026-02-01"}`
	for _, op := range []struct{ target, valid, parameters string }{
		{"/v1/expenses", `{}`, "date_from date_to category_id currency amount_min amount_max q rule_id pending limit sort x"},
		{"/v1/reports/monthly", `{}`, "month top x"},
		{"/v1/reports/yearly", `{}`, "year calendar top x"},
		{"/v1/reports/range", period, "date_from date_to top x"},
		{"/v1/reports/trend.svg", period, "date_from date_to by category_id theme x"},
		{"/v1/rates", `{"base":"USD"}`, "date base quote x"},
		{"/v1/budgets/history", `{}`, "month_from month_to x"},
		{"/v1/exports/report.pdf", period, "date_from date_to x"},
	} {
		pairs(t, "GET "+op.target, op.valid, op.parameters, func(values map[string]any) reply {
			query := url.Values{}
			for name, value := range values {
				query.Set(name, fmt.Sprint(value))
			}
			return s.do("GET", op.target+"?"+query.Encode(), "")
		})
	}
}

// pairs sends a valid request with one wrong value and then with two, and compares the errors.
func pairs(t *testing.T, name, valid, members string, send func(values map[string]any) reply) {
	t.Helper()
	with := func(changes map[string]any) map[string]any {
		var values map[string]any
		if err := json.Unmarshal([]byte(valid), &values); err != nil {
			t.Fatal(err)
		}
		maps.Copy(values, changes)
		return values
	}
	type wrong struct {
		value any
		errs  []string
	}
	found := map[string][]wrong{}
	names := strings.Fields(members)
	for _, member := range names {
		var known []string
		for _, text := range wrongValues {
			var value any
			if err := json.Unmarshal([]byte(text), &value); err != nil {
				t.Fatal(err)
			}
			errs := errorsOf(t, send(with(map[string]any{member: value})))
			if key := fmt.Sprint(errs); len(errs) > 0 && !slices.Contains(known, key) {
				known = append(known, key)
				found[member] = append(found[member], wrong{value, errs})
			}
		}
	}
	for i, first := range names {
		for _, second := range names[i+1:] {
			for _, a := range found[first] {
				for _, b := range found[second] {
					changes := map[string]any{first: a.value, second: b.value}
					got := send(with(changes))
					if got.Code == http.StatusOK && got.json["results"] == nil {
						continue // the two values fit together
					}
					errs := errorsOf(t, got)
					for _, e := range slices.Concat(a.errs, b.errs) {
						if !covers(errs, e) {
							t.Errorf("%s with %v: errors %q, want %q among them", name, changes, errs, e)
						}
					}
				}
			}
		}
	}
}

// covers reports whether errs lists an error at the place of e, or at a place without which e cannot be found.
func covers(errs []string, e string) bool {
	place, _, _ := strings.Cut(e, " ")
	return slices.ContainsFunc(errs, func(other string) bool {
		listed, _, _ := strings.Cut(other, " ")
		return listed == place || strings.HasPrefix(place, listed+"/") || slices.Contains(dependsOn[e], listed)
	})
}

// errorsOf lists the places and the codes of the field errors in a response, or of the mutation that it is about.
func errorsOf(t *testing.T, r reply) []string {
	t.Helper()
	problem := r.json
	if results, ok := r.json["results"].([]any); ok {
		problem, _ = results[0].(map[string]any)["problem"].(map[string]any)
	}
	list, _ := problem["errors"].([]any)
	var errs []string
	for _, entry := range list {
		e := entry.(map[string]any)
		for _, kind := range []string{"pointer", "parameter", "header"} {
			if place, ok := e[kind].(string); ok {
				errs = append(errs, place+" "+e["code"].(string))
			}
		}
	}
	return errs
}
