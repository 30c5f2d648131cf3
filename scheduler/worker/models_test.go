package worker_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler/worker"
)

func TestModelsTakeTurnsInTheMemoryBudget(t *testing.T) {
	e := quick()
	e.Load = 2 * time.Second
	e.Has = []worker.ModelInfo{{Name: "m", Bytes: 40}, {Name: "n", Bytes: 40}, {Name: "o", Bytes: 40}}
	working(t, e, func(c *worker.Config) { c.Memory, c.Pin = 80, []string{"m"} }, func(b *bench) {
		var ids []job.ID
		for _, name := range []string{"m", "n", "o", "n", "m", "o"} {
			s := spec(2, 10)
			s.Model = name
			ids = append(ids, b.source.submit(s))
		}
		for range 100 {
			time.Sleep(time.Second)
			synctest.Wait()
			if n := len(e.Loaded()); n > 2 {
				t.Fatalf("%d models are loaded, the budget has room for 2", n)
			}
		}
		for _, id := range ids {
			b.wantDrawn(id)
		}
		if !slices.Contains(e.Loaded(), "m") {
			t.Errorf("loaded: %v, want the pinned one among them", e.Loaded())
		}
	})
}

// TestVariantsTakeMemory: sessions that a model has made for LoRAs count while it is
// loaded, and not when it is loaded again.
func TestVariantsTakeMemory(t *testing.T) {
	e := quick()
	e.Has, e.Adapted = []worker.ModelInfo{{Name: "m", Bytes: 40}, {Name: "n", Bytes: 40}}, 40
	working(t, e, func(c *worker.Config) { c.Memory = 80 }, func(b *bench) {
		draw := func(model string, loras ...job.LoRA) {
			s := spec(1, 3)
			s.Model, s.Drawing.LoRAs = model, loras
			id := b.source.submit(s)
			time.Sleep(time.Minute)
			synctest.Wait()
			b.wantDrawn(id)
		}
		loaded := func(want ...string) {
			t.Helper()
			if got := slices.Sorted(slices.Values(e.Loaded())); !slices.Equal(got, want) {
				t.Errorf("loaded: %v, want %v", got, want)
			}
		}
		draw("m", job.LoRA{Name: "a", Weight: 1})
		loaded("m")
		draw("n")
		loaded("n") // m has become twice as large
		draw("m")
		loaded("m", "n")
	})
}

// TestABusyWorkerChangesModelsSeldom has work for two models, of which one fits,
// without an end.
func TestABusyWorkerChangesModelsSeldom(t *testing.T) {
	e := quick()
	e.Load = 2 * time.Second
	e.Has = []worker.ModelInfo{{Name: "m", Bytes: 40}, {Name: "n", Bytes: 40}}
	working(t, e, func(c *worker.Config) { c.Memory = 40 }, func(b *bench) {
		for range 400 {
			for _, name := range []string{"m", "n"} {
				s := spec(1, 10)
				s.Model = name
				b.source.submit(s)
			}
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		loads, done := b.count(job.EventLoaded), b.count(job.EventFinished)
		if loads < 2 || loads > 1+int(2*time.Minute/(20*time.Second)) {
			t.Errorf("%d loads in two minutes, expected one each 20 s at most, and both models served", loads)
		}
		if done == 0 {
			t.Error("nothing was drawn")
		}
	})
}

func TestUnusedModelsAreUnloaded(t *testing.T) {
	working(t, quick(), func(c *worker.Config) { c.Preload, c.KeepAlive = []string{"m"}, time.Minute }, func(b *bench) {
		time.Sleep(50 * time.Second)
		if got := strings.Join(b.engine.Loaded(), " "); got != "m" {
			t.Errorf("loaded %q, want m from the start", got)
		}
		time.Sleep(20 * time.Second)
		if got := strings.Join(b.engine.Loaded(), " "); got != "" {
			t.Errorf("loaded %q after the keep-alive time", got)
		}
		id := b.source.submit(spec(1, 5))
		time.Sleep(10 * time.Second)
		b.wantDrawn(id)
	})
}

func TestABrokenModelLeavesOthersAlone(t *testing.T) {
	e := quick()
	e.Has = []worker.ModelInfo{{Name: "m"}, {Name: "n"}}
	opened := 0
	e.OnOpen = func(name string) error {
		if name == "n" {
			opened++
			return job.Errorf(job.Unavailable, "the weights are truncated")
		}
		return nil
	}
	working(t, e, nil, func(b *bench) {
		s := spec(1, 5)
		s.Model = "n"
		bad := b.source.submit(s)
		good := b.source.submit(spec(2, 5))
		time.Sleep(4 * time.Second)
		b.wantDrawn(good)
		if got := b.worker.Broken()["n"]; got != "the weights are truncated" {
			t.Errorf("broken: %q", got)
		}
		time.Sleep(10 * time.Minute)
		b.wantFailed(b.source.of(bad)[0], job.Engine)
		if opened > 6 {
			t.Errorf("opened %d times in 10 minutes", opened)
		}
	})
}

func TestAModelThatDoesNotFitTakesThePlaceOfAnUnusedOne(t *testing.T) {
	e := quick()
	e.Has = []worker.ModelInfo{{Name: "m"}, {Name: "n"}}
	e.OnOpen = func(string) error {
		if len(e.Loaded()) > 0 { // whatever the estimates say
			return job.Errorf(job.OutOfMemory, "no device memory")
		}
		return nil
	}
	working(t, e, nil, func(b *bench) {
		first := b.source.submit(spec(1, 5))
		time.Sleep(10 * time.Second)
		s := spec(1, 5)
		s.Model = "n"
		second := b.source.submit(s)
		time.Sleep(10 * time.Second)
		b.wantDrawn(first)
		b.wantDrawn(second)
		if got := strings.Join(e.Loaded(), " "); got != "n" {
			t.Errorf("loaded %q, want n alone", got)
		}
	})
}

func TestAModelThatPinnedOnesLeaveNoMemoryForIsNotOffered(t *testing.T) {
	e := quick()
	e.Has = []worker.ModelInfo{{Name: "m", Bytes: 40}, {Name: "n", Bytes: 40}}
	working(t, e, func(c *worker.Config) { c.Memory, c.Pin = 60, []string{"m"} }, func(b *bench) {
		s := spec(1, 5)
		s.Model = "n"
		never := b.source.submit(s)
		id := b.source.submit(spec(1, 5))
		time.Sleep(time.Minute)
		b.wantDrawn(id)
		if e := b.source.of(never)[0]; e.state != job.Queued || e.back > 0 {
			t.Errorf("the other model's image is %s, %d times back, want it left alone", e.state, e.back)
		}
	})
}
