package contracttest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/spendwise/spendwise/httpapi/internal/contracttest"
)

const document = `{
  "openapi": "3.1.0", "info": {"title": "t", "version": "1"},
  "paths": {"/v1/notes/{id}": {"put": {
    "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}],
    "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Note"}}}},
    "responses": {
      "200": {"description": "d", "headers": {"ETag": {"schema": {"type": "string"}}},
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Note"}}}},
      "404": {"description": "d",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    },
    "x-problems": ["not_found"]
  }}},
  "components": {
    "schemas": {
      "Note": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}},
      "Problem": {"type": "object", "properties": {"code": {"type": "string"}}}
    },
    "headers": {HEADERS}
  }
}`

func TestChecker_ReportsViolations(t *testing.T) {
	var headers []string
	for _, name := range contracttest.CommonHeaders {
		headers = append(headers, fmt.Sprintf(`"%s": {"schema": {"type": "string"}}`, name))
	}
	checker, err := contracttest.New([]byte(strings.Replace(document, "HEADERS", strings.Join(headers, ","), 1)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, method, sent  string
		status              int
		media, header, body string
		want                string // a part of the only violation; "": none
	}{
		{"a correct response", "PUT", `{"text":"a"}`, 200, "application/json", "ETag", `{"text":"a"}`, ""},
		{"a documented problem", "PUT", `{"text":"a"}`, 404, "application/problem+json", "", `{"code":"not_found"}`, ""},
		{"a header that all responses may have", "PUT", `{"text":"a"}`, 200, "application/json", "Vary", `{"text":"a"}`, ""},
		{"an undocumented member", "PUT", `{"text":"a"}`, 200, "application/json", "", `{"text":"a","x":1}`, "'x'"},
		{"a missing member", "PUT", `{"text":"a"}`, 200, "application/json", "", `{}`, "text"},
		{"an undocumented header", "PUT", `{"text":"a"}`, 200, "application/json", "X-A", `{"text":"a"}`, "header X-A"},
		{"an undocumented media type", "PUT", `{"text":"a"}`, 200, "text/plain", "", "a", "media type text/plain"},
		{"an undocumented status", "PUT", `{"text":"a"}`, 201, "application/json", "", `{"text":"a"}`, "status 201"},
		{"an undocumented problem", "PUT", `{}`, 404, "application/problem+json", "", `{"code":"gone"}`, `code "gone"`},
		{"an undocumented operation", "POST", `{}`, 200, "application/json", "", `{}`, "not in the contract"},
		{"a request that must fail", "PUT", `{"text":1}`, 200, "application/json", "", `{"text":"a"}`,
			"the request succeeds, but the contract does not allow it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var violations []string
			observed := 0
			handler := checker.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", c.media)
				if c.header != "" {
					w.Header().Set(c.header, "1")
				}
				if _, err := io.ReadAll(r.Body); err != nil { // the checker sees what the handler reads
					t.Error(err)
				}
				w.WriteHeader(c.status)
				if _, err := fmt.Fprint(w, c.body); err != nil {
					t.Error(err)
				}
			}), func(format string, args ...any) {
				violations = append(violations, fmt.Sprintf(format, args...))
			}, func(x contracttest.Exchange) {
				observed++
				if x.Pattern != "PUT /v1/notes/{id}" || x.Status != c.status {
					t.Errorf("observed %s with status %d", x.Pattern, x.Status)
				}
			})
			r := httptest.NewRequestWithContext(t.Context(), c.method, "/v1/notes/7", strings.NewReader(c.sent))
			r.Header.Set("Content-Type", "application/json")
			handler.ServeHTTP(httptest.NewRecorder(), r)
			switch {
			case c.want == "" && (len(violations) > 0 || observed != 1):
				t.Errorf("violations %q, observed %d times; want none and once", violations, observed)
			case c.want != "" && (len(violations) != 1 || !strings.Contains(violations[0], c.want)):
				t.Errorf("violations %q, want one that contains %q", violations, c.want)
			}
		})
	}
}
