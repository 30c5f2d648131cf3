package lora

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"

	"cosmicman/tensor"
	"cosmicman/weights"
)

// Read reads a LoRA file in any of the spellings, float32, float16 or bfloat16.
// Where the file has no alpha for a module, its metadata of peft's settings
// (lora_adapter_metadata) says it; otherwise it is the rank.
//
// It is strict: a tensor that is of no module of the model or of no method that
// is supported, a factor without the other, shapes that fit neither the module
// nor each other and numbers that are not finite are errors, all of them listed.
func Read(path string, n *Names) (*Adapter, error) { return read(path, n, true) }

// Inspect is Read of the names and shapes alone: the layers have modules and ranks, no
// values and no scale. Numbers that are not finite, and alphas that are none, are left
// for Read to find.
func Inspect(path string, n *Names) (*Adapter, error) { return read(path, n, false) }

func read(path string, n *Names, values bool) (*Adapter, error) {
	f, err := weights.OpenFile(path)
	if err != nil {
		return nil, err
	}
	fail := func(err error) (*Adapter, error) {
		if base := f.Metadata["ss_base_model_version"]; base != "" {
			return nil, fmt.Errorf("%s: (made for %s) %w", path, show(base), err)
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(f.Entries) == 0 {
		return fail(errors.New("no tensors: not a LoRA file"))
	}
	found, err := collect(f.Entries, n)
	if err != nil {
		return fail(err)
	}
	settings, err := readSettings(f.Metadata[settingsKey])
	if err != nil {
		return fail(fmt.Errorf("metadata %s: %w", settingsKey, err))
	}
	a := &Adapter{Metadata: f.Metadata}
	var faults []error
	for i, m := range n.modules {
		if found[i] == nil {
			continue
		}
		l := Layer{Module: m, Rank: found[i][down].Shape[0]}
		if values {
			l, err = found[i].layer(m, settings)
		}
		if err != nil {
			faults = append(faults, err)
			continue
		}
		a.Layers = append(a.Layers, l)
	}
	if err := joinSome(faults); err != nil {
		return fail(err)
	}
	return a, nil
}

// pieces are the tensors of one module; nil where the file has none.
type pieces [3]*weights.Entry

// collect puts the tensors to their modules, by their places in Names, and
// checks that they belong together. Nothing is read yet.
func collect(entries []weights.Entry, n *Names) (map[int]*pieces, error) {
	found := map[int]*pieces{}
	var faults []error
	for i := range entries {
		e := &entries[i]
		fault := func(format string, args ...any) {
			faults = append(faults, fmt.Errorf("tensor %s: %s", show(e.Key), fmt.Sprintf(format, args...)))
		}
		if what := unsupported(e.Key); what != "" {
			fault("%s is not supported, only LoRA's two factors and alpha", what)
			continue
		}
		spelling, p, ok := split(e.Key)
		if !ok {
			fault("not the name of a LoRA tensor, which ends in lora_A.weight, lora_down.weight, alpha or the like")
			continue
		}
		at, ok := n.find(spelling)
		if !ok {
			fault("the model has no module %s", show(spelling))
			continue
		}
		if found[at] == nil {
			found[at] = &pieces{}
		}
		if old := found[at][p]; old != nil {
			fault("is %s of %s, and so is tensor %s", partNames[p], n.modules[at], show(old.Key))
			continue
		}
		found[at][p] = e
	}
	// What is not known already would only be said twice: missing pairs follow from it.
	if len(faults) > 0 {
		return nil, joinSome(faults)
	}
	for i, m := range n.modules {
		if found[i] != nil {
			if err := found[i].check(m); err != nil {
				faults = append(faults, err)
			}
		}
	}
	return found, joinSome(faults)
}

// check compares shapes with the module's and with each other.
func (p *pieces) check(m Module) error {
	for _, missing := range [...]part{down, up} {
		if p[missing] == nil {
			have := p[alpha]
			if other := p[1-missing]; other != nil {
				have = other
			}
			return fmt.Errorf("tensor %s: its module has no %s", show(have.Key), partNames[missing])
		}
	}
	a, b := p[down], p[up]
	for _, e := range [...]*weights.Entry{a, b} {
		if e.DType != tensor.Float32 && e.DType != tensor.Float16 && e.DType != tensor.BFloat16 {
			return fmt.Errorf("tensor %s: %s elements; float32, float16 or bfloat16 is expected", show(e.Key), e.DType)
		}
	}
	if len(a.Shape) < 2 || a.Shape[0] < 1 || !sameMatrix(a.Shape[1:], m.Shape[1:]) {
		return fmt.Errorf("tensor %s has shape %v, module %s of weight %v asks for [rank%s]",
			show(a.Key), a.Shape, m, m.Shape, dims(m.Shape[1:]))
	}
	rank := a.Shape[0]
	if len(b.Shape) < 2 || b.Shape[0] != m.Out() || !sameMatrix(b.Shape[1:], tensor.Shape{rank}) {
		return fmt.Errorf("tensor %s has shape %v, module %s of weight %v with rank %d in %s asks for [%d, %d]",
			show(b.Key), b.Shape, m, m.Shape, rank, show(a.Key), m.Out(), rank)
	}
	if e := p[alpha]; e != nil && e.Length != int64(e.DType.Size()) {
		return fmt.Errorf("tensor %s has shape %v, an alpha is one number", show(e.Key), e.Shape)
	}
	return nil
}

func dims(s tensor.Shape) (text string) {
	for _, d := range s {
		text += fmt.Sprintf(", %d", d)
	}
	return text
}

// sameMatrix reports whether two shapes are equal but for ones at the end: a
// linear layer's factor may lie as that of a 1x1 convolution, and the reverse.
func sameMatrix(a, b tensor.Shape) bool {
	bare := func(s tensor.Shape) tensor.Shape {
		for len(s) > 1 && s[len(s)-1] == 1 {
			s = s[:len(s)-1]
		}
		return s
	}
	return len(a) <= 3 && slices.Equal(bare(a), bare(b))
}

// layer reads the values. Their sizes are those of the file.
func (p *pieces) layer(m Module, s *settings) (Layer, error) {
	l := Layer{Module: m, Rank: p[down].Shape[0], Scale: 1}
	for _, side := range [...]struct {
		dst *[]float32
		e   *weights.Entry
	}{{&l.A, p[down]}, {&l.B, p[up]}} {
		values := make([]float32, side.e.Length/int64(side.e.DType.Size()))
		if err := weights.ReadFloat32(values, *side.e); err != nil {
			return l, err
		}
		if i := slices.IndexFunc(values, func(v float32) bool { return v-v != 0 }); i >= 0 {
			return l, fmt.Errorf("tensor %s: element %d is %v", show(side.e.Key), i, values[i])
		}
		*side.dst = values
	}
	if p[alpha] == nil {
		scale, err := s.scale(m, l.Rank)
		l.Scale = scale
		return l, err
	}
	v, err := readNumber(*p[alpha])
	if err == nil {
		err = checkAlpha(v)
	}
	if err != nil {
		return l, fmt.Errorf("tensor %s: %w", show(p[alpha].Key), err)
	}
	l.Scale = v / float64(l.Rank)
	return l, nil
}

// checkAlpha refuses numbers that are no alpha. Zero is one: sd-scripts take it
// for the rank, diffusers for no change at all.
func checkAlpha(v float64) error {
	if x := math.Abs(v); x >= 1e-30 && x <= 1e30 { // float32 holds it over and times any rank
		return nil
	}
	return fmt.Errorf("alpha is %v; a finite number other than 0 is expected, between 1e-30 and 1e30 without its sign", v)
}

// readNumber reads a tensor of one element.
func readNumber(e weights.Entry) (float64, error) {
	switch e.DType {
	case tensor.Float32, tensor.Float16, tensor.BFloat16:
		v := make([]float32, 1)
		err := weights.ReadFloat32(v, e)
		return float64(v[0]), err
	case tensor.Float64, tensor.Int64, tensor.Int32:
	default:
		return 0, fmt.Errorf("%s elements; a number is expected", e.DType)
	}
	f, err := os.Open(e.File)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	b := make([]byte, e.DType.Size())
	if _, err := f.ReadAt(b, e.Offset); err != nil {
		return 0, err
	}
	switch e.DType {
	case tensor.Float64:
		return math.Float64frombits(binary.LittleEndian.Uint64(b)), nil
	case tensor.Int64:
		return float64(int64(binary.LittleEndian.Uint64(b))), nil
	}
	return float64(int32(binary.LittleEndian.Uint32(b))), nil
}

// show makes a text from a file fit to be printed.
func show(s string) string {
	const most = 200
	if len(s) > most {
		s = s[:most] + "..."
	}
	for _, r := range s {
		if r < ' ' || r > '~' {
			return fmt.Sprintf("%q", s)
		}
	}
	return s
}
