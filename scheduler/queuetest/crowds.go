package queuetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

var crowds = []testCase{
	{promise: "eight workers that fail, drain and die record each image once and lose none", options: scheduler.Options{LeaseTTL: 500 * time.Millisecond, MaxAttempts: 1000}, check: func(s *store) {
		const jobs, images, workers = 200, 2, 8
		var ids []job.ID
		for i := range jobs {
			ids = append(ids, s.submit(count(images), tenant(fmt.Sprint(i%3)), priority(job.Priority(i%3-1))).ID)
		}
		c := &crowd{s: s, recorded: map[string]string{}, left: jobs * images}
		ctx, cancel := context.WithCancel(s.ctx)
		defer cancel()
		c.done = cancel
		var wg sync.WaitGroup
		for i := range workers {
			wg.Go(func() { c.work(ctx, fmt.Sprint("worker", i), rand.New(rand.NewPCG(1, uint64(i)))) })
		}
		wg.Wait()
		if s.ctx.Err() != nil {
			s.t.Fatalf("%d images were not drawn in time", c.left)
		}
		for _, id := range ids {
			st := s.get(id)
			if st.State != job.Completed {
				s.t.Errorf("job is %s", st.State)
			}
			for i, im := range st.Images {
				if im.Result == nil || im.Result.Artifact != c.recorded[fmt.Sprint(id, i)] {
					s.t.Errorf("image %d of %s has result %v, recorded was %q", i, id, im.Result, c.recorded[fmt.Sprint(id, i)])
				}
			}
		}
		s.empty()
	}},
}

// crowd is some workers that share a queue.
type crowd struct {
	s    *store
	done context.CancelFunc // all is drawn

	mu       sync.Mutex
	recorded map[string]string // artifact by image
	left     int
}

// work leases until all is drawn; of ten starts about one fails, one is given back
// and one is forgotten until its lease runs out.
func (c *crowd) work(ctx context.Context, name string, random *rand.Rand) {
	for ctx.Err() == nil {
		got, err := c.s.q.Lease(ctx, request(name, 1+random.IntN(4)))
		if err != nil {
			if ctx.Err() == nil {
				c.s.t.Errorf("lease: %v", err)
				return
			}
			continue
		}
		for _, l := range got {
			switch random.IntN(20) {
			case 0, 1:
				err = c.s.q.Fail(c.s.ctx, l.Ref, reason(job.Engine))
			case 2, 3:
				err = c.s.q.Release(c.s.ctx, l.Ref)
			case 4:
				err = nil // died
			default:
				err = c.record(l)
			}
			if err != nil && job.KindOf(err) != job.Fenced {
				c.s.t.Errorf("%v: %v", l.Ref, err)
				c.done()
				return
			}
		}
	}
}

func (c *crowd) record(l scheduler.Lease) error {
	r := result(l.Ref)
	if err := c.s.q.Finish(c.s.ctx, l.Ref, r); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	image := fmt.Sprint(l.Ref.Job, l.Ref.Image)
	if before, twice := c.recorded[image]; twice {
		c.s.t.Errorf("%s was recorded as %s and as %s", image, before, r.Artifact)
	}
	c.recorded[image] = r.Artifact
	if c.left--; c.left == 0 {
		c.done()
	}
	return nil
}
