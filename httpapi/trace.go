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
)

// instrumentation is the name under which spans are made.
const instrumentation = "github.com/spendwise/spendwise/httpapi"

// continued returns ctx as the request's W3C trace context continues it: so its trace is named in the log even where no span is made.
func extractTrace(ctx context.Context, header http.Header) context.Context {
	if len(header["Traceparent"]) == 0 {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(header))
}

// begin begins the span of a request, below that of the client or of the host. The caller ends it with [finish]. It names the route's
// template: neither path, query, address nor user agent, which the instrumentations of others would tell.
func (a *api) startSpan(g *gin.Context) trace.Span {
	ctx := g.Request.Context()
	remote := extractTrace(ctx, g.Request.Header)
	if trace.SpanFromContext(ctx).IsRecording() {
		remote = ctx // the host has begun a span already, from what the client sent or not
	}
	if a.tracer == nil {
		if remote != ctx {
			g.Request = g.Request.WithContext(remote)
		}
		return noopSpan()
	}
	method, route := standardMethod(g.Request.Method), pathTemplate(g.FullPath())
	name := method
	if route != "" {
		name += " " + route
	}
	ctx, span := a.tracer.Start(remote, name, trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(attribute.String("http.request.method", method), attribute.String("http.route", route)))
	g.Request = g.Request.WithContext(ctx)
	return span
}

// finish ends the span of a request with what became of it.
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

// within runs fn in a span below the one of ctx; where that is not recorded it costs a look-up.
func withSpan(ctx context.Context, name string, fn func(context.Context) error) error {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return fn(ctx)
	}
	ctx, span := parent.TracerProvider().Tracer(instrumentation).Start(ctx, name)
	defer span.End()
	err := fn(ctx)
	if err != nil {
		p := problemOf(err)
		span.SetAttributes(attribute.String("error.type", p.code))
		if p.code == codeInternal || p.code == codeUnavailable {
			span.SetStatus(codes.Error, "")
		}
	}
	return err
}

// unrecorded is a span that is none.
func noopSpan() trace.Span { return trace.SpanFromContext(context.Background()) }

// useCase returns the name of what a route does, such as "postExpense": that of its handler.
func handlerName(handle handler) string {
	name := path.Ext(runtime.FuncForPC(reflect.ValueOf(handle).Pointer()).Name())
	return name[1:]
}

// A traceLog adds to each line the trace that it belongs to: that of a request, which its client may have begun.
type traceHandler struct{ slog.Handler }

// Handle writes a line.
func (l traceHandler) Handle(ctx context.Context, line slog.Record) error {
	if at := trace.SpanContextFromContext(ctx); at.IsValid() {
		line.AddAttrs(slog.String("trace_id", at.TraceID().String()), slog.String("span_id", at.SpanID().String()))
	}
	return l.Handler.Handle(ctx, line)
}

// WithAttrs keeps adding.
func (l traceHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return traceHandler{l.Handler.WithAttrs(attrs)}
}

// WithGroup keeps adding, within the group.
func (l traceHandler) WithGroup(name string) slog.Handler {
	return traceHandler{l.Handler.WithGroup(name)}
}
