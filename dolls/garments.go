package dolls

import "cosmicman/prompt"

// trunk is the outline of a body from the neck to a height, so much wider than the skin.
func (f *figure) trunk(hem, ease int) path {
	right := []pt{f.at(56, 452), f.at(f.shoulder-70, 462), f.at(f.shoulder-10, 480), f.at(f.shoulder-2, 540),
		f.at(f.shoulder-30+ease/2, 640), f.at(f.waist+ease, 800)}
	switch {
	case hem > 980:
		right = append(right, f.at(f.hip+ease, 950))
		right = append(right, corner(f.at(f.hip+ease, hem))...)
	default:
		right = append(right, corner(f.at(f.waist+ease+(f.hip-f.waist)*max(0, hem-800)/180, hem))...)
	}
	return both(right...)
}

// legwear is trousers or a skirt.
func (f *figure) legwear() {
	d := f.p.garment(prompt.OnePiece)
	if d != nil {
		if d.Type == "jumpsuit" {
			f.trousers(d, f.cloth(prompt.OnePiece, Dress))
		}
		return
	}
	w := f.p.garment(prompt.Bottom)
	if w.Type == "skirt" {
		f.skirt(w, f.cloth(prompt.Bottom, Skirt), 860)
		return
	}
	f.trousers(w, f.cloth(prompt.Bottom, Pants))
}

func (f *figure) trousers(w *Garment, k ink) {
	knee, ankle := 68, 62
	switch {
	case w.Cut == "wide-leg" || w.Type == "jumpsuit":
		knee, ankle = 84, 104
	case w.Cut == "tapered":
		knee, ankle = 66, 46
	case w.Cut == "close-fitting":
		knee, ankle = 56, 42
	}
	if w.Type == "sweatpants" {
		knee = 78
	}
	thigh := f.thick(88)
	for side := range sides {
		l := f.leg[side]
		end := l[2].add(pt{0, f.thick(12)})
		joints, radii := []pt{l[0], l[1], end}, []int{thigh, f.thick(knee), f.thick(ankle)}
		if w.Type == "shorts" {
			cut := l[0].between(l[1], 74, 100)
			joints, radii = []pt{l[0], cut}, []int{thigh, f.thick(88)}
		}
		leg := k
		leg.apart = side == right // from the other one
		f.draw(tube(joints, radii, true), leg)
		switch {
		case w.Type == "sweatpants":
			f.fill(taper(l[2].between(l[1], 4, 100), end, f.thick(ankle+2), f.thick(ankle)), ink{color: seam(k), label: k.label, group: k.group})
		case w.Type == "jeans" && !f.crisp:
			s := sides[side]
			f.fill(line(fine, l[0].add(pt{s * thigh * 70 / 100, 0}), l[1].add(pt{s * f.thick(knee) * 70 / 100, 0}), end.add(pt{s * f.thick(ankle) * 70 / 100, 0})), detailOf(rgb{226, 170, 96}.toward(k.color, 90)))
			f.fill(taper(end.add(pt{0, -f.thick(16)}), end, f.thick(ankle+2), f.thick(ankle+2)), ink{color: k.color.lighter(70), label: k.label, group: k.group})
		}
	}
	// The hips, which join the legs, have no outline below.
	k.outline = 0
	f.fill(both(append(append([]pt{}, corner(f.at(f.waist+8, 850))...), f.at(f.hip+4, 960), f.at(f.hip-4, 1050), f.at(60, 1090))...), k)
	if !f.crisp {
		f.fill(line(fine, f.at(0, 960), f.at(0, 1100)), detailOf(seam(k)))
		for _, s := range sides {
			f.fill(curve(fine, f.at(s*70, 905), f.at(s*92, 960), f.at(s*(f.hip-14), 975)), detailOf(seam(k)))
		}
	} else {
		f.fill(line(22*unit, f.at(0, 1000), f.at(0, 1110)), detailOf(seam(k)))
	}
}

