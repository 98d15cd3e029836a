package httpapi_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
)

// serveLimited returns an API with these limits. It uses time.Now, which is a fake clock in a synctest bubble.
func serveLimited(t *testing.T, limits *httpapi.Limits, change ...func(*httpapi.Config)) server {
	return serve(t, memstore.New(),
		append(change, func(cfg *httpapi.Config) { cfg.Limits, cfg.Now = limits, time.Now })...)
}

func perSecond(n int) httpapi.Quota {
	return httpapi.Quota{Requests: n, Window: time.Duration(n) * time.Second}
}

// from sends a request from address.
func (s server) from(address, method, target, body string, header ...string) reply {
	s.t.Helper()
	r := s.request(method, target, strings.NewReader(body), header...)
	r.RemoteAddr = address
	return s.send(r)
}

func TestRateLimit_UserGetsRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveLimited(t, &httpapi.Limits{Reads: httpapi.Limit{User: perSecond(3)}})
		for left := 2; left >= 0; left-- {
			got := s.must(200, "GET", "/v1/settings", "")
			equal(t, "RateLimit-Policy", got.Header().Get("RateLimit-Policy"), `"reads";q=3;w=3`)
			equal(t, "RateLimit", got.Header().Get("RateLimit"), fmt.Sprintf(`"reads";r=%d;t=1`, left))
		}
		got := s.refused(429, "rate_limited", nil, "GET", "/v1/settings", "")
		equal(t, "Retry-After", got.Header().Get("Retry-After"), "1")
		equal(t, "RateLimit", got.Header().Get("RateLimit"), `"reads";r=0;t=1`)

		s.must(201, "POST", "/v1/expenses", `{"amount":"1"}`) // another class
		s.as("bob").must(200, "GET", "/v1/settings", "")      // another user
		time.Sleep(time.Second)
		s.must(200, "GET", "/v1/settings", "")
		s.must(429, "GET", "/v1/settings", "")
		time.Sleep(time.Hour) // the bucket never holds more than the quota
		for range 3 {
			s.must(200, "GET", "/v1/settings", "")
		}
		s.must(429, "GET", "/v1/settings", "")
	})
}

func TestRateLimit_AddressAppliesBeforeAuthentication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := httpapi.Limit{Address: perSecond(2)}
		s := serveLimited(t, &httpapi.Limits{Reads: limit}).as("")
		s.must(401, "GET", "/v1/settings", "")
		s.must(404, "GET", "/nowhere", "")
		for _, target := range []string{"/v1/settings", "/nowhere", "/problems/conflict"} {
			got := s.refused(429, "rate_limited", nil, "GET", target, "")
			equal(t, "RateLimit-Policy", got.Header().Get("RateLimit-Policy"), `"reads-address";q=2;w=2`)
		}
		s.must(429, "PATCH", "/nowhere", "")
		s.must(429, "PUT", "/v1/settings", "")
		s.must(429, "PUT", "/v1/budgets/progress", "")
		s.must(200, "GET", "/healthz", "") // health checks are not limited
		equal(t, "status for another address", s.from("198.51.100.7:1", "GET", "/nowhere", "").Code, 404)
	})
}

// All addresses of an IPv6 /64 network share one limit, because a provider assigns at least a /64 to each customer.
func TestRateLimit_IPv6AddressesOfNetworkShareLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveLimited(t, &httpapi.Limits{Reads: httpapi.Limit{Address: perSecond(1)}}).as("")
		for i, try := range []struct {
			from string
			want int
		}{
			{"[2001:db8:0:1::1]:1", 404}, {"[2001:db8:0:1::1]:2", 429}, {"[2001:db8:0:1:ffff:ffff:ffff:ffff]:1", 429},
			{"[2001:db8:0:1::1%eth0]:1", 429},
			{"[2001:db8:0:2::1]:1", 404}, {"192.0.2.1:1", 404}, {"[::ffff:192.0.2.1]:1", 429}, {"192.0.2.2:1", 404},
		} {
			equal(t, fmt.Sprint(i, " ", try.from), s.from(try.from, "GET", "/nowhere", "").Code, try.want)
		}
	})
}

