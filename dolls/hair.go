package dolls

import "cosmicman/prompt"

// hairInk is what hair is drawn with.
func (f *figure) hairInk() ink {
	c := hairPalette[f.p.HairColor]
	return ink{color: c, shade: 52, outline: thin, edge: c.darker(130), label: Hair, group: prompt.Hair}
}

// hairEnd is how far down hair falls, as a place of the head.
func (f *figure) hairEnd() int {
	switch f.p.HairLength {
	case "above eyes":
		return 200
	case "above chin":
		return 350
	case "above shoulders":
		return 452
	case "above chest":
		return 640
	}
	switch f.p.HairStyle {
	case "bob":
		return 384
	}
	return 200
}

// hairPoint is a place of the head, or, below the chin, of the body.
func (f *figure) hairPoint(x, y int) pt {
	p := f.head(x, y)
	if y > chin {
		p.y = chin*unit + (y-chin)*unit*(f.tall+f.heads)/512
	}
	return p
}

// hairBehind is what is seen of the hair behind neck and shoulders.
func (f *figure) hairBehind() {
	if f.p.HairColor == "" {
		return
	}
	k := f.hairInk()
	k.color = k.color.darker(40)
	f.turn, f.around = f.p.pose.tilt, at(0, chin)
	defer func() { f.turn = 0 }()
	if f.crisp {
		f.turn = 0
		k.color = hairPalette[f.p.HairColor]
	}
	r := f.heads * unit
	end := f.hairEnd()
	switch f.p.HairStyle {
	case "afro-hair":
		k.color = hairPalette[f.p.HairColor]
		f.draw(f.curls(0, 150, 250, 17), k)
		return
	case "bun":
		f.draw(disc(f.head(0, -50), 76*r/256), k)
		if !f.crisp {
			f.fill(curve(fine, f.head(-50, -60), f.head(0, -20), f.head(44, -64)), detailOf(k.edge))
			f.fill(curve(fine, f.head(-40, -90), f.head(0, -60), f.head(50, -84)), detailOf(k.edge))
		}
		return
	case "ponytail":
		s := f.p.pose.part
		f.draw(smooth(f.head(s*120, 60), f.head(s*210, 60), f.head(s*262, 190), f.head(s*250, 360), f.head(s*206, 470), f.head(s*180, 380), f.head(s*170, 200)), k)
		f.fill(disc(f.head(s*168, 96), 24*r/256), ink{color: rgb{226, 70, 100}, label: Hair, group: none})
		return
	case "curly":
		if end > 250 {
			f.draw(f.curlyMass(end), k)
		}
		return
	}
	if end < 250 {
		return
	}
	wide := 176
	points := []pt{f.hairPoint(90, -10), f.hairPoint(wide, 80), f.hairPoint(wide+6, 200)}
	if f.p.HairStyle == "bob" {
		points = append(points, f.hairPoint(wide+34, 300), f.hairPoint(wide+20, end+14), f.hairPoint(120, end+4))
	} else {
		for y := 280; y < end-30; y += 70 {
			w := wide + 8
			if f.p.HairStyle == "wavy" {
				w += 20
				if y/70%2 == 0 {
					w += 30
				} else {
					w -= 14
				}
			}
			points = append(points, f.hairPoint(w, y))
		}
		points = append(points, corner(f.hairPoint(wide+6, end))...)
	}
	f.draw(both(points...), k)
}

// curls is a ring of curls around a disc.
func (f *figure) curls(x, y, r, n int) path {
	out := disc(f.head(x, y), r*unit*f.heads/256)
	for i := range n {
		out = append(out, disc(f.head(x, y).polar(r*unit*f.heads/256*92/100, i*360/n), r*unit*f.heads/256*24/100)...)
	}
	return out
}

