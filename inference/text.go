package inference

import (
	"context"

	"cosmicman/ort"
	"cosmicman/weights"
)

// conditioning is a text as the UNet sees it.
type conditioning struct {
	states []float32 // [tokens, width]
	tokens int64
	pooled []float32 // SDXL: [text embedding width]
}

// encode runs the text encoders on one text. Diffusers' conventions: SD takes
// the last hidden state; SDXL the penultimate ones of both encoders side by
// side, and the second's projected embedding.
func (m *Model) encode(ctx context.Context, text string) (*conditioning, error) {
	var parts [][]float32
	c := &conditioning{}
	for i := range m.texts {
		t := &m.texts[i]
		e, err := t.tokenizer.Encode(text)
		if err != nil {
			return nil, err
		}
		c.tokens = int64(len(e.IDs))
		out, err := t.run(ctx, map[string]ort.Tensor{
			"input_ids":    ort.Ints(e.IDs, 1, c.tokens),
			"pooled_index": ort.Ints([]int64{int64(t.config.PooledAt(e.IDs))}, 1),
		})
		if err != nil {
			return nil, err
		}
		if m.Pipeline.Family == weights.SDXL {
			parts = append(parts, out["penultimate_hidden_state"].Float32())
			c.pooled = out["pooled"].Float32()
		} else {
			parts = append(parts, out["last_hidden_state"].Float32())
		}
	}
	c.states = beside(parts, int(c.tokens))
	return c, nil
}

// beside joins matrices of n rows along their columns.
func beside(parts [][]float32, n int) []float32 {
	if len(parts) == 1 {
		return parts[0]
	}
	var out []float32
	for row := range n {
		for _, p := range parts {
			w := len(p) / n
			out = append(out, p[row*w:(row+1)*w]...)
		}
	}
	return out
}

// zeros is the conditioning that SDXL takes for an absent negative prompt.
func (c *conditioning) zeros() *conditioning {
	return &conditioning{states: make([]float32, len(c.states)), tokens: c.tokens, pooled: make([]float32, len(c.pooled))}
}

// texts encodes a request's prompt and, with guidance, its negative prompt.
func (m *Model) encodeRequest(ctx context.Context, r *Request) (cond, uncond *conditioning, err error) {
	if cond, err = m.encode(ctx, r.Prompt); err != nil || !r.guided() {
		return cond, nil, err
	}
	if r.NegativePrompt == nil && m.Pipeline.Family == weights.SDXL && m.Pipeline.ForceZerosForEmptyPrompt {
		return cond, cond.zeros(), nil
	}
	negative := ""
	if r.NegativePrompt != nil {
		negative = *r.NegativePrompt
	}
	uncond, err = m.encode(ctx, negative)
	return cond, uncond, err
}
