package inference

import (
	"cmp"
	"context"
	"encoding/binary"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"cosmicman/model"
	"cosmicman/ort"
	"cosmicman/prompt"
	"cosmicman/weights"
)

// conditioning is a text as the UNet sees it: the states of its windows one after the
// other. It is shared and never changed.
type conditioning struct {
	windows []*encoded
	tokens  int64  // of all windows, padding included
	real    int    // the text's own tokens that are drawn: no padding, begin or end
	filled  int    // windows that the text itself takes
	cut     string // the end of the text that is not drawn
}

// pooled is that of the first window.
func (c *conditioning) pooled() []float32 { return c.windows[0].pooled }

// encoded is a window of a text, encoded.
type encoded struct {
	states []float32 // [tokens, width]
	pooled []float32 // SDXL: [text embedding width]
}

// text is a prompt and how it becomes windows.
type text struct {
	prompt string
	prompt.Options
	lora *combination // that changes a text encoder, or nil
}

// layout is a text in windows, for each text encoder. All have as many.
type layout []*prompt.Layout

// window is one of a layout, for each text encoder.
type window []prompt.Window

// key tells windows apart, and what they are encoded with.
func (w window) key(lora *combination) string {
	var b []byte
	if lora != nil {
		b = append(b, lora.key...)
	}
	for _, one := range w {
		for i, id := range one.IDs {
			b = binary.LittleEndian.AppendUint32(b, uint32(id))
			if one.Weights != nil {
				b = binary.LittleEndian.AppendUint32(b, math.Float32bits(one.Weights[i]))
			}
		}
		b = append(b, 0) // lengths tell the rest
	}
	return string(b)
}

// maxTexts bounds the windows of one call of a text encoder.
const maxTexts = 16

// encode returns the conditioning of texts: their windows are from the cache or
// encoded in as few calls of the text encoders as possible.
func (m *Model) encode(ctx context.Context, texts ...text) (map[text]*conditioning, error) {
	keys := map[text][]string{}
	found := map[string]*encoded{}
	missing := map[*combination][]window{}
	var order []*combination // of missing
	out := map[text]*conditioning{}
	for _, t := range texts {
		if out[t] != nil {
			continue
		}
		l, err := m.layOut(t)
		if err != nil {
			return nil, err
		}
		c := &conditioning{real: l[0].Tokens, filled: len(l[0].Windows), cut: l[0].Cut}
		out[t] = c
		for i := range l[0].Windows {
			w := make(window, len(l))
			for k := range l {
				w[k] = l[k].Windows[i]
			}
			c.tokens += int64(len(w[0].IDs))
			key := w.key(t.lora)
			keys[t] = append(keys[t], key)
			if _, twice := found[key]; twice {
				continue
			}
			kept, ok := m.encoded.Get(key)
			if found[key] = kept; !ok {
				if missing[t.lora] == nil {
					order = append(order, t.lora)
				}
				missing[t.lora] = append(missing[t.lora], w)
			}
		}
	}
	for _, lora := range order {
		for some := range slices.Chunk(missing[lora], maxTexts) {
			results, err := m.encodeSome(ctx, some, lora)
			if err != nil {
				return nil, err
			}
			for i, w := range some {
				key := w.key(lora)
				m.encoded.Put(key, results[i])
				found[key] = results[i]
			}
		}
	}
	for t, c := range out {
		for _, key := range keys[t] {
			c.windows = append(c.windows, found[key])
		}
	}
	return out, nil
}

// layOut puts a text into windows. Where vocabularies differ, so may their number:
// empty ones are added.
func (m *Model) layOut(t text) (layout, error) {
	var l layout
	most := 0
	for i := range m.texts {
		one, err := prompt.Split(m.texts[i].tokenizer, t.prompt, t.Options)
		if err != nil {
			return nil, err
		}
		l = append(l, one)
		most = max(most, len(one.Windows))
	}
	for i, one := range l {
		for len(one.Windows) < most {
			empty, err := prompt.Split(m.texts[i].tokenizer, "", prompt.Options{})
			if err != nil {
				return nil, err
			}
			one.Windows = append(one.Windows, empty.Windows...)
		}
	}
	return l, nil
}

// encodeSome runs the text encoders once each. Diffusers' conventions: SD takes
// the last hidden state; SDXL the penultimate ones of both encoders side by
// side, and the second's projected embedding.
func (m *Model) encodeSome(ctx context.Context, windows []window, lora *combination) ([]*encoded, error) {
	out := make([]*encoded, len(windows))
	parts := make([][][]float32, len(windows))
	for k := range out {
		out[k] = &encoded{}
	}
	for i := range m.texts {
		inputs := make([]prompt.Window, len(windows))
		for k, w := range windows {
			inputs[k] = w[i]
		}
		results, err := m.texts[i].encode(ctx, inputs, m.adapted[textParts[i]], lora.part(textParts[i]))
		if err != nil {
			return nil, err
		}
		name := "last_hidden_state"
		if m.Pipeline.Family == weights.SDXL {
			name = "penultimate_hidden_state"
		}
		for k := range windows {
			states := results[name][k]
			weigh(states, inputs[k].Weights)
			parts[k] = append(parts[k], states)
			if m.Pipeline.Family == weights.SDXL {
				out[k].pooled = results["pooled"][k]
			}
		}
	}
	for k, e := range out {
		// Rows of a shared result would keep all of it in memory.
		e.states, e.pooled = slices.Clone(beside(parts[k], len(windows[k][0].IDs))), slices.Clone(e.pooled)
	}
	return out, nil
}

