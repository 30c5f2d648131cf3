package model

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Largest numbers that a config may ask for: far above every published model,
// low enough that a hostile file cannot exhaust memory.
const (
	maxChannels = 1 << 20
	maxLayers   = 256
	maxBlocks   = 16
)

// reader takes the keys of one config.json apart and collects every fault.
type reader struct {
	what string // "unet config", for errors
	obj  map[string]json.RawMessage
	errs []error
}

func newReader(what string, data []byte) (*reader, error) {
	r := &reader{what: what}
	if err := json.Unmarshal(plainNumbers(data), &r.obj); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, fmt.Errorf("%s: not JSON at byte %d: %v", what, syntax.Offset, syntax)
		}
		return nil, fmt.Errorf("%s: not a JSON object", what)
	}
	if r.obj == nil {
		return nil, fmt.Errorf("%s: not a JSON object", what)
	}
	return r, nil
}

func (r *reader) fault(key, format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf("%s: %s %s", r.what, key, fmt.Sprintf(format, args...)))
}

func (r *reader) err() error { return errors.Join(r.errs...) }

// null reports whether the key is absent or null.
func (r *reader) null(key string) bool {
	raw, ok := r.obj[key]
	return !ok || string(bytes.TrimSpace(raw)) == "null"
}

func (r *reader) decode(key, want string, dst any) bool {
	if err := json.Unmarshal(r.obj[key], dst); err != nil {
		r.fault(key, "is %s, expected %s", shorten(r.obj[key]), want)
		return false
	}
	return true
}

func shorten(raw json.RawMessage) string {
	text := literals.Replace(string(raw))
	if len(text) > 60 {
		return text[:60] + "..."
	}
	return text
}

func (r *reader) int(key string, def, low, high int64) int64 {
	if r.null(key) {
		return def
	}
	var v int64
	if r.decode(key, "a whole number", &v) && (v < low || v > high) {
		r.fault(key, "is %d, expected %d to %d", v, low, high)
	}
	return v
}

func (r *reader) float(key string, def float64) float64 {
	if r.null(key) {
		return def
	}
	var v float64
	if r.decode(key, "a number", &v) && (math.IsNaN(v) || math.IsInf(v, 0)) {
		r.fault(key, "is not finite")
	}
	return v
}

func (r *reader) bool(key string, def bool) bool {
	if r.null(key) {
		return def
	}
	v := def
	r.decode(key, "true or false", &v)
	return v
}

func (r *reader) str(key, def string, allowed ...string) string {
	if r.null(key) {
		return def
	}
	v := def
	if r.decode(key, "a text", &v) && len(allowed) > 0 && !slices.Contains(allowed, v) {
		r.fault(key, "%q is not supported, only %s", v, strings.Join(allowed, ", "))
	}
	return v
}

// ints reads a list of n numbers, or one number for all.
func (r *reader) ints(key string, n int, def, low, high int64) []int64 {
	out := slices.Repeat([]int64{def}, n)
	if r.null(key) {
		return out
	}
	var one int64
	if json.Unmarshal(r.obj[key], &one) == nil {
		out = slices.Repeat([]int64{one}, n)
	} else {
		var list []int64
		if !r.decode(key, "a whole number or a list of them", &list) {
			return out
		}
		if len(list) != n {
			r.fault(key, "has %d entries for %d blocks", len(list), n)
			return out
		}
		out = list
	}
	for _, v := range out {
		if v < low || v > high {
			r.fault(key, "holds %d, expected %d to %d", v, low, high)
			break
		}
	}
	return out
}

func (r *reader) bools(key string, n int) []bool {
	out := make([]bool, n)
	if r.null(key) {
		return out
	}
	var one bool
	if json.Unmarshal(r.obj[key], &one) == nil {
		return slices.Repeat([]bool{one}, n)
	}
	var list []bool
	if r.decode(key, "true, false or a list of them", &list) {
		if len(list) == n {
			return list
		}
		r.fault(key, "has %d entries for %d blocks", len(list), n)
	}
	return out
}

// strs reads a list of block types; the training code's `_New` suffix is dropped.
func (r *reader) strs(key string, def []string, allowed ...string) []string {
	if r.null(key) {
		return def
	}
	var list []string
	if !r.decode(key, "a list of texts", &list) {
		return def
	}
	if len(list) < 1 || len(list) > maxBlocks {
		r.fault(key, "has %d entries, expected 1 to %d", len(list), maxBlocks)
		return def
	}
	for i, s := range list {
		list[i] = strings.TrimSuffix(s, "_New")
		if !slices.Contains(allowed, list[i]) {
			r.fault(key, "%q is not supported, only %s", s, strings.Join(allowed, ", "))
		}
	}
	return list
}

// only refuses a key that has another value than one of the given, which are
// those that change nothing. Absent and null always pass.
func (r *reader) only(key string, allowed ...any) {
	if r.null(key) {
		return
	}
	var v any
	if !r.decode(key, "a JSON value", &v) {
		return
	}
	for _, a := range allowed {
		if n, ok := a.(int); ok {
			a = float64(n)
		}
		if v == a {
			return
		}
	}
	r.fault(key, "%s is not supported", shorten(r.obj[key]))
}
