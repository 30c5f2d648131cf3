package dataset

import (
	"fmt"
	"image"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
)

// gallery is a folder of images of some sizes, each with a caption.
func gallery(t testing.TB, sizes map[Size]int) string {
	t.Helper()
	dir := t.TempDir()
	n := 0
	var order []Size
	for s := range sizes {
		order = append(order, s)
	}
	slices.SortFunc(order, func(a, b Size) int { return 10000*(a.Width-b.Width) + a.Height - b.Height })
	for _, s := range order {
		data := pngOf(t, slope(s.Width, s.Height))
		for range sizes[s] {
			put(t, dir, fmt.Sprintf("%04d.png", n), data)
			put(t, dir, fmt.Sprintf("%04d.txt", n), []byte(fmt.Sprintf("a person, number %d", n)))
			n++
		}
	}
	return dir
}

// byAspect is buckets of three aspects.
var byAspect = Buckets{Area: 64 * 64, Step: 32, MinSide: 32, MaxSide: 128, MaxRatio: 4}

func TestBatchesAreOfOneSizeAndEpochsWhole(t *testing.T) {
	dir := gallery(t, map[Size]int{{64, 64}: 7, {32, 128}: 5, {128, 32}: 1})
	o := Options{Sources: []Source{{Path: dir, Repeats: 2}}, Seed: 5, Batch: 4, Buckets: byAspect, Flip: 0.5}
	s := open(t, o)
	// 14, 10 and 2 entries: 4 + 3 + 1 batches.
	if s.Batches() != 8 || s.Facts().Images != 13 {
		t.Fatalf("%d batches of %d images", s.Batches(), s.Facts().Images)
	}
	var orders []string
	flips := 0
	for epoch := range int64(3) {
		seen, order := map[string]int{}, ""
		for b := range int64(8) {
			batch := s.Batch(epoch*8 + b)
			if len(batch) != 4 {
				t.Fatalf("batch %d has %d visits", b, len(batch))
			}
			for k, v := range batch {
				if v.Size != batch[0].Size || v.Epoch != epoch || v.Number != (epoch*8+b)*4+int64(k) {
					t.Errorf("epoch %d, batch %d: %+v beside %+v", epoch, b, v, batch[0])
				}
				seen[v.Item.Name]++
				order += v.Item.Name + " "
				if v.Flip {
					flips++
				}
			}
		}
		for name, n := range seen {
			if n < 2 || n > 4 {
				t.Errorf("epoch %d sees %s %d times, expected 2 and what fills batches", epoch, name, n)
			}
		}
		if len(seen) != 13 {
			t.Errorf("epoch %d sees %d images of 13", epoch, len(seen))
		}
		orders = append(orders, order)
	}
	if orders[0] == orders[1] || orders[1] == orders[2] {
		t.Error("two epochs have one order")
	}
	if flips < 30 || flips > 66 {
		t.Errorf("%d of 96 visits are mirrored", flips)
	}
	if got := s.Epoch(12); got != 1.5 {
		t.Errorf("batch 12 of epochs of 8 is at %v", got)
	}
}

func TestAnEpochIsBounded(t *testing.T) {
	item := &Item{Source: &Source{Repeats: maxRepeats}, Bucket: Size{8, 8}}
	s := &Set{options: Options{Batch: 1, Buckets: Buckets{Width: 8, Height: 8}}, items: slices.Repeat([]*Item{item}, 27000)}
	if err := s.lay(); err == nil || !strings.Contains(err.Error(), "an epoch would have 270000000 images") {
		t.Errorf("%v", err)
	}
}

// TestVisitsDoNotDependOnWhatWasSeen: backwards, by several goroutines and from another
// set they are the same.
func TestVisitsDoNotDependOnWhatWasSeen(t *testing.T) {
	dir := gallery(t, map[Size]int{{64, 80}: 9, {40, 128}: 4})
	o := Options{Sources: []Source{{Path: dir}}, Seed: 11, Batch: 3, Buckets: byAspect, Flip: 0.5, Crop: Random, Captions: CaptionOptions{ShuffleTags: true}}
	say := func(s *Set, n int64) string {
		v := s.Visit(n)
		return fmt.Sprintf("%s %v %v %d,%d %q", v.Item.Name, v.Flip, v.Scaled, v.Left, v.Top, s.Caption(v).Text)
	}
	const visits = 200
	first := open(t, o)
	var want [visits]string
	for n := range want {
		want[n] = say(first, int64(n))
	}
	second := open(t, o)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for n := visits - 1 - g; n >= 0; n -= 4 {
				if got := say(second, int64(n)); got != want[n] {
					t.Errorf("visit %d is %s, was %s", n, got, want[n])
				}
			}
		})
	}
	wg.Wait()
	if first.Digest() != second.Digest() {
		t.Error("two digests of one set")
	}
	o.Seed++
	if other := open(t, o); other.Digest() == first.Digest() || say(other, 0)+say(other, 1)+say(other, 2) == want[0]+want[1]+want[2] {
		t.Error("another seed makes the same set")
	}
	if far := first.Visit(math.MaxInt64 / 2); far.Item == nil {
		t.Error("no visit far away")
	}
}

