package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/billfold/billfold/internal/hosted"
)

// tracingWanted reports whether the standard OpenTelemetry variables ask for
// traces: an endpoint is named and nothing switches them off.
func tracingWanted(environ []string) bool {
	if strings.EqualFold(lookup(environ, "OTEL_SDK_DISABLED"), "true") ||
		lookup(environ, "OTEL_TRACES_EXPORTER") == "none" {
		return false
	}
	return lookup(environ, "OTEL_EXPORTER_OTLP_ENDPOINT") != "" ||
		lookup(environ, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "" ||
		lookup(environ, "OTEL_TRACES_EXPORTER") == "otlp"
}

// tracing sends a span for each request over OTLP/HTTP. A nil tracing does
// nothing, which is the default.
type tracing struct {
	provider *trace.TracerProvider
	logger   *slog.Logger
}

// newTracing returns nil when the environment does not ask for traces. The
// exporter reads the standard variables of the process by itself.
func newTracing(ctx context.Context, environ []string, logger *slog.Logger) (*tracing, error) {
	if !tracingWanted(environ) {
		return nil, nil
	}
	if err := checkTracing(environ); err != nil {
		return nil, withExit(exitUsage, err)
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	described, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(
			attribute.String("service.name", "billfold"), attribute.String("service.version", buildVersion().Version)),
		resource.WithFromEnv(),
	)
	if err != nil {
		return nil, withExit(exitUsage, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w; write name=value,name=value", err))
	}
	// Without this the library would write to the standard error by itself.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		logger.Warn("traces could not be sent", "error", err)
	}))
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(described))
	return &tracing{provider: provider, logger: logger}, nil
}

// checkTracing refuses what the library would pass over with a word of its own
// or none: nobody would miss the traces until they are needed.
func checkTracing(environ []string) error {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if protocol := lookup(environ, name); protocol != "" {
			if protocol != "http/protobuf" {
				return fmt.Errorf("%s is %q; this program speaks http/protobuf only", name, protocol)
			}
			break // the first wins
		}
	}
	if exporter := lookup(environ, "OTEL_TRACES_EXPORTER"); !oneOf(exporter, "", "otlp", "none") {
		return fmt.Errorf("OTEL_TRACES_EXPORTER is %q; this program knows otlp and none", exporter)
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"} {
		text := lookup(environ, name)
		endpoint, err := url.Parse(text)
		if text != "" && (err != nil || !oneOf(endpoint.Scheme, "http", "https") || endpoint.Host == "") {
			return fmt.Errorf("%s: %q is not an http or https address, such as http://127.0.0.1:4318", name, text)
		}
	}
	return nil
}

// wrap puts a span around each request that handler serves. Probes are left
// out; they would drown the rest.
func (t *tracing) wrap(handler http.Handler) http.Handler {
	if t == nil {
		return handler
	}
	return otelhttp.NewHandler(handler, "http",
		otelhttp.WithTracerProvider(t.provider),
		otelhttp.WithPropagators(propagation.TraceContext{}),
		otelhttp.WithFilter(func(r *http.Request) bool {
			// The paths of customers' pages are their secrets, and a span has the path.
			return !oneOf(r.URL.Path, "/healthz", "/readyz", "/metrics") && !strings.HasPrefix(r.URL.Path, hosted.Root) &&
				!strings.HasPrefix(r.URL.Path, "/portal/")
		}),
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string {
			if r.Pattern != "" {
				return r.Pattern
			}
			return r.Method
		}),
	)
}

// stop sends what is left. That it could not is no failure of the server.
func (t *tracing) stop(ctx context.Context) error {
	if t == nil {
		return nil
	}
	if err := t.provider.Shutdown(ctx); err != nil {
		t.logger.Warn("the last traces could not be sent", "error", err)
	}
	return nil
}
