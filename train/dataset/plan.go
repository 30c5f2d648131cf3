package dataset

import (
	"math/rand/v2"
	"sync"

	"cosmicman/train"
)

// Visit is a look at an image.
type Visit struct {
	Number int64 // counts all visits of a run from 0 on; below 0 for images that are held out
	Epoch  int64 // how often the data was gone through before
	Item   *Item
	Flip   bool
	Weight float64 // of its loss

	// The image is brought to Scaled, of which Size is seen from Left and Top on, and
	// then mirrored if Flip says so.
	Size, Scaled Size
	Left, Top    int

	// What SDXL's UNet is told: heights and widths in pixels, the crop's top and left.
	Original, Crop, Target [2]int
}

// TimeIDs are what SDXL's UNet is told of sizes, in its order.
func (v Visit) TimeIDs() [6]float32 {
	return [6]float32{float32(v.Original[0]), float32(v.Original[1]), float32(v.Crop[0]), float32(v.Crop[1]), float32(v.Target[0]), float32(v.Target[1])}
}

// plan is the order of an epoch's batches: indexes of items, batch by batch.
type plan struct {
	epoch int64
	items []int32
}

// bucket is the items of one size that are learned from.
type bucket struct {
	size    Size
	entries []int32 // indexes of items, each as often as an epoch has it
	batches int     // an epoch's
}

// plans makes epochs' orders and keeps the last few, since those who prepare batches
// ahead are in two epochs at a time.
type plans struct {
	seed    uint64
	batch   int
	buckets []bucket
	batches int // an epoch's

	mu   sync.Mutex
	kept []*plan
}

const keptPlans = 3

func newPlans(seed uint64, batch int, dropLast bool, buckets []bucket) *plans {
	p := &plans{seed: seed, batch: batch}
	for _, b := range buckets {
		b.batches = (len(b.entries) + batch - 1) / batch
		if dropLast {
			b.batches = len(b.entries) / batch
		}
		p.batches += b.batches
		p.buckets = append(p.buckets, b)
	}
	return p
}

// at is the order of an epoch.
func (p *plans) at(epoch int64) *plan {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.kept {
		if k.epoch == epoch {
			return k
		}
	}
	k := p.make(epoch)
	if len(p.kept) == keptPlans {
		p.kept = append(p.kept[:0], p.kept[1:]...)
	}
	p.kept = append(p.kept, k)
	return k
}

func (p *plans) make(epoch int64) *plan {
	all := make([]int32, 0, p.batches*p.batch)
	for i, b := range p.buckets {
		order := append([]int32(nil), b.entries...)
		shuffle(train.Chance(p.seed, "dataset: items", epoch, int64(i)), order)
		for k := range b.batches * p.batch {
			all = append(all, order[k%len(order)])
		}
	}
	order := make([]int32, p.batches)
	for i := range order {
		order[i] = int32(i)
	}
	shuffle(train.Chance(p.seed, "dataset: batches", epoch), order)
	out := &plan{epoch, make([]int32, 0, len(all))}
	for _, b := range order {
		out.items = append(out.items, all[int(b)*p.batch:][:p.batch]...)
	}
	return out
}

func shuffle[T any](chance *rand.Rand, s []T) {
	chance.Shuffle(len(s), func(i, j int) { s[i], s[j] = s[j], s[i] })
}

// Batches is how many batches an epoch has.
func (s *Set) Batches() int { return s.plans.batches }

// Epoch is how often the data was gone through before a batch, with a fraction.
func (s *Set) Epoch(batch int64) float64 { return float64(batch) / float64(s.plans.batches) }

// Visit is the number-th look at an image of a whole run, from 0 on. All that a batch
// has are of one size. Who is seen, how it is cropped and whether it is mirrored follow
// from the options and the number alone.
func (s *Set) Visit(number int64) Visit {
	batch := int64(s.options.Batch)
	epoch := number / batch / int64(s.plans.batches)
	at := number - epoch*int64(s.plans.batches)*batch
	item := s.items[s.plans.at(epoch).items[at]]
	v := s.visit(item, train.Chance(s.options.Seed, "dataset: visit", number))
	v.Number, v.Epoch = number, epoch
	return v
}

// Batch is the visits of a batch of the whole run, from 0 on.
func (s *Set) Batch(number int64) []Visit {
	out := make([]Visit, s.options.Batch)
	for i := range out {
		out[i] = s.Visit(number*int64(len(out)) + int64(i))
	}
	return out
}

// HeldBatches is how many batches the images that are held out make.
func (s *Set) HeldBatches() int { return len(s.held) }

// HeldBatch is one of them, always the same: in the middle, not mirrored. A bucket's
// last batch may have fewer images.
func (s *Set) HeldBatch(number int) []Visit {
	var out []Visit
	for _, i := range s.held[number] {
		v := s.visit(s.Held[i], nil)
		v.Number = -1 - int64(i)
		out = append(out, v)
	}
	return out
}

// visit lays out a look at an item; without chance it is from the middle.
func (s *Set) visit(item *Item, chance *rand.Rand) Visit {
	v := Visit{Item: item, Weight: item.Source.weight(), Size: item.Bucket, Scaled: cover(item.Size, item.Bucket)}
	spareX, spareY := v.Scaled.Width-v.Size.Width, v.Scaled.Height-v.Size.Height
	v.Left, v.Top = spareX/2, spareY/2
	if chance != nil {
		// All are drawn whether needed or not, so that one option does not change
		// what another draws.
		flip, left, top := chance.Float64(), chance.IntN(spareX+1), chance.IntN(spareY+1)
		v.Flip = flip < s.options.Flip
		if s.options.Crop == Random {
			v.Left, v.Top = left, top
		}
	}
	v.Target = [2]int{v.Size.Height, v.Size.Width}
	v.Original = v.Target
	if s.options.Sizes == SizeOfImage {
		v.Original = [2]int{item.Size.Height, item.Size.Width}
		v.Crop = [2]int{v.Top, v.Left}
		if v.Flip { // as if it had been mirrored first
			v.Crop[1] = spareX - v.Left
		}
	}
	return v
}

// cover is the smallest size of an image's aspect that covers a bucket.
func cover(image, b Size) Size {
	if image.Width*b.Height >= b.Width*image.Height { // wider than the bucket
		return Size{max(b.Width, (2*image.Width*b.Height+image.Height)/(2*image.Height)), b.Height}
	}
	return Size{b.Width, max(b.Height, (2*image.Height*b.Width+image.Width)/(2*image.Width))}
}

// weight is what a loss of the source's images is multiplied by.
func (s *Source) weight() float64 {
	if s.Weight == 0 {
		return 1
	}
	return s.Weight
}
