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

// traced returns a tracer provider and the exporter that stores its spans when they end.
func traced(t testing.TB) (*sdktrace.TracerProvider, *tracetest.InMemoryExporter) {
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	t.Cleanup(func() { _ = provider.Shutdown(t.Context()) })
	return provider, exporter
}

// tree sorts spans by their start time and returns the path of each from its root span.
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

// spanText formats spans without their times. The digits of a time could contain a number that the test searches for.
func spanText(spans tracetest.SpanStubs) string {
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

// TestTrace_RequestUseCaseAndStatements tests that the spans of the route, the use case and each statement continue the
// trace of the client, and that no span contains personal data.
func TestTrace_RequestUseCaseAndStatements(t *testing.T) {
	for _, e := range engines() {
		if e.name == "memstore" {
			continue // it runs no SQL statements
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
					t.Errorf("missing span %s", want)
				}
			}
			if !slices.ContainsFunc(paths, func(path string) bool {
				return path == in+"INSERT spendwise_expenses" || path == in+"WITH spendwise_expenses"
			}) {
				t.Error("missing span of the statement that inserts the expense")
			}
			for i, span := range spans {
				if span.SpanContext.TraceID().String() != clientTrace || !strings.HasPrefix(paths[i], root) {
					t.Errorf("span %s does not belong to the client's trace", paths[i])
				}
			}
			first := spans[slices.Index(paths, root)]
			if first.Parent.SpanID().String() != clientSpan || first.SpanKind != oteltrace.SpanKindServer {
				t.Errorf("the request's span has kind %s and parent %s, want server and %s", first.SpanKind, first.Parent.SpanID(),
					clientSpan)
			}
			for _, want := range []attribute.KeyValue{
				attribute.String("http.request.method", "POST"), attribute.String("http.route", "/v1/expenses"),
				attribute.Int("http.response.status_code", 201),
			} {
				if !slices.Contains(first.Attributes, want) {
					t.Errorf("the request's span has no attribute %v: %v", want, first.Attributes)
				}
			}
			s.do("GET", "/v1/expenses/"+added.json["id"].(string), "")
			s.do("GET", "/v1/expenses?q=Faust&amount_min=7341.77", "")
			s.do("GET", "/anna@example.com", "")
			s.do("POST", "/v1/expenses", `{"amount":"7341.771","notes":"Dr. Faust"}`)
			s.do("GET", "/v1/reports/monthly?month=2026-03", "")
			text := spanText(exporter.GetSpans())
			for _, personal := range []string{
				"anna", "Faust", "7341", "phone", "192.0.2.1", added.json["id"].(string), added.json["category_id"].(string),
			} {
				if at := strings.Index(text, personal); at >= 0 {
					t.Errorf("the spans contain %q: …%s", personal, text[max(0, at-200):at+20])
				}
			}
			if t.Failed() {
				t.Logf("the spans of the request:\n%s", strings.Join(paths, "\n"))
			}
		})
	}
}

// TestTrace_ContinuesSpanOfHost tests that the spans of the use case and its statements are children of the host's span
// if the context of the request has one. The host then needs no Tracer in Config.
func TestTrace_ContinuesSpanOfHost(t *testing.T) {
	provider, exporter := traced(t)
	s := serve(t, engines()[1].open(t))
	ctx, host := provider.Tracer("host").Start(t.Context(), "host")
	s.send(s.request("GET", "/v1/settings", nil).WithContext(ctx))
	host.End()
	paths := tree(exporter.GetSpans())
	for _, want := range []string{"host > authenticate", "host > getSettings",
		"host > getSettings > SELECT spendwise_ledgers"} {
		if !slices.Contains(paths, want) {
			t.Errorf("missing span %s in %q", want, paths)
		}
	}
	exporter.Reset()
	s.do("GET", "/v1/settings", "", "Traceparent", "00-"+clientTrace+"-"+clientSpan+"-01")
	if spans := exporter.GetSpans(); len(spans) > 0 {
		t.Errorf("without a tracer: spans %q, want none", tree(spans))
	}
}

func TestTrace_RecordsErrors(t *testing.T) {
	provider, exporter := traced(t)
	for _, test := range []struct {
		name    string
		handler server
		target  string
		code    string
		status  codes.Code
	}{
		{"an unknown parameter", serve(t, memstore.New(), func(cfg *httpapi.Config) { cfg.Tracer = provider }),
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
			t.Errorf("%s: span %s has status %v and attributes %v, want %v and error.type %s", test.name, last.Name,
				last.Status, last.Attributes, test.status, test.code)
		}
	}
}
