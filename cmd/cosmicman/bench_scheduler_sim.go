package main

import (
	"context"
	"fmt"
	"time"

	"cosmicman/scheduler/sim"
)

// mixed compares packing by steps with batches of whole requests, in the simulator.
func (b *schedulerBench) mixed(ctx context.Context) error {
	const clients = 96
	hours := time.Duration(b.times(4, 1)) * time.Hour
	for _, c := range []struct {
		name  string
		costs sim.Costs
		rows  int
		span  time.Duration
		least float64
	}{
		{"CPU-like costs", sim.CPU(), 64, 60 * hours, 1},
		{"GPU-like costs, 16 rows", sim.GPU(), 16, hours, 1.3},
		{"GPU-like costs, 64 rows", sim.GPU(), 64, hours, 0},
	} {
		config := sim.Saturated(c.costs, c.rows, clients, c.span, 1)
		packed, err := sim.Run(ctx, config)
		if err != nil {
			return err
		}
		p95 := sim.All(packed.Totals).Percentile(95)
		whole := sim.Classic(config, sim.ByRequests)
		same, near := sim.Classic(config, sim.SameSteps), sim.Classic(config, sim.NearestSteps)
		b.add(measured{Name: "saturated, mixed: images/s against whole requests, " + c.name, Value: packed.Rate() / whole.Images, Unit: "x", Least: c.least,
			Note: fmt.Sprintf("%.4g/s; %.3fx of batches that look for equal steps, %.3fx for nearest", packed.Rate(), packed.Rate()/same.Images, packed.Rate()/near.Images)})
		b.add(measured{Name: "saturated, mixed: p95 against whole requests, " + c.name, Value: p95 / whole.Totals.Percentile(95), Unit: "x", Most: 1,
			Note: fmt.Sprintf("%.0f s; %.3fx of batches that look for equal steps, %.3fx for nearest", p95, p95/same.Totals.Percentile(95), p95/near.Totals.Percentile(95))})
	}
	return nil
}
