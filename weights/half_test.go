package weights

import (
	"math"
	"testing"

	"cosmicman/tensor"
)

// TestRounding compares with torch's conversions, bit for bit.
func TestRounding(t *testing.T) {
	f, err := OpenFile("testdata/rounding.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	x, err := NewIndex("rounding", UNet, f)
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) []float32 {
		e, _ := x.Lookup(name)
		v := make([]float32, e.Length/int64(e.DType.Size()))
		if err := ReadFloat32(v, e); err != nil {
			t.Fatal(err)
		}
		return v
	}
	exact, f16, bf16 := read("f32"), read("f16"), read("bf16")
	if len(exact) < 500 {
		t.Fatalf("only %d values", len(exact))
	}
	for i, v := range exact {
		if v != v {
			t.Fatalf("value %d is NaN", i)
		}
		if got := float32From16(float16(v)); math.Float32bits(got) != math.Float32bits(f16[i]) {
			t.Errorf("float16(%g) = %g, torch has %g", v, got, f16[i])
		}
		if got := float32FromB16(bfloat16(v)); math.Float32bits(got) != math.Float32bits(bf16[i]) {
			t.Errorf("bfloat16(%g) = %g, torch has %g", v, got, bf16[i])
		}
	}
}

// TestHalfRoundTrip takes every 16-bit number to float32 and back.
func TestHalfRoundTrip(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		if f := float32From16(h); f == f && float16(f) != h {
			t.Fatalf("float16 %#04x is %g and returns as %#04x", h, f, float16(f))
		} else if (h&0x7c00 == 0x7c00 && h&0x3ff != 0) != (f != f) {
			t.Fatalf("float16 %#04x is %g", h, f)
		}
		if f := float32FromB16(h); f == f && bfloat16(f) != h {
			t.Fatalf("bfloat16 %#04x is %g and returns as %#04x", h, f, bfloat16(f))
		}
	}
	nan := float32(math.NaN())
	if f := float32From16(float16(nan)); f == f {
		t.Errorf("float16(NaN) = %g", f)
	}
	if f := float32FromB16(bfloat16(nan)); f == f {
		t.Errorf("bfloat16(NaN) = %g", f)
	}
}

func BenchmarkEncode(b *testing.B) {
	src, dst := make([]float32, chunk/4), make([]byte, chunk)
	for i := range src {
		src[i] = float32(i) / 1000
	}
	for _, t := range []tensor.DType{tensor.Float32, tensor.Float16, tensor.BFloat16} {
		b.Run(t.String(), func(b *testing.B) {
			b.SetBytes(chunk)
			for b.Loop() {
				encode(dst, src, t)
			}
		})
	}
}
