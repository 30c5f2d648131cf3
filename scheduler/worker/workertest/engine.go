// Package workertest has an engine whose time is made up: it sleeps what its costs
// say and draws bytes that depend on the request and on every step, so that a step
// that is missing, doubled or another image's shows. Simulations and tests of what
// is around the device use it.
package workertest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler/worker"
)

// Engine is a device with made-up costs. The hooks, where set, are called before
// the costs are slept and inject faults.
type Engine struct {
	Print string             // fingerprint
	Has   []worker.ModelInfo // default: one, "m"

	Load   time.Duration
	Begin  time.Duration // of a call
	Fixed  time.Duration // of a UNet call
	PerRow time.Duration // of a UNet call at 512x512, in proportion to pixels elsewhere
	Decode time.Duration // at 512x512, in proportion to pixels elsewhere

	Adapted int64 // bytes that a model takes more once it has drawn with LoRAs

	Pad      func(g job.Group, n int) int
	OnOpen   func(model string) error
	OnBegin  func(starts []worker.Start) []error // nil: all well
	OnStep   func(seqs []*Sequence) (errs []error, err error)
	OnDecode func(s *Sequence) error
	OnEncode func(s *Sequence) error

	OnPreview func(s *Sequence) error // decodes of unfinished images cost what Decode does

	mu    sync.Mutex
	calls []Call
	open  []string
}

// Call is one UNet call that was made.
type Call struct {
	Group  job.Group
	Rows   int
	Images []int // the sequences' image numbers
}

// Calls returns the UNet calls so far.
func (e *Engine) Calls() []Call {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.calls)
}

// Loaded returns the models that are loaded now.
func (e *Engine) Loaded() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.open)
}

// Fingerprint implements worker.Engine.
func (e *Engine) Fingerprint() string {
	if e.Print == "" {
		return "made-up"
	}
	return e.Print
}

// Device implements worker.Engine.
func (e *Engine) Device() string { return "a device whose time is made up" }

// Models implements worker.Engine.
func (e *Engine) Models() []worker.ModelInfo {
	if len(e.Has) == 0 {
		return []worker.ModelInfo{{Name: "m", Bytes: 1 << 30}}
	}
	return e.Has
}

// Open implements worker.Engine.
func (e *Engine) Open(ctx context.Context, name string) (worker.Model, error) {
	i := slices.IndexFunc(e.Models(), func(m worker.ModelInfo) bool { return m.Name == name })
	if i < 0 {
		return nil, job.Errorf(job.NoModel, "there is no model %q", name)
	}
	if e.OnOpen != nil {
		if err := e.OnOpen(name); err != nil {
			return nil, err
		}
	}
	if err := sleep(ctx, e.Load); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.open = append(e.open, name)
	return &model{e: e, info: e.Models()[i]}, nil
}

// sleep is cut short when ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

type model struct {
	e       *Engine
	info    worker.ModelInfo
	adapted int64
}

func (m *model) Bytes() int64 { return m.info.Bytes + m.adapted }

func (m *model) Rows(g job.Group, n int) int {
	if m.e.Pad == nil {
		return n
	}
	return m.e.Pad(g, n)
}

func (m *model) Close() error {
	m.e.mu.Lock()
	defer m.e.mu.Unlock()
	m.e.open = slices.DeleteFunc(m.e.open, func(name string) bool { return name == m.info.Name })
	return nil
}

func (m *model) Begin(_ context.Context, starts []worker.Start) ([]worker.Sequence, []error) {
	seqs, errs := make([]worker.Sequence, len(starts)), make([]error, len(starts))
	if m.e.OnBegin != nil {
		if faults := m.e.OnBegin(starts); faults != nil {
			errs = faults
		}
	}
	time.Sleep(m.e.Begin)
	for i, s := range starts {
		if errs[i] == nil {
			seqs[i] = newSequence(m.info.Name, s)
		}
	}
	return seqs, errs
}

func (m *model) Step(_ context.Context, seqs []worker.Sequence) ([]error, error) {
	own := make([]*Sequence, len(seqs))
	call := Call{Group: seqs[0].Group()}
	for i, s := range seqs {
		own[i] = s.(*Sequence)
		call.Rows += s.Rows()
		call.Images = append(call.Images, own[i].Start.Image)
	}
	errs := make([]error, len(seqs))
	if m.e.OnStep != nil {
		faults, err := m.e.OnStep(own)
		if err != nil {
			return nil, err
		}
		if faults != nil {
			errs = faults
		}
	}
	rows := m.Rows(call.Group, call.Rows)
	time.Sleep(m.e.Fixed + time.Duration(float64(m.e.PerRow)*float64(rows)*scale(call.Group)))
	for i, s := range own {
		if errs[i] == nil {
			s.advance()
		}
	}
	if call.Group.Variant != "" {
		m.adapted = m.e.Adapted
	}
	m.e.mu.Lock()
	defer m.e.mu.Unlock()
	m.e.calls = append(m.e.calls, call)
	return errs, nil
}

