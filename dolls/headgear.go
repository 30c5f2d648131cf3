package dolls

import "cosmicman/prompt"

// crown is the top of what is on the head, as a place of the head.
func (f *figure) crown() int {
	w := f.p.garment(prompt.Hat)
	switch {
	case w != nil && w.Type == "beanie" || f.p.HairStyle == "bun":
		return -126
	case w != nil || f.p.HairStyle == "afro-hair":
		return -112
	}
	return -40
}

// headgear is a hat, a headband or a headscarf.
func (f *figure) headgear() {
	if f.p.garment(prompt.Headscarf) != nil {
		f.headscarf()
	}
	if f.p.garment(prompt.Headband) != nil {
		k := f.cloth(prompt.Headband, Hat)
		k.shade = 30
		band := []pt{f.head(-168, 96), f.head(-120, 30), f.head(0, 12), f.head(120, 30), f.head(168, 96)}
		back := []pt{f.head(160, 60), f.head(110, -14), f.head(0, -32), f.head(-110, -14), f.head(-160, 60)}
		f.draw(smooth(append(append(append(corner(band[0]), band[1:4]...), corner(band[4])...), append(append(corner(back[0]), back[1:4]...), corner(back[4])...)...)...), k)
	}
	w := f.p.garment(prompt.Hat)
	if w == nil {
		return
	}
	k := f.cloth(prompt.Hat, Hat)
	k.clip = true
	r := func(n int) int { return n * unit * f.heads / 256 }
	col := seam(k)
	s := f.p.pose.part
	switch w.Type {
	case "hat":
		f.draw(both(append([]pt{f.head(60, -110), f.head(138, -96), f.head(160, 20)}, corner(f.head(164, 96))...)...), k)
		if !f.crisp && w.Material == "straw" {
			for y := -80; y < 60; y += 26 {
				f.fill(curve(fine, f.head(-170, y+10), f.head(0, y+26), f.head(170, y+10)), detail(col, 90))
			}
		}
		band := k.color.darker(150)
		if w.Color == "black" {
			band = rgb{150, 150, 158}
		}
		f.fill(polygon(f.head(-180, 40), f.head(180, 40), f.head(180, 84), f.head(-180, 84)), detail(band, 256))
		brim := k
		brim.clip = false
		f.draw(ellipse(f.head(0, 98), r(262), r(40)), brim)
	case "baseball cap":
		f.draw(both(append(append([]pt{f.head(80, -44), f.head(170, 0)}, corner(f.head(172, 112))...), f.head(90, 96))...), k)
		if !f.crisp {
			f.fill(curve(fine, f.head(0, -40), f.head(20, 20), f.head(0, 100)), detail(col, 200))
			f.fill(curve(fine, f.head(-10, -40), f.head(-90, 0), f.head(-100, 104)), detail(col, 140))
			f.fill(curve(fine, f.head(10, -40), f.head(90, 0), f.head(100, 104)), detail(col, 140))
			f.fill(disc(f.head(0, 40), r(26)), detail(contrast(w.Color), 256))
		}
		visor := k
		visor.clip = false
		visor.color = k.color.darker(36)
		if f.crisp {
			visor.color = k.color
		}
		f.draw(smooth(append(append(corner(f.head(-150, 100)), f.head(0, 64)), append(corner(f.head(150, 100)), f.head(186, 134), f.head(0, 164), f.head(-186, 134))...)...), visor)
	case "beanie":
		f.draw(both(append([]pt{f.head(70, -84), f.head(164, -40)}, corner(f.head(174, 110))...)...), k)
		fold := k
		fold.clip, fold.color = false, k.color.darker(16)
		if fold.print != nil {
			plain := k.print
			fold.print = func(x, y int) rgb { return plain(x, y).darker(16) }
		}
		if f.crisp {
			fold.color, fold.print = k.color, nil
		}
		f.draw(polygon(f.head(-178, 66), f.head(178, 66), f.head(176, 130), f.head(-176, 130)), fold)
		f.draw(disc(f.head(0, -88), r(38)), fold)
	case "beret":
		f.draw(smooth(f.head(-s*176, 70), f.head(-s*170, -20), f.head(-s*40, -84), f.head(s*150, -90), f.head(s*258, -10), f.head(s*236, 80), f.head(s*120, 84), f.head(-s*60, 92)), k)
		f.fill(line(r(12), f.head(s*20, -66), f.head(s*26, -94)), k)
		if !f.crisp {
			f.fill(curve(fine*2, f.head(-s*150, 78), f.head(0, 92), f.head(s*180, 78)), detail(col, 160))
		}
	}
}

// headscarf covers hair and neck and frames the face.
func (f *figure) headscarf() {
	k := f.cloth(prompt.Headscarf, Hat)
	// The face is drawn again over the cloth's middle by leaving it out: two halves that meet above and below.
	for _, s := range sides {
		half := []pt{}
		half = append(half, corner(f.head(0, -34))...)
		half = append(half, f.head(s*150, -24), f.head(s*196, 120), f.head(s*190, 300))
		half = append(half, f.hairPoint(s*170, 440), f.hairPoint(s*160, 520))
		half = append(half, corner(f.hairPoint(0, 560))...)
		half = append(half, corner(f.hairPoint(0, 396))...)
		half = append(half, f.head(s*70, 392), f.head(s*124, 320), f.head(s*136, 190), f.head(s*104, 84))
		half = append(half, corner(f.head(0, 66))...)
		part := k
		part.shade = 24
		f.draw(smooth(half...), part)
	}
	k.outline, k.shade = 0, 0
	f.fill(box(f.head(-12, -26), f.head(12, 60)), k)
	f.fill(box(f.hairPoint(-12, 404), f.hairPoint(12, 548)), k)
	if !f.crisp {
		f.fill(curve(fine, f.head(-130, 330), f.hairPoint(-40, 440), f.hairPoint(60, 470)), detailOf(seam(k)))
		f.fill(curve(fine, f.head(-150, 300), f.hairPoint(-80, 480), f.hairPoint(40, 510)), detailOf(seam(k)))
	}
}
