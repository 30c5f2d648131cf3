package dolls

import "cosmicman/prompt"

// figure is a person's body with its measures, standing at x = 0, the chin at y = 400.
type figure struct {
	*canvas
	p                    *Person
	heads, tall, wide    int // scales of head, height and width, of 256
	shoulder, waist, hip int // half widths
	bulk                 int // of limbs, of 256
	arm                  [2][3]pt
	leg                  [2][3]pt
	skin                 rgb
}

// chin is where the head stands on the body.
const chin = 400

// The sides of a figure: the person's left is at the right of the image.
const (
	left  = 0
	right = 1
)

// sides turns +x for the person's left.
var sides = [2]int{left: 1, right: -1}

func newFigure(c *canvas, p *Person) *figure {
	f := &figure{canvas: c, p: p, heads: 256, tall: 256, wide: 256, bulk: 256, skin: p.skin()}
	f.shoulder, f.waist, f.hip = 222, 166, 174
	if p.female() {
		f.shoulder, f.waist, f.hip = 192, 136, 186
	}
	switch p.Age {
	case "toddler":
		f.heads, f.tall, f.wide = 214, 122, 174
	case "child":
		f.heads, f.tall, f.wide = 234, 172, 202
	case "teenager":
		f.heads, f.tall, f.wide = 248, 234, 234
	case "elderly":
		f.tall = 244
	}
	if p.young() {
		f.shoulder, f.waist, f.hip = 186, 164, 174
	}
	switch p.Shape {
	case "slim":
		f.wide, f.bulk = f.wide*226/256, 216
	case "plus-size":
		f.waist, f.hip, f.shoulder, f.bulk = f.waist+74, f.hip+54, f.shoulder+26, 326
	case "muscular":
		f.shoulder, f.waist, f.bulk = f.shoulder+38, f.waist+8, 336
	}
	f.tall = f.tall * p.pose.tall / 100
	f.wide = f.wide * p.pose.wide / 100
	if c.crisp {
		// Large heads keep their faces on few pixels.
		f.heads = f.heads * 330 / 256
		f.tall = f.tall * 216 / 256
		f.bulk = f.bulk * 280 / 256
	}
	for side := range sides {
		f.bones(side)
	}
	return f
}

// at is a place of the body: x from the middle, y as if the person were grown.
func (f *figure) at(x, y int) pt {
	return pt{x * unit * f.wide / 256, chin*unit + (y-chin)*unit*f.tall/256}
}

// head is a place of the head.
func (f *figure) head(x, y int) pt {
	return pt{x * unit * f.heads / 256, chin*unit + (y-chin)*unit*f.heads/256}
}

// thick is a limb's radius.
func (f *figure) thick(r int) int { return r * unit * f.wide / 256 * f.bulk / 256 }

// angles of upper arm and forearm of the person's left, 90 is down.
var angles = [armCount][2]int{armDown: {82, 88}, armAway: {64, 78}, armHip: {50, 136}, armWave: {28, -68}, armBent: {72, -112}}

// bones places the joints of a side's arm and leg.
func (f *figure) bones(side int) {
	way := f.p.pose.left
	if side == right {
		way = f.p.pose.right
	}
	s := sides[side]
	turn := func(d int) int {
		if s < 0 {
			return 180 - d
		}
		return d
	}
	a := &f.arm[side]
	a[0] = f.at(s*(f.shoulder-34), 524)
	// An arm's length lies between the height's scale and the width's, so that hands of the small reach their hips.
	reach := func(l int) int { return l * unit * (f.tall + f.wide) / 512 }
	a[1] = a[0].polar(reach(258), turn(angles[way][0]))
	a[2] = a[1].polar(reach(226), turn(angles[way][1]))

	knee, ankle := 84, 80
	switch n := f.p.pose.stance; {
	case n == 1:
		knee, ankle = 104, 124
	case n == 2 && side == left || n == 3 && side == right:
		knee, ankle = 112, 140
	}
	l := &f.leg[side]
	l[0] = f.at(s*(f.hip*48/100), 1010)
	l[1] = f.at(s*(knee+f.hip-180), 1440)
	l[2] = f.at(s*(ankle+f.hip-180), 1850)
}

// lines are the outlines' widths.
const thin, fine = 7 * unit, 4 * unit

// flesh is skin.
func (f *figure) flesh(l Label) ink {
	return ink{color: f.skin, shade: 40, outline: thin, edge: f.skin.darker(120), label: l, group: none}
}

// none is the group of pixels that no attribute is about.
const none = prompt.Group(255)

// cloth is what a garment is made of.
func (f *figure) cloth(g prompt.Group, l Label) ink {
	w := f.p.garment(g)
	k := ink{color: w.cloth(), print: f.fabric(w), shade: 46, outline: thin, label: l, group: g}
	if f.p.Worn[g] == nil {
		k.group = none
	}
	switch w.Material {
	case "silk", "leather":
		k.shade = 64
	}
	switch g {
	case prompt.Shoes, prompt.Bag, prompt.Belt, prompt.Hat:
		k.shade = 26 // small, and their color is to be read
	}
	if k.color == palette["white"] {
		k.edge = rgb{128, 130, 142}
	}
	return k
}

// detail is what is drawn upon a garment without hiding it.
func detail(c rgb, alpha int) ink { return ink{color: c, alpha: alpha, over: true, clipped: true} }

