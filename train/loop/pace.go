package loop

import "time"

// pace is how fast steps are made, of late.
type pace struct {
	begun time.Time     // when this process began to make steps
	took  time.Duration // for the steps since then, without what was done between them
	steps int64
	last  []paced
}

type paced struct {
	took   time.Duration
	images int64
}

// window is how many steps count as of late.
const window = 50

func (p *pace) step(took time.Duration, images int64) {
	p.took += took
	p.steps++
	if len(p.last) == window {
		p.last = append(p.last[:0], p.last[1:]...)
	}
	p.last = append(p.last, paced{took, images})
}

// images a second of the steps of late.
func (p *pace) images() float64 {
	var took time.Duration
	var images int64
	for _, s := range p.last {
		took += s.took
		images += s.images
	}
	if took <= 0 {
		return 0
	}
	return float64(images) / took.Seconds()
}

// left is the time for so many steps more: those of late, and as much more as
// checkpoints, samples and judgements took beside them until now.
func (p *pace) left(steps int64, now time.Time) time.Duration {
	if len(p.last) == 0 || p.took <= 0 {
		return 0
	}
	var took time.Duration
	for _, s := range p.last {
		took += s.took
	}
	step := took.Seconds() / float64(len(p.last))
	beside := max(1, now.Sub(p.begun).Seconds()/p.took.Seconds())
	seconds := min(step*beside*float64(steps), 1e9)
	return time.Duration(seconds * float64(time.Second))
}
