package diffusion

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"math"
	"os"
	"testing"
)

var noiseFile = flag.String("noise", "testdata/noise.json", "reference noise made by oracle/noise.py")

func TestNoise(t *testing.T) {
	text, err := os.ReadFile(*noiseFile)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Cases []struct {
			Seed   uint64
			Sizes  []int
			SHA256 string
			Last   []uint32
		}
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) == 0 {
		t.Fatal("no cases")
	}
	for _, c := range file.Cases {
		noise, digest := NewNoise(c.Seed), sha256.New()
		var last []float32
		for _, size := range c.Sizes {
			last = make([]float32, size)
			noise.Normal(last)
			if err := binary.Write(digest, binary.LittleEndian, last); err != nil {
				t.Fatal(err)
			}
		}
		last = last[len(last)-len(c.Last):]
		for i, want := range c.Last {
			if got := math.Float32bits(last[i]); got != want {
				t.Errorf("seed %d, sizes %v: value %d from the end is %v, want %v", c.Seed, c.Sizes, len(last)-i, last[i], math.Float32frombits(want))
			}
		}
		if got := hex.EncodeToString(digest.Sum(nil)); got != c.SHA256 {
			t.Errorf("seed %d, sizes %v: the values' hash is %s, want %s", c.Seed, c.Sizes, got, c.SHA256)
		}
	}
}

// TestNoiseCopy: a copied generator continues on its own.
func TestNoiseCopy(t *testing.T) {
	a := NewNoise(3)
	a.Normal(make([]float32, 5))
	b := *a
	x, y := make([]float32, 21), make([]float32, 21)
	a.Normal(x[:4])
	a.Normal(x[4:])
	b.Normal(y[:4])
	b.Normal(y[4:])
	for i := range x {
		if x[i] != y[i] {
			t.Fatalf("value %d: %v and %v", i, x[i], y[i])
		}
	}
}

// TestSumTie: sums that float64 rounds to the middle of two float32 values,
// against the exact sum.
func TestSumTie(t *testing.T) {
	const middle = 1 + 0x1p-24
	for _, c := range []struct {
		p, c float64
		want float32
	}{
		{middle, 0, 1},
		{middle, 0x1p-80, 1 + 0x1p-23},
		{0x1p-80, middle, 1 + 0x1p-23},
		{middle, -0x1p-80, 1},
		{-middle, -0x1p-80, -1 - 0x1p-23},
		{-middle, 0x1p-80, -1},
		{1 + 3*0x1p-24, -0x1p-80, 1 + 0x1p-23},
		{1 + 3*0x1p-24, 0, 1 + 0x1p-22},
	} {
		if got := sum(c.p, c.c); got != c.want {
			t.Errorf("sum(%b, %b) = %b, want %b", c.p, c.c, got, c.want)
		}
	}
}

func BenchmarkNormal(b *testing.B) {
	values := make([]float32, 4*128*128)
	noise := NewNoise(1)
	for b.Loop() {
		noise.Normal(values)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(values)), "ns/value")
}
