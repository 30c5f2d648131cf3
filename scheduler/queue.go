package scheduler

import (
	"context"
	"time"

	"cosmicman/job"
)

// Queue is what both stores do, and what the socket client does from another
// process. Methods may be called by many goroutines. Errors are *[job.Error] or
// wrap one, except the context's.
type Queue interface {
	Client
	Source
	Operator
	// Close stops the store's own goroutines and waits for them.
	Close() error
}

// Client is the side of whoever asks for images.
type Client interface {
	// Submit accepts a job durably: once it returned nil nothing loses the job.
	// With a key it is idempotent: the same tenant, key and digest answer the first
	// job's status; another digest is a job.Conflict. The same ID again answers the
	// job that has it. Over the limits the error is job.Overloaded with RetryAfter.
	Submit(ctx context.Context, s job.Submission) (job.Status, error)
	// Get returns the present state, job.NotFound for one that is not kept.
	Get(ctx context.Context, id job.ID) (job.Status, error)
	// Watch tells the present state at once and then what changes: every change of
	// state reaches the channel in the end, but a reader that is slow misses what
	// lies between (each update is whole), so that it never blocks work. Previews are hints and may
	// be missed. The channel
	// is closed after the terminal state was sent, when ctx ends (the watcher leaves),
	// or with a last update whose Status.Error says why: job.Lost when the store came
	// back without the job. A lost connection to the store is bridged.
	//
	// watcher names the one who watches; Submission.Watcher registers it beforehand.
	// When a job's last watcher leaves, or its process has died, and the job has no
	// key and is not detached, it is cancelled.
	Watch(ctx context.Context, id job.ID, watcher string) (<-chan job.Update, error)
	// Cancel ends a job: queued images are never started, running ones stop at the
	// end of the present step. A job that has ended stays as it is; no error.
	Cancel(ctx context.Context, id job.ID) error
}

// Source is the side of workers.
type Source interface {
	// Lease gives starts of images, in the order of this package's documentation, at
	// most r.Max. It waits until there is at least one, or ctx ends; with r.NoWait it
	// answers none instead of waiting.
	// Images whose deadline has passed expire instead of being given.
	Lease(ctx context.Context, r LeaseRequest) ([]Lease, error)
	// Beat tells that a worker lives and extends its leases. It answers those that
	// it has no more (fenced, cancelled, unknown): their work must stop.
	Beat(ctx context.Context, w Worker, leases []job.Ref) (lost []job.Ref, err error)
	// Revocations tells a worker at once which of its starts must stop, for as long
	// as ctx lives. It is a hint: Beat's answer is what counts.
	Revocations(ctx context.Context, worker string) (<-chan job.Ref, error)
	// Progress is told to watchers, and dropped where nobody listens. It never
	// waits for the store for long and is not durable.
	Progress(ctx context.Context, r job.Ref, p job.Progress, preview *job.Preview) error
	// Finish records an image's result, once: job.Fenced when a later start was
	// given or the image has ended otherwise. Repeating the same finish is no error.
	Finish(ctx context.Context, r job.Ref, result job.Result) error
	// Fail ends a start. job.Engine and job.Crashed count as an attempt: the image
	// goes back to the head, or the job fails when Options.MaxAttempts are used up.
	// Any other kind fails the job at once, its other images are dropped.
	Fail(ctx context.Context, r job.Ref, reason *job.Error) error
	// Release gives starts back to the head of the queue; no attempt is counted.
	Release(ctx context.Context, refs ...job.Ref) error
	// Leave takes a worker off the list. What it still held is released.
	Leave(ctx context.Context, worker string) error
}

// LeaseRequest says what a worker can take now.
type LeaseRequest struct {
	Worker      string
	Fingerprint string  // of its engine: a retried image prefers the one it was first drawn on
	Offers      []Offer // models
	Max         int     // images
	Version     int     // job.Version of the worker
	NoWait      bool
	// InProcess says that the worker lives and dies with the process that holds the
	// embedded store: after a crash its images are given out at once.
	InProcess bool
}

// Offer is a model that a worker can run. One with LoadSeconds above 0 is not
// loaded: its jobs are taken when no live worker has it loaded, or when they have
// waited longer than loading takes.
type Offer struct {
	Model       string  `json:"model"`
	LoadSeconds float64 `json:"load_seconds,omitempty"`
}

