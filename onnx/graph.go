package onnx

import (
	"fmt"
	"math"
	"slices"

	"cosmicman/tensor"
)

// Kind says where a value comes from.
type Kind uint8

// The three leaves, and the output of a node.
const (
	Input Kind = iota
	Param
	Const
	Output
)

// Type is what is known of a value before anything runs.
type Type struct {
	DType tensor.DType
	Shape Shape
	// Content holds the elements of a 1-D int64 value where they are known,
	// such as the shape of another value: Reshape and Resize need them.
	Content []Dim
}

// Value is an edge of the graph.
type Value struct {
	Name string // unique within the graph; a Param's is its canonical checkpoint key
	Kind Kind
	Type
	Data any   // of a Const: []float32 or []int64
	Node *Node // of an Output: the node that makes it
}

// Attr is one attribute of a node: int64, float32, string or []int64.
type Attr struct {
	Name  string
	Value any
}

// Node applies an operator. An absent optional input is nil.
type Node struct {
	Op     *Op
	Inputs []*Value
	Output *Value
	Attrs  []Attr
}

// Int returns the attribute's value, or def where the node has none.
func (n *Node) Int(name string, def int64) int64 {
	if v, ok := n.attr(name).(int64); ok {
		return v
	}
	return def
}

// Float returns the attribute's value, or def where the node has none.
func (n *Node) Float(name string, def float32) float32 {
	if v, ok := n.attr(name).(float32); ok {
		return v
	}
	return def
}

// Ints returns the attribute's value, nil where the node has none.
func (n *Node) Ints(name string) []int64 {
	v, _ := n.attr(name).([]int64)
	return v
}

// Str returns the attribute's value, "" where the node has none.
func (n *Node) Str(name string) string {
	v, _ := n.attr(name).(string)
	return v
}

func (n *Node) attr(name string) any {
	for _, a := range n.Attrs {
		if a.Name == name {
			return a.Value
		}
	}
	return nil
}

// Graph is a network: its leaves, its nodes in an order in which they can run,
// and its named results.
type Graph struct {
	Name    string
	Inputs  []*Value
	Params  []*Value
	Consts  []*Value
	Nodes   []*Node
	Outputs []Result

	names  map[string]*Value
	consts map[string]*Value
	next   int
	err    error
}

// Result is a value that the graph hands out under a name.
type Result struct {
	Name  string
	Value *Value
}

// NewGraph returns an empty graph.
func NewGraph(name string) *Graph {
	return &Graph{Name: name, names: map[string]*Value{}, consts: map[string]*Value{}}
}

// Err returns the first fault found while the graph was built. After a fault
// the builder's methods go on with values of no type, so that a network is
// written without a check on every line; [Verify] and [Encode] refuse it.
func (g *Graph) Err() error { return g.err }

func (g *Graph) fail(format string, args ...any) {
	if g.err == nil {
		g.err = fmt.Errorf("onnx: graph %s: %w", g.Name, fmt.Errorf(format, args...))
	}
}

func (g *Graph) register(v *Value) *Value {
	if v.Name == "" {
		g.fail("a value has an empty name")
	}
	if g.names[v.Name] != nil {
		g.fail("two values are named %q", v.Name)
	}
	g.names[v.Name] = v
	return v
}

// Input declares a value that the caller gives at every run.
func (g *Graph) Input(name string, dtype tensor.DType, shape ...Dim) *Value {
	v := g.register(&Value{Name: name, Kind: Input, Type: Type{DType: dtype, Shape: shape}})
	g.Inputs = append(g.Inputs, v)
	return v
}

// Param declares a float32 weight by its canonical checkpoint key, or returns
// the one declared before under that key. Its shape is a row of numbers.
func (g *Graph) Param(key string, shape ...int64) *Value {
	dims := make(Shape, len(shape))
	for i, n := range shape {
		if n < 1 {
			g.fail("parameter %s: dimension %d is %d", key, i, n)
		}
		dims[i] = N(n)
	}
	if v := g.names[key]; v != nil && v.Kind == Param {
		if !v.Shape.Equal(dims) {
			g.fail("parameter %s is used with shapes %v and %v", key, v.Shape, dims)
		}
		return v
	}
	v := g.register(&Value{Name: key, Kind: Param, Type: Type{DType: tensor.Float32, Shape: dims}})
	g.Params = append(g.Params, v)
	return v
}

