package recipe

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"cosmicman/train"
)

// ready is a configuration without a fault.
func ready(t Teach) Config {
	c := Default(t)
	c.Model, c.Output, c.Data = "model", "out", []Source{{Path: "images", Repeats: 1, Weight: 1}}
	return c
}

func TestDefaultsAreFaultless(t *testing.T) {
	for _, teach := range []Teach{TeachLoRA, TeachUNet, TeachVAE, TeachText} {
		c := ready(teach)
		if err := c.Check(); err != nil {
			t.Errorf("%s: %v", teach, err)
		}
	}
	c := FromNothing()
	c.Model, c.Output, c.Data = "model", "out", []Source{{Path: "images", Repeats: 1, Weight: 1}}
	if err := c.Check(); err != nil {
		t.Errorf("from nothing: %v", err)
	}
}

// TestSettingsKeepTheirValues sets every setting to what it says it is, and to another
// value, so that none is bound to another's field.
func TestSettingsKeepTheirValues(t *testing.T) {
	c := ready(TeachLoRA)
	before := map[string]string{}
	for _, s := range c.Settings() {
		before[s.Key] = strings.Join(s.Values(), "\n")
		if err := s.Set(s.Values()...); err != nil {
			t.Errorf("%s does not take its own value: %v", s.Key, err)
		}
	}
	if len(before) != len(c.Settings()) {
		t.Fatal("two settings have one name")
	}
	other := map[string]string{"teach": "unet", "captions.shuffle": "false"}
	for _, s := range c.Settings() {
		value := other[s.Key]
		if value == "" {
			switch {
			case s.Type == AsTruth:
				value = map[string]string{"true": "false", "false": "true"}[s.Values()[0]]
			case strings.Contains(s.Takes, " or ") && s.Type == AsText && !strings.Contains(s.Takes, "such as"):
				names := strings.FieldsFunc(strings.Replace(s.Takes, " or ", ", ", 1), func(r rune) bool { return r == ',' })
				value = strings.TrimSpace(names[len(names)-1])
				if value == s.Values()[0] {
					value = strings.TrimSpace(names[0])
				}
			default:
				value = "37"
			}
		}
		if err := s.Set(value); err != nil {
			t.Errorf("%s does not take %q: %v", s.Key, value, err)
		}
		for _, o := range c.Settings() {
			now, was := strings.Join(o.Values(), "\n"), before[o.Key]
			if changed := now != was; changed != (o.Key == s.Key) {
				t.Errorf("%s was set to %q: %s went from %q to %q", s.Key, value, o.Key, was, now)
			}
			before[o.Key] = now
		}
	}
}

func TestSettingsRefuse(t *testing.T) {
	c := ready(TeachLoRA)
	for _, x := range []struct{ key, value, want string }{
		{"lora.rank", "many", `lora.rank is "many", expected a whole number`},
		{"lora.rank", "1.5", `lora.rank is "1.5", expected a whole number`},
		{"learning-rate", "NaN", `learning-rate is "NaN", expected a number`},
		{"recompute", "perhaps", `recompute is "perhaps", expected true or false`},
		{"teach", "loar", `teach is "loar", expected lora, unet, vae or text; did you mean lora?`},
		{"images.size", "512x", `images.size is "512x", expected pixels a side`},
		{"memory", "12Q", `memory is "12Q", expected bytes`},
		{"memory", "9999999T", `memory is "9999999T", expected bytes`},
		{"seed", "-1", `seed is "-1", expected a whole number from 0 to 2^64-1`},
		{"hola.strides", "x", `hola.strides holds "x", expected whole numbers`},
		{"data", `{"path": "a", "repeat": 2}`, `data has no setting "repeat"; did you mean repeats?`},
		{"data", `{"path": "a", "repeats": "x"}`, "data has repeats that is a string, expected a whole number"},
		{"data", `{"repeats": 2}`, "data holds a source without a path"},
		{"data", `{"path"`, "expected a folder or a JSON object"},
	} {
		for _, s := range c.Settings() {
			if s.Key != x.key {
				continue
			}
			if err := s.Set(x.value); err == nil || !strings.Contains(err.Error(), x.want) {
				t.Errorf("%s: %v, want %q", x.key, err, x.want)
			}
		}
	}
	if s := c.Settings()[0]; s.Set("a", "b") == nil {
		t.Error("two models were taken")
	}
}

// TestCheckNamesEveryFault breaks many settings at once.
func TestCheckNamesEveryFault(t *testing.T) {
	c := Default(TeachLoRA)
	c.Data = []Source{{Path: "a", Repeats: 0, Weight: 1, Prior: true}, {Path: "./a", Repeats: 1, Weight: math.NaN(), Prior: true}}
	c.HeldOut = 2.5
	c.Images.Width = 512
	c.Images.MaxRatio = math.NaN()
	c.Images.Flip = 2
	c.Maps.Suffix, c.Maps.Folder = ".seg.png", "maps"
	c.Dropout.Share = -1
	c.HOLA.Alpha = math.Inf(1)
	c.LoRA.Rank = 0
	c.LoRA.Targets = []string{"attention", "to_q", "[", "atention"}
	c.Steps, c.Batch, c.Accumulate, c.LearningRate = 0, 0, 0, 0
	c.Optimizer.Beta1, c.Optimizer.WeightDecay = 1, -1
	c.EMA = 1
	c.Checkpoint.Keep = 0
	c.Samples.Steps = 0
	c.Ahead = 0
	c.Threads, c.Schedule.Warmup, c.Loss.NoiseOffset = 5000, -1, 1e300
	err := c.Check()
	if err == nil {
		t.Fatal("nothing was wrong")
	}
	for _, want := range []string{
		"model is missing", "output is missing", "data: a has repeats 0", "data: ./a is given twice", "has weight NaN", "all sources are prior",
		"held-out is 2.5", "images.size is 512x0", "images.max-ratio is NaN", "images.flip is 2, expected 0 to 1", "maps.suffix and maps.folder exclude",
		"dropout.share is -1", "hola.alpha is +Inf", "lora.rank is 0", "lora.targets holds attention, expected it alone", `lora.targets holds "[", which is no pattern`,
		`lora.targets holds "atention", expected attention, transformer, all or patterns of modules' names such as *.attn2.*; did you mean attention?`,
		"steps is 0", "batch is 0", "accumulate is 0", "learning-rate is 0, expected a number above 0", "optimizer.beta1 is 1", "optimizer.weight-decay is -1",
		"ema is 1", "checkpoint.keep is 0", "samples.steps is 0", "ahead is 0",
		"threads is 5000, expected 0 to 1024", "schedule.warmup is -1", "loss.noise-offset is 1e+300, expected 0 to 1",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in:\n%v", want, err)
		}
	}
}

