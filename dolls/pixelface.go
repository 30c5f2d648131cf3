package dolls

// pixels is how far n pixels are in the design.
func (f *figure) pixels(n int) int { return (n << 24) / f.scale }

// whole is n design units of the head in whole pixels, one at least.
func (f *figure) whole(n int) int {
	px := (n*unit*f.heads/256*f.scale + 1<<23) >> 24
	return max(1, px)
}

// dots fills a rectangle of w times h pixels whose left upper one is x pixels to the side s
// of the middle, and y pixels below the place of the head that mid is.
func (f *figure) dots(s, x, y, w, h int, mid pt, c rgb) {
	a := pt{mid.x + s*f.pixels(x), mid.y + f.pixels(y)}
	f.fill(box(a, a.add(pt{s * f.pixels(w), f.pixels(h)})), detailOf(c))
}

// pixelFace is a face of few pixels, each where it must be. What needs more of them than
// there are is left out.
func (f *figure) pixelFace() {
	p := f.p
	large := f.whole(300) >= 16 // pixels across the face
	eye, lip, dark := rgb{34, 32, 44}, rgb{196, 64, 72}, f.skin.darker(64)
	if p.pose.beard >= 2 {
		f.pixelBeard()
	}
	grown := faces[p.Age]
	row := f.row(grown.eyes - grown.high)
	x, w, h := f.whole(42), f.whole(grown.wide*4/3), f.whole(grown.high*2)
	for _, s := range sides {
		if large {
			pupil := (w + 1) / 2
			at := (w - pupil) / 2
			switch {
			case p.pose.gaze*s > 0:
				at = w - pupil
			case p.pose.gaze*s < 0:
				at = 0
			}
			f.dots(s, x, 0, w, h, row, rgb{248, 248, 250})
			f.dots(s, x+at, 0, pupil, h, row, irises[p.pose.eyes].darker(60))
			f.dots(s, x+at, 0, pupil, max(1, h/2), row, eye)
			f.dots(s, x, -1, w+1, 1, row, eye) // the lid
			if p.female() {
				f.dots(s, x+w, -2, 1, 1, row, eye)
			}
			lift := p.pose.brows
			f.dots(s, x, -3-lift, w/2, 1, row, f.brow())
			f.dots(s, x+w/2, -3, (w+1)/2, 1, row, f.brow())
			if p.Age == "elderly" {
				f.dots(s, x, h, w, 1, row, dark)
				f.dots(s, x, f.whole(96), 1, f.whole(34), row, dark)
			}
		} else {
			n := max(1, w*2/3)
			f.dots(s, x, 0, n, max(2, h), row, eye)
			if p.Age == "elderly" {
				f.dots(s, x, max(2, h), n, 1, row, dark)
			}
		}
		if p.pose.glasses == 1 && large {
			frame := rgb{70, 50, 60}
			f.dots(s, x-1, -2, w+2, 1, row, frame)
			f.dots(s, x-1, h+1, w+2, 1, row, frame)
			f.dots(s, x-1, -1, 1, h+2, row, frame)
			f.dots(s, x+w, -1, 1, h+2, row, frame)
		}
	}
	if large {
		f.dots(1, -1, 0, 2, 1, f.row(292), dark)
	}
	row = f.row(338)
	if !p.female() {
		lip = f.skin.darker(80).toward(lip, 70)
	}
	n := f.whole(36 * grown.mouth / 100)
	for _, s := range sides {
		switch p.pose.mouth {
		case mouthSmile:
			f.dots(s, 0, 0, n, 1, row, lip)
			if large {
				f.dots(s, n, -1, 1, 1, row, lip)
			}
		case mouthLaugh:
			f.dots(s, 0, -1, n, 2, row, rgb{150, 40, 52})
			f.dots(s, 0, -1, n, 1, row, rgb{248, 248, 250})
			if large {
				f.dots(s, 0, 1, n-1, 1, row, lip)
			}
		case mouthSad:
			f.dots(s, 0, 0, max(1, n-1), 1, row, lip)
			if large {
				f.dots(s, n-1, 1, 1, 1, row, lip)
			}
		case mouthOh:
			f.dots(s, 0, 0, max(1, n/2), max(1, n/2), row, rgb{150, 40, 52})
		default:
			f.dots(s, 0, 0, max(1, n-1), 1, row, lip)
		}
	}
}

// row is the middle of the head at a height, moved to the border between pixels.
func (f *figure) row(y int) pt {
	p := f.head(0, y)
	d := f.device(p)
	return pt{p.x, p.y - f.pixels(1)*(d.y&255)/256}
}

func (f *figure) pixelBeard() {
	c := f.brow()
	if f.p.pose.beard == 3 {
		f.fill(box(f.head(-50, 312), f.head(50, 338)), detail(c, 256))
		return
	}
	f.fill(both(append(append(corner(f.head(70, 312)), corner(f.head(120, 270))...), f.head(190, 250), f.head(160, 420), f.head(0, 440))...), detail(c, 256))
	f.fill(box(f.head(-60, 306), f.head(60, 330)), detail(c, 256))
}
