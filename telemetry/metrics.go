package telemetry

import (
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"cosmicman/job"
)

// Metrics are what one process tells Prometheus: of jobs and devices by
// [Metrics.Observe], of requests by [Metrics.Request], of the queue at each scrape.
// Every label has a bounded number of values; prompts, keys, jobs, images and
// workers of other processes are none.
type Metrics struct {
	registry *prometheus.Registry
	models   names

	requests       *prometheus.CounterVec
	requestSeconds *prometheus.HistogramVec
	responseBytes  *prometheus.CounterVec
	inFlight       prometheus.Gauge

	accepted, refused, ended *prometheus.CounterVec
	jobSeconds               *prometheus.HistogramVec
	queueWait                *prometheus.HistogramVec
	images                   *prometheus.CounterVec
	imageSeconds             *prometheus.HistogramVec
	returned                 *prometheus.CounterVec

	stepSeconds  *prometheus.HistogramVec
	stepRows     *prometheus.HistogramVec
	rows, padded *prometheus.CounterVec
	textSeconds  *prometheus.HistogramVec
	vaeSeconds   *prometheus.HistogramVec
	storeSeconds prometheus.Histogram
	storedBytes  prometheus.Counter

	device      *prometheus.CounterVec
	loaded      *prometheus.GaugeVec
	loadSeconds *prometheus.HistogramVec
	halved      *prometheus.CounterVec
}

// The buckets: a request or a wait lasts from the queue's milliseconds to a CPU's
// many minutes, a network's call from a GPU's milliseconds to a CPU's half minute.
var (
	waitBuckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800}
	callBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
)

// NewMetrics makes the metrics of a process, its build, its memory and its
// goroutines among them.
func NewMetrics() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), models: names{most: 50}}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	f := factory{m.registry}

	m.requests = f.counter("http_requests_total", "HTTP requests that were answered.", "route", "method", "status")
	m.requestSeconds = f.histogram("http_request_duration_seconds", "From a request's headers to the end of its answer.", waitBuckets, "route", "method")
	m.responseBytes = f.counter("http_response_bytes_total", "Bytes of answers' bodies.", "route")
	m.inFlight = f.gauge("http_requests_in_flight", "HTTP requests that are being answered.").WithLabelValues()

	m.accepted = f.counter("jobs_accepted_total", "Jobs that the queue accepted.", "model")
	m.refused = f.counter("jobs_refused_total", "Jobs that the queue refused at the door.", "kind")
	m.ended = f.counter("jobs_ended_total", "Jobs that ended.", "model", "state")
	m.jobSeconds = f.histogram("job_duration_seconds", "From a job's acceptance to its end.", waitBuckets, "model")
	m.queueWait = f.histogram("queue_wait_seconds", "From an image's acceptance to its being given to a worker.", waitBuckets, "model")
	m.images = f.counter("images_total", "Images whose result was recorded.", "model")
	m.imageSeconds = f.histogram("image_duration_seconds", "From an image's being given to a worker to its recorded result.", waitBuckets, "model")
	m.returned = f.counter("images_returned_total", "Images that went back or were stopped: retried, drained, fenced, revoked.", "why")

	m.stepSeconds = f.histogram("step_duration_seconds", "Calls of the UNet.", callBuckets, "model")
	m.stepRows = f.histogram("step_rows", "Rows of a call of the UNet, padding not counted.", rowBounds, "model")
	m.rows = f.counter("rows_total", "Rows that the UNet computed, padding not counted.", "model")
	m.padded = f.counter("padded_rows_total", "Rows that the device was given, padding counted.", "model")
	m.textSeconds = f.histogram("text_encoder_duration_seconds", "Beginning images: the text encoders, and the VAE encoder for images to begin from.", callBuckets, "model")
	m.vaeSeconds = f.histogram("vae_decode_duration_seconds", "Decoding an image.", callBuckets, "model")
	m.storeSeconds = f.histogram("artifact_store_duration_seconds", "Storing an image's file.", callBuckets).WithLabelValues().(prometheus.Histogram)
	m.storedBytes = f.counter("artifact_bytes_total", "Bytes of image files that were stored.").WithLabelValues()

	m.device = f.counter("device_seconds_total", "The device's time by what it does; idle is a stage too.", "stage")
	m.loaded = f.gauge("model_loaded_bytes", "Memory of the models that are loaded.", "model")
	m.loadSeconds = f.histogram("model_load_duration_seconds", "Loading a model.", waitBuckets, "model")
	m.halved = f.counter("device_out_of_memory_total", "Calls for which the device had no memory.", "model")
	m.build()
	return m
}

