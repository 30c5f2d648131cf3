package localq

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// acks is what a store has acknowledged.
type acks struct {
	mu        sync.Mutex
	submitted []job.ID
	started   map[job.Ref]bool
	finished  []job.Ref
}

// work submits, draws, finishes, noting what was acknowledged.
func (a *acks) work(t *testing.T, s *Store, jobs int, each func(n int)) {
	for n := range jobs {
		each(n)
		st, err := s.Submit(bg, submission())
		if err != nil {
			t.Error(err)
			return
		}
		a.mu.Lock()
		a.submitted = append(a.submitted, st.ID)
		a.mu.Unlock()
		r := request("w")
		r.InProcess = false
		leases, err := s.Lease(bg, r)
		if err != nil {
			t.Error(err)
			return
		}
		for _, l := range leases {
			a.mu.Lock()
			a.started[l.Ref] = true
			a.mu.Unlock()
			if n%3 == 0 {
				continue
			}
			if err := s.Finish(bg, l.Ref, job.Result{Artifact: l.Ref.String()}); err != nil {
				t.Error(err)
			}
			a.mu.Lock()
			a.finished = append(a.finished, l.Ref)
			a.mu.Unlock()
		}
	}
}

// A power cut takes what was written and not synced, whole or in part.
func TestWhatWasAcknowledgedOutlivesAPowerCut(t *testing.T) {
	for _, kept := range []int{0, 50} {
		disk := vfs.NewCrashableMem()
		s, err := openOn(disk, "/data/queue", scheduler.Options{})
		if err != nil {
			t.Fatal(err)
		}
		a := acks{started: map[job.Ref]bool{}}
		var wg sync.WaitGroup
		type cut struct {
			disk      *vfs.MemFS
			submitted []job.ID
			finished  []job.Ref
			started   []job.Ref
		}
		cutNow := func() cut {
			a.mu.Lock()
			c := cut{submitted: a.submitted[:len(a.submitted):len(a.submitted)], finished: a.finished[:len(a.finished):len(a.finished)]}
			for ref := range a.started {
				c.started = append(c.started, ref)
			}
			a.mu.Unlock()
			c.disk = disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: kept, RNG: rand.New(rand.NewPCG(1, uint64(kept)))})
			return c
		}
		var cuts []cut
		for i := range 8 {
			wg.Go(func() {
				a.work(t, s, 40, func(n int) {
					if i == 0 && n%13 == 5 { // in the midst of what the others do
						cuts = append(cuts, cutNow())
					}
				})
			})
		}
		wg.Wait()
		cuts = append(cuts, cutNow())
		closed(t, s)
		for _, c := range cuts {
			after, err := openOn(c.disk, "/data/queue", scheduler.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range c.submitted {
				get(t, after, id)
			}
			for _, ref := range c.started {
				if im := get(t, after, ref.Job).Images[0]; im.Token < ref.Token {
					t.Errorf("the start %v was acknowledged, the store knows of %d", ref, im.Token)
				}
			}
			for _, ref := range c.finished {
				if r := get(t, after, ref.Job).Images[0].Result; r == nil || r.Artifact != ref.String() {
					t.Errorf("the result of %v was acknowledged, the store has %v", ref, r)
				}
			}
			closed(t, after)
		}
		t.Logf("%d%% of unsynced data kept: %d jobs, %d results acknowledged, none lost", kept, len(a.submitted), len(a.finished))
	}
}