// Floats declares a float32 constant, row-major. Equal constants are one value.
func (g *Graph) Floats(data []float32, shape ...int64) *Value {
	key := fmt.Sprint("f", shape)
	for _, f := range data {
		key += fmt.Sprintf(" %x", math.Float32bits(f))
	}
	return g.constant(key, tensor.Float32, data, int64(len(data)), shape)
}

// Ints declares an int64 constant, row-major. Equal constants are one value.
func (g *Graph) Ints(data []int64, shape ...int64) *Value {
	return g.constant(fmt.Sprint("i", shape, data), tensor.Int64, data, int64(len(data)), shape)
}

// Scalar declares the float32 constant x of rank 0.
func (g *Graph) Scalar(x float32) *Value { return g.Floats([]float32{x}) }

func (g *Graph) constant(key string, dtype tensor.DType, data any, count int64, shape []int64) *Value {
	if v := g.consts[key]; v != nil {
		return v
	}
	if n, err := tensor.Shape(shape).Elements(); err != nil || n != count {
		g.fail("a constant of shape %v has %d elements", shape, count)
	}
	dims := make(Shape, len(shape))
	for i, n := range shape {
		dims[i] = N(n)
	}
	v := &Value{Name: g.fresh("const"), Kind: Const, Type: Type{DType: dtype, Shape: dims}, Data: data}
	v.Content = constContent(v)
	g.consts[key] = g.register(v)
	g.Consts = append(g.Consts, v)
	return v
}

func constContent(v *Value) []Dim {
	ints, ok := v.Data.([]int64)
	if !ok || len(v.Shape) > 1 {
		return nil
	}
	c := make([]Dim, len(ints))
	for i, n := range ints {
		c[i] = N(n)
	}
	return c
}

func (g *Graph) fresh(stem string) string {
	g.next++
	return fmt.Sprintf("%s_%d", stem, g.next)
}

// Apply adds a node and returns its output, whose type follows from the
// operator's rule. A nil input is an absent optional one.
func (g *Graph) Apply(op string, inputs []*Value, attrs ...Attr) *Value {
	out := &Value{Kind: Output}
	row := ops[op]
	if row == nil {
		g.fail("no operator %q", op)
		return out
	}
	n := &Node{Op: row, Inputs: inputs, Attrs: attrs, Output: out}
	out.Node = n
	out.Name = g.fresh(op)
	if g.err != nil {
		return out
	}
	t, err := row.typeOf(n)
	if err != nil {
		g.fail("%s: %w", describe(n), err)
		return out
	}
	out.Type = t
	g.register(out)
	g.Nodes = append(g.Nodes, n)
	return out
}

func describe(n *Node) string {
	s := n.Op.Name + "("
	for i, in := range n.Inputs {
		if i > 0 {
			s += ", "
		}
		if in == nil {
			s += "-"
			continue
		}
		s += fmt.Sprintf("%s %v%v", in.Name, in.DType, in.Shape)
	}
	return s + ")"
}

// Result hands v out under a name.
func (g *Graph) Result(name string, v *Value) {
	if slices.ContainsFunc(g.Outputs, func(r Result) bool { return r.Name == name }) || g.names[name] != nil {
		g.fail("the name of result %q is taken", name)
	}
	if v.Kind != Output {
		g.fail("result %q is no node's output", name)
	}
	g.Outputs = append(g.Outputs, Result{name, v})
}

// ParamElements returns the number of weights.
func (g *Graph) ParamElements() int64 {
	var sum int64
	for _, p := range g.Params {
		n, _ := p.Shape.Elements().Const()
		sum += n
	}
	return sum
}

// DropUnused takes out the nodes from number first on, and the constants, that
// neither a node, a result nor one of keep needs.
func (g *Graph) DropUnused(first int, keep ...*Value) {
	used := map[*Value]bool{}
	for _, v := range keep {
		used[v] = true
	}
	for _, r := range g.Outputs {
		used[r.Value] = true
	}
	for i, n := range slices.Backward(g.Nodes) {
		if i < first || used[n.Output] {
			used[n.Output] = true
			for _, v := range n.Inputs {
				used[v] = true
			}
		}
	}
	drop := func(v *Value) bool {
		if !used[v] {
			delete(g.names, v.Name)
		}
		return !used[v]
	}
	g.Nodes = slices.DeleteFunc(g.Nodes, func(n *Node) bool { return drop(n.Output) })
	g.Consts = slices.DeleteFunc(g.Consts, drop)
	for key, v := range g.consts {
		if !used[v] {
			delete(g.consts, key)
		}
	}
}
