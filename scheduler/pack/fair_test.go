package pack

import (
	"slices"
	"testing"

	"cosmicman/job"
)

// image of a played day: it arrives, is stepped so many times, and ends.
type image struct {
	group   job.Group
	rows    int
	steps   int
	arrives float64
	ended   float64
}

// play runs the policy with made-up costs on a clock of its own, all images being
// leased as they arrive as far as the policy wants them, and returns when it ended.
func play(t *testing.T, b *Book, images []*image, cost func(job.Group) Fit, decode float64) float64 {
	t.Helper()
	var (
		now     float64
		active  []Sequence
		drawn   []*image
		waiting []Waiting
		held    []*image
		queue   = slices.Clone(images)
		turns   int
	)
	for len(queue)+len(held)+len(drawn) > 0 {
		if turns++; turns > 1_000_000 {
			t.Fatal("the policy does not come to an end")
		}
		s := State{Now: now, Active: active, Waiting: waiting, Models: loaded("m"), Book: b}
		for Want(s) > 0 && len(queue) > 0 && queue[0].arrives <= now {
			held = append(held, queue[0])
			waiting = append(waiting, Waiting{Group: queue[0].group, Rows: queue[0].rows})
			queue, s.Waiting = queue[1:], waiting
		}
		switch c := Choose(s); c.Action {
		case Begin:
			for _, i := range c.Items {
				drawn = append(drawn, held[i])
				active = append(active, Sequence{Group: b.Group(held[i].group), Rows: held[i].rows, Left: held[i].steps})
			}
			for _, i := range slices.Backward(c.Items) {
				held, waiting = slices.Delete(held, i, i+1), slices.Delete(waiting, i, i+1)
			}
		case Step:
			took := cost(c.Group.Group).Seconds(c.Rows)
			now += took
			for _, i := range c.Items {
				active[i].Left--
			}
			b.Stepped(c.Group, c.Rows, took, c.Weight)
		case Decode:
			i := c.Items[0]
			now += decode
			b.Decoded(c.Group, decode)
			drawn[i].ended = now
			drawn, active = slices.Delete(drawn, i, i+1), slices.Delete(active, i, i+1)
		case Idle:
			if len(queue) == 0 {
				t.Fatalf("idle with %d active and %d waiting", len(active), len(waiting))
			}
			now = max(now, queue[0].arrives)
		}
	}
	return now
}

func flood(n int, g job.Group, steps int) (images []*image) {
	for range n {
		images = append(images, &image{group: g, rows: 2, steps: steps})
	}
	return images
}

func TestALoneImageEndsInBoundedTimeBesideAFlood(t *testing.T) {
	gpu := Fit{Fixed: 0.08, PerRow: 0.005}
	cpu := Fit{Fixed: 0.01, PerRow: 0.5}
	for _, tt := range []struct {
		name        string
		fit         Fit
		lone, flood job.Group
		times       float64 // of what it needs alone
	}{
		{"a large one among small ones, GPU-like", gpu, at(1024), at(512), 7},
		{"a small one among large ones, GPU-like", gpu, at(512), at(1024), 7},
		{"a large one among small ones, CPU-like", cpu, at(1024), at(512), 4},
		{"a small one among large ones, CPU-like", cpu, at(512), at(1024), 7},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cost := func(g job.Group) Fit {
				f := tt.fit
				f.PerRow *= float64(g.Height*g.Width) / (64 * 64)
				return f
			}
			lone := &image{group: tt.lone, rows: 2, steps: 20}
			images := flood(200, tt.flood, 20)
			images = slices.Insert(images, 8, lone)
			end := play(t, NewBook(Params{}), images, cost, 0.01)
			alone := 20 * cost(tt.lone).Seconds(2)
			if most := tt.times*alone + 20*cost(tt.flood).Seconds(16)*2; lone.ended > most {
				t.Errorf("ended after %.1f s, wanted in %.1f s (%.1f s alone; the flood took %.1f s)", lone.ended, most, alone, end)
			}
		})
	}
}

func TestGroupsThatComeAndGoTakeNoMoreThanTheirShare(t *testing.T) {
	b := NewBook(Params{})
	var images []*image
	for i := range 300 { // one after the other, each as the last has ended
		images = append(images, &image{group: at(512), rows: 2, steps: 4, arrives: float64(i) * 0.2})
	}
	steady := flood(1, at(1024), 200)
	images = append(steady, images...)
	fit := func(g job.Group) Fit { return Fit{Fixed: 0.02, PerRow: 0.01} }
	play(t, b, images, fit, 0.001)
	if alone := 200 * 0.04; steady[0].ended > 3*alone {
		t.Errorf("the steady one ended after %.1f s, needs %.1f s alone", steady[0].ended, alone)
	}
}

