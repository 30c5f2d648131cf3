package dataset

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Facts are what a set is, for those who want to see it before a run.
type Facts struct {
	Sources []SourceFacts
	Sizes   []SizeFacts // those with images, from the narrowest to the widest
	Empty   []Size      // and those without
	Images  int         // that are learned from
	Held    int
	LeftOut int
	Batches int      // of an epoch
	Notes   []string // what is worth knowing and is no fault
}

// SourceFacts are of one source.
type SourceFacts struct {
	Path    string
	Format  Format
	Images  int // that are learned from
	Held    int
	LeftOut int
	Maps    int // of Images and Held, those with a parsing map
	Masked  int // and those whose caption has a part that the map shows
	Repeats int
	Prior   bool
	Weight  float64
}

// SizeFacts are of one bucket.
type SizeFacts struct {
	Size    Size
	Images  int // that are learned from
	Entries int // as often as an epoch has them
	Batches int // of an epoch
}

// Facts counts what is in the set. It takes the captions apart, 20,000 a second.
func (s *Set) Facts() Facts {
	f := Facts{Images: len(s.items), Held: len(s.Held), LeftOut: len(s.leftOut), Batches: s.plans.batches, Empty: slices.Clone(s.empty), Notes: slices.Clone(s.notes)}
	at := map[*Source]int{}
	for n, source := range s.sources {
		at[source] = n
		f.Sources = append(f.Sources, SourceFacts{
			Path: source.Path, Format: s.counts[n].format, LeftOut: s.counts[n].leftOut,
			Repeats: max(1, source.Repeats), Prior: source.Prior, Weight: source.weight(),
		})
	}
	all := slices.Concat(s.items, s.Held)
	masked := masked(all, s.options.Captions)
	images := map[Size]int{}
	for n, i := range all {
		source := &f.Sources[at[i.Source]]
		if n < len(s.items) {
			source.Images++
			images[i.Bucket]++
		} else {
			source.Held++
		}
		if i.Map != "" {
			source.Maps++
		}
		if masked[n] {
			source.Masked++
		}
	}
	for _, b := range s.plans.buckets {
		f.Sizes = append(f.Sizes, SizeFacts{Size: b.size, Images: images[b.size], Entries: len(b.entries), Batches: b.batches})
	}
	return f
}

// Digest tells sets apart: it follows from the images' names, sizes and words and from
// all options that the plan follows from. A run that is resumed with another digest
// would not go on where it was.
func (s *Set) Digest() string {
	o := s.options
	h := sha256.New()
	captions := o.Captions
	captions.Tokens = nil // a function has no digest
	fmt.Fprintf(h, "%d %d %v %q %v %q %q %+v %+v %v %v\n", o.Seed, o.Batch, o.Buckets, o.Crop, o.Flip, o.Upscale, o.Sizes, captions, o.Held, o.DropLast, o.Captions.Tokens != nil)
	for _, source := range s.sources {
		fmt.Fprintf(h, "%d %v %v %q %+v\n", max(1, source.Repeats), source.Prior, source.weight(), source.Trigger, *source.Labels)
	}
	for _, all := range [][]*Item{s.items, s.Held} {
		fmt.Fprintln(h, len(all))
		for _, i := range all {
			w := i.words
			fmt.Fprintf(h, "%d %q %q %v %v %v %v %q %q %q %q\n", slices.Index(s.sources, i.Source), i.Name, i.Map, i.bytes, i.Size, i.Bucket, w.byGroups, w.attributes, w.labels, w.shot, w.text)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// masked says of each item whether its whole caption has a part that its map shows.
func masked(all []*Item, o CaptionOptions) []bool {
	out := make([]bool, len(all))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for n := next.Add(1) - 1; n < int64(len(all)); n = next.Add(1) - 1 {
				if i := all[n]; i.Map != "" {
					out[n] = slices.ContainsFunc(i.Caption(nil, o, false).Phrases, func(p Phrase) bool {
						return p.Foreground || len(p.Labels) > 0
					})
				}
			}
		})
	}
	wg.Wait()
	return out
}