// skirt hangs from the waist.
func (f *figure) skirt(w *Garment, k ink, from int) {
	hem := map[string]int{"short": 1290, "midi": 1560, "maxi": 1850}[w.Length]
	if hem == 0 {
		hem = 1560
	}
	flare := (hem - 960) * 14 / 100
	if w.Cut == "pleated" {
		flare += 50
	}
	if f.crisp && w.Length == "short" {
		flare += 30
	}
	k.clip = true
	right := append([]pt{}, corner(f.at(f.waist+6, from))...)
	right = append(right, f.at(f.hip+14, from+120))
	right = append(right, corner(f.at(f.hip+20+flare, hem))...)
	right = append(right, f.at((f.hip+20+flare)/2, hem+26))
	f.draw(both(right...), k)
	wide := f.hip + 20 + flare
	n := 2
	if w.Cut == "pleated" {
		n = 4
	}
	if f.crisp && w.Cut != "pleated" {
		return
	}
	width := fine
	if f.crisp {
		n, width = 2, 24*unit
	}
	for i := -n; i <= n; i++ {
		if w.Cut != "pleated" && i == 0 {
			continue
		}
		x := i * wide / (n + 1)
		f.fill(line(width, f.at(x*2/3, from+130+abs(i)%2*60), f.at(x, hem+20)), detail(seam(k), 150))
	}
}

// torso is what is worn above the hips, skin first.
func (f *figure) torso() {
	skin := f.flesh(Face)
	if d := f.p.garment(prompt.OnePiece); d != nil {
		k := f.cloth(prompt.OnePiece, Dress)
		if d.Type == "dress" {
			f.skirt(d, k, 800)
		}
		k.clip = true
		f.draw(f.trunk(826, 0), k)
		if !f.crisp && f.p.Worn[prompt.Belt] == nil {
			f.fill(line(fine*2, f.at(-f.waist-6, 812), f.at(f.waist+6, 812)), detail(seam(k), 200))
		}
		f.sheen(d)
		f.opening(d, k, skin)
		if f.p.garment(prompt.Belt) != nil {
			f.belt()
		}
		return
	}
	w, k := f.p.garment(prompt.Top), f.cloth(prompt.Top, UpperClothes)
	k.clip = true
	ease, hem := 14, 1000
	switch w.Type {
	case "hoodie", "sweatshirt", "sweater":
		ease = 34
	case "blouse", "tank top":
		ease = 6
	}
	if b := f.p.garment(prompt.Bottom); b.Type == "skirt" {
		ease, hem = min(ease, 16), 900 // tucked in
	}
	f.draw(f.trunk(hem, ease), k)
	f.folds(k, hem, ease)
	f.sheen(w)
	if w.Pattern == "graphic" {
		f.motif(w)
	}
	f.front(w, k, hem)
	f.opening(w, k, skin)
	if w.Type == "hoodie" {
		f.hood(k)
	}
}

// folds and hems give a garment's body form.
func (f *figure) folds(k ink, hem, ease int) {
	if f.crisp {
		return
	}
	for _, s := range sides {
		f.fill(curve(fine, f.at(s*(f.shoulder-44), 610), f.at(s*(f.shoulder-78), 650), f.at(s*(f.shoulder-96), 720)), detail(seam(k), 130))
		f.fill(curve(fine, f.at(s*(f.waist+ease), 830), f.at(s*(f.waist-30), 850), f.at(s*(f.waist-60), 890)), detail(seam(k), 110))
	}
	w := f.p.garment(prompt.Top)
	switch w.Type {
	case "hoodie", "sweatshirt", "sweater":
		f.fill(box(f.at(-f.hip-60, hem-44), f.at(f.hip+60, hem+10)), detail(seam(k), 110))
	default:
		f.fill(box(f.at(-f.hip-60, hem-16), f.at(f.hip+60, hem-12)), detail(seam(k), 140))
	}
}