// weigh multiplies the states of a window's tokens, [tokens, width], by their weights,
// and all by what restores their mean, as AUTOMATIC1111's web UI does by default
// ("Original" in its sd_emphasis.py): a window and a text encoder at a time, the pooled
// embedding left alone. Without weights nothing changes.
func weigh(states []float32, weights []float32) {
	if weights == nil {
		return
	}
	width := len(states) / len(weights)
	before := mean(states)
	for i := range states {
		states[i] *= weights[i/width]
	}
	after := mean(states)
	if factor := float32(before / after); factor > 0 && !math.IsInf(float64(factor), 0) {
		for i := range states {
			states[i] *= factor
		}
	}
}

func mean(x []float32) float64 {
	sum := 0.0
	for _, v := range x {
		sum += float64(v)
	}
	return sum / float64(len(x))
}

// encode runs the text encoder, with f in one of its variants. All windows have the same
// LoRAs.
func (t *textEncoder) encode(ctx context.Context, windows []prompt.Window, v *variants, f *factors) (rowOutputs, error) {
	tokens := int64(len(windows[0].IDs))
	pieces := slices.Repeat([]int{1}, len(windows))
	shape, variant := strconv.FormatInt(tokens, 10), form{}
	if f != nil {
		variant = f.form
		shape += "+" + variant.String()
	}
	return v.runRows(ctx, variant.class, shape, pieces, func(rows []int) map[string]ort.Tensor {
		var ids, pooled []int64
		for i, row := range rows {
			w := windows[row]
			pooled = append(pooled, int64(i)*tokens+int64(t.config.PooledAt(w.IDs)))
			ids = append(ids, w.IDs...)
		}
		n := int64(len(rows))
		inputs := map[string]ort.Tensor{"input_ids": ort.Ints(ids, n, tokens), "pooled_index": ort.Ints(pooled, n)}
		if f != nil {
			maps.Copy(inputs, slots([]*factors{f}))
			inputs[model.AdapterSlot] = ort.Ints(make([]int64, n), n)
		}
		return inputs
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
	first := c.windows[0]
	zero := &encoded{states: make([]float32, len(first.states)), pooled: make([]float32, len(first.pooled))}
	return &conditioning{windows: []*encoded{zero}, tokens: c.tokens / int64(len(c.windows))}
}

// padded is c with as many windows as another has, the further ones empty: the
// UNet takes both rows of an image together.
func (c *conditioning) padded(like *conditioning, empty *encoded) *conditioning {
	missing := len(like.windows) - len(c.windows)
	if missing <= 0 {
		return c
	}
	p := *c
	p.windows, p.tokens = append(slices.Clone(c.windows), slices.Repeat([]*encoded{empty}, missing)...), like.tokens
	return &p
}

// texts of a request: with guidance a second one, unless absent says that its
// conditioning is zero.
func (m *Model) textsOf(r *Request, c *combination) (positive, negative text, absent bool) {
	o, lora := r.options(), c.texts()
	positive, negative = text{r.Prompt, o, lora}, text{"", o, lora}
	if r.NegativePrompt != nil {
		negative.prompt = *r.NegativePrompt
		return positive, negative, false
	}
	return positive, negative, m.Pipeline.Family == weights.SDXL && m.Pipeline.ForceZerosForEmptyPrompt
}

// conditionings are encoded texts, and what texts of several windows are padded with.
type conditionings struct {
	texts map[text]*conditioning
	empty map[*combination]*conditioning
	zero  *conditioning // shared, made when it is first needed
}

// encodeRequests encodes what requests need, each text once.
func (m *Model) encodeRequests(ctx context.Context, requests []*Request, combined map[*Request]*combination) (*conditionings, error) {
	texts := map[text]bool{}
	for _, r := range requests {
		positive, negative, absent := m.textsOf(r, combined[r])
		texts[positive] = true
		if r.guided() && !absent {
			texts[negative] = true
		}
	}
	encoded, err := m.encode(ctx, slices.SortedFunc(maps.Keys(texts), text.compare)...)
	if err != nil {
		return nil, err
	}
	c := &conditionings{texts: encoded, empty: map[*combination]*conditioning{}}
	for t, e := range encoded {
		if len(e.windows) > 1 && c.empty[t.lora] == nil {
			none := text{lora: t.lora}
			empty, err := m.encode(ctx, none)
			if err != nil {
				return nil, err
			}
			c.empty[t.lora] = empty[none]
		}
	}
	return c, nil
}

func (t text) compare(o text) int {
	flag := func(a, b bool) int {
		switch {
		case a == b:
			return 0
		case a:
			return 1
		}
		return -1
	}
	key := func(c *combination) string {
		if c == nil {
			return ""
		}
		return c.key
	}
	return cmp.Or(strings.Compare(t.prompt, o.prompt), flag(t.Chunk, o.Chunk), flag(t.Weighted, o.Weighted), strings.Compare(key(t.lora), key(o.lora)))
}

// of returns the two rows' conditionings of a request, of as many windows; uncond is nil
// without guidance.
func (c *conditionings) of(m *Model, r *Request, lora *combination) (cond, uncond *conditioning) {
	positive, negative, absent := m.textsOf(r, lora)
	cond = c.texts[positive]
	if !r.guided() {
		return cond, nil
	}
	if absent {
		if c.zero == nil {
			c.zero = cond.zeros()
		}
		return cond, c.zero.padded(cond, c.zero.windows[0])
	}
	uncond = c.texts[negative]
	if none := c.empty[positive.lora]; none != nil {
		empty := none.windows[0]
		cond, uncond = cond.padded(uncond, empty), uncond.padded(cond, empty)
	}
	return cond, uncond
}
