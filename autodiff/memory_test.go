package autodiff

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"cosmicman/model"
	"cosmicman/onnx"
	"cosmicman/ort"
)

// measured are backward passes of which the memory is compared: a graph with its
// loss, what it is derived by, and how.
var measured = map[string]struct {
	build   func() (*onnx.Graph, *onnx.Value, []*onnx.Value)
	plan    Plan
	symbols map[string]int64
}{
	"tower":             {tower, Plan{}, map[string]int64{"rows": 1, "height": 192, "width": 256}},
	"tower, blocks":     {tower, Plan{Block: towerBlock}, map[string]int64{"rows": 1, "height": 192, "width": 256}},
	"attention":         {manyHeads, Plan{}, map[string]int64{"rows": 1, "tokens": 1024}},
	"unet":              {smallUNet, Plan{Heads: 1}, map[string]int64{"rows": 2, "height": 32, "width": 24, "tokens": 77}},
	"unet, blocks":      {smallUNet, Plan{Heads: 1, Block: model.Block}, map[string]int64{"rows": 2, "height": 32, "width": 24, "tokens": 77}},
	"attention, a head": {manyHeads, Plan{Heads: 1}, map[string]int64{"rows": 1, "tokens": 1024}},
}

// manyHeads is a self-attention of 8 heads and a loss.
func manyHeads() (*onnx.Graph, *onnx.Value, []*onnx.Value) {
	g := onnx.NewGraph("attention")
	by := []*onnx.Value{g.Input("q", f32, rows, tokens, n(64)), g.Input("k", f32, rows, tokens, n(64)), g.Input("v", f32, rows, tokens, n(64))}
	y := g.Attention(by[0], by[1], by[2], 8, nil)
	loss := g.Sum(g.Reshape(g.Mul(y, y), onnx.Rest()), true, 0)
	g.Result("loss", loss)
	return g, loss, by
}

// smallUNet is a UNet of the zoo and a loss.
func smallUNet() (*onnx.Graph, *onnx.Value, []*onnx.Value) {
	config, err := os.ReadFile("../testdata/zoo/tiny-sd/unet/config.json")
	if err != nil {
		panic(err)
	}
	c, err := model.ParseUNet(config)
	if err != nil {
		panic(err)
	}
	g, err := model.UNet(c)
	if err != nil {
		panic(err)
	}
	y := g.Outputs[0].Value
	loss := g.Sum(g.Reshape(g.Mul(y, y), onnx.Rest()), true, 0)
	g.Result("loss", loss)
	return g, loss, g.Params
}

// TestSavesMemory holds the most memory that a run takes beyond what the process
// had, as a share of what it takes without blocks or with all heads at once.
func TestSavesMemory(t *testing.T) {
	for _, c := range []struct {
		less, more string
		share      float64
	}{{"tower, blocks", "tower", 0.85}, {"attention, a head", "attention", 0.5}, {"unet, blocks", "unet", 0.75}} {
		less, more := peakOf(t, c.less), peakOf(t, c.more)
		t.Logf("%s: %d MiB, %s: %d MiB", c.less, less>>20, c.more, more>>20)
		if !(float64(less) < c.share*float64(more)) {
			t.Errorf("%s takes %d MiB, %s %d", c.less, less>>20, c.more, more>>20)
		}
	}
}

// peakOf measures in a process of its own, whose C library gives freed memory back.
func peakOf(t *testing.T, what string) int64 {
	t.Helper()
	run := exec.CommandContext(t.Context(), os.Args[0], "-measure", what)
	run.Env = append(os.Environ(), "MALLOC_MMAP_THRESHOLD_=131072")
	out, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", what, err, out)
	}
	peak, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return peak
}

var measureFlag = flag.String("measure", "", "run one of the measured backward passes and print the memory that it took")

// measure returns how far the process's resident memory rises during a run.
func measure(what string) (int64, error) {
	m, ok := measured[what]
	if !ok {
		return 0, fmt.Errorf("nothing is called %q", what)
	}
	g, loss, by := m.build()
	one, err := One(g, loss)
	if err != nil {
		return 0, err
	}
	m.plan.Seeds, m.plan.By = []Seed{one}, by
	gradients, err := Backward(g, m.plan)
	if err != nil {
		return 0, err
	}
	for i, v := range gradients {
		g.Result(gradientOf(by[i].Name), v)
	}
	g, err = onnx.CPU(g)
	if err != nil {
		return 0, err
	}
	rt, err := ort.Open("")
	if err != nil {
		return 0, err
	}
	defer rt.Close()
	s, err := newSession(rt, g, "", ort.Extended)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	values, err := drawSized(g, rand.New(rand.NewPCG(12, 1)), m.symbols)
	if err != nil {
		return 0, err
	}
	given := narrow(values)
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil { // the high-water mark begins anew
		return 0, err
	}
	before, err := residentPeak()
	if err != nil {
		return 0, err
	}
	if _, err := s.Run(context.Background(), given); err != nil {
		return 0, err
	}
	after, err := residentPeak()
	return after - before, err
}

func residentPeak() (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		var kib int64
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kib); err == nil {
			return kib << 10, nil
		}
	}
	return 0, errors.New("the kernel tells no peak")
}
