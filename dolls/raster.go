package dolls

import "math"

// unit is a design unit in the integers that points are made of: a grown figure is 2000
// units high. All geometry is in integers, so that it is the same on every machine; in
// floating point, some processors would fuse a product and a sum and round differently.
const unit = 16

// pt is a point in sixteenths of a design unit, y downwards.
type pt struct{ x, y int }

// at is a point in design units.
func at(x, y int) pt { return pt{x * unit, y * unit} }

func (p pt) add(q pt) pt { return pt{p.x + q.x, p.y + q.y} }

// between is the point at num/den of the way to q.
func (p pt) between(q pt, num, den int) pt {
	return pt{p.x + (q.x-p.x)*num/den, p.y + (q.y-p.y)*num/den}
}

func (p pt) distance(q pt) int {
	dx, dy := p.x-q.x, p.y-q.y
	return int(math.Sqrt(float64(dx*dx + dy*dy))) // exactly rounded everywhere
}

// path is closed polygons, whose union is filled.
type path [][]pt

// sines are 4096 times the sine of whole degrees from 0 to 90.
var sines = func() (t [91]int) {
	for i := range t {
		t[i] = int(math.Round(4096 * math.Sin(float64(i)*math.Pi/180)))
	}
	return t
}()

// sin is 4096 times the sine of an angle in degrees.
func sin(degrees int) int {
	d := degrees % 360
	if d < 0 {
		d += 360
	}
	switch {
	case d <= 90:
		return sines[d]
	case d <= 180:
		return sines[180-d]
	case d <= 270:
		return -sines[d-180]
	}
	return -sines[360-d]
}

func cos(degrees int) int { return sin(degrees + 90) }

// polar is the point at a distance and an angle from p, 0 to the right and 90 downwards.
func (p pt) polar(r, degrees int) pt {
	return pt{p.x + r*cos(degrees)/4096, p.y + r*sin(degrees)/4096}
}

// corner is a point of a smooth outline that is passed sharply.
func corner(p pt) []pt { return []pt{p, p} }

// smooth is the closed curve that points attract: quadratic B-splines. A point that is given
// twice is a corner.
func smooth(points ...pt) path {
	const steps = 6
	n := len(points)
	out := make([]pt, 0, n*steps)
	for i, p := range points {
		a, b := points[(i+n-1)%n].between(p, 1, 2), p.between(points[(i+1)%n], 1, 2)
		if a == p && b == p {
			continue
		}
		if a == p || b == p {
			out = append(out, a)
			continue
		}
		for s := range steps {
			t, u := s, steps-s
			out = append(out, pt{
				(u*u*a.x + 2*u*t*p.x + t*t*b.x) / (steps * steps),
				(u*u*a.y + 2*u*t*p.y + t*t*b.y) / (steps * steps),
			})
		}
	}
	return path{out}
}

// both is an outline that is its own mirror image at x = 0, of its right half from top to bottom.
func both(right ...pt) path {
	points := append([]pt{}, right...)
	for i := len(right) - 1; i >= 0; i-- {
		points = append(points, pt{-right[i].x, right[i].y})
	}
	return smooth(points...)
}

func polygon(points ...pt) path { return path{points} }

func box(a, b pt) path { return path{{a, {b.x, a.y}, b, {a.x, b.y}}} }

// ellipse has radii rx, ry in the units of points.
func ellipse(c pt, rx, ry int) path {
	const n = 36
	out := make([]pt, n)
	for i := range out {
		d := i * 360 / n
		out[i] = pt{c.x + rx*cos(d)/4096, c.y + ry*sin(d)/4096}
	}
	return path{out}
}

func disc(c pt, r int) path { return ellipse(c, r, r) }

// dot is a disc of few corners, for joints and ends of lines.
func dot(c pt, r int) []pt {
	const n = 12
	out := make([]pt, n)
	for i := range out {
		out[i] = c.polar(r, i*360/n)
	}
	return out
}

// tube is a limb through joints with a radius at each, round at joints; flat leaves the last end flat.
func tube(joints []pt, radii []int, flat bool) path {
	var out path
	for i, p := range joints {
		if i+1 == len(joints) && flat {
			break
		}
		out = append(out, ellipse(p, radii[i], radii[i])...)
	}
	for i := range len(joints) - 1 {
		out = append(out, taper(joints[i], joints[i+1], radii[i], radii[i+1])...)
	}
	return out
}

// taper is the quadrilateral around a line with half the width r at a and s at b.
func taper(a, b pt, r, s int) path {
	l := a.distance(b)
	if l == 0 {
		return nil
	}
	nx, ny := -(b.y - a.y), b.x-a.x
	return path{{
		{a.x + nx*r/l, a.y + ny*r/l}, {b.x + nx*s/l, b.y + ny*s/l},
		{b.x - nx*s/l, b.y - ny*s/l}, {a.x - nx*r/l, a.y - ny*r/l},
	}}
}

