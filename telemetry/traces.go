package telemetry

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"cosmicman/job"
)

// Traces sends spans to an OpenTelemetry collector by OTLP over HTTP: one of each
// request, and below it, from whichever process drew, one of each image with its
// wait, its beginning, its steps, its decoding and its storing. They hold names of
// models and routes, job IDs and seconds; no prompts. A nil *Traces sends nothing.
//
// The usual variables configure it, among them OTEL_EXPORTER_OTLP_ENDPOINT,
// OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES,
// OTEL_TRACES_SAMPLER and OTEL_SDK_DISABLED.
type Traces struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer

	mu     sync.Mutex
	images map[job.Ref]*stages
}

// stages is when what happened to an image that is being drawn.
type stages struct {
	beginning, begun  time.Time
	decoding, decoded time.Time
	storing, stored   time.Time
	trace, model      string
}

// mostImages bounds the images that are remembered: those of which the end is never
// told would add up.
const mostImages = 10_000

// NewTraces reads the environment: nil without an endpoint, or when tracing is
// switched off.
func NewTraces(ctx context.Context, getenv func(string) string, service string) (*Traces, error) {
	if getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" ||
		strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") || getenv("OTEL_TRACES_EXPORTER") == "none" {
		return nil, nil
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	host, _ := os.Hostname() // unknown is as good as empty
	own := resource.NewSchemaless(attribute.String("service.name", service), attribute.String("host.name", host), attribute.Int("process.pid", os.Getpid()))
	about, err := resource.Merge(own, resource.Environment())
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	return newTraces(sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))), nil
}

func newTraces(p *sdktrace.TracerProvider) *Traces {
	return &Traces{provider: p, tracer: p.Tracer("cosmicman"), images: map[job.Ref]*stages{}}
}

// Close sends what is left, until ctx ends.
func (t *Traces) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

// Request begins the span of a request, below the one that its headers name. It
// returns what the request's jobs have in Spec.Trace, and the span's end.
func (t *Traces) Request(method string, h http.Header) (traceparent string, end func(route string, status int)) {
	if t == nil {
		return "", func(string, int) {}
	}
	above := propagation.TraceContext{}.Extract(context.Background(), propagation.HeaderCarrier(h))
	ctx, span := t.tracer.Start(above, method, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attribute.String("http.request.method", method)))
	to := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, to)
	return to["traceparent"], func(route string, status int) {
		if route != "" {
			span.SetName(method + " " + route)
			span.SetAttributes(attribute.String("http.route", route))
		}
		span.SetAttributes(attribute.Int("http.response.status_code", status))
		if status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// Observe follows the images of a worker by its own events.
func (t *Traces) Observe(e job.Event) {
	if t == nil || e.Job == "" || e.Trace == "" {
		return
	}
	ref, now := job.Ref{Job: e.Job, Image: e.Image}, time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.images[ref]
	switch e.Type {
	case job.EventJoined:
		if len(t.images) < mostImages {
			t.images[ref] = &stages{trace: e.Trace, model: e.Model, beginning: now.Add(-e.Took), begun: now}
		}
	case job.EventDecoded:
		if s != nil {
			s.decoding, s.decoded = now.Add(-e.Took), now
		}
	case job.EventStored:
		if s != nil {
			s.storing, s.stored = now.Add(-e.Took), now
		}
	case job.EventFinished, job.EventFailed, job.EventFenced, job.EventRevoked:
		if s != nil {
			delete(t.images, ref)
			t.image(s, e, now)
		}
	}
}

// image tells the spans of an image that is done with.
func (t *Traces) image(s *stages, e job.Event, now time.Time) {
	above := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": s.trace})
	started := s.beginning
	if e.Took > 0 {
		started = now.Add(-e.Took)
	}
	if e.Wait > e.Took {
		_, wait := t.tracer.Start(above, "wait", trace.WithTimestamp(now.Add(-e.Wait)))
		wait.End(trace.WithTimestamp(started))
	}
	ctx, span := t.tracer.Start(above, "image", trace.WithTimestamp(started), trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.String("cosmicman.job", string(e.Job)), attribute.Int("cosmicman.image", e.Image), attribute.String("cosmicman.model", s.model),
		attribute.String("cosmicman.outcome", string(e.Type)), attribute.Int("cosmicman.attempt", e.Attempt)))
	stage := func(name string, from, to time.Time) {
		if !from.IsZero() && !to.IsZero() {
			_, part := t.tracer.Start(ctx, name, trace.WithTimestamp(from))
			part.End(trace.WithTimestamp(to))
		}
	}
	stage("begin", s.beginning, s.begun)
	denoised := s.decoding
	if denoised.IsZero() {
		denoised = now
	}
	stage("denoise", s.begun, denoised)
	stage("decode", s.decoding, s.decoded)
	stage("store", s.storing, s.stored)
	if e.Type != job.EventFinished {
		span.SetStatus(codes.Error, kind(e.Err))
	}
	span.End(trace.WithTimestamp(now))
}
