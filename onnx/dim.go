package onnx

import (
	"fmt"
	"slices"
	"strings"

	"cosmicman/tensor"
)

// Dim is the extent of one axis: a number times a product of atoms. An atom is
// a named symbol, a floor division or a sum. The zero Dim is the number 0.
// Equal expressions that were built alike are Equal; two different ways to
// write one number may not be.
type Dim struct {
	coef  int64
	atoms []*atom // sorted by key
}

type atom struct {
	key string
	// A symbol has neither terms nor den. A sum has terms. A floor division
	// floor((terms[0] + add) / den) has one term and den > 0.
	terms    []Dim
	add, den int64
}

// N is the constant extent n.
func N(n int64) Dim { return Dim{coef: n} }

// Sym is the extent that a name stands for.
func Sym(name string) Dim { return Dim{1, []*atom{{key: name}}} }

// Const returns the extent where it is a plain number.
func (d Dim) Const() (int64, bool) { return d.coef, len(d.atoms) == 0 }

// Equal reports whether both are the same expression.
func (d Dim) Equal(o Dim) bool {
	return d.coef == o.coef && slices.EqualFunc(d.atoms, o.atoms, func(a, b *atom) bool { return a.key == b.key })
}

// Mul returns d * o.
func (d Dim) Mul(o Dim) Dim {
	r := Dim{coef: d.coef * o.coef}
	if r.coef == 0 {
		return r
	}
	r.atoms = append(slices.Clone(d.atoms), o.atoms...)
	slices.SortStableFunc(r.atoms, func(a, b *atom) int { return strings.Compare(a.key, b.key) })
	return r
}

// Div returns d / o where o divides d as expressions do: the numbers evenly,
// and every atom of o occurs in d.
func (d Dim) Div(o Dim) (Dim, bool) {
	if o.coef == 0 || d.coef%o.coef != 0 {
		return Dim{}, false
	}
	r := Dim{coef: d.coef / o.coef, atoms: slices.Clone(d.atoms)}
	for _, a := range o.atoms {
		i := slices.IndexFunc(r.atoms, func(b *atom) bool { return a.key == b.key })
		if i < 0 {
			return Dim{}, false
		}
		r.atoms = slices.Delete(r.atoms, i, i+1)
	}
	return r, true
}

// Add returns d + o. Sums are flat, with the terms of the same atoms as one.
func (d Dim) Add(o Dim) Dim {
	var terms []Dim
	for _, t := range append(d.summands(), o.summands()...) {
		same := func(u Dim) bool {
			return slices.EqualFunc(t.atoms, u.atoms, func(a, b *atom) bool { return a.key == b.key })
		}
		if i := slices.IndexFunc(terms, same); i >= 0 {
			terms[i].coef += t.coef
		} else {
			terms = append(terms, t)
		}
	}
	return sum(slices.DeleteFunc(terms, func(t Dim) bool { return t.coef == 0 }))
}

// Sub returns d - o.
func (d Dim) Sub(o Dim) Dim { return d.Add(o.Mul(N(-1))) }

// summands returns d as terms of which none is a sum.
func (d Dim) summands() []Dim {
	if d.coef == 0 {
		return nil
	}
	if len(d.atoms) != 1 || len(d.atoms[0].terms) == 0 || d.atoms[0].den > 0 {
		return []Dim{d}
	}
	terms := slices.Clone(d.atoms[0].terms)
	for i := range terms {
		terms[i].coef *= d.coef
	}
	return terms
}

// sum joins terms that share no atoms and are not 0.
func sum(terms []Dim) Dim {
	switch len(terms) {
	case 0:
		return Dim{}
	case 1:
		return terms[0]
	}
	slices.SortStableFunc(terms, func(a, b Dim) int { return strings.Compare(b.String(), a.String()) })
	keys := make([]string, len(terms))
	for i, t := range terms {
		keys[i] = t.String()
	}
	return Dim{1, []*atom{{key: "(" + strings.Join(keys, " + ") + ")", terms: terms}}}
}

// FloorDiv returns floor((d + add) / den) for den > 0.
func (d Dim) FloorDiv(add, den int64) Dim {
	var terms, quotients []Dim
	for _, t := range d.summands() {
		if n, ok := t.Const(); ok {
			add += n
			continue
		}
		terms = append(terms, t)
		if t.coef%den == 0 {
			quotients = append(quotients, Dim{coef: t.coef / den, atoms: t.atoms})
		}
	}
	if len(quotients) == len(terms) {
		return sum(quotients).Add(N(floorDiv(add, den)))
	}
	d = sum(terms)
	key := fmt.Sprintf("((%s + %d) / %d)", d, add, den)
	if add == 0 {
		key = fmt.Sprintf("(%s / %d)", d, den)
	}
	return Dim{1, []*atom{{key: key, terms: []Dim{d}, add: add, den: den}}}
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// Eval returns the number that d stands for with the given symbols.
func (d Dim) Eval(symbols map[string]int64) (int64, error) {
	n := d.coef
	for _, a := range d.atoms {
		v, err := a.eval(symbols)
		if err != nil {
			return 0, err
		}
		n *= v
	}
	return n, nil
}

func (a *atom) eval(symbols map[string]int64) (int64, error) {
	if len(a.terms) == 0 {
		v, ok := symbols[a.key]
		if !ok {
			return 0, fmt.Errorf("onnx: no value for dimension %q", a.key)
		}
		return v, nil
	}
	var sum int64
	for _, t := range a.terms {
		v, err := t.Eval(symbols)
		if err != nil {
			return 0, err
		}
		sum += v
	}
	if a.den > 0 {
		return floorDiv(sum+a.add, a.den), nil
	}
	return sum, nil
}

// String prints the expression, such as 320 or 4*rows or ((height + 1) / 2).
func (d Dim) String() string {
	if len(d.atoms) == 0 || d.coef == 0 {
		return fmt.Sprint(d.coef)
	}
	parts := make([]string, 0, len(d.atoms)+1)
	if d.coef != 1 {
		parts = append(parts, fmt.Sprint(d.coef))
	}
	for _, a := range d.atoms {
		parts = append(parts, a.key)
	}
	return strings.Join(parts, "*")
}

// Shape is the symbolic extent along each axis.
type Shape []Dim

// Equal reports whether both shapes are the same expressions.
func (s Shape) Equal(o Shape) bool { return slices.EqualFunc(s, o, Dim.Equal) }

// Const returns the shape as numbers; ok is false where a dimension is none yet.
func (s Shape) Const() (shape tensor.Shape, ok bool) {
	shape = make(tensor.Shape, len(s))
	for i, d := range s {
		if shape[i], ok = d.Const(); !ok {
			return nil, false
		}
	}
	return shape, true
}

// Elements returns the product of all dimensions.
func (s Shape) Elements() Dim {
	n := N(1)
	for _, d := range s {
		n = n.Mul(d)
	}
	return n
}

// String prints the shape as [rows, 4, height, width].
func (s Shape) String() string {
	parts := make([]string, len(s))
	for i, d := range s {
		parts[i] = d.String()
	}
	return "[" + strings.Join(parts, ", ") + "]"
}
