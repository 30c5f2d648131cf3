package dolls

// backgroundNames are what people stand before, in the captions' words.
var backgroundNames = []string{"a white wall", "a beige wall", "a pink wall", "a park", "a beach", "a city street", "mountains", "a snowy field", "a starry night sky", "a desert"}

// scene paints what is behind the person, over the whole image: a background is made of
// shapes in 1000 units of the image's width and height.
type scene struct {
	*canvas
	r       random
	horizon int // of 1000
}

func (c *canvas) background(p *Person) {
	s := &scene{canvas: c, r: randomOf(p.seed, 1)}
	s.horizon = map[string]int{"full_body": 780, "nearly_full_body": 800, "upper_body": 760, "portrait": 720, "headshot": 700}[p.Shot] + s.r.within(-30, 30)
	switch p.Background {
	case "a white wall":
		s.wall(rgb{208, 212, 222}, rgb{186, 188, 196})
	case "a beige wall":
		s.wall(rgb{230, 212, 182}, rgb{176, 148, 112})
	case "a pink wall":
		s.wall(rgb{246, 204, 212}, rgb{204, 150, 164})
	case "a park":
		s.park()
	case "a beach":
		s.beach()
	case "a city street":
		s.street()
	case "mountains":
		s.mountains()
	case "a snowy field":
		s.snow()
	case "a desert":
		s.desert()
	default:
		s.night()
	}
}

// flat paints over the image from one height to another, in 1000ths, from one colour to another.
func (s *scene) flat(y0, y1 int, top, bottom rgb) {
	from, to := y0*s.h/1000, y1*s.h/1000
	for y := max(from, 0); y < min(to, s.h); y++ {
		col := top
		if !s.crisp {
			col = top.toward(bottom, 256*(y-from)/max(1, to-from))
		}
		for x := range s.w {
			i := 4 * (y*s.w + x)
			s.pix[i], s.pix[i+1], s.pix[i+2] = col[0], col[1], col[2]
		}
	}
}

// shape fills a path given in 1000ths of the image's smaller side, from the left and from a height.
func (s *scene) shape(p path, c rgb) { s.fill(p, ink{color: c, over: true}) }

// place is a point at x of 1000 of the width, y of the height.
func (s *scene) place(x, y int) pt {
	return pt{x * s.w * 256 / 1000, y * s.h * 256 / 1000}
}

// size is a length of n 1000ths of the smaller side.
func (s *scene) size(n int) int { return n * min(s.w, s.h) * 256 / 1000 }

func (s *scene) disc(x, y, rx, ry int, c rgb) {
	s.shape(ellipse(s.place(x, y), s.size(rx), s.size(ry)), c)
}

func (s *scene) box(x0, y0, x1, y1 int, c rgb) {
	a, b := s.place(x0, y0), s.place(x1, y1)
	if s.crisp {
		// Whole pixels, and as many for all that are of one size.
		w, h := max(1, (b.x-a.x+128)>>8), max(1, (b.y-a.y+128)>>8)
		a = pt{(a.x + 128) &^ 255, (a.y + 128) &^ 255}
		b = pt{a.x + w<<8, a.y + h<<8}
	}
	s.shape(box(a, b), c)
}

func (s *scene) wall(wall, floor rgb) {
	s.flat(0, s.horizon, wall.lighter(50), wall.darker(14))
	s.flat(s.horizon, 1001, floor.lighter(30), floor.darker(20))
	s.box(0, s.horizon-14, 1000, s.horizon, wall.lighter(120))
	s.box(0, s.horizon, 1000, s.horizon+5, floor.darker(50))
}

func (s *scene) sky(top, bottom rgb) { s.flat(0, s.horizon+1, top, bottom) }

func (s *scene) cloud(x, y int) {
	white := rgb{252, 253, 255}
	for _, d := range [][3]int{{-60, 6, 34}, {0, -14, 50}, {56, 4, 38}, {0, 14, 40}} {
		s.disc(x+d[0], y+d[1], d[2], d[2]*2/3, white)
	}
}

func (s *scene) clouds(n int) {
	for i := range n {
		s.cloud(s.r.within(40, 960), s.r.within(50, 110)+i%2*90)
	}
}

func (s *scene) park() {
	s.sky(rgb{126, 192, 242}, rgb{206, 232, 250})
	s.clouds(2)
	s.box(0, s.horizon-60, 1000, s.horizon+4, rgb{120, 184, 122})
	for x := s.r.within(20, 120); x < 1000; x += s.r.within(170, 260) {
		y := s.horizon - s.r.within(120, 210)
		s.box(x-12, y, x+12, s.horizon+10, rgb{124, 86, 54})
		leaf := one(s.r, rgb{58, 142, 70}, rgb{74, 158, 76}, rgb{50, 126, 74})
		s.disc(x, y-30, 92, 96, leaf)
		s.disc(x-24, y-56, 46, 44, leaf.lighter(34))
	}
	s.flat(s.horizon, 1001, rgb{128, 194, 92}, rgb{88, 160, 74})
	for range 14 {
		x, y := s.r.within(0, 1000), s.r.within(s.horizon+30, 990)
		s.disc(x, y, 7, 6, one(s.r, rgb{255, 255, 255}, rgb{250, 220, 90}, rgb{246, 150, 180}))
	}
}

func (s *scene) beach() {
	s.sky(rgb{108, 184, 240}, rgb{214, 238, 252})
	s.disc(s.r.within(80, 920), 100, 60, 60, rgb{255, 236, 150})
	s.clouds(1)
	sea := s.horizon - 170
	s.flat(sea, s.horizon, rgb{30, 120, 186}, rgb{72, 182, 214})
	for range 9 {
		x, y := s.r.within(0, 960), s.r.within(sea+20, s.horizon-20)
		s.box(x, y, x+s.r.within(40, 90), y+6, rgb{190, 230, 244})
	}
	s.flat(s.horizon, 1001, rgb{248, 226, 170}, rgb{224, 190, 128})
	s.box(0, s.horizon-6, 1000, s.horizon+6, rgb{250, 252, 252})
}

