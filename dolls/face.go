package dolls

import "cosmicman/prompt"

var irises = [4]rgb{{84, 52, 32}, {70, 110, 70}, {60, 104, 168}, {50, 36, 30}}

// face is the head with all that is on it.
func (f *figure) face() {
	f.turn, f.around = f.p.pose.tilt, at(0, chin)
	if f.crisp {
		f.turn = 0 // pixels do not lean
	}
	skin := f.flesh(Face)
	jaw := 0
	switch {
	case f.p.young():
		jaw = -8
	case f.p.Gender == "male":
		jaw = 14
	}
	ears := f.p.Worn[prompt.Headscarf] == nil
	if ears {
		for _, s := range sides {
			f.draw(ellipse(f.head(s*152, 238), f.heads*26*unit/256, f.heads*42*unit/256), skin)
			if !f.crisp {
				f.fill(curve(fine, f.head(s*158, 222), f.head(s*146, 236), f.head(s*156, 258)), detailOf(f.skin.darker(80)))
			}
		}
	}
	head := skin
	head.clip, head.shade = true, 30
	f.draw(both(f.head(60, 26), f.head(140, 60), f.head(160, 190), f.head(150, 300), f.head(96+jaw, 380), f.head(40+jaw/2, 412)), head)
	if f.crisp {
		f.pixelFace()
	} else {
		f.features()
	}
	f.hairFront()
	f.headgear()
	f.glasses()
	f.turn = 0
}

// features are eyes, brows, nose, mouth, cheeks, and what years leave.
func (f *figure) features() {
	p := f.p
	scale := func(n int) int { return n * unit * f.heads / 256 }
	dark := f.skin.darker(100)
	for _, s := range sides {
		f.fill(ellipse(f.head(s*92, 306), scale(38), scale(26)), detail(rgb{236, 96, 90}, 46))
	}
	if p.pose.beard > 0 {
		f.beard()
	}
	rx, ry := 35, 25
	if p.young() {
		rx, ry = 38, 33
	}
	if p.pose.mouth == mouthOh {
		ry += 5
	}
	ink := rgb{44, 30, 34}
	for _, s := range sides {
		c := f.head(s*66, 238)
		f.fill(ellipse(c, scale(rx), scale(ry)), detailOf(rgb{252, 252, 252}))
		iris := f.head(s*66+p.pose.gaze*9, 240)
		f.fill(disc(iris, scale(ry-3)), detailOf(irises[p.pose.eyes]))
		f.fill(disc(iris, scale((ry-3)/2)), detailOf(ink))
		f.fill(disc(iris.add(pt{-scale(7), -scale(8)}), scale(6)), detailOf(rgb{255, 255, 255}))
		f.fill(curve(scale(8), f.head(s*(66-rx), 238), f.head(s*66, 238-2*ry+4), f.head(s*(66+rx+2), 232)), detailOf(ink))
		if p.female() {
			f.fill(line(scale(6), f.head(s*(64+rx), 232), f.head(s*(78+rx), 220)), detailOf(ink))
			f.fill(line(scale(6), f.head(s*(56+rx), 222), f.head(s*(66+rx), 208)), detailOf(ink))
		}
		f.fill(curve(scale(4), f.head(s*(66-rx+8), 262), f.head(s*66, 268), f.head(s*(66+rx-8), 260)), detailOf(f.skin.darker(50)))
		lift := p.pose.brows * 8
		width := 13
		if p.female() {
			width = 9
		}
		f.fill(curve(scale(width), f.head(s*32, 194-lift), f.head(s*64, 172-abs(lift)), f.head(s*104, 194+lift/2)), detailOf(f.brow()))
	}
	f.fill(curve(scale(7), f.head(-16, 298), f.head(2, 312), f.head(18, 296)), detailOf(dark))
	f.fill(ellipse(f.head(-4, 280), scale(7), scale(12)), ink2(f.skin.lighter(120), 110))
	f.mouth(scale)
	if p.Age == "elderly" {
		old := ink2(f.skin.darker(96), 190)
		for _, s := range sides {
			f.fill(curve(scale(5), f.head(s*40, 292), f.head(s*66, 310), f.head(s*62, 346)), old)
			f.fill(curve(scale(4), f.head(s*44, 272), f.head(s*64, 286), f.head(s*92, 270)), old)
			f.fill(line(scale(4), f.head(s*108, 238), f.head(s*128, 230)), old)
			f.fill(line(scale(4), f.head(s*108, 250), f.head(s*126, 254)), old)
		}
		f.fill(curve(scale(4), f.head(-60, 142), f.head(0, 130), f.head(60, 142)), old)
		f.fill(curve(scale(4), f.head(-50, 120), f.head(0, 108), f.head(50, 120)), old)
	}
}

