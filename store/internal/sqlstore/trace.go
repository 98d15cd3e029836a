package sqlstore

import (
	"context"
	"errors"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// instrumentation is the name under which spans are made.
const instrumentation = "github.com/spendwise/spendwise/store"

// longestText is how much of a statement's text a span holds.
const longestText = 2000

// span begins a span below the one of ctx, by the provider of that one: a host that makes none pays a look-up. Nothing
// that it holds is a value of the ledger's: texts have places for those.
func (d *Dialect) span(
	ctx context.Context, name string, attributes ...attribute.KeyValue,
) (context.Context, trace.Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, nil
	}
	return parent.TracerProvider().Tracer(instrumentation).Start(ctx, name,
		trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(append(attributes,
			attribute.String("db.system.name", d.System))...))
}

// ended ends a span that there may be none of, and says of an error of the driver what kind it is: its text may hold
// values.
func (d *Dialect) ended(span trace.Span, err error) {
	if span == nil {
		return
	}
	if err != nil {
		kind := "failed"
		switch trouble := d.Classify(err); {
		case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
			kind = "canceled"
		case trouble == Conflict:
			kind = "conflict"
		case trouble == Unavailable:
			kind = "unavailable"
		}
		span.SetAttributes(attribute.String("error.type", kind))
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// statement begins the span of a statement, below that of the transaction if there is one.
func (s *session) statement(ctx context.Context, text string) (context.Context, trace.Span) {
	if s.span != nil {
		ctx = trace.ContextWithSpan(ctx, s.span)
	}
	if !trace.SpanFromContext(ctx).IsRecording() {
		return ctx, nil
	}
	text = strings.TrimSpace(text)
	operation, rest, _ := strings.Cut(text, " ")
	name, table := strings.ToUpper(operation), tableOf(rest)
	attributes := []attribute.KeyValue{attribute.String("db.operation.name", name),
		attribute.String("db.query.text", text[:min(len(text), longestText)])}
	if table != "" {
		name += " " + table
		attributes = append(attributes, attribute.String("db.collection.name", table))
	}
	return s.dialect.span(ctx, name, attributes...)
}

// tableOf returns the first of our tables that a text names.
func tableOf(text string) string {
	at := strings.Index(text, "spendwise_")
	if at < 0 {
		return ""
	}
	end := strings.IndexFunc(text[at:], func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') })
	if end < 0 {
		return text[at:]
	}
	return text[at : at+end]
}
