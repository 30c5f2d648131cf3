package train

import (
	"fmt"
	"slices"

	"cosmicman/model"
	"cosmicman/onnx"
	"cosmicman/weights/lora"
)

// Memory is what training takes, in bytes. What is trained is float32.
type Memory struct {
	Trained int64 // the values; their gradients, two moments and an average are as much each
	Frozen  int64 // in files, which are mapped: the system may drop and read them again
	// Activations is the most that the results of a step take at once. With the holes of
	// the runtime's allocator it takes 1.1 to 1.6 times that.
	Activations int64
}

// Memory says what teaching takes with batches of rows images of height x width pixels
// and texts of some tokens, before anything is made or read.
func (o UNetOptions) Memory(rows, height, width, tokens int) (Memory, error) {
	if err := o.check(); err != nil {
		return Memory{}, err
	}
	if rows < 1 || tokens < 1 || height < int(o.Pixels) || width < int(o.Pixels) {
		return Memory{}, fmt.Errorf("memory of %d rows of %dx%d pixels and %d tokens, expected 1 or more of each", rows, width, height, tokens)
	}
	g, err := model.UNet(o.Config)
	if err != nil {
		return Memory{}, err
	}
	var trained []Tensor
	if o.LoRA != nil {
		g, trained, _, err = o.LoRA.Add(g, lora.UNet, o.Seed)
	} else {
		trained, err = pick(g, o.Tensors)
	}
	if err != nil {
		return Memory{}, err
	}
	if g, _, err = unetLosses(g, o); err != nil {
		return Memory{}, err
	}
	symbols := map[string]int64{
		"rows": int64(rows), "height": int64(height) / o.Pixels, "width": int64(width) / o.Pixels, "tokens": int64(tokens),
		"maps": int64(tokens) + 20, // a token each, and the means of the groups of a caption
	}
	return o.program(g, trained).Memory(symbols)
}

// Memory says what teaching takes with batches of rows images of height x width pixels,
// before anything is made or read.
func (o VAEOptions) Memory(rows, height, width int) (Memory, error) {
	if err := o.Check(); err != nil {
		return Memory{}, err
	}
	f := o.Config.Factor()
	if rows < 1 || height < f || width < f {
		return Memory{}, fmt.Errorf("memory of %d rows of %dx%d pixels, expected 1 or more rows and %d or more pixels", rows, width, height, f)
	}
	g, err := model.VAE(o.Config)
	if err != nil {
		return Memory{}, err
	}
	trained, err := pick(g, o.Tensors)
	if err != nil {
		return Memory{}, err
	}
	o.losses(g)
	c := ProgramConfig{Name: "vae", Graph: g, Loss: "loss", Tensors: trained, Frozen: o.Weights, Recompute: o.Recompute}
	return c.Memory(map[string]int64{"rows": int64(rows), "height": int64(height / f), "width": int64(width / f)})
}

// Memory says what a program takes with inputs of some sizes: symbols are what the
// graph's inputs call theirs, such as rows. Only the names and shapes of Tensors are
// looked at. The graph is used up.
func (c ProgramConfig) Memory(symbols map[string]int64) (Memory, error) {
	var m Memory
	trained, cast := map[string]bool{}, map[string]bool{}
	for _, t := range c.Tensors {
		n, err := t.Shape.Elements()
		if err != nil {
			return m, fmt.Errorf("%s: %w", t.Name, err)
		}
		m.Trained += 4 * n
		trained[t.Name] = true
	}
	for _, p := range c.Graph.Params {
		if trained[p.Name] {
			continue
		}
		n, _ := p.Shape.Elements().Const()
		bytes := 4 * n
		if c.Frozen != nil {
			if e, ok := c.Frozen.Lookup(p.Name); ok {
				bytes, cast[p.Name] = e.Length, e.DType != p.DType
			}
		}
		m.Frozen += bytes
	}
	_, g, err := c.derive()
	if err != nil {
		return m, err
	}
	m.Activations, err = activations(g, symbols, cast)
	return m, err
}

// activations is the most that the results of a graph's nodes take at once, as ONNX
// Runtime places them: it frees a result after its last reader, but where it knows a
// shape as numbers, that of a weight, it lets a later result of that shape have the
// memory, and keeps it until then. What is handed out lies in the caller's memory. What
// kernels take for themselves is not counted. The parameters named in cast are widened
// for each node that reads them.
func activations(g *onnx.Graph, symbols map[string]int64, cast map[string]bool) (int64, error) {
	p := placement{
		cast:    cast,
		readers: map[*onnx.Value]int{}, buffer: map[*onnx.Value]*memory{}, idle: map[string][]*memory{},
	}
	order := runOrder(g)
	for _, n := range order {
		for _, v := range n.Inputs {
			p.readers[v]++
		}
	}
	for _, r := range g.Outputs {
		p.buffer[r.Value] = nil
	}
	for i, n := range order {
		if err := p.place(i, n, symbols); err != nil {
			return 0, err
		}
	}
	// What begins and ends at each node.
	change := make([]int64, len(order)+1)
	for _, m := range p.all {
		change[m.first] += m.size
		change[m.last+1] -= m.size
	}
	var now, most int64
	for _, c := range change {
		now += c
		most = max(most, now)
	}
	return most, nil
}

