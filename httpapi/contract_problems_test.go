package httpapi_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/store/memstore"
)

func TestContract_HeadersThatAreTooLarge(t *testing.T) {
	s := serve(t, memstore.New())
	s.refused(431, "headers_too_large", nil, "GET", "/v1/expenses", "", "X-Padding", strings.Repeat("a", 33<<10))
}

func TestContract_EachListRejectsABrokenCursor(t *testing.T) {
	s := serve(t, memstore.New())
	for _, path := range []string{"/v1/expenses", "/v1/categories", "/v1/budgets", "/v1/budgets/alerts",
		"/v1/recurrences"} {
		if got := s.must(400, "GET", path+"?cursor=broken", ""); got.json["code"] != "cursor_invalid" {
			t.Errorf("%s: code %v, want cursor_invalid", path, got.json["code"])
		}
	}
}

func TestContract_ADeletedBudgetIsGone(t *testing.T) {
	s := serve(t, memstore.New())
	const body = `{"id":"0190a6f0-5c2b-7d6e-9a3f-2b1c4d5e6f70","amount":"5"}`
	added := s.must(201, "POST", "/v1/budgets", body)
	path := "/v1/budgets/" + added.id()
	s.must(304, "GET", path, "", "If-None-Match", added.Header().Get("ETag"))
	s.must(204, "DELETE", path, "")
	s.refused(409, "gone", nil, "POST", "/v1/budgets", body)
}

func TestContract_StaleIfMatchChangesNothing(t *testing.T) {
	s := serve(t, memstore.New())
	for _, c := range []struct{ method, path, body string }{
		{"DELETE", "/v1/categories", `{"name":"Boats"}`},
		{"DELETE", "/v1/recurrences", `{"amount":"1","freq":"daily","start_date":"2026-03-09"}`},
		{"DELETE", "/v1/budgets", `{"amount":"5"}`},
		{"PATCH", "/v1/budgets", `{"amount":"5","category":"food"}`},
	} {
		added := s.must(201, "POST", c.path, c.body)
		target := c.path + "/" + added.id()
		got := s.refused(412, "version_mismatch", nil, c.method, target, `{"amount":"6"}`, "If-Match", `"1"`)
		equal(t, "current_version of "+c.path, got.json["current_version"], added.json["version"])
		equal(t, "resource after "+c.method, s.must(200, "GET", target, "").Body.String(), added.Body.String())
	}
}

// TestContract_RareFieldErrorCodes produces the codes of field errors that no other test produces. TestMain reports
// documented codes that no test produces.
func TestContract_RareFieldErrorCodes(t *testing.T) {
	s := serve(t, memstore.New())
	b := s.must(201, "POST", "/v1/budgets", `{"amount":"5","from_month":"2026-03","until_month":"2026-05"}`).id()
	s.must(201, "POST", "/v1/expenses", `{"amount":"9999999999999.99"}`)
	for _, c := range []struct{ method, target, body, want string }{
		{"PATCH", "/v1/budgets/" + b, `{"amount":"6","from_month":"2026-09"}`, "#/from_month after_end"},
		{"POST", "/v1/budgets", `{"amount":"5","from_month":"2026-05","until_month":"2026-04","category":"food"}`,
			"#/until_month before_start"},
		{"POST", "/v1/expenses", `{"amount":"5","currency":"DEM"}`, "#/currency currency_ended"},
		{"POST", "/v1/expenses", `{"amount":"0.01"}`, "# total_too_large"},
		{"GET", "/v1/expenses?currency=EUR&amount_min=2&amount_max=1", "", "amount_min backwards"},
	} {
		s.refused(422, "validation_error", []string{c.want}, c.method, c.target, c.body)
	}
	serveAccounts(t, auth.Config{}).refused(422, "validation_error", []string{"#/password too_common"},
		"POST", "/v1/auth/register", `{"email":"ada@example.org","password":"aaaaaaaaaaaaaa"}`)
}

// TestContract_RareCodesOfImports is TestContract_RareFieldErrorCodes for the rows and the mapping of an import.
func TestContract_RareCodesOfImports(t *testing.T) {
	s := serve(t, memstore.New())
	const header = "Day,Sum,Kind\n"
	for want, file := range map[string]string{
		"ambiguous_column":  "Day,Sum,Sum,Kind\n",
		"wrong_field_count": header + "01.03.2026,1\n",
		"malformed_quotes":  header + "01.03.2026,\"1\"x,Food\n",
		"malformed_text":    header + "01.03.2026,1,\xff\n",
		"line_too_long":     header + "01.03.2026,1," + strings.Repeat("x", 1<<20+1) + "\n",
		"too_many_failures": header + strings.Repeat("x,1,Food\n", 200_000),
	} {
		got := s.upload("", bankMapping, file)
		if !slices.Contains(fieldErrorCodes(got.Body.Bytes()), want) {
			t.Errorf("%s: status %d, %.300s", want, got.Code, got.Body)
		}
	}
	got := s.upload("", strings.Replace(bankMapping, "DD.MM.YYYY", "?", 1), header)
	if !slices.Contains(fieldErrorCodes(got.Body.Bytes()), "malformed_layout") {
		t.Errorf("malformed_layout: status %d, %s", got.Code, got.Body)
	}
}
