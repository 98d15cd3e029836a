package httpapi_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
	"github.com/spendwise/spendwise/store/postgres"
	"github.com/spendwise/spendwise/store/postgres/pgtest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with the file name in testdata. With -update it writes got to the file first.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; run with -update if the change is intended\n got: %s\nwant: %s", path, got, want)
	}
}

// A faultyStore wraps a store. If fail is set, Update, Ping and reads of expenses return it. If viewErr is set, View
// returns it.
type faultyStore struct {
	store.Store
	fail, viewErr error
}

func (f *faultyStore) Reader(owner expense.OwnerID) store.Reader {
	return faultyReader{f.Store.Reader(owner), f}
}

func (f *faultyStore) View(ctx context.Context, owner expense.OwnerID, fn func(store.Reader) error) error {
	if f.viewErr != nil {
		return f.viewErr
	}
	return f.Store.View(ctx, owner, func(r store.Reader) error { return fn(faultyReader{r, f}) })
}

func (f *faultyStore) Update(ctx context.Context, owner expense.OwnerID, fn func(store.Tx) error) error {
	if f.fail != nil {
		return f.fail
	}
	return f.Store.Update(ctx, owner, fn)
}

func (f *faultyStore) Ping(ctx context.Context) error {
	if f.fail != nil {
		return f.fail
	}
	return f.Store.Ping(ctx)
}

type faultyReader struct {
	store.Reader
	f *faultyStore
}

// Expenses fails after the first 1,000 rows, or at the end if there are fewer.
func (r faultyReader) Expenses(ctx context.Context, query expense.Query) iter.Seq2[expense.Expense, error] {
	return func(yield func(expense.Expense, error) bool) {
		n := 0
		for e, err := range r.Reader.Expenses(ctx, query) {
			if n++; n > 1000 && r.f.fail != nil {
				yield(expense.Expense{}, r.f.fail)
				return
			}
			if !yield(e, err) {
				return
			}
		}
		if n <= 1000 && r.f.fail != nil {
			yield(expense.Expense{}, r.f.fail)
		}
	}
}

func TestUnavailable_UntilStoreRecovers(t *testing.T) {
	st := &faultyStore{Store: memstore.New()}
	s := serve(t, st)
	s.must(200, "GET", "/readyz", "")
	s.must(201, "POST", "/v1/expenses", `{"amount":"1"}`)

	for _, cause := range []error{fmt.Errorf("dial tcp: %w", expense.ErrUnavailable), context.DeadlineExceeded} {
		st.fail, st.viewErr = cause, cause
		for _, request := range []string{"GET /v1/expenses", "POST /v1/expenses", "GET /v1/exports/expenses.csv",
			"GET /readyz"} {
			t.Run(request, func(t *testing.T) {
				s := s
				s.t = t
				method, path, _ := strings.Cut(request, " ")
				got := s.refused(503, "unavailable", nil, method, path, `{"amount":"2"}`)
				equal(t, "Retry-After", got.Header().Get("Retry-After"), "5")
				if strings.Contains(got.Body.String(), "dial") {
					t.Errorf("the response contains the error of the store: %s", got.Body)
				}
			})
		}
		s.must(200, "GET", "/healthz", "")
	}

	st.fail, st.viewErr = nil, nil
	s.must(200, "GET", "/readyz", "")
	equal(t, "expenses", len(s.must(200, "GET", "/v1/expenses", "").list()), 1)
}

func TestUnavailable_UntilDatabaseRecovers(t *testing.T) {
	link := pgtest.NewLink(t, pgtest.New(t))
	st, err := postgres.Open(t.Context(), link.DSN())
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, closeAtEnd(t, st))
	s.must(201, "POST", "/v1/expenses", `{"amount":"1"}`)
	link.Cut()
	for _, request := range []string{"POST /v1/expenses", "GET /v1/expenses", "GET /v1/reports/monthly", "GET /readyz"} {
		method, path, _ := strings.Cut(request, " ")
		got := s.refused(503, "unavailable", nil, method, path, `{"amount":"2"}`)
		equal(t, "Retry-After", got.Header().Get("Retry-After"), "5")
	}
	s.must(200, "GET", "/healthz", "")
	link.Mend(t)
	s.must(200, "GET", "/readyz", "")
	s.must(201, "POST", "/v1/expenses", `{"amount":"2"}`)
	equal(t, "expenses", len(s.must(200, "GET", "/v1/expenses", "").list()), 2)
}