func TestAGroupSavesNothingUpWhileItIsAway(t *testing.T) {
	b := NewBook(Params{})
	steady, late := b.Group(at(1024)), b.Group(at(512))
	for range 1000 {
		b.Stepped(steady, 2, 0.1, 1)
	}
	s := State{Book: b, Models: loaded("m"), Active: []Sequence{{Group: steady, Rows: 2, Left: 99}, {Group: late, Rows: 2, Left: 99}}}
	turns := map[*Group]int{}
	for range 40 {
		c := Choose(s)
		turns[c.Group]++
		b.Stepped(c.Group, 2, 0.1, c.Weight)
	}
	if turns[steady] < 15 {
		t.Errorf("the steady group had %d of 40 turns after another one came, want nearly half", turns[steady])
	}
}

func TestFullBatchesWhereTheFixedPartIsLarge(t *testing.T) {
	b := NewBook(Params{})
	images := flood(400, at(512), 20)
	fit := Fit{Fixed: 0.08, PerRow: 0.005}
	end := play(t, b, images, func(job.Group) Fit { return fit }, 0.001)
	best := 400*20/32*fit.Seconds(64) + 400*0.001
	if end > best/0.9 {
		t.Errorf("took %.1f s, %.1f s with the largest batches throughout", end, best)
	}
}

func TestWhatIsStartedIsFinishedFirst(t *testing.T) {
	images := flood(40, at(512), 20)
	play(t, NewBook(Params{}), images, func(job.Group) Fit { return Fit{PerRow: 0.3} }, 0.1)
	for i := range images[1:] {
		if images[i].ended > images[i+1].ended {
			t.Errorf("image %d ended at %.1f s, the next one at %.1f s", i, images[i].ended, images[i+1].ended)
		}
	}
}

func TestDecodesDoNotWaitForTheBatchToDrain(t *testing.T) {
	images := flood(20, at(512), 10)
	for i, m := range images {
		m.steps = 10 + 5*i
	}
	fit := Fit{Fixed: 0.08, PerRow: 0.005}
	play(t, NewBook(Params{}), images, func(job.Group) Fit { return fit }, 0.05)
	last := images[len(images)-1].ended
	if first := images[0].ended; first > last/3 {
		t.Errorf("the first image came after %.1f s, the last one after %.1f s", first, last)
	}
}

func BenchmarkChoose(b *testing.B) {
	for _, groups := range []int{1, 20} {
		b.Run(map[int]string{1: "1000 sequences of 1 group", 20: "1000 sequences of 20 groups"}[groups], func(b *testing.B) {
			book := NewBook(Params{})
			s := State{Book: book, Models: loaded("m")}
			for i := range 1000 {
				g := book.Group(at(512 + 64*(i%groups)))
				book.Stepped(g, 8, 0.2, 1)
				s.Active = append(s.Active, Sequence{Group: g, Rows: 2, Left: 10})
			}
			b.ReportAllocs()
			for b.Loop() {
				if Choose(s).Action != Step {
					b.Fatal("no step was chosen")
				}
			}
		})
	}
}

func TestCostsMeasuredInABadHourAreMeasuredAgain(t *testing.T) {
	b := NewBook(Params{MaxRows: 32})
	g := b.Group(at(512))
	fit := Fit{Fixed: 0.16, PerRow: 0.01}
	for _, rows := range []int{1, 2} {
		for range 3 {
			b.Stepped(g, rows, fit.Seconds(rows), 1)
		}
	}
	for _, rows := range []int{4, 8, 16} {
		for range 7 {
			b.Stepped(g, rows, 20*fit.Seconds(rows), 1)
		}
	}
	if got := b.Limit(g.Group); got > 8 {
		t.Fatalf("limit %d at first, want what was measured to count", got)
	}
	for range 5000 {
		rows := b.Limit(g.Group)
		b.Stepped(g, rows, fit.Seconds(rows), 1)
	}
	if got := b.Limit(g.Group); got < 16 {
		t.Errorf("limit %d in the end, want it to have grown", got)
	}
}

func TestTheBookForgetsTheGroupThatWasUsedLeastRecently(t *testing.T) {
	b := NewBook(Params{})
	for i := range 2 * mostGroups {
		b.Stepped(b.Group(at(8*(i+1))), 1, 0.1, 1)
		b.Group(at(8))
	}
	if len(b.groups) != mostGroups || b.groups[at(8)] == nil || b.groups[at(16)] != nil {
		t.Errorf("%d groups are remembered, the one in use %v, the oldest %v", len(b.groups), b.groups[at(8)] != nil, b.groups[at(16)] != nil)
	}
}

func TestPerPixelIsTheCostAtTheLimit(t *testing.T) {
	b := taught(Params{MaxRows: 16}, Fit{Fixed: 0.16, PerRow: 0.01}, at(512))
	want := 0.32 / 16 / 64 / 64
	if got := b.PerPixel()["m"]; got < want*0.99 || got > want*1.01 {
		t.Errorf("%v s, want %v s", got, want)
	}
}
