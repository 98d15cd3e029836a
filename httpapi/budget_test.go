package httpapi_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/spendwise/spendwise/store"
)

func TestBudget_RolloverHistoryAndAlerts(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		food := categoryID(s, "Food")
		equal(t, "alerts of a new ledger", len(s.must(200, "GET", "/v1/budgets/alerts", "").list()), 0)
		added := s.must(201, "POST", "/v1/budgets",
			`{"category_id":"`+food+`","from_month":"2026-01","amount":"100","rollover":"both","rollover_cap":"25"}`)
		equal(t, "rollover", added.json["rollover"], "both")
		equal(t, "rollover_cap", added.json["rollover_cap"], "25.00")
		s.must(201, "POST", "/v1/expenses", `{"amount":"40","category":"Food","date":"2026-01-10"}`)
		s.must(201, "POST", "/v1/expenses", `{"amount":"135","category":"Food","date":"2026-02-10"}`)

		history := s.must(200, "GET", "/v1/budgets/history?month_from=2026-01&month_to=2026-03", "").list()
		var got []string
		for _, month := range history {
			m := month
			p := m["data"].([]any)[0].(map[string]any)
			got = append(got,
				fmt.Sprint(m["month"], " ", m["title"], " ", p["carried"], " ", p["remaining"], " ", p["state"], " ", p["text"]))
		}
		equal(t, "history", strings.Join(got, "\n"), "2026-01 January 2026 0.00 60.00 ok Food: €40 / €100 spent\n"+
			"2026-02 February 2026 25.00 -10.00 over Food: €135 / €125 spent\n2026-03 March 2026 -10.00 90.00 ok Food: €0 / "+
			"€90 spent")
		equal(t, "months of the default range", len(s.must(200, "GET", "/v1/budgets/history", "").list()), 12)
		s.refused(422, "validation_error", []string{"month_to ends_before_start"}, "GET",
			"/v1/budgets/history?month_from=2026-02&month_to=2026-01", "")
		s.refused(422, "validation_error", []string{"month_to range_too_long"}, "GET",
			"/v1/budgets/history?month_from=1900-01&month_to=2026-01", "")
		s.refused(422, "validation_error", []string{"month_from impossible_month"}, "GET",
			"/v1/budgets/history?month_from=2026-13", "")
		s.refused(422, "validation_error", []string{"#/rollover unknown_value"}, "POST", "/v1/budgets",
			`{"amount":"1","rollover":"all"}`)
		s.refused(422, "validation_error", []string{"#/rollover_cap not_applicable"}, "POST", "/v1/budgets",
			`{"amount":"1","rollover_cap":"1"}`)

		// February is above both thresholds. March reaches 0.80, drops below it, and then reaches 1.00.
		equal(t, "alerts", alertsOf(s), "2026-02 0.80, 2026-02 1.00")
		first := s.must(201, "POST", "/v1/expenses", `{"amount":"80","category":"Food","date":"2026-03-02"}`)
		equal(t, "alerts", alertsOf(s), "2026-03 0.80, 2026-02 0.80, 2026-02 1.00")
		s.must(204, "DELETE", "/v1/expenses/"+first.id(), "")
		s.must(201, "POST", "/v1/expenses", `{"amount":"90","category":"Food","date":"2026-03-02"}`)
		equal(t, "alerts", alertsOf(s), "2026-03 0.80, 2026-03 1.00, 2026-02 0.80, 2026-02 1.00")

		list := s.must(200, "GET", "/v1/budgets/alerts?limit=3", "")
		alert := list.list()[0]
		equal(t, "read_at", alert["read_at"], nil)
		equal(t, "budget_id", alert["budget_id"], added.id())
		rest := s.must(200, "GET", "/v1/budgets/alerts?limit=3&cursor="+list.json["next_cursor"].(string), "")
		equal(t, "length of the second page", len(rest.list()), 1)
		equal(t, "next_cursor of the last page", rest.json["next_cursor"], nil)
		path := "/v1/budgets/alerts/" + alert["id"].(string) + "/read"
		read := s.must(200, "POST", path, "")
		equal(t, "read_at", read.json["read_at"], "2026-03-08T12:00:00Z")
		again := s.must(200, "POST", path, "")
		equal(t, "version after the second request to mark it read", again.json["version"], read.json["version"])
		s.refused(404, "not_found", nil, "POST", "/v1/budgets/alerts/"+firstID+"/read", "")
		s.as("berta").refused(404, "not_found", nil, "POST", path, "")
		equal(t, "another owner's alerts", len(s.as("berta").must(200, "GET", "/v1/budgets/alerts", "").list()), 0)
	})
}

