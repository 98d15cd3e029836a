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

// flushTimeout limits sending the last spans when the server stops.
const flushTimeout = 5 * time.Second

// tracing exports spans. The zero value discards them.
type tracing struct {
	provider *sdktrace.TracerProvider
}

// startTracing exports spans by OTLP over HTTP if OpenTelemetry's environment variables set an endpoint, or the
// exporter otlp. The SDK reads the variables of the exporter, sampler and batches itself.
func startTracing(ctx context.Context, getenv func(string) string, logger *slog.Logger) (tracing, error) {
	switch exporter := getenv("OTEL_TRACES_EXPORTER"); {
	case getenv("OTEL_SDK_DISABLED") == "true", exporter == "none":
		return tracing{}, nil
	case exporter == "" && getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" &&
		getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "":
		return tracing{}, nil
	case exporter != "" && exporter != "otlp":
		return tracing{}, fmt.Errorf("OTEL_TRACES_EXPORTER=%s is not supported; set it to otlp or none", exporter)
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"} {
		if protocol := getenv(name); protocol != "" && protocol != "http/protobuf" {
			return tracing{}, fmt.Errorf("%s=%s is not supported; set it to http/protobuf, usually port 4318 of a collector",
				name, protocol)
		}
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return tracing{}, fmt.Errorf("create the trace exporter: %w", err)
	}
	version, _, _ := build()
	attributes, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "spendwise"), attribute.String("service.version", version)),
		resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return tracing{}, errors.Join(fmt.Errorf("describe this server for traces: %w", err), exporter.Shutdown(ctx))
	}
	// By default, OpenTelemetry prints export errors to standard error in a format of its own.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		logger.Warn("traces could not be exported", "error", err)
	}))
	return tracing{sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(attributes))}, nil
}

// tracer returns the provider, or nil if tracing is off.
func (t tracing) tracer() trace.TracerProvider {
	if t.provider == nil {
		return nil
	}
	return t.provider
}

// client returns an HTTP client that records a span for each request and sends its trace context. It returns nil if
// tracing is off.
func (t tracing) client(timeout time.Duration) *http.Client {
	if t.provider == nil {
		return nil
	}
	return &http.Client{Timeout: timeout, Transport: otelhttp.NewTransport(http.DefaultTransport,
		otelhttp.WithTracerProvider(t.provider), otelhttp.WithPropagators(propagation.TraceContext{}),
		otelhttp.WithMeterProvider(noop.NewMeterProvider()))}
}

// stop exports the remaining spans and stops.
func (t tracing) stop(logger *slog.Logger) {
	if t.provider == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		logger.Warn("the last traces could not be exported", "error", err)
	}
}
