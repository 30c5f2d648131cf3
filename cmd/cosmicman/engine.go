package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"cosmicman/inference"
	"cosmicman/job"
	"cosmicman/ort"
	"cosmicman/scheduler/worker"
	"cosmicman/weights"
)

// modelRef is a model that is served: the name that requests call it by, and
// where it is.
type modelRef struct {
	Name, Ref string // Ref: a diffusers folder, or org/name in HubCache
	UNet      string // of the same kind: whose UNet replaces the model's; "" for none
	Variant   string // weight files to prefer, such as fp16
	HubCache  string
	Known     string // the known name that Ref and UNet stand for, "" for none
}

func (r modelRef) open() (*weights.Pipeline, error) {
	p, err := weights.Open(r.Ref, weights.Options{UNet: r.UNet, Variant: r.Variant, HubCache: r.HubCache})
	return p, orPull(err, r.Known)
}

// engine runs models on ONNX Runtime for a worker.
type engine struct {
	runtime  *ort.Runtime
	refs     []modelRef
	infos    []worker.ModelInfo
	settings inference.Settings
	loras    *loras // nil: none
}

// newEngine offers models, the first being the default. What is learned about the
// device's row counts is kept in dataDir, in memory where that is "". A model
// that cannot be opened is offered all the same: Open says what is wrong with it,
// and the others are served.
func newEngine(rt *ort.Runtime, refs []modelRef, s inference.Settings, dataDir string) (*engine, error) {
	if len(refs) == 0 {
		return nil, job.Errorf(job.NoModel, "no model is given")
	}
	e := &engine{runtime: rt, refs: slices.Clone(refs), settings: s}
	for i, r := range refs {
		if r.Name == "" || slices.ContainsFunc(refs[:i], func(o modelRef) bool { return o.Name == r.Name }) {
			return nil, job.Errorf(job.Invalid, "models need names of their own: %q is empty or given twice", r.Name)
		}
		e.infos = append(e.infos, worker.ModelInfo{Name: r.Name, Bytes: fileBytes(r)})
	}
	if s.Proofs == nil {
		e.settings.Proofs = &inference.Proofs{}
		if dataDir != "" {
			var err error
			if e.settings.Proofs, err = inference.OpenProofs(filepath.Join(dataDir, "rows.json")); err != nil {
				return nil, &job.Error{Kind: job.Unavailable, Message: "the data folder cannot be used", Cause: err}
			}
		}
	}
	return e, nil
}

// fileBytes is the size of a model's weight files, 0 for one that cannot be opened.
func fileBytes(r modelRef) (total int64) {
	p, err := r.open()
	if err != nil {
		return 0
	}
	for _, c := range p.Components() {
		for _, path := range c.Index.Files() {
			if info, err := os.Stat(path); err == nil {
				total += info.Size()
			}
		}
	}
	return total
}

func (e *engine) Fingerprint() string { return inference.Fingerprint(e.runtime, e.settings) }

func (e *engine) Device() string {
	threads := cmp.Or(e.settings.Threads, runtime.NumCPU())
	return fmt.Sprintf("%s, %d threads", cpuName(), threads)
}

func (e *engine) Models() []worker.ModelInfo { return slices.Clone(e.infos) }

// Open maps a model's weights, checks them and makes its sessions. ONNX Runtime
// cannot be interrupted while it makes one, so ctx is looked at between them.
func (e *engine) Open(ctx context.Context, name string) (worker.Model, error) {
	i := slices.IndexFunc(e.refs, func(r modelRef) bool { return r.Name == name })
	if i < 0 {
		return nil, job.Errorf(job.NoModel, "there is no model %q", name)
	}
	ref := e.refs[i]
	m, err := e.load(ctx, ref)
	if err != nil {
		return nil, openError(ref, err)
	}
	return &engineModel{Model: m, name: name, adapters: &adapters{of: m, files: cmp.Or(e.loras, &loras{})}}, nil
}

func (e *engine) load(ctx context.Context, ref modelRef) (*inference.Model, error) {
	p, err := ref.open()
	if err != nil {
		return nil, err
	}
	m, err := inference.Load(e.runtime, p, e.settings)
	if err != nil {
		return nil, err
	}
	if err = ctx.Err(); err == nil {
		err = m.WarmAll()
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		m.Close() // the error that counts is the first
		return nil, err
	}
	return m, nil
}
