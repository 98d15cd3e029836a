package main_test

import (
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// scrape returns what the server's own listener for metrics says, in Prometheus' text format.
func (s *server) scrape() string {
	s.t.Helper()
	status, body := (&client{http: http.DefaultClient, url: s.metrics}).raw("GET", "/metrics", "")
	if status != http.StatusOK {
		s.t.Fatalf("GET %s/metrics: %d %s", s.metrics, status, body)
	}
	return string(body)
}

// sample returns the value of a series, by its name with its labels as they are written; ok says whether there is one.
func sample(scraped, series string) (value float64, ok bool) {
	for line := range strings.Lines(scraped) {
		if text, found := strings.CutPrefix(line, series+" "); found {
			value, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			return value, err == nil
		}
	}
	return 0, false
}

// TestMetricsSayHowFarThePosterIsBehind: the age of the oldest occurrence that is due, which no instance has posted.
func TestMetricsSayHowFarThePosterIsBehind(t *testing.T) {
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
		for _, series := range []string{"spendwise_store_up", "spendwise_poster_overdue_seconds", "go_goroutines", "process_resident_memory_bytes"} {
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

// TestMetricsStayOffTheAPI: they are for whoever runs the server, on a listener of their own.
func TestMetricsStayOffTheAPI(t *testing.T) {
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

func TestMetricsListenTakesAnAddressOrNone(t *testing.T) {
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
	if err == nil || strings.Contains(out, "listening") || !strings.Contains(err.Error(), "--metrics-listen takes another one") {
		t.Errorf("on an address that is taken: %q, %v", out, err)
	}
}