// A budget that has ended can be continued under its ID. The error for a second budget names the PATCH request, and
// that request succeeds.
func TestBudget_EndedBudgetCanContinue(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		food := categoryID(s, "Food")
		s.must(201, "POST", "/v1/budgets", `{"category_id":"`+food+`","from_month":"2025-06","until_month":"2025-12",`+
			`"amount":"100"}`)
		refused := s.refused(409, "already_exists", nil, "POST", "/v1/budgets",
			`{"category_id":"`+food+`","from_month":"2026-02","amount":"120"}`)
		detail := refused.json["detail"].(string)
		_, rest, ok1 := strings.Cut(detail, "PATCH ")
		path, rest, ok2 := strings.Cut(rest, " with ")
		body, ok3 := strings.CutSuffix(rest, ".")
		if !ok1 || !ok2 || !ok3 || !strings.Contains(detail, `There is already a budget for "Food", which ended in `+
			`2025-12; `) {
			t.Fatalf("unexpected detail %q", detail)
		}
		patched := s.must(200, "PATCH", path, body)
		entries := patched.json["entries"].([]any)
		equal(t, "entries", fmt.Sprint(entries),
			"[map[amount:100.00 from_month:2025-06] map[amount:<nil> from_month:2026-01] map[amount:120.00 from_month:2026-02]]")
		for month, want := range map[string]int{"2025-12": 1, "2026-01": 0, "2026-02": 1} {
			equal(t, "budgets of "+month, len(s.must(200, "GET", "/v1/budgets/progress?month="+month, "").list()), want)
		}
		detail = s.refused(409, "already_exists", nil, "POST", "/v1/budgets",
			`{"category_id":"`+food+`","from_month":"2026-04","amount":"130"}`).json["detail"].(string)
		if !strings.Contains(detail, `{"amount": "130.00", "from_month": "2026-04"}`) {
			t.Errorf("unexpected detail %q", detail)
		}
		s.refused(422, "validation_error", []string{"#/from_month out_of_range"}, "POST", "/v1/budgets",
			`{"amount":"1","from_month":"1899-12"}`)
	})
}

func alertsOf(s server) string {
	s.t.Helper()
	var texts []string
	byMonth := map[string][]string{}
	var months []string
	for _, entry := range s.must(200, "GET", "/v1/budgets/alerts", "").list() {
		alert := entry
		month := alert["month"].(string)
		if byMonth[month] == nil {
			months = append(months, month)
		}
		byMonth[month] = append(byMonth[month], alert["threshold"].(string))
	}
	for _, month := range months {
		// Alerts of the same time are ordered by their random IDs.
		if list := byMonth[month]; len(list) == 2 && list[0] > list[1] {
			list[0], list[1] = list[1], list[0]
		}
		for _, threshold := range byMonth[month] {
			texts = append(texts, month+" "+threshold)
		}
	}
	return strings.Join(texts, ", ")
}

// Concurrent requests that cross a threshold raise each alert once.
func TestAlerts_RaisedOnceByConcurrentRequests(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		s.must(201, "POST", "/v1/budgets", `{"from_month":"2026-01","amount":"100"}`)
		var clients sync.WaitGroup
		for range 8 {
			clients.Go(func() {
				for range 4 {
					s.do("POST", "/v1/expenses", `{"amount":"30"}`)
				}
			})
		}
		clients.Wait()
		equal(t, "alerts", alertsOf(s), "2026-03 0.80, 2026-03 1.00")
	})
}

