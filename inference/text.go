package inference

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"cosmicman/ort"
	"cosmicman/tokenizer"
	"cosmicman/weights"
)

// conditioning is a text as the UNet sees it. It is shared and never changed.
type conditioning struct {
	states []float32 // [tokens, width]
	tokens int64
	pooled []float32 // SDXL: [text embedding width]
	real   int       // the text's own tokens, as far as they fit: no padding, begin or end
}

// maxTexts bounds the texts of one call of a text encoder.
const maxTexts = 16

// encode returns the conditioning of texts, from the cache or in as few calls of
// the text encoders as possible. Texts are valid UTF-8.
func (m *Model) encode(ctx context.Context, texts ...string) (map[string]*conditioning, error) {
	out := map[string]*conditioning{}
	var missing []string
	for _, text := range texts {
		if _, twice := out[text]; twice {
			continue
		}
		if out[text] = m.encoded.get(text); out[text] == nil {
			missing = append(missing, text)
		}
	}
	for some := range slices.Chunk(missing, maxTexts) {
		encoded, err := m.encodeSome(ctx, some)
		if err != nil {
			return nil, err
		}
		for i, text := range some {
			m.encoded.put(text, encoded[i])
			out[text] = encoded[i]
		}
	}
	return out, nil
}

// encodeSome runs the text encoders once each. Diffusers' conventions: SD takes
// the last hidden state; SDXL the penultimate ones of both encoders side by
// side, and the second's projected embedding.
func (m *Model) encodeSome(ctx context.Context, texts []string) ([]*conditioning, error) {
	out := make([]*conditioning, len(texts))
	parts := make([][][]float32, len(texts))
	for i := range m.texts {
		t := &m.texts[i]
		encodings := make([]tokenizer.Encoding, len(texts))
		for k, text := range texts {
			var err error
			if encodings[k], err = t.tokenizer.Encode(text); err != nil {
				return nil, err
			}
			if i == 0 {
				out[k] = &conditioning{tokens: int64(len(encodings[k].IDs)), real: encodings[k].Tokens - 2}
			}
		}
		results, err := t.encode(ctx, encodings)
		if err != nil {
			return nil, err
		}
		for k := range texts {
			if m.Pipeline.Family == weights.SDXL {
				parts[k] = append(parts[k], results["penultimate_hidden_state"][k])
				out[k].pooled = results["pooled"][k]
			} else {
				parts[k] = append(parts[k], results["last_hidden_state"][k])
			}
		}
	}
	for k, c := range out {
		c.states = beside(parts[k], int(c.tokens))
		// Rows of a shared result would keep all of it in memory.
		c.states, c.pooled = slices.Clone(c.states), slices.Clone(c.pooled)
	}
	return out, nil
}

func (t *textEncoder) encode(ctx context.Context, encodings []tokenizer.Encoding) (rowOutputs, error) {
	tokens := int64(len(encodings[0].IDs))
	pieces := slices.Repeat([]int{1}, len(encodings))
	return t.runRows(ctx, strconv.FormatInt(tokens, 10), pieces, func(rows []int) map[string]ort.Tensor {
		var ids, pooled []int64
		for i, row := range rows {
			e := encodings[row]
			pooled = append(pooled, int64(i)*tokens+int64(t.config.PooledAt(e.IDs)))
			ids = append(ids, e.IDs...)
		}
		n := int64(len(rows))
		return map[string]ort.Tensor{"input_ids": ort.Ints(ids, n, tokens), "pooled_index": ort.Ints(pooled, n)}
	})
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

// negative is the text of a request's second row; zeros says that there is none and
// its conditioning is zero.
func (m *Model) negative(r *Request) (text string, zeros bool) {
	if r.NegativePrompt != nil {
		return *r.NegativePrompt, false
	}
	return "", m.Pipeline.Family == weights.SDXL && m.Pipeline.ForceZerosForEmptyPrompt
}

// encodeRequests encodes what requests need, each text once.
func (m *Model) encodeRequests(ctx context.Context, requests []*Request) (map[string]*conditioning, error) {
	texts := map[string]bool{}
	for _, r := range requests {
		texts[r.Prompt] = true
		if text, zeros := m.negative(r); r.guided() && !zeros {
			texts[text] = true
		}
	}
	return m.encode(ctx, slices.Sorted(maps.Keys(texts))...)
}