// curlyMass is curls at both sides of the head, down to a height.
func (f *figure) curlyMass(end int) path {
	out := both(f.hairPoint(100, -20), f.hairPoint(170, 90), f.hairPoint(206, 240), f.hairPoint(200, end-40), f.hairPoint(120, end-30))
	r := 46 * unit * f.heads / 256
	top := 60
	if f.p.garment(prompt.Hat) != nil {
		top = 160 // a hat presses it down
	}
	for y := top; y <= end-36; y += 62 {
		for _, s := range sides {
			w := 196
			if y/62%2 == 0 {
				w = 208
			}
			out = append(out, disc(f.hairPoint(s*w, y), r)...)
		}
	}
	for _, s := range sides {
		out = append(out, disc(f.hairPoint(s*150, end-40), r)...)
		out = append(out, disc(f.hairPoint(s*86, end-46), r)...)
	}
	return out
}

// hairFront is the hair on the head and what falls before the shoulders.
func (f *figure) hairFront() {
	if f.p.HairColor == "" {
		if f.p.HairStyle == "bald" && !f.crisp {
			f.fill(smooth(f.head(-80, 60), f.head(-30, 50), f.head(-20, 70), f.head(-70, 100)), ink2(lightColor, 90))
		}
		return
	}
	k := f.hairInk()
	k.clip = true
	s := f.p.pose.part
	switch f.p.HairStyle {
	case "crew cut":
		f.draw(smooth(append(append(append(corner(f.head(-160, 200)), f.head(-172, 90), f.head(-130, 0), f.head(0, -18), f.head(130, 0), f.head(172, 90)), corner(f.head(160, 200))...),
			append(corner(f.head(136, 130)), f.head(90, 92), f.head(0, 84), f.head(-90, 92), f.head(-136, 130))...)...), k)
		if !f.crisp {
			for i := -3; i <= 3; i++ {
				f.fill(line(fine, f.head(i*36, 10+abs(i)*8), f.head(i*38, 56+abs(i)*6)), detail(k.color.lighter(70), 120))
			}
		}
		return
	case "afro-hair":
		cap := smooth(f.head(-170, 190), f.head(-150, 120), f.head(-90, 92), f.head(0, 86), f.head(90, 92), f.head(150, 120), f.head(170, 190), f.head(200, 60), f.head(0, -60), f.head(-200, 60))
		k.outline, k.shade = 0, 0
		f.fill(cap, k)
		if !f.crisp {
			for i := range 26 {
				d := i * 137
				q := f.head(0, 20).polar((60+i*5)*unit*f.heads/256, d%180-180)
				f.fill(curve(fine, q, q.add(pt{12 * unit, -10 * unit}), q.add(pt{22 * unit, 4 * unit})), detail(k.color.lighter(60), 160))
			}
		}
		return
	}
	end := f.hairEnd()
	f.locks(k, end)
	f.cap(k, s, end)
}

// locks fall along the face.
func (f *figure) locks(k ink, end int) {
	if end < 250 {
		return
	}
	for _, s := range sides {
		var lock path
		switch f.p.HairStyle {
		case "curly":
			r := 34 * unit * f.heads / 256
			lock = append(lock, taper(f.hairPoint(s*158, 110), f.hairPoint(s*172, end-40), 30*unit*f.heads/256, 40*unit*f.heads/256)...)
			for y := 130; y <= end-30; y += 50 {
				x := 150
				if y/50%2 == 0 {
					x = 176
				}
				lock = append(lock, disc(f.hairPoint(s*x, y), r)...)
			}
		case "wavy":
			points := []pt{f.hairPoint(s*120, 70), f.hairPoint(s*172, 90)}
			var inner []pt
			for i, y := 0, 170; y < end-24; i, y = i+1, y+66 {
				w := 24 - i%2*34
				points = append(points, f.hairPoint(s*(186+w), y))
				inner = append(inner, f.hairPoint(s*(142+w/2), y))
			}
			points = append(points, corner(f.hairPoint(s*170, end))...)
			for i := len(inner) - 1; i >= 0; i-- {
				points = append(points, inner[i])
			}
			lock = smooth(points...)
		case "bob":
			lock = smooth(append(append([]pt{f.hairPoint(s*110, 90), f.hairPoint(s*176, 80), f.hairPoint(s*192, 200), f.hairPoint(s*214, 320)}, corner(f.hairPoint(s*150, end))...),
				f.hairPoint(s*150, 310), f.hairPoint(s*140, 200))...)
		default:
			lock = smooth(append(append([]pt{f.hairPoint(s*110, 80), f.hairPoint(s*172, 80), f.hairPoint(s*186, 200), f.hairPoint(s*188, end-60)}, corner(f.hairPoint(s*176, end))...),
				append(corner(f.hairPoint(s*140, end-14)), f.hairPoint(s*146, 300), f.hairPoint(s*136, 170))...)...)
		}
		f.draw(lock, k)
		if !f.crisp && f.p.HairStyle != "curly" {
			f.fill(curve(fine, f.hairPoint(s*160, 120), f.hairPoint(s*172, end/2+40), f.hairPoint(s*162, end-16)), detail(k.edge, 120))
		}
	}
}

