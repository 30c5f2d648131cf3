package telemetry

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"cosmicman/job"
)

// TestSpansReachACollector sends what one request and one image leave, through the
// real exporter, to a collector, which reads OTLP.
func TestSpansReachACollector(t *testing.T) {
	var mu sync.Mutex
	type span struct{ id, parent, trace string }
	spans := map[string]span{}
	service := ""
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		var got tracepb.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(data, &got)
		}
		if err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, rs := range got.ResourceSpans {
			for _, a := range rs.Resource.Attributes {
				if a.Key == "service.name" {
					service = a.Value.GetStringValue()
				}
			}
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					spans[s.Name] = span{string(s.SpanId), string(s.ParentSpanId), string(s.TraceId)}
				}
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	defer collector.Close()
	env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": collector.URL, "OTEL_EXPORTER_OTLP_COMPRESSION": "none"}
	for k, v := range env {
		t.Setenv(k, v) // the exporter reads it for itself
	}
	tr, err := NewTraces(t.Context(), func(k string) string { return env[k] }, "cosmicman-test")
	if err != nil || tr == nil {
		t.Fatal(tr, err)
	}
	parent, end := tr.Request("POST", http.Header{"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}})
	id := job.NewID()
	for _, e := range []job.Event{
		{Type: job.EventJoined, Took: time.Millisecond},
		{Type: job.EventDecoded, Took: time.Millisecond},
		{Type: job.EventStored, Took: time.Millisecond},
		{Type: job.EventFinished, Took: 20 * time.Millisecond, Wait: 30 * time.Millisecond},
	} {
		e.Job, e.Trace = id, parent
		tr.Observe(e)
	}
	end("/v1/images/generations", 200)
	if err := tr.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	request := spans["POST /v1/images/generations"]
	for name, above := range map[string]string{"image": request.id, "wait": request.id, "begin": spans["image"].id, "denoise": spans["image"].id, "decode": spans["image"].id, "store": spans["image"].id} {
		if s, is := spans[name]; !is || s.parent != above || s.trace != request.trace {
			t.Errorf("%s: %v %q, expected it below %q", name, is, s, above)
		}
	}
	if request.trace != "\x0a\xf7\x65\x19\x16\xcd\x43\xdd\x84\x48\xeb\x21\x1c\x80\x31\x9c" || service != "cosmicman-test" || len(tr.images) != 0 {
		t.Errorf("%q, %q, %d images are remembered", request.trace, service, len(tr.images))
	}
}

func TestWithoutAnEndpointNothingIsTraced(t *testing.T) {
	for _, env := range []map[string]string{{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"}} {
		tr, err := NewTraces(t.Context(), func(k string) string { return env[k] }, "s")
		if tr != nil || err != nil {
			t.Errorf("%v, %v", tr, err)
		}
		parent, end := tr.Request("GET", http.Header{})
		end("/", 200)
		tr.Observe(job.Event{Type: job.EventJoined, Job: "j", Trace: "x"})
		if parent != "" || tr.Close(t.Context()) != nil {
			t.Error(parent)
		}
	}
}
