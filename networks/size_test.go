package networks

import (
	"testing"

	"cosmicman/model"
	"cosmicman/weights"
)

// TestNativeSize holds what StableDiffusionPipeline's constructor does to configs of its first versions.
func TestNativeSize(t *testing.T) {
	for _, c := range []struct {
		config        string
		family        weights.Family
		width, height int
	}{
		{`{"sample_size": 32, "_diffusers_version": "0.6.0"}`, weights.SD, 512, 512},
		{`{"sample_size": 96, "_diffusers_version": "0.8.1"}`, weights.SD, 768, 768},
		{`{"sample_size": 32, "_diffusers_version": "0.9.0.dev0"}`, weights.SD, 256, 256},
		{`{"sample_size": 32, "_diffusers_version": "0.10.0"}`, weights.SD, 256, 256},
		{`{"sample_size": 32, "_diffusers_version": "1.2"}`, weights.SD, 256, 256},
		{`{"sample_size": 32}`, weights.SD, 256, 256},
		{`{"sample_size": [32, 48], "_diffusers_version": "0.6.0"}`, weights.SD, 384, 256},
		{`{"sample_size": 32, "_diffusers_version": "0.6.0"}`, weights.SDXL, 256, 256},
		{`{"_diffusers_version": "0.6.0"}`, weights.SD, 0, 0},
	} {
		config, err := model.ParseUNet([]byte(c.config))
		if err != nil {
			t.Fatal(err)
		}
		s := Set{Pipeline: &weights.Pipeline{Family: c.family}, UNet: UNet{Config: config}, VAE: VAE{Config: model.VAEConfig{BlockOut: make([]int64, 4)}}}
		if w, h := s.NativeSize(); w != c.width || h != c.height {
			t.Errorf("%s %s: %dx%d, want %dx%d", c.family, c.config, w, h, c.width, c.height)
		}
	}
}
