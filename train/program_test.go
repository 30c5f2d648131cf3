package train

import (
	"strings"
	"testing"

	"cosmicman/onnx"
	"cosmicman/ort"
	"cosmicman/tensor"
)

// square is a program whose loss is the sum of (x w)^2 over x [rows, 2].
func square(t *testing.T, change func(c *ProgramConfig)) (*Program, error) {
	t.Helper()
	g := onnx.NewGraph("square")
	y := g.Linear(g.Input("x", tensor.Float32, onnx.Sym("rows"), onnx.N(2)), g.Param("w", 1, 2), nil)
	g.Result("loss", g.Sum(g.Reshape(g.Mul(y, y), onnx.Rest()), true, 0))
	c := ProgramConfig{Name: "square", Graph: g, Loss: "loss", Threads: 1, Tensors: []Tensor{
		{Name: "w", Shape: tensor.Shape{1, 2}, Values: []float32{3, -1}, Gradient: []float32{100, 200}},
	}}
	change(&c)
	return NewProgram(openRuntime(t), c)
}

// TestProgram: gradients are added to what is there, those by inputs are written, and
// values that have changed are read anew.
func TestProgram(t *testing.T) {
	var w Tensor
	p, err := square(t, func(c *ProgramConfig) { w, c.Through = c.Tensors[0], []string{"x"} })
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	given := map[string]ort.Tensor{"x": ort.Floats([]float32{1, 2, 0, 1}, 2, 2)} // x w: 1 and -1
	by := make([]float32, 4)
	for call, want := range []float32{102, 104} {
		losses, err := p.Gradients(t.Context(), given, map[string]ort.Tensor{"x": ort.Floats(by, 2, 2)})
		if err != nil || losses["loss"] != 2 || w.Gradient[0] != want || w.Gradient[1] != 200+2*float32(call+1) {
			t.Errorf("call %d: losses %v, gradient %v: %v", call, losses, w.Gradient, err)
		}
		if by[0] != 6 || by[1] != -2 || by[2] != -6 || by[3] != 2 {
			t.Errorf("call %d: the gradient by x is %v, want [6 -2 -6 2]", call, by)
		}
	}
	w.Values[1] = 0
	if losses, err := p.Evaluate(t.Context(), given); err != nil || losses["loss"] != 9 {
		t.Errorf("with other values the losses are %v: %v", losses, err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Evaluate(t.Context(), given); err == nil {
		t.Error("a closed program runs")
	}
	if _, err := p.Gradients(t.Context(), given, nil); err == nil {
		t.Error("a closed program has gradients")
	}
}

func TestProgramRefuses(t *testing.T) {
	for want, change := range map[string]func(c *ProgramConfig){
		`no result is called "cost"; there are loss`: func(c *ProgramConfig) { c.Loss = "cost" },
		"nothing is trained":                         func(c *ProgramConfig) { c.Tensors = nil },
		"no tensor v,":                               func(c *ProgramConfig) { c.Tensors[0].Name = "v" },
		"has 1 values":                               func(c *ProgramConfig) { c.Tensors[0].Values = []float32{1} },
		"float32[2, 1] for training":                 func(c *ProgramConfig) { c.Tensors[0].Shape = tensor.Shape{2, 1} },
		"no input z to derive by":                    func(c *ProgramConfig) { c.Through = []string{"z"} },
		"the loss y is float32[rows, 2]": func(c *ProgramConfig) {
			c.Graph.Result("y", c.Graph.Add(c.Graph.Inputs[0], c.Graph.Inputs[0]))
		},
		"there are no weights for what is not": func(c *ProgramConfig) {
			c.Tensors = []Tensor{{Name: "x2", Shape: tensor.Shape{1}, Values: make([]float32, 1), Gradient: make([]float32, 1)}}
			g := c.Graph
			r := g.Outputs[0].Value
			g.Outputs = nil
			g.Result("loss", g.Mul(r, g.Input("x2", tensor.Float32, onnx.N(1))))
		},
	} {
		p, err := square(t, change)
		if err == nil || !strings.Contains(err.Error(), want) || p != nil {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}
