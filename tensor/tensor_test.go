package tensor

import (
	"math"
	"testing"
)

func TestElements(t *testing.T) {
	for _, c := range []struct {
		shape Shape
		want  int64
		ok    bool
	}{
		{nil, 1, true},
		{Shape{2, 3, 4}, 24, true},
		{Shape{0, math.MaxInt64}, 0, true},
		{Shape{math.MaxInt64, 2}, 0, false},
		{Shape{1 << 32, 1 << 31}, 0, false},
		{Shape{2, -1}, 0, false},
	} {
		got, err := c.shape.Elements()
		if got != c.want || (err == nil) != c.ok {
			t.Errorf("%v.Elements() = %d, %v; want %d, ok %t", c.shape, got, err, c.want, c.ok)
		}
	}
}

func TestDTypes(t *testing.T) {
	for d := Float32; d <= Bool; d++ {
		if d.Size() == 0 || d.String() == "" || d.String() == "invalid" {
			t.Errorf("dtype %d has no name or size", d)
		}
	}
	if DType(200).Size() != 0 || DType(200).String() != "dtype(200)" {
		t.Error("an unknown dtype must say so")
	}
}