// seam is a darker colour of a garment for lines on it.
func seam(k ink) rgb {
	if int(k.color[0])+int(k.color[1])+int(k.color[2]) < 180 {
		return k.color.lighter(60)
	}
	return k.color.darker(90)
}

// draw paints the person from the back to the front.
func (f *figure) drawAll() {
	f.shadow()
	f.backpack()
	f.hairBehind()
	f.coatBehind()
	for side := range sides {
		f.limb(side)
	}
	f.legwear()
	f.torso()
	f.strap()
	for side := range sides {
		f.sleeve(side)
	}
	f.coat()
	f.neckwear()
	f.straps()
	f.face()
	f.handheld()
}

// shadow is on the ground.
func (f *figure) shadow() {
	if f.p.feet() && !f.crisp {
		foot := f.at(0, 1950)
		f.fill(ellipse(foot, 290*unit*f.wide/256, 34*unit), ink{color: inkColor, alpha: 60, over: true})
	}
}

// limb is a leg with what is on the foot.
func (f *figure) limb(side int) {
	label, shoe := LeftLeg, LeftShoe
	if side == right {
		label, shoe = RightLeg, RightShoe
	}
	l := f.leg[side]
	f.draw(tube(l[:], []int{f.thick(80), f.thick(54), f.thick(38)}, false), f.flesh(label))
	knee := l[1].add(pt{-f.thick(14), 0})
	f.fill(curve(fine, knee, knee.add(pt{f.thick(14), f.thick(16)}), knee.add(pt{f.thick(28), 0})), detailOf(f.skin.darker(70)))
	if s := f.p.garment(prompt.Socks); s != nil {
		k := f.cloth(prompt.Socks, label)
		from := l[1].between(l[2], 60, 100)
		if s.Type == "knee socks" {
			from = l[1].between(l[2], 18, 100)
		}
		f.draw(taper(from, l[2], f.thick(48), f.thick(43)), k)
	}
	f.foot(side, shoe)
}

// detailOf is a mark that leaves what it lies on with its label, clipped to nothing.
func detailOf(c rgb) ink { return ink{color: c, over: true} }

// foot is a shoe, seen from the front and a little from above.
func (f *figure) foot(side int, label Label) {
	s, a := sides[side], f.leg[side][2]
	k := f.cloth(prompt.Shoes, label)
	w := f.p.garment(prompt.Shoes)
	// p is a place by the ankle, x outwards.
	p := func(x, y int) pt {
		return a.add(pt{s * x * unit * f.wide / 256 * min(f.bulk, 290) / 256, y * unit * (f.tall + f.wide + f.heads) / 768})
	}
	flat := ink{color: f.skin, outline: thin, edge: f.skin.darker(120), label: label, group: none}
	shape := append(append(append([]pt{}, p(-48, -34), p(-52, 20)), corner(p(-58, 92))...), corner(p(78, 92))...)
	shape = append(shape, p(84, 44), p(46, 4), p(46, -34))
	white := ink{color: rgb{236, 236, 238}, label: label, group: k.group}
	switch w.Type {
	case "sandals":
		f.draw(smooth(shape...), k)
		flat.outline = 0
		f.fill(smooth(p(-34, -30), p(-30, 34), p(4, 48), p(34, 34), p(36, -30)), flat)
		if !f.crisp {
			f.fill(smooth(p(-44, 66), p(10, 52), p(64, 68), p(60, 84), p(-40, 84)), flat)
		}
		return
	case "boots":
		top := a.between(f.leg[side][1], 26, 100)
		if w.Length == "knee-high boots" {
			top = a.between(f.leg[side][1], 80, 100)
		}
		f.draw(append(taper(top, p(0, 30), f.thick(60), f.thick(50)), smooth(shape...)...), k)
		cuff := top.between(a, 6, 100)
		f.fill(taper(top, cuff, f.thick(62), f.thick(62)), ink{color: seam(k), label: label, group: k.group})
		f.fill(polygon(p(-60, 86), p(82, 86), p(82, 96), p(-60, 96)), detailOf(k.color.darker(150)))
		return
	case "high heels":
		f.draw(smooth(append(append([]pt{p(-40, -4), p(-48, 40)}, corner(p(-40, 92))...), append(corner(p(56, 92)), p(60, 50), p(40, -4))...)...), k)
		f.fill(smooth(p(-26, -34), p(-24, 34), p(0, 46), p(24, 34), p(26, -34)), ink{color: f.skin, label: label, group: none})
		return
	}
	f.draw(smooth(shape...), k)
	switch w.Type {
	case "sneakers":
		f.fill(polygon(p(-60, 78), p(84, 78), p(84, 96), p(-60, 96)), white)
		if !f.crisp {
			for _, y := range []int{2, 24, 46} {
				f.fill(line(fine*2, p(-18, y), p(30, y+4)), white)
			}
		}
	case "loafers", "oxford shoes":
		f.fill(polygon(p(-60, 87), p(82, 87), p(82, 96), p(-60, 96)), ink{color: k.color.darker(150), label: label, group: k.group})
		if !f.crisp {
			f.fill(curve(fine*2, p(-34, 20), p(4, 52), p(42, 22)), ink{color: seam(k), label: label, group: k.group})
			if w.Type == "oxford shoes" {
				f.fill(line(fine, p(-16, 4), p(22, 6)), detailOf(seam(k)))
			}
		}
	}
}
