package main_test

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// scrape returns the metrics of the server in Prometheus' text format.
func (s *server) scrape() string {
	s.t.Helper()
	status, body := (&client{http: http.DefaultClient, url: s.metrics}).raw("GET", "/metrics", "")
	if status != http.StatusOK {
		s.t.Fatalf("GET %s/metrics: %d %s", s.metrics, status, body)
	}
	return string(body)
}

// sample returns the value of a time series by its name and labels, as written in scraped. ok is false if it does not
// exist.
func sample(scraped, series string) (value float64, ok bool) {
	for line := range strings.Lines(scraped) {
		if text, found := strings.CutPrefix(line, series+" "); found {
			value, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			return value, err == nil
		}
	}
	return 0, false
}

// TestMetrics_PosterLag checks that every instance exports the age of the oldest due occurrence.
func TestMetrics_PosterLag(t *testing.T) {
	engines(t, func(t *testing.T, database, dataDir string) {
		s := start(t, dataDir, "--database", database, "--tick", "0", "--metrics-listen", "127.0.0.1:0")
		c := s.register("")
		if lag, ok := sample(s.scrape(), "spendwise_poster_lag_seconds"); !ok || lag != 0 {
			t.Errorf("the lag of a new ledger is %v, %t", lag, ok)
		}
		c.must(t, http.StatusCreated, "POST", "/v1/recurrences", `{"amount":"5","freq":"daily","start_date":"2026-01-10"}`)
		scraped := s.scrape()
		if lag, ok := sample(scraped, "spendwise_poster_lag_seconds"); !ok || lag < 3600 {
			t.Errorf("the lag is %v, %t with occurrences due since January", lag, ok)
		}
		for _, series := range []string{"spendwise_store_up", "spendwise_poster_overdue_seconds", "go_goroutines",
			"process_resident_memory_bytes"} {
			if value, ok := sample(scraped, series); !ok || value <= 0 {
				t.Errorf("%s is %v, %t", series, value, ok)
			}
		}
		if _, err := s.run("", "tick", "--database", database); err != nil {
			t.Fatal(err)
		}
		if lag, ok := sample(s.scrape(), "spendwise_poster_lag_seconds"); !ok || lag != 0 {
			t.Errorf("after a round by hand the lag is %v, %t", lag, ok)
		}
		if err := s.stop(); err != nil {
			t.Fatalf("stopping: %v\n%s", err, s.log)
		}
	})
}

// TestMetrics_AreNotOnAPIListener checks that only the metrics listener serves metrics.
func TestMetrics_AreNotOnAPIListener(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, "--database", "sqlite:"+dir+"/x.db", "--metrics-listen", "127.0.0.1:0")
	for _, at := range []struct {
		url, path string
		want      int
	}{
		{s.url, "/metrics", http.StatusNotFound}, {s.metrics, "/metrics", http.StatusOK}, {s.metrics, "/", http.StatusOK},
		{s.metrics, "/healthz", http.StatusNotFound},
	} {
		if status, body := (&client{http: http.DefaultClient, url: at.url}).raw("GET", at.path, ""); status != at.want {
			t.Errorf("GET %s: %d %s, want %d", at.path, status, body, at.want)
		}
	}
}

