package httpapi_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-json-experiment/json"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
	"github.com/spendwise/spendwise/store/postgres"
	"github.com/spendwise/spendwise/store/postgres/pgtest"
	"github.com/spendwise/spendwise/store/sqlite"
)

// TestMain sets gin's release mode, so that gin does not print its routes. The mode is global to the process, so the
// API does not set it. The collector runs less often than by default, because the parsed contract stays in memory, and
// marking it took a fifth of the time of the tests. After all tests, TestMain reports the parts of the contract that
// none of them has produced.
func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	debug.SetGCPercent(400)
	code := m.Run()
	if code == 0 && runsAllTests() {
		for _, part := range coverage.missing() {
			fmt.Println(part)
			code = 1
		}
	}
	os.Exit(code)
}

// An engine is a store implementation that the API tests use.
type engine struct {
	name string
	open func(t testing.TB) store.Store
}

// engines returns the store implementations. The first one keeps its data in memory.
func engines() []engine {
	return []engine{
		{"memstore", func(t testing.TB) store.Store {
			return closeAtEnd(t, memstore.New())
		}},
		{"sqlite", func(t testing.TB) store.Store {
			st, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"), sqlite.SynchronousNormal())
			if err != nil {
				t.Fatal(err)
			}
			if err := st.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			return closeAtEnd(t, st)
		}},
		{"postgres", func(t testing.TB) store.Store {
			st, err := postgres.Open(t.Context(), pgtest.New(t))
			if err != nil {
				t.Fatal(err)
			}
			return closeAtEnd(t, st)
		}},
	}
}

// closeAtEnd closes st at the end of the test. It returns st.
func closeAtEnd(t testing.TB, st store.Store) store.Store {
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

// onEachEngine runs test once with each store implementation.
func onEachEngine(t *testing.T, test func(t *testing.T, st store.Store)) {
	t.Helper()
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) { test(t, e.open(t)) })
	}
}

// noon is the time of the tests' requests. It is a Sunday, for which the European Central Bank publishes no rates.
var noon = time.Date(2026, 3, 8, 12, 0, 0, 0, time.UTC)

// fridayRates provides the exchange rates of one Friday, 2026-03-06.
type fridayRates struct{}

func (fridayRates) Rate(from, to expense.Currency, on expense.Date) (expense.Rate, bool) {
	day := expense.MustDate("2026-03-06")
	values := map[string]string{"USD/EUR": "0.8", "EUR/USD": "1.25", "JPY/EUR": "0.0055", "JPY/USD": "0.006875"}
	value, ok := values[from.Code()+"/"+to.Code()]
	if !ok || on.Before(day) {
		return expense.Rate{}, false
	}
	return expense.Rate{Value: expense.MustFactor(value), Date: day, Source: "ecb"}, true
}

// ownerFromHeader authenticates the owner in the X-Owner header, as a host behind a trusted gateway does.
func ownerFromHeader(r *http.Request) (auth.Identity, error) {
	owner := r.Header.Get("X-Owner")
	if owner == "" {
		return auth.Identity{}, auth.ErrUnauthenticated
	}
	return auth.Identity{Owner: expense.OwnerID(owner), Scopes: auth.AllScopes}, nil
}

// A server is an API under test, with the owner of its requests.
type server struct {
	t       testing.TB
	handler http.Handler
	owner   string
}

