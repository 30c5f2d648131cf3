package localq

import (
	"time"

	"cosmicman/job"
)

// full returns why a job cannot be accepted now. The bound in seconds is for each
// live worker, and for one while there is none, so that a site that starts accepts work.
func (s *Store) full(spec job.Spec) error {
	workers := float64(max(1, len(s.crew.workers)))
	if s.open >= s.o.MaxJobs {
		// Somebody has to end first: at best when an average job is drawn.
		err := job.Errorf(job.Overloaded, "the queue is full: %d jobs have not ended", s.open)
		err.RetryAfter = retryAfter(s.seconds / float64(s.open) / workers)
		return err
	}
	wanted := spec.Seconds * float64(spec.Count)
	bound := s.o.MaxSeconds * workers
	if s.o.MaxSeconds > 0 && s.open > 0 && s.seconds+wanted > bound {
		err := job.Errorf(job.Overloaded, "the queue is full: %.0f device seconds have not been drawn yet", s.seconds)
		// What is above the bound has to be drawn; a job above it alone waits for all else.
		err.RetryAfter = retryAfter(min(s.seconds, s.seconds+wanted-bound) / workers)
		return err
	}
	return nil
}

// retryAfter rounds seconds up to whole ones, at least one.
func retryAfter(seconds float64) time.Duration {
	d := time.Duration(min(seconds, 1e6) * float64(time.Second))
	return max(time.Second, (d + time.Second - 1).Truncate(time.Second))
}
