package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"cosmicman/tensor"
)

// External says where a parameter's bytes are: a file's path relative to the
// folder given to the runtime, a byte offset and a length. DType is the type in
// the file; another than float32 is cast when the session is made, or, at the
// runtime's lowest level of optimization, in every run.
type External struct {
	Location string
	Offset   int64
	Length   int64
	DType    tensor.DType
	// Cast is for such a run: every node that reads the parameter has a cast of its own,
	// so that a wide copy lives no longer than it is read.
	Cast bool
}

func (e External) fits(p *Value) error {
	count, _ := p.Shape.Elements().Const()
	switch {
	case e.Location == "":
		return errors.New("the file has no name")
	case protoDType(e.DType) == 0:
		return fmt.Errorf("the file's element type is %v", e.DType)
	case e.Offset < 0 || e.Length != count*int64(e.DType.Size()):
		return fmt.Errorf("%d bytes at offset %d are not %d elements of %v", e.Length, e.Offset, count, e.DType)
	}
	return nil
}

// Encode writes the graph as an ONNX ModelProto. No weight is in it: external
// says where each parameter's bytes are. Field numbers are those of onnx.proto.
func Encode(g *Graph, external func(param string) (External, error)) ([]byte, error) {
	if err := Verify(g); err != nil {
		return nil, err
	}
	body, err := encodeGraph(g, external)
	if err != nil {
		return nil, err
	}
	var m message
	m.int(1, 10) // ir_version
	m.str(2, "cosmicman")
	m.bytes(7, body)
	for _, set := range []struct {
		domain  string
		version int64
	}{{"", Opset}, {contrib, 1}} {
		var o message
		o.str(1, set.domain)
		o.int(2, set.version)
		m.bytes(8, o)
	}
	return m, nil
}

func encodeGraph(g *Graph, external func(string) (External, error)) (message, error) {
	var m message
	// A value that is handed out keeps one name: the result's.
	names := map[*Value]string{}
	copies := []Result{}
	for _, r := range g.Outputs {
		if names[r.Value] != "" {
			copies = append(copies, r)
			continue
		}
		names[r.Value] = r.Name
	}
	name := func(v *Value) string {
		if v == nil {
			return ""
		}
		if n := names[v]; n != "" {
			return n
		}
		return v.Name
	}
	var initializers []message
	narrow := map[*Value]string{} // what is cast for each of its readers, and how it is called
	for _, p := range g.Params {
		if external == nil {
			return nil, fmt.Errorf("onnx: graph %s: parameter %s: nobody says where its bytes are", g.Name, p.Name)
		}
		e, err := external(p.Name)
		if err != nil {
			return nil, err
		}
		if err := e.fits(p); err != nil {
			return nil, fmt.Errorf("onnx: graph %s: parameter %s: %w", g.Name, p.Name, err)
		}
		stored := p.Name
		if e.DType != p.DType {
			stored += "/stored"
			if e.Cast {
				narrow[p] = stored
			} else {
				m.bytes(1, node("Cast", "", []string{stored}, p.Name, Attr{"to", protoDType(p.DType)}))
			}
		}
		initializers = append(initializers, externalTensor(stored, p.Shape, e))
	}
	for _, c := range g.Consts {
		initializers = append(initializers, constTensor(c))
	}
	for _, n := range g.Nodes {
		ins := make([]string, len(n.Inputs))
		for i, v := range n.Inputs {
			ins[i] = name(v)
			if stored := narrow[v]; stored != "" {
				ins[i] = fmt.Sprintf("%s/for %s", v.Name, n.Output.Name)
				if !slices.Contains(ins[:i], ins[i]) {
					m.bytes(1, node("Cast", "", []string{stored}, ins[i], Attr{"to", protoDType(v.DType)}))
				}
			}
		}
		m.bytes(1, node(n.Op.Name, n.Op.Domain, ins, name(n.Output), n.Attrs...))
	}
	for _, r := range copies {
		m.bytes(1, node("Identity", "", []string{name(r.Value)}, r.Name))
	}
	m.str(2, g.Name)
	for _, t := range initializers {
		m.bytes(5, t)
	}
	for _, v := range g.Inputs {
		m.bytes(11, valueInfo(v.Name, v.Type))
	}
	for _, r := range g.Outputs {
		m.bytes(12, valueInfo(r.Name, r.Value.Type))
	}
	return m, nil
}