func TestRateLimit_ClassesHaveSeparateBuckets(t *testing.T) {
	one := httpapi.Limit{User: perSecond(1), Address: perSecond(1)}
	seen := map[string]string{}
	for _, r := range httpapi.Routes() {
		seen[r.Method+" "+r.Path] = r.Class
	}
	for request, want := range map[string]string{
		"GET /healthz": "", "GET /readyz": "reads", "GET /problems/:code": "reads", "GET /.well-known/jwks.json": "reads",
		"POST /v1/auth/register": "login", "POST /v1/auth/login": "login", "POST /v1/me/erase": "login",
		"PATCH /v1/me":        "login",
		"PUT /v1/me/password": "login", "POST /v1/auth/refresh": "writes", "POST /v1/auth/logout": "writes",
		"GET /v1/me":       "reads",
		"GET /v1/expenses": "reads", "POST /v1/expenses": "writes", "DELETE /v1/expenses/:id": "writes",
		"POST /v1/tokens":             "writes",
		"GET /v1/reports/monthly.svg": "reads", "GET /v1/exports/expenses.csv": "exports",
		"GET /v1/exports/report.pdf": "exports",
		"POST /v1/imports":           "exports", "POST /v1/imports/inspect": "exports", "GET /v1/imports": "reads",
		"GET /v1/sync": "sync", "POST /v1/sync": "sync", "GET /v1/sync/events": "sync", "GET /v1/sync/digest": "sync",
	} {
		got, ok := seen[request]
		if !ok || got != want {
			t.Errorf("%s: class %q (%t), want %q", request, got, ok, want)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		s := serveLimited(t, &httpapi.Limits{Login: one, Reads: one, Writes: one, Exports: one, Sync: one})
		for _, request := range [][3]string{
			{"GET", "/v1/settings", ""}, {"POST", "/v1/expenses", `{"amount":"1"}`}, {"GET", "/v1/exports/expenses.csv", ""},
			{"GET", "/v1/sync", ""},
		} {
			if got := s.do(request[0], request[1], request[2]); got.Code >= 400 {
				t.Errorf("%s %s: %d", request[0], request[1], got.Code)
			}
			s.must(429, request[0], request[1], request[2])
		}
	})
}

func TestNew_RejectsInvalidLimits(t *testing.T) {
	for name, change := range map[string]func(*httpapi.Config){
		"a quota without a window": func(c *httpapi.Config) {
			c.Limits = &httpapi.Limits{Reads: httpapi.Limit{User: httpapi.Quota{Requests: 1}}}
		},
		"a negative number of requests": func(c *httpapi.Config) {
			c.Limits = &httpapi.Limits{Sync: httpapi.Limit{Address: perSecond(-1)}}
		},
		"an invalid proxy network":  func(c *httpapi.Config) { c.TrustedProxies = []netip.Prefix{{}} },
		"a wildcard origin":         func(c *httpapi.Config) { c.Origins = []string{"*"} },
		"a wildcard subdomain":      func(c *httpapi.Config) { c.Origins = []string{"https://*.example.org"} },
		"the origin null":           func(c *httpapi.Config) { c.Origins = []string{"null"} },
		"an empty origin":           func(c *httpapi.Config) { c.Origins = []string{""} },
		"an origin with a path":     func(c *httpapi.Config) { c.Origins = []string{"https://example.org/"} },
		"an origin in capitals":     func(c *httpapi.Config) { c.Origins = []string{"https://Example.org"} },
		"an origin with a user":     func(c *httpapi.Config) { c.Origins = []string{"https://a@example.org"} },
		"an origin without a host":  func(c *httpapi.Config) { c.Origins = []string{"https://:443"} },
		"two origins in one string": func(c *httpapi.Config) { c.Origins = []string{"https://a.example,https://b.example"} },
	} {
		cfg := httpapi.Config{Authenticator: auth.AuthenticatorFunc(ownerFromHeader)}
		change(&cfg)
		if _, err := httpapi.New(memstore.New(), cfg); err == nil {
			t.Errorf("New accepts %s", name)
		}
	}
}

