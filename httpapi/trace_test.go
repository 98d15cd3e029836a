package httpapi_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/spendwise/spendwise/httpapi"
	"github.com/spendwise/spendwise/store/memstore"
)

// traced returns a provider of spans, and what keeps them once they end.
func traced(t testing.TB) (*sdktrace.TracerProvider, *tracetest.InMemoryExporter) {
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	t.Cleanup(func() { _ = provider.Shutdown(t.Context()) })
	return provider, exporter
}

// tree writes spans as their paths from the top, in the order in which they began.
func tree(spans tracetest.SpanStubs) []string {
	slices.SortStableFunc(spans, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
	names := map[oteltrace.SpanID]string{}
	paths := make([]string, len(spans))
	for i, span := range spans {
		paths[i] = span.Name
		if parent, ok := names[span.Parent.SpanID()]; ok {
			paths[i] = parent + " > " + span.Name
		}
		names[span.SpanContext.SpanID()] = paths[i]
	}
	return paths
}

// said is what spans tell: all but their times, in whose digits any short number turns up one day.
func said(spans tracetest.SpanStubs) string {
	for i := range spans {
		spans[i].StartTime, spans[i].EndTime = time.Time{}, time.Time{}
		for j := range spans[i].Events {
			spans[i].Events[j].Time = time.Time{}
		}
	}
	return fmt.Sprintf("%+v", spans)
}

const (
	clientTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	clientSpan  = "00f067aa0ba902b7"
)

// TestOneRequestIsOneTrace: from the client's span over the route and the use case to each statement, and nobody is
// named in any.
func TestOneRequestIsOneTrace(t *testing.T) {
	for _, e := range engines() {
		if e.name == "memstore" {
			continue // it has no statements
		}
		t.Run(e.name, func(t *testing.T) {
			provider, exporter := traced(t)
			s := serve(t, e.open(t), func(cfg *httpapi.Config) { cfg.Tracer = provider })
			s.owner = "anna@example.com"
			added := s.do("POST", "/v1/expenses", `{"amount":"7341.77","notes":"Dr. Faust"}`)
			exporter.Reset()
			res := s.do("POST", "/v1/expenses", `{"amount":"7341.77","category":"Travel","notes":"Dr. Faust"}`,
				"Traceparent", "00-"+clientTrace+"-"+clientSpan+"-01", "User-Agent", "anna's phone", "Idempotency-Key", "anna-1")
			if res.Code != http.StatusCreated {
				t.Fatalf("%d %s", res.Code, res.Body)
			}
			spans := exporter.GetSpans()
			paths := tree(spans)
			const root, in = "POST /v1/expenses", "POST /v1/expenses > postExpense > transaction > "
			for _, want := range []string{root, root + " > authenticate", root + " > postExpense", in + "BEGIN",
				in + "SELECT spendwise_ledgers", in + "COMMIT"} {
				if !slices.Contains(paths, want) {
					t.Errorf("no span %s", want)
				}
			}
			if !slices.ContainsFunc(paths, func(path string) bool {
				return path == in+"INSERT spendwise_expenses" || path == in+"WITH spendwise_expenses"
			}) {
				t.Error("no span of the statement that inserts the expense")
			}
			for i, span := range spans {
				if span.SpanContext.TraceID().String() != clientTrace || !strings.HasPrefix(paths[i], root) {
					t.Errorf("%s is not of the client's trace", paths[i])
				}
			}
			first := spans[slices.Index(paths, root)]
			if first.Parent.SpanID().String() != clientSpan || first.SpanKind != oteltrace.SpanKindServer {
				t.Errorf("the request's span is of kind %s below %s", first.SpanKind, first.Parent.SpanID())
			}
			for _, want := range []attribute.KeyValue{
				attribute.String("http.request.method", "POST"), attribute.String("http.route", "/v1/expenses"),
				attribute.Int("http.response.status_code", 201),
			} {
				if !slices.Contains(first.Attributes, want) {
					t.Errorf("the request's span lacks %v: %v", want, first.Attributes)
				}
			}
			s.do("GET", "/v1/expenses/"+added.json["id"].(string), "")
			s.do("GET", "/v1/expenses?q=Faust&amount_min=7341.77", "")
			s.do("GET", "/anna@example.com", "")
			s.do("POST", "/v1/expenses", `{"amount":"7341.771","notes":"Dr. Faust"}`)
			s.do("GET", "/v1/reports/monthly?month=2026-03", "")
			told := said(exporter.GetSpans())
			for _, personal := range []string{
				"anna", "Faust", "7341", "phone", "192.0.2.1", added.json["id"].(string), added.json["category_id"].(string),
			} {
				if at := strings.Index(told, personal); at >= 0 {
					t.Errorf("the spans hold %q: …%s", personal, told[max(0, at-200):at+20])
				}
			}
			if t.Failed() {
				t.Logf("the spans of the request:\n%s", strings.Join(paths, "\n"))
			}
		})
	}
}

// TestSpansBelowTheHosts: a host that traces by itself gets the use case and the statements below its own span, and
// needs no Tracer.
func TestSpansBelowTheHosts(t *testing.T) {
	provider, exporter := traced(t)
	s := serve(t, engines()[1].open(t))
	ctx, host := provider.Tracer("host").Start(t.Context(), "host")
	s.send(s.request("GET", "/v1/settings", nil).WithContext(ctx))
	host.End()
	paths := tree(exporter.GetSpans())
	for _, want := range []string{"host > authenticate", "host > getSettings",
		"host > getSettings > SELECT spendwise_ledgers"} {
		if !slices.Contains(paths, want) {
			t.Errorf("no span %s in %q", want, paths)
		}
	}
	exporter.Reset()
	s.do("GET", "/v1/settings", "", "Traceparent", "00-"+clientTrace+"-"+clientSpan+"-01")
	if spans := exporter.GetSpans(); len(spans) > 0 {
		t.Errorf("without a tracer there are the spans %q", tree(spans))
	}
}

func TestSpansSayWhatFailed(t *testing.T) {
	provider, exporter := traced(t)
	for _, test := range []struct {
		name    string
		handler server
		target  string
		code    string
		status  codes.Code
	}{
		{"what the client asked for wrongly", serve(t, memstore.New(), func(cfg *httpapi.Config) { cfg.Tracer = provider }),
			"/v1/expenses?q=1&x=2",
			"unknown_parameter", codes.Unset},
		{"a panic", serve(t, broken{memstore.New(), true}, func(cfg *httpapi.Config) { cfg.Tracer = provider }),
			"/v1/settings", "internal", codes.Error},
	} {
		exporter.Reset()
		test.handler.do("GET", test.target, "")
		spans := exporter.GetSpans()
		last := spans[len(spans)-1] // the request's span ends last
		if last.Status.Code != test.status || last.Status.Description != "" ||
			!slices.Contains(last.Attributes, attribute.String("error.type", test.code)) {
			t.Errorf("%s: %s %v %v", test.name, last.Name, last.Status, last.Attributes)
		}
	}
}