func TestInternalError_RevealsNothing(t *testing.T) {
	var log bytes.Buffer
	st := &faultyStore{Store: memstore.New(), fail: errors.New("SQLSTATE 42P01 relation spendwise_secret")}
	s := serve(t, st, func(cfg *httpapi.Config) { cfg.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	got := s.refused(500, "internal", nil, "POST", "/v1/expenses", `{"amount":"1","notes":"private"}`, "X-Request-Id", "1")
	if strings.Contains(got.Body.String(), "SQL") || strings.Contains(got.Body.String(), "secret") {
		t.Errorf("the response contains internal details: %s", got.Body)
	}
	if text := log.String(); !strings.Contains(text, "42P01") || strings.Contains(text, "private") {
		t.Errorf("the log must contain the cause and no personal data: %s", text)
	}
}

func TestPanic_BecomesInternalError(t *testing.T) {
	s := serve(t, memstore.New(), func(cfg *httpapi.Config) {
		cfg.Authenticator = auth.AuthenticatorFunc(func(*http.Request) (auth.Identity, error) { panic("secret") })
	})
	if got := s.refused(500, "internal", nil, "GET", "/v1/settings", ""); strings.Contains(got.Body.String(), "secret") {
		t.Errorf("the response contains internal details: %s", got.Body)
	}
}

func TestExport_FailureMidwayCutsConnection(t *testing.T) {
	st := &faultyStore{Store: memstore.New()}
	s := serve(t, st)
	addExpenses(s, 1200)
	st.fail = expense.ErrUnavailable
	server := httptest.NewServer(s.handler)
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/v1/exports/expenses.csv", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Owner", "anna")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err == nil {
		t.Errorf("a response of %d bytes that failed midway ends without an error", body.Len())
	}
}

func TestRouter_UnknownPathsAndMethods(t *testing.T) {
	s := serve(t, memstore.New())
	for _, path := range []string{"/v1", "/v1/", "/v1/expenses/", "/V1/expenses", "/v1/tokens", "/metrics",
		"/v1/auth/login", "/problems"} {
		s.refused(404, "not_found", nil, "GET", path, "")
	}
	got := s.refused(405, "method_not_allowed", nil, "PUT", "/v1/expenses", `{}`)
	for _, method := range []string{"GET", "HEAD", "POST"} {
		if !strings.Contains(got.Header().Get("Allow"), method) {
			t.Errorf("Allow is %q, want it to contain %s", got.Header().Get("Allow"), method)
		}
	}
	s.refused(405, "method_not_allowed", nil, "OPTIONS", "/v1/expenses", "")
}

func TestAuthentication_IsRequired(t *testing.T) {
	s := serve(t, memstore.New()).as("")
	got := s.refused(401, "unauthenticated", nil, "GET", "/v1/expenses?unknown=1", "")
	if !strings.HasPrefix(got.Header().Get("WWW-Authenticate"), "Bearer") {
		t.Errorf("WWW-Authenticate is %q, want it to begin with Bearer", got.Header().Get("WWW-Authenticate"))
	}
	reader := serve(t, memstore.New(), func(cfg *httpapi.Config) {
		cfg.Authenticator = auth.AuthenticatorFunc(func(*http.Request) (auth.Identity, error) {
			return auth.Identity{Owner: "anna", Scopes: auth.ScopeRead}, nil
		})
	})
	reader.must(200, "GET", "/v1/expenses", "")
	reader.refused(403, "forbidden", nil, "POST", "/v1/expenses", `{"amount":"1"}`)
	reader.refused(403, "forbidden", nil, "GET", "/v1/exports/expenses.csv", "")
}

func TestRequest_RejectsWrongMediaTypeAndSize(t *testing.T) {
	s := serve(t, memstore.New())
	for _, media := range []string{"", "text/plain", "application/merge-patch+json", "application/json; charset=latin1",
		"application/", "multipart/form-data"} {
		s.refused(415, "unsupported_media_type", nil, "POST", "/v1/expenses", `{"amount":"1"}`, "Content-Type", media)
	}
	added := s.must(201, "POST", "/v1/expenses", `{"amount":"1"}`, "Content-Type", `Application/JSON; Charset="UTF-8"`)
	s.must(200, "PATCH", "/v1/expenses/"+added.id(), `{"notes":"x"}`, "Content-Type", "application/merge-patch+json")
	s.refused(415, "unsupported_media_type", nil, "POST", "/v1/imports", `{}`)

	large := `{"amount":"1","notes":"` + strings.Repeat("x", 1<<20) + `"}`
	s.refused(413, "payload_too_large", nil, "POST", "/v1/expenses", large)
	chunked := s.request("POST", "/v1/expenses", struct{ *strings.Reader }{strings.NewReader(large)})
	chunked.ContentLength = -1
	equal(t, "status of a body without a Content-Length", s.send(chunked).Code, 413)
	equal(t, "expenses", len(s.must(200, "GET", "/v1/expenses", "").list()), 1)
}

func TestRequestID_IsAcceptedOrCreated(t *testing.T) {
	s := serve(t, memstore.New())
	for given, accepted := range map[string]bool{"abc-1.2_3:4": true, "": false, "a b": false, "a\"b": false,
		strings.Repeat("a", 129): false} {
		got := s.do("GET", "/healthz", "", "X-Request-Id", given).Header().Get("X-Request-Id")
		if (got == given) != accepted || got == "" {
			t.Errorf("request with X-Request-Id %q: the response has %q", given, got)
		}
	}
}

func TestLog_HasNoPersonalData(t *testing.T) {
	var log bytes.Buffer
	s := serve(t, memstore.New(), func(cfg *httpapi.Config) { cfg.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	added := s.must(201, "POST", "/v1/expenses", `{"amount":"12.34","notes":"private"}`)
	s.must(200, "GET", "/v1/expenses/"+added.id(), "")
	s.must(200, "GET", "/v1/expenses?q=private", "")
	s.must(404, "GET", "/private", "")
	text := log.String()
	for _, personal := range []string{"private", "12.34", added.id(), "anna"} {
		if strings.Contains(text, personal) {
			t.Errorf("the log contains %q:\n%s", personal, text)
		}
	}
	for _, want := range []string{`route=/v1/expenses/{id} status=200`, "method=POST", "request_id=", "seconds="} {
		if !strings.Contains(text, want) {
			t.Errorf("the log does not contain %q:\n%s", want, text)
		}
	}
}

func TestBaseURL_IsPartOfURLs(t *testing.T) {
	for _, base := range []string{"/ledger", "https://example.org/ledger/"} {
		t.Run(base, func(t *testing.T) {
			s := serve(t, memstore.New(), func(cfg *httpapi.Config) { cfg.BaseURL = base })
			s.handler = http.StripPrefix("/ledger", s.handler)
			root := strings.TrimSuffix(base, "/")
			added := s.must(201, "POST", "/ledger/v1/expenses", `{"amount":"1"}`)
			equal(t, "Location", added.Header().Get("Location"), root+"/v1/expenses/"+added.id())
			s.must(201, "POST", "/ledger/v1/expenses", `{"amount":"1"}`)
			link := s.must(200, "GET", "/ledger/v1/expenses?limit=1", "").Header().Get("Link")
			if !strings.HasPrefix(link, "<"+root+"/v1/expenses?") {
				t.Errorf("Link is %q, want the base URL in it", link)
			}
			missing := s.refused(404, "not_found", nil, "GET", "/ledger/v1/expenses/"+firstID, "")
			equal(t, "type", missing.json["type"], any(root+"/problems/not_found"))
			equal(t, "instance", missing.json["instance"], any(root+"/v1/expenses/"+firstID))
			s.must(200, "GET", "/ledger/problems/not_found", "")
		})
	}
}

func TestProblem_BodyAndHeaders(t *testing.T) {
	s := serve(t, memstore.New())
	s.must(201, "PUT", "/v1/expenses/"+firstID, `{"amount":"1"}`)
	for name, r := range map[string][]string{
		"not_found":              {"GET", "/v1/expenses/" + secondID, ""},
		"validation_error":       {"POST", "/v1/expenses", `{"amount":"12.505","currency":"EUR","date":"2026-02-30"}`},
		"unknown_parameter":      {"GET", "/v1/expenses?colour=red", ""},
		"malformed":              {"POST", "/v1/expenses", `{"amount":"1","amount":"2"}`},
		"version_mismatch":       {"PATCH", "/v1/expenses/" + firstID, `{"amount":"2"}`, "If-Match", `"1"`},
		"precondition_required":  {"PUT", "/v1/expenses/" + firstID, `{"amount":"2"}`},
		"already_exists":         {"POST", "/v1/expenses", `{"id":"` + firstID + `","amount":"2"}`},
		"unsupported_media_type": {"POST", "/v1/expenses", `{}`, "Content-Type", "text/csv"},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.do(r[0], r[1], r[2], append(r[3:], "X-Request-Id", "golden")...)
			equal(t, "code", got.json["code"], any(name))
			golden(t, "problems/"+name+".json", append(got.Body.Bytes(), '\n'))
		})
	}
}

func TestProblem_EveryCodeHasPage(t *testing.T) {
	s := serve(t, memstore.New())
	for _, code := range []string{
		"malformed", "unknown_parameter", "validation_error", "unauthenticated", "forbidden", "not_found",
		"method_not_allowed", "conflict",
		"already_exists", "gone", "version_mismatch", "precondition_required", "idempotency_key_reused", "cursor_invalid",
		"payload_too_large", "unsupported_media_type", "headers_too_large", "unavailable", "internal",
	} {
		got := s.must(200, "GET", "/problems/"+code, "")
		if !strings.Contains(got.Body.String(), code) || got.Body.Len() < 100 {
			t.Errorf("the page of problem %s does not explain it: %s", code, got.Body)
		}
	}
	s.refused(404, "not_found", nil, "GET", "/problems/unheard_of", "")
}

func FuzzExpenseBody(f *testing.F) {
	s := serve(f, memstore.New())
	for _, seed := range []string{
		`{"amount":"12.50","currency":"EUR"}`, `{"amount":1}`, `{"amount":"1","amount":"1"}`, `{"a":{"b":[1,2,{"c":null}]}}`,
		`[]`, `null`,
		`{"amount":"1","notes":"` + "\xff" + `"}`, `{"amount":"1e9000"}`, `{"":""}`, `{"amount":{"amount":"1"}}`,
		`{"rate":1,"notes":[],"id":false}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		s := s
		s.t = t
		for _, r := range [][]string{{"POST", "/v1/expenses"}, {"PATCH", "/v1/settings"}, {"POST", "/v1/budgets"}} {
			if got := s.do(r[0], r[1], body, "Idempotency-Key", "fuzz"); got.Code >= 500 {
				t.Errorf("%s %s %q: %d %s, want a status below 500", r[0], r[1], body, got.Code, got.Body)
			}
		}
	})
}

func FuzzHeaders(f *testing.F) {
	s := serve(f, memstore.New())
	path := s.must(201, "POST", "/v1/expenses", `{"amount":"1"}`).Header().Get("Location")
	for _, seed := range []string{`"2"`, `W/"2", "3"`, `*`, `"`, `,`, `"2",`, "\x00", `"9223372036854775808"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		s := s
		s.t = t
		for _, name := range []string{"If-Match", "If-None-Match", "Idempotency-Key", "Content-Type", "X-Request-Id"} {
			r := s.request("PATCH", path, strings.NewReader(`{"notes":"x"}`))
			r.Header.Set(name, value)
			if got := s.send(r); got.Code >= 500 {
				t.Errorf("%s: %q: %d %s, want a status below 500", name, value, got.Code, got.Body)
			}
			r = s.request("GET", path, http.NoBody)
			r.Header.Set(name, value)
			if got := s.send(r); got.Code >= 500 {
				t.Errorf("%s: %q: %d %s, want a status below 500", name, value, got.Code, got.Body)
			}
		}
	})
}
