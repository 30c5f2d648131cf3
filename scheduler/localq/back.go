package localq

import "time"

// backLine holds the images of a lane that came back and were started on one
// fingerprint before. While a worker with that fingerprint lives, others leave an
// image alone for a while: until then it is fresh, afterwards ripe.
type backLine struct {
	fingerprint string
	all         heap[*backPlace] // by acceptance
	ripe        heap[*backPlace] // by acceptance
	fresh       heap[*backPlace] // by the time at which they are ripe
}

type backPlace struct {
	*image
	ripeAt                 time.Time
	inAll, inRipe, inFresh int
}

func newBackLine(fingerprint string) *backLine {
	earlier := func(a, b *backPlace) bool { return a.before(b.image) }
	return &backLine{
		fingerprint: fingerprint,
		all:         heap[*backPlace]{less: earlier, place: func(p *backPlace) *int { return &p.inAll }},
		ripe:        heap[*backPlace]{less: earlier, place: func(p *backPlace) *int { return &p.inRipe }},
		fresh: heap[*backPlace]{
			less:  func(a, b *backPlace) bool { return a.ripeAt.Before(b.ripeAt) },
			place: func(p *backPlace) *int { return &p.inFresh },
		},
	}
}

// comeBack puts an image to the head of its lane; until ripeAt it waits for a worker
// with its fingerprint.
func (o *order) comeBack(img *image, ripeAt time.Time) {
	l := o.lane(img.entry)
	b := l.back[img.state.Fingerprint]
	if b == nil {
		b = newBackLine(img.state.Fingerprint)
		l.back[img.state.Fingerprint] = b
	}
	l.images++
	img.entry.returned++
	img.back = &backPlace{image: img, ripeAt: ripeAt, inAll: -1, inRipe: -1, inFresh: -1}
	b.all.push(img.back)
	b.fresh.push(img.back)
}

func (o *order) leaveBack(img *image) {
	l := o.lane(img.entry)
	b := l.back[img.state.Fingerprint]
	b.all.remove(img.back)
	b.ripe.remove(img.back)
	b.fresh.remove(img.back)
	img.back = nil
	img.entry.returned--
	l.images--
	if b.all.len() == 0 {
		delete(l.back, b.fingerprint)
	}
	o.tidy(l)
}

// first returns the first image for a worker; later is when another one becomes
// free for it. preferred says that a live worker with this fingerprint offers the model.
func (b *backLine) first(fingerprint string, preferred bool, now time.Time) (img *image, later time.Time) {
	if b.fingerprint == "" || b.fingerprint == fingerprint || !preferred {
		return b.all.min().image, later
	}
	for b.fresh.len() > 0 && !b.fresh.min().ripeAt.After(now) {
		p := b.fresh.min()
		b.fresh.remove(p)
		b.ripe.push(p)
	}
	if b.fresh.len() > 0 {
		later = b.fresh.min().ripeAt
	}
	if b.ripe.len() > 0 {
		img = b.ripe.min().image
	}
	return img, later
}
