package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"path"
	"reflect"
	"runtime"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spendwise/spendwise/httpapi/internal/problem"
)

// tracerName is the instrumentation scope of the spans.
const tracerName = "github.com/spendwise/spendwise/httpapi"

// startSpan starts the span of a request, as a child of the span of the host or of the client. The caller ends it with
// endSpan. The attributes hold the path template but no path, query, address or user agent, unlike those of otelgin.
//
// Without a tracer, it still stores the client's trace context in the context of the request, so that the log contains
// it.
func (a *api) startSpan(g *gin.Context) trace.Span {
	ctx := g.Request.Context()
	parent := ctx
	if !trace.SpanFromContext(ctx).IsRecording() && len(g.Request.Header["Traceparent"]) > 0 {
		parent = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(g.Request.Header))
	}
	if a.tracer == nil {
		if parent != ctx {
			g.Request = g.Request.WithContext(parent)
		}
		return trace.SpanFromContext(context.Background()) // a no-op span
	}
	method, route := standardMethod(g.Request.Method), pathTemplate(g.FullPath())
	name := method
	if route != "" {
		name += " " + route
	}
	ctx, span := a.tracer.Start(parent, name, trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(attribute.String("http.request.method", method), attribute.String("http.route", route)))
	g.Request = g.Request.WithContext(ctx)
	return span
}

// endSpan ends the span of a request.
func endSpan(span trace.Span, done RequestCompleted) {
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(attribute.Int("http.response.status_code", done.Status))
	if done.Code != "" {
		span.SetAttributes(attribute.String("error.type", done.Code))
	}
	if !done.ClientGone && (done.Status >= http.StatusInternalServerError || done.Aborted) {
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// span runs fn in a span. The context of the call holds that span while fn runs. If the span of the request is not
// recorded, span starts none.
func (c *call) span(name string, fn func() error) error {
	outer := c.ctx
	parent := trace.SpanFromContext(outer)
	if !parent.IsRecording() {
		return fn()
	}
	var span trace.Span
	c.ctx, span = parent.TracerProvider().Tracer(tracerName).Start(outer, name)
	defer func() {
		c.ctx = outer
		span.End()
	}()
	err := fn()
	if err != nil {
		p := problem.Of(err)
		span.SetAttributes(attribute.String("error.type", p.Code))
		if p.Code == problem.CodeInternal || p.Code == problem.CodeUnavailable {
			span.SetStatus(codes.Error, "")
		}
	}
	return err
}

// handlerName returns the name of the method that handles a route, such as "postExpense". It names the span of the use
// case.
func handlerName(handle handler) string {
	name := path.Ext(runtime.FuncForPC(reflect.ValueOf(handle).Pointer()).Name())
	return name[1:]
}

// A traceHandler adds the trace and span ids of the context to each log record.
type traceHandler struct{ slog.Handler }

func (h traceHandler) Handle(ctx context.Context, record slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		record.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, record)
}

func (h traceHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return traceHandler{h.Handler.WithAttrs(attrs)}
}

func (h traceHandler) WithGroup(name string) slog.Handler {
	return traceHandler{h.Handler.WithGroup(name)}
}
