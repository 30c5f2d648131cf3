package worker_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler/worker"
	"cosmicman/scheduler/worker/workertest"
)

func TestNewNamesEveryFault(t *testing.T) {
	_, err := worker.New(worker.Config{Memory: -1, MaxRows: -2, LeaseTTL: time.Second, Beat: time.Second, Engine: &workertest.Engine{}, Pin: []string{"x"}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"Source is missing", "Artifacts is missing", "Memory is -1", "MaxRows is -2", "Beat is 1s", `Pin names "x"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}

func TestImagesAreTheSameInAnyCompany(t *testing.T) {
	working(t, quick(), nil, func(b *bench) {
		var ids []job.ID
		for i := range 12 {
			s := spec(1+i%3, 5+3*(i%4))
			s.Drawing.Seed = uint64(100 * i)
			if i%3 == 0 {
				s.Drawing.GuidanceScale = 1
			}
			if i%4 == 1 {
				s.Drawing.Width, s.Drawing.Height = 768, 1024
			}
			ids = append(ids, b.source.submit(s))
			time.Sleep(time.Duration(i) * 37 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		for _, id := range ids {
			b.wantDrawn(id)
		}
	})
}

func TestRowsArePackedUpToTheLimit(t *testing.T) {
	working(t, quick(), func(c *worker.Config) { c.MaxRows = 8 }, func(b *bench) {
		id := b.source.submit(spec(30, 20))
		time.Sleep(2 * time.Minute)
		b.wantDrawn(id)
		full := 0
		for _, c := range b.engine.Calls() {
			if c.Rows > 8 {
				t.Errorf("a call of %d rows, at most 8 are allowed", c.Rows)
			}
			if c.Rows == 8 {
				full++
			}
		}
		if n := len(b.engine.Calls()); full < n*3/4 {
			t.Errorf("%d of %d calls were full", full, n)
		}
	})
}

func TestPaddingIsFilledAndTold(t *testing.T) {
	e := quick()
	e.Pad = func(_ job.Group, n int) int { return (n + 3) / 4 * 4 }
	working(t, e, func(c *worker.Config) { c.MaxRows = 6 }, func(b *bench) {
		id := b.source.submit(spec(20, 10))
		time.Sleep(2 * time.Minute)
		b.wantDrawn(id)
		b.mu.Lock()
		defer b.mu.Unlock()
		full := false
		for _, e := range b.events {
			if e.Type == job.EventStepped {
				if e.Padded%4 != 0 || e.Rows > e.Padded {
					t.Errorf("%d rows padded to %d", e.Rows, e.Padded)
				}
				full = full || e.Rows == 8
			}
		}
		if !full {
			t.Error("no step filled its padding")
		}
	})
}

func TestSequencesJoinAndLeaveInMidway(t *testing.T) {
	working(t, quick(), nil, func(b *bench) {
		long := b.source.submit(spec(1, 40))
		time.Sleep(2 * time.Second)
		short := b.source.submit(spec(1, 5))
		time.Sleep(3 * time.Second)
		b.wantDrawn(short)
		if e := b.source.of(long)[0]; e.state != job.InProgress {
			t.Errorf("the long one is %s when the short one has ended", e.state)
		}
		time.Sleep(10 * time.Second)
		b.wantDrawn(long)
		together := 0
		for _, c := range b.engine.Calls() {
			if c.Rows == 4 {
				together++
			}
		}
		if together != 5 || len(b.engine.Calls()) != 40 {
			t.Errorf("%d of %d calls were shared, want all 5 of the short one within the 40 of the long one", together, len(b.engine.Calls()))
		}
	})
}

func TestCancellationFreesRowsInOneStep(t *testing.T) {
	for _, told := range []bool{true, false} {
		t.Run(fmt.Sprintf("revocation %v", told), func(t *testing.T) {
			working(t, quick(), nil, func(b *bench) {
				id := b.source.submit(spec(1, 1000))
				time.Sleep(10 * time.Second)
				other := spec(1, 1000)
				b.source.submit(other)
				time.Sleep(10 * time.Second)
				b.source.cancel(id, told)
				if !told {
					time.Sleep(5 * time.Second) // a beat tells
				}
				synctest.Wait()
				before := len(b.engine.Calls())
				time.Sleep(2 * time.Second)
				for i, c := range b.engine.Calls()[before:] {
					if i > 0 && c.Rows != 2 {
						t.Errorf("call %d after the cancellation has %d rows, want 2", i, c.Rows)
					}
				}
				if revoked, fenced := b.count(job.EventRevoked), b.count(job.EventFenced); revoked+fenced != 1 {
					t.Errorf("%d revoked, %d fenced, want one of both", revoked, fenced)
				}
			})
		})
	}
}

func TestProgressIsToldSeldomButToTheEnd(t *testing.T) {
	e := quick()
	e.Fixed, e.PerRow = 10*time.Millisecond, time.Millisecond
	working(t, e, nil, func(b *bench) {
		s := spec(1, 100)
		s.Drawing.Previews = 4
		id := b.source.submit(s)
		time.Sleep(10 * time.Second)
		b.wantDrawn(id)
		key := fmt.Sprintf("%s/0", id)
		p, previews := b.source.told(key)
		if len(p) < 5 || len(p) > 25 {
			t.Errorf("told %d times in about 1.2 s, want about 10 a second", len(p))
		}
		if last := p[len(p)-1]; last.Done != 100 || last.All != 100 {
			t.Errorf("last told %+v, want 100 of 100", last)
		}
		if len(previews) != 4 {
			t.Fatalf("%d previews, want 4", len(previews))
		}
		for i, v := range previews {
			if want := fmt.Sprintf("preview after %d", 20*(i+1)); v.Index != i || string(v.Data) != want || v.Kind != job.Partial || v.Type != "image/png" {
				t.Errorf("preview %d: index %d, %s, kind %v, type %s; expected %s", i, v.Index, v.Data, v.Kind, v.Type, want)
			}
		}
	})
}

func TestPreviewsAsManyAsSteps(t *testing.T) {
	working(t, quick(), nil, func(b *bench) {
		s := spec(1, 3)
		s.Drawing.Previews = 10
		id := b.source.submit(s)
		time.Sleep(10 * time.Second)
		if _, previews := b.source.told(fmt.Sprintf("%s/0", id)); len(previews) != 3 {
			t.Errorf("%d previews of 3 steps, want 3", len(previews))
		}
	})
}

func TestResultsSayWhatWasDrawn(t *testing.T) {
	working(t, quick(), nil, func(b *bench) {
		s := spec(2, 10)
		s.Drawing.Width, s.Drawing.Height, s.Drawing.Format = 0, 0, "jpeg"
		id := b.source.submit(s)
		time.Sleep(20 * time.Second)
		names := map[string]bool{}
		for i, e := range b.source.of(id) {
			r := e.result
			names[r.Artifact] = true
			if r.Seed != 40+uint64(i) || r.Width != 512 || r.Height != 512 || r.Fingerprint != "made-up" || r.Tokens != 8 || r.Windows != 1 || r.Bytes == 0 {
				t.Errorf("result %+v", r)
			}
			// Between a whole batch's time and half of it, and its decode.
			if low, top := 10*0.1, 10*0.18+0.1; r.Seconds < low || r.Seconds > top {
				t.Errorf("%v device seconds, want %v to %v", r.Seconds, low, top)
			}
		}
		for name := range names {
			if !strings.HasSuffix(name, ".jpg") {
				t.Errorf("a JPEG is called %s", name)
			}
		}
		if len(names) != 2 {
			t.Errorf("two images have %d artifacts", len(names))
		}
	})
}

func TestGroupsShareTheDevice(t *testing.T) {
	working(t, quick(), func(c *worker.Config) { c.MaxRows = 8 }, func(b *bench) {
		flood := b.source.submit(spec(12, 20))
		s := spec(1, 20)
		s.Drawing.Width, s.Drawing.Height = 1024, 1024
		large := b.source.submit(s)
		b.source.submit(spec(200, 20))
		time.Sleep(3 * time.Minute)
		b.wantDrawn(flood)
		b.wantDrawn(large)
		alone := 20 * 240 * time.Millisecond
		if took := time.Duration(b.took(large)); took > 8*alone {
			t.Errorf("the large one took %v beside a flood, %v alone", took, alone)
		}
	})
}

// took is the time from when the worker took an image until it was recorded.
func (b *bench) took(id job.ID) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.events {
		if e.Type == job.EventFinished && e.Job == id {
			return e.Took
		}
	}
	b.t.Errorf("job %s was not finished", id)
	return 0
}

func TestDrainFinishesWhatRunsAndReturnsTheRest(t *testing.T) {
	working(t, quick(), func(c *worker.Config) { c.MaxRows = 2 }, func(b *bench) {
		id := b.source.submit(spec(5, 50))
		time.Sleep(3 * time.Second)
		b.drain()
		if err := b.wait(); err != nil {
			t.Errorf("Run: %v", err)
		}
		beats := b.source.beaten()
		if last := beats[len(beats)-1]; len(last.Models) > 0 {
			t.Errorf("a draining worker still offers %v", last.Models)
		}
		states := map[job.State]int{}
		for _, e := range b.source.of(id) {
			states[e.state]++
			if e.attempt != 1 {
				t.Errorf("image %d is at attempt %d", e.ref.Image, e.attempt)
			}
		}
		if states[job.Completed] == 0 || states[job.Queued] == 0 || states[job.InProgress] != 0 {
			t.Errorf("%v, want some completed, the rest queued", states)
		}
		if !slices.Equal(b.source.left, []string{b.worker.ID()}) {
			t.Errorf("left: %v", b.source.left)
		}
	})
}

func TestStopReturnsEverythingAtTheEndOfTheStep(t *testing.T) {
	working(t, quick(), nil, func(b *bench) {
		id := b.source.submit(spec(8, 1000))
		time.Sleep(10 * time.Second)
		begun := time.Now()
		b.stop()
		if err := b.wait(); err != nil {
			t.Errorf("Run: %v", err)
		}
		if took := time.Since(begun); took > time.Second {
			t.Errorf("took %v, want at most one step", took)
		}
		for _, e := range b.source.of(id) {
			if e.state != job.Queued || e.attempt != 1 {
				t.Errorf("image %d is %s, attempt %d, want queued at attempt 1", e.ref.Image, e.state, e.attempt)
			}
		}
	})
}

func TestStopCutsLoadingShort(t *testing.T) {
	e := quick()
	e.Load = time.Hour
	working(t, e, nil, func(b *bench) {
		id := b.source.submit(spec(1, 10))
		time.Sleep(time.Minute)
		b.stop()
		if err := b.wait(); err != nil {
			t.Errorf("Run: %v", err)
		}
		if e := b.source.of(id)[0]; e.state != job.Queued || e.attempt != 1 {
			t.Errorf("the image is %s, attempt %d, want queued at attempt 1", e.state, e.attempt)
		}
	})
}

func TestBeatsGoOnWhileLoading(t *testing.T) {
	e := quick()
	e.Load = 5 * time.Minute
	working(t, e, nil, func(b *bench) {
		id := b.source.submit(spec(1, 10))
		time.Sleep(4 * time.Minute)
		if n := len(b.source.beaten()); n < 45 {
			t.Errorf("%d beats in 4 minutes of loading, want one each 5 s", n)
		}
		time.Sleep(2 * time.Minute)
		b.wantDrawn(id)
	})
}

func TestBeatsTellModelsAndCosts(t *testing.T) {
	working(t, quick(), nil, func(b *bench) {
		b.source.submit(spec(4, 50))
		time.Sleep(30 * time.Second)
		beats := b.source.beaten()
		last := beats[len(beats)-1]
		if len(last.Models) != 1 || last.Models[0].Model != "m" || last.Models[0].LoadSeconds != 0 {
			t.Errorf("models %+v, want m, loaded", last.Models)
		}
		if c := last.Costs["m"]; c < 0.01/64/64 || c > 0.17/64/64 {
			t.Errorf("costs %v", last.Costs)
		}
		if last.Host != "host" || last.PID == 0 || last.Version != job.Version || last.Fingerprint != "made-up" {
			t.Errorf("beat %+v", last)
		}
	})
}

func TestIdleTimeAndOtherEventsAreTold(t *testing.T) {
	working(t, quick(), nil, func(b *bench) {
		time.Sleep(time.Minute)
		b.source.submit(spec(2, 10))
		time.Sleep(time.Minute)
		for kind, want := range map[job.EventType]int{job.EventIdle: 1, job.EventLoaded: 1, job.EventJoined: 2, job.EventDecoded: 2, job.EventStored: 2, job.EventFinished: 2} {
			if got := b.count(kind); got < want || kind != job.EventIdle && got > want {
				t.Errorf("%d events %q, want %d", got, kind, want)
			}
		}
	})
}

func TestLearnedCostsAreKept(t *testing.T) {
	dir := t.TempDir()
	working(t, quick(), func(c *worker.Config) { c.State = dir }, func(b *bench) {
		b.source.submit(spec(40, 20))
		time.Sleep(5 * time.Minute)
	})
	e := quick()
	working(t, e, func(c *worker.Config) { c.State = dir }, func(b *bench) {
		b.source.submit(spec(40, 20))
		time.Sleep(30 * time.Second)
		most := 0
		for _, c := range e.Calls()[:20] {
			most = max(most, c.Rows)
		}
		if most < 32 {
			t.Errorf("at most %d rows in the first calls after a restart, want as many as were learned", most)
		}
	})
}
