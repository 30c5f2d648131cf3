package diffusion

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// Config is a model's scheduler_config.json: what any sampler is set up from,
// whichever diffusers class the file was written by.
type Config struct {
	class  string
	values map[string]any // int, float64, bool, string, []float64, []int or nil; only keys that some sampler reads
}

// kind is a JSON type a key must have.
type kind int

const (
	integers kind = iota
	floats
	flags
	texts
	floatLists
	intLists
	objects
)

var kindNames = [...]string{"an integer", "a number", "true or false", "a string", "a list of numbers", "a list of integers", "null"}

// keys lists what the samplers read. All other keys change nothing in
// diffusers' schedulers of these names, and so they do nothing here.
var keys = map[string]kind{
	"num_train_timesteps": integers, "beta_start": floats, "beta_end": floats, "beta_schedule": texts, "trained_betas": floatLists,
	"timestep_spacing": texts, "steps_offset": integers, "prediction_type": texts, "rescale_betas_zero_snr": flags,
	"set_alpha_to_one": flags, "clip_sample": flags, "clip_sample_range": floats,
	"thresholding": flags, "dynamic_thresholding_ratio": floats, "sample_max_value": floats, "skip_prk_steps": flags,
	"use_karras_sigmas": flags, "use_exponential_sigmas": flags, "use_beta_sigmas": flags, "use_lu_lambdas": flags,
	"sigma_min": floats, "sigma_max": floats, "final_sigmas_type": texts, "interpolation_type": texts, "timestep_type": texts,
	"solver_order": integers, "solver_type": texts, "algorithm_type": texts, "lower_order_final": flags, "euler_at_final": flags,
	"lambda_min_clipped": floats, "variance_type": texts, "predict_x0": flags, "disable_corrector": intLists, "solver_p": objects,
	"use_flow_sigmas": flags, "flow_shift": floats, "use_dynamic_shifting": flags, "time_shift_type": texts, "shift_terminal": floats,
}

// nullable are the keys, beside flags, for which null means something.
var nullable = map[string]bool{
	"trained_betas": true, "sigma_min": true, "sigma_max": true, "variance_type": true, "solver_p": true, "shift_terminal": true,
}

