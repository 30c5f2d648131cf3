package telemetry

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Peer reads the metrics of another process of this program, which is reached by
// dial, at each scrape, and adds the label process to tell them apart. A process
// that does not answer within a second has no metrics.
func Peer(dial func(context.Context) (net.Conn, error), process string) prometheus.Gatherer {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
	}}
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		res, err := client.Get("http://process/metrics")
		if err != nil {
			return nil, fmt.Errorf("process %s: %w", process, err)
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("process %s answered %s", process, res.Status)
		}
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(http.MaxBytesReader(nil, res.Body, 8<<20))
		if err != nil {
			return nil, fmt.Errorf("process %s: %w", process, err)
		}
		name := "process"
		var out []*dto.MetricFamily
		for _, f := range families {
			for _, m := range f.Metric {
				m.Label = append(m.Label, &dto.LabelPair{Name: &name, Value: &process})
			}
			out = append(out, f)
		}
		return out, nil
	})
}