// sheen is light on silk and leather.
func (f *figure) sheen(w *Garment) {
	if f.crisp || w.Material != "silk" && w.Material != "leather" {
		return
	}
	f.fill(smooth(f.at(-f.shoulder+60, 540), f.at(-f.shoulder+110, 530), f.at(-f.waist+90, 800), f.at(-f.waist+70, 900), f.at(-f.waist+40, 800)), detail(lightColor, 64))
}

// motif is what is printed on the chest: one of a few.
func (f *figure) motif(w *Garment) {
	c := f.at(0, 690)
	r := 74 * unit * f.wide / 256
	col := contrast(w.Color)
	second := rgb{250, 196, 60}
	if w.Color == "yellow" || w.Color == "orange" || w.Color == "white" || w.Color == "beige" {
		col, second = rgb{52, 70, 130}, rgb{216, 60, 70}
	}
	k := ink{color: col, over: true}
	if f.crisp {
		r = r * 5 / 4
	}
	switch f.p.seed >> 8 % 4 {
	case 0: // a star
		var star []pt
		for i := range 10 {
			d := r
			if i%2 == 1 {
				d = r * 45 / 100
			}
			star = append(star, c.polar(d, i*36-90))
		}
		k.color = second
		f.fill(path{star}, k)
	case 1: // a heart
		k.color = rgb{230, 60, 90}
		if w.Color == "red" || w.Color == "pink" || w.Color == "purple" {
			k.color = col
		}
		f.fill(append(append(disc(c.add(pt{-r * 45 / 100, -r * 30 / 100}), r*52/100), disc(c.add(pt{r * 45 / 100, -r * 30 / 100}), r*52/100)...),
			[]pt{c.add(pt{-r * 92 / 100, -r / 20}), c.add(pt{r * 92 / 100, -r / 20}), c.add(pt{0, r * 95 / 100})}), k)
	case 2: // a sun over waves
		f.fill(disc(c.add(pt{0, -r / 6}), r*70/100), ink{color: second, over: true})
		f.fill(box(c.add(pt{-r, r / 6}), c.add(pt{r, r / 2})), k)
	default: // a face that laughs
		f.fill(disc(c, r*85/100), ink{color: second, over: true})
		ink := ink{color: rgb{50, 40, 50}, over: true}
		f.fill(dotPath(c.add(pt{-r * 30 / 100, -r / 5}), r/7), ink)
		f.fill(dotPath(c.add(pt{r * 30 / 100, -r / 5}), r/7), ink)
		f.fill(curve(r/7, c.add(pt{-r * 45 / 100, r / 5}), c.add(pt{0, r * 80 / 100}), c.add(pt{r * 45 / 100, r / 5})), ink)
	}
}

func dotPath(c pt, r int) path { return path{dot(c, r)} }

// front is what closes a top: buttons, plackets, pockets.
func (f *figure) front(w *Garment, k ink, hem int) {
	col := seam(k)
	switch w.Type {
	case "shirt":
		f.fill(line(fine, f.at(0, 480), f.at(0, hem)), detail(col, 220))
		if !f.crisp {
			for y := 560; y < hem-30; y += 84 {
				f.fill(dotPath(f.at(14, y), 8*unit), detail(k.color.lighter(190).darker(20), 256))
			}
			f.fill(path{{f.at(70, 600), f.at(130, 600), f.at(130, 668), f.at(100, 684), f.at(70, 668)}}.grown(2*unit), detail(col, 70))
		}
	case "polo shirt":
		f.fill(box(f.at(-14, 470), f.at(14, 620)), detail(col, 120))
		for _, y := range []int{540, 590} {
			f.fill(dotPath(f.at(0, y), 7*unit), detail(rgb{244, 244, 244}, 256))
		}
	case "hoodie":
		pocket := polygon(f.at(-84, 790), f.at(84, 790), f.at(124, 900), f.at(124, 950), f.at(-124, 950), f.at(-124, 900))
		if f.crisp {
			f.fill(line(20*unit, f.at(-100, 830), f.at(100, 830)), detail(col, 256))
			return
		}
		f.fill(pocket.grown(fine), detail(col, 200))
		f.fill(pocket, detail(k.color, 256))
	case "blouse":
		if !f.crisp {
			for i := -1; i <= 1; i += 2 {
				f.fill(curve(fine*2, f.at(i*14, 520), f.at(i*46, 640), f.at(i*16, 760)), detail(col, 120))
			}
		}
	}
}

