package main

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
	"cosmicman/scheduler/localq"
	"cosmicman/scheduler/worker"
	"cosmicman/scheduler/worker/workertest"
)

// faultyDevice is a worker on a device that fails when a test says so.
type faultyDevice struct {
	q     *localq.Store
	files *shelf

	mu     sync.Mutex
	events map[job.EventType]int
}

// newFaultyDevice starts the worker on the embedded store.
func newFaultyDevice(t *testing.T, e *workertest.Engine) *faultyDevice {
	t.Helper()
	q, err := localq.Open(t.TempDir(), scheduler.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := &faultyDevice{q: q, files: &shelf{files: map[string][]byte{}}, events: map[job.EventType]int{}}
	w, err := worker.New(worker.Config{Source: q, Artifacts: d.files, Engine: e, InProcess: true, Logf: t.Logf, Observe: func(e job.Event) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.events[e.Type]++
	}})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- w.Run(t.Context(), t.Context()) }()
	t.Cleanup(func() { // the test's context has ended
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d *faultyDevice) count(e job.EventType) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.events[e]
}

// submit asks for n images of a size.
func (d *faultyDevice) submit(t *testing.T, prompt string, n, side int) job.ID {
	t.Helper()
	st, err := d.q.Submit(t.Context(), job.Submission{ID: job.NewID(), Spec: job.Spec{Needs: job.Version, Model: "m", Count: n, Seconds: 0.1, Detached: true,
		Drawing: job.Drawing{Prompt: prompt, Sampler: "ddim", Steps: 10, GuidanceScale: 7.5, Width: side, Height: side}}})
	if err != nil {
		t.Fatal(err)
	}
	return st.ID
}

// TestFault13OutOfMemoryHalvesTheRowsAndThenIsAnError gives a device room for four
// rows of 512x512 and asks for more.
func TestFault13OutOfMemoryHalvesTheRowsAndThenIsAnError(t *testing.T) {
	t.Parallel()
	const room = 4 * 64 * 64 // rows times latent pixels
	var mu sync.Mutex
	refused := map[int]int{} // by rows
	e := &workertest.Engine{Fixed: 10 * time.Millisecond}
	e.OnStep = func(seqs []*workertest.Sequence) ([]error, error) {
		rows, g := 0, seqs[0].Group()
		for _, s := range seqs {
			rows += s.Rows()
		}
		if rows*g.Height*g.Width <= room {
			return nil, nil
		}
		mu.Lock()
		defer mu.Unlock()
		refused[rows]++
		return nil, job.Errorf(job.OutOfMemory, "the device has no memory for %d rows", rows)
	}
	d := newFaultyDevice(t, e)
	many := d.submit(t, "many", 8, 512)
	if st := lastStatus(t, d.q, many); st.State != job.Completed {
		t.Errorf("what fits in fewer rows is %s: %v", st.State, st.Error)
	}
	halved := d.count(job.EventHalved)
	if halved == 0 {
		t.Error("the rows were not halved")
	}
	big := d.submit(t, "big", 1, 1024)
	if st := lastStatus(t, d.q, big); st.State != job.Failed || st.Error == nil || st.Error.Kind != job.OutOfMemory {
		t.Errorf("what never fits is %s, %v; expected it to fail as out of memory", st.State, st.Error)
	}
	small := d.submit(t, "small", 1, 256)
	if st := lastStatus(t, d.q, small); st.State != job.Completed {
		t.Errorf("the next small job is %s: %v", st.State, st.Error)
	}
	again := d.submit(t, "many again", 8, 512)
	if st := lastStatus(t, d.q, again); st.State != job.Completed {
		t.Errorf("the next large job is %s: %v", st.State, st.Error)
	}
	mu.Lock()
	defer mu.Unlock()
	t.Logf("a device with room for 4 rows of 512x512: 17 images drawn, one of 1024x1024 refused as out of memory; limits halved %d times for the first 8; calls refused by their rows: %v; lost: nothing", halved, refused)
}

// TestFault14OneBadItemInABatchFailsAlone lets one of eight sequences fail in the
// middle, and one not begin.
func TestFault14OneBadItemInABatchFailsAlone(t *testing.T) {
	t.Parallel()
	e := &workertest.Engine{Fixed: 5 * time.Millisecond}
	e.OnBegin = func(starts []worker.Start) []error {
		errs := make([]error, len(starts))
		for i, s := range starts {
			if s.Drawing.Prompt == "unspeakable" {
				bad := job.Errorf(job.Invalid, "prompt cannot be encoded")
				bad.Field = "prompt"
				errs[i] = bad
			}
		}
		return errs
	}
	together := 0
	e.OnStep = func(seqs []*workertest.Sequence) ([]error, error) {
		errs := make([]error, len(seqs))
		for i, s := range seqs {
			if done, _ := s.Calls(); s.Start.Drawing.Prompt == "not a number" && done == 4 {
				errs[i] = job.Errorf(job.Engine, "the latents are not numbers")
				together = max(together, len(seqs))
			}
		}
		return errs, nil
	}
	d := newFaultyDevice(t, e)
	ids := map[job.ID]job.Kind{}
	for i := range 6 {
		ids[d.submit(t, fmt.Sprint("good ", i), 1, 512)] = ""
	}
	ids[d.submit(t, "not a number", 1, 512)] = job.Engine
	ids[d.submit(t, "unspeakable", 1, 512)] = job.Invalid
	for id, want := range ids {
		st := lastStatus(t, d.q, id)
		var kind job.Kind
		if st.Error != nil {
			kind = st.Error.Kind
		}
		if kind != want || (st.State == job.Completed) != (want == "") {
			t.Errorf("%q is %s, %v; expected %q", st.Spec.Drawing.Prompt, st.State, st.Error, want)
		}
		if want == job.Engine && st.Images[0].Attempts != 3 {
			t.Errorf("the bad item had %d attempts, expected 3", st.Images[0].Attempts)
		}
	}
	t.Logf("one of eight could not be begun, one failed in a call of %d: 6 drawn, 2 failed alone; lost: nothing", together)
	if together < 2 {
		t.Error("the bad item was never in a batch")
	}
}
