package dolls

import "cosmicman/prompt"

// coatHem is where a coat ends.
func coatHem(w *Garment) int {
	switch w.Type {
	case "overcoat":
		return 1460
	case "jacket":
		return 900
	}
	return 1030
}

// coatBehind is the inside of a long coat's back.
func (f *figure) coatBehind() {
	w := f.p.garment(prompt.Coat)
	if w == nil || w.Type != "overcoat" {
		return
	}
	k := f.cloth(prompt.Coat, UpperClothes)
	k.color, k.print, k.shade = k.color.darker(110), nil, 0
	f.fill(both(append([]pt{f.at(f.waist, 760)}, corner(f.at(f.hip+40, 1440))...)...), k)
}

// coat is two open fronts, with lapels.
func (f *figure) coat() {
	w := f.p.garment(prompt.Coat)
	if w == nil {
		return
	}
	k := f.cloth(prompt.Coat, UpperClothes)
	hem := coatHem(w)
	k.shade = k.shade / 2
	for _, s := range sides {
		wide := f.hip + 30
		if hem > 1200 {
			wide += 34
		}
		if hem < 950 {
			wide = f.waist + (f.hip-f.waist)*(hem-800)/180 + 34
		}
		panel := []pt{}
		panel = append(panel, corner(f.at(s*60, 446))...)
		panel = append(panel, f.at(s*(f.shoulder-70), 458), f.at(s*(f.shoulder-6), 478), f.at(s*f.shoulder, 540),
			f.at(s*(f.shoulder-22), 640), f.at(s*(f.waist+28), 800))
		if hem > 980 {
			panel = append(panel, f.at(s*(f.hip+28), 960))
		}
		panel = append(panel, corner(f.at(s*wide, hem))...)
		panel = append(panel, corner(f.at(s*58, hem+8))...)
		panel = append(panel, f.at(s*54, 800), f.at(s*50, 640))
		front := k
		front.clip = true
		f.draw(smooth(panel...), front)
		f.coatFront(w, k, s, hem)
	}
}

func (f *figure) coatFront(w *Garment, k ink, s, hem int) {
	col := seam(k)
	if f.crisp {
		f.fill(line(20*unit, f.at(s*66, 480), f.at(s*64, hem)), detail(col, 256))
		return
	}
	switch w.Type {
	case "blazer", "overcoat":
		lapel := k
		lapel.print, lapel.shade = nil, 0
		lapel.color = k.color.darker(24)
		f.draw(polygon(f.at(s*58, 444), f.at(s*96, 470), f.at(s*128, 540), f.at(s*104, 566), f.at(s*118, 590), f.at(s*54, 730)), lapel)
	case "jacket":
		f.draw(polygon(f.at(s*56, 440), f.at(s*110, 452), f.at(s*104, 520), f.at(s*60, 545)), k)
		if w.Material == "leather" {
			f.fill(line(7*unit, f.at(s*60, 560), f.at(s*62, hem)), detail(rgb{200, 202, 210}, 256))
			f.fill(smooth(f.at(s*(f.shoulder-40), 540), f.at(s*(f.shoulder-70), 560), f.at(s*(f.waist-20), 780), f.at(s*(f.waist), 800)), detail(lightColor, 56))
		} else {
			f.fill(path{{f.at(s*96, 610), f.at(s*152, 610), f.at(s*152, 676), f.at(s*124, 692), f.at(s*96, 676)}}.grown(2*unit), detail(col, 90))
		}
		f.fill(box(f.at(s*40, hem-34), f.at(s*(f.hip+70), hem+10)), detail(col, 90))
	case "cardigan":
		f.fill(line(22*unit, f.at(s*62, 450), f.at(s*58, 640), f.at(s*64, 800), f.at(s*66, hem)), detail(col, 110))
		if s > 0 {
			for y := 680; y < hem-20; y += 84 {
				f.fill(dotPath(f.at(s*62, y), 9*unit), detail(k.color.lighter(150), 256))
			}
		}
	}
	if hem > 980 {
		f.fill(line(fine*2, f.at(s*100, 880), f.at(s*(f.hip-16), 868)), detail(col, 200))
	}
	if w.Type == "overcoat" && s > 0 {
		for y := 760; y < hem-200; y += 150 {
			f.fill(dotPath(f.at(s*84, y), 13*unit), detail(k.color.darker(130), 256))
		}
	}
}