// build tells which program this is.
func (m *Metrics) build() {
	version, revision := "unknown", "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	factory{m.registry}.gauge("build_info", "1, with what was built.", "version", "revision").WithLabelValues(version, revision).Set(1)
}

// Observe counts an event.
func (m *Metrics) Observe(e job.Event) {
	model := m.models.name(e.Model)
	switch e.Type {
	case job.EventQueued:
		m.accepted.WithLabelValues(model).Inc()
	case job.EventShed:
		m.refused.WithLabelValues(kind(e.Err)).Inc()
	case job.EventLeased:
		m.queueWait.WithLabelValues(model).Observe(e.Wait.Seconds())
	case job.EventFinished:
		m.images.WithLabelValues(model).Inc()
		m.imageSeconds.WithLabelValues(model).Observe(e.Took.Seconds())
	case job.EventEnded:
		m.ended.WithLabelValues(model, string(e.State)).Inc()
		m.jobSeconds.WithLabelValues(model).Observe(e.Wait.Seconds())
	case job.EventRetried, job.EventReturned, job.EventFenced, job.EventRevoked:
		m.returned.WithLabelValues(string(e.Type)).Inc()
	default:
		m.worked(model, e)
	}
}

// worked counts what a device did.
func (m *Metrics) worked(model string, e job.Event) {
	took := e.Took.Seconds()
	busy := func(stage string) { m.device.WithLabelValues(stage).Add(took) }
	switch e.Type {
	case job.EventJoined: // one for every image of the call
		busy = func(stage string) { m.device.WithLabelValues(stage).Add(took / float64(max(1, e.Images))) }
		busy("begin")
		m.textSeconds.WithLabelValues(model).Observe(took)
	case job.EventStepped:
		busy("step")
		m.stepSeconds.WithLabelValues(model).Observe(took)
		m.stepRows.WithLabelValues(model).Observe(float64(e.Rows))
		m.rows.WithLabelValues(model).Add(float64(max(0, e.Rows)))
		m.padded.WithLabelValues(model).Add(float64(max(0, e.Padded)))
	case job.EventDecoded, job.EventPreview:
		busy("decode")
		m.vaeSeconds.WithLabelValues(model).Observe(took)
	case job.EventStored:
		m.storeSeconds.Observe(took)
		m.storedBytes.Add(float64(max(0, e.Bytes)))
	case job.EventLoaded:
		busy("load")
		m.loaded.WithLabelValues(model).Set(float64(e.Bytes))
		m.loadSeconds.WithLabelValues(model).Observe(took)
	case job.EventUnloaded:
		m.loaded.WithLabelValues(model).Set(0)
	case job.EventHalved:
		m.halved.WithLabelValues(model).Inc()
	case job.EventIdle:
		busy("idle")
	}
}

func kind(err error) string {
	if k := job.KindOf(err); k != "" {
		return string(k)
	}
	return "unknown"
}

// Begin counts a request that is being answered, until the function that it returns
// is called with the route's pattern ("" for none), the status and the body's bytes.
func (m *Metrics) Begin(method string) func(route string, status int, bytes int64) {
	begun := time.Now()
	m.inFlight.Inc()
	return func(route string, status int, bytes int64) {
		m.inFlight.Dec()
		if route == "" {
			route = "none"
		}
		switch method {
		case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete, http.MethodOptions:
		default:
			method = "other"
		}
		m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
		m.requestSeconds.WithLabelValues(route, method).Observe(time.Since(begun).Seconds())
		m.responseBytes.WithLabelValues(route).Add(float64(max(0, bytes)))
	}
}

// Handler answers scrapes. more, such as the metrics of processes that this one
// started, are read at each scrape; what cannot be read is left out.
func (m *Metrics) Handler(more ...prometheus.Gatherer) http.Handler {
	all := append(prometheus.Gatherers{m.registry}, more...)
	return promhttp.HandlerFor(all, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}

// names bounds the values of a label: after the first few, others are "other".
type names struct {
	most int
	mu   sync.Mutex
	seen map[string]bool
}

func (n *names) name(s string) string {
	if s == "" {
		return "none"
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.seen[s] {
		return s
	}
	if len(n.seen) >= n.most {
		return "other"
	}
	if n.seen == nil {
		n.seen = map[string]bool{}
	}
	n.seen[s] = true
	return s
}

// factory registers metrics in this program's namespace.
type factory struct{ r *prometheus.Registry }

const namespace = "cosmicman"

func (f factory) counter(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	f.r.MustRegister(c)
	return c
}

func (f factory) gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
	f.r.MustRegister(g)
	return g
}

func (f factory) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
	f.r.MustRegister(h)
	return h
}
