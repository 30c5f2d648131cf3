package check

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	_ "github.com/prometheus/prometheus/discovery/dns"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"

	"cosmicman/job"
	"cosmicman/telemetry"
)

// series are the names that a process tells which has done everything once, with
// their labels.
func series(t *testing.T) map[string]map[string]bool {
	t.Helper()
	m := telemetry.NewMetrics()
	for _, kind := range []job.EventType{job.EventQueued, job.EventShed, job.EventLeased, job.EventJoined, job.EventStepped, job.EventDecoded, job.EventStored,
		job.EventFinished, job.EventEnded, job.EventRetried, job.EventReturned, job.EventFenced, job.EventRevoked, job.EventLoaded, job.EventHalved, job.EventIdle} {
		m.Observe(job.Event{Type: kind, Model: "m", State: job.Completed, Took: time.Second, Rows: 1})
	}
	m.Begin(http.MethodGet)("/", 200, 1)
	m.Queue(func(context.Context) (telemetry.QueueGlance, error) {
		return telemetry.QueueGlance{Models: map[string]int{"m": 1}, Offers: map[string]int{"m": 1}}, nil
	})
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]bool{}
	for name, f := range families {
		has := map[string]bool{"job": true, "instance": true, "le": true}
		for _, m := range f.Metric {
			for _, l := range m.Label {
				has[l.GetName()] = true
			}
		}
		for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
			out[name+suffix] = has
		}
	}
	return out
}

// expression checks that what a query asks for is told.
func expression(t *testing.T, where, text string, told map[string]map[string]bool) {
	t.Helper()
	text = strings.ReplaceAll(text, "$__rate_interval", "1m")
	e, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	if err != nil {
		t.Errorf("%s: %s: %v", where, text, err)
		return
	}
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		switch n := n.(type) {
		case *parser.VectorSelector:
			selector(t, where, n, told)
		case *parser.AggregateExpr:
			has := map[string]bool{}
			parser.Inspect(n.Expr, func(inner parser.Node, _ []parser.Node) error {
				if s, is := inner.(*parser.VectorSelector); is {
					maps.Copy(has, told[s.Name])
				}
				return nil
			})
			for _, l := range n.Grouping {
				if !has[l] {
					t.Errorf("%s: %s groups by %s, which is no label", where, text, l)
				}
			}
		}
		return nil
	})
}

func selector(t *testing.T, where string, s *parser.VectorSelector, told map[string]map[string]bool) {
	t.Helper()
	has := told[s.Name]
	if has == nil {
		t.Errorf("%s: nothing tells %s", where, s.Name)
	}
	for _, l := range s.LabelMatchers {
		if l.Name != labels.MetricName && !has[l.Name] {
			t.Errorf("%s: %s has no label %s", where, s.Name, l.Name)
		}
	}
}

func TestPrometheus(t *testing.T) {
	if _, err := config.LoadFile("../prometheus/prometheus.yml", false, slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile("../prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	groups, errs := rulefmt.Parse(text, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	for _, err := range errs {
		t.Error(err)
	}
	told, rules := series(t), 0
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			rules++
			expression(t, r.Alert, r.Expr, told)
		}
	}
	if rules < 5 {
		t.Errorf("%d rules", rules)
	}
}

func TestDashboard(t *testing.T) {
	text, err := os.ReadFile("../grafana/dashboards/cosmicman.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		UID    string
		Panels []struct {
			ID      int
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	told, targets, seen := series(t), 0, map[int]bool{}
	for _, p := range board.Panels {
		if seen[p.ID] || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("%s: its ID is taken, or it is too wide", p.Title)
		}
		seen[p.ID] = true
		for _, target := range p.Targets {
			targets++
			expression(t, p.Title, target.Expr, told)
		}
	}
	if targets < 20 {
		t.Errorf("%d queries", targets)
	}
}
