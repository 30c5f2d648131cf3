package pack

import (
	"math"

	"cosmicman/job"
)

// Limit returns the most rows that a UNet call of the group should have now.
func (b *Book) Limit(g job.Group) int {
	if page := b.groups[g]; page != nil {
		return b.limit(page)
	}
	return b.limit(&Group{Group: g})
}

func (b *Book) limit(g *Group) int {
	if g.limit > 0 {
		return g.limit
	}
	limit := b.workOut(g)
	if len(g.curve.cells) > 0 { // otherwise it hangs on what others learn
		g.limit = limit
	}
	return limit
}

func (b *Book) workOut(g *Group) int {
	most := min(b.params.MaxRows, b.memory(g))
	if len(g.curve.cells) > 0 {
		return g.curve.knee(min(most, max(b.params.FirstRows, 2*g.tried)), b.params.Efficiency, b.params.StepSeconds)
	}
	near := b.nearest(g.Group)
	if near == nil {
		return min(most, b.params.FirstRows)
	}
	guess := curve{fit: near.curve.fit}
	guess.fit.PerRow *= scale(g.Group, near)
	tried := int(float64(near.tried) / scale(g.Group, near))
	return guess.knee(min(most, max(1, tried)), b.params.Efficiency, b.params.StepSeconds)
}

// memory returns the most rows that memory allows as far as is known: a size that
// never ran out takes the limits of smaller ones of its model by pixels.
func (b *Book) memory(g *Group) int {
	if g.cap > 0 {
		return g.cap
	}
	most := math.MaxInt
	for _, other := range b.groups {
		if other.cap > 0 && other.Model == g.Model && other.pixels() <= g.pixels() {
			most = min(most, max(1, int(float64(other.cap)/scale(g.Group, other)), g.tried))
		}
	}
	return most
}

// nearest returns the measured group of the same model whose size is nearest.
func (b *Book) nearest(g job.Group) *Group {
	var best *Group
	distance := func(o *Group) float64 {
		d := math.Abs(math.Log(scale(g, o)))
		if o.Variant != g.Variant {
			d += 1
		}
		return d + math.Abs(float64(o.Tokens-g.Tokens))/1e4
	}
	for _, o := range b.groups {
		if o.Model != g.Model || len(o.curve.cells) == 0 || o.Group == g {
			continue
		}
		if best == nil || distance(o) < distance(best) || distance(o) == distance(best) && before(o.Group, best.Group) {
			best = o
		}
	}
	return best
}

// before is an order that makes choices among equals repeatable.
func before(a, b job.Group) bool {
	if a.Height != b.Height {
		return a.Height < b.Height
	}
	if a.Width != b.Width {
		return a.Width < b.Width
	}
	if a.Tokens != b.Tokens {
		return a.Tokens < b.Tokens
	}
	return a.Variant < b.Variant
}

// scale returns how many times the pixels of another group a group has; 1 where
// its size is not known.
func scale(g job.Group, of *Group) float64 {
	pixels := float64(g.Height) * float64(g.Width)
	if pixels <= 0 || of.pixels() <= 0 {
		return 1
	}
	return pixels / of.pixels()
}