func TestReports_YearsRangesTrendsAndCharts(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		food := categoryID(s, "Food")
		s.must(201, "POST", "/v1/budgets", `{"category_id":"`+food+`","from_month":"2025-11","amount":"500"}`)
		for _, body := range []string{
			`{"amount":"320","category":"Food","date":"2026-03-01"}`, `{"amount":"50","category":"Food","date":"2025-05-10"}`,
			`{"amount":"3.250","currency":"KWD","category":"Travel","date":"2025-12-31"}`,
			`{"amount":"-5","category":"Health","date":"2026-03-02"}`,
			`{"amount":"1000","currency":"JPY","category":"Travel","date":"2026-03-07"}`,
		} {
			s.must(201, "POST", "/v1/expenses", body)
		}
		ids := []string{food, categoryID(s, "Travel"), categoryID(s, "Health")}
		yearly := s.must(200, "GET", "/v1/reports/yearly?year=2026&top=0", "")
		golden(t, "yearly.json", withoutVariables(yearly, ids...))
		equal(t, "report of the current year",
			s.must(200, "GET", "/v1/reports/yearly?top=0", "").Body.String(), yearly.Body.String())
		ranged := s.must(200, "GET", "/v1/reports/range?date_from=2025-12-31&date_to=2026-03-02&top=0", "")
		golden(t, "range.json", withoutVariables(ranged, ids...))
		trend := s.must(200, "GET", "/v1/reports/trend?date_from=2026-02-27&date_to=2026-03-04&by=week&category_id="+food, "")
		golden(t, "trend.json", withoutVariables(trend, ids...))
		top := s.must(200, "GET", "/v1/reports/yearly?year=2026&top=2", "").json["top"].([]any)
		equal(t, "largest expenses",
			fmt.Sprint(len(top), top[0].(map[string]any)["amount"], top[1].(map[string]any)["amount"]),
			"2320.001000")
		equal(t, "default number of largest expenses",
			len(s.must(200, "GET", "/v1/reports/range?date_from=2020-01-01&date_to=2026-03-31", "").json["top"].([]any)), 3)
		equal(t, "largest expenses of a month by default",
			len(s.must(200, "GET", "/v1/reports/monthly", "").json["top"].([]any)), 2)
		equal(t, "largest expenses with top=0",
			len(s.must(200, "GET", "/v1/reports/monthly?top=0", "").json["top"].([]any)), 0)
		equal(t, "title of the trend", trend.json["title"], any("Food, Feb 27, 2026 – Mar 4, 2026"))
		equal(t, "largest expenses with top=1",
			len(s.must(200, "GET", "/v1/reports/monthly?top=1", "").json["top"].([]any)), 1)

		s.must(200, "PATCH", "/v1/settings", `{"fiscal_year_start":4,"locale":"de-DE"}`)
		fiscal := s.must(200, "GET", "/v1/reports/yearly?year=2025", "")
		equal(t, "fiscal year", fmt.Sprint(fiscal.json["date_from"], " ", fiscal.json["date_to"], " ",
			fiscal.json["total"]), "2025-04-01 2026-03-31 370.50")
		equal(t, "title of the fiscal year", fiscal.json["title"], "April 2025 – März 2026")
		equal(t, "date_from of the calendar year",
			s.must(200, "GET", "/v1/reports/yearly?year=2026&calendar=true", "").json["date_from"], "2026-01-01")

		for _, path := range []string{
			"/v1/reports/monthly.svg?month=2026-03", "/v1/reports/yearly.svg?year=2025&theme=dark",
			"/v1/reports/trend.svg?date_from=2026-01-01&date_to=2026-03-31&by=day",
			"/v1/reports/range.svg?date_from=2026-01-01&date_to=2026-03-31&theme=light", "/v1/reports/monthly.svg",
		} {
			svg := s.must(200, "GET", path, "")
			equal(t, path, svg.Header().Get("Content-Type"), "image/svg+xml")
			equal(t, path, svg.Header().Get("Content-Security-Policy"),
				"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src 'unsafe-inline'")
			wellFormed(t, path, svg.Body.String())
		}
		monthly := s.must(200, "GET", "/v1/reports/monthly.svg?month=2026-03", "").Body.String()
		for _, want := range []string{"März 2026", "320,00\u00a0€", "Food: 320\u00a0€ von 500\u00a0€ ausgegeben"} {
			equal(t, "the SVG contains "+want, strings.Contains(monthly, want), true)
		}
	})
}

