package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// instrumentation is the name of the tracer.
const instrumentation = "github.com/spendwise/spendwise/store"

// maxTracedText is the maximum number of bytes of a statement's text in a span.
const maxTracedText = 2000

// A tracer is a hook of bun that makes a span for each statement, below the span in the context and with its provider.
// Without a recording span in the context it does nothing. A span contains no values: it shows the statement with
// placeholders, and only the class of an error.
type tracer struct{ dialect *Dialect }

// spanKey is the key of a statement's span in the stash of its event.
type spanKey struct{}

// BeforeQuery implements [bun.QueryHook].
func (t tracer) BeforeQuery(ctx context.Context, event *bun.QueryEvent) context.Context {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return ctx
	}
	text := strings.TrimSpace(event.Query)
	if event.IQuery != nil {
		// The text of the event contains the values. A generator without a dialect writes placeholders instead.
		template, err := event.IQuery.AppendQuery(schema.NewNopQueryGen(), nil)
		if err != nil {
			template = []byte(event.Operation())
		}
		text = strings.TrimSpace(string(template))
	}
	operation, rest, _ := strings.Cut(text, " ")
	name, table := strings.ToUpper(operation), tableOf(rest)
	attributes := []attribute.KeyValue{attribute.String("db.operation.name", name),
		attribute.String("db.query.text", text[:min(len(text), maxTracedText)])}
	if table != "" {
		name += " " + table
		attributes = append(attributes, attribute.String("db.collection.name", table))
	}
	_, span := t.start(ctx, name, attributes...)
	event.Stash = map[any]any{spanKey{}: span}
	return ctx // bun runs COMMIT with the context of BEGIN, whose span has ended then
}

// AfterQuery implements [bun.QueryHook].
func (t tracer) AfterQuery(_ context.Context, event *bun.QueryEvent) {
	if span, ok := event.Stash[spanKey{}].(trace.Span); ok {
		t.end(span, event.Err)
	}
}

// start starts a span below that of ctx. The span is nil if that of ctx is not recording.
func (t tracer) start(
	ctx context.Context, name string, attributes ...attribute.KeyValue,
) (context.Context, trace.Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, nil
	}
	return parent.TracerProvider().Tracer(instrumentation).Start(ctx, name,
		trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(append(attributes,
			attribute.String("db.system.name", t.dialect.System))...))
}

// end ends a span, which may be nil. It records the class of an error, not its text, which may contain values.
func (t tracer) end(span trace.Span, err error) {
	if span == nil {
		return
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		kind := "failed"
		switch class := t.dialect.Classify(err); {
		case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
			kind = "canceled"
		case class == Conflict:
			kind = "conflict"
		case class == Unavailable:
			kind = "unavailable"
		}
		span.SetAttributes(attribute.String("error.type", kind))
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// tableOf returns the first table of this schema that a text names.
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
