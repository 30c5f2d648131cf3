package model

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"cosmicman/onnx"
)

var update = flag.Bool("update", false, "write the printed graphs anew")

// TestPrintedGraphs holds the printed graphs of small networks to files that were
// read by people: a change to a network shows as a change of text. After one that
// is meant: go test ./model -run TestPrintedGraphs -update
func TestPrintedGraphs(t *testing.T) {
	for _, c := range []struct {
		golden, config string
		build          func(config []byte) (*onnx.Graph, error)
	}{
		{"unet-sd", "tiny-sd/unet", buildUNet},
		{"unet-sdxl", "tiny-sdxl/unet", buildUNet},
		{"text-sd", "tiny-sd/text_encoder", func(config []byte) (*onnx.Graph, error) { return buildText(config, false) }},
		{"text-sdxl", "tiny-sdxl/text_encoder_2", func(config []byte) (*onnx.Graph, error) { return buildText(config, true) }},
		{"vae-decoder", "tiny-sd/vae", func(config []byte) (*onnx.Graph, error) { return buildVAE(config, VAEDecoder) }},
		{"vae-encoder", "tiny-sd/vae", func(config []byte) (*onnx.Graph, error) { return buildVAE(config, VAEEncoder) }},
	} {
		t.Run(c.golden, func(t *testing.T) {
			g, err := c.build(zooConfig(t, c.config))
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := onnx.Print(&got, g); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", c.golden+".txt")
			if *update {
				if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if line, g, w := firstDifference(got.Bytes(), want); line > 0 {
				t.Errorf("%s:%d: the graph says\n%s\nthe file says\n%s", path, line, g, w)
			}
		})
	}
}

// firstDifference returns the first line, from 1, in which two texts differ, and
// both spellings; 0 where none does.
func firstDifference(a, b []byte) (line int, x, y []byte) {
	as, bs := bytes.Split(a, []byte("\n")), bytes.Split(b, []byte("\n"))
	for i := range max(len(as), len(bs)) {
		x, y = nil, nil
		if i < len(as) {
			x = as[i]
		}
		if i < len(bs) {
			y = bs[i]
		}
		if !bytes.Equal(x, y) || i >= len(as) || i >= len(bs) {
			return i + 1, x, y
		}
	}
	return 0, nil, nil
}

// zooConfig reads the config.json of a component, such as tiny-sd/unet.
func zooConfig(t *testing.T, component string) []byte {
	t.Helper()
	config, err := os.ReadFile(filepath.Join("../testdata/zoo", component, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func buildUNet(config []byte) (*onnx.Graph, error) {
	c, err := ParseUNet(config)
	if err != nil {
		return nil, err
	}
	return UNet(c)
}

func buildText(config []byte, projected bool) (*onnx.Graph, error) {
	c, err := ParseText(config, projected)
	if err != nil {
		return nil, err
	}
	return Text(c)
}

func buildVAE(config []byte, half func(VAEConfig) (*onnx.Graph, error)) (*onnx.Graph, error) {
	c, err := ParseVAE(config)
	if err != nil {
		return nil, err
	}
	return half(c)
}