// opening is a garment's neckline with the neck that stands in it.
func (f *figure) opening(w *Garment, k ink, skin ink) {
	none := skin
	none.outline = 0
	collar := w.Collar
	if f.p.garment(prompt.Scarf) != nil && collar == "" {
		collar = "round neck"
	}
	neck := polygon(f.at(-58, 340), f.at(58, 340), f.at(64, 470), f.at(-64, 470))
	rim := k
	rim.color, rim.print, rim.clip, rim.outline = seam(k), nil, false, 0
	switch collar {
	case "v neckline":
		f.fill(polygon(f.at(-88, 444), f.at(88, 444), f.at(0, 640)), rim)
		f.fill(polygon(f.at(-74, 440), f.at(74, 440), f.at(0, 612)), none)
	case "scoop neckline":
		f.fill(smooth(append(append(corner(f.at(-128, 440)), corner(f.at(128, 440))...), f.at(112, 600), f.at(0, 660), f.at(-112, 600))...), rim)
		f.fill(smooth(append(append(corner(f.at(-114, 436)), corner(f.at(114, 436))...), f.at(98, 584), f.at(0, 636), f.at(-98, 584))...), none)
	case "high neck":
		f.draw(neck, skin)
		tall := k
		tall.clip = false
		f.draw(polygon(f.at(-70, 424), f.at(70, 424), f.at(82, 482), f.at(-82, 482)), tall)
		return
	default:
		f.fill(smooth(append(append(corner(f.at(-92, 444)), corner(f.at(92, 444))...), f.at(70, 540), f.at(-70, 540))...), rim)
		f.fill(smooth(append(append(corner(f.at(-76, 440)), corner(f.at(76, 440))...), f.at(58, 516), f.at(-58, 516))...), none)
	}
	f.fill(neck, none)
	if !f.crisp {
		f.fill(smooth(f.at(-62, 380), f.at(62, 380), f.at(60, 440), f.at(0, 470), f.at(-60, 440)), ink{color: f.skin.darker(90), alpha: 110, over: true})
	}
	if collar == "collared" {
		c := k
		c.clip, c.print, c.shade = false, nil, 0
		for _, s := range sides {
			f.draw(polygon(f.at(s*4, 500), f.at(s*66, 424), f.at(s*104, 456), f.at(s*70, 560)), c)
		}
	}
}

// hood lies around the neck, with its strings.
func (f *figure) hood(k ink) {
	k.clip = false
	for _, s := range sides {
		f.draw(smooth(f.at(s*20, 540), f.at(s*62, 420), f.at(s*120, 430), f.at(s*128, 500), f.at(s*60, 580)), k)
		c := contrast(f.p.garment(prompt.Top).Color)
		f.fill(line(9*unit, f.at(s*40, 560), f.at(s*44, 690)), detailOf(c))
	}
}

