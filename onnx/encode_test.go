package onnx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"cosmicman/tensor"
)

// field is one field of a decoded message: a varint or fixed32 as a number, or
// the bytes of a text or sub-message.
type field struct {
	number uint64
	bytes  []byte
}

// decoded holds a message's fields by their numbers, in order.
type decoded map[protowire.Number][]field

func decode(t *testing.T, b []byte) decoded {
	t.Helper()
	m := decoded{}
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		b = b[n:]
		var f field
		switch typ {
		case protowire.VarintType:
			f.number, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(b)
			f.number = uint64(v)
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(b)
		default:
			t.Fatalf("field %d has wire type %d", num, typ)
		}
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		b = b[n:]
		m[num] = append(m[num], f)
	}
	return m
}

func (m decoded) text(num protowire.Number) string {
	if len(m[num]) != 1 {
		return fmt.Sprintf("%d fields %d", len(m[num]), num)
	}
	return string(m[num][0].bytes)
}

func (m decoded) number(num protowire.Number) int64 {
	if len(m[num]) != 1 {
		return -1 << 40
	}
	return int64(m[num][0].number)
}

func (m decoded) texts(num protowire.Number) (out []string) {
	for _, f := range m[num] {
		out = append(out, string(f.bytes))
	}
	return out
}

func (m decoded) numbers(num protowire.Number) (out []int64) {
	for _, f := range m[num] {
		out = append(out, int64(f.number))
	}
	return out
}

// places says that parameters lie one after another, those whose name ends in
// bias as float16.
func places(g *Graph) func(string) (External, error) {
	offset := int64(100)
	return func(name string) (External, error) {
		e := External{Location: "unet/model.safetensors", Offset: offset, DType: tensor.Float32}
		if strings.HasSuffix(name, "bias") {
			e.DType = tensor.Float16
		}
		n, _ := g.names[name].Shape.Elements().Const()
		e.Length = n * int64(e.DType.Size())
		offset += e.Length
		return e, nil
	}
}

// TestEncodedModel reads the protobuf back by the field numbers of onnx.proto
// alone and finds everything that was written.
func TestEncodedModel(t *testing.T) {
	g := small()
	g.Result("again", g.Outputs[1].Value) // one value under two names
	data, err := Encode(g, places(g))
	if err != nil {
		t.Fatal(err)
	}
	m := decode(t, data)
	if m.number(1) != 10 || m.text(2) != "cosmicman" {
		t.Errorf("IR version %d by %q", m.number(1), m.text(2))
	}
	sets := map[string]int64{}
	for _, f := range m[8] {
		set := decode(t, f.bytes)
		sets[set.text(1)] = set.number(2)
	}
	if len(sets) != 2 || sets[""] != Opset || sets["com.microsoft"] != 1 {
		t.Errorf("operator sets %v", sets)
	}
	graph := decode(t, []byte(m.text(7)))
	if graph.text(2) != "small" {
		t.Errorf("the graph is named %q", graph.text(2))
	}
	checkValueInfos(t, graph)
	defined := checkInitializers(t, g, graph)
	for _, f := range graph[11] {
		defined[decode(t, f.bytes).text(1)] = true
	}
	checkNodes(t, g, graph, defined)
	for _, f := range graph[12] {
		if name := decode(t, f.bytes).text(1); !defined[name] {
			t.Errorf("nothing makes the result %s", name)
		}
	}
}

// checkValueInfos looks at names, element types and dimensions of the inputs and results.
func checkValueInfos(t *testing.T, graph decoded) {
	t.Helper()
	var all []string
	for _, f := range append(slices.Clone(graph[11]), graph[12]...) {
		info := decode(t, f.bytes)
		typ := decode(t, []byte(decode(t, []byte(info.text(2))).text(1)))
		s := fmt.Sprint(info.text(1), ":", typ.number(1))
		for _, d := range decode(t, []byte(typ.text(2)))[1] {
			if dim := decode(t, d.bytes); len(dim[1]) > 0 {
				s += fmt.Sprint(" ", dim.number(1))
			} else {
				s += " " + strings.ReplaceAll(dim.text(2), " ", "")
			}
		}
		all = append(all, s)
	}
	half := "((height+1)/2) ((width+1)/2)"
	want := []string{"x:1 rows 4 height width", "up:1 rows 6 height width", "tokens:1 rows 6 " + half, "again:1 rows 6 " + half}
	if !slices.Equal(all, want) {
		t.Errorf("inputs and results are %q, want %q", all, want)
	}
}

// checkInitializers compares parameters and constants and returns their names.
func checkInitializers(t *testing.T, g *Graph, graph decoded) map[string]bool {
	t.Helper()
	defined := map[string]bool{}
	tensors := map[string]decoded{}
	for _, f := range graph[5] {
		init := decode(t, f.bytes)
		tensors[init.text(8)] = init
		defined[init.text(8)] = true
	}
	if len(tensors) != len(g.Params)+len(g.Consts) {
		t.Errorf("%d initializers for %d parameters and %d constants", len(tensors), len(g.Params), len(g.Consts))
	}
	where := places(g)
	for _, p := range g.Params {
		e, _ := where(p.Name)
		name, dtype := p.Name, int64(1)
		if e.DType == tensor.Float16 {
			name, dtype = p.Name+"/stored", 10
		}
		init, ok := tensors[name]
		if !ok {
			t.Errorf("no initializer %s", name)
			continue
		}
		external := map[string]string{}
		for _, f := range init[13] {
			kv := decode(t, f.bytes)
			external[kv.text(1)] = kv.text(2)
		}
		if len(external) != 3 || external["location"] != e.Location || external["offset"] != fmt.Sprint(e.Offset) || external["length"] != fmt.Sprint(e.Length) {
			t.Errorf("%s lies at %v, want %+v", name, external, e)
		}
		if init.number(14) != 1 || len(init[9]) != 0 || init.number(2) != dtype || Shape(dims(init.numbers(1))).String() != p.Shape.String() {
			t.Errorf("%s: location %d, type %d, dimensions %v", name, init.number(14), init.number(2), init.numbers(1))
		}
	}
	for _, c := range g.Consts {
		init := tensors[c.Name]
		var raw bytes.Buffer
		if err := binary.Write(&raw, binary.LittleEndian, c.Data); err != nil {
			t.Fatal(err)
		}
		if len(init[13]) != 0 || len(init[14]) != 0 || init.text(9) != raw.String() || init.number(2) != protoDType(c.DType) || Shape(dims(init.numbers(1))).String() != c.Shape.String() {
			t.Errorf("%s: type %d, dimensions %v, bytes %q", c.Name, init.number(2), init.numbers(1), init.text(9))
		}
	}
	return defined
}

