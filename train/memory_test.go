package train

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"cosmicman/model"
	"cosmicman/newmodel"
	"cosmicman/onnx"
	"cosmicman/tensor"
	"cosmicman/weights"
)

var measureFlag = flag.String("measure", "", "teach one of the measured learners for a step and print the memory that it took")

// measured are learners of which the memory of a step is compared with what is foretold.
var measured = map[string]func(o *UNetOptions){
	"full": func(o *UNetOptions) { o.Recompute, o.Heads = true, 1 },
	"low rank": func(o *UNetOptions) {
		h := DefaultHOLA()
		o.HOLA, o.LoRA = &h, &LoRA{Rank: 4, Targets: []string{"all"}}
	},
}

// TestMemoryIsAsForetold holds what a step takes, measured in a process of its own, to
// the estimate: from as much to 1.8 times, since the runtime's allocator cannot fill
// every hole.
func TestMemoryIsAsForetold(t *testing.T) {
	const rows, side, tokens = 2, 36, 77
	change, inside := measured[*measureFlag]
	if inside {
		rt := openRuntime(t)
		o := zooOptions(t, "tiny-sd", tensor.Float32)
		change(&o)
		l := learner(t, rt, o)
		b := zooBatch(o, rows, side, side, tokens)
		for _, x := range l.Tensors() {
			for i := range x.Gradient {
				x.Gradient[i] = 1 // memory is given where it is written
			}
		}
		debug.FreeOSMemory()
		before := resident(t, "RssAnon")
		if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil { // the high-water mark begins anew
			t.Fatal(err)
		}
		mapped := resident(t, "VmRSS") - before
		teach(t, l, b)
		fmt.Printf("took %d\n", resident(t, "VmHWM")-mapped-before)
		return
	}
	for name, change := range measured {
		o := zooOptions(t, "tiny-sd", tensor.Float32)
		change(&o)
		m, err := o.Memory(rows, 8*side, 8*side, tokens)
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestMemoryIsAsForetold$", "-measure", name).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
		_, said, _ := strings.Cut(string(out), "took ")
		took, err := strconv.ParseInt(strings.TrimSpace(strings.SplitN(said, "\n", 2)[0]), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if ratio := float64(took) / float64(m.Activations); !(ratio > 0.95 && ratio < 1.8) {
			t.Errorf("%s: a step takes %d MiB, foretold were %d MiB", name, took>>20, m.Activations>>20)
		} else if testing.Verbose() {
			t.Logf("%s: a step takes %d MiB, foretold were %d MiB", name, took>>20, m.Activations>>20)
		}
	}
}

func resident(t *testing.T, what string) int64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		var kib int64
		if _, err := fmt.Sscanf(line, what+": %d kB", &kib); err == nil {
			return kib << 10
		}
	}
	t.Fatalf("the kernel tells no %s", what)
	return 0
}

