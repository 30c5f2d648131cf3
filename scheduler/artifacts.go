package scheduler

import (
	"context"
	"time"
)

// Artifacts keeps finished images and uploads until they expire. Names are made
// by artifact.NewName and cannot be guessed: who knows one may read it.
type Artifacts interface {
	// Put stores data whole under a name, or not at all. The same name may be put
	// again with the same data. A full store is a job.Overloaded.
	Put(ctx context.Context, name string, data []byte, ttl time.Duration) error
	// Get returns what was put, job.NotFound once it has expired.
	Get(ctx context.Context, name string) ([]byte, error)
	Delete(ctx context.Context, name string) error
}
