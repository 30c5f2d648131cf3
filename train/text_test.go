package train

import (
	"testing"

	"cosmicman/model"
	"cosmicman/ort"
	"cosmicman/tensor"
	"cosmicman/weights"
	"cosmicman/weights/lora"
)

type jointCase struct {
	derivedCase
	Model          string
	Height, Width  int
	Timesteps      []int
	IDs            [][]int64
	Latents, Noise noiseCase
	TimeIDs        [][]float32 `json:"time_ids"`
	Used           []int64
	Loss           float64
}

// textOptions are a text encoder's of the zoo.
func textOptions(t *testing.T, name, component string) TextOptions {
	t.Helper()
	c := zooConfig(t, name, component, func(data []byte) (model.TextConfig, error) {
		return model.ParseText(data, component == lora.TextEncoder2)
	})
	g, err := model.Text(c)
	if err != nil {
		t.Fatal(err)
	}
	return TextOptions{Component: component, Config: c, Weights: zooIndex(t, component, weights.TextEncoder, g), Threads: 1}
}

func textLearner(t *testing.T, rt *ort.Runtime, o TextOptions) *TextLearner {
	t.Helper()
	l, err := NewTextLearner(rt, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// TestJointEqualsPyTorch compares the gradients of a UNet's loss by the weights of the
// text encoders before it.
func TestJointEqualsPyTorch(t *testing.T) {
	rt := openRuntime(t)
	for _, c := range readLearners(t).Joint {
		t.Run(c.Name, func(t *testing.T) {
			u := zooOptions(t, c.Model, tensor.Float32)
			u.Through = true
			unet := learner(t, rt, u)
			var texts []*TextLearner
			first := textOptions(t, c.Model, lora.TextEncoder)
			first.Occurring, first.Penultimate = c.Used, u.Config.TextTime
			texts = append(texts, textLearner(t, rt, first))
			if u.Config.TextTime {
				second := textOptions(t, c.Model, lora.TextEncoder2)
				second.Occurring, second.Penultimate, second.Pooled, second.Recompute = c.Used, true, true, true
				texts = append(texts, textLearner(t, rt, second))
			}
			rows, tokens := len(c.Timesteps), len(c.IDs[0])
			var ids []int64
			for _, row := range c.IDs {
				ids = append(ids, row...)
			}
			b := &UNetBatch{Height: 8 * c.Height, Width: 8 * c.Width, Latents: c.Latents.draw(), Noise: c.Noise.draw(), Timesteps: c.Timesteps}
			for _, row := range c.TimeIDs {
				b.TimeIDs = append(b.TimeIDs, row...)
			}
			j := Texts(texts)
			all := [][]int64{ids, ids}[:len(texts)]
			var err error
			if b.States, b.TextEmbeds, err = j.Forward(t.Context(), all); err != nil {
				t.Fatal(err)
			}
			if n := rows * tokens * int(u.Config.CrossAttentionDim[0]); len(b.States) != n {
				t.Fatalf("%d values of states, expected %d", len(b.States), n)
			}
			b.ByStates, b.ByTextEmbeds = make([]float32, len(b.States)), make([]float32, len(b.TextEmbeds))
			if b.TextEmbeds == nil {
				b.ByTextEmbeds = nil
			}
			got, err := unet.Gradients(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			near(t, "the loss", got.Total, c.Loss)
			if err := j.Backward(t.Context(), all, b.ByStates, b.ByTextEmbeds); err != nil {
				t.Fatal(err)
			}
			found := map[string][]float32{}
			for i, l := range texts {
				for name, g := range gradients(l.Tensors(), []string{lora.TextEncoder, lora.TextEncoder2}[i]+".") {
					found[name] = g
				}
			}
			c.compare(t, found)
		})
	}
}
