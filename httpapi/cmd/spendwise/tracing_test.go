package main_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// A collector receives spans by OTLP over HTTP.
type collector struct {
	*httptest.Server
	mu   sync.Mutex
	sent bytes.Buffer // protobuf, which contains strings unchanged
}

func newCollector(t *testing.T) *collector {
	c := new(collector)
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if r.URL.Path != "/v1/traces" {
			t.Errorf("the collector got %s", r.URL.Path)
		}
		if _, err := io.Copy(&c.sent, r.Body); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// TestTracing_ExportsByOTLP checks that spans, including those of SQL statements, are exported by OTLP and
// contain no personal data.
func TestTracing_ExportsByOTLP(t *testing.T) {
	c := newCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
	t.Setenv("OTEL_SERVICE_NAME", "our-ledger")
	dir := t.TempDir()
	s := start(t, dir, "--database", "sqlite:"+filepath.Join(dir, "x.db"))
	personal := traffic(t, s)
	if err := s.stop(); err != nil {
		t.Fatalf("stopping: %v\n%s", err, s.log)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	sent := c.sent.String()
	for _, want := range []string{"our-ledger", "POST /v1/expenses", "postExpense", "INSERT INTO spendwise_expenses",
		"db.query.text", "sqlite"} {
		if !strings.Contains(sent, want) {
			t.Errorf("the spans lack %q", want)
		}
	}
	for _, text := range append(personal, "127.0.0.1", "Go-http-client") {
		if at := strings.Index(sent, text); at >= 0 {
			t.Errorf("the spans hold %q: %q", text, sent[max(0, at-100):at+20])
		}
	}
}

func TestTracing_IsOffByDefault(t *testing.T) {
	c := newCollector(t)
	dir := t.TempDir()
	database := "sqlite:" + filepath.Join(dir, "x.db")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
	t.Setenv("OTEL_SDK_DISABLED", "true")
	s := start(t, dir, "--database", database)
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	client := &client{http: http.DefaultClient, url: s.url}
	client.must(t, http.StatusOK, "GET", "/healthz", "", "Traceparent", "00-"+id+"-00f067aa0ba902b7-01", "X-Request-Id",
		"mine")
	client.must(t, http.StatusUnauthorized, "GET", "/v1/settings", "")
	if err := s.stop(); err != nil {
		t.Fatalf("stopping: %v\n%s", err, s.log)
	}
	if c.sent.Len() > 0 {
		t.Error("spans were sent though they are off")
	}
	// The log contains the trace id of the client's request.
	var found bool
	for line := range strings.Lines(s.log.String()) {
		var entry struct {
			Msg, Route string
			TraceID    string `json:"trace_id"`
			RequestID  string `json:"request_id"`
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if entry.Msg == "request" && entry.Route == "/healthz" {
			found = entry.TraceID == id && entry.RequestID == "mine"
		} else if entry.TraceID != "" {
			t.Errorf("a line of no trace names one: %s", line)
		}
	}
	if !found {
		t.Errorf("the log does not name the client's trace:\n%s", s.log)
	}
}

func TestTracing_RejectsUnsupportedExporters(t *testing.T) {
	for name, env := range map[string][2]string{
		"another exporter": {"OTEL_TRACES_EXPORTER", "zipkin"},
		"another protocol": {"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
			t.Setenv(env[0], env[1])
			s := &server{t: t, dataDir: dir}
			out, err := s.run("", "serve", "--listen", "127.0.0.1:0", "--metrics-listen", "off", "--rates", "off", "--database",
				"sqlite:"+filepath.Join(dir, "x.db"))
			if err == nil || out != "" || !strings.Contains(err.Error(), env[0]+"="+env[1]) {
				t.Errorf("%q, %v", out, err)
			}
		})
	}
}