// trusted contains the networks of the trusted proxies in these tests.
var trusted = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}

func TestLogin_ThrottleUsesClientAddressBehindProxy(t *testing.T) {
	st, accounts := memstore.New(), memstore.NewAccounts()
	defaults, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		t.Fatal(err)
	}
	service, err := auth.New(t.Context(), auth.NewUsers(accounts, st, defaults, nil), auth.Config{KEK: make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, st, func(cfg *httpapi.Config) {
		cfg.Authenticator, cfg.Accounts, cfg.Now, cfg.TrustedProxies = nil, service, time.Now, trusted
	}).as("")
	s.must(201, "POST", "/v1/auth/register", `{"email":"anna@example.org","password":"`+accessPassword+`"}`)
	try := func(password, forwarded string) int {
		return s.from("10.0.0.1:1", "POST", "/v1/auth/login", `{"email":"anna@example.org","password":"`+password+`"}`,
			"X-Forwarded-For", forwarded).Code
	}
	for i := range 6 {
		s.from("10.0.0.1:1", "POST", "/v1/auth/login",
			fmt.Sprintf(`{"email":"nobody%d@example.org","password":"wrong wrong wrong"}`, i),
			"X-Forwarded-For", fmt.Sprintf("203.0.113.%d, 198.51.100.1", i))
	}
	equal(t, "status for the address of the failed sign-ins", try(accessPassword, "198.51.100.1"), 401)
	equal(t, "status for another client of the same proxy", try(accessPassword, "198.51.100.2"), 200)
}

func TestCORS_AllowsListedOrigins(t *testing.T) {
	const app = "https://app.example.org"
	s := serveLimited(t, httpapi.DefaultLimits(), func(cfg *httpapi.Config) {
		cfg.Origins = []string{app, "http://localhost:5173", "capacitor://localhost"}
	})
	for name, c := range map[string]struct {
		origin []string
		want   string
	}{
		"a listed origin":             {[]string{app}, app},
		"another listed origin":       {[]string{"capacitor://localhost"}, "capacitor://localhost"},
		"no Origin header":            {nil, ""},
		"another port":                {[]string{app + ":8443"}, ""},
		"without TLS":                 {[]string{"http://app.example.org"}, ""},
		"a host with a listed prefix": {[]string{app + ".evil.example"}, ""},
		"a host with a listed suffix": {[]string{"https://evilapp.example.org"}, ""},
		"a sandboxed page":            {[]string{"null"}, ""},
		"a listed origin in capitals": {[]string{"HTTPS://APP.EXAMPLE.ORG"}, ""},
		"two Origin headers":          {[]string{app, "https://evil.example"}, ""},
		"two origins in one header":   {[]string{app + " https://evil.example"}, ""},
		"a wildcard":                  {[]string{"*"}, ""},
		"a trailing NUL character":    {[]string{app + "\x00"}, ""},
	} {
		var header []string
		for _, origin := range c.origin {
			header = append(header, "Origin", origin)
		}
		got := s.must(201, "POST", "/v1/expenses", `{"amount":"1"}`, header...)
		equal(t, name, got.Header().Get("Access-Control-Allow-Origin"), c.want)
		equal(t, name+": Vary", got.Header().Get("Vary"), "Origin")
		equal(t, name+": credentials", got.Header().Get("Access-Control-Allow-Credentials"), "")
		if c.want != "" {
			for _, exposed := range []string{"ETag", "Location", "Link", "RateLimit", "RateLimit-Policy", "Retry-After",
				"X-Request-Id", "Idempotency-Replayed"} {
				if !regexp.MustCompile(`(^|, )` + exposed +
					`(,|$)`).MatchString(got.Header().Get("Access-Control-Expose-Headers")) {
					t.Errorf("Access-Control-Expose-Headers does not contain %s", exposed)
				}
			}
		}
		// A page can read problems too, so that it can show the error to its user.
		equal(t, name+", a problem",
			s.as("").must(401, "GET", "/v1/settings", "", header...).Header().Get("Access-Control-Allow-Origin"), c.want)

		preflightHeader := append(header, "Access-Control-Request-Method", "PATCH", "Access-Control-Request-Headers",
			"authorization,if-match")
		status := http.StatusMethodNotAllowed
		if c.want != "" {
			status = http.StatusNoContent
		}
		preflight := s.as("").must(status, "OPTIONS", "/v1/expenses/x", "", preflightHeader...)
		equal(t, name+", preflight", preflight.Header().Get("Access-Control-Allow-Origin"), c.want)
		if c.want != "" && (!strings.Contains(preflight.Header().Get("Access-Control-Allow-Methods"), "PATCH") ||
			!strings.Contains(preflight.Header().Get("Access-Control-Allow-Headers"), "If-Match") ||
			preflight.Header().Get("Access-Control-Max-Age") == "") {
			t.Errorf("%s: unexpected headers of the preflight response: %v", name, preflight.Header())
		}
	}
	noOrigins := serveLimited(t, nil)
	got := noOrigins.must(200, "GET", "/v1/settings", "", "Origin", app)
	equal(t, "Allow-Origin and Vary without listed origins",
		got.Header().Get("Access-Control-Allow-Origin")+got.Header().Get("Vary"), "")
}

