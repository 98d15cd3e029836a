package httpapi_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

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

// TestContract_FieldErrorCodesAreThoseOfTheSources tests that the sources contain each documented code. The responses
// of all tests are checked for codes that are not documented.
func TestContract_FieldErrorCodesAreThoseOfTheSources(t *testing.T) {
	var sources strings.Builder
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		sources.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	codes := stringList(contractOf(t).at("components", "schemas", "FieldErrorCode")["enum"])
	if len(codes) == 0 {
		t.Fatal("openapi.yaml lists no codes")
	}
	for _, code := range codes {
		if !strings.Contains(sources.String(), `"`+code+`"`) {
			t.Errorf("no source contains the code %q; remove it from openapi.yaml", code)
		}
	}
}