func TestIncompleteBatchesAreDropped(t *testing.T) {
	dir := gallery(t, map[Size]int{{64, 64}: 7, {32, 128}: 3})
	s := open(t, Options{Sources: []Source{{Path: dir}}, Batch: 4, Buckets: byAspect, DropLast: true})
	f := s.Facts()
	if s.Batches() != 1 || len(f.Sizes) != 2 || f.Sizes[0].Batches != 0 {
		t.Errorf("%+v", f)
	}
	wantAll(t, strings.Join(f.Notes, "\n"), "size 32x128 has 3 images, fewer than a batch of 4: none is learned from")
	if !slices.Equal(f.Empty, []Size{{128, 32}}) {
		t.Errorf("without an image: %v", f.Empty)
	}
	// Another epoch leaves out others.
	seen := map[string]bool{}
	for n := range int64(100) {
		seen[s.Visit(n).Item.Name] = true
	}
	if len(seen) != 7 {
		t.Errorf("25 epochs saw %d of 7 images", len(seen))
	}
	message := refused(t, Options{Sources: []Source{{Path: dir}}, Batch: 8, Buckets: byAspect, DropLast: true})
	wantAll(t, message, "no size has as many images as a batch, 8")
}

// TestHeldImagesStayHeld: when others are added.
func TestHeldImagesStayHeld(t *testing.T) {
	few := gallery(t, map[Size]int{{64, 64}: 100})
	many := gallery(t, map[Size]int{{64, 64}: 160})
	options := func(dir string, h Held) Options {
		return Options{Sources: []Source{{Path: dir}, {Path: few, Prior: true, Weight: 0.5}}, Batch: 4, Buckets: Buckets{Width: 64, Height: 64}, Flip: 1, Crop: Random, Held: h}
	}
	names := func(all []*Item) (out []string) {
		for _, i := range all {
			out = append(out, i.Name)
		}
		return out
	}
	a, b := open(t, options(few, Held{Share: 0.2})), open(t, options(many, Held{Share: 0.2}))
	if n := len(a.Held); n < 10 || n > 32 {
		t.Errorf("%d of 100 are held out", n)
	}
	for _, name := range names(a.Held) {
		if !slices.Contains(names(b.Held), name) {
			t.Errorf("%s is held no more", name)
		}
	}
	for _, i := range a.Items() {
		if i.Source.Path == few && !i.Source.Prior && slices.Contains(names(a.Held), i.Name) {
			t.Errorf("%s is held and learned from", i.Name)
		}
	}
	for _, i := range a.Held {
		if i.Source.Prior {
			t.Errorf("%s is prior and held", i.Name)
		}
	}
	c := open(t, options(few, Held{Count: 10}))
	if len(c.Held) != 10 || c.HeldBatches() != 3 || len(c.HeldBatch(2)) != 2 {
		t.Errorf("%d held, %d batches", len(c.Held), c.HeldBatches())
	}
	for n := range c.HeldBatches() {
		for _, v := range c.HeldBatch(n) {
			if v.Flip || v.Number >= 0 || v.Left != 0 || v.Weight != 1 {
				t.Errorf("%+v", v)
			}
		}
	}
	weights := map[float64]int{}
	for n := range int64(len(c.Items())) {
		weights[c.Visit(n).Weight]++
	}
	if weights[0.5] != 100 || weights[1] < 90 {
		t.Errorf("weights of visits: %v", weights)
	}
	wantAll(t, refused(t, options(few, Held{Count: 100})), "all 100 images are held out")
}

// TestTheDigestKnowsOtherFiles: an image or a map that is replaced by one of its size.
func TestTheDigestKnowsOtherFiles(t *testing.T) {
	dir := t.TempDir()
	o := small(Source{Path: dir, Caption: "a woman", MapSuffix: ".seg.png"})
	put(t, dir, "a.png", pngOf(t, slope(64, 64)))
	put(t, dir, "a.seg.png", pngOf(t, halves(64, 64, 0, 1)))
	seen := map[string]bool{open(t, o).Digest(): true}
	put(t, dir, "a.png", pngOf(t, image.NewNRGBA(image.Rect(0, 0, 64, 64))))
	seen[open(t, o).Digest()] = true
	put(t, dir, "a.seg.png", pngOf(t, halves(64, 64, 0, 0)))
	seen[open(t, o).Digest()] = true
	if len(seen) != 3 {
		t.Errorf("%d digests of 3 data sets", len(seen))
	}
}

