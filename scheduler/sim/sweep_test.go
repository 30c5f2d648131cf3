//go:build long

package sim_test

import (
	"fmt"
	"testing"
	"time"

	"cosmicman/scheduler/pack"
	"cosmicman/scheduler/sim"
)

// TestWhatSettingsChange prints the table of package scheduler's documentation.
func TestWhatSettingsChange(t *testing.T) {
	base := func() sim.Config {
		c := fleet(12, time.Hour)
		c.Faults, c.Memory = sim.Faults{}, 0
		c.Costs = func(int) sim.Costs { return sim.GPU() }
		c.Traffic.Load, c.Traffic.Bursts = 0.6, 4
		return c
	}
	type variant struct {
		name   string
		change func(*sim.Config)
	}
	variants := []variant{{"as it is", func(*sim.Config) {}}}
	for _, ahead := range []float64{0.5, 2, 4} {
		variants = append(variants, variant{fmt.Sprintf("%g times as many leased ahead", ahead), func(c *sim.Config) { c.Ahead = ahead }})
	}
	for _, rows := range []int{8, 16, 32} {
		variants = append(variants, variant{fmt.Sprintf("at most %d rows", rows), func(c *sim.Config) { c.Params = pack.Params{MaxRows: rows} }})
	}
	for _, every := range []time.Duration{4 * time.Hour, time.Hour, 15 * time.Minute} {
		variants = append(variants, variant{fmt.Sprintf("a crash each %v", every), func(c *sim.Config) {
			c.Faults = sim.Faults{Crash: every, Restart: 20 * time.Second}
		}})
	}
	variants = append(variants,
		variant{"one worker in ten 5 times slower", func(c *sim.Config) { c.Faults = sim.Faults{Stragglers: 0.1, Slower: 5} }},
		variant{"two models, memory for one", func(c *sim.Config) { c.Memory = 1 }},
		variant{"loads only after 10 times as long", func(c *sim.Config) { c.Memory, c.LoadOffer = 1, 10 }},
		variant{"busy, loads after 10 times a load", func(c *sim.Config) { c.Memory, c.LoadPause = 1, 10 }},
		variant{"busy, loads after 40 times a load", func(c *sim.Config) { c.Memory, c.LoadPause = 1, 40 }},
		variant{"loads only what nobody has loaded", func(c *sim.Config) { c.Memory, c.LoadOffer = 1, 1e6 }})
	table := fmt.Sprintf("%-36s %5s %5s %5s  %8s %8s  %8s %8s  %6s %7s %7s\n", "", "busy", "fill", "rows", "wait p50", "p95", "all p50", "p95", "refused", "retried", "loads")
	for _, v := range variants {
		c := base()
		v.change(&c)
		r := play(t, c)
		w, a := sim.All(r.Waits), sim.All(r.Totals)
		table += fmt.Sprintf("%-36s %4.0f%% %4.0f%% %5.1f  %8.2f %8.2f  %8.2f %8.2f  %6.1f%% %7d %7d\n", v.name, 100*r.Utilisation, 100*r.Fill, r.RowsPerCall,
			w.Percentile(50), w.Percentile(95), a.Percentile(50), a.Percentile(95), 100*float64(r.Shed)/float64(r.Shed+r.Jobs), r.Retried, r.Loads)
	}
	t.Logf("%d workers, %v, GPU-like\n%s", base().Workers, base().Span, table)
}