func (m *model) Decode(_ context.Context, s worker.Sequence) (worker.Picture, error) {
	own := s.(*Sequence)
	if m.e.OnDecode != nil {
		if err := m.e.OnDecode(own); err != nil {
			return nil, err
		}
	}
	time.Sleep(time.Duration(float64(m.e.Decode) * scale(own.group)))
	return picture{m.e, own}, nil
}

func (m *model) Preview(_ context.Context, s worker.Sequence) (worker.Picture, error) {
	own := s.(*Sequence)
	if m.e.OnPreview != nil {
		if err := m.e.OnPreview(own); err != nil {
			return nil, err
		}
	}
	time.Sleep(time.Duration(float64(m.e.Decode) * scale(own.group)))
	return glimpse{"preview", own.done}, nil
}

// scale is a size's pixels against those of 512x512.
func scale(g job.Group) float64 { return float64(g.Height*g.Width) / (64 * 64) }

// Sequence is an image on its way.
type Sequence struct {
	Start worker.Start
	group job.Group
	done  int
	state [sha256.Size]byte
}

func newSequence(name string, s worker.Start) *Sequence {
	q := &Sequence{Start: s, group: job.Group{Model: name, Height: 64, Width: 64, Tokens: 77}}
	if len(s.Drawing.LoRAs) > 0 {
		q.group.Variant = "adapted"
	}
	if s.Drawing.Height > 0 {
		q.group.Height = s.Drawing.Height / 8
	}
	if s.Drawing.Width > 0 {
		q.group.Width = s.Drawing.Width / 8
	}
	s.Drawing.Previews, s.Drawing.Sketches = 0, false // no image depends on them
	text, err := json.Marshal(s.Drawing)              // plain fields
	if err != nil {
		panic(err)
	}
	from := binary.LittleEndian.AppendUint64(append([]byte(name), text...), s.Drawing.Seed+uint64(s.Image))
	q.state = sha256.Sum256(slices.Concat(from, s.Init, s.Mask))
	return q
}

func (s *Sequence) advance() {
	s.done++
	s.state = sha256.Sum256(s.state[:])
}

// Group implements worker.Sequence.
func (s *Sequence) Group() job.Group { return s.group }

// Rows implements worker.Sequence.
func (s *Sequence) Rows() int {
	if s.Start.Drawing.GuidanceScale > 1 {
		return 2
	}
	return 1
}

// Calls implements worker.Sequence.
func (s *Sequence) Calls() (done, all int) { return s.done, s.Start.Drawing.Steps }

// Text implements worker.Sequence: a token is a byte.
func (s *Sequence) Text() worker.Text {
	return worker.Text{Tokens: len(s.Start.Drawing.Prompt), Windows: 1}
}

// Sketch implements worker.Sequence.
func (s *Sequence) Sketch() worker.Picture {
	if s.done == 0 {
		return nil
	}
	return glimpse{"sketch", s.done}
}

// glimpse is what an image looks like on the way: its kind and the calls that were done.
type glimpse struct {
	kind string
	done int
}

func (g glimpse) Size() (width, height int) { return 1, 1 }

func (g glimpse) Encode() ([]byte, error) {
	return fmt.Appendf(nil, "%s after %d", g.kind, g.done), nil
}

type picture struct {
	e *Engine
	s *Sequence
}

// Size implements worker.Picture: what was asked for, or else 512x512.
func (p picture) Size() (width, height int) {
	d := p.s.Start.Drawing
	return cmp.Or(d.Width, 512), cmp.Or(d.Height, 512)
}

func (p picture) Encode() ([]byte, error) {
	if p.e.OnEncode != nil {
		if err := p.e.OnEncode(p.s); err != nil {
			return nil, err
		}
	}
	return encode(p.s), nil
}

func encode(s *Sequence) []byte { return []byte("image " + hex.EncodeToString(s.state[:])) }

// Image returns the bytes of an image drawn alone.
func Image(model string, d job.Drawing, image int) []byte {
	return Begun(model, worker.Start{Drawing: d, Image: image})
}

// Begun is Image of a start with its uploads.
func Begun(model string, start worker.Start) []byte {
	s := newSequence(model, start)
	for range start.Drawing.Steps {
		s.advance()
	}
	return encode(s)
}
