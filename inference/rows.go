package inference

import (
	"context"
	"math"
	"slices"

	"cosmicman/diffusion"
	"cosmicman/ort"
)

// base is the row count that defines a row's result: an image that is drawn alone
// runs its two rows, or its only row twice.
const base = 2

// buckets are the row counts that the device is given; other counts are padded.
// On a CPU cost is linear in rows and so padding costs its share: there are
// many, and at most a quarter is added. Each costs one comparison a shape.
var buckets = []int{1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64}

// bucket is the count that n rows are padded to.
func bucket(n int) int {
	if i, _ := slices.BinarySearch(buckets, n); i < len(buckets) {
		return buckets[i]
	}
	return (n + 15) / 16 * 16
}

// rowInputs makes a network's inputs of chosen rows in their order; a row may
// occur more than once.
type rowInputs func(rows []int) map[string]ort.Tensor

// rowOutputs are a network's outputs by name, row by row.
type rowOutputs map[string][][]float32

// runRows runs the network over pieces of one or two rows each, which are numbered
// through, so that every row's result has the bits that it has when its piece is
// run alone, whatever the other pieces are.
//
// Whether a row's bits depend on the row count is decided by which kernels the
// device takes for a shape, not by the numbers. So a count's first call at a shape is
// made twice, at once and in calls of base rows, and compared bit for bit; the
// results are those of the base. A count that differs is not used again:
// its pieces are run in halves. Before all, the base count is compared with
// itself, the rows the other way round; where that differs, pieces are run alone.
// An image with guidance that is drawn alone needs, and pays, none of this.
func (n *network) runRows(ctx context.Context, shape string, pieces []int, in rowInputs) (rowOutputs, error) {
	if _, err := n.load(); err != nil { // what was proven belongs to the session's graph
		return nil, err
	}
	return n.pack(ctx, shape, pieces, 0, in)
}

// pack is runRows of the pieces whose first row is first.
func (n *network) pack(ctx context.Context, shape string, pieces []int, first int, in rowInputs) (rowOutputs, error) {
	rows := numbered(first, pieces)
	if len(pieces) == 1 && len(rows) == base {
		return n.call(ctx, rows, base, in)
	}
	var sure rowOutputs // results of the first rows, where comparing the base has given them
	if _, known := n.usable(shape, base); !known {
		var err error
		if sure, err = n.proveBase(ctx, shape, rows, in); err != nil {
			return nil, err
		}
	}
	if ok, _ := n.usable(shape, base); ok {
		count := bucket(len(rows))
		switch ok, known := n.usable(shape, count); {
		case !known:
			return n.prove(ctx, shape, count, rows, sure, in)
		case count == base && sure != nil:
			return sure, nil
		case ok:
			return n.call(ctx, rows, count, in)
		}
	}
	if len(pieces) == 1 {
		return n.call(ctx, rows, base, in)
	}
	half := len(pieces) / 2
	left, err := n.pack(ctx, shape, pieces[:half], first, in)
	if err != nil {
		return nil, err
	}
	right, err := n.pack(ctx, shape, pieces[half:], first+len(numbered(0, pieces[:half])), in)
	if err != nil {
		return nil, err
	}
	return left.and(right), nil
}

func numbered(first int, pieces []int) []int {
	var rows []int
	for _, p := range pieces {
		for range p {
			rows = append(rows, first+len(rows))
		}
	}
	return rows
}

// proveBase compares two rows with the same in the other order, or the only row
// with itself, and returns the results of those it has run.
func (n *network) proveBase(ctx context.Context, shape string, rows []int, in rowInputs) (rowOutputs, error) {
	pair := pad(rows[:min(len(rows), base)], base)
	first, err := n.call(ctx, pair, base, in)
	if err != nil {
		return nil, err
	}
	second := first
	slices.Reverse(pair)
	if pair[0] != pair[1] {
		if second, err = n.call(ctx, pair, base, in); err != nil {
			return nil, err
		}
	}
	other := rowOutputs{}
	for name, o := range second {
		other[name] = [][]float32{o[1], o[0]}
	}
	n.record(shape, base, first, other)
	if len(rows) < base {
		for name := range first {
			first[name] = first[name][:1]
		}
	}
	return first, nil
}

// prove compares a call of all rows with calls of base rows, and returns what these
// gave. Where sure is not nil it holds the results of the first ones.
func (n *network) prove(ctx context.Context, shape string, count int, rows []int, sure rowOutputs, in rowInputs) (rowOutputs, error) {
	rest := rows
	if sure != nil {
		rest = rows[min(len(rows), base):]
	}
	for pair := range slices.Chunk(rest, base) {
		out, err := n.call(ctx, pair, base, in)
		if err != nil {
			return nil, err
		}
		sure = sure.and(out)
	}
	padded := pad(rows, count)
	packed, err := n.call(ctx, padded, count, in)
	if err != nil {
		return nil, err
	}
	// The padding is compared too: other calls will have rows of their own there.
	want := rowOutputs{}
	for name, o := range sure {
		want[name] = slices.Clone(o)
		for len(want[name]) < count {
			want[name] = append(want[name], o[len(rows)-1])
		}
	}
	n.record(shape, count, want, packed)
	return sure, nil
}

// record keeps whether two results are the same. NaN has many spellings, so
// results that hold one prove nothing.
func (n *network) record(shape string, count int, a, b rowOutputs) {
	same := true
	for name := range a {
		for i := range a[name] {
			if diffusion.CheckFinite(a[name][i]) != nil {
				return
			}
			same = same && sameBits(a[name][i], b[name][i])
		}
	}
	n.settings.Proofs.set(n.proofKey(), shape, count, same)
}

func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

// usable reports whether a count gives the base's bits, and whether that is known.
func (n *network) usable(shape string, count int) (ok, known bool) {
	return n.settings.Proofs.get(n.proofKey(), shape, count)
}

// call runs rows once, padded to a count, and returns the results of the rows
// alone, or of padding as well where rows hold it already.
func (n *network) call(ctx context.Context, rows []int, count int, in rowInputs) (rowOutputs, error) {
	out, err := n.run(ctx, in(pad(rows, count)))
	if err != nil {
		return nil, err
	}
	results := rowOutputs{}
	for name, t := range out {
		data := t.Float32()
		width := len(data) / count
		for i := range rows {
			results[name] = append(results[name], data[i*width:(i+1)*width:(i+1)*width])
		}
	}
	return results, nil
}

// pad repeats the last row.
func pad(rows []int, count int) []int {
	padded := slices.Clone(rows)
	for len(padded) < count {
		padded = append(padded, rows[len(rows)-1])
	}
	return padded
}

// and joins the results of rows that follow on each other.
func (o rowOutputs) and(more rowOutputs) rowOutputs {
	if o == nil {
		return more
	}
	for name := range o {
		o[name] = append(o[name], more[name]...)
	}
	return o
}

// given is how many rows the device is given for n rows of packed pieces, as far
// as is known.
func (n *network) given(shape string, rows int) int {
	if rows == base {
		return base
	}
	count := bucket(rows)
	sound, tested := n.usable(shape, base)
	if ok, known := n.usable(shape, count); (sound || !tested) && (ok || !known) {
		return count
	}
	if rows <= base {
		return base
	}
	return n.given(shape, rows/2) + n.given(shape, rows-rows/2)
}
