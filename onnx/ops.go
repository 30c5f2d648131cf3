package onnx

import (
	"fmt"
	"maps"
	"slices"

	"cosmicman/tensor"
)

// Opset is the version of the default operator set that graphs declare.
const Opset = 22

// Domains of operators: ONNX's own is the empty one.
const contrib = "com.microsoft"

// Op is one row of the operator table.
type Op struct {
	Name   string
	Domain string // "" or com.microsoft
	Since  int    // the operator-set version in which the form used here stands
	Min    int    // fewest inputs
	Max    int    // most inputs, absent optional ones counted; -1: any number
	Attrs  []string
	infer  func(*Node) (Type, error)
}

var ops = table(
	// Arithmetic, broadcasting as NumPy.
	Op{Name: "Add", Since: 14, Min: 2, Max: 2, infer: inferAdd},
	Op{Name: "Sub", Since: 14, Min: 2, Max: 2, infer: inferSub},
	Op{Name: "Mul", Since: 14, Min: 2, Max: 2, infer: inferBroadcast},
	Op{Name: "Div", Since: 14, Min: 2, Max: 2, infer: inferBroadcast},
	Op{Name: "Sin", Since: 7, Min: 1, Max: 1, infer: inferSameFloat},
	Op{Name: "Cos", Since: 7, Min: 1, Max: 1, infer: inferSameFloat},

	Op{Name: "Exp", Since: 13, Min: 1, Max: 1, infer: inferSameFloat},
	Op{Name: "Sqrt", Since: 13, Min: 1, Max: 1, infer: inferSameFloat},
	Op{Name: "Erf", Since: 13, Min: 1, Max: 1, infer: inferSameFloat},
	Op{Name: "Abs", Since: 13, Min: 1, Max: 1, infer: inferSameFloat},
	Op{Name: "Sign", Since: 13, Min: 1, Max: 1, infer: inferSameFloat},
	Op{Name: "Clip", Since: 13, Min: 3, Max: 3, infer: inferClip},
	Op{Name: "Equal", Since: 19, Min: 2, Max: 2, infer: inferEqual},

	// Sums along axes.
	Op{Name: "ReduceSum", Since: 13, Min: 2, Max: 2, Attrs: []string{"keepdims"}, infer: inferReduceSum},
	Op{Name: "CumSum", Since: 14, Min: 2, Max: 2, Attrs: []string{"reverse"}, infer: inferCumSum},

	// Activations.
	Op{Name: "Sigmoid", Since: 13, Min: 1, Max: 1, infer: inferSameFloat},
	Op{Name: "Softplus", Since: 1, Min: 1, Max: 1, infer: inferSameFloat},
	Op{Name: "Gelu", Since: 20, Min: 1, Max: 1, Attrs: []string{"approximate"}, infer: inferGelu},
	Op{Name: "QuickGelu", Domain: contrib, Since: 1, Min: 1, Max: 1, Attrs: []string{"alpha"}, infer: inferSameFloat},
	Op{Name: "Softmax", Since: 13, Min: 1, Max: 1, Attrs: []string{"axis"}, infer: inferSoftmax},

	// Products.
	Op{Name: "Conv", Since: 22, Min: 2, Max: 3, Attrs: []string{"kernel_shape", "pads", "strides"}, infer: inferConv},
	Op{Name: "ConvTranspose", Since: 22, Min: 2, Max: 2, Attrs: []string{"kernel_shape", "output_padding", "pads", "strides"}, infer: inferConvTranspose},
	Op{Name: "Gemm", Since: 13, Min: 2, Max: 3, Attrs: []string{"transA", "transB"}, infer: inferGemm},
	Op{Name: "MatMul", Since: 13, Min: 2, Max: 2, infer: inferMatMul},
	Op{Name: "FusedMatMul", Domain: contrib, Since: 1, Min: 2, Max: 2, Attrs: []string{"alpha", "transA", "transB"}, infer: inferFusedMatMul},
	Op{Name: "MultiHeadAttention", Domain: contrib, Since: 1, Min: 3, Max: 6, Attrs: []string{"num_heads", "scale"}, infer: inferAttention},

	// Normalizations.
	Op{Name: "GroupNormalization", Since: 21, Min: 3, Max: 3, Attrs: []string{"epsilon", "num_groups"}, infer: inferGroupNorm},
	Op{Name: "InstanceNormalization", Since: 6, Min: 3, Max: 3, Attrs: []string{"epsilon"}, infer: inferInstanceNorm},
	Op{Name: "LayerNormalization", Since: 17, Min: 3, Max: 3, Attrs: []string{"axis", "epsilon"}, infer: inferLayerNorm},

	// Shapes and moves.
	Op{Name: "Shape", Since: 21, Min: 1, Max: 1, Attrs: []string{"start", "end"}, infer: inferShape},
	Op{Name: "Reshape", Since: 21, Min: 2, Max: 2, infer: inferReshape},
	Op{Name: "Transpose", Since: 21, Min: 1, Max: 1, Attrs: []string{"perm"}, infer: inferTranspose},
	Op{Name: "Concat", Since: 13, Min: 1, Max: -1, Attrs: []string{"axis"}, infer: inferConcat},
	Op{Name: "Slice", Since: 13, Min: 4, Max: 5, infer: inferSlice},
	Op{Name: "Gather", Since: 13, Min: 2, Max: 2, Attrs: []string{"axis"}, infer: inferGather},
	Op{Name: "GatherElements", Since: 13, Min: 2, Max: 2, Attrs: []string{"axis"}, infer: inferGatherElements},
	Op{Name: "ScatterElements", Since: 18, Min: 3, Max: 3, Attrs: []string{"axis", "reduction"}, infer: inferScatterElements},
	Op{Name: "Expand", Since: 13, Min: 2, Max: 2, infer: inferExpand},
	Op{Name: "Pad", Since: 21, Min: 2, Max: 2, infer: inferPad},
	Op{Name: "Resize", Since: 19, Min: 3, Max: 4, Attrs: []string{"mode", "coordinate_transformation_mode", "nearest_mode"}, infer: inferResize},
	Op{Name: "Cast", Since: 21, Min: 1, Max: 1, Attrs: []string{"to"}, infer: inferCast},
)