func TestMetrics_ListenFlag(t *testing.T) {
	dir := t.TempDir()
	for _, none := range []string{"", "off"} {
		if s := start(t, dir, "--database", "sqlite:"+dir+"/x.db", "--metrics-listen", none); s.metrics != "" {
			t.Errorf("--metrics-listen %q serves metrics on %s", none, s.metrics)
		}
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s := &server{t: t, dataDir: dir}
	out, err := s.run("", "serve", "--listen", "127.0.0.1:0", "--rates", "off", "--database", "sqlite:"+dir+"/x.db",
		"--metrics-listen", taken.Addr().String())
	if err == nil || strings.Contains(out, "listening") ||
		!strings.Contains(err.Error(), "set --metrics-listen to another one") {
		t.Errorf("on an address that is taken: %q, %v", out, err)
	}
}

// traffic uses every function of a server that metrics count, as the user traffic@example.com. It returns the personal
// data that it sent.
func traffic(t *testing.T, s *server) (personal []string) {
	t.Helper()
	c := &client{http: &http.Client{Timeout: time.Minute}, url: s.url}
	t.Cleanup(c.http.CloseIdleConnections)
	const email, password, note, amount = "traffic@example.com", "a long pass phrase", "Dr. Faust, 3 sessions", "7341.77"
	registered := c.must(t, http.StatusCreated, "POST", "/v1/auth/register",
		`{"email":"`+email+`","password":"`+password+`","home_currency":"EUR"}`)
	c.token = registered.text("access_token")
	personal = []string{email, "traffic", password, note, "Faust", amount, "734177", c.token,
		registered.text("refresh_token"), "Physician"}

	added := c.must(t, http.StatusCreated, "POST", "/v1/expenses", `{"amount":"`+amount+`","notes":"`+note+`"}`)
	path := "/v1/expenses/" + added.text("id")
	personal = append(personal, added.text("id"), added.text("category_id"))
	c.must(t, http.StatusCreated, "POST", "/v1/expenses", `{"amount":"3.250","currency":"KWD","date":"2026-03-03"}`)
	c.must(t, http.StatusOK, "GET", path, "")
	c.must(t, http.StatusNotFound, "GET", "/v1/expenses/11111111-1111-4111-8111-111111111111", "")
	c.must(t, http.StatusUnprocessableEntity, "POST", "/v1/expenses", `{"amount":"`+amount+`9","notes":"`+note+`"}`)
	c.must(t, http.StatusNotFound, "GET", "/"+email, "")
	c.must(t, http.StatusOK, "GET", "/v1/expenses?q=Faust", "")
	c.must(t, http.StatusCreated, "POST", "/v1/categories", `{"name":"Physician"}`)
	c.must(t, http.StatusOK, "GET", "/v1/reports/monthly?month=2026-03", "")
	c.must(t, http.StatusOK, "GET", "/v1/sync", "")
	pushed := `{"mutation_id":"m","type":"expense","op":"put","id":"22222222-2222-4222-8222-222222222222",` +
		`"data":{"amount":"` + amount + `","notes":"` + note + `"}}`
	c.must(t, http.StatusOK, "POST", "/v1/sync", `{"mutations":[`+pushed+`]}`)
	c.must(t, http.StatusOK, "GET", "/v1/exports/expenses.csv", "")
	c.must(t, http.StatusCreated, "POST", "/v1/imports",
		"--x\r\nContent-Disposition: form-data; name=\"mapping\"\r\n\r\n"+
			`{"currency":{"value":"EUR"},"notes":{"columns":["n"]},"sign":{"expense":"positive"},`+
			`"date":{"column":"d"},"amount":{"column":"a"}}`+
			"\r\n--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"faust.csv\"\r\n\r\n"+
			"d,a,n\n2026-03-01,"+amount+",\""+note+"\"\n2026-03-02,1,\n"+
			"2026-03-03,much,\""+note+"\"\n\r\n--x--\r\n", "Content-Type", "multipart/form-data; boundary=x")
	c.must(t, http.StatusCreated, "POST", "/v1/recurrences",
		`{"amount":"5","freq":"daily","start_date":"2026-01-10","until_date":"2026-01-12"}`)
	c.must(t, http.StatusUnauthorized, "POST", "/v1/auth/login", `{"email":"`+email+`","password":"not the `+password+`"}`)
	stranger := &client{http: c.http, url: s.url, token: c.token + "x"}
	stranger.must(t, http.StatusUnauthorized, "GET", "/v1/settings", "")

	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	for _, want := range []int{200, 200, 200, 200, 200, http.StatusTooManyRequests} {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/v1/sync/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+c.token)
		stream, err := c.http.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = stream.Body.Close() })
		if stream.StatusCode != want {
			t.Fatalf("GET /v1/sync/events: %d, want %d", stream.StatusCode, want)
		}
	}
	return personal
}