// neckwear is a scarf or a tie.
func (f *figure) neckwear() {
	if w := f.p.garment(prompt.Scarf); w != nil {
		k := f.cloth(prompt.Scarf, Scarf)
		s := f.p.pose.part
		f.draw(polygon(f.at(s*30, 500), f.at(s*104, 490), f.at(s*118, 780), f.at(s*34, 790)), k)
		if !f.crisp {
			for x := 40; x < 118; x += 15 {
				f.fill(line(fine*2, f.at(s*x, 782), f.at(s*x, 814)), ink{color: seam(k), label: Scarf, group: k.group})
			}
		}
		f.draw(both(f.at(70, 408), f.at(122, 430), f.at(128, 520), f.at(60, 556)), k)
		if !f.crisp {
			f.fill(curve(fine, f.at(-104, 450), f.at(0, 520), f.at(104, 470)), detailOf(seam(k)))
			f.fill(curve(fine, f.at(-90, 496), f.at(0, 560), f.at(80, 520)), detailOf(seam(k)))
		}
	}
	w := f.p.garment(prompt.Ties)
	if w == nil {
		return
	}
	k := f.cloth(prompt.Ties, Scarf)
	if w.Type == "bow tie" {
		for _, s := range sides {
			f.draw(smooth(append(append(corner(f.at(s*6, 492)), corner(f.at(s*94, 448))...), append(corner(f.at(s*90, 556)), corner(f.at(s*6, 508))...)...)...), k)
		}
		f.draw(box(f.at(-22, 472), f.at(22, 528)), k)
		return
	}
	f.draw(polygon(f.at(-18, 530), f.at(18, 530), f.at(48, 790), f.at(0, 860), f.at(-48, 790)), k)
	f.draw(polygon(f.at(-30, 482), f.at(30, 482), f.at(18, 540), f.at(-18, 540)), k)
}

// backpack is what of it stands out behind the body.
func (f *figure) backpack() {
	w := f.p.garment(prompt.Bag)
	if w == nil || w.Type != "backpack" {
		return
	}
	k := f.cloth(prompt.Bag, Bag)
	wide := f.shoulder + 26
	f.draw(both(f.at(90, 400), f.at(wide-20, 430), f.at(wide, 560), f.at(wide+30, 860), f.at(wide-20, 930)), k)
}

// straps are those of a backpack, over whatever is worn.
func (f *figure) straps() {
	w := f.p.garment(prompt.Bag)
	if w == nil || w.Type != "backpack" {
		return
	}
	k := f.cloth(prompt.Bag, Bag)
	k.shade = 0
	wide := 40
	if f.crisp {
		wide = 50
	}
	for _, s := range sides {
		x := f.shoulder - 88
		f.draw(append(taper(f.at(s*x, 452), f.at(s*(x+8), 600), wide*unit/2*f.wide/256, wide*unit/2*f.wide/256),
			taper(f.at(s*(x+8), 600), f.at(s*(x+44), 760), wide*unit/2*f.wide/256, wide*unit/3*f.wide/256)...), k)
	}
}

// strap is that of a shoulder bag, across the body and under the arms.
func (f *figure) strap() {
	w := f.p.garment(prompt.Bag)
	if w == nil || w.Type != "shoulder bag" || f.p.garment(prompt.Coat) != nil {
		return
	}
	k := f.cloth(prompt.Bag, Bag)
	k.shade, k.print = 0, nil
	f.draw(line(24*unit, f.at(-f.shoulder+80, 462), f.at(f.hip-10, 960)), k)
}

// handheld is a bag that is carried.
func (f *figure) handheld() {
	w := f.p.garment(prompt.Bag)
	if w == nil || w.Type == "backpack" {
		return
	}
	k := f.cloth(prompt.Bag, Bag)
	u := func(n int) int { return n * unit * (f.tall + f.wide) / 512 }
	bag := func(c pt, wide, high int) {
		f.draw(smooth(append(append(corner(c.add(pt{-u(wide) * 84 / 100, 0})), corner(c.add(pt{u(wide) * 84 / 100, 0}))...),
			c.add(pt{u(wide), u(high)}), c.add(pt{-u(wide), u(high)}))...), k)
		if !f.crisp {
			f.fill(line(fine, c.add(pt{-u(wide) * 86 / 100, u(high) / 3}), c.add(pt{u(wide) * 86 / 100, u(high) / 3})), detailOf(seam(k)))
			f.fill(dotPath(c.add(pt{0, u(high) / 3}), u(9)), detailOf(rgb{232, 196, 90}))
		}
	}
	handle := ink{color: k.color.darker(40), outline: fine, label: Bag, group: k.group}
	switch w.Type {
	case "handbag":
		hand := f.arm[right][2].between(f.arm[right][1], -12, 100)
		f.draw(curve(u(16), hand.add(pt{-u(52), u(92)}), hand.add(pt{0, -u(84)}), hand.add(pt{u(52), u(92)})), handle)
		bag(hand.add(pt{0, u(84)}), 86, 132)
	case "tote bag":
		hand := f.arm[right][2].between(f.arm[right][1], -12, 100)
		f.draw(line(u(12), hand.add(pt{-u(40), u(130)}), hand, hand.add(pt{u(40), u(130)})), handle)
		c := hand.add(pt{0, u(124)})
		f.draw(polygon(c.add(pt{-u(84), 0}), c.add(pt{u(84), 0}), c.add(pt{u(96), u(190)}), c.add(pt{-u(96), u(190)})), k)
		if !f.crisp {
			f.fill(disc(c.add(pt{0, u(96)}), u(34)), detailOf(contrast(w.Color)))
		}
	case "shoulder bag":
		if f.p.garment(prompt.Coat) != nil {
			f.draw(line(24*unit, f.at(-f.shoulder+90, 470), f.at(f.hip-10, 960)), k)
		}
		bag(f.at(f.hip+20, 950), 92, 140)
	}
}
