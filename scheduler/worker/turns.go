package worker

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler/pack"
)

// panicked is the cause of an error that was a panic.
type panicked struct{ value any }

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// pick returns the images at some indexes.
func pick(images []*image, items []int) []*image {
	picked := make([]*image, 0, len(items))
	for _, i := range items {
		picked = append(picked, images[i])
	}
	return picked
}

// without returns images less some of them.
func without(images, less []*image) []*image {
	return slices.DeleteFunc(images, func(m *image) bool { return slices.Contains(less, m) })
}

// begin starts sequences; what cannot be begun fails alone.
func (d *device) begin(c pack.Choice) {
	w, m := d.w, d.model(c.Model)
	images := withOneUpload(pick(d.waiting, c.Items))
	d.waiting = without(d.waiting, images)
	starts := make([]Start, 0, len(images))
	for _, i := range images {
		starts = append(starts, i.start())
	}
	var seqs []Sequence
	var errs []error
	begun := time.Now()
	err := w.guard("beginning images", func() error {
		seqs, errs = m.loaded.Begin(d.work, starts)
		if len(seqs) != len(starts) || len(errs) != len(starts) {
			return job.Errorf(job.Engine, "the engine answered %d sequences and %d errors for %d images", len(seqs), len(errs), len(starts))
		}
		return nil
	})
	took := time.Since(begun)
	m.used = d.now()
	d.book.Began(took.Seconds())
	var again []*image
	for k, i := range images {
		problem := err
		if err == nil {
			problem = errs[k]
		}
		if problem == nil && seqs[k] == nil {
			problem = job.Errorf(job.Engine, "the engine began no sequence")
		}
		switch {
		case problem == nil:
			d.join(m, i, seqs[k], took, len(images))
		case d.work.Err() != nil, len(images) > 1 && job.KindOf(problem) == job.OutOfMemory, len(images) > 1 && err != nil:
			i.alone = true
			again = append(again, i)
		default:
			d.broke(i, problem)
		}
	}
	d.waiting = append(again, d.waiting...)
}

func (d *device) join(m *model, i *image, seq Sequence, took time.Duration, together int) {
	i.seq, i.alone = seq, false
	i.init, i.mask = nil, nil
	i.group, i.rows = d.book.Group(seq.Group()), max(1, seq.Rows())
	i.done, i.all = seq.Calls()
	i.text = seq.Text()
	i.seconds = took.Seconds() / float64(together)
	if g := i.lease.Spec.Drawing; g.Width == 0 && g.Height == 0 && g.Init == "" {
		m.height, m.width = i.group.Height, i.group.Width
	}
	d.active = append(d.active, i)
	e := i.event(job.EventJoined)
	e.Took, e.Images = took, together
	d.w.observe(e)
}

// broke ends an image with the engine's error.
func (d *device) broke(i *image, err error) {
	reason := typed(err, job.Engine, "drawing failed")
	if reason.Kind == job.OutOfMemory {
		d.ranOut()
	}
	d.w.fail(i, reason)
}

// ranOut arranges what follows once the device has run out of memory.
func (d *device) ranOut() {
	if d.w.c.RestartAfterOOM {
		d.restart = true
		d.stopFetch()
	}
}

// step runs one UNet call.
func (d *device) step(c pack.Choice) {
	w, m := d.w, d.model(c.Model)
	images := pick(d.active, c.Items)
	seqs := make([]Sequence, 0, len(images))
	for _, i := range images {
		seqs = append(seqs, i.seq)
	}
	var errs []error
	panics := false
	begun := time.Now()
	err := w.guard("stepping", func() (err error) {
		errs, err = m.loaded.Step(d.work, seqs)
		if err == nil && len(errs) != len(seqs) {
			panics = true // nobody knows what was moved either
			return job.Errorf(job.Engine, "the engine answered %d errors for %d sequences", len(errs), len(seqs))
		}
		return err
	})
	took := time.Since(begun)
	m.used, m.learned = d.now(), true
	if len(images) > 0 && images[0].group.Variant != "" { // variants have sessions of their own
		m.bytes = m.loaded.Bytes()
	}
	if _, is := errors.AsType[*panicked](err); is || panics {
		d.end(images, err)
		d.abandon = d.restart
		return
	}
	if err != nil {
		d.stepFailed(c, images, err)
		return
	}
	padded := max(c.Rows, m.loaded.Rows(c.Group.Group, c.Rows))
	d.book.Stepped(c.Group, padded, took.Seconds(), c.Weight)
	w.mu.Lock()
	w.rows = c.Rows
	w.mu.Unlock()
	w.observe(job.Event{Type: job.EventStepped, Model: c.Model, Group: c.Group.Group, Rows: c.Rows, Padded: padded, Images: len(images), Took: took})
	for k, i := range images {
		i.seconds += took.Seconds() * float64(i.rows) / float64(c.Rows)
		if errs[k] != nil {
			d.end([]*image{i}, errs[k])
			continue
		}
		i.alone = false
		i.done, i.all = i.seq.Calls()
		w.progress(i)
	}
}

// stepFailed is about a call that failed as a whole: nothing has moved.
func (d *device) stepFailed(c pack.Choice, images []*image, err error) {
	w := d.w
	switch {
	case d.work.Err() != nil: // interrupted: the images go back
	case job.KindOf(err) == job.OutOfMemory:
		padded := max(c.Rows, d.pad(c.Group.Group, c.Rows))
		limit := d.book.OutOfMemory(c.Group, padded)
		w.c.Logf("worker %s: no memory for %d rows of %v, at most %d from now on: %v", w.c.ID, padded, c.Group.Group, limit, err)
		e := job.Event{Type: job.EventHalved, Model: c.Model, Group: c.Group.Group, Rows: limit, Images: len(images), Err: err}
		w.observe(e)
		d.ranOut()
		d.save() // before anything worse happens
		if len(images) == 1 {
			d.end(images, err)
		}
	case d.restart:
		w.c.Logf("worker %s: the device fails after it ran out of memory: %v", w.c.ID, err)
		d.abandon = true
	case len(images) > 1:
		for _, i := range images {
			i.alone = true
		}
		w.c.Logf("worker %s: a step of %d sequences failed, each is tried by itself: %v", w.c.ID, len(images), err)
	default:
		d.end(images, err)
	}
}

// end takes images off the device with an error.
func (d *device) end(images []*image, err error) {
	d.active = without(d.active, images)
	for _, i := range images {
		d.broke(i, err)
	}
}

// decode runs the VAE for one image and hands it to the finishers.
func (d *device) decode(c pack.Choice) {
	w, m := d.w, d.model(c.Model)
	i := d.active[c.Items[0]]
	var p Picture
	begun := time.Now()
	err := w.guard("decoding an image", func() (err error) {
		p, err = m.loaded.Decode(d.work, i.seq)
		if err == nil && p == nil {
			err = job.Errorf(job.Engine, "the engine decoded no picture")
		}
		return err
	})
	took := time.Since(begun)
	m.used = d.now()
	if err != nil && d.work.Err() != nil {
		return // interrupted: it goes back
	}
	i.seconds += took.Seconds()
	if err != nil {
		d.end([]*image{i}, err)
		return
	}
	d.book.Decoded(c.Group, took.Seconds())
	e := i.event(job.EventDecoded)
	e.Took = took
	w.observe(e)
	d.active = without(d.active, []*image{i})
	w.out.put(outcome{image: i, picture: p})
}