func TestConditioningOnSizes(t *testing.T) {
	dir := gallery(t, map[Size]int{{100, 80}: 1})
	o := Options{Sources: []Source{{Path: dir}}, Batch: 1, Buckets: Buckets{Width: 64, Height: 64}}
	if got := open(t, o).Visit(0).TimeIDs(); got != [6]float32{64, 64, 0, 0, 64, 64} {
		t.Errorf("by the bucket: %v", got)
	}
	o.Sizes, o.Crop = SizeOfImage, Random
	s := open(t, o)
	seen := map[int]bool{}
	for n := range int64(200) {
		v := s.Visit(n)
		seen[v.Left] = true
		if v.Scaled != (Size{80, 64}) || v.TimeIDs() != [6]float32{80, 100, 0, float32(v.Left), 64, 64} {
			t.Fatalf("%+v: %v", v, v.TimeIDs())
		}
	}
	if len(seen) != 17 {
		t.Errorf("%d of 17 crops were seen", len(seen))
	}
	o.Flip = 1
	for n := range int64(20) {
		if v := open(t, o).Visit(n); v.Crop[1] != 16-v.Left {
			t.Errorf("mirrored: %+v", v)
		}
	}
}

func TestBuckets(t *testing.T) {
	if err := PublishedBuckets().Check(); err != nil {
		t.Fatal(err)
	}
	sizes := PublishedBuckets().Sizes()
	for i, s := range sizes {
		long, short := max(s.Width, s.Height), min(s.Width, s.Height)
		if s.Width%64 != 0 || s.Height%64 != 0 || short < 768 || long > 1536 || s.Width*s.Height > 1024*1280 || long > 2*short {
			t.Errorf("%s", s)
		}
		if !slices.Contains(sizes, Size{s.Height, s.Width}) {
			t.Errorf("%s has no counterpart", s)
		}
		if i > 0 && sizes[i-1].Width*s.Height >= s.Width*sizes[i-1].Height {
			t.Errorf("%s stands before %s", sizes[i-1], s)
		}
	}
	for _, want := range []Size{{1024, 1280}, {1280, 1024}, {768, 1536}, {1088, 1152}, {1088, 1088}} {
		if !slices.Contains(sizes, want) {
			t.Errorf("%s is not among %v", want, sizes)
		}
	}
	for _, c := range []struct {
		image, want Size
	}{
		{Size{4000, 4000}, Size{1088, 1088}}, {Size{100, 125}, Size{1024, 1280}}, {Size{3000, 100}, Size{1536, 768}}, {Size{1, 100}, Size{768, 1536}},
	} {
		if got := sizes[nearest(sizes, c.image.Width, c.image.Height)]; got != c.want {
			t.Errorf("%s goes to %s, expected %s", c.image, got, c.want)
		}
	}
	for _, side := range []int{64, 128, 256, 512, 768, 1024} {
		if b := BucketsAround(side); b.Check() != nil || !slices.Contains(b.Sizes(), Size{side, side}) {
			t.Errorf("around %d: %v %v", side, b.Check(), b.Sizes())
		}
	}
	for _, b := range []Buckets{{}, {Width: 64}, {Width: 60, Height: 64}, {Area: 100, Step: 64, MinSide: 64, MaxSide: 64, MaxRatio: 1}, {Area: 1 << 20, Step: 12, MinSide: 9000, MaxSide: 1, MaxRatio: math.NaN()}} {
		if b.Check() == nil {
			t.Errorf("%+v was taken", b)
		}
	}
}

// TestCover: what is scaled covers the bucket, and one of its sides fits.
func TestCover(t *testing.T) {
	for _, b := range PublishedBuckets().Sizes() {
		for w := 1; w < 3000; w += 97 {
			for h := 1; h < 3000; h += 89 {
				c := cover(Size{w, h}, b)
				if c.Width < b.Width || c.Height < b.Height || c.Width > b.Width && c.Height > b.Height {
					t.Fatalf("%dx%d in %s is %s", w, h, b, c)
				}
				if off := float64(c.Width)*float64(h)/float64(w) - float64(c.Height); math.Abs(off) > 0.5*max(1, float64(h)/float64(w))+1e-9 {
					t.Fatalf("%dx%d in %s is %s: another aspect", w, h, b, c)
				}
			}
		}
	}
}
