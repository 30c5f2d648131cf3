package dataset

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"cosmicman/picture"
)

// checkers is how many files are looked at at the same time: disks like many.
const checkers = 16

// checkAll looks at every candidate's files.
func (s *Set) checkAll(ctx context.Context, all []*candidate) error {
	sizes := s.options.Buckets.Sizes()
	g, ctx := errgroup.WithContext(ctx)
	var mu sync.Mutex
	next, done := 0, 0
	for range min(checkers, len(all), 8*runtime.GOMAXPROCS(0)) {
		g.Go(func() error {
			for {
				mu.Lock()
				at := next
				next++
				mu.Unlock()
				if at >= len(all) {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				if c := all[at]; c.err == nil {
					if c.err = s.check(ctx, c, sizes); ctx.Err() != nil {
						return ctx.Err() // and no fault of the file
					}
				}
				mu.Lock()
				if done++; s.options.Progress != nil && (done%256 == 0 || done == len(all)) {
					s.options.Progress(done, len(all))
				}
				mu.Unlock()
			}
		})
	}
	return g.Wait()
}

// check looks at a candidate's headers and words and gives it its bucket.
func (s *Set) check(ctx context.Context, c *candidate, sizes []Size) error {
	i := c.item
	var faults []error
	size, length, err := headerSize(i.Path())
	if err != nil {
		faults = append(faults, plain(err))
	}
	i.Size, i.bytes[0] = size, length
	if i.Map != "" {
		mapped, length, err := headerSize(i.MapPath())
		i.bytes[1] = length
		switch {
		case err != nil:
			faults = append(faults, fmt.Errorf("its parsing map %s %w", i.Map, plain(err)))
		case size != (Size{}) && mapped != size:
			faults = append(faults, fmt.Errorf("its parsing map %s %w", i.Map, mapSize(mapped, size)))
		case s.options.CheckFiles && size != (Size{}):
			if _, err := i.readMap(ctx); err != nil {
				var f *Fault
				if errors.As(err, &f) {
					err = f.Err
				}
				faults = append(faults, fmt.Errorf("its parsing map %s %w", i.Map, plain(err)))
			}
		}
	}
	if s.options.CheckFiles && size != (Size{}) {
		if err := i.decode(ctx); err != nil {
			faults = append(faults, plain(err))
		}
	}
	if err := i.words.check(i.Source.Labels); err != nil {
		faults = append(faults, err)
	}
	if size != (Size{}) {
		i.Bucket = sizes[nearest(sizes, size.Width, size.Height)]
		if err := s.fits(i); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

// maxLoss is how much larger than its bucket an image may get, once it covers it.
const maxLoss = 8

// fits refuses what its bucket does not suit.
func (s *Set) fits(i *Item) error {
	scaled := cover(i.Size, i.Bucket)
	if scaled.Width/maxLoss*scaled.Height > i.Bucket.Width*i.Bucket.Height {
		return fmt.Errorf("is %s pixels: the nearest size, %s, would show less than an eighth of it", i.Size, i.Bucket)
	}
	if s.options.Upscale == RefuseUpscale && (scaled.Width > i.Size.Width || scaled.Height > i.Size.Height) {
		return fmt.Errorf("is %s pixels, smaller than its size in training, %s, and is not to be enlarged", i.Size, i.Bucket)
	}
	return nil
}

// check refuses words that no caption can be made of.
func (w words) check(t *LabelTable) error {
	if !w.byGroups {
		return nil
	}
	if w.attributes == "" {
		return errors.New("has no aa_text")
	}
	attributes, err := parseAttributes(w.attributes)
	if err != nil {
		return err
	}
	if _, err := t.parseLabels(w.labels); err != nil {
		return err
	}
	if !slices.ContainsFunc(attributes[:], func(d *described) bool { return d != nil }) && shotPhrase(w.shot) == "" {
		return errors.New("its aa_text says nothing of any group, so that its caption would be empty")
	}
	return nil
}

// headerSize reads a picture's size and how long its file is.
func headerSize(file string) (size Size, length int64, err error) {
	f, err := os.Open(file)
	if err != nil {
		return Size{}, 0, err
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return Size{}, 0, err
	}
	if !stat.Mode().IsRegular() {
		return Size{}, 0, errors.New("is not a file")
	}
	if stat.Size() > maxFile {
		return Size{}, 0, fmt.Errorf("is %d bytes long, expected at most %d", stat.Size(), int64(maxFile))
	}
	info, err := picture.ReadInfo(f, stat.Size())
	if err != nil {
		return Size{}, 0, err
	}
	if err := limits.Check(info.Width, info.Height); err != nil {
		return Size{}, 0, err
	}
	return Size{info.Width, info.Height}, stat.Size(), nil
}
