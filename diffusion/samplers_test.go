package diffusion

import (
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"testing"
)

var samplersFile = flag.String("samplers", "testdata/samplers", "reference latents made by oracle/samplers.py, without extension")

// samplerCase is one of oracle/samplers.py.
type samplerCase struct {
	Config   int
	Pipeline string
	Sampler  string
	Steps    int
	Eta      float64
	Seed     uint64
	Size     int
	Strength float64
	Calls    int
	Kept     []int
	Error    string
}

func (c samplerCase) String() string {
	return fmt.Sprintf("config %d, %s, %s, %d steps, eta %v, strength %v, seed %d", c.Config, c.Pipeline, c.Sampler, c.Steps, c.Eta, c.Strength, c.Seed)
}

func (c samplerCase) options() Options {
	opt := Options{Eta: c.Eta, Strength: c.Strength}
	if c.Pipeline == "sdxl" {
		opt.Pipeline = StableDiffusionXL
	}
	return opt
}

// fakeNetwork is the function that takes the network's place, as in the oracle.
func fakeNetwork(out, in []float32, timestep float32) {
	for i, x := range in {
		out[i] = float32(x*0.6) + float32(0.4*math.Sin(0.01*float64(timestep)+float64(i)))
	}
}

// normRatio returns norm(a - b) / norm(b).
func normRatio(a, b []float32) float64 {
	var difference, norm float64
	for i := range b {
		d := float64(a[i]) - float64(b[i])
		difference += d * d
		norm += float64(b[i]) * float64(b[i])
	}
	return math.Sqrt(difference / norm)
}

func TestSamplers(t *testing.T) {
	text, err := os.ReadFile(*samplersFile + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Configs []json.RawMessage
		Cases   []samplerCase
	}
	// The configs are as Python writes them, with Infinity.
	if err := json.Unmarshal(plainNumbers(text), &file); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(*samplersFile + ".bin")
	if err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) == 0 {
		t.Fatal("no cases")
	}
	reference := make([]float32, len(data)/4)
	for i := range reference {
		reference[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	take := func(n int) []float32 {
		head := reference[:n]
		reference = reference[n:]
		return head
	}
	worst := map[string]float64{}
	for _, c := range file.Cases {
		cfg, err := ParseConfig(file.Configs[c.Config])
		if err != nil {
			t.Fatal(err)
		}
		s, err := New(c.Sampler, cfg, c.Steps, c.options())
		if c.Error != "" {
			if err == nil {
				t.Errorf("%v: works, but diffusers fails: %s", c, c.Error)
			}
			continue
		}
		sigma, times, kept := take(1), take(c.Calls), take(len(c.Kept)*c.Size)
		if err != nil {
			t.Errorf("%v: %v", c, err)
			continue
		}
		if r := normRatio([]float32{s.InitNoiseSigma()}, sigma); r > 1e-6 {
			t.Errorf("%v: initial noise times %v, want %v", c, s.InitNoiseSigma(), sigma[0])
		}
		if len(s.Timesteps()) != len(times) {
			t.Errorf("%v: timesteps %v, want %v", c, s.Timesteps(), times)
			continue
		}
		for i, want := range times {
			if got := s.Timesteps()[i]; math.Abs(float64(got-want)) > 1e-3 {
				t.Errorf("%v: timestep of call %d is %v, want %v", c, i, got, want)
			}
		}
		gap, err := compareCalls(s, c, kept)
		if err != nil {
			t.Errorf("%v: %v", c, err)
		}
		worst[c.Sampler] = max(worst[c.Sampler], gap)
	}
	if len(reference) != 0 {
		t.Errorf("%d reference values left over", len(reference))
	}
	for _, name := range Names() {
		t.Logf("%s: norm ratio at most %.1e", name, worst[name])
	}
}

// compareCalls draws a case and returns the greatest norm ratio of the latents
// after its kept calls.
func compareCalls(s Sampler, c samplerCase, kept []float32) (float64, error) {
	noise := NewNoise(c.Seed)
	latents, output := make([]float32, c.Size), make([]float32, c.Size)
	noise.Normal(latents)
	if c.Strength > 0 {
		image := make([]float32, c.Size)
		for i := range image {
			image[i] = float32(i)/8 - 1
		}
		s.AddNoise(latents, image, latents, 0)
	} else {
		for i := range latents {
			latents[i] *= s.InitNoiseSigma()
		}
	}
	var worst float64
	next := 0
	for call, timestep := range s.Timesteps() {
		s.ScaleInput(output, latents, call)
		fakeNetwork(output, output, timestep)
		if err := s.Step(latents, output, call, noise); err != nil {
			return 0, err
		}
		if next == len(c.Kept) || call != c.Kept[next] {
			continue
		}
		want := kept[next*c.Size : (next+1)*c.Size]
		next++
		gap := normRatio(latents, want)
		worst = max(worst, gap)
		if !(gap < tolerance) {
			return worst, fmt.Errorf("latents after call %d: norm ratio %.2e\n got %v\nwant %v", call, gap, latents[:4], want[:4])
		}
	}
	return worst, nil
}

// tolerance is under the bar of 1e-4: what is left is the last bits of torch's and
// our square roots, exponentials and logarithms, which a thousand steps add up.
const tolerance = 3e-5