func (s *scene) street() {
	s.sky(rgb{176, 204, 228}, rgb{226, 232, 238})
	for x := -20; x < 1000; {
		wide, y := s.r.within(150, 230), s.r.within(90, 380)
		col := one(s.r, rgb{196, 140, 116}, rgb{148, 154, 172}, rgb{178, 166, 152}, rgb{122, 134, 156})
		s.box(x, y, x+wide-6, s.horizon, col)
		s.box(x, y, x+wide-6, y+16, col.darker(50))
		for wy := y + 44; wy < s.horizon-60; wy += 74 {
			for wx := x + 22; wx < x+wide-44; wx += 48 {
				s.box(wx, wy, wx+24, wy+38, one(s.r, rgb{250, 226, 150}, rgb{94, 116, 148}, rgb{94, 116, 148}))
			}
		}
		x += wide
	}
	s.flat(s.horizon, 1001, rgb{122, 122, 128}, rgb{92, 92, 100})
	s.box(0, s.horizon, 1000, s.horizon+26, rgb{190, 188, 184})
	for x := 20; x < 1000; x += 220 {
		s.box(x, 944, x+110, 958, rgb{240, 232, 200})
	}
}

// ridge is a line of mountains.
func (s *scene) ridge(from, to, foot int, col, snow rgb, capped bool) {
	for x := -100 + s.r.below(100); x < 1100; x += s.r.within(200, 300) {
		top, half := s.r.within(from, to), s.r.within(230, 320)
		s.shape(polygon(s.place(x-half, foot), s.place(x, top), s.place(x+half, foot)), col)
		s.shape(polygon(s.place(x, top), s.place(x+half, foot), s.place(x+half/5, foot)), col.darker(36))
		if capped {
			d := (foot - top) * 28 / 100
			w := half * 28 / 100
			s.shape(polygon(s.place(x, top), s.place(x+w, top+d), s.place(x+w/3, top+d*7/10), s.place(x, top+d), s.place(x-w/3, top+d*7/10), s.place(x-w, top+d)), snow)
		}
	}
}

func (s *scene) mountains() {
	s.sky(rgb{96, 162, 232}, rgb{200, 226, 248})
	s.clouds(2)
	s.ridge(200, 330, s.horizon, rgb{132, 134, 168}, rgb{248, 250, 255}, true)
	s.ridge(420, 520, s.horizon, rgb{96, 128, 128}, rgb{}, false)
	s.flat(s.horizon, 1001, rgb{146, 174, 96}, rgb{116, 146, 80})
}

func (s *scene) desert() {
	s.sky(rgb{240, 178, 110}, rgb{252, 226, 170})
	s.disc(s.r.within(100, 900), s.r.within(120, 220), 76, 76, rgb{255, 244, 204})
	s.ridge(470, 560, s.horizon+40, rgb{204, 130, 84}, rgb{}, false)
	s.flat(s.horizon, 1001, rgb{228, 168, 104}, rgb{204, 138, 82})
	for range 2 {
		x := one(s.r, s.r.within(50, 260), s.r.within(740, 950))
		y := s.horizon + s.r.within(0, 40)
		col := rgb{70, 130, 84}
		s.shape(line(s.size(44), s.place(x, y), s.place(x, y-220)), col)
		s.shape(line(s.size(30), s.place(x, y-70), s.place(x-64, y-80), s.place(x-64, y-160)), col)
		s.shape(line(s.size(30), s.place(x, y-100), s.place(x+64, y-110), s.place(x+64, y-180)), col)
	}
}

func (s *scene) snow() {
	s.sky(rgb{158, 190, 222}, rgb{226, 236, 246})
	for x := s.r.within(0, 90); x < 1000; x += s.r.within(130, 210) {
		y, col := s.horizon-s.r.within(260, 340), rgb{62, 110, 100}
		for i := range 3 {
			w, top := 50+i*26, y+i*80
			s.shape(polygon(s.place(x, top), s.place(x+w, top+120), s.place(x-w, top+120)), col)
			s.shape(polygon(s.place(x, top), s.place(x+w/2, top+52), s.place(x, top+40), s.place(x-w/2, top+52)), rgb{246, 250, 255})
		}
	}
	s.flat(s.horizon, 1001, rgb{248, 251, 255}, rgb{214, 226, 240})
	for range 40 {
		s.disc(s.r.within(0, 1000), s.r.within(0, 1000), 6, 6, rgb{255, 255, 255})
	}
}

func (s *scene) night() {
	s.sky(rgb{14, 16, 52}, rgb{58, 54, 110})
	for range 46 {
		r := s.r.within(2, 5)
		s.disc(s.r.within(0, 1000), s.r.within(0, s.horizon-80), r, r, one(s.r, rgb{255, 255, 255}, rgb{255, 240, 190}, rgb{190, 210, 255}))
	}
	x := one(s.r, s.r.within(80, 240), s.r.within(760, 920))
	s.disc(x, 120, 62, 62, rgb{250, 240, 190})
	s.disc(x+26, 104, 54, 54, rgb{20, 21, 58})
	s.flat(s.horizon, 1001, rgb{38, 38, 66}, rgb{22, 22, 44})
	s.ridge(s.horizon-110, s.horizon-60, s.horizon+2, rgb{30, 30, 60}, rgb{}, false)
}
