package dolls

import "cosmicman/prompt"

var irises = [4]rgb{{118, 74, 44}, {70, 110, 70}, {60, 104, 168}, {50, 36, 30}}

// years are the proportions of a face that grow with it, in units of the head.
type years struct {
	eyes         int // how far down
	wide, high   int // half axes of eyes
	cheeks, chin int // how far out, and how far down beyond a grown-up's
	mouth        int // width, of 100
	blush        int
}

var faces = map[string]years{
	"toddler":  {eyes: 268, wide: 44, high: 41, cheeks: 20, chin: -10, mouth: 66, blush: 84},
	"child":    {eyes: 254, wide: 40, high: 35, cheeks: 11, chin: -5, mouth: 80, blush: 66},
	"teenager": {eyes: 242, wide: 37, high: 28, cheeks: 2, chin: -1, mouth: 92, blush: 46},
	"adult":    {eyes: 234, wide: 34, high: 23, mouth: 100, blush: 32},
	"elderly":  {eyes: 236, wide: 32, high: 20, cheeks: 2, mouth: 100, blush: 36},
}

// face is the head with all that is on it.
func (f *figure) face() {
	f.turn, f.around = f.p.pose.tilt, at(0, chin)
	if f.crisp {
		f.turn = 0 // pixels do not lean
	}
	skin := f.flesh(Face)
	jaw := 0
	if f.p.Gender == "male" && !f.p.young() {
		jaw = 14
	}
	grown := faces[f.p.Age]
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
	f.draw(both(f.head(60, 26), f.head(140, 60), f.head(160, 190), f.head(150+grown.cheeks, 300+grown.cheeks), f.head(96+jaw+grown.cheeks, 380), f.head(40+jaw/2+grown.cheeks, 412+grown.chin)), head)
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
		f.fill(ellipse(f.head(s*92, 306), scale(38), scale(26)), detail(rgb{236, 96, 90}, faces[p.Age].blush))
	}
	if p.pose.beard > 0 {
		f.beard()
	}
	grown := faces[p.Age]
	rx, ry, y := grown.wide, grown.high, grown.eyes
	if p.pose.mouth == mouthOh {
		ry += 5
	}
	ink := rgb{44, 30, 34}
	for _, s := range sides {
		c := f.head(s*66, y)
		f.fill(ellipse(c, scale(rx), scale(ry)), detailOf(rgb{252, 252, 252}))
		iris := f.head(s*66+p.pose.gaze*9, y+2)
		f.fill(disc(iris, scale(ry-3)), detailOf(irises[p.pose.eyes]))
		f.fill(disc(iris, scale((ry-3)/2)), detailOf(ink))
		f.fill(disc(iris.add(pt{-scale(7), -scale(8)}), scale(6)), detailOf(rgb{255, 255, 255}))
		f.fill(curve(scale(8), f.head(s*(66-rx), y), f.head(s*66, y-2*ry+4), f.head(s*(66+rx+2), y-6)), detailOf(ink))
		if p.female() {
			f.fill(line(scale(6), f.head(s*(64+rx), y-6), f.head(s*(78+rx), y-18)), detailOf(ink))
			f.fill(line(scale(6), f.head(s*(56+rx), y-16), f.head(s*(66+rx), y-30)), detailOf(ink))
		}
		f.fill(curve(scale(4), f.head(s*(66-rx+8), y+ry), f.head(s*66, y+ry+6), f.head(s*(66+rx-8), y+ry-2)), detailOf(f.skin.darker(50)))
		lift := p.pose.brows * 8
		width := 13
		if p.female() || p.young() {
			width = 9
		}
		b := y - ry - 20
		f.fill(curve(scale(width), f.head(s*32, b-lift), f.head(s*64, b-22-abs(lift)), f.head(s*104, b+lift/2)), detailOf(f.brow()))
	}
	nose := 7 + grown.mouth/10
	f.fill(curve(scale(7), f.head(-nose, 300), f.head(2, 312), f.head(nose+1, 298)), detailOf(dark))
	f.fill(ellipse(f.head(-4, 282), scale(7), scale(12)), ink2(f.skin.lighter(120), 110))
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
	grown := faces[f.p.Age].mouth
	// at is a place of the head, as if the mouth were a grown-up's.
	at := func(x, y int) pt { return f.head(x*grown/100, 350+(y-350)*grown/100) }
	lip := rgb{178, 70, 72}.toward(f.skin, 60)
	if f.p.female() {
		lip = rgb{204, 58, 78}
	}
	dark := rgb{120, 36, 44}
	switch f.p.pose.mouth {
	case mouthSmile:
		f.fill(curve(scale(11), at(-46, 340), at(0, 374), at(46, 340)), detailOf(lip))
		for _, s := range sides {
			f.fill(curve(scale(4), at(s*46, 332), at(s*54, 340), at(s*50, 350)), detailOf(f.skin.darker(80)))
		}
	case mouthLaugh:
		open := smooth(append(append(corner(at(-52, 330)), corner(at(52, 330))...), at(40, 384), at(-40, 384))...)
		f.fill(open.grown(scale(4)), detailOf(lip))
		f.fill(open, detailOf(dark))
		f.fill(polygon(at(-44, 331), at(44, 331), at(36, 345), at(-36, 345)), detailOf(rgb{252, 252, 252}))
		f.fill(ellipse(at(0, 368), scale(18), scale(8)), detailOf(rgb{230, 110, 110}))
	case mouthCalm:
		f.fill(curve(scale(10), at(-36, 350), at(0, 356), at(36, 348)), detailOf(lip))
		f.fill(curve(scale(4), at(-18, 366), at(0, 370), at(18, 366)), detailOf(f.skin.darker(50)))
	case mouthSad:
		f.fill(curve(scale(10), at(-36, 362), at(0, 336), at(36, 362)), detailOf(lip))
	default:
		f.fill(ellipse(at(0, 352), scale(20), scale(24)), detailOf(lip))
		f.fill(ellipse(at(0, 352), scale(13), scale(17)), detailOf(dark))
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
	down := faces[f.p.Age].eyes - 236
	switch f.p.pose.glasses {
	case 1:
		if f.crisp {
			return
		}
		frame := detailOf(rgb{60, 44, 44})
		for _, s := range sides {
			var ring []pt
			for d := 0; d <= 360; d += 20 {
				c := f.head(s*68, 238+down)
				ring = append(ring, pt{c.x + scale(52)*cos(d)/4096, c.y + scale(44)*sin(d)/4096})
			}
			f.fill(line(scale(8), ring...), frame)
			f.fill(line(scale(7), f.head(s*120, 232+down), f.head(s*150, 226+down)), frame)
		}
		f.fill(curve(scale(8), f.head(-18, 236+down), f.head(0, 226+down), f.head(18, 236+down)), frame)
	case 2:
		k := ink{color: rgb{34, 34, 42}, label: Sunglasses, group: none}
		for _, s := range sides {
			lens := smooth(append(append(corner(f.head(s*14, 206+down)), corner(f.head(s*128, 206+down))...), f.head(s*124, 282+down), f.head(s*34, 288+down))...)
			f.fill(lens, k)
			if !f.crisp {
				f.fill(line(scale(9), f.head(s*68-22, 248+down), f.head(s*68+2, 222+down)), detailOf(rgb{110, 116, 132}))
			}
			f.fill(line(scale(9), f.head(s*120, 214+down), f.head(s*152, 222+down)), k)
		}
		f.fill(box(f.head(-20, 208+down), f.head(20, 222+down)), k)
	}
}
