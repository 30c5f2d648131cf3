package encode

import (
	"context"
	"math"
	"slices"
	"sync"

	"cosmicman/diffusion"
	"cosmicman/ort"
)

// base is the row count that defines a row's result, as in package inference: an image
// with guidance that is drawn alone has two texts.
const base = 2

// rows runs a network on rows so that a row's result does not depend on the others. How
// layers are cut into pieces, and so the last bits, may depend on the number of rows and
// on a row's place (see package ort): two rows are tried in both orders, and a larger
// count beside calls of two, before they are relied on.
type rows struct {
	most int // rows of a call

	mu     sync.Mutex
	pairs  *bool // two different rows may share a call; nil: not tried
	larger *bool // calls of most rows give the same bits
}

// call runs a network on some rows and returns each row's outputs, in the same order.
type call func(ctx context.Context, rows []int) ([]map[string][]float32, error)

// run returns the outputs of rows 0 to n-1. Only one call runs at a time.
func (r *rows) run(ctx context.Context, n int, do call) ([]map[string][]float32, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []map[string][]float32
	for len(out) < n {
		left := make([]int, min(n-len(out), max(r.most, base)))
		for i := range left {
			left[i] = len(out) + i
		}
		some, err := r.step(ctx, left, do)
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
	}
	return out, nil
}

// step runs some or all of the rows that are left.
func (r *rows) step(ctx context.Context, left []int, do call) ([]map[string][]float32, error) {
	if r.pairs == nil && len(left) >= base {
		return r.tryPairs(ctx, left[:base], do)
	}
	switch {
	case len(left) == 1 || r.pairs == nil || !*r.pairs:
		out, err := do(ctx, []int{left[0], left[0]})
		if err != nil {
			return nil, err
		}
		return out[:1], nil
	case len(left) > base && len(left) == r.most && r.larger == nil:
		return r.tryLarger(ctx, left, do)
	case len(left) > base && len(left) == r.most && *r.larger:
		return do(ctx, left)
	}
	return do(ctx, left[:base])
}

// tryPairs compares two rows in both orders and each beside itself.
func (r *rows) tryPairs(ctx context.Context, pair []int, do call) ([]map[string][]float32, error) {
	a, b := pair[0], pair[1]
	var all [][]map[string][]float32
	for _, rows := range [][]int{{a, a}, {b, b}, {a, b}, {b, a}} {
		out, err := do(ctx, rows)
		if err != nil {
			return nil, err
		}
		all = append(all, out)
	}
	ofA := []map[string][]float32{all[0][0], all[0][1], all[2][0], all[3][1]}
	ofB := []map[string][]float32{all[1][0], all[1][1], all[2][1], all[3][0]}
	r.note(&r.pairs, same(ofA) && same(ofB), ofA, ofB)
	return []map[string][]float32{ofA[0], ofB[0]}, nil
}

// tryLarger compares a call of all rows with calls of two.
func (r *rows) tryLarger(ctx context.Context, left []int, do call) ([]map[string][]float32, error) {
	var out []map[string][]float32
	for pair := range slices.Chunk(left, base) {
		padded := pair
		if len(pair) == 1 {
			padded = []int{pair[0], pair[0]}
		}
		some, err := do(ctx, padded)
		if err != nil {
			return nil, err
		}
		out = append(out, some[:len(pair)]...)
	}
	at, err := do(ctx, left)
	if err != nil {
		return nil, err
	}
	equal := true
	for i := range out {
		equal = equal && same([]map[string][]float32{out[i], at[i]})
	}
	r.note(&r.larger, equal, out)
	return out, nil
}

// note keeps what was found, unless there are values by which nothing is known: NaN has
// many spellings.
func (r *rows) note(what **bool, found bool, values ...[]map[string][]float32) {
	for _, all := range values {
		for _, row := range all {
			for _, v := range row {
				if diffusion.CheckFinite(v) != nil {
					return
				}
			}
		}
	}
	*what = &found
}

// same reports whether all are the first, bit for bit.
func same(all []map[string][]float32) bool {
	for _, other := range all[1:] {
		for name, v := range all[0] {
			if !slices.EqualFunc(v, other[name], func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) }) {
				return false
			}
		}
	}
	return true
}

// split makes rows of a network's outputs.
func split(out map[string]ort.Tensor, n int) []map[string][]float32 {
	rows := make([]map[string][]float32, n)
	for i := range rows {
		rows[i] = map[string][]float32{}
		for name, t := range out {
			data := t.Float32()
			width := len(data) / n
			rows[i][name] = data[i*width : (i+1)*width : (i+1)*width]
		}
	}
	return rows
}