// serve returns an API over st. Its requests have the owner anna.
func serve(t testing.TB, st store.Store, change ...func(*httpapi.Config)) server {
	t.Helper()
	cfg := httpapi.Config{
		Authenticator: auth.AuthenticatorFunc(ownerFromHeader), Rates: fridayRates{}, Now: func() time.Time { return noon },
	}
	for _, f := range change {
		f(&cfg)
	}
	handler, err := httpapi.New(st, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return server{t: t, handler: checkContract(t, handler), owner: "anna"}
}

// as returns the same API with another owner. If owner is "", requests have no credentials.
func (s server) as(owner string) server {
	s.owner = owner
	return s
}

// A reply is a response and its decoded JSON body.
type reply struct {
	*httptest.ResponseRecorder
	json map[string]any
}

// do sends a request. header contains alternating names and values. The default Content-Type of a body is JSON.
func (s server) do(method, target, body string, header ...string) reply {
	s.t.Helper()
	return s.send(s.request(method, target, strings.NewReader(body), header...))
}

func (s server) request(method, target string, body io.Reader, header ...string) *http.Request {
	r := httptest.NewRequestWithContext(context.Background(), method, target, body)
	if s.owner != "" {
		r.Header.Set("X-Owner", s.owner)
	}
	if method != http.MethodGet && method != http.MethodDelete {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
		if strings.EqualFold(header[i], "Content-Type") {
			r.Header.Set(header[i], header[i+1])
		}
	}
	return r
}

func (s server) send(r *http.Request) reply {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	got := reply{ResponseRecorder: w}
	if media := w.Header().Get("Content-Type"); strings.Contains(media, "json") && !strings.Contains(media, "ndjson") &&
		w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &got.json); err != nil {
			s.t.Fatalf("%s %s: the response body is not a JSON object: %v\n%s", r.Method, r.URL, err, w.Body)
		}
	}
	if w.Code >= 400 {
		s.checkProblem(r, got)
	}
	return got
}

// checkProblem checks an error response against RFC 9457 and the members that every problem of the API has.
func (s server) checkProblem(r *http.Request, got reply) {
	s.t.Helper()
	if media := got.Header().Get("Content-Type"); media != "application/problem+json" {
		s.t.Errorf("%s %s: the error response has the Content-Type %q", r.Method, r.URL, media)
	}
	for _, name := range []string{"type", "title", "status", "detail", "instance", "code", "request_id"} {
		if got.json[name] == nil || got.json[name] == "" {
			s.t.Errorf("%s %s: the problem has no member %s: %s", r.Method, r.URL, name, got.Body)
		}
	}
	checkDetails(s.t, r.Method+" "+r.URL.String(), got.Body.Bytes())
	if got.json["status"] != float64(got.Code) {
		s.t.Errorf("%s %s: status %v in the body, %d in the response", r.Method, r.URL, got.json["status"], got.Code)
	}
	if got.Header().Get("X-Request-Id") != got.json["request_id"] {
		s.t.Errorf("%s %s: the request IDs in header and body differ", r.Method, r.URL)
	}
}

// must sends a request and stops the test if the response has another status.
func (s server) must(status int, method, target, body string, header ...string) reply {
	s.t.Helper()
	got := s.do(method, target, body, header...)
	if got.Code != status {
		s.t.Fatalf("%s %s %s: status %d, want %d\n%s", method, target, body, got.Code, status, got.Body)
	}
	return got
}

// refused sends a request and checks that the response is a problem with this code and these field errors. A field
// error is a location and a code, for example "#/amount too_many_digits" or "limit out_of_range".
func (s server) refused(status int, code string, fieldErrors []string, method, target, body string,
	header ...string) reply {
	s.t.Helper()
	got := s.must(status, method, target, body, header...)
	if got.json["code"] != code {
		s.t.Errorf("%s %s %s: code %v, want %s", method, target, body, got.json["code"], code)
	}
	var actual []string
	errors, _ := got.json["errors"].([]any)
	for _, e := range errors {
		member, _ := e.(map[string]any)
		location := ""
		for _, kind := range []string{"pointer", "parameter", "header"} {
			if text, ok := member[kind].(string); ok {
				location += text
			}
		}
		actual = append(actual, location+" "+member["code"].(string))
		if member["detail"] == "" {
			s.t.Errorf("a field error without a detail: %s", got.Body)
		}
	}
	if strings.Join(actual, ", ") != strings.Join(fieldErrors, ", ") {
		s.t.Errorf("%s %s %s: field errors %q, want %q", method, target, body, actual, fieldErrors)
	}
	return got
}

// id returns the ID of the resource in the response.
func (r reply) id() string { return r.json["id"].(string) }

// list returns the entries of a page.
func (r reply) list() []map[string]any {
	entries := []map[string]any{}
	for _, e := range r.json["data"].([]any) {
		entries = append(entries, e.(map[string]any))
	}
	return entries
}

func equal(t testing.TB, name string, got, want any) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", name, got, want)
	}
}
