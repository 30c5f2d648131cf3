package onnx

import "testing"

func TestDimAlgebra(t *testing.T) {
	h, w := Sym("height"), Sym("width")
	half := h.FloorDiv(1, 2)
	for _, c := range []struct {
		d    Dim
		want string
		eval int64
	}{
		{N(7), "7", 7},
		{half, "((height + 1) / 2)", 5},
		{h.Mul(w).Mul(N(2)), "2*height*width", 126},
		{h.Add(h), "2*height", 18},
		{h.Add(N(3)), "(height + 3)", 12},
		{h.Mul(N(8)).FloorDiv(0, 2), "4*height", 36},
		{half.FloorDiv(1, 2), "((((height + 1) / 2) + 1) / 2)", 3},
		{N(-3).FloorDiv(0, 2), "-2", -2},
		{h.Add(h.Mul(N(-1))), "0", 0},
		{h.Add(N(2)).Add(N(-2)), "height", 9},
		{h.Add(N(2)).Sub(N(5)), "(height + -3)", 6},
		{h.Add(w).Add(N(1)).Add(h), "(width + 2*height + 1)", 26},
		{h.Add(w).Sub(h), "width", 7},
		{h.Add(N(1)).Mul(N(2)).Sub(N(2)), "2*height", 18},
		{h.Mul(N(2)).Add(N(3)).FloorDiv(0, 2), "(height + 1)", 10},
		{h.Add(N(2)).FloorDiv(-1, 2), "((height + 1) / 2)", 5},
		{h.Add(w.Mul(N(2))).FloorDiv(1, 2), "(((height + 2*width) + 1) / 2)", 12},
		{N(0).Sub(h), "-1*height", -9},
	} {
		if c.d.String() != c.want {
			t.Errorf("printed %s, want %s", c.d, c.want)
		}
		if got, err := c.d.Eval(map[string]int64{"height": 9, "width": 7}); err != nil || got != c.eval {
			t.Errorf("%s = %d, %v; want %d", c.d, got, err, c.eval)
		}
	}
	if q, ok := h.Mul(w).Mul(N(6)).Div(w.Mul(N(3))); !ok || !q.Equal(h.Mul(N(2))) {
		t.Errorf("6hw / 3w = %v, %t", q, ok)
	}
	if n, ok := h.Add(h.Mul(N(-1))).Const(); !ok || n != 0 {
		t.Error("height - height is no plain 0")
	}
	if _, ok := h.Div(w); ok {
		t.Error("height / width came out even")
	}
	if _, err := h.Eval(nil); err == nil {
		t.Error("a symbol without a value must be an error")
	}
}