// Lease is one start of one image, until Options.LeaseTTL after the last beat.
type Lease struct {
	Ref         job.Ref   `json:"ref"`
	Spec        job.Spec  `json:"spec"`
	Attempt     int       `json:"attempt"`               // from 1: failed attempts + 1
	Fingerprint string    `json:"fingerprint,omitempty"` // of an earlier start
	Accepted    time.Time `json:"accepted"`
}

// Worker is what a worker tells of itself with every beat.
type Worker struct {
	ID          string             `json:"id"`
	Host        string             `json:"host"`
	PID         int                `json:"pid"`
	Version     int                `json:"version"`
	Started     time.Time          `json:"started"`
	Seen        time.Time          `json:"seen"` // set by the store
	Fingerprint string             `json:"fingerprint"`
	Device      string             `json:"device"`
	Models      []Offer            `json:"models"`
	Active      int                `json:"active"` // sequences
	Rows        int                `json:"rows"`   // of the last UNet call
	Costs       map[string]float64 `json:"costs"`  // by model: device seconds of one row, one step and one latent pixel
	Broken      map[string]string  `json:"broken,omitempty"`

	Facts map[string]ModelFacts `json:"facts,omitempty"` // by model, for who asks for images and has not its files
}

// ModelFacts is what one needs to know of a model to ask it for images.
type ModelFacts struct {
	Family   string    `json:"family"`
	Width    int       `json:"width"`    // native, in pixels
	Height   int       `json:"height"`   // native, in pixels
	Multiple int       `json:"multiple"` // of what the sides of images are
	Created  time.Time `json:"created,omitzero"`
}

// Operator is the side of `cosmicman queue` and of readiness.
type Operator interface {
	// Stats is the queue at a glance. An error means that the store cannot be used.
	Stats(ctx context.Context) (Stats, error)
	// Dead lists dead letters, newest first, at most n.
	Dead(ctx context.Context, n int) ([]job.Status, error)
	// Retry puts the unfinished images of a dead letter back, attempts at 0.
	Retry(ctx context.Context, id job.ID) error
	// Drop removes a job whatever its state; running work is revoked.
	Drop(ctx context.Context, id job.ID) error
}

// Stats is the queue at a glance.
type Stats struct {
	Queued  int            `json:"queued"`  // images
	Running int            `json:"running"` // images
	Jobs    int            `json:"jobs"`    // not ended
	Dead    int            `json:"dead"`    // jobs
	Seconds float64        `json:"seconds"` // estimated device seconds of what is queued and running
	Models  map[string]int `json:"models"`  // queued images by model
	Oldest  time.Time      `json:"oldest,omitzero"`
	Workers []Worker       `json:"workers"`           // alive
	Warning []string       `json:"warning,omitempty"` // what is wrong with the store's settings

	LeaseTTL time.Duration `json:"lease_ttl"` // the store's, in nanoseconds
}

// Options of a store. Zero values mean the defaults.
type Options struct {
	LeaseTTL    time.Duration    // 30 s: a worker that is silent for longer has died
	WatchTTL    time.Duration    // 20 s: a watcher whose process is silent for longer has left
	MaxAttempts int              // 3
	MaxJobs     int              // 10,000 not ended
	MaxSeconds  float64          // estimated device seconds not drawn yet, for each live worker; 0: unbounded
	Retention   time.Duration    // 1 h: of ended jobs and idempotency keys
	DeadFor     time.Duration    // 7 days: of dead letters
	Ageing      time.Duration    // 1 min: see Order in the package's documentation
	Observe     func(job.Event)  // called with every event, from many goroutines; must not block
	Now         func() time.Time // the embedded store's clock, for simulations; nil: time.Now
}

// WithDefaults fills in what was left zero.
func (o Options) WithDefaults() Options {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&o.LeaseTTL, 30*time.Second)
	set(&o.WatchTTL, 20*time.Second)
	set(&o.Retention, time.Hour)
	set(&o.DeadFor, 7*24*time.Hour)
	set(&o.Ageing, time.Minute)
	if o.MaxAttempts == 0 {
		o.MaxAttempts = 3
	}
	if o.MaxJobs == 0 {
		o.MaxJobs = 10_000
	}
	if o.Observe == nil {
		o.Observe = func(job.Event) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}