// line is a stroke of a width through points.
func line(width int, points ...pt) path {
	var out path
	for i, p := range points {
		out = append(out, dot(p, width/2))
		if i > 0 {
			out = append(out, taper(points[i-1], p, width/2, width/2)...)
		}
	}
	return out
}

// curve is a stroke along the quadratic curve from a to b that c attracts.
func curve(width int, a, c, b pt) path {
	const steps = 8
	points := make([]pt, steps+1)
	for t := range points {
		u := steps - t
		points[t] = pt{(u*u*a.x + 2*u*t*c.x + t*t*b.x) / (steps * steps), (u*u*a.y + 2*u*t*c.y + t*t*b.y) / (steps * steps)}
	}
	return line(width, points...)
}

// grown is a path with a border of a width around it.
func (p path) grown(width int) path {
	out := append(path{}, p...)
	for _, poly := range p {
		last := len(poly) - 1
		for i, q := range poly {
			out = append(out, taper(poly[last], q, width, width)...)
			// Where the outline hardly bends, quadrilaterals meet by themselves.
			if bends(poly[last], q, poly[(i+1)%len(poly)]) {
				out = append(out, dot(q, width))
			}
			last = i
		}
	}
	return out
}

// bends reports whether the way from a over b to c turns by more than 25 degrees or so.
func bends(a, b, c pt) bool {
	cross := (b.x-a.x)*(c.y-b.y) - (b.y-a.y)*(c.x-b.x)
	dot := (b.x-a.x)*(c.x-b.x) + (b.y-a.y)*(c.y-b.y)
	return dot <= 0 || 2*abs(cross) > dot
}

func abs(n int) int { return max(n, -n) }

// area is twice a polygon's signed area.
func area(poly []pt) (sum int) {
	last := len(poly) - 1
	for i := range poly {
		sum += poly[last].x*poly[i].y - poly[i].x*poly[last].y
		last = i
	}
	return sum
}

// raster turns polygons into how much of each pixel they cover.
type raster struct {
	w, h   int
	cells  []int32 // change of the covered area from pixel to pixel, a row w+2; 65536 is a whole pixel
	x0, x1 int     // columns and rows that may be touched
	y0, y1 int
}

func newRaster(w, h int) *raster { return &raster{w: w, h: h, cells: make([]int32, (w+2)*h)} }

func (r *raster) begin() { r.x0, r.x1, r.y0, r.y1 = r.w, 0, r.h, 0 }

// edge adds a polygon's edge, in 256ths of pixels.
func (r *raster) edge(a, b pt) {
	if a.y == b.y {
		return
	}
	sign := 1
	if a.y > b.y {
		a, b, sign = b, a, -1
	}
	top, bottom := max(a.y, 0), min(b.y, r.h<<8)
	if top >= bottom {
		return
	}
	r.y0, r.y1 = min(r.y0, top>>8), max(r.y1, (bottom+255)>>8)
	dx, dy := b.x-a.x, b.y-a.y
	x := a.x + dx*(top-a.y)/dy
	for y := top; y < bottom; {
		row := y >> 8
		next := min((row+1)<<8, bottom)
		to := a.x + dx*(next-a.y)/dy
		r.slice(row, clamp(x, r.w<<8), clamp(to, r.w<<8), sign*(next-y))
		x, y = to, next
	}
}

// slice adds the part of an edge that lies in one row.
func (r *raster) slice(row, x0, x1, d int) {
	if x0 > x1 {
		x0, x1 = x1, x0
	}
	r.x0, r.x1 = min(r.x0, x0>>8), max(r.x1, x1>>8+1)
	cells := r.cells[row*(r.w+2) : (row+1)*(r.w+2)]
	if x0>>8 == x1>>8 {
		i := x0 >> 8
		inside := d * ((x0+x1)/2 - i<<8)
		cells[i] += int32(d<<8 - inside)
		cells[i+1] += int32(inside)
		return
	}
	done, from := 0, x0
	for from < x1 {
		i := from >> 8
		to := min((i+1)<<8, x1)
		sum := d * (to - x0) / (x1 - x0)
		part := sum - done
		inside := part * ((from+to)/2 - i<<8)
		cells[i] += int32(part<<8 - inside)
		cells[i+1] += int32(inside)
		done, from = sum, to
	}
}

func clamp(x, limit int) int { return max(0, min(x, limit)) }

// sweep calls f for each pixel that is covered, with 1 to 256, and clears the raster.
func (r *raster) sweep(f func(x, y, cover int)) {
	for y := r.y0; y < r.y1; y++ {
		cells := r.cells[y*(r.w+2) : (y+1)*(r.w+2)]
		sum := int32(0)
		for x := r.x0; x < min(r.x1+1, r.w+2); x++ {
			sum += cells[x]
			cells[x] = 0
			if cover := int(min(max(sum, -sum), 1<<16)) >> 8; cover > 0 && x < r.w {
				f(x, y, cover)
			}
		}
	}
}
