package journal

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func curveFrom(f func(i int) float64, n int) *curve {
	c := &curve{}
	for i := range n {
		c.steps, c.values = append(c.steps, int32(i+1)), append(c.values, float32(f(i)))
	}
	return c
}

// points are the polylines of a drawing, which has to be well-formed.
func points(t *testing.T, svg string) (all [][][2]float64) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%v in %s", err, svg)
		}
		s, is := token.(xml.StartElement)
		if !is || s.Name.Local != "polyline" {
			continue
		}
		var line [][2]float64
		for _, a := range s.Attr {
			if a.Name.Local != "points" {
				continue
			}
			for _, p := range strings.Fields(a.Value) {
				x, y, _ := strings.Cut(p, ",")
				fx, err1 := strconv.ParseFloat(x, 64)
				fy, err2 := strconv.ParseFloat(y, 64)
				if err := errors.Join(err1, err2); err != nil {
					t.Fatal(err)
				}
				line = append(line, [2]float64{fx, fy})
			}
		}
		all = append(all, line)
	}
}

func TestChart(t *testing.T) {
	for name, c := range map[string]struct {
		f      func(i int) float64
		n      int
		log    bool
		points int
	}{
		"a line":      {func(i int) float64 { return 1 + float64(i)/1000 }, 500, false, 500},
		"many points": {func(i int) float64 { return math.Sin(float64(i)) }, 100_000, false, 599},
		"constant":    {func(int) float64 { return 3 }, 10, false, 10},
		"zero":        {func(int) float64 { return 0 }, 10, false, 10},
		"one point":   {func(int) float64 { return 3 }, 1, false, 1},
		"wide":        {func(i int) float64 { return math.Exp(-float64(i) / 50) }, 500, true, 500},
		"tiny":        {func(i int) float64 { return 1e-30 * float64(i+1) }, 20, false, 20},
		"huge":        {func(i int) float64 { return 1e30 * float64(i+1) }, 20, false, 20},
		"an outlier": {func(i int) float64 {
			if i == 250 {
				return 1e9
			}
			return 1 + float64(i)/1000
		}, 500, false, 500},
	} {
		t.Run(name, func(t *testing.T) {
			// Means are left aside here: one outlier lifts those around it.
			drawn := chart{Title: "<&>", lines: []chartLine{{name: "a & b", class: "c0", curve: curveFrom(c.f, c.n)}}}
			p, ok := drawn.scale()
			if name == "an outlier" {
				drawn.lines[0].mean = true
			} else if !ok || p.log != c.log {
				t.Fatalf("%+v, %t", p, ok)
			}
			all := points(t, string(drawn.SVG()))
			if len(all[0]) != c.points {
				t.Errorf("%d points, want %d", len(all[0]), c.points)
			}
			if name != "an outlier" {
				for i, at := range all[0] {
					if at[0] < left-0.1 || at[0] > chartWidth-right+0.1 || at[1] < top-0.1 || at[1] > chartHeight-foot+0.1 {
						t.Errorf("point %d at %v", i, at)
					}
				}
			}
			if n := len(p.ticks()); n < 1 || n > 12 {
				t.Errorf("%d ticks", n)
			}
		})
	}
	if svg := (chart{lines: []chartLine{{curve: &curve{}}}}).SVG(); svg != "" {
		t.Errorf("nothing is drawn as %s", svg)
	}
}

func TestSmoothedCurve(t *testing.T) {
	l := chartLine{curve: curveFrom(func(i int) float64 { return float64(2*i + i%2) }, 1001)}
	s := l.smoothed()
	for i := 20; i < 980; i++ {
		if math.Abs(s[i]-(2*float64(i)+0.5)) > 0.5 {
			t.Fatalf("at %d: %g", i, s[i])
		}
	}
	if l = (chartLine{curve: curveFrom(func(int) float64 { return 4 }, 3)}); !slices.Equal(l.smoothed(), []float64{4, 4, 4}) {
		t.Errorf("%v", l.smoothed())
	}
}

func TestRoundNumbers(t *testing.T) {
	for _, c := range []struct {
		from, to float64
		n        int
		want     []float64
	}{
		{0, 1000, 5, []float64{0, 200, 400, 600, 800, 1000}},
		{0.07, 0.41, 5, []float64{0.1, 0.2, 0.3, 0.4}},
		{1, 3, 6, []float64{1, 1.5, 2, 2.5, 3}},
		{5, 5, 6, []float64{5}},
		{-3, 12, 5, []float64{0, 5, 10}},
	} {
		got := round(c.from, c.to, c.n)
		if !slices.EqualFunc(got, c.want, func(a, b float64) bool { return math.Abs(a-b) < 1e-9 }) {
			t.Errorf("%g to %g: %v, want %v", c.from, c.to, got, c.want)
		}
	}
	for v, want := range map[float64]string{0: "0", 0.05: "0.05", 1200: "1200", 50_000: "50k", 2_500_000: "2.5M", 1e-4: "1e-4", 1.05e-4: "1.05e-4", -2e-10: "-2e-10"} {
		if got := label(v); got != want {
			t.Errorf("%g: %q, want %q", v, got, want)
		}
	}
}