// cap is the hair on the skull, parted at a side or with a fringe.
func (f *figure) cap(k ink, s, end int) {
	outer := append(append([]pt{}, corner(f.head(-s*160, 214))...), f.head(-s*180, 110), f.head(-s*140, -10), f.head(0, -40), f.head(s*140, -10), f.head(s*180, 110))
	outer = append(outer, corner(f.head(s*160, 214))...)
	var inner []pt
	switch f.p.HairStyle {
	case "bob":
		// A straight fringe.
		inner = append(append([]pt{f.head(s*144, 180)}, corner(f.head(s*124, 158))...), append(corner(f.head(-s*124, 158)), f.head(-s*144, 180))...)
	case "bun", "ponytail":
		inner = []pt{f.head(s*144, 160), f.head(s*110, 104), f.head(0, 70), f.head(-s*110, 104), f.head(-s*144, 160)}
	case "curly":
		inner = []pt{f.head(s*140, 170), f.head(s*120, 116), f.head(s*84, 136), f.head(s*50, 96), f.head(s*10, 128), f.head(-s*36, 92), f.head(-s*70, 130), f.head(-s*110, 106), f.head(-s*142, 170)}
	case "wavy":
		inner = []pt{f.head(s*144, 176), f.head(s*122, 120), f.head(s*70, 40), f.head(s*50, 60), f.head(-s*20, 128), f.head(-s*100, 130), f.head(-s*144, 186)}
	default:
		if end < 250 { // short: swept to one side
			inner = []pt{f.head(s*140, 170), f.head(s*128, 110), f.head(s*90, 74), f.head(s*20, 116), f.head(-s*60, 112), f.head(-s*116, 134), f.head(-s*140, 190)}
		} else {
			inner = []pt{f.head(s*142, 180), f.head(s*128, 120), f.head(s*58, 34), f.head(s*44, 40), f.head(-s*20, 104), f.head(-s*112, 140), f.head(-s*142, 200)}
		}
	}
	p := smooth(append(outer, inner...)...)
	if f.p.HairStyle == "curly" {
		r := 40 * unit * f.heads / 256
		for d := -180; d <= 0; d += 22 {
			p = append(p, disc(f.head(0, 120).polar(158*unit*f.heads/256, d), r)...)
		}
	}
	f.draw(p, k)
	if f.crisp {
		return
	}
	if f.p.HairStyle == "curly" {
		for i := range 12 {
			q := f.head(-130+i*24, 40-(i%3)*24)
			f.fill(curve(fine, q, q.add(pt{10 * unit, -12 * unit}), q.add(pt{24 * unit, 2 * unit})), detail(k.edge, 150))
		}
		return
	}
	for i := -3; i <= 3; i++ {
		f.fill(curve(fine, f.head(s*50+i*12, 8), f.head(s*50+i*46, 20+abs(i)*8), f.head(s*30+i*48, 100+abs(i)*26)), detail(k.edge, 80))
	}
	f.fill(smooth(f.head(-116, 40), f.head(-60, 2), f.head(0, -8), f.head(-10, 12), f.head(-60, 24), f.head(-104, 70)), detail(lightColor, 54))
}