// TestMemoryOfWeights: what is trained is counted in float32, what is not as it lies in
// the files.
func TestMemoryOfWeights(t *testing.T) {
	o := zooOptions(t, "tiny-sdxl", tensor.Float16)
	all := unet(t, "tiny-sdxl").ParamElements()
	m, err := o.Memory(1, 64, 64, 77)
	if err != nil || m.Trained != 4*all || m.Frozen != 0 {
		t.Errorf("%+v of %d weights: %v", m, all, err)
	}
	o.LoRA = &LoRA{Rank: 2}
	low, err := o.Memory(1, 64, 64, 77)
	if err != nil || low.Frozen != 2*all || low.Trained >= m.Trained/4 || low.Trained == 0 {
		t.Errorf("low rank: %+v of %d weights: %v", low, all, err)
	}
	wide := zooOptions(t, "tiny-sdxl", tensor.Float32)
	wide.LoRA = o.LoRA
	if w, err := wide.Memory(1, 64, 64, 77); err != nil || w.Frozen != 4*all || w.Activations >= low.Activations {
		t.Errorf("frozen float32 weights: %+v, float16 ones: %+v: %v", w, low, err)
	}
	for what, memory := range map[string]func() (Memory, error){
		"no rows":  func() (Memory, error) { return o.Memory(0, 64, 64, 77) },
		"too low":  func() (Memory, error) { return o.Memory(1, 4, 64, 77) },
		"no width": func() (Memory, error) { return ProgramConfig{Graph: onnx.NewGraph("none")}.Memory(nil) },
	} {
		if _, err := memory(); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

// TestMemoryOfAutoencoders: it grows with rows and areas, and less is taken where blocks
// are computed anew.
func TestMemoryOfAutoencoders(t *testing.T) {
	a, err := newmodel.LoadArch("doll")
	if err != nil {
		t.Fatal(err)
	}
	o := VAEOptions{Weights: &weights.Index{}, Distance: Absolute}
	if o.Config, err = model.ParseVAE(a["vae"]); err != nil {
		t.Fatal(err)
	}
	takes := func(rows, side int, recompute bool) Memory {
		o.Recompute = recompute
		m, err := o.Memory(rows, side, side)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	one, kept := takes(1, 64, true), takes(1, 64, false)
	g, err := model.VAE(o.Config)
	if err != nil {
		t.Fatal(err)
	}
	if one.Trained != 4*g.ParamElements() || one.Frozen != 0 || one.Activations*5/4 > kept.Activations {
		t.Errorf("%+v with recomputation, %+v without, of %d weights", one, kept, g.ParamElements())
	}
	// Latents' attention grows faster than its area.
	if two, larger := takes(2, 64, true).Activations, takes(1, 128, true).Activations; two < one.Activations*19/10 || two > one.Activations*21/10 || larger < one.Activations*39/10 {
		t.Errorf("%d bytes for an image, %d for two, %d for one of twice the side", one.Activations, two, larger)
	}
	if _, err := o.Memory(1, 2, 64); err == nil {
		t.Error("no error for an image of two rows of pixels")
	}
}

// TestRunOrder holds the order in which memory is counted to the one in which ONNX
// Runtime runs a graph.
func TestRunOrder(t *testing.T) {
	rt := openRuntime(t)
	o := zooOptions(t, "zero-snr", tensor.Float32)
	o.Recompute = true
	o.Profile = t.TempDir() + "/profile"
	l := learner(t, rt, o)
	teach(t, l, zooBatch(o, 1, 4, 4, 9))
	_, backward, err := graphOf(t, o).derive()
	if err != nil {
		t.Fatal(err)
	}
	handed := map[*onnx.Value]string{}
	for _, r := range backward.Outputs {
		handed[r.Value] = r.Name
	}
	var want []string
	for _, n := range runOrder(backward) {
		name := n.Output.Name
		if h := handed[n.Output]; h != "" {
			name = h
		}
		want = append(want, name)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	got := ranNodes(t, o.Profile)
	if len(got) != len(want) {
		t.Fatalf("%d nodes were run, %d are in the graph", len(got), len(want))
	}
	for i, name := range want {
		if got[i] != name {
			t.Fatalf("node %d to run is %s, foretold was %s", i, got[i], name)
		}
	}
}

// graphOf is what a learner's program is made from.
func graphOf(t *testing.T, o UNetOptions) ProgramConfig {
	t.Helper()
	g, err := model.UNet(o.Config)
	if err != nil {
		t.Fatal(err)
	}
	tensors, err := pick(g, o.Tensors)
	if err != nil {
		t.Fatal(err)
	}
	if g, _, err = unetLosses(g, o); err != nil {
		t.Fatal(err)
	}
	return o.program(g, tensors)
}

// ranNodes lists the nodes of a run's profile in their order.
func ranNodes(t *testing.T, prefix string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(prefix + "*")
	if err != nil || len(files) != 1 {
		t.Fatalf("profiles %v: %v", files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var events []struct{ Name string }
	if err := json.Unmarshal(data, &events); err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if name, ok := strings.CutSuffix(e.Name, "_kernel_time"); ok {
			names = append(names, name)
		}
	}
	return names
}
