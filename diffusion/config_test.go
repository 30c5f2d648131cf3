package diffusion

import (
	"math"
	"strings"
	"testing"
)

const base = `"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000, "steps_offset": 1,
	"set_alpha_to_one": false, "clip_sample": false`

// config wraps keys, after those of the base models, into a config.
func config(t testing.TB, keys string) Config {
	t.Helper()
	if keys != "" {
		keys = ", " + keys
	}
	c, err := ParseConfig([]byte("{" + base + keys + "}"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestParseConfigErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{``, "not a JSON object"},
		{`[]`, "not a JSON object"},
		{`null`, "expected a JSON object"},
		{`{"beta_start": 1} {}`, "data after"},
		{`{"beta_start": "0.1"}`, "beta_start: \"0.1\", expected a number"},
		{`{"beta_start": NaN}`, "beta_start"},
		{`{"beta_start": null}`, "beta_start: null, expected a number"},
		{`{"beta_schedule": 3}`, "beta_schedule: 3, expected a string"},
		{`{"num_train_timesteps": 1000.0}`, "num_train_timesteps: 1000.0, expected an integer"},
		{`{"num_train_timesteps": 99999999999999999999}`, "num_train_timesteps"},
		{`{"steps_offset": true}`, "steps_offset: true, expected an integer"},
		{`{"clip_sample": "no"}`, "clip_sample"},
		{`{"trained_betas": [0.1, "x"]}`, "trained_betas: [0.1, \"x\"], expected a list of numbers"},
		{`{"trained_betas": 0.1}`, "trained_betas"},
		{`{"disable_corrector": [1.5]}`, "disable_corrector: [1.5], expected a list of integers"},
		{`{"solver_p": {}}`, "solver_p"},
		{`{"_class_name": 4}`, "_class_name: expected a string"},
		{`{"_use_default_values": 4}`, "_use_default_values"},
	} {
		_, err := ParseConfig([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line with %q", c.text, err, c.want)
		}
	}
}

func TestParseConfig(t *testing.T) {
	c, err := ParseConfig([]byte(`{"_class_name": "DPMSolverMultistepScheduler", "lambda_min_clipped": -Infinity, "sigma_max": 1e400,
		"skip": "NaN \" Infinity", "unheard_of": {"NaN": [NaN]}, "sigma_min": null, "clip_sample": null, "steps_offset": 5,
		"_use_default_values": ["steps_offset"]}`))
	if err != nil {
		t.Fatal(err)
	}
	if c.Class() != "DPMSolverMultistepScheduler" || c.LoadedAs("X").Class() != "X" || c.Class() == "X" {
		t.Errorf("class %q", c.Class())
	}
	p := params{values: c.values}
	if v := p.float("lambda_min_clipped", 0); !math.IsInf(v, -1) {
		t.Errorf("lambda_min_clipped %v", v)
	}
	if v := p.optionalFloat("sigma_max"); v == nil || !math.IsInf(*v, 1) {
		t.Error("sigma_max")
	}
	if p.optionalFloat("sigma_min") != nil || p.flag("clip_sample", true) || p.integer("steps_offset", 3) != 3 {
		t.Error("null, or a key marked as a default, was read as a value")
	}
}

// TestRefused: what can't be honoured is refused by name.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		sampler, keys string
		steps         int
		opt           Options
		want          string
	}{
		{"dim", "", 5, Options{}, "unknown sampler \"dim\": expected one of ddim, pndm, lms, euler, euler_a, dpm, dpm_karras, unipc, heun"},
		{"ddim", "", 0, Options{}, "steps 0"},
		{"ddim", "", 1 << 40, Options{}, "steps"},
		{"ddim", "", 1000, Options{}, "timestep 1000 is outside"},
		{"pndm", "", 1000, Options{}, "timestep 1000 is outside"},
		{"ddim", "", 1001, Options{}, "more steps than num_train_timesteps"},
		{"pndm", `"skip_prk_steps": false`, 3, Options{}, "skip_prk_steps"},
		{"lms", `"timestep_spacing": "leading"`, 1000, Options{}, "division by zero"},
		{"euler", "", 5, Options{Eta: 0.5}, "only the sampler ddim takes it"},
		{"ddim", "", 5, Options{Eta: -1}, "eta -1"},
		{"ddim", "", 5, Options{Eta: math.NaN()}, "eta NaN"},
		{"ddim", "", 5, Options{Strength: 2}, "strength 2"},
		{"ddim", "", 5, Options{Strength: 0.1}, "no step"},
		{"ddim", `"timestep_spacing": "karras"`, 5, Options{}, "timestep_spacing \"karras\""},
		{"ddim", `"prediction_type": "x"`, 5, Options{}, "prediction_type \"x\""},
		{"euler_a", `"prediction_type": "sample"`, 5, Options{}, "prediction_type \"sample\""},
		{"ddim", `"beta_schedule": "sigmoid"`, 5, Options{}, "beta_schedule \"sigmoid\""},
		{"ddim", `"beta_start": -1`, 5, Options{}, "beta_start"},
		{"ddim", `"num_train_timesteps": 0`, 5, Options{}, "num_train_timesteps 0"},
		{"ddim", `"num_train_timesteps": 2000000000`, 5, Options{}, "num_train_timesteps"},
		{"ddim", `"trained_betas": []`, 5, Options{}, "trained_betas"},
		{"ddim", `"trained_betas": [0.1, 0.2]`, 5, Options{}, "outside the 2 timesteps"},
		{"ddim", `"rescale_betas_zero_snr": true, "timestep_spacing": "trailing"`, 5, Options{}, "division by zero"},
		{"dpm", `"variance_type": "learned_range"`, 5, Options{}, "variance_type"},
		{"dpm", `"algorithm_type": "x"`, 5, Options{}, "algorithm_type"},
		{"dpm", `"algorithm_type": "dpmsolver"`, 5, Options{}, "final_sigmas_type"},
		{"dpm", `"solver_type": "x"`, 5, Options{}, "solver_type"},
		{"dpm", `"solver_order": 0`, 5, Options{}, "solver_order 0"},
		{"dpm", `"final_sigmas_type": "x"`, 5, Options{}, "final_sigmas_type"},
		{"dpm_karras", `"use_beta_sigmas": true`, 5, Options{}, "use_karras_sigmas"},
		{"dpm", `"use_karras_sigmas": null`, 5, Options{}, "use_karras_sigmas: null"},
		{"euler", `"use_exponential_sigmas": true, "sigma_min": 0`, 5, Options{}, "sigma_min"},
		{"euler", `"interpolation_type": "x"`, 5, Options{}, "interpolation_type"},
		{"unipc", `"use_dynamic_shifting": true`, 5, Options{}, "use_dynamic_shifting"},
		{"unipc", `"shift_terminal": 0.1`, 5, Options{}, "shift_terminal"},
		{"ddim", `"thresholding": true, "dynamic_thresholding_ratio": 2`, 5, Options{}, "dynamic_thresholding_ratio"},
		{"ddim", `"_class_name": "HeunDiscreteScheduler", "use_karras_sigmas": true, "use_beta_sigmas": true`, 5, Options{}, "at most one"},
	} {
		cfg, err := ParseConfig([]byte("{" + merge(base, c.keys) + "}"))
		if err != nil {
			t.Errorf("%s: %v", c.keys, err)
			continue
		}
		_, err = New(c.sampler, cfg, c.steps, c.opt)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s, %s, %d steps: %v, want one line with %q", c.sampler, c.keys, c.steps, err, c.want)
		}
	}
}

