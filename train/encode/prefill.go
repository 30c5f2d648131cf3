package encode

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// Progress is told while much is encoded at once.
type Progress struct {
	Done, Total int // of what was asked for
	Made        int // of Done: what was not kept already
}

// Prefill encodes pictures whose moments are not kept, n of them, which at names: in
// order, the next one's pixels being made meanwhile. After that the VAE can be freed,
// before networks that learn need its memory. progress is called now and then, and at
// the end; it may be nil.
//
// A picture that fails is given to skip, and the rest goes on; a nil skip ends at the
// first.
func (v *VAE) Prefill(ctx context.Context, n int, at func(i int) (Picture, error), skip func(i int, err error), progress func(Progress)) error {
	type made struct {
		i      int
		key    Key
		p      Picture
		pixels []float32
		err    error
		kept   bool
	}
	group, ctx := errgroup.WithContext(ctx)
	ready := make(chan made, 1)
	group.Go(func() error {
		defer close(ready)
		for i := range n {
			m := made{i: i}
			m.p, m.err = at(i)
			if m.err == nil {
				_, m.err = v.size(m.p)
			}
			if m.err == nil {
				m.key, m.err = v.key(ctx, m.p)
			}
			if m.err == nil && v.store.has(m.key) {
				m.kept = true
			} else if m.err == nil {
				m.pixels, m.err = m.p.Pixels(ctx)
			}
			select {
			case ready <- m:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	group.Go(func() error {
		told := teller{to: progress, p: Progress{Total: n}}
		for m := range ready {
			if m.err == nil && !m.kept {
				_, m.err = v.encode(ctx, m.key, m.p, m.pixels)
				told.p.Made++
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if m.err != nil {
				if skip == nil {
					return fmt.Errorf("picture %d of %d: %w", m.i+1, n, m.err)
				}
				skip(m.i, m.err)
			}
			told.p.Done++
			told.say(false)
		}
		told.say(true)
		return ctx.Err()
	})
	return group.Wait()
}

// Prefill encodes texts that are not kept, many at a time; see [VAE.Prefill].
func (t *Texts) Prefill(ctx context.Context, n int, at func(i int) string, progress func(Progress)) error {
	told := teller{to: progress, p: Progress{Total: n}}
	var some []string
	for i := range n {
		text := at(i)
		windows, _, err := t.Windows(text)
		if err != nil {
			return err
		}
		key, err := t.key(ctx, windows)
		if err != nil {
			return err
		}
		if t.store.has(key) {
			told.p.Done++
		} else {
			some = append(some, text)
		}
		if len(some) >= max(t.rows.most, 8) || i == n-1 {
			if _, err := t.Encode(ctx, some); err != nil {
				return err
			}
			told.p.Done += len(some)
			told.p.Made += len(some)
			some = some[:0]
		}
		told.say(false)
	}
	told.say(true)
	return ctx.Err()
}

// teller calls a function at most once a second.
type teller struct {
	to   func(Progress)
	p    Progress
	last time.Time
}

func (t *teller) say(end bool) {
	if t.to == nil || !end && time.Since(t.last) < time.Second {
		return
	}
	t.last = time.Now()
	t.to(t.p)
}
