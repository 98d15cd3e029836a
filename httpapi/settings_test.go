package httpapi_test

import (
	"strings"
	"testing"

	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
)

func TestSettings_ReadAndChange(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		got := s.must(200, "GET", "/v1/settings", "")
		for name, want := range map[string]any{
			"home_currency": "EUR", "time_zone": "UTC", "locale": "en", "fiscal_year_start": 1.0, "version": 1.0,
			"default_category_id": categoryID(s, "Other"),
		} {
			equal(t, name, got.json[name], want)
		}
		s.must(304, "GET", "/v1/settings", "", "If-None-Match", got.Header().Get("ETag"))
		changed := s.must(200, "PATCH", "/v1/settings",
			`{"time_zone":"Pacific/Auckland","locale":"de-DE","fiscal_year_start":4,"default_category_id":"`+categoryID(s,
				"Food")+`"}`, "If-Match", `"1"`)
		equal(t, "time_zone", changed.json["time_zone"], any("Pacific/Auckland"))
		equal(t, "ETag", changed.Header().Get("ETag"), `"2"`)
		if _, ok := changed.json["rerated"]; ok {
			t.Error("the response has rerated although the home currency did not change")
		}
		s.refused(412, "version_mismatch", nil, "PATCH", "/v1/settings", `{"locale":"en"}`, "If-Match", `"1"`)
		equal(t, "today in the ledger's zone", s.must(201, "POST", "/v1/expenses", `{"amount":"1"}`).json["date"],
			any("2026-03-09"))

		s.refused(422, "validation_error", []string{
			"#/locale not_null", "#/home_currency unknown_currency", "#/time_zone unknown_zone",
			"#/fiscal_year_start impossible_month",
			"#/default_category_id malformed_id",
		}, "PATCH", "/v1/settings", `{"locale":null,"home_currency":"EURO","time_zone":"Mars","fiscal_year_start":13,`+
			`"default_category_id":"x"}`)
		s.refused(422, "validation_error", []string{"#/fiscal_year_start wrong_type"}, "PATCH", "/v1/settings",
			`{"fiscal_year_start":1.5}`)
	})
}

func TestSettings_HomeCurrencyConvertsExpensesAndLimits(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		s.must(201, "POST", "/v1/expenses", `{"amount":"10.00"}`)
		s.must(201, "POST", "/v1/expenses", `{"amount":"3.250","currency":"KWD"}`)
		budget := s.must(201, "POST", "/v1/budgets",
			`{"category_id":null,"amount":"100","currency":"EUR","from_month":"2026-03"}`)
		changed := s.must(200, "PATCH", "/v1/settings", `{"home_currency":"USD"}`)
		rerated, _ := changed.json["rerated"].(map[string]any)
		equal(t, "converted", rerated["converted"], any(1.0))
		equal(t, "pending", rerated["pending"], any(1.0))
		after := s.must(200, "GET", "/v1/budgets/"+budget.id(), "")
		equal(t, "the limit", after.json["entries"].([]any)[0].(map[string]any)["amount"], any("125.00"))

		s.refused(422, "validation_error", []string{"#/home_currency no_rate"}, "PATCH", "/v1/settings",
			`{"home_currency":"KWD"}`)
		s.must(200, "PATCH", "/v1/settings", `{"home_currency":"KWD","limit_rate":"0.3"}`)
		after = s.must(200, "GET", "/v1/budgets/"+budget.id(), "")
		equal(t, "the limit", after.json["entries"].([]any)[0].(map[string]any)["amount"], any("37.500"))
	})
}

func TestDecode_RejectsNumbersThatAreNotIntegers(t *testing.T) {
	s := serve(t, memstore.New())
	const rule = " is not a 64-bit whole number; give an integer without a fraction or an exponent."
	for value, wrong := range map[string]string{
		"1.5": rule, "1e300": rule, "9223372036854775808": rule, `"4"`: " is a string; give a whole number.",
	} {
		want := func(member string) any { return "The value " + value + ` of "` + member + `"` + wrong }
		refused := s.must(422, "PATCH", "/v1/settings", `{"fiscal_year_start":`+value+`}`)
		fieldError := refused.json["errors"].([]any)[0].(map[string]any)
		equal(t, "detail of fiscal_year_start", fieldError["detail"], want("fiscal_year_start"))
		mutation := `{"mutation_id":"m` + strings.Trim(value, `"`) + `","type":"expense","op":"patch","id":"` + syncID(1) +
			`","base_version":` + value + `,"data":{}}`
		problem := s.push(mutation)[0]["problem"].(map[string]any)
		equal(t, "detail of base_version", problem["errors"].([]any)[0].(map[string]any)["detail"],
			want("base_version"))
	}
}
