package picture

import (
	"bytes"
	"image/png"
	"testing"
)

// BenchmarkPNG compares the levels of compression.
func BenchmarkPNG(b *testing.B) {
	m := photo(1024, 1024)
	for name, level := range map[string]png.CompressionLevel{"default": png.DefaultCompression, "fast": png.BestSpeed, "none": png.NoCompression} {
		b.Run(name, func(b *testing.B) {
			var file bytes.Buffer
			for b.Loop() {
				file.Reset()
				encoder := png.Encoder{CompressionLevel: level}
				if err := encoder.Encode(&file, m); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(file.Len()), "bytes")
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	m := photo(1024, 1024)
	for _, f := range formats {
		b.Run(string(f), func(b *testing.B) {
			for b.Loop() {
				if _, err := Encode(m, f, 100, Meta{"Steps: 30", true}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, f := range formats {
		data, err := Encode(photo(1024, 1024), f, 90, Meta{})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(string(f), func(b *testing.B) {
			for b.Loop() {
				if _, _, err := Decode(b.Context(), data, Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
