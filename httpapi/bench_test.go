package httpapi_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// A statusWriter is a ResponseWriter that stores the status and discards the body.
type statusWriter struct {
	header http.Header
	status int
}

func (d *statusWriter) Header() http.Header         { return d.header }
func (d *statusWriter) Write(p []byte) (int, error) { return len(p), nil }
func (d *statusWriter) WriteHeader(status int)      { d.status = status }

// benchmark measures one request, from routing to the encoded response.
func benchmark(b *testing.B, s server, status int, method, target, body string) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		r := s.request(method, target, http.NoBody)
		if body != "" {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		}
		w := &statusWriter{header: http.Header{}}
		s.handler.ServeHTTP(w, r)
		if w.status != status {
			b.Fatalf("status %d, want %d", w.status, status)
		}
	}
}

// onLocalEngines runs measure with each store that runs in this process.
func onLocalEngines(b *testing.B, measure func(b *testing.B, s server)) {
	b.Helper()
	for _, e := range engines()[:2] {
		b.Run(e.name, func(b *testing.B) { measure(b, serve(b, e.open(b))) })
	}
}

func BenchmarkAddExpense(b *testing.B) {
	onLocalEngines(b, func(b *testing.B, s server) {
		benchmark(b, s, 201, "POST", "/v1/expenses",
			`{"amount":"12.50","currency":"USD","date":"2026-03-07","category":"Food","notes":"coffee"}`)
	})
}

func BenchmarkPageOfFifty(b *testing.B) {
	onLocalEngines(b, func(b *testing.B, s server) {
		addExpenses(s, 60)
		benchmark(b, s, 200, "GET", "/v1/expenses", "")
	})
}

func BenchmarkMonthlyReport(b *testing.B) {
	onLocalEngines(b, func(b *testing.B, s server) {
		addExpenses(s, 60)
		benchmark(b, s, 200, "GET", "/v1/reports/monthly?month=2026-03", "")
	})
}
