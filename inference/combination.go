package inference

import (
	"container/list"
	"fmt"
	"strings"
	"sync"

	"cosmicman/onnx"
	"cosmicman/ort"
	"cosmicman/weights/lora"
)

// combination is what the LoRAs of a request are together: inputs of the networks that
// they change. It is shared and never changed.
type combination struct {
	key   string
	parts map[string]*factors // by component; a network that is not there is run as it is
}

// texts is what texts depend on: nil where no text encoder is changed.
func (c *combination) texts() *combination {
	if c.part(lora.TextEncoder) == nil && c.part(lora.TextEncoder2) == nil {
		return nil
	}
	return c
}

// part is nil for a network that is not changed.
func (c *combination) part(component string) *factors {
	if c == nil {
		return nil
	}
	return c.parts[component]
}

// factors are a network's low-rank changes as inputs of its adapted form.
type factors struct {
	form
	inputs []factor
}

// factor is one input, of one slot.
type factor struct {
	name  string
	shape []int64 // without the slots
	data  []float32
}

// form is what networks that share a call have in common beside their shapes: which
// modules have a change, and the rank up to which factors are filled with zeros. Both
// follow from one request's LoRAs. The zero form is the network as it is.
type form struct {
	class lora.Targets
	rank  int64
}

// String is such as transformer-16, "" for the network as it is.
func (f form) String() string {
	if f.class == "" {
		return ""
	}
	return fmt.Sprintf("%s-%d", f.class, f.rank)
}

// classOf is the class of a form by its String.
func classOf(variant string) lora.Targets {
	class, _, _ := strings.Cut(variant, "-")
	return lora.Targets(class)
}

// classes of modules, each with all of the one before.
var classes = []lora.Targets{lora.Attention, lora.Transformer, lora.All}

// leastRank is the rank that smaller ones are filled up to; greater ones are to its
// next power of two.
const leastRank = 8

// formOf is the least form that has room for changes of one network.
func formOf(layers []lora.Layer) form {
	f := form{classes[0], leastRank}
	ranks := map[string]int64{}
	for _, l := range layers {
		ranks[l.Module.Path] += l.Rank
		for f.rank < ranks[l.Module.Path] {
			f.rank *= 2
		}
		for i := 0; !f.class.Has(l.Module); i++ {
			f.class = classes[i]
		}
	}
	return f
}

// combine reads the LoRAs and puts them together, each by its weight.
func (m *Model) combine(all []LoRA) (*combination, error) {
	if len(all) == 0 {
		return nil, nil
	}
	key := loraKey(all)
	if c := m.combined.get(key); c != nil {
		return c, nil
	}
	layers := map[string][]lora.Layer{}
	for _, l := range all {
		read, err := l.read()
		if err != nil {
			return nil, err
		}
		for _, layer := range read.Layers {
			layer.Scale *= l.Weight
			part := layer.Module.Component
			layers[part] = append(layers[part], layer)
		}
	}
	c := &combination{key: key, parts: map[string]*factors{}}
	for part, changes := range layers {
		f := formOf(changes)
		n, err := m.adapted[part].network(f.class)
		if err != nil {
			return nil, err
		}
		c.parts[part] = newFactors(f, n.graph, changes)
	}
	m.combined.put(c)
	return c, nil
}

// newFactors lays changes out as an adapted graph takes them (see model.Adapt). Those of
// one module stand side by side, in their order.
func newFactors(f form, g *onnx.Graph, changes []lora.Layer) *factors {
	byPath := map[string][]lora.Layer{}
	for _, l := range changes {
		byPath[l.Module.Path] = append(byPath[l.Module.Path], l)
	}
	out := &factors{form: f}
	for _, v := range g.Inputs {
		path, up := strings.CutSuffix(v.Name, ".lora_B")
		if !up {
			var down bool
			if path, down = strings.CutSuffix(v.Name, ".lora_A"); !down {
				continue
			}
		}
		in := factor{name: v.Name}
		size := int64(1)
		for _, d := range v.Shape[1:] {
			n, fixed := d.Const()
			if !fixed {
				n = f.rank
			}
			in.shape, size = append(in.shape, n), size*n
		}
		in.data = make([]float32, size)
		first := int64(0)
		for _, l := range byPath[path] {
			if up {
				in.up(l, first, f.rank)
			} else {
				in.down(l, first, f.rank)
			}
			first += l.Rank
		}
		out.inputs = append(out.inputs, in)
	}
	return out
}

// down writes A [rank, in] or [rank, in, kh, kw] from the first rank on.
func (f *factor) down(l lora.Layer, first, ranks int64) {
	channels := l.Module.Shape[1]
	taps := l.Module.In() / channels
	for r := range l.Rank {
		row := l.A[r*channels*taps:]
		for c := range channels {
			if len(l.Module.Shape) == 2 {
				f.data[c*ranks+first+r] = row[c]
				continue
			}
			for tap := range taps {
				f.data[(tap*ranks+first+r)*channels+c] = row[c*taps+tap]
			}
		}
	}
}

// up writes B [out, rank], times the scale, from the first rank on.
func (f *factor) up(l lora.Layer, first, ranks int64) {
	out := l.Module.Out()
	for o := range out {
		for r := range l.Rank {
			v := float32(float64(l.B[o*l.Rank+r]) * l.Scale)
			if len(l.Module.Shape) == 2 {
				f.data[(first+r)*out+o] = v
			} else {
				f.data[o*ranks+first+r] = v
			}
		}
	}
}

// slots are the inputs of an adapted network for the factors that rows choose from. All
// are of one form; the memory of a single one is not copied.
func slots(all []*factors) map[string]ort.Tensor {
	inputs := map[string]ort.Tensor{}
	for i, in := range all[0].inputs {
		data := in.data
		if len(all) > 1 {
			data = make([]float32, 0, len(all)*len(in.data))
			for _, f := range all {
				data = append(data, f.inputs[i].data...)
			}
		}
		inputs[in.name] = ort.Floats(data, append([]int64{int64(len(all))}, in.shape...)...)
	}
	return inputs
}

// bytes that a combination takes.
func (c *combination) bytes() (total int64) {
	for _, f := range c.parts {
		for _, in := range f.inputs {
			total += 4 * int64(len(in.data))
		}
	}
	return total
}

// combinationBytes bounds the combinations that a model keeps; the last used is kept
// however large.
const combinationBytes = 512 << 20

// combinations keeps those used last.
type combinations struct {
	mu    sync.Mutex
	bytes int64
	order list.List // of *combination, the last used first
}

// get returns nil for one that is not kept.
func (k *combinations) get(key string) *combination {
	k.mu.Lock()
	defer k.mu.Unlock()
	for e := k.order.Front(); e != nil; e = e.Next() {
		if c := e.Value.(*combination); c.key == key {
			k.order.MoveToFront(e)
			return c
		}
	}
	return nil
}

func (k *combinations) put(c *combination) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.order.PushFront(c)
	for k.bytes += c.bytes(); k.bytes > combinationBytes && k.order.Len() > 1; {
		k.bytes -= k.order.Remove(k.order.Back()).(*combination).bytes()
	}
}

// size is the memory that is kept.
func (k *combinations) size() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.bytes
}
