package bind

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cosmicman/onnx"
	"cosmicman/tensor"
	"cosmicman/weights"
)

func TestGraphsFindTheirWeights(t *testing.T) {
	first, second := onnx.NewGraph("first"), onnx.NewGraph("second")
	first.Param("a", 2, 3)
	first.Param("b", 4)
	second.Param("b", 4)
	second.Param("c", 1)
	params := Params(first, second)
	var names []string
	for _, p := range params {
		names = append(names, p.Name)
	}
	if !slices.Equal(names, []string{"a", "b", "c"}) || !params[0].Shape.Equal(tensor.Shape{2, 3}) {
		t.Fatalf("the parameters are %v", params)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "model.safetensors")
	out := weights.Output{Tensors: params, DType: tensor.Float16, Values: func(int, []float32) error { return nil }}
	if err := weights.WriteFile(context.Background(), path, out); err != nil {
		t.Fatal(err)
	}
	file, err := weights.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	index, err := weights.NewIndex("unet", weights.UNet, file)
	if err != nil {
		t.Fatal(err)
	}
	if err := index.Check(params); err != nil {
		t.Fatal(err)
	}
	for _, cast := range []bool{false, true} {
		find := External(index, cast)
		e, _ := index.Lookup("b")
		got, err := find("b")
		if want := (onnx.External{Location: "model.safetensors", Offset: e.Offset, Length: 8, DType: tensor.Float16, Cast: cast}); err != nil || got != want {
			t.Errorf("b lies at %+v, expected %+v: %v", got, want, err)
		}
		if _, err := find("d"); err == nil || !strings.Contains(err.Error(), path+": no tensor d") {
			t.Errorf("d, which is in no file: %v", err)
		}
	}
}