func merge(a, b string) string {
	if b == "" {
		return a
	}
	return a + ", " + b
}

// TestIgnored: keys that the sampler's class doesn't read change nothing.
func TestIgnored(t *testing.T) {
	for _, keys := range []string{
		`"variance_type": "learned", "solver_order": 9, "use_dynamic_shifting": true`, `"unheard_of": [1, {"a": null}]`, `"skip_prk_steps": true`,
		`"_class_name": "DPMSolverMultistepScheduler", "variance_type": "learned"`, `"_class_name": "NoSuchScheduler"`,
	} {
		if _, err := New("ddim", config(t, keys), 5, Options{}); err != nil {
			t.Errorf("%s: %v", keys, err)
		}
	}
}

// TestPipelines: only Stable Diffusion's pipeline changes what a file says.
func TestPipelines(t *testing.T) {
	cfg := config(t, `"steps_offset": 0`)
	for pipeline, want := range map[Pipeline]float32{StableDiffusion: 801, StableDiffusionXL: 800} {
		s, err := New("ddim", cfg, 5, Options{Pipeline: pipeline})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Timesteps()[0]; got != want {
			t.Errorf("pipeline %d: first timestep %v, want %v", pipeline, got, want)
		}
	}
}

// TestAlphas holds the base models' schedule to published numbers.
func TestAlphas(t *testing.T) {
	s, betas := readSchedule(&params{values: config(t, "").values}, 0, 0)
	s.setBetas(betas, false)
	for timestep, want := range map[int]float64{0: 0.999150000, 100: 0.894223478, 250: 0.673792625, 500: 0.276332684, 750: 0.056169848, 999: 0.004660099} {
		if got := float64(s.alphas[timestep]); math.Abs(got-want) > 2e-6*want {
			t.Errorf("alpha of timestep %d: %.9f, want %.9f", timestep, got, want)
		}
	}
}

func FuzzConfig(f *testing.F) {
	for _, seed := range []string{
		"{" + base + "}", `{"lambda_min_clipped": -Infinity}`, `{"trained_betas": [0.1, 0.2], "num_train_timesteps": 2}`,
		`{"use_karras_sigmas": true, "sigma_min": 0.1}`, `{"use_flow_sigmas": true, "flow_shift": 3}`, `{"NaN": NaN, "a": "\"`, `{"num_train_timesteps": 1}`,
		`{"beta_start": 5, "use_beta_sigmas": true}`, `{"use_exponential_sigmas": true, "rescale_betas_zero_snr": true}`, `{"use_lu_lambdas": true}`,
	} {
		f.Add([]byte(seed), uint8(3))
	}
	f.Fuzz(func(t *testing.T, data []byte, steps uint8) {
		cfg, err := ParseConfig(data)
		if err != nil {
			return
		}
		for _, name := range Names() {
			s, err := New(name, cfg, int(steps), Options{})
			if err != nil {
				continue
			}
			latents := []float32{0.5, -1, 0.25, 2}
			for call := range s.Timesteps() {
				s.ScaleInput(latents, latents, call)
				if s.Step(latents, []float32{1, 0, -1, 0.5}, call, NewNoise(1)) != nil {
					break
				}
			}
		}
	})
}