func dims(ns []int64) []Dim {
	out := make([]Dim, len(ns))
	for i, n := range ns {
		out[i] = N(n)
	}
	return out
}

// checkNodes compares operators, domains and attributes in order, and that every
// input is defined before it is used.
func checkNodes(t *testing.T, g *Graph, graph decoded, defined map[string]bool) {
	t.Helper()
	var nodes []decoded
	casts, copies := 0, 0
	for _, f := range graph[1] {
		n := decode(t, f.bytes)
		for _, in := range n.texts(1) {
			if in != "" && !defined[in] {
				t.Errorf("%s %s uses %s before it is there", n.text(4), n.text(3), in)
			}
		}
		if out := n.text(2); out == "" || defined[out] || n.text(3) != out {
			t.Errorf("%s makes %q and is named %q", n.text(4), out, n.text(3))
		}
		defined[n.text(2)] = true
		switch n.text(4) {
		case "Cast":
			casts++
		case "Identity":
			copies++
		default:
			nodes = append(nodes, n)
		}
	}
	if casts != 2 || copies != 1 || len(nodes) != len(g.Nodes) {
		t.Fatalf("%d casts of stored parameters, %d copies of results, %d nodes for %d", casts, copies, len(nodes), len(g.Nodes))
	}
	for i, n := range g.Nodes {
		m := nodes[i]
		domain := ""
		if len(m[7]) > 0 {
			domain = m.text(7)
		}
		if m.text(4) != n.Op.Name || domain != n.Op.Domain || len(m[1]) != len(n.Inputs) || len(m[5]) != len(n.Attrs) {
			t.Errorf("node %d is %s of %q with %d inputs and %d attributes, want %s", i, m.text(4), domain, len(m[1]), len(m[5]), describe(n))
			continue
		}
		for j, f := range m[5] {
			a := decode(t, f.bytes)
			var got any
			switch a.number(20) {
			case 1:
				got = math.Float32frombits(uint32(a.number(2)))
			case 2:
				got = a.number(3)
			case 3:
				got = a.text(4)
			case 7:
				got = a.numbers(8)
			}
			if want := n.Attrs[j]; a.text(1) != want.Name || fmt.Sprintf("%T %v", got, got) != fmt.Sprintf("%T %v", want.Value, want.Value) {
				t.Errorf("%s: attribute %s is %v, want %s %v", n.Op.Name, a.text(1), got, want.Name, want.Value)
			}
		}
	}
}

// TestCastForEachReader: a narrow parameter that is cast in every run is cast once for
// each node that reads it, in front of it.
func TestCastForEachReader(t *testing.T) {
	g := NewGraph("readers")
	w := g.Param("w", 3, 3)
	x := g.Input("x", tensor.Float32, Sym("rows"), N(3))
	g.Result("y", g.Linear(g.Linear(x, w, nil), w, nil))
	g.Result("square", g.Mul(w, w))
	data, err := Encode(g, func(string) (External, error) {
		return External{Location: "w", Length: 18, DType: tensor.Float16, Cast: true}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var casts, others int
	made := ""
	for _, f := range decode(t, []byte(decode(t, data).text(7)))[1] {
		n := decode(t, f.bytes)
		if n.text(4) == "Cast" {
			casts++
			made = n.text(2)
			continue
		}
		others++
		for i, in := range n.texts(1) {
			if in != made && !(i == 0 && n.text(4) == "Gemm") {
				t.Errorf("%s reads %s, but %s was cast for it", n.text(2), in, made)
			}
		}
	}
	if casts != 3 || others != 3 {
		t.Errorf("%d casts for %d nodes, want one each of 3", casts, others)
	}
}

func TestEncodeRefuses(t *testing.T) {
	lost := errors.New("lost")
	for name, c := range map[string]struct {
		external func(string) (External, error)
		want     string
	}{
		"nobody":   {nil, "conv.weight: nobody says"},
		"lost":     {func(string) (External, error) { return External{}, lost }, "lost"},
		"no file":  {func(string) (External, error) { return External{Length: 8 * 36 * 4, DType: tensor.Float32}, nil }, "no name"},
		"no type":  {func(string) (External, error) { return External{Location: "w", Length: 8 * 36 * 4}, nil }, "element type is invalid"},
		"length":   {func(string) (External, error) { return External{Location: "w", Length: 7, DType: tensor.Float32}, nil }, "7 bytes at offset 0"},
		"negative": {func(string) (External, error) { return External{"w", -1, 8 * 36 * 4, tensor.Float32, false}, nil }, "offset -1"},
	} {
		if _, err := Encode(small(), c.external); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
}