// sleeve is an arm with what covers it, and the hand.
func (f *figure) sleeve(side int) {
	label := LeftArm
	if side == right {
		label = RightArm
	}
	a := f.arm[side]
	skin := f.flesh(label)
	skin.apart = true
	hand := a[2].between(a[1], -12, 100)
	f.draw(append(tube(a[:], []int{f.thick(46), f.thick(38), f.thick(30)}, false), disc(hand, max(f.thick(38), 34*unit*f.wide/256))...), skin)
	if f.p.pose.left == armWave && side == left || f.p.pose.right == armWave && side == right {
		f.fingers(side, hand, skin)
	}
	g, w, l := prompt.OnePiece, f.p.garment(prompt.OnePiece), Dress
	if w == nil {
		g, w, l = prompt.Top, f.p.garment(prompt.Top), UpperClothes
	}
	if coat := f.p.garment(prompt.Coat); coat != nil {
		g, w, l = prompt.Coat, coat, UpperClothes
	}
	k := f.cloth(g, l)
	k.apart = true
	wide := 54
	switch w.Type {
	case "hoodie", "sweatshirt", "sweater", "overcoat", "jacket", "cardigan", "blazer":
		wide = 60
	}
	switch sleeved(w) {
	case "short sleeve":
		f.draw(tube([]pt{a[0], a[0].between(a[1], 64, 100)}, []int{f.thick(wide + 2), f.thick(wide + 4)}, true), k)
	case "long sleeve":
		end := a[1].between(a[2], 94, 100)
		f.draw(tube([]pt{a[0], a[1], end}, []int{f.thick(wide + 2), f.thick(wide - 6), f.thick(wide - 14)}, true), k)
		if !f.crisp {
			cuff := a[1].between(a[2], 78, 100)
			f.fill(taper(cuff, end, f.thick(wide-12), f.thick(wide-13)), ink{color: seam(k), alpha: 80, over: true})
		}
	default:
		// Nothing but the strap on the shoulder.
	}
	// The seam at the shoulder vanishes into the body.
	if sleeved(w) != "" {
		k.outline, k.shade, k.apart = 0, 0, false
		f.fill(disc(f.at(sides[side]*(f.shoulder-62), 524), f.thick(42)), k)
	}
}

// fingers are a hand that waves.
func (f *figure) fingers(side int, hand pt, skin ink) {
	if f.crisp {
		return
	}
	for i, d := range []int{-130, -105, -82, -58, -15} {
		if side == right {
			d = -180 - d
		}
		long := f.thick(64)
		if i == 4 {
			long = f.thick(50)
		}
		f.fill(line(f.thick(22), hand, hand.polar(long, d)).grown(thin/2), ink{color: skin.edge, label: skin.label, group: none})
	}
	for i, d := range []int{-130, -105, -82, -58, -15} {
		if side == right {
			d = -180 - d
		}
		long := f.thick(64)
		if i == 4 {
			long = f.thick(50)
		}
		f.fill(line(f.thick(22), hand, hand.polar(long, d)), ink{color: skin.color, label: skin.label, group: none})
	}
	f.fill(disc(hand, f.thick(34)), ink{color: skin.color, label: skin.label, group: none})
}

// sleeved is how long a garment's sleeves are, said or not.
func sleeved(w *Garment) string {
	switch w.Type {
	case "jacket", "overcoat", "blazer", "cardigan", "hoodie", "sweater", "sweatshirt":
		return "long sleeve"
	case "tank top":
		return ""
	case "t-shirt", "polo shirt":
		return "short sleeve"
	}
	switch w.Sleeve {
	case "sleeveless":
		return ""
	case "":
		return "long sleeve"
	}
	return w.Sleeve
}

// belt is at the waist of a dress.
func (f *figure) belt() {
	k := f.cloth(prompt.Belt, Belt)
	k.shade = 30
	y := 812
	l, r := f.at(-f.waist-5, y), f.at(f.waist+5, y)
	half := 24 * unit * f.tall / 256
	if f.crisp {
		half = max(half, f.pixels(1)*5/8) // so that a row of pixels has it
	}
	f.draw(box(pt{l.x, l.y - half}, pt{r.x, r.y + half}), k)
	if !f.crisp {
		gold := ink{color: rgb{232, 196, 90}, label: Belt, group: k.group}
		f.fill(box(f.at(-30, y-26), f.at(30, y+26)), gold)
		f.fill(box(f.at(-16, y-12), f.at(16, y+12)), ink{color: k.color, label: Belt, group: k.group})
	}
}
