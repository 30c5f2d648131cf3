package recipe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"cosmicman/internal/spelling"
)

// Fault is what is wrong with settings, data or a machine for a run: something that
// its user can change.
type Fault struct{ Text string }

func (f *Fault) Error() string { return f.Text }

func faultf(format string, args ...any) error { return &Fault{fmt.Sprintf(format, args...)} }

func free(s *Setting) *Setting {
	s.Free = true
	return s
}

// single makes a setting of one value.
func single(key, doc, takes string, t Type, of []Teach, get func() string, set func(string) bool) *Setting {
	return &Setting{Key: key, Doc: doc, Takes: takes, Type: t, For: of,
		get: func() []string { return []string{get()} },
		set: func(v []string) string {
			if !set(v[0]) {
				return fmt.Sprintf("is %.100q, expected %s", v[0], takes)
			}
			return ""
		}}
}

// What settings take that take any text.
const anyText, anyTexts = "text", "texts"

func plain(key string, p *string, doc string, of []Teach) *Setting {
	return single(key, doc, anyText, AsText, of, func() string { return *p }, func(s string) bool {
		*p = s
		return true
	})
}

func choice[T ~string](key string, p *T, doc string, of []Teach, names ...T) *Setting {
	texts := make([]string, len(names))
	for i, n := range names {
		texts[i] = string(n)
	}
	if unnamed := func(text string) bool { return !strings.Contains(doc, text) }; slices.ContainsFunc(texts, unnamed) {
		doc += " (" + orList(texts) + ")"
	}
	s := single(key, doc, orList(texts), AsText, of, func() string { return string(*p) }, nil)
	s.set = func(v []string) string {
		if !slices.Contains(texts, v[0]) {
			return fmt.Sprintf("is %.100q, expected %s%s", v[0], s.Takes, didYouMean(v[0], texts))
		}
		*p = T(v[0])
		return ""
	}
	return s
}

func whole(key string, p *int, doc string, of []Teach) *Setting {
	return single(key, doc, "a whole number", AsWhole, of, func() string { return strconv.Itoa(*p) }, func(s string) bool {
		n, err := strconv.ParseInt(s, 10, 32)
		if err == nil {
			*p = int(n)
		}
		return err == nil
	})
}

func seed(key string, p *uint64, doc string, of ...Teach) *Setting {
	return single(key, doc, "a whole number from 0 to 2^64-1", AsWhole, of, func() string { return strconv.FormatUint(*p, 10) }, func(s string) bool {
		n, err := strconv.ParseUint(s, 10, 64)
		if err == nil {
			*p = n
		}
		return err == nil
	})
}

func number(key string, p *float64, doc string, of []Teach) *Setting {
	return single(key, doc, "a number", AsNumber, of, func() string { return strconv.FormatFloat(*p, 'g', -1, 64) }, func(s string) bool {
		n, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
			return false
		}
		*p = n
		return true
	})
}

func truth(key string, p *bool, doc string, of []Teach) *Setting {
	return single(key, doc, "true or false", AsTruth, of, func() string { return strconv.FormatBool(*p) }, func(s string) bool {
		if s != "true" && s != "false" {
			return false
		}
		*p = s == "true"
		return true
	})
}

// pixels are a size, 0 for none.
func pixels(key string, w, h *int, doc string, of []Teach) *Setting {
	show := func() string {
		if *w == *h {
			return strconv.Itoa(*w)
		}
		return fmt.Sprintf("%dx%d", *w, *h)
	}
	return single(key, doc, "pixels a side, such as 512, or WIDTHxHEIGHT", AsText, of, show, func(s string) bool {
		a, b, two := strings.Cut(s, "x")
		if !two {
			b = a
		}
		x, errX := strconv.ParseUint(a, 10, 16)
		y, errY := strconv.ParseUint(b, 10, 16)
		if errX != nil || errY != nil {
			return false
		}
		*w, *h = int(x), int(y)
		return true
	})
}

// size is a number of bytes.
func size(key string, p *int64, doc string, of []Teach) *Setting {
	units := []string{"", "K", "M", "G", "T"}
	show := func() string {
		n, unit := *p, 0
		for n != 0 && n%1024 == 0 && unit < len(units)-1 {
			n, unit = n/1024, unit+1
		}
		return strconv.FormatInt(n, 10) + units[unit]
	}
	return single(key, doc, "bytes, such as 800M or 6G", AsText, of, show, func(s string) bool {
		digits := strings.TrimRight(s, "KMGT")
		unit := slices.Index(units, s[len(digits):])
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || unit < 0 || n < 0 || n<<(10*unit)>>(10*unit) != n {
			return false
		}
		*p = n << (10 * unit)
		return true
	})
}

