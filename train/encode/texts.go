package encode

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"cosmicman/diffusion"
	"cosmicman/model"
	"cosmicman/networks"
	"cosmicman/ort"
	"cosmicman/prompt"
	"cosmicman/tokenizer"
	"cosmicman/weights"
)

// Text is a caption as the UNet sees it, by diffusers' conventions: SD takes the last
// hidden state of its text encoder, after the final norm; SDXL the penultimate ones of
// both encoders side by side, and the second's projected embedding. It is shared and
// must not be changed.
type Text struct {
	States []float32     // [tokens, width]
	Pooled []float32     // [width of the projection]; nil unless SDXL
	Window prompt.Window // of the first tokenizer, for train.TokenSpan
	Cut    string        // the end of the text that the encoder is not given
}

// Texts encodes captions. Its methods may be called by several goroutines.
type Texts struct {
	encoders []textEncoder
	family   weights.Family
	rows     rows
	store    store
	tokens   int
	width    int // of a token's states, of all encoders
	pooled   int
}

type textEncoder struct {
	*network
	config    model.TextConfig
	tokenizer *tokenizer.Tokenizer
}

// NewTexts makes no session: they are made when a text is first encoded that is not
// kept.
func NewTexts(rt *ort.Runtime, n *networks.Set, o Options) *Texts {
	t := &Texts{family: n.Family, rows: rows{most: o.Rows}, store: newStore(o)}
	for i, x := range n.Texts {
		t.encoders = append(t.encoders, textEncoder{newNetwork(rt, x.Component, o, x.Graph), x.Config, x.Tokenizer})
		t.tokens = x.Tokenizer.MaxLength() // of both
		t.width += int(x.Config.Hidden)
		if i == 1 {
			t.pooled = int(x.Config.Projection)
		}
	}
	return t
}

// Tokens is how many tokens a text has, padding included: 77.
func (t *Texts) Tokens() int { return t.tokens }

// Width is that of a token's states: 768 with SD 1.5, 2048 with SDXL.
func (t *Texts) Width() int { return t.width }

// PooledWidth is that of a text's embedding, 1280 with SDXL and 0 with SD.
func (t *Texts) PooledWidth() int { return t.pooled }

// Tokenizer is that of the first text encoder.
func (t *Texts) Tokenizer() *tokenizer.Tokenizer { return t.encoders[0].tokenizer }

// Windows are a text's tokens for each text encoder, as transformers cuts and pads them,
// and what was cut off for the first.
func (t *Texts) Windows(text string) (windows []prompt.Window, cut string, err error) {
	for i, e := range t.encoders {
		l, err := prompt.Split(e.tokenizer, text, prompt.Options{})
		if err != nil {
			return nil, "", fmt.Errorf("caption %q: %w", shortened(text), err)
		}
		if windows = append(windows, l.Windows[0]); i == 0 {
			cut = l.Cut
		}
	}
	return windows, cut, nil
}

// shortened is a text for a message.
func shortened(text string) string {
	if r := []rune(text); len(r) > 80 {
		return string(r[:77]) + "..."
	}
	return text
}

// Encode returns what the UNet is given of texts, in their order. Those that are not
// kept are encoded together, each once; a text's result does not depend on the others.
func (t *Texts) Encode(ctx context.Context, texts []string) ([]Text, error) {
	out := make([]Text, len(texts))
	results := map[Key][]float32{}
	keys := make([]Key, len(texts))
	var missing [][]prompt.Window
	var under []Key
	for i, text := range texts {
		windows, cut, err := t.Windows(text)
		if err != nil {
			return nil, err
		}
		out[i] = Text{Window: windows[0], Cut: cut}
		if keys[i], err = t.key(ctx, windows); err != nil {
			return nil, err
		}
		if _, twice := results[keys[i]]; twice {
			continue
		}
		if results[keys[i]] = t.store.get(keys[i], t.size()); results[keys[i]] == nil {
			missing, under = append(missing, windows), append(under, keys[i])
		}
	}
	if len(missing) > 0 {
		made, err := t.rows.run(ctx, len(missing), func(ctx context.Context, rows []int) ([]map[string][]float32, error) {
			return t.call(ctx, missing, rows)
		})
		if err != nil {
			return nil, err
		}
		for i, m := range made {
			if err := diffusion.CheckFinite(m["text"]); err != nil {
				return nil, fmt.Errorf("an encoded caption: %w", err)
			}
			results[under[i]] = t.store.put(under[i], slices.Clone(m["text"]))
		}
	}
	for i, key := range keys {
		r := results[key]
		n := t.tokens * t.width
		if out[i].States = r[:n:n]; t.pooled > 0 {
			out[i].Pooled = r[n:]
		}
	}
	return out, nil
}

// size of a result: the states and then the pooled embedding.
func (t *Texts) size() int { return t.tokens*t.width + t.pooled }

// key follows from the encoders, in memory from their place in this process alone.
func (t *Texts) key(ctx context.Context, windows []prompt.Window) (Key, error) {
	parts := []string{"text 1", string(t.family), strconv.FormatBool(t.store.half)}
	for i, w := range windows {
		if t.store.cache != nil {
			identity, err := t.encoders[i].identify(ctx)
			if err != nil {
				return Key{}, err
			}
			parts = append(parts, string(identity[:]))
		}
		var ids []byte
		for _, id := range w.IDs {
			ids = binary.LittleEndian.AppendUint64(ids, uint64(id))
		}
		parts = append(parts, string(ids))
	}
	return KeyOf(parts...), nil
}

// call runs the text encoders once each on some of the windows. A row's only output
// holds its states and pooled embedding.
func (t *Texts) call(ctx context.Context, windows [][]prompt.Window, rows []int) ([]map[string][]float32, error) {
	name := "last_hidden_state"
	if t.family == weights.SDXL {
		name = "penultimate_hidden_state"
	}
	n, tokens := int64(len(rows)), int64(t.tokens)
	out := make([]map[string][]float32, n)
	for i := range out {
		out[i] = map[string][]float32{"text": make([]float32, t.size())}
	}
	at := 0
	for k, e := range t.encoders {
		var ids, pooled []int64
		for i, row := range rows {
			w := windows[row][k]
			pooled = append(pooled, int64(i)*tokens+int64(e.config.PooledAt(w.IDs)))
			ids = append(ids, w.IDs...)
		}
		results, err := e.run(ctx, map[string]ort.Tensor{"input_ids": ort.Ints(ids, n, tokens), "pooled_index": ort.Ints(pooled, n)})
		if err != nil {
			return nil, err
		}
		width := int(e.config.Hidden)
		for i, r := range split(results, len(rows)) {
			to := out[i]["text"]
			for token := range t.tokens {
				copy(to[token*t.width+at:][:width], r[name][token*width:])
			}
			if t.pooled > 0 && k == len(t.encoders)-1 {
				copy(to[t.tokens*t.width:], r["pooled"])
			}
		}
		at += width
	}
	return out, nil
}

// Free ends the encoders' sessions and gives their memory back. They are made again if a
// text has to be encoded.
func (t *Texts) Free() error {
	var errs []error
	for _, e := range t.encoders {
		errs = append(errs, e.free())
	}
	return errors.Join(errs...)
}
