package httpapi_test

import (
	"strings"
	"testing"

	"github.com/spendwise/spendwise/store"
)

func TestBudget_AddReadChangeDelete(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		food := categoryID(s, "Food")
		body := `{"id":"` + firstID + `","category_id":"` + food + `","from_month":"2026-01","amount":"500","currency":"EUR"}`
		added := s.must(201, "POST", "/v1/budgets", body)
		path := "/v1/budgets/" + firstID
		equal(t, "Location", added.Header().Get("Location"), path)
		s.must(200, "POST", "/v1/budgets", body)
		s.refused(409, "already_exists", nil, "POST", "/v1/budgets", `{"category_id":"`+food+`","amount":"1"}`)
		changed := s.must(200, "PATCH", path, `{"amount":"600","from_month":"2026-03","until_month":"2026-12",`+
			`"alert_at":["0.5"]}`, "If-Match", `"2"`)
		golden(t, "budget.json", withoutVariables(changed, food))
		changed = s.must(200, "PATCH", path, `{"until_month":null,"alert_at":null}`)
		equal(t, "until_month", changed.json["until_month"], nil)
		equal(t, "thresholds", len(changed.json["alert_at"].([]any)), 2)
		s.refused(422, "validation_error", []string{"#/currency not_home_currency"}, "PATCH", path,
			`{"amount":"5","currency":"USD"}`)
		s.refused(422, "validation_error",
			[]string{"#/amount required", "#/category_id unknown_category", "#/from_month malformed_month"},
			"POST", "/v1/budgets", `{"category_id":"`+secondID+`","from_month":"May"}`)
		s.refused(422, "validation_error", []string{"#/alert_at/0 wrong_type"}, "POST", "/v1/budgets",
			`{"amount":"1","alert_at":[0.8]}`)
		s.refused(400, "malformed", []string{"#/rollover_of unknown_member"}, "POST", "/v1/budgets",
			`{"amount":"1","rollover_of":1}`)
		s.refused(412, "version_mismatch", nil, "DELETE", path, "", "If-Match", `"2"`)
		s.must(204, "DELETE", path, "")
		s.must(204, "DELETE", path, "")
		s.refused(404, "not_found", nil, "GET", path, "")
		s.refused(404, "not_found", nil, "DELETE", "/v1/budgets/"+secondID, "")
	})
}

// withoutVariables returns the body of the response with the given ids replaced, because they differ in each ledger.
func withoutVariables(r reply, ids ...string) []byte {
	text := r.Body.String()
	for _, id := range ids {
		text = strings.ReplaceAll(text, id, "an id")
	}
	return []byte(text + "\n")
}

func TestReports_ProgressAndMonth(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		food := s.must(201, "POST", "/v1/budgets", `{"category_id":"`+categoryID(s, "Food")+`","from_month":"2026-01",`+
			`"amount":"500","currency":"EUR"}`)
		whole := s.must(201, "POST", "/v1/budgets", `{"from_month":"2026-01","amount":"100","currency":"EUR"}`)
		for _, body := range []string{
			`{"amount":"320","category":"Food","date":"2026-03-01"}`,
			`{"amount":"10.00","currency":"USD","category":"Travel","date":"2026-03-07"}`,
			`{"amount":"3.250","currency":"KWD","category":"Travel"}`,
			`{"amount":"50","category":"Food","date":"2026-02-10"}`,
			`{"amount":"-5","category":"Health","date":"2026-03-02"}`,
		} {
			s.must(201, "POST", "/v1/expenses", body)
		}
		ids := []string{food.id(), whole.id()}
		for _, name := range []string{"Food", "Travel", "Health"} {
			ids = append(ids, categoryID(s, name))
		}
		progress := s.must(200, "GET", "/v1/budgets/progress", "")
		golden(t, "progress.json", withoutVariables(progress, ids...))
		monthly := s.must(200, "GET", "/v1/reports/monthly?top=0", "")
		golden(t, "monthly.json", withoutVariables(monthly, ids...))
		equal(t, "report of a given month",
			s.must(200, "GET", "/v1/reports/monthly?month=2026-03&top=0", "").Body.String(), monthly.Body.String())
		equal(t, "budgets in a month before the first one",
			len(s.must(200, "GET", "/v1/budgets/progress?month=2025-12", "").list()), 0)

		for _, path := range []string{"/v1/reports/monthly", "/v1/budgets/progress"} {
			s.refused(422, "validation_error", []string{"month malformed_month"}, "GET", path+"?month=March", "")
			s.refused(422, "validation_error", []string{"month impossible_month"}, "GET", path+"?month=2026-13", "")
			s.refused(400, "unknown_parameter", []string{"year unknown_parameter"}, "GET", path+"?year=2026", "")
		}
		s.refused(422, "validation_error", []string{"month out_of_range"}, "GET", "/v1/reports/monthly?month=1899-12", "")
	})
}

func TestRates_ReturnsRateOfConversion(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		got := s.must(200, "GET", "/v1/rates?date=2026-03-08&base=USD&quote=EUR", "")
		for name, want := range map[string]any{
			"base": "USD", "quote": "EUR", "date": "2026-03-08", "rate": "0.8", "rate_date": "2026-03-06", "rate_source": "ecb",
		} {
			equal(t, name, got.json[name], want)
		}
		equal(t, "rate with the default date and quote", s.must(200, "GET", "/v1/rates?base=USD", "").Body.String(),
			got.Body.String())
		equal(t, "rate from EUR to EUR", s.must(200, "GET", "/v1/rates?base=EUR&quote=EUR", "").json["rate"], any("1"))
		s.refused(404, "not_found", nil, "GET", "/v1/rates?base=KWD&quote=EUR", "")
		s.refused(404, "not_found", nil, "GET", "/v1/rates?base=USD&date=2026-03-14", "")
		s.refused(422, "validation_error", []string{"quote unknown_currency", "base required"}, "GET", "/v1/rates?quote=euro",
			"")
	})
}
