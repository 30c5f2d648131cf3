// Package telemetry turns the events of jobs and devices into logs and totals.
// What it writes holds no prompts and no keys, and its totals have a fixed number
// of series whatever is asked for.
package telemetry

import "cosmicman/job"

// Tee passes an event on to each of several; nil ones are left out.
func Tee(to ...func(job.Event)) func(job.Event) {
	return func(e job.Event) {
		for _, f := range to {
			if f != nil {
				f(e)
			}
		}
	}
}
