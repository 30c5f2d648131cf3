package diffusion

import (
	"encoding/binary"
	"math"
	"os"
	"testing"
)

func TestX(t *testing.T) {
	b, _ := os.ReadFile("/tmp/nz/r.bin")
	n := len(b) / 4
	d := make([]float32, n)
	NewNoise(5).Normal(d)
	bad := 0
	for i := range d {
		if math.Float32bits(d[i]) != binary.LittleEndian.Uint32(b[4*i:]) {
			bad++
			if bad < 5 {
				t.Error(i, d[i], math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])))
			}
		}
	}
	t.Log(n, bad)
}

func BenchmarkNormal(b *testing.B) {
	d := make([]float32, 1<<16)
	n := NewNoise(1)
	b.SetBytes(4 << 16)
	for b.Loop() {
		n.Normal(d)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(1<<16), "ns/value")
}