// memory is what one or more results lie in, one after another.
type memory struct {
	size        int64
	first, last int    // the nodes between which it is taken
	uses        int    // of the values in it, that are to come
	shape       string // "" where the runtime does not know it
}

type placement struct {
	cast    map[string]bool
	readers map[*onnx.Value]int
	buffer  map[*onnx.Value]*memory // nil: the caller's
	idle    map[string][]*memory    // free for another result of a shape
	all     []*memory
}

// place finds the memory of what node i makes, and frees what it was the last to read.
func (p *placement) place(i int, n *onnx.Node, symbols map[string]int64) error {
	for _, v := range n.Inputs {
		if v == nil || v.Kind != onnx.Param || !p.cast[v.Name] {
			continue
		}
		m, err := p.find(i, &onnx.Node{Op: &onnx.Op{Name: "Cast"}, Inputs: []*onnx.Value{nil}, Output: v}, nil)
		if err != nil {
			return err
		}
		m.uses++
		defer p.release(i, m, 1)
	}
	if _, handed := p.buffer[n.Output]; !handed {
		m, err := p.find(i, n, symbols)
		if err != nil {
			return err
		}
		m.uses += p.readers[n.Output]
		p.buffer[n.Output] = m
		p.release(i, m, 0)
	}
	for _, v := range n.Inputs {
		if m := p.buffer[v]; m != nil {
			p.release(i, m, 1)
		}
	}
	return nil
}

func (p *placement) find(i int, n *onnx.Node, symbols map[string]int64) (*memory, error) {
	if m := p.buffer[n.Inputs[0]]; m != nil && n.Op.Name == "Reshape" {
		return m, nil
	}
	shape, known := n.Output.Shape.Const()
	key := ""
	if known && len(shape) > 0 {
		key = fmt.Sprint(n.Output.DType, shape)
	}
	if slices.Contains(inPlace, n.Op.Name) && key != "" {
		for _, v := range n.Inputs {
			if m := p.buffer[v]; m != nil && m.uses == 1 && m.shape == key {
				return m, nil
			}
		}
	}
	if free := p.idle[key]; key != "" && len(free) > 0 {
		p.idle[key] = free[:len(free)-1]
		return free[len(free)-1], nil
	}
	m := &memory{size: int64(n.Output.DType.Size()), first: i, last: i, shape: key}
	for _, d := range n.Output.Shape {
		extent, err := d.Eval(symbols)
		if err != nil {
			return nil, err
		}
		m.size *= extent
	}
	p.all = append(p.all, m)
	return m, nil
}

// release counts uses of memory off at node i.
func (p *placement) release(i int, m *memory, uses int) {
	m.uses -= uses
	if m.last = i; m.uses == 0 {
		p.idle[m.shape] = append(p.idle[m.shape], m)
	}
}

// inPlace are the operators that may write over what they read.
var inPlace = []string{"Add", "Div", "Erf", "Exp", "Mul", "Sigmoid", "Softmax", "Sqrt", "Sub"}

// runOrder is the order in which ONNX Runtime runs a graph's nodes: from those that
// nobody reads, the last one first, it goes back to what they are made from, and runs
// each after that.
func runOrder(g *onnx.Graph) []*onnx.Node {
	place, read := map[*onnx.Node]int{}, map[*onnx.Node]bool{}
	for i, n := range g.Nodes {
		place[n] = i
		for _, v := range n.Inputs {
			if v != nil && v.Node != nil {
				read[v.Node] = true
			}
		}
	}
	type entry struct {
		node *onnx.Node
		done bool // what it is made from
	}
	var stack []entry
	for _, n := range g.Nodes {
		if !read[n] {
			stack = append(stack, entry{n, false})
		}
	}
	visited := map[*onnx.Node]bool{}
	order := make([]*onnx.Node, 0, len(g.Nodes))
	for len(stack) > 0 {
		e := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if e.done {
			order = append(order, e.node)
			continue
		}
		if visited[e.node] {
			continue
		}
		visited[e.node] = true
		stack = append(stack, entry{e.node, true})
		var before []*onnx.Node
		for _, v := range e.node.Inputs {
			if v != nil && v.Node != nil && !visited[v.Node] {
				before = append(before, v.Node)
			}
		}
		slices.SortFunc(before, func(a, b *onnx.Node) int { return place[a] - place[b] })
		for _, n := range before {
			stack = append(stack, entry{n, false})
		}
	}
	return order
}