func wellFormed(t *testing.T, path, text string) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Errorf("%s: invalid XML: %v", path, err)
			return
		}
	}
}

func TestReports_RejectInvalidQueries(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		for _, test := range []struct {
			query       string
			status      int
			code        string
			fieldErrors []string
		}{
			{"yearly?year=26", 422, "validation_error", []string{"year malformed_year"}},
			{"yearly?year=9999&calendar=false", 200, "", nil},
			{"yearly?year=10000", 422, "validation_error", []string{"year malformed_year"}},
			{"yearly?year=1899", 422, "validation_error", []string{"year out_of_range"}},
			{"yearly?calendar=yes", 422, "validation_error", []string{"calendar not_boolean"}},
			{"yearly?top=51", 422, "validation_error", []string{"top out_of_range"}},
			{"yearly?month=2026-01", 400, "unknown_parameter", []string{"month unknown_parameter"}},
			{"range", 422, "validation_error", []string{"date_from required", "date_to required"}},
			{"range?date_from=2026-02-01&date_to=2026-01-31", 422, "validation_error", []string{"date_to ends_before_start"}},
			{"range?date_from=1900-01-01&date_to=2000-01-01", 422, "validation_error", []string{"date_to range_too_long"}},
			{"range?date_from=2026-02-30&date_to=2026-03-01", 422, "validation_error", []string{"date_from impossible_date"}},
			{"trend?date_from=2026-01-01&date_to=2026-01-31&by=hour", 422, "validation_error", []string{"by unknown_value"}},
			{"trend?date_from=2026-01-01&date_to=2026-01-31&by=day&category_id=" + firstID, 422, "validation_error",
				[]string{"category_id unknown_category"}},
			{"trend?date_from=2026-01-01&date_to=2025-01-31&by=day", 422, "validation_error",
				[]string{"date_to ends_before_start"}},
			{"trend?date_from=2026-01-01&date_to=2025-01-31&by=hour", 422, "validation_error",
				[]string{"date_to ends_before_start", "by unknown_value"}},
			{"trend.svg?date_from=2026-01-01&date_to=2026-01-31&by=hour", 422, "validation_error", []string{"by unknown_value"}},
			{"monthly.svg?month=2026-13", 422, "validation_error", []string{"month impossible_month"}},
			{"monthly.svg?theme=blue", 422, "validation_error", []string{"theme unknown_value"}},
		} {
			if test.status == 200 {
				s.must(200, "GET", "/v1/reports/"+test.query, "")
				continue
			}
			s.refused(test.status, test.code, test.fieldErrors, "GET", "/v1/reports/"+test.query, "")
		}
	})
}

func TestMonthlyReport_ListsPlannedExpenses(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		rule := s.must(201, "POST", "/v1/recurrences", `{"amount":"9.99","freq":"weekly","start_date":"2026-03-10"}`)
		s.must(201, "POST", "/v1/recurrences", `{"amount":"700","freq":"monthly","start_date":"2026-03-31","paused":true}`)
		monthly := s.must(200, "GET", "/v1/reports/monthly", "")
		var got []string
		for _, entry := range monthly.json["planned"].([]any) {
			planned := entry.(map[string]any)
			equal(t, "rule_id", planned["rule_id"], rule.id())
			got = append(got, fmt.Sprint(planned["date"], " ", planned["amount"], " ", planned["currency"]))
		}
		equal(t, "planned", strings.Join(got, ", "),
			"2026-03-10 9.99 EUR, 2026-03-17 9.99 EUR, 2026-03-24 9.99 EUR, 2026-03-31 9.99 EUR")
		equal(t, "total, which excludes planned expenses", monthly.json["total"], "0.00")
		equal(t, "planned expenses of a past month",
			len(s.must(200, "GET", "/v1/reports/monthly?month=2026-02", "").json["planned"].([]any)), 0)
	})
}
