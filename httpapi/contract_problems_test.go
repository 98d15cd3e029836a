package httpapi_test

import (
	"archive/zip"
	"bytes"
	"cmp"
	"io"
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

// TestContract_RareCodesOfImports is TestContract_RareFieldErrorCodes for the rows, the mapping and the file of an
// import.
func TestContract_RareCodesOfImports(t *testing.T) {
	s := serve(t, memstore.New())
	const (
		spending = `{"sign":{"expense":"positive"}}`
		debits   = "Day,Debit,Credit,Kind\n13.03.2026,1.00,,Food\n13.03.2026,,2.00,Food\n"
		marks    = "Day,Sum,Kind,Type\n13.03.2026,1.00,Food,debit\n13.03.2026,2.00,Food,credit\n"
		camt     = "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.02\"><BkToCstmrStmt><Stmt><Ntry>"
		mt940    = ":20:A\n:25:B\n:28C:1\n:60F:C260301EUR0,\n:61:2603130313D1,00NTRF\n"
	)
	header := "Day,Sum,Kind\n" + strings.Repeat("13.03.2026,1.00,Food\n", 9)
	for _, c := range []struct{ want, mapping, file string }{
		{"ambiguous_column", `{"amount":{"column":"Sum"}}`, "Day,Sum,Sum\n13.03.2026,1.00,2.00\n"},
		{"malformed_layout", `{"date":{"layout":"?"}}`, header},
		{"wrong_format", `{"format":"ofx"}`, header},
		{"unknown_format", "", "%PDF-1.7\n"},
		{"malformed_xml", "", camt + "</Document>"},
		{"malformed_line", "", mt940 + ":61:x\n"},
		{"wrong_field_count", spending, header + "13.03.2026,1\n"},
		{"malformed_quotes", spending, header + "13.03.2026,\"1\"x,Food\n"},
		{"unclosed_quote", spending, header + "13.03.2026,1,\"Food\n"},
		{"malformed_text", spending, strings.ReplaceAll(header, "Food", "Çäfé") + "13.03.2026,1,\xff\n"},
		{"line_too_long", spending, header + "13.03.2026,1," + strings.Repeat("x", 1<<20+1) + "\n"},
		{"too_many_columns", spending, header + "13.03.2026,1" + strings.Repeat(",", 1000) + "\n"},
		{"two_signs", spending, header + "13.03.2026,--1,Food\n"},
		{"two_amounts", "", debits + "13.03.2026,1.00,2.00,Food\n"},
		{"contradictory_sign", "", marks + "13.03.2026,-1.00,Food,debit\n"},
		{"ambiguous_currency", `{"sign":{"expense":"positive"},"currency":{"value":"EUR"}}`,
			header + "13.03.2026,1.00 kr,Food\n"},
		{"malformed_sheet", "", brokenWorkbook(t)},
	} {
		got := s.upload("", cmp.Or(c.mapping, "{}"), c.file)
		if !slices.Contains(fieldErrorCodes(got.Body.Bytes()), c.want) {
			t.Errorf("%s: status %d, %.600s", c.want, got.Code, got.Body)
		}
	}
}

// brokenWorkbook returns a workbook whose sheet has a row beyond the last one that is allowed.
func brokenWorkbook(t *testing.T) string {
	t.Helper()
	const main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
	var text bytes.Buffer
	archive := zip.NewWriter(&text)
	for name, part := range map[string]string{
		"[Content_Types].xml": `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>`,
		"_rels/.rels": `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` +
			`<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" ` +
			`Target="xl/workbook.xml"/></Relationships>`,
		"xl/workbook.xml": `<workbook xmlns="` + main + `" xmlns:r="http://schemas.openxmlformats.org/officeDocument/` +
			`2006/relationships"><sheets><sheet name="A" sheetId="1" r:id="r1"/></sheets></workbook>`,
		"xl/_rels/workbook.xml.rels": `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` +
			`<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" ` +
			`Target="worksheets/sheet1.xml"/></Relationships>`,
		"xl/worksheets/sheet1.xml": `<worksheet xmlns="` + main + `"><sheetData><row r="1"><c r="A1" t="inlineStr"><is>` +
			`<t>Date</t></is></c></row><row r="2000000"/></sheetData></worksheet>`,
	} {
		w, err := archive.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, part); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return text.String()
}