// await scrapes until a time series has a value. The ticker and the converter work in the background.
func (s *server) await(series string, want float64) string {
	s.t.Helper()
	for range 1200 { // a minute
		scraped := s.scrape()
		if got, ok := sample(scraped, series); ok && got == want {
			return scraped
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.t.Fatalf("%s is not %v:\n%s", series, want, s.scrape())
	return ""
}

// TestMetrics_CountRequestsAndChanges also checks that no label contains personal data.
func TestMetrics_CountRequestsAndChanges(t *testing.T) {
	engines(t, func(t *testing.T, database, dataDir string) {
		s := start(t, dataDir, "--database", database, "--tick", "50ms", "--metrics-listen", "127.0.0.1:0")
		personal := traffic(t, s)
		scraped := s.await("spendwise_poster_posted_total", 3)
		for series, want := range map[string]float64{
			`spendwise_http_requests_total{method="GET",route="/v1/expenses/{id}",status="200"}`: 1,
			`spendwise_http_requests_total{method="GET",route="/v1/expenses/{id}",status="404"}`: 1,
			`spendwise_http_requests_total{method="POST",route="/v1/expenses",status="201"}`:     2,
			`spendwise_http_requests_total{method="GET",route="none",status="404"}`:              1,
			`spendwise_http_request_seconds_count{method="POST",route="/v1/expenses"}`:           3,
			`spendwise_http_problems_total{code="validation_error"}`:                             1,
			`spendwise_http_requests_in_flight`:                                                  5,
			`spendwise_event_streams`:                                                            5,
			`spendwise_expenses_added_total{way="request"}`:                                      2,
			`spendwise_expenses_added_total{way="sync"}`:                                         1,
			`spendwise_expenses_added_total{way="import"}`:                                       2,
			`spendwise_expenses_added_total{way="rule"}`:                                         3,
			`spendwise_sync_pulls_total{result="ok"}`:                                            1,
			`spendwise_sync_pushes_total{result="ok"}`:                                           1,
			`spendwise_sync_changes_total{status="applied",type="expense"}`:                      1,
			`spendwise_import_rows_total{outcome="added"}`:                                       2,
			`spendwise_import_rows_total{outcome="failed"}`:                                      1,
			`spendwise_imports_total{result="ok"}`:                                               1,
			`spendwise_exports_total{file="expenses.csv",result="ok"}`:                           1,
			`spendwise_poster_rounds_total{result="failed"}`:                                     0,
			`spendwise_poster_lag_seconds`:                                                       0,
			`spendwise_converter_pending_ledgers`:                                                1,
			`spendwise_slo_good_requests_total{slo="patient"}`:                                   -1,
			`spendwise_slo_requests_total{slo="swift"}`:                                          -1,
			`spendwise_rate_limit_refusals_total{route="/v1/sync/events"}`:                       1,
			`spendwise_rates_age_seconds`:                                                        -1,
			`spendwise_poster_round_seconds_count`:                                               -1,
			`spendwise_budget_alert_rounds_total{result="failed"}`:                               0,
			`spendwise_budget_alert_round_seconds_count`:                                         -1,
			`go_memstats_heap_alloc_bytes`:                                                       -1,
		} {
			got, ok := sample(scraped, series)
			if !ok || want >= 0 && got != want || want < 0 && got <= 0 {
				t.Errorf("%s is %v (%t), want %v", series, got, ok, want)
			}
		}
		all, _ := sample(scraped, `spendwise_slo_requests_total{slo="availability"}`)
		if good, _ := sample(scraped, `spendwise_slo_good_requests_total{slo="availability"}`); good != all || all == 0 {
			t.Errorf("%v of %v requests count as available", good, all)
		}
		for _, text := range personal {
			if strings.Contains(scraped, text) {
				t.Errorf("the metrics hold %q", text)
			}
		}
		if series := strings.Count(scraped, "\n"); series > 2500 {
			t.Errorf("%d lines are too many for one server", series)
		}
		if err := s.stop(); err != nil {
			t.Fatalf("stopping: %v\n%s", err, s.log)
		}
		for _, text := range personal {
			if strings.Contains(s.log.String(), text) {
				t.Errorf("the log holds %q:\n%s", text, s.log)
			}
		}
	})
}
