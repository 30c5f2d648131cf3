package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// QueueGlance is the queue's state at a scrape.
type QueueGlance struct {
	Queued, Running int            // images
	Jobs, Dead      int            // not ended; dead letters
	Seconds         float64        // estimated device seconds of what is queued and running
	Models          map[string]int // queued images by model
	Oldest          time.Time      // acceptance of the oldest queued image, zero when there is none
	Workers         int            // alive
	Active          int            // sequences on their devices
	Offers          map[string]int // workers by model that they have loaded
}

// Queue adds the queue's gauges, which glance reads at each scrape within two
// seconds. When it cannot, queue_up is 0 and the others are left out.
func (m *Metrics) Queue(glance func(context.Context) (QueueGlance, error)) {
	m.registry.MustRegister(&queueCollector{glance: glance, models: &m.models})
}

type queueCollector struct {
	glance func(context.Context) (QueueGlance, error)
	models *names
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

var (
	queueUp      = desc("queue_up", "1 while the queue's store can be used.")
	queueImages  = desc("queue_images", "Images that wait or run.", "state")
	queueModels  = desc("queue_images_waiting", "Images that wait, by model.", "model")
	queueJobs    = desc("queue_jobs", "Jobs that have not ended.")
	queueDead    = desc("queue_dead_letters", "Jobs that failed and are kept for queue retry.")
	queueSeconds = desc("queue_device_seconds", "Estimated device seconds of what waits and runs.")
	queueOldest  = desc("queue_oldest_seconds", "How long the oldest image that waits has waited.")
	queueWorkers = desc("workers", "Workers that are alive.")
	queueActive  = desc("workers_active_images", "Images on the workers' devices.")
	queueOffers  = desc("workers_with_model", "Workers that have a model loaded.", "model")
)

func (q *queueCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{queueUp, queueImages, queueModels, queueJobs, queueDead, queueSeconds, queueOldest, queueWorkers, queueActive, queueOffers} {
		to <- d
	}
}

func (q *queueCollector) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	g, err := q.glance(ctx)
	if err != nil {
		gauge(queueUp, 0)
		return
	}
	gauge(queueUp, 1)
	gauge(queueImages, float64(g.Queued), "queued")
	gauge(queueImages, float64(g.Running), "running")
	q.byModel(queueModels, g.Models, gauge)
	q.byModel(queueOffers, g.Offers, gauge)
	gauge(queueJobs, float64(g.Jobs))
	gauge(queueDead, float64(g.Dead))
	gauge(queueSeconds, g.Seconds)
	oldest := 0.0
	if !g.Oldest.IsZero() {
		oldest = max(0, time.Since(g.Oldest).Seconds())
	}
	gauge(queueOldest, oldest)
	gauge(queueWorkers, float64(g.Workers))
	gauge(queueActive, float64(g.Active))
}

// byModel adds up what has one label.
func (q *queueCollector) byModel(d *prometheus.Desc, counts map[string]int, gauge func(*prometheus.Desc, float64, ...string)) {
	sums := map[string]int{}
	for model, n := range counts {
		sums[q.models.name(model)] += n
	}
	for model, n := range sums {
		gauge(d, float64(n), model)
	}
}