func TestHSTS_SentOnlyOverTLS(t *testing.T) {
	s := serveLimited(t, nil, func(cfg *httpapi.Config) { cfg.TrustedProxies = trusted })
	strict := func(from string, header ...string) bool {
		return strings.HasPrefix(s.from(from, "GET", "/v1/settings", "", header...).Header().Get("Strict-Transport-Security"),
			"max-age=")
	}
	equal(t, "plain HTTP", strict("192.0.2.1:1"), false)
	equal(t, "X-Forwarded-Proto from an untrusted client", strict("192.0.2.1:1", "X-Forwarded-Proto", "https"), false)
	equal(t, "X-Forwarded-Proto https from a proxy", strict("10.0.0.1:1", "X-Forwarded-Proto", "https"), true)
	equal(t, "X-Forwarded-Proto http from a proxy", strict("10.0.0.1:1", "X-Forwarded-Proto", "http"), false)
	tlsServer := httptest.NewTLSServer(s.handler)
	defer tlsServer.Close()
	response, err := tlsServer.Client().Get(tlsServer.URL + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	equal(t, "TLS without a proxy", response.Header.Get("Strict-Transport-Security") != "", true)
}

// No response contains the host from a Host or forwarding header. Otherwise a cached response or an email could link to
// the host of an attacker.
func TestResponse_NeverContainsRequestedHost(t *testing.T) {
	s := serveLimited(t, nil, func(cfg *httpapi.Config) { cfg.TrustedProxies = trusted })
	for _, target := range []string{"/v1/expenses?limit=1", "/nowhere", "/v1/expenses/x", "/problems/conflict",
		"/v1//settings", "/healthz/"} {
		for _, header := range [][]string{{"X-Forwarded-Host", "evil.example"}, {"Forwarded", "host=evil.example"},
			{"X-Original-Url", "http://evil.example"}} {
			r := s.request("GET", target, nil, header...)
			r.Host, r.RemoteAddr = "evil.example", "10.0.0.1:1"
			got := s.send(r)
			if response := fmt.Sprint(got.Header(), got.Body); strings.Contains(response, "evil") {
				t.Errorf("%s with %v: the response contains the host: %s", target, header, response)
			}
		}
	}
}

func TestTraceContext_IsAcceptedFromCaller(t *testing.T) {
	const trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	for name, c := range map[string]struct {
		header string
		want   bool
	}{
		"version 0":                    {"00-" + trace + "-" + span + "-01", true},
		"not sampled":                  {"00-" + trace + "-" + span + "-00", true},
		"a later version":              {"cc-" + trace + "-" + span + "-01-what-comes", true},
		"version 255":                  {"ff-" + trace + "-" + span + "-01", false},
		"an empty trace":               {"00-" + strings.Repeat("0", 32) + "-" + span + "-01", false},
		"an empty span":                {"00-" + trace + "-" + strings.Repeat("0", 16) + "-01", false},
		"capitals":                     {"00-" + strings.ToUpper(trace) + "-" + span + "-01", false},
		"too short":                    {"00-" + trace[1:] + "-" + span + "-01", false},
		"trailing data":                {"00-" + trace + "-" + span + "-01-x", false},
		"a line break and a log entry": {"00-" + trace + "-" + span + "\n{\"level\":\"ERROR\"}", false},
		"arbitrary text":               {"hello", false},
	} {
		var log strings.Builder
		s := serveLimited(t, nil, func(cfg *httpapi.Config) { cfg.Log = slog.New(slog.NewJSONHandler(&log, nil)) })
		s.must(200, "GET", "/v1/settings", "", "Traceparent", c.header)
		logged := strings.Contains(log.String(), `"trace_id":"`+trace+`","span_id":"`+span+`"`)
		if logged != c.want || !c.want && strings.Contains(log.String(), "trace_id") {
			t.Errorf("%s: trace in the log = %t, want %t: %s", name, logged, c.want, log.String())
		}
	}
}

// FuzzHeadersInTheLog checks that a request logs one well-formed line for any X-Request-Id and Traceparent headers.
func FuzzHeadersInTheLog(f *testing.F) {
	f.Add("id-1", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	f.Add("a\nlevel=ERROR", "00-\n")
	f.Add("\x1b[2J", "\x00")
	f.Fuzz(func(t *testing.T, id, parent string) {
		var log strings.Builder
		s := serveLimited(t, nil, func(cfg *httpapi.Config) { cfg.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		got := s.must(200, "GET", "/v1/settings", "", "X-Request-Id", id, "Traceparent", parent)
		line := regexp.MustCompile(`^time=\S+ level=INFO msg=request method=GET route=/v1/settings status=200 seconds=\S+ ` +
			`request_id=[A-Za-z0-9._:-]{1,128} cut=false( trace_id=[0-9a-f]{32} span_id=[0-9a-f]{16})?\n$`)
		if !line.MatchString(log.String()) {
			t.Errorf("unexpected log %q", log.String())
		}
		if got := got.Header().Get("X-Request-Id"); !regexp.MustCompile(`^[A-Za-z0-9._:-]{1,128}$`).MatchString(got) {
			t.Errorf("invalid X-Request-Id %q in the response", got)
		}
	})
}

// A slowRows store repeats each expense in a query, with a pause before each repetition.
type slowRows struct {
	store.Store
	rows  int
	pause time.Duration
}

type slowRowsReader struct {
	store.Reader
	slowRows
}

func (s slowRows) View(ctx context.Context, owner expense.OwnerID, fn func(store.Reader) error) error {
	return s.Store.View(ctx, owner, func(r store.Reader) error { return fn(slowRowsReader{r, s}) })
}

func (r slowRowsReader) Expenses(ctx context.Context, q expense.Query) iter.Seq2[expense.Expense, error] {
	return func(yield func(expense.Expense, error) bool) {
		for row, err := range r.Reader.Expenses(ctx, q) {
			for range r.rows {
				time.Sleep(r.pause)
				if ctx.Err() != nil {
					yield(expense.Expense{}, ctx.Err())
					return
				}
				if !yield(row, err) {
					return
				}
			}
		}
	}
}

// The server has deadlines for reading a request and writing its response. An export, an import and an event stream may
// exceed them. Another request may not. The test waits for most of its time, because the deadlines must suffice for a
// request on a busy machine.
func TestDeadlines_DoNotEndStreams(t *testing.T) {
	t.Parallel()
	const deadline = 400 * time.Millisecond
	s := serve(t, slowRows{memstore.New(), 8, deadline / 3}, func(cfg *httpapi.Config) { cfg.Timeout = time.Minute })
	s.must(201, "POST", "/v1/expenses", `{"amount":"1"}`)
	running := httptest.NewUnstartedServer(s.handler)
	running.Config.ReadTimeout, running.Config.WriteTimeout = deadline, 2*deadline
	running.Start()
	defer running.Close()
	send := func(method, path, media string, body io.Reader) (*http.Response, error) {
		r, err := http.NewRequest(method, running.URL+path, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Owner", "anna")
		r.Header.Set("Content-Type", media)
		return http.DefaultClient.Do(r)
	}

	response, err := send("GET", "/v1/exports/expenses.csv", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if file, err := io.ReadAll(response.Body); err != nil || strings.Count(string(file), "\n") != 9 {
		t.Errorf("export that exceeds the deadlines: error %v, file:\n%s", err, file)
	}

	form := "--b\r\nContent-Disposition: form-data; name=mapping\r\n\r\n" +
		`{"date":{"column":"d"},"amount":{"column":"a"},"sign":{"expense":"positive"}}` +
		"\r\n--b\r\nContent-Disposition: form-data; name=file; filename=x.csv\r\n\r\nd,a\n2026-01-01,5\n\r\n--b--\r\n"
	pr, pw := io.Pipe()
	go func() {
		for part := range strings.SplitSeq(form, "\r\n") {
			if _, err := io.WriteString(pw, part+"\r\n"); err != nil {
				return
			}
			time.Sleep(deadline / 3)
		}
		pw.Close()
	}()
	response, err = send("POST", "/v1/imports", "multipart/form-data; boundary=b", pr)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err != nil || response.StatusCode != http.StatusCreated ||
		!strings.Contains(string(body), `"added":1`) {
		t.Errorf("import that exceeds the deadlines: error %v, response %s", err, body)
	}

	stream, err := send("GET", "/v1/sync/events", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	time.Sleep(3 * deadline)
	s.must(201, "POST", "/v1/expenses", `{"amount":"2"}`)
	var events strings.Builder
	for buf := make([]byte, 512); !strings.Contains(events.String(), "event: changed"); {
		n, err := stream.Body.Read(buf)
		events.Write(buf[:n])
		if err != nil {
			t.Fatalf("the event stream ended: error %v, events %q", err, events.String())
		}
	}

	slow, err := net.Dial("tcp", running.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	_, err = io.WriteString(slow, "POST /v1/expenses HTTP/1.1\r\nHost: x\r\nX-Owner: anna\r\nContent-Type: application"+
		"/json\r\nContent-Length: 90\r\n\r\n{\"amount\"")
	if err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(slow); err != nil || !strings.HasPrefix(string(rest), "HTTP/1.1 400 ") {
		t.Errorf("incomplete body: response %q, error %v, want status 400", rest, err)
	}
}

func TestRequest_RejectsCompressedBody(t *testing.T) {
	s := serveLimited(t, nil)
	for _, encoding := range []string{"gzip", "deflate", "br", "zstd", "identity, gzip", "x"} {
		got := s.refused(415, "unsupported_media_type", nil, "POST", "/v1/expenses", `{"amount":"1"}`, "Content-Encoding",
			encoding)
		equal(t, "Accept-Encoding", got.Header().Get("Accept-Encoding"), "identity")
		s.refused(415, "unsupported_media_type", nil, "POST", "/v1/imports", "x", "Content-Encoding", encoding,
			"Content-Type", "multipart/form-data; boundary=b")
	}
	s.must(201, "POST", "/v1/expenses", `{"amount":"1"}`, "Content-Encoding", "identity")
}
