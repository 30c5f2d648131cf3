// Package bind joins the graphs of networks to the files of their weights: what a
// graph wants of the files, and where a session finds it.
package bind

import (
	"fmt"
	"path/filepath"
	"strings"

	"cosmicman/onnx"
	"cosmicman/weights"
)

// Params lists the parameters of graphs that share one component, each once, in the
// graphs' order: what [weights.Index.Check] compares with the files.
func Params(graphs ...*onnx.Graph) []weights.Param {
	var out []weights.Param
	seen := map[string]bool{}
	for _, g := range graphs {
		for _, p := range g.Params {
			if seen[p.Name] {
				continue
			}
			seen[p.Name] = true
			shape, _ := p.Shape.Const() // a parameter's always is
			out = append(out, weights.Param{Name: p.Name, Shape: shape})
		}
	}
	return out
}

// External says where a parameter's values lie, for [onnx.Encode]: in its file, by a
// path below [weights.Index.Folder], which the session is told. With cast, halves are
// widened where they are read instead of once for all, see [onnx.External].
func External(x *weights.Index, cast bool) func(param string) (onnx.External, error) {
	folder := x.Folder()
	return func(param string) (onnx.External, error) {
		e, ok := x.Lookup(param)
		if !ok {
			return onnx.External{}, fmt.Errorf("%s: no tensor %s", strings.Join(x.Files(), ", "), param)
		}
		rel, err := filepath.Rel(folder, e.File)
		return onnx.External{Location: rel, Offset: e.Offset, Length: e.Length, DType: e.DType, Cast: cast}, err
	}
}