func table(rows ...Op) map[string]*Op {
	m := make(map[string]*Op, len(rows))
	for i := range rows {
		m[rows[i].Name] = &rows[i]
	}
	return m
}

// OpNames lists the operators of the table in order.
func OpNames() []string { return slices.Sorted(maps.Keys(ops)) }

// typeOf checks arity and attributes, then applies the row's rule.
func (op *Op) typeOf(n *Node) (Type, error) {
	if len(n.Inputs) < op.Min || op.Max >= 0 && len(n.Inputs) > op.Max {
		return Type{}, fmt.Errorf("has %d inputs", len(n.Inputs))
	}
	for i, in := range n.Inputs {
		switch {
		case in == nil && (i == 0 || i < 2 && op.Name != "Resize" || op.Max < 0):
			return Type{}, fmt.Errorf("input %d is required", i)
		case in != nil && in.DType == tensor.Invalid:
			return Type{}, fmt.Errorf("input %d has no type", i)
		}
	}
	for i, a := range n.Attrs {
		if !slices.Contains(op.Attrs, a.Name) {
			return Type{}, fmt.Errorf("has no attribute %q", a.Name)
		}
		if have, want := fmt.Sprintf("%T", a.Value), attrTypes[a.Name]; have != want {
			return Type{}, fmt.Errorf("attribute %q is a %s, expected %s", a.Name, have, want)
		}
		if slices.ContainsFunc(n.Attrs[:i], func(b Attr) bool { return b.Name == a.Name }) {
			return Type{}, fmt.Errorf("attribute %q stands twice", a.Name)
		}
	}
	return op.infer(n)
}

// attrTypes gives each attribute's Go type; no two operators differ in one.
var attrTypes = map[string]string{
	"alpha": "float32", "epsilon": "float32", "scale": "float32",
	"approximate": "string", "mode": "string", "coordinate_transformation_mode": "string", "nearest_mode": "string", "reduction": "string",
	"axis": "int64", "end": "int64", "keepdims": "int64", "num_groups": "int64", "num_heads": "int64",
	"reverse": "int64", "start": "int64", "to": "int64", "transA": "int64", "transB": "int64",
	"kernel_shape": "[]int64", "output_padding": "[]int64", "pads": "[]int64", "perm": "[]int64", "strides": "[]int64",
}
