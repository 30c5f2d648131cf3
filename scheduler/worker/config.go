package worker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
	"cosmicman/scheduler/pack"
)

// Store is the part of scheduler.Artifacts that a worker needs.
type Store interface {
	Put(ctx context.Context, name string, data []byte, ttl time.Duration) error
	Get(ctx context.Context, name string) ([]byte, error)
	Delete(ctx context.Context, name string) error
}

// Config of a worker. Source, Artifacts and Engine are needed; the zero values of
// the rest mean the defaults.
type Config struct {
	ID        string // unique among workers; default: host, process and chance
	Host      string // default: the host's name
	Source    scheduler.Source
	Artifacts Store
	Engine    Engine

	Memory    int64         // budget of loaded models in bytes; 0: unbounded
	Preload   []string      // models to load at the start
	Pin       []string      // models that are never unloaded
	KeepAlive time.Duration // after which an unused model is unloaded; 0: never
	State     string        // folder of learned costs; "": none is kept

	LeaseTTL    time.Duration // that of the queue: 30 s
	Beat        time.Duration // a sixth of LeaseTTL
	ArtifactTTL time.Duration // 1 h
	StoreFor    time.Duration // 2 min: how long storing an image, or reading an upload, is tried
	StallAfter  time.Duration // 15 min: a turn of the device that takes longer hangs
	Grace       time.Duration // a sixth of LeaseTTL: for images being recorded when work ends

	MaxRows     int           // of a UNet call: 64
	LongestStep time.Duration // 2 s: of a call with more than one sequence

	RestartAfterOOM bool // return ErrRestart after the device ran out of memory
	InProcess       bool // it lives and dies with the process that holds the embedded store
	Version         int  // of records that it understands: job.Version

	Facts map[string]scheduler.ModelFacts // of the engine's models, to be told with each beat

	Name    func(ext string) string // of an artifact, not to be guessed; default: img_, chance and ext
	Observe func(job.Event)         // called from several goroutines; must not block
	Logf    func(format string, args ...any)
}

// ErrRestart says that the device ran out of memory and the process should start anew.
var ErrRestart = errors.New("the device ran out of memory: the worker must be started anew")

// withDefaults fills in what was left zero.
func (c Config) withDefaults() Config {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&c.LeaseTTL, 30*time.Second)
	set(&c.Beat, c.LeaseTTL/6)
	set(&c.ArtifactTTL, time.Hour)
	set(&c.StoreFor, 2*time.Minute)
	set(&c.StallAfter, 15*time.Minute)
	set(&c.Grace, c.LeaseTTL/6)
	set(&c.LongestStep, 2*time.Second)
	if c.Host == "" {
		c.Host, _ = os.Hostname() // unknown is as good as empty
	}
	if c.ID == "" {
		c.ID = fmt.Sprintf("%s-%d-%s", c.Host, os.Getpid(), strings.ToLower(rand.Text()[:8]))
	}
	if c.Version == 0 {
		c.Version = job.Version
	}
	if c.Name == nil {
		c.Name = func(ext string) string { return "img_" + strings.ToLower(rand.Text()) + ext }
	}
	if c.Observe == nil {
		c.Observe = func(job.Event) {}
	}
	if c.Logf == nil {
		c.Logf = func(string, ...any) {}
	}
	return c
}

// check returns all that is wrong, joined.
func (c Config) check() error {
	var faults []error
	fault := func(field, format string, args ...any) {
		faults = append(faults, &job.Error{Kind: job.Invalid, Field: field, Message: field + " " + fmt.Sprintf(format, args...)})
	}
	if c.Source == nil {
		fault("Source", "is missing")
	}
	if c.Artifacts == nil {
		fault("Artifacts", "is missing")
	}
	for name, d := range map[string]time.Duration{"KeepAlive": c.KeepAlive, "LeaseTTL": c.LeaseTTL, "Beat": c.Beat,
		"ArtifactTTL": c.ArtifactTTL, "StoreFor": c.StoreFor, "StallAfter": c.StallAfter, "Grace": c.Grace, "LongestStep": c.LongestStep} {
		if d < 0 {
			fault(name, "is %v, expected no negative duration", d)
		}
	}
	if c.Beat > 0 && c.LeaseTTL > 0 && 2*c.Beat > c.LeaseTTL {
		fault("Beat", "is %v, expected at most half of LeaseTTL, %v", c.Beat, c.LeaseTTL)
	}
	if c.Memory < 0 {
		fault("Memory", "is %d bytes, expected no negative number", c.Memory)
	}
	if c.MaxRows < 0 {
		fault("MaxRows", "is %d, expected no negative number", c.MaxRows)
	}
	if c.State != "" {
		if info, err := os.Stat(c.State); err != nil {
			fault("State", "cannot be used: %v", err)
		} else if !info.IsDir() {
			fault("State", "%s is not a folder", c.State)
		}
	}
	if c.Engine == nil {
		fault("Engine", "is missing")
		return errors.Join(faults...)
	}
	models := c.Engine.Models()
	if len(models) == 0 {
		fault("Engine", "has no model")
	}
	for field, names := range map[string][]string{"Preload": c.Preload, "Pin": c.Pin} {
		for _, name := range names {
			if !slices.ContainsFunc(models, func(m ModelInfo) bool { return m.Name == name }) {
				fault(field, "names %.60q, which the engine does not have", name)
			}
		}
	}
	return errors.Join(faults...)
}

func (c Config) params() pack.Params {
	return pack.Params{MaxRows: c.MaxRows, StepSeconds: c.LongestStep.Seconds()}
}
