package model

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cosmicman/diffusion"
	"cosmicman/newmodel/fill"
	"cosmicman/onnx"
	"cosmicman/ort"
	"cosmicman/tensor"
	"cosmicman/weights"
)

// bar is how far an output may be from PyTorch's: norm(a - b) / norm(b).
const bar = 1e-5

// networkCase is one of oracle/networks.py.
type networkCase struct {
	Part, Name string
	IDs        [][]int64
	Timesteps  []float32
	TimeIDs    [][]float32 `json:"time_ids"`
	Noise      map[string]struct {
		Shape []int64
		Seed  uint64
	}
	Outputs map[string]struct{ Tensor string }
}

// TestNetworksEqualPyTorch runs every network of the zoo on ONNX Runtime and
// compares with what diffusers and transformers gave.
func TestNetworksEqualPyTorch(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	rt, err := ort.Open("")
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Close()
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		t.Run(name, func(t *testing.T) {
			var fixture struct {
				Model string
				Seed  uint64 `json:"model_seed"`
				Cases []networkCase
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(data, &fixture); err != nil || len(fixture.Cases) == 0 {
				t.Fatalf("%d cases: %v", len(fixture.Cases), err)
			}
			want, err := weights.OpenFile(filepath.Join("testdata", name+".safetensors"))
			if err != nil {
				t.Fatal(err)
			}
			z := zooModel{dir: filepath.Join("../testdata/zoo", fixture.Model), seed: fixture.Seed, rt: rt, parts: map[string]*zooPart{}}
			for _, c := range fixture.Cases {
				z.check(t, c, want)
			}
			for _, p := range z.parts {
				p.session.Close()
			}
		})
	}
}

type zooModel struct {
	dir   string
	seed  uint64
	rt    *ort.Runtime
	parts map[string]*zooPart
}

type zooPart struct {
	session *ort.Session
	text    TextConfig
}

func (z *zooModel) part(t *testing.T, name string) *zooPart {
	if p := z.parts[name]; p != nil {
		return p
	}
	folder := strings.TrimSuffix(strings.TrimSuffix(name, "_decoder"), "_encoder")
	if strings.HasPrefix(name, "text") {
		folder = name
	}
	config, err := os.ReadFile(filepath.Join(z.dir, folder, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	p := &zooPart{}
	var g *onnx.Graph
	switch name {
	case "unet":
		c, e := ParseUNet(config)
		if e != nil {
			t.Fatal(e)
		}
		g, err = UNet(c)
	case "vae_decoder", "vae_encoder":
		c, e := ParseVAE(config)
		if e != nil {
			t.Fatal(e)
		}
		if name == "vae_decoder" {
			g, err = VAEDecoder(c)
		} else {
			g, err = VAEEncoder(c)
		}
	default:
		if p.text, err = ParseText(config, name == "text_encoder_2"); err != nil {
			t.Fatal(err)
		}
		g, err = Text(p.text)
	}
	if err != nil {
		t.Fatal(err)
	}
	p.session = z.session(t, g, folder)
	z.parts[name] = p
	return p
}

// session fills the graph's parameters by their names into a file of plain
// float32 and makes a session that maps it.
func (z *zooModel) session(t *testing.T, g *onnx.Graph, folder string) *ort.Session {
	cpu, err := onnx.CPU(g)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "weights"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	at := map[string]onnx.External{}
	var offset int64
	for _, p := range cpu.Params {
		shape := make(tensor.Shape, len(p.Shape))
		for i, d := range p.Shape {
			shape[i], _ = d.Const()
		}
		n, _ := shape.Elements()
		values := make([]float32, n)
		fill.Tensor(values, fill.Key{Seed: z.seed, Part: folder, Name: p.Name}, shape)
		if err := binary.Write(f, binary.LittleEndian, values); err != nil {
			t.Fatal(err)
		}
		at[p.Name] = onnx.External{Location: "weights", Offset: offset, Length: 4 * n, DType: tensor.Float32}
		offset += 4 * n
	}
	encoded, err := onnx.Encode(cpu, func(name string) (onnx.External, error) { return at[name], nil })
	if err != nil {
		t.Fatal(err)
	}
	c := ort.SessionConfig{Name: folder, Model: encoded, ExternalDir: dir, Threads: 2}
	for _, v := range cpu.Inputs {
		c.Inputs = append(c.Inputs, v.Name)
	}
	for _, r := range cpu.Outputs {
		c.Outputs = append(c.Outputs, r.Name)
	}
	s, err := z.rt.NewSession(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (z *zooModel) check(t *testing.T, c networkCase, want *weights.File) {
	p := z.part(t, c.Part)
	inputs := map[string]ort.Tensor{}
	for name, n := range c.Noise {
		size, _ := tensor.Shape(n.Shape).Elements()
		values := make([]float32, size)
		diffusion.NewNoise(n.Seed).Normal(values)
		inputs[name] = ort.Floats(values, n.Shape...)
	}
	if c.IDs != nil {
		var ids, index []int64
		for i, row := range c.IDs {
			ids = append(ids, row...)
			index = append(index, int64(i*len(row)+p.text.PooledAt(row)))
		}
		rows := int64(len(c.IDs))
		inputs["input_ids"] = ort.Ints(ids, rows, int64(len(ids))/rows)
		inputs["pooled_index"] = ort.Ints(index, rows)
	}
	if c.Timesteps != nil {
		inputs["timestep"] = ort.Floats(c.Timesteps, int64(len(c.Timesteps)))
	}
	if c.TimeIDs != nil {
		var ids []float32
		for _, row := range c.TimeIDs {
			ids = append(ids, row...)
		}
		inputs["time_ids"] = ort.Floats(ids, int64(len(c.TimeIDs)), TimeIDs)
	}
	out, err := p.session.Run(t.Context(), inputs)
	if err != nil {
		t.Errorf("%s: %v", c.Name, err)
		return
	}
	ours := map[string]string{"last_hidden_state": "last_hidden_state", "penultimate": "penultimate_hidden_state", "pooled": "pooled", "text_embeds": "pooled"}
	for name, o := range c.Outputs {
		got, ok := out[ours[name]]
		if !ok {
			for _, only := range out {
				got = only
			}
		}
		ref := read(t, want, o.Tensor)
		if d := distance(got.Float32(), ref); !(d < bar) {
			t.Errorf("%s %s: %g away, the bar is %g", c.Name, name, d, bar)
		} else if testing.Verbose() {
			t.Logf("%s %s: %.2g", c.Name, name, d)
		}
	}
}

func read(t *testing.T, f *weights.File, name string) []float32 {
	for _, e := range f.Entries {
		if e.Name == name {
			n, _ := e.Shape.Elements()
			dst := make([]float32, n)
			if err := weights.ReadFloat32(dst, e); err != nil {
				t.Fatal(err)
			}
			return dst
		}
	}
	t.Fatalf("%s: no tensor %s", f.Path, name)
	return nil
}

// distance is norm(a - b) / norm(b), NaN where the lengths differ.
func distance(a, b []float32) float64 {
	if len(a) != len(b) {
		return math.NaN()
	}
	var diff, norm float64
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		diff += d * d
		norm += float64(b[i]) * float64(b[i])
	}
	return math.Sqrt(diff / norm)
}
