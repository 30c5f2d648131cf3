package journal

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"slices"
	"strings"
)

// chart is a drawing of curves over steps, as SVG whose colours are the page's.
type chart struct {
	Title  string
	linear bool // the scale stays linear however far the values are apart
	lines  []chartLine
}

// chartLine is one curve: as it is, in pale, with its moving mean over it, or as dots that
// are joined, for values that come now and then.
type chartLine struct {
	name  string
	class string // c0, c1, ... of the page's colours
	curve *curve
	mean  bool
	dots  bool
}

// The drawing's sides, and the margins of its axes, in its own units.
const (
	chartWidth, chartHeight = 640.0, 260.0
	left, right, top, foot  = 58.0, 22.0, 10.0, 26.0
	dot                     = 3.0 // a dot's radius
	// maxPoints bounds the points of a line; more are drawn as means.
	maxPoints = 600
)

// Legend names the lines.
func (c chart) Legend() []struct{ Class, Name, Last string } {
	var out []struct{ Class, Name, Last string }
	for _, l := range c.lines {
		if n := len(l.curve.values); n > 0 {
			last := l.curve.values[n-1]
			if l.mean {
				last = float32(l.smoothed()[n-1])
			}
			out = append(out, struct{ Class, Name, Last string }{l.class, l.name, fmt.Sprintf("%.4g", last)})
		}
	}
	return out
}

// smoothed is the mean of each value and those around it, 2 % of all to each side.
func (l chartLine) smoothed() []float64 {
	v := l.curve.values
	n := len(v)
	sums := make([]float64, n+1)
	for i, x := range v {
		sums[i+1] = sums[i] + float64(x)
	}
	reach := max(n/50, min(n/4, 5))
	out := make([]float64, n)
	for i := range v {
		from, to := max(i-reach, 0), min(i+reach+1, n)
		out[i] = (sums[to] - sums[from]) / float64(to-from)
	}
	return out
}

// plot is a chart's mapping from values to places.
type plot struct {
	x0, x1, y0, y1 float64
	log            bool
}

func (p plot) x(step float64) float64 {
	if p.x1 == p.x0 {
		return (left + chartWidth - right) / 2
	}
	return left + (step-p.x0)/(p.x1-p.x0)*(chartWidth-left-right)
}

func (p plot) y(v float64) float64 {
	at, from, to := v, p.y0, p.y1
	if p.log {
		at, from, to = math.Log(max(v, p.y0/1e3)), math.Log(from), math.Log(to)
	}
	return chartHeight - foot - (at-from)/(to-from)*(chartHeight-top-foot)
}

// scale finds the ranges. A few outliers do not flatten the rest; they are cut off. From
// a range of 1 to 30 on, the scale is logarithmic.
func (c chart) scale() (p plot, ok bool) {
	p.x0 = math.Inf(1)
	var all []float64
	low, high := math.Inf(1), math.Inf(-1)
	for _, l := range c.lines {
		if len(l.curve.steps) == 0 {
			continue
		}
		p.x0, p.x1 = min(p.x0, float64(l.curve.steps[0])), max(p.x1, float64(l.curve.steps[len(l.curve.steps)-1]))
		for _, v := range l.curve.values {
			all = append(all, float64(v))
		}
		firm := l.smoothed()
		if !l.mean {
			firm = all[len(all)-len(l.curve.values):]
		}
		low, high = min(low, slices.Min(firm)), max(high, slices.Max(firm))
	}
	if len(all) == 0 {
		return p, false
	}
	slices.Sort(all)
	low = min(low, all[len(all)/100])
	high = max(high, all[len(all)-1-len(all)/100])
	p.log = !c.linear && low > 0 && high/low > 30
	switch {
	case p.log:
		p.y0, p.y1 = low/1.1, high*1.1
	case low == high:
		d := math.Abs(low) * 0.1
		if d == 0 {
			d = 1
		}
		p.y0, p.y1 = low-d, high+d
	default:
		d := (high - low) * 0.06
		p.y0, p.y1 = low-d, high+d
		if low >= 0 && p.y0 < 0 {
			p.y0 = 0
		}
	}
	return p, true
}

