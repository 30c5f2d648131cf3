package model

import (
	"os"
	"path/filepath"
	"testing"

	"cosmicman/onnx"
)

// TestZooBuilds writes every network of the zoo in both dialects.
func TestZooBuilds(t *testing.T) {
	dirs, err := filepath.Glob("../testdata/zoo/*")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no models in the zoo: %v", err)
	}
	read := func(path string) []byte {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	check := func(g *onnx.Graph, err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := onnx.CPU(g); err != nil {
			t.Error(err)
		}
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			if path := filepath.Join(dir, "unet/config.json"); exists(path) {
				c, err := ParseUNet(read(path))
				if err != nil {
					t.Fatal(err)
				}
				check(UNet(c))
			}
			if path := filepath.Join(dir, "vae/config.json"); exists(path) {
				c, err := ParseVAE(read(path))
				if err != nil {
					t.Fatal(err)
				}
				check(VAEDecoder(c))
				check(VAEEncoder(c))
			}
			for _, part := range []string{"text_encoder", "text_encoder_2"} {
				if path := filepath.Join(dir, part, "config.json"); exists(path) {
					c, err := ParseText(read(path), part == "text_encoder_2")
					if err != nil {
						t.Fatal(err)
					}
					check(Text(c))
				}
			}
		})
	}
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }
