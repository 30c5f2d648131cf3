package onnx

import (
	"fmt"
	"io"
	"strings"
)

// Print writes the graph for people: inputs, then one line a node with its
// result's type, parameters by their checkpoint keys, small constants in place.
func Print(w io.Writer, g *Graph) error {
	p := &printer{w: w, names: map[*Value]string{}}
	p.printf("graph %s\n", g.Name)
	for _, v := range g.Inputs {
		p.names[v] = "%" + v.Name
		p.printf("  input %%%s: %v%v\n", v.Name, v.DType, v.Shape)
	}
	for i, n := range g.Nodes {
		name := fmt.Sprintf("%%%d", i)
		p.names[n.Output] = name
		args := make([]string, len(n.Inputs))
		for j, in := range n.Inputs {
			args[j] = p.ref(in)
		}
		attrs := ""
		for _, a := range n.Attrs {
			attrs += fmt.Sprintf(" %s=%v", a.Name, a.Value)
		}
		p.printf("  %s = %s(%s)%s: %v%v\n", name, n.Op.Name, strings.Join(args, ", "), attrs, n.Output.DType, n.Output.Shape)
	}
	for _, r := range g.Outputs {
		p.printf("  result %s = %s: %v%v\n", r.Name, p.ref(r.Value), r.Value.DType, r.Value.Shape)
	}
	p.printf("  %d parameters, %d elements, %d nodes\n", len(g.Params), g.ParamElements(), len(g.Nodes))
	return p.err
}

type printer struct {
	w     io.Writer
	names map[*Value]string
	err   error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

func (p *printer) ref(v *Value) string {
	if v == nil {
		return "-"
	}
	switch v.Kind {
	case Param:
		return v.Name
	case Const:
		if n, _ := v.Shape.Elements().Const(); n <= 8 {
			return fmt.Sprint(v.Data)
		}
		return fmt.Sprintf("const %v%v", v.DType, v.Shape)
	}
	return p.names[v]
}
