package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"cosmicman/job"
)

// scrape returns what a handler tells, by the sample's name and labels.
func scrape(t *testing.T, h http.Handler) map[string]float64 {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	text := w.Body.String()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(families) < 20 {
		t.Fatalf("%d families", len(families))
	}
	out := map[string]float64{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		i := strings.LastIndexByte(line, ' ')
		if i < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		name, value := line[:i], line[i+1:]
		var v float64
		if _, err := fmt.Sscan(value, &v); err == nil {
			out[name] = v
		}
	}
	return out
}

func TestMetricsCountEvents(t *testing.T) {
	m := NewMetrics()
	events := []job.Event{
		{Type: job.EventQueued, Model: "sd", Images: 2},
		{Type: job.EventShed, Model: "sd", Err: job.Errorf(job.Overloaded, "full")},
		{Type: job.EventLeased, Model: "sd", Wait: 20 * time.Millisecond},
		{Type: job.EventJoined, Model: "sd", Took: time.Second, Images: 2},
		{Type: job.EventJoined, Model: "sd", Took: time.Second, Images: 2},
		{Type: job.EventStepped, Model: "sd", Rows: 3, Padded: 4, Took: 2 * time.Second},
		{Type: job.EventDecoded, Model: "sd", Took: time.Second / 2},
		{Type: job.EventStored, Bytes: 1000, Took: time.Millisecond},
		{Type: job.EventFinished, Model: "sd", Took: 3 * time.Second},
		{Type: job.EventEnded, Model: "sd", State: job.Completed, Wait: 4 * time.Second},
		{Type: job.EventRetried, Model: "sd"},
		{Type: job.EventHalved, Model: "sd"},
		{Type: job.EventLoaded, Model: "sd", Bytes: 7, Took: time.Second},
		{Type: job.EventIdle, Took: 10 * time.Second},
	}
	for _, e := range events {
		m.Observe(e)
	}
	m.Begin("POST")("/v1/images/generations", 200, 12)
	m.Begin("BREW")("", 404, 3)
	got := scrape(t, m.Handler())
	for name, want := range map[string]float64{
		`cosmicman_jobs_accepted_total{model="sd"}`:                                                   1,
		`cosmicman_jobs_refused_total{kind="overloaded"}`:                                             1,
		`cosmicman_queue_wait_seconds_bucket{model="sd",le="0.025"}`:                                  1,
		`cosmicman_queue_wait_seconds_bucket{model="sd",le="0.01"}`:                                   0,
		`cosmicman_device_seconds_total{stage="begin"}`:                                               1,
		`cosmicman_device_seconds_total{stage="step"}`:                                                2,
		`cosmicman_device_seconds_total{stage="idle"}`:                                                10,
		`cosmicman_rows_total{model="sd"}`:                                                            3,
		`cosmicman_padded_rows_total{model="sd"}`:                                                     4,
		`cosmicman_vae_decode_duration_seconds_count{model="sd"}`:                                     1,
		`cosmicman_artifact_bytes_total`:                                                              1000,
		`cosmicman_images_total{model="sd"}`:                                                          1,
		`cosmicman_jobs_ended_total{model="sd",state="completed"}`:                                    1,
		`cosmicman_job_duration_seconds_sum{model="sd"}`:                                              4,
		`cosmicman_images_returned_total{why="retried"}`:                                              1,
		`cosmicman_device_out_of_memory_total{model="sd"}`:                                            1,
		`cosmicman_model_loaded_bytes{model="sd"}`:                                                    7,
		`cosmicman_http_requests_total{method="POST",route="/v1/images/generations",status="200"}`:    1,
		`cosmicman_http_requests_total{method="other",route="none",status="404"}`:                     1,
		`cosmicman_http_requests_in_flight`:                                                           0,
		`cosmicman_http_response_bytes_total{route="/v1/images/generations"}`:                         12,
		`cosmicman_http_request_duration_seconds_count{method="POST",route="/v1/images/generations"}`: 1,
	} {
		if v, is := got[name]; !is || v != want {
			t.Errorf("%s is %v (%v), expected %v", name, v, is, want)
		}
	}
}

func TestNamesMakeFewSeries(t *testing.T) {
	m := NewMetrics()
	for i := range 10_000 {
		m.Observe(job.Event{Type: job.EventQueued, Model: fmt.Sprint("model", i), Tenant: fmt.Sprint(i), Job: job.NewID()})
		m.Observe(job.Event{Type: job.EventEnded, Model: fmt.Sprint("model", i), State: job.Completed})
	}
	got := scrape(t, m.Handler())
	series := 0
	for name := range got {
		if strings.HasPrefix(name, "cosmicman_jobs_accepted_total") {
			series++
		}
	}
	if series != 51 || got[`cosmicman_jobs_accepted_total{model="other"}`] != 9950 {
		t.Errorf("%d series, %v others", series, got[`cosmicman_jobs_accepted_total{model="other"}`])
	}
}

func TestTheQueueIsReadAtEachScrape(t *testing.T) {
	m := NewMetrics()
	glance, fault := QueueGlance{Queued: 3, Running: 2, Models: map[string]int{"sd": 3}, Workers: 1, Oldest: time.Now().Add(-time.Minute)}, error(nil)
	m.Queue(func(context.Context) (QueueGlance, error) { return glance, fault })
	got := scrape(t, m.Handler())
	if got["cosmicman_queue_up"] != 1 || got[`cosmicman_queue_images{state="queued"}`] != 3 || got[`cosmicman_queue_images_waiting{model="sd"}`] != 3 || got["cosmicman_queue_oldest_seconds"] < 59 {
		t.Errorf("%v", got)
	}
	glance.Queued, fault = 4, errors.New("gone")
	got = scrape(t, m.Handler())
	if _, is := got["cosmicman_workers"]; is || got["cosmicman_queue_up"] != 0 {
		t.Errorf("%v", got)
	}
}

func unix(path string) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) { return (&net.Dialer{}).DialContext(ctx, "unix", path) }
}

func TestMetricsOfOtherProcesses(t *testing.T) {
	child := NewMetrics()
	child.Observe(job.Event{Type: job.EventStepped, Model: "sd", Rows: 5})
	path := filepath.Join(t.TempDir(), "m.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: child.Handler(), ErrorLog: nil}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	own := NewMetrics()
	own.Observe(job.Event{Type: job.EventStepped, Model: "sd", Rows: 1})
	h := own.Handler(Peer(unix(path), "worker-0"), Peer(unix(path+".none"), "worker-1"))
	got := scrape(t, h)
	if got[`cosmicman_rows_total{model="sd"}`] != 1 || got[`cosmicman_rows_total{model="sd",process="worker-0"}`] != 5 {
		t.Errorf("%v", got)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
	if got := scrape(t, h); got[`cosmicman_rows_total{model="sd"}`] != 1 {
		t.Errorf("%v", got)
	}
}

func TestMetricsThatAreNoMetrics(t *testing.T) {
	bad := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{not metrics") }))
	path := filepath.Join(t.TempDir(), "m.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	bad.Listener = l
	bad.Start()
	defer bad.Close()
	if _, err := Peer(unix(path), "p").Gather(); err == nil {
		t.Error("no error")
	}
	if got := scrape(t, NewMetrics().Handler(prometheus.Gatherers{Peer(unix(path), "p")})); got["cosmicman_http_requests_in_flight"] != 0 {
		t.Errorf("%v", got)
	}
}
