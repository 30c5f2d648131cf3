package worker_test

import (
	"testing"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler/worker"
)

func TestAStoreThatIsDownStopsNothing(t *testing.T) {
	working(t, quick(), nil, func(b *bench) {
		id := b.source.submit(spec(3, 20))
		time.Sleep(time.Second)
		b.source.setDown(true)
		time.Sleep(10 * time.Minute)
		if n := b.count(job.EventStored); n != 3 {
			t.Errorf("%d images were stored while the queue was down, want 3", n)
		}
		b.source.setDown(false)
		time.Sleep(10 * time.Second)
		b.wantDrawn(id)
		later := b.source.submit(spec(2, 5))
		time.Sleep(20 * time.Second)
		b.wantDrawn(later)
	})
}

func TestAStoreThatIsDownIsAskedSeldom(t *testing.T) {
	working(t, quick(), nil, func(b *bench) {
		b.source.setDown(true)
		time.Sleep(10 * time.Minute)
		b.source.mu.Lock()
		defer b.source.mu.Unlock()
		if n := b.source.tries; n < 100 || n > 400 {
			t.Errorf("asked %d times for work in 10 minutes, want once in a few seconds", n)
		}
	})
}

func TestAStoreThatDoesNotAnswerHoldsNobodyUp(t *testing.T) {
	working(t, quick(), nil, func(b *bench) {
		first := b.source.submit(spec(3, 20))
		time.Sleep(time.Second)
		b.source.setHung(true)
		second := b.source.submit(spec(3, 20))
		time.Sleep(20 * time.Second)
		if n := b.count(job.EventDecoded); n != 6 {
			t.Errorf("%d images were decoded while writes hung, want 6", n)
		}
		b.source.setHung(false)
		time.Sleep(time.Minute)
		b.wantDrawn(first)
		b.wantDrawn(second)
		if n := b.count(job.EventFinished); n != 6 {
			t.Errorf("%d images were recorded, want each of 6 once", n)
		}
	})
}

func TestAWorkerStopsInTimeWithoutItsStore(t *testing.T) {
	working(t, quick(), nil, func(b *bench) {
		b.source.submit(spec(3, 5))
		time.Sleep(time.Second)
		b.source.setDown(true)
		time.Sleep(time.Minute)
		b.drain()
		time.Sleep(time.Minute)
		begun := time.Now()
		b.stop()
		if err := b.wait(); err != nil {
			t.Errorf("Run: %v", err)
		}
		if took := time.Since(begun); took > 6*time.Second {
			t.Errorf("took %v, want the grace time at most", took)
		}
	})
}

func TestAFullDiskHoldsImagesAndLeasing(t *testing.T) {
	working(t, quick(), nil, func(b *bench) {
		warm := b.source.submit(spec(60, 10)) // so that the worker takes many at once
		time.Sleep(time.Minute)
		b.wantDrawn(warm)
		before := b.count(job.EventDecoded)
		b.shelf.set(job.Errorf(job.Overloaded, "the disk is full"))
		id := b.source.submit(spec(150, 5))
		time.Sleep(time.Minute)
		if n := b.count(job.EventDecoded) - before; n > 16 {
			t.Errorf("%d images were decoded although none could be stored", n)
		}
		queued := 0
		for _, e := range b.source.of(id) {
			if e.state == job.Queued {
				queued++
			}
		}
		if queued == 0 {
			t.Error("everything was leased although nothing could be stored")
		}
		b.shelf.set(nil)
		time.Sleep(2 * time.Minute)
		b.wantDrawn(id)
		for _, e := range b.source.of(id) {
			if e.attempt != 1 {
				t.Errorf("image %d needed %d attempts", e.ref.Image, e.attempt)
			}
		}
	})
}

func TestADiskThatStaysFullEndsInAnError(t *testing.T) {
	working(t, quick(), nil, func(b *bench) {
		b.shelf.set(job.Errorf(job.Overloaded, "the disk is full"))
		id := b.source.submit(spec(1, 5))
		time.Sleep(10 * time.Minute)
		b.wantFailed(b.source.of(id)[0], job.Engine)
	})
}

func TestALeaseThatExpiredIsFenced(t *testing.T) {
	working(t, quick(), nil, func(b *bench) {
		id := b.source.submit(spec(1, 40))
		time.Sleep(time.Second)
		b.source.expire()
		second := newBench(b.t, b.source, b.shelf, quick(), nil)
		time.Sleep(30 * time.Second)
		b.wantDrawn(id)
		if n := b.count(job.EventFenced) + second.count(job.EventFenced); n != 1 {
			t.Errorf("%d fenced, want the first start", n)
		}
		if names := b.shelf.names(); len(names) != 1 {
			t.Errorf("artifacts %v, want one", names)
		}
		second.end()
	})
}

func TestALateResultIsRefusedAndItsFileRemoved(t *testing.T) {
	working(t, quick(), func(c *worker.Config) { c.Beat = 14 * time.Second }, func(b *bench) {
		id := b.source.submit(spec(1, 20))
		time.Sleep(time.Second)
		b.source.cancel(id, false) // no beat comes before the image is done
		time.Sleep(9 * time.Second)
		if names := b.shelf.names(); len(names) != 0 || b.count(job.EventFenced) != 1 {
			t.Errorf("artifacts %v, %d fenced, want none and 1", names, b.count(job.EventFenced))
		}
	})
}

func TestAWorkerIsRunOnce(t *testing.T) {
	working(t, quick(), nil, func(b *bench) {
		time.Sleep(time.Second)
		if err := b.worker.Run(t.Context(), t.Context()); job.KindOf(err) != job.Invalid {
			t.Errorf("run again: %v, want it refused", err)
		}
	})
}