func node(op, domain string, inputs []string, output string, attrs ...Attr) message {
	var m message
	for _, s := range inputs {
		m.str(1, s)
	}
	m.str(2, output)
	m.str(3, output) // a node is named after what it makes: errors and profiles read well
	m.str(4, op)
	for _, a := range attrs {
		var t message
		t.str(1, a.Name)
		switch v := a.Value.(type) {
		case float32:
			t.float(2, v)
			t.int(20, 1)
		case int64:
			t.int(3, v)
			t.int(20, 2)
		case string:
			t.str(4, v)
			t.int(20, 3)
		case []int64:
			for _, n := range v {
				t.int(8, n)
			}
			t.int(20, 7)
		}
		m.bytes(5, t)
	}
	if domain != "" {
		m.str(7, domain)
	}
	return m
}

func externalTensor(name string, shape Shape, e External) message {
	var m message
	for _, d := range shape {
		n, _ := d.Const()
		m.int(1, n)
	}
	m.int(2, protoDType(e.DType))
	m.str(8, name)
	for _, kv := range [][2]string{
		{"location", e.Location}, {"offset", fmt.Sprint(e.Offset)}, {"length", fmt.Sprint(e.Length)},
	} {
		var t message
		t.str(1, kv[0])
		t.str(2, kv[1])
		m.bytes(13, t)
	}
	m.int(14, 1) // data_location: EXTERNAL
	return m
}

func constTensor(c *Value) message {
	var m message
	for _, d := range c.Shape {
		n, _ := d.Const()
		m.int(1, n)
	}
	m.int(2, protoDType(c.DType))
	m.str(8, c.Name)
	var raw []byte
	switch data := c.Data.(type) {
	case []float32:
		for _, f := range data {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
		}
	case []int64:
		for _, n := range data {
			raw = binary.LittleEndian.AppendUint64(raw, uint64(n))
		}
	}
	m.bytes(9, raw)
	return m
}

func valueInfo(name string, t Type) message {
	var shape message
	for _, d := range t.Shape {
		var dim message
		if n, ok := d.Const(); ok {
			dim.int(1, n)
		} else {
			dim.str(2, d.String())
		}
		shape.bytes(1, dim)
	}
	var tt message
	tt.int(1, protoDType(t.DType))
	tt.bytes(2, shape)
	var typ message
	typ.bytes(1, tt)
	var m message
	m.str(1, name)
	m.bytes(2, typ)
	return m
}

// protoDType is the number of TensorProto.DataType.
func protoDType(d tensor.DType) int64 {
	switch d {
	case tensor.Float32:
		return 1
	case tensor.Uint8:
		return 2
	case tensor.Int8:
		return 3
	case tensor.Int16:
		return 5
	case tensor.Int32:
		return 6
	case tensor.Int64:
		return 7
	case tensor.Bool:
		return 9
	case tensor.Float16:
		return 10
	case tensor.Float64:
		return 11
	case tensor.BFloat16:
		return 16
	}
	return 0
}

func dtypeOf(proto int64) (tensor.DType, error) {
	for d := tensor.Float32; d <= tensor.Bool; d++ {
		if protoDType(d) == proto {
			return d, nil
		}
	}
	return tensor.Invalid, fmt.Errorf("no element type has the number %d", proto)
}

// message is a protobuf message under construction.
type message []byte

func (m *message) int(field protowire.Number, v int64) {
	*m = protowire.AppendTag(*m, field, protowire.VarintType)
	*m = protowire.AppendVarint(*m, uint64(v))
}

func (m *message) float(field protowire.Number, v float32) {
	*m = protowire.AppendTag(*m, field, protowire.Fixed32Type)
	*m = protowire.AppendFixed32(*m, math.Float32bits(v))
}

func (m *message) bytes(field protowire.Number, b []byte) {
	*m = protowire.AppendTag(*m, field, protowire.BytesType)
	*m = protowire.AppendBytes(*m, b)
}

func (m *message) str(field protowire.Number, s string) { m.bytes(field, []byte(s)) }
