package dolls

// fabric is the pattern of a garment as a function of a place; nil for one colour. In
// pixel art places are pixels, and else sixteenths of design units.
func (c *canvas) fabric(g *Garment) func(x, y int) rgb {
	base, other := g.cloth(), contrast(g.Color)
	size := 100 * unit // of the pattern's repeat
	if c.crisp {
		// Four pixels at the least, ten where the figure is large.
		size = clamp(max(4, c.scale*size>>24), 10) &^ 1
	}
	var print func(x, y int) rgb
	switch g.Pattern {
	case "striped":
		print = func(_, y int) rgb {
			if mod(y, size)*8 >= size*5 || c.crisp && mod(y, size) >= size/2+size/4 {
				return other
			}
			return base
		}
		if c.crisp {
			wide := max(3, size*3/4)
			print = func(_, y int) rgb {
				if mod(y, wide) >= wide-max(1, wide/3) {
					return other
				}
				return base
			}
		}
	case "plaid":
		mixed := base.toward(other, 110)
		if g.Color == "white" || g.Color == "black" || g.Color == "beige" || g.Color == "yellow" {
			other = contrast(g.Color)
		} else {
			mixed, other = base.darker(78), other.toward(base, 60)
		}
		print = func(x, y int) rgb {
			mx, my := mod(x, size), mod(y, size)
			across, down := mx*4 < size, my*4 < size
			switch {
			case across && down:
				return other
			case across || down:
				return mixed
			}
			return base
		}
	case "polka dot":
		print = func(x, y int) rgb {
			row := floor(y, size/2)
			dx, dy := mod(x+row%2*size/2, size)-size/2, mod(y, size/2)-size/4
			if c.crisp && clamp(dx, size/8) == dx && clamp(dy, size/8) == dy || !c.crisp && 25*(dx*dx+dy*dy) < size*size/2 {
				return other
			}
			return base
		}
	case "floral":
		print = c.flowers(base, size*5/4, g.Color)
	}
	if g.Material == "knitted" && !c.crisp {
		plain := print
		print = func(x, y int) rgb {
			col := base
			if plain != nil {
				col = plain(x, y)
			}
			if mod(x, 26*unit) < 7*unit {
				return col.darker(34)
			}
			return col
		}
	}
	return print
}

// flowers are five petals around a heart, in rows, of two colours.
func (c *canvas) flowers(base rgb, size int, name string) func(x, y int) rgb {
	petals := [2]rgb{{255, 246, 248}, {255, 190, 210}}
	heart := rgb{250, 196, 60}
	switch name {
	case "white", "beige", "pink", "yellow":
		petals = [2]rgb{{216, 60, 96}, {96, 120, 210}}
	}
	if c.crisp {
		size = clamp(max(5, size), 8)
		return func(x, y int) rgb {
			row := floor(y, size)
			dx, dy := mod(x+row%2*(size/2), size)-size/2, mod(y, size)-size/2
			arm := max(1, size/6)
			switch {
			case abs(dx) < arm && abs(dy) < arm:
				return heart
			case abs(dx)+abs(dy) <= arm:
				return petals[row&1]
			}
			return base
		}
	}
	return func(x, y int) rgb {
		row := floor(y, size)
		dx, dy := mod(x+row%2*(size/2), size)-size/2, mod(y, size)-size/2
		r := size / 9
		if dx*dx+dy*dy < r*r {
			return heart
		}
		for i := range 5 {
			px, py := dx-size*cos(i*72-90)/4096/6, dy-size*sin(i*72-90)/4096/6
			if px*px+py*py < r*r*5/4 {
				return petals[(row+floor(x+row%2*(size/2), size))&1]
			}
		}
		return base
	}
}

// mod and floor divide with a remainder of 0 to n-1.
func mod(a, n int) int {
	if m := a % n; m < 0 {
		return m + n
	} else {
		return m
	}
}

func floor(a, n int) int { return (a - mod(a, n)) / n }
