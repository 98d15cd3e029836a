package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// flushTime is how long the last spans may take to be sent when the server stops.
const flushTime = 5 * time.Second

// tracing is where spans go; the zero value is nowhere.
type tracing struct {
	provider *sdktrace.TracerProvider
}

// startTracing sends spans by OTLP over HTTP where OpenTelemetry's standard environment variables say so: an endpoint, or otlp as the
// traces' exporter. The exporter, the sampler and the batches read theirs by themselves.
func startTracing(ctx context.Context, getenv func(string) string, logger *slog.Logger) (tracing, error) {
	switch exporter := getenv("OTEL_TRACES_EXPORTER"); {
	case getenv("OTEL_SDK_DISABLED") == "true", exporter == "none":
		return tracing{}, nil
	case exporter == "" && getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "":
		return tracing{}, nil
	case exporter != "" && exporter != "otlp":
		return tracing{}, fmt.Errorf("OTEL_TRACES_EXPORTER=%s: traces are sent by otlp, or not at all: none", exporter)
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"} {
		if protocol := getenv(name); protocol != "" && protocol != "http/protobuf" {
			return tracing{}, fmt.Errorf("%s=%s: traces are sent by http/protobuf, port 4318 of a collector", name, protocol)
		}
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return tracing{}, fmt.Errorf("send traces: %w", err)
	}
	version, _, _ := build()
	about, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "spendwise"), attribute.String("service.version", version)),
		resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return tracing{}, errors.Join(fmt.Errorf("describe this server to traces: %w", err), exporter.Shutdown(ctx))
	}
	// This process's own: what cannot be sent would else be said on standard error, in no format of ours.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { logger.Warn("traces", "error", err) }))
	return tracing{sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))}, nil
}

// tracer returns the provider, or nil.
func (t tracing) tracer() trace.TracerProvider {
	if t.provider == nil {
		return nil
	}
	return t.provider
}

// client returns an HTTP client whose requests are spans and carry their context on, or nil: the usual one will do.
func (t tracing) client(timeout time.Duration) *http.Client {
	if t.provider == nil {
		return nil
	}
	return &http.Client{Timeout: timeout, Transport: otelhttp.NewTransport(http.DefaultTransport,
		otelhttp.WithTracerProvider(t.provider), otelhttp.WithPropagators(propagation.TraceContext{}), otelhttp.WithMeterProvider(noop.NewMeterProvider()))}
}

// stop sends the last spans.
func (t tracing) stop(logger *slog.Logger) {
	if t.provider == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		logger.Warn("the last traces could not be sent", "error", err)
	}
}