// SVG is the drawing, or nothing where there are no values.
func (c chart) SVG() template.HTML {
	p, ok := c.scale()
	if !ok {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, chartWidth, chartHeight, html.EscapeString(c.Title))
	for _, v := range p.ticks() {
		y := p.y(v)
		fmt.Fprintf(&b, `<line class="grid" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/><text class="tick" x="%g" y="%.1f" text-anchor="end">%s</text>`,
			left, chartWidth-right, y, y, left-6, y+4, label(v))
	}
	for _, v := range round(p.x0, p.x1, 6) {
		if v != math.Trunc(v) {
			continue
		}
		fmt.Fprintf(&b, `<text class="tick" x="%.1f" y="%g" text-anchor="middle">%s</text>`, p.x(v), chartHeight-8, label(v))
	}
	// What is beyond the scale is cut off, but no dot at an edge.
	const x, y, w, h = left - dot, top - dot, chartWidth - left - right + 2*dot, chartHeight - top - foot + 2*dot
	fmt.Fprintf(&b, `<svg x="%g" y="%g" width="%g" height="%g" viewBox="%g %g %g %g">`, x, y, w, h, x, y, w, h)
	for _, l := range c.lines {
		if len(l.curve.values) > 0 {
			l.draw(&b, p)
		}
	}
	b.WriteString(`</svg></svg>`)
	return template.HTML(b.String())
}

func (l chartLine) draw(b *strings.Builder, p plot) {
	raw := make([]float64, len(l.curve.values))
	for i, v := range l.curve.values {
		raw[i] = float64(v)
	}
	if l.mean {
		l.path(b, p, raw, "raw")
		l.path(b, p, l.smoothed(), "line")
		return
	}
	l.path(b, p, raw, "line")
	if l.dots && len(raw) <= 100 {
		for i, v := range raw {
			fmt.Fprintf(b, `<circle class="%s" cx="%.1f" cy="%.1f" r="%g"><title>step %d: %.5g</title></circle>`,
				l.class, p.x(float64(l.curve.steps[i])), p.y(v), dot, l.curve.steps[i], v)
		}
	}
}

func (l chartLine) path(b *strings.Builder, p plot, values []float64, kind string) {
	each := (len(values) + maxPoints - 1) / maxPoints
	fmt.Fprintf(b, `<polyline class="%s %s" points="`, kind, l.class)
	for from := 0; from < len(values); from += each {
		to := min(from+each, len(values))
		x, y := 0.0, 0.0
		for i := from; i < to; i++ {
			x += float64(l.curve.steps[i])
			y += values[i]
		}
		fmt.Fprintf(b, "%.1f,%.1f ", p.x(x/float64(to-from)), p.y(y/float64(to-from)))
	}
	fmt.Fprintf(b, `"><title>%s</title></polyline>`, html.EscapeString(l.name))
}

// ticks of the values' axis.
func (p plot) ticks() []float64 {
	if !p.log {
		return round(p.y0, p.y1, 5)
	}
	var out []float64
	for e := math.Floor(math.Log10(p.y0)); e <= math.Ceil(math.Log10(p.y1)); e++ {
		if v := math.Pow(10, e); v >= p.y0 && v <= p.y1 {
			out = append(out, v)
		}
	}
	if len(out) < 2 {
		return round(p.y0, p.y1, 5)
	}
	return out
}

// round are at most about n round numbers within a range.
func round(from, to float64, n int) (out []float64) {
	if !(to > from) {
		return []float64{from}
	}
	step := math.Pow(10, math.Floor(math.Log10((to-from)/float64(n))))
	for _, f := range []float64{2, 5, 10} {
		if (to-from)/step > float64(n) {
			step = step * f / map[float64]float64{2: 1, 5: 2, 10: 5}[f]
		}
	}
	for i := math.Ceil(from / step); i*step <= to && len(out) < 4*n; i++ {
		out = append(out, i*step)
	}
	return out
}

// label is a short number.
func label(v float64) string {
	switch a := math.Abs(v); {
	case a < 1e-12:
		return "0"
	case a < 1e-3: // 1.05e-4
		mantissa, exponent, _ := strings.Cut(fmt.Sprintf("%.2e", v), "e-")
		return strings.TrimRight(strings.TrimRight(mantissa, "0"), ".") + "e-" + strings.TrimLeft(exponent, "0")
	case a >= 1e6:
		return fmt.Sprintf("%.4gM", v/1e6)
	case a >= 1e4:
		return fmt.Sprintf("%.4gk", v/1e3)
	}
	return fmt.Sprintf("%.4g", v)
}
