package train

import (
	"strings"
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

// TestTextLoRA holds the low-rank terms' gradients to those of the weights themselves:
// with B = 0 the gradient by B is scale * dW A' and that by A is 0.
func TestTextLoRA(t *testing.T) {
	rt := openRuntime(t)
	o := textOptions(t, "odd-xl", lora.TextEncoder2)
	o.Pooled, o.Penultimate = true, true
	whole := textLearner(t, rt, o)
	o.LoRA, o.Seed = &LoRA{Rank: 2, Alpha: 4}, 3
	low := textLearner(t, rt, o)
	ids := make([]int64, 2*77)
	for i := range ids {
		ids[i] = int64(500 + 3*i)
	}
	ids[30], ids[77+40] = 49407, 49407
	states, pooled, err := low.Forward(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	before, beforePooled, err := whole.Forward(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "states with terms of 0", states, before)
	same(t, "the pooled embedding with terms of 0", pooled, beforePooled)
	by, byPooled := noise(1, int64(len(states))).Float32(), noise(2, int64(len(pooled))).Float32()
	for range 2 { // the gradients are added to
		if err := low.Backward(t.Context(), ids, by, byPooled); err != nil {
			t.Fatal(err)
		}
	}
	if err := whole.Backward(t.Context(), ids, by, byPooled); err != nil {
		t.Fatal(err)
	}
	full := map[string]Tensor{}
	for _, w := range whole.Tensors() {
		full[w.Name] = w
	}
	if n := len(low.Adapter()); n != int(4*o.Config.Layers) || len(low.Tensors()) != 2*n {
		t.Fatalf("%d layers and %d tensors for %d layers", n, len(low.Tensors()), o.Config.Layers)
	}
	for i, layer := range low.Adapter() {
		a, b := low.Tensors()[2*i], low.Tensors()[2*i+1]
		w, ok := full[layer.Module.Path+".weight"]
		if !ok || layer.Module.Component != lora.TextEncoder2 {
			t.Fatalf("no weight of %s %s", layer.Module.Component, layer.Module.Path)
		}
		out, in := int(w.Shape[0]), int(w.Shape[1])
		want := make([]float32, out*2)
		for r := range out {
			for k := range 2 {
				var sum float64
				for c := range in {
					sum += float64(w.Gradient[r*in+c]) * float64(a.Values[k*in+c])
				}
				want[r*2+k] = float32(2 * 2 * sum) // the scale, and twice
			}
		}
		same(t, layer.Module.Path, b.Gradient, want)
		for _, g := range a.Gradient {
			if g != 0 {
				t.Fatalf("%s: A has a gradient where B is 0", layer.Module.Path)
			}
		}
	}
	low.Tensors()[1].Values[0] = 1
	if states, _, err = low.Forward(t.Context(), ids); err != nil || states[10] == before[10] && states[len(states)-1] == before[len(before)-1] {
		t.Errorf("states do not follow the terms: %v", err)
	}
}

// TestTextTrainsWhatCounts leaves out what the UNet is given nothing of: SDXL's first
// encoder's last layer.
func TestTextTrainsWhatCounts(t *testing.T) {
	rt := openRuntime(t)
	o := textOptions(t, "odd-xl", lora.TextEncoder)
	o.Penultimate = true
	l := textLearner(t, rt, o)
	for _, w := range l.Tensors() {
		if strings.HasPrefix(w.Name, "text_model.final_layer_norm") || strings.HasPrefix(w.Name, "text_model.encoder.layers.1.") {
			t.Errorf("%s is trained, which changes nothing", w.Name)
		}
	}
	if n := len(l.Tensors()); n != 2+16 {
		t.Errorf("%d tensors are trained, expected embeddings and a layer", n)
	}
	o.Tensors = []string{"text_model.final_layer_norm.*"}
	if _, err := NewTextLearner(rt, o); err == nil || !strings.Contains(err.Error(), "nothing that depends on what is to be trained") {
		t.Errorf("error %v for tensors that change nothing", err)
	}
}

func TestTextRefuses(t *testing.T) {
	rt := openRuntime(t)
	o := textOptions(t, "odd-vae", lora.TextEncoder)
	o.Occurring = []int64{5, 6, 49407}
	l := textLearner(t, rt, o)
	ids := make([]int64, 77)
	for i := range ids {
		ids[i] = 5
	}
	if err := l.Backward(t.Context(), ids, make([]float32, 4), nil); err == nil || !strings.Contains(err.Error(), "gradient by states has 4 values, expected [1, 77, 32]") {
		t.Errorf("error %v for too few gradients", err)
	}
	ids[3], ids[4] = 7, -1
	for _, c := range []struct {
		ids  []int64
		want string
	}{
		{ids, "text_encoder: a batch: the token embedding that is trained has no rows for the ids [7 -1]"},
		{ids[:70], "70 token ids, expected a multiple of 77"},
	} {
		if _, _, err := l.Forward(t.Context(), c.ids); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, expected %q", err, c.want)
		}
	}
	if _, _, err := (Texts{l}).Forward(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "token ids for 0 text encoders, expected 1") {
		t.Errorf("error %v for no ids", err)
	}
	o.Occurring = []int64{60000}
	if _, err := NewTextLearner(rt, o); err == nil || !strings.Contains(err.Error(), "expected some from 0 to 49407") {
		t.Errorf("error %v for ids beyond the vocabulary", err)
	}
}