// ParseConfig reads a scheduler_config.json. It fails on a key of the wrong
// type; whether a value can be honoured depends on the sampler, so New says that.
// NaN and Infinity, which Python writes, are read.
func ParseConfig(data []byte) (Config, error) {
	var raw map[string]json.RawMessage
	d := json.NewDecoder(bytes.NewReader(plainNumbers(data)))
	if err := d.Decode(&raw); err != nil {
		return Config{}, fmt.Errorf("scheduler config: not a JSON object: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Config{}, errors.New("scheduler config: data after the JSON object")
	}
	if raw == nil {
		return Config{}, errors.New("scheduler config: null, expected a JSON object")
	}
	c := Config{values: map[string]any{}}
	if name, ok := raw["_class_name"]; ok {
		if err := json.Unmarshal(name, &c.class); err != nil {
			return Config{}, errors.New("scheduler config: _class_name: expected a string")
		}
	}
	// Keys that a scheduler object noted as its own defaults; files don't have them.
	var defaults []string
	if list, ok := raw["_use_default_values"]; ok {
		if err := json.Unmarshal(list, &defaults); err != nil {
			return Config{}, errors.New("scheduler config: _use_default_values: expected a list of strings")
		}
	}
	for _, key := range defaults {
		delete(raw, key)
	}
	for key, want := range keys {
		text, ok := raw[key]
		if !ok {
			continue
		}
		v, ok := parseValue(string(text), want)
		if !ok || v == nil && want != flags && !nullable[key] {
			return Config{}, fmt.Errorf("scheduler config: %s: %s, expected %s", key, shorten(string(text)), kindNames[want])
		}
		c.values[key] = v
	}
	return c, nil
}

// LoadedAs returns the config as read by another scheduler class than the one
// the file names: a pipeline's model_index.json decides.
func (c Config) LoadedAs(class string) Config {
	c.class = class
	return c
}

// Class returns diffusers' name of the scheduler that wrote the config, empty
// if none is named.
func (c Config) Class() string { return c.class }

func shorten(text string) string {
	if r := []rune(text); len(r) > 40 {
		return string(r[:40]) + "..."
	}
	return text
}

// notANumber is what NaN becomes: a number that no float64 holds.
const notANumber = "-0e999999999"

// plainNumbers rewrites the literals that Python's json adds, outside strings.
func plainNumbers(data []byte) []byte {
	if !bytes.Contains(data, []byte("Infinity")) && !bytes.Contains(data, []byte("NaN")) {
		return data
	}
	var out []byte
	inString := false
	for i := 0; i < len(data); i++ {
		switch rest := data[i:]; {
		case inString && data[i] == '\\' && i+1 < len(data):
			out = append(out, data[i], data[i+1])
			i++
			continue
		case data[i] == '"':
			inString = !inString
		case inString:
		case bytes.HasPrefix(rest, []byte("Infinity")):
			out = append(out, "1e999"...)
			i += len("Infinity") - 1
			continue
		case bytes.HasPrefix(rest, []byte("NaN")):
			out = append(out, notANumber...)
			i += len("NaN") - 1
			continue
		}
		out = append(out, data[i])
	}
	return out
}

// parseValue reads one JSON value of a kind; null gives nil.
func parseValue(text string, want kind) (any, bool) {
	if text == "null" {
		return nil, true
	}
	switch want {
	case integers:
		return parseInt(text)
	case floats:
		return parseFloat(text)
	case flags:
		return text == "true", text == "true" || text == "false"
	case texts:
		var s string
		err := json.Unmarshal([]byte(text), &s)
		return s, err == nil
	case floatLists:
		return parseList(text, parseFloat)
	case intLists:
		return parseList(text, parseInt)
	}
	return nil, false
}

func parseList[T any](text string, each func(string) (T, bool)) ([]T, bool) {
	var raw []json.RawMessage
	if json.Unmarshal([]byte(text), &raw) != nil || !strings.HasPrefix(text, "[") {
		return nil, false
	}
	out := make([]T, len(raw))
	for i, r := range raw {
		v, ok := each(string(r))
		if !ok {
			return nil, false
		}
		out[i] = v
	}
	return out, true
}

func parseInt(text string) (int, bool) {
	n, err := strconv.ParseInt(text, 10, 32)
	return int(n), err == nil
}

func parseFloat(text string) (float64, bool) {
	if text == notANumber || strings.HasPrefix(text, `"`) {
		return 0, false
	}
	// Beyond float64's range stands infinity, as in Python.
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil || errors.Is(err, strconv.ErrRange)
}

// params reads a config as one scheduler class does: a key that is absent has
// the class's own default. The first fault is kept.
type params struct {
	class  string
	values map[string]any
	err    error
}

func (p *params) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf("scheduler config: "+format, args...)
	}
}

func (p *params) integer(key string, absent int) int { return param(p, key, absent) }
func (p *params) float(key string, absent float64) float64 {
	return param(p, key, absent)
}
func (p *params) text(key, absent string) string { return param(p, key, absent) }
func (p *params) flag(key string, absent bool) bool {
	if v, ok := p.values[key]; ok && v == nil {
		return false
	}
	return param(p, key, absent)
}

func param[T any](p *params, key string, absent T) T {
	if v, ok := p.values[key].(T); ok {
		return v
	}
	return absent
}

// strictFlag is a flag, off by default, that diffusers adds up with others and
// so can't be null.
func (p *params) strictFlag(key string) bool {
	if v, ok := p.values[key]; ok && v == nil {
		p.fail("%s: null, expected true or false", key)
	}
	return p.flag(key, false)
}

func (p *params) optionalFloat(key string) *float64 {
	if v, ok := p.values[key].(float64); ok {
		return &v
	}
	return nil
}

func (p *params) floats(key string) []float64 { return param[[]float64](p, key, nil) }
func (p *params) ints(key string) []int       { return param[[]int](p, key, nil) }

// finite fails for a number that is not finite.
func (p *params) finite(key string, absent float64) float64 {
	v := p.float(key, absent)
	if math.IsInf(v, 0) {
		p.fail("%s: %v, expected a finite number", key, v)
	}
	return v
}