func plains(key string, p *[]string, doc string, of []Teach) *Setting {
	return &Setting{Key: key, Doc: doc, Takes: anyTexts, Type: AsText, Many: true, For: of,
		get: func() []string { return slices.Clone(*p) },
		set: func(v []string) string {
			*p = slices.Clone(v)
			return ""
		}}
}

func wholes(key string, p *[]int64, doc string, of []Teach) *Setting {
	return &Setting{Key: key, Doc: doc, Takes: "whole numbers", Type: AsWhole, Many: true, For: of,
		get: func() (all []string) {
			for _, n := range *p {
				all = append(all, strconv.FormatInt(n, 10))
			}
			return all
		},
		set: func(v []string) string {
			var all []int64
			for _, s := range v {
				n, err := strconv.ParseInt(s, 10, 64)
				if err != nil {
					return fmt.Sprintf("holds %.100q, expected whole numbers", s)
				}
				all = append(all, n)
			}
			*p = all
			return ""
		}}
}

// sourceFields are a source's, as JSON and in the file.
type sourceFields struct {
	Path    string   `json:"path"`
	Repeats *int     `json:"repeats,omitempty"`
	Weight  *float64 `json:"weight,omitempty"`
	Prior   bool     `json:"prior,omitempty"`
	Caption string   `json:"caption,omitempty"`
	Trigger string   `json:"trigger,omitempty"`
}

// SourceKeys are what a source in the file may say.
var SourceKeys = []string{"path", "repeats", "weight", "prior", "caption", "trigger"}

func sources(key string, p *[]Source) *Setting {
	return &Setting{
		Key: key, Many: true, Type: AsObject,
		Doc:   "folder of images with metadata.jsonl or a .txt beside each, or a data set such as `data dolls` writes; or {path, repeats, weight, prior, caption, trigger}",
		Takes: "a folder, or {path, repeats, weight, prior, caption, trigger}",
		get: func() (all []string) {
			for _, s := range *p {
				all = append(all, s.String())
			}
			return all
		},
		set: func(v []string) string {
			var all []Source
			for _, text := range v {
				s, wrong := parseSource(text)
				if wrong != "" {
					return wrong
				}
				all = append(all, s)
			}
			*p = all
			return ""
		},
	}
}

// String is a path, or JSON where there is more to say.
func (s Source) String() string {
	f := sourceFields{Path: s.Path, Prior: s.Prior, Caption: s.Caption, Trigger: s.Trigger}
	if s.Repeats != 1 {
		f.Repeats = &s.Repeats
	}
	if s.Weight != 1 {
		f.Weight = &s.Weight
	}
	if f == (sourceFields{Path: s.Path}) && !strings.HasPrefix(s.Path, "{") {
		return s.Path
	}
	return jsonText(f)
}

// jsonText is a value as JSON that people can read.
func jsonText(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Sprint(v) // a number that is none, which no setting takes
	}
	return strings.TrimSpace(b.String())
}

func parseSource(text string) (s Source, wrong string) {
	s = Source{Path: text, Repeats: 1, Weight: 1}
	if !strings.HasPrefix(text, "{") {
		return s, ""
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &keys); err != nil {
		return s, fmt.Sprintf("holds %.100q, expected a folder or a JSON object: %v", text, err)
	}
	for k := range keys {
		if !slices.Contains(SourceKeys, k) {
			return s, fmt.Sprintf("has no setting %.100q%s", k, didYouMean(k, SourceKeys))
		}
	}
	var f sourceFields
	d := json.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&f); err != nil {
		if wrong, is := errors.AsType[*json.UnmarshalTypeError](err); is {
			kinds := map[string]string{"int": "a whole number", "float64": "a number", "bool": "true or false", "string": "text"}
			return s, fmt.Sprintf("has %s that is a %s, expected %s", wrong.Field, wrong.Value, kinds[wrong.Type.String()])
		}
		return s, fmt.Sprintf("holds %.100q: %v", text, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return s, fmt.Sprintf("holds %.100q, expected one object", text)
	}
	s = Source{Path: f.Path, Repeats: 1, Weight: 1, Prior: f.Prior, Caption: f.Caption, Trigger: f.Trigger}
	if f.Repeats != nil {
		s.Repeats = *f.Repeats
	}
	if f.Weight != nil {
		s.Weight = *f.Weight
	}
	if s.Path == "" {
		return s, "holds a source without a path"
	}
	return s, ""
}

// orList is "a, b or c".
func orList(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// didYouMean goes on from a message where one of names is near.
func didYouMean(name string, names []string) string {
	best, least := "", max(2, len(name)/3)+1
	for _, n := range names {
		if d := spelling.Distance(name, n); d < least {
			best, least = n, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}
