package tokenizer

import (
	"strings"
	"testing"
)

func BenchmarkEncode(b *testing.B) {
	for _, c := range []struct{ name, text string }{
		{"prompt", "A full-body shot, an Asian adult female, fit, small road with trees, straight red above-chest hair, normal-length, white " +
			"and long sleeve cotton shirt, short plaid skirt in pleated shape, cotton backpack, socks, black leather oxford shoes."},
		{"cyrillic", strings.Repeat("женщина в красном пальто ", 10)},
		{"word", strings.Repeat("x", 1<<20)},
	} {
		b.Run(c.name, func(b *testing.B) {
			tok := Default()
			b.SetBytes(int64(len(c.text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tok.Encode(c.text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	dir := b.TempDir()
	if err := Default().Save(dir); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Load(dir); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEmbedded(b *testing.B) {
	for b.Loop() {
		if _, err := readCLIP(); err != nil {
			b.Fatal(err)
		}
	}
}