// TestCheckBounds: what would end a run late, or take all memory before that is counted.
func TestCheckBounds(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"lora.rank is 2000000000, expected 1 to 2048":                      func(c *Config) { c.LoRA.Rank = 2_000_000_000 },
		"learning-rate is 1e+300, expected a number above 0, up to 1":      func(c *Config) { c.LearningRate = 1e300 },
		"optimizer.weight-decay is 1e+30: times the learning rate of":      func(c *Config) { c.Optimizer.WeightDecay = 1e30 },
		"hola.beta is 1e+38, expected 0 to 1e+06":                          func(c *Config) { c.HOLA.Beta = 1e38 },
		"images.size is 8x8, and buckets' sides may be half of it":         func(c *Config) { c.Images.Width, c.Images.Height = 8, 8 },
		"optimizer.epsilon is 1e-300, expected 1e-30 or more":              func(c *Config) { c.Optimizer.Epsilon = 1e-300 },
		"schedule.power is 1e+300, expected a number above 0, up to 1000":  func(c *Config) { c.Schedule.Power = 1e300 },
		"lora.alpha is 1e+38, expected 0 to 1e+06":                         func(c *Config) { c.LoRA.Alpha = 1e38 },
		"loss.min-snr-gamma is 1e+300, expected 0 to 1e+06":                func(c *Config) { c.Loss.MinSNRGamma = 1e300 },
		"epochs is 2147483647, expected 0 to 1000000":                      func(c *Config) { c.Epochs = math.MaxInt32 },
		"accumulate is 2147483647, expected 1 to 1048576":                  func(c *Config) { c.Accumulate = math.MaxInt32 },
		"batch is 5000, expected 1 to 4096":                                func(c *Config) { c.Batch = 5000 },
		"schedule.warmup is 11, expected at most the 10 steps of the run":  func(c *Config) { c.Schedule.Warmup, c.Steps = 11, 10 },
		"images.size is 1024x256, longer than images.max-ratio, 2, allows": func(c *Config) { c.Images.Width, c.Images.Height = 1024, 256 },
		"": func(c *Config) {
			c.Images.Width, c.Images.Height, c.Images.Buckets = 1024, 256, false
			c.Schedule.Warmup, c.Steps, c.Epochs = 11, 10, 2
			c.LoRA.Rank, c.LearningRate, c.Threads = 2048, 1, 1024
		},
	} {
		c := ready(TeachLoRA)
		change(&c)
		if err := c.Check(); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestSettingsNameTheirChoices looks at what is told of each with certain values.
func TestSettingsNameTheirChoices(t *testing.T) {
	docs := map[string]string{}
	c := Default(TeachLoRA)
	for _, s := range c.Settings() {
		docs[s.Key] = s.Doc
	}
	for key, want := range map[string]string{
		"lora.format":   "names in the file that is written (kohya or diffusers)",
		"samples.every": "steps between sheets of samples; 0: at the end alone",
		"vae.loss":      "how pixels are compared: l1 or mse",
	} {
		if docs[key] != want {
			t.Errorf("%s: %q, want %q", key, docs[key], want)
		}
	}
}

func TestSourcesAsTheyAreWritten(t *testing.T) {
	for _, s := range []Source{
		{Path: "a folder", Repeats: 1, Weight: 1},
		{Path: "a", Repeats: 3, Weight: 0.5, Prior: true, Trigger: `photo of "sks", a person`, Caption: "a person"},
		{Path: "{odd}", Repeats: 1, Weight: 1},
	} {
		got, wrong := parseSource(s.String())
		if wrong != "" || !reflect.DeepEqual(got, s) {
			t.Errorf("%s became %+v, %s", s, got, wrong)
		}
	}
}

func TestSplitNamesWhatMayChange(t *testing.T) {
	c := ready(TeachLoRA)
	fixed, free := c.Split()
	for _, key := range []string{"steps", "samples.prompts", "checkpoint.every", "output"} {
		if _, is := free[key]; !is {
			t.Errorf("%s may not change", key)
		}
	}
	for _, key := range []string{"seed", "batch", "lora.rank", "hola.strides", "data"} {
		if _, is := fixed[key]; !is {
			t.Errorf("%s may change", key)
		}
	}
	if _, is := fixed["vae.loss"]; is {
		t.Error("what does not apply is part of a run")
	}
	if c.HOLA.Reduction != train.ByAuthors {
		t.Error("the default is not the published code's")
	}
}