func ink2(c rgb, alpha int) ink { return ink{color: c, alpha: alpha, over: true} }

// brow is the colour of brows: of the hair, but seen on every skin.
func (f *figure) brow() rgb {
	c := rgb{70, 50, 40}
	if h, ok := hairPalette[f.p.HairColor]; ok {
		c = h.darker(70)
	}
	return c
}

func (f *figure) mouth(scale func(int) int) {
	lip := rgb{178, 70, 72}.toward(f.skin, 60)
	if f.p.female() {
		lip = rgb{204, 58, 78}
	}
	dark := rgb{120, 36, 44}
	switch f.p.pose.mouth {
	case mouthSmile:
		f.fill(curve(scale(11), f.head(-46, 340), f.head(0, 374), f.head(46, 340)), detailOf(lip))
		for _, s := range sides {
			f.fill(curve(scale(4), f.head(s*46, 332), f.head(s*54, 340), f.head(s*50, 350)), detailOf(f.skin.darker(80)))
		}
	case mouthLaugh:
		open := smooth(append(append(corner(f.head(-52, 330)), corner(f.head(52, 330))...), f.head(40, 384), f.head(-40, 384))...)
		f.fill(open.grown(scale(4)), detailOf(lip))
		f.fill(open, detailOf(dark))
		f.fill(polygon(f.head(-44, 331), f.head(44, 331), f.head(36, 345), f.head(-36, 345)), detailOf(rgb{252, 252, 252}))
		f.fill(ellipse(f.head(0, 368), scale(18), scale(8)), detailOf(rgb{230, 110, 110}))
	case mouthCalm:
		f.fill(curve(scale(10), f.head(-36, 350), f.head(0, 356), f.head(36, 348)), detailOf(lip))
		f.fill(curve(scale(4), f.head(-18, 366), f.head(0, 370), f.head(18, 366)), detailOf(f.skin.darker(50)))
	case mouthSad:
		f.fill(curve(scale(10), f.head(-36, 362), f.head(0, 336), f.head(36, 362)), detailOf(lip))
	default:
		f.fill(ellipse(f.head(0, 352), scale(20), scale(24)), detailOf(lip))
		f.fill(ellipse(f.head(0, 352), scale(13), scale(17)), detailOf(dark))
	}
}

func (f *figure) beard() {
	c := f.brow()
	alpha := 256
	if f.p.pose.beard == 1 {
		alpha = 70
	}
	if f.p.pose.beard == 3 {
		f.fill(smooth(f.head(0, 314), f.head(44, 324), f.head(66, 350), f.head(20, 338), f.head(0, 332), f.head(-20, 338), f.head(-66, 350), f.head(-44, 324)), detail(c, 256))
		return
	}
	f.fill(both(f.head(0, 312), f.head(60, 316), f.head(124, 250), f.head(172, 240), f.head(172, 380), f.head(100, 430), f.head(0, 430)), detail(c, alpha))
	if alpha == 256 {
		f.fill(ellipse(f.head(0, 352), 54*unit*f.heads/256, 24*unit*f.heads/256), detail(f.skin.toward(c, 60), 256))
	}
}

func (f *figure) glasses() {
	scale := func(n int) int { return n * unit * f.heads / 256 }
	switch f.p.pose.glasses {
	case 1:
		if f.crisp {
			return
		}
		frame := detailOf(rgb{60, 44, 44})
		for _, s := range sides {
			var ring []pt
			for d := 0; d <= 360; d += 20 {
				c := f.head(s*68, 240)
				ring = append(ring, pt{c.x + scale(52)*cos(d)/4096, c.y + scale(44)*sin(d)/4096})
			}
			f.fill(line(scale(8), ring...), frame)
			f.fill(line(scale(7), f.head(s*120, 232), f.head(s*150, 226)), frame)
		}
		f.fill(curve(scale(8), f.head(-18, 236), f.head(0, 226), f.head(18, 236)), frame)
	case 2:
		k := ink{color: rgb{34, 34, 42}, label: Sunglasses, group: none}
		for _, s := range sides {
			lens := smooth(append(append(corner(f.head(s*14, 206)), corner(f.head(s*128, 206))...), f.head(s*124, 282), f.head(s*34, 288))...)
			f.fill(lens, k)
			if !f.crisp {
				f.fill(line(scale(9), f.head(s*68-22, 248), f.head(s*68+2, 222)), detailOf(rgb{110, 116, 132}))
			}
			f.fill(line(scale(9), f.head(s*120, 214), f.head(s*152, 222)), k)
		}
		f.fill(box(f.head(-20, 208), f.head(20, 222)), k)
	}
}
