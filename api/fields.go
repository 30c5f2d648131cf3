package api

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"cosmicman/internal/spelling"
	"cosmicman/job"
)

// Bounds of what a request may ask for.
const (
	maxPrompt   = 32000 // characters, OpenAI's limit for its GPT image models
	maxName     = 256   // characters of a name: of a model, a user
	maxImages   = 10
	maxPartials = 3
	maxSteps    = 1000
	maxGuidance = 100
)

// routes is a set of the routes whose bodies the table of fields describes.
type routes uint8

const (
	generations routes = 1 << iota
	edits
	variations
	prompts    // makes none, and reads what is said of them
	everywhere = generations | edits | variations
)

var routePaths = map[routes]string{
	generations: "/v1/images/generations", edits: "/v1/images/edits", variations: "/v1/images/variations",
	prompts: promptsPath,
}

// field is one field of the bodies, JSON and forms alike. What it may be follows
// from what it is read into: a string, a whole number, a number, a flag, an object.
type field struct {
	name     string
	on       routes
	into     func(*request) any
	min, max float64  // of numbers; of strings max is in characters, 0 for as long as a name
	above    bool     // min itself is too little
	choices  []string // of strings; nil: any
	fallback string   // what is taken where it is not given, for documents
	doc      string
}

// fields are all fields but the pictures: see inputs.go for image, images and mask.
var fields = []field{
	{name: "prompt", on: generations | edits | prompts, into: func(r *request) any { return &r.Prompt }, max: maxPrompt,
		doc: "What is drawn. Required, unless body or outfit is given: then it is appended to their caption."},
	{name: "model", on: everywhere | prompts, into: func(r *request) any { return &r.Model }, fallback: "the server's first",
		doc: "The name of a model, see GET /v1/models, or an alias of one."},
	{name: "n", on: everywhere, into: func(r *request) any { return &r.Count }, min: 1, max: maxImages, fallback: "1",
		doc: "How many images. Image i has seed + i."},
	{name: "size", on: everywhere, into: func(r *request) any { return &r.Size }, fallback: "auto",
		doc: "WIDTHxHEIGHT in pixels, multiples of 8 up to the model's largest, or auto: the model's native size; with an image to begin from the size that is nearest to the image's."},
	{name: "quality", on: generations | edits, into: func(r *request) any { return &r.Quality }, choices: qualityNames, fallback: "auto",
		doc: "How many steps are taken: low 15, medium, standard and auto 30, high and hd 50."},
	{name: "response_format", on: everywhere, into: func(r *request) any { return &r.ResponseFormat }, choices: []string{"url", "b64_json"}, fallback: "both",
		doc: "How images are answered. Not given: each has both url and b64_json."},
	{name: "output_format", on: generations | edits, into: func(r *request) any { return &r.Format }, choices: []string{"png", "jpeg", "webp"}, fallback: "png",
		doc: "Of the image files."},
	{name: "output_compression", on: generations | edits, into: func(r *request) any { return &r.Compression }, max: 100, fallback: "100",
		doc: "The quality of jpeg and webp files. A png is never less than whole, so below 100 is refused with it."},
	{name: "stream", on: generations | edits, into: func(r *request) any { return &r.Stream }, fallback: "false",
		doc: "Answer with server-sent events: partial images, if asked for, and each image when it is completed."},
	{name: "partial_images", on: generations | edits, into: func(r *request) any { return &r.Partials }, max: maxPartials, fallback: "0",
		doc: "How many unfinished states of each image a stream shows. Above 0 only with stream."},
	{name: "background", on: generations | edits, into: func(r *request) any { return &r.Background }, choices: []string{"transparent", "opaque", "auto"}, fallback: "auto",
		doc: "Images are opaque; transparent is refused."},
	{name: "moderation", on: generations, into: func(r *request) any { return &r.Moderation }, choices: []string{"low", "auto"}, fallback: "auto",
		doc: "Accepted; there is no moderation to set."},
	{name: "style", on: generations, into: func(r *request) any { return &r.Style }, choices: []string{"vivid", "natural"},
		doc: "Accepted; it changes nothing, say it in the prompt."},
	{name: "input_fidelity", on: edits, into: func(r *request) any { return &r.Fidelity }, choices: []string{"high", "low"},
		doc: "Accepted; it changes nothing, strength does."},
	{name: "user", on: everywhere, into: func(r *request) any { return &r.User }, max: maxName,
		doc: "Accepted, and neither kept nor logged."},

	// Ours.
	{name: "negative_prompt", on: everywhere, into: func(r *request) any { return &r.NegativePrompt }, max: maxPrompt,
		doc: "What is kept away from. Needs guidance_scale above 1."},
	{name: "num_inference_steps", on: everywhere, into: func(r *request) any { return &r.Steps }, min: 1, max: maxSteps, fallback: "by quality",
		doc: "Denoising steps."},
	{name: "steps", on: everywhere, into: func(r *request) any { return &r.stepsAlias }, min: 1, max: maxSteps,
		doc: "Another name of num_inference_steps."},
	{name: "guidance_scale", on: everywhere, into: func(r *request) any { return &r.Guidance }, max: maxGuidance, fallback: "7.5",
		doc: "Classifier-free guidance; up to 1: none, at half the work."},
	{name: "sampler", on: everywhere, into: func(r *request) any { return &r.Sampler }, fallback: defaultSampler,
		doc: "ddim, pndm, lms, euler, euler_a, dpm, dpm_karras, unipc or heun."},
	{name: "eta", on: everywhere, into: func(r *request) any { return &r.Eta }, max: 1, fallback: "0",
		doc: "Of the sampler ddim: 0 takes no noise in, 1 as much as ancestral sampling."},
	{name: "seed", on: everywhere, into: func(r *request) any { return &r.Seed }, max: math.MaxUint64, fallback: "at random",
		doc: "The same seed and settings draw the same image."},
	{name: "strength", on: edits | variations, into: func(r *request) any { return &r.Strength }, above: true, max: 1, fallback: "0.8; 1 with a mask",
		doc: "How much of the image may change: the share of the steps that is taken."},
	{name: "body", on: generations | edits | prompts, into: func(r *request) any { return &r.Body },
		doc: "Who is drawn: an object of shot, country, age, gender, shape, hair, background."},
	{name: "outfit", on: generations | edits | prompts, into: func(r *request) any { return &r.Outfit },
		doc: "What they wear: an object of garments, each a string or an object of its attributes."},
	{name: "lora", on: everywhere, into: func(r *request) any { return &r.LoRAs }, fallback: "none",
		doc: "What changes the model: a list of up to 8 objects of name, see GET /v1/loras, and weight, from -10 to 10, 1 if it is left out. In a form JSON, or lora[][name] and lora[][weight], the name first."},
	{name: "long_prompt", on: generations | edits | prompts, into: func(r *request) any { return &r.LongPrompt }, choices: []string{"chunk", "truncate"}, fallback: "chunk",
		doc: "What becomes of text beyond the text encoder's 75 tokens: several windows, or it is cut off. What is cut is told in warnings."},
	{name: "prompt_syntax", on: generations | edits | prompts, into: func(r *request) any { return &r.PromptSyntax }, choices: []string{"plain", "weighted"}, fallback: "plain",
		doc: "weighted: (red dress:1.3) is emphasis. plain: parentheses are text."},
}

// value is what a field was given: JSON, or the text of a form's part.
type value struct {
	raw  []byte
	form bool
}

// lookup finds a field of a route, or says what may have been meant.
func lookup(name string, on routes) (*field, error) {
	i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
	switch {
	case i < 0:
		return nil, unknownField(name, on)
	case fields[i].on&on == 0:
		return nil, invalid(name, "%s is not a field of %s", name, routePaths[on])
	}
	return &fields[i], nil
}

// unknownField names the field of the route that is spelled most like it.
func unknownField(name string, on routes) error {
	names := map[routes][]string{edits: {"images", "image", "mask"}, variations: {"image"}}[on]
	for _, f := range fields {
		if f.on&on != 0 {
			names = append(names, f.name)
		}
	}
	shown := shortened(name)
	// Of a short name less may differ: from one letter everything is near.
	best, distance := "", min(3, len(shown)/2+1)
	for _, n := range names {
		// image is a field of forms only, and images of JSON: one may be taken for the other.
		if d := spelling.Distance(strings.ToLower(shown), n); d < distance && n != shown {
			best, distance = n, d
		}
	}
	hint := ""
	if best != "" {
		hint = fmt.Sprintf("; did you mean %s?", best)
	}
	return invalid(shown, "unknown field %.60q%s", shown, hint)
}

// read takes a value in, or says what was expected.
func (f *field) read(r *request, v value) error {
	switch dst := f.into(r).(type) {
	case **string:
		s, err := f.text(v)
		*dst = &s
		return err
	case **int:
		n, err := f.whole(v)
		small := int(n)
		*dst = &small
		return err
	case **uint64:
		n, err := f.whole(v)
		*dst = &n
		return err
	case **float64:
		n, err := f.number(v)
		*dst = &n
		return err
	case **bool:
		b := string(v.raw) == "true"
		*dst = &b
		if !b && string(v.raw) != "false" {
			return invalid(f.name, "%s must be true or false", f.name)
		}
		return nil
	case *json.RawMessage:
		return f.object(dst, v)
	case *[]job.LoRA:
		return f.loras(dst, v)
	default:
		panic("api: no rule for the field " + f.name)
	}
}

func (f *field) text(v value) (string, error) {
	s, err := plainText(f.name, v)
	limit := int(f.max)
	if limit == 0 {
		limit = maxName
	}
	switch n := utf8.RuneCountInString(s); {
	case err != nil:
		return "", err
	case f.choices != nil && !slices.Contains(f.choices, s):
		return "", invalid(f.name, "%s is %.60q, expected %s", f.name, s, either(f.choices))
	case n > limit:
		return "", invalid(f.name, "%s has %d characters, at most %d are accepted", f.name, n, limit)
	}
	return s, nil
}

// plainText is a string without what no text holds: half a character, or controls
// other than tabs and line ends.
func plainText(name string, v value) (string, error) {
	s := string(v.raw)
	if !v.form {
		if len(v.raw) == 0 || v.raw[0] != '"' || json.Unmarshal(v.raw, &s) != nil {
			return "", invalid(name, "%s must be a string", name)
		}
		if halfCharacter(v.raw) {
			return "", invalid(name, "%s holds half of a surrogate pair, which is no character", name)
		}
	}
	if !utf8.ValidString(s) {
		return "", invalid(name, "%s is not UTF-8", name)
	}
	if i := strings.IndexFunc(s, control); i >= 0 {
		return "", invalid(name, "%s holds the control character U+%04X", name, s[i])
	}
	return s, nil
}

func control(r rune) bool { return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f }

// halfCharacter reports whether valid JSON holds an escape such as \ud800 without its
// other half, which encoding/json would replace in silence.
func halfCharacter(raw []byte) bool {
	unit := func(i int) (rune, bool) { // the UTF-16 unit that an escape at i stands for
		if i+6 > len(raw) || raw[i] != '\\' || raw[i+1] != 'u' {
			return 0, false
		}
		n, err := strconv.ParseUint(string(raw[i+2:i+6]), 16, 16)
		return rune(n), err == nil
	}
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		u, escaped := unit(i)
		switch {
		case !escaped:
			i++ // the escaped character, which may be a backslash
		case 0xdc00 <= u && u < 0xe000:
			return true
		case 0xd800 <= u && u < 0xdc00:
			if low, ok := unit(i + 6); !ok || low < 0xdc00 || low >= 0xe000 {
				return true
			}
			i += 11
		default:
			i += 5
		}
	}
	return false
}

func (f *field) whole(v value) (uint64, error) {
	n, err := strconv.ParseUint(string(v.raw), 10, 64)
	if err == nil && len(v.raw) > 1 && v.raw[0] == '0' {
		err = strconv.ErrSyntax // JSON has no leading zeros, and forms none either
	}
	upTo := strconv.FormatFloat(f.max, 'f', -1, 64)
	if f.max == math.MaxUint64 {
		upTo = "2^64-1"
	}
	switch {
	case err != nil:
		return 0, invalid(f.name, "%s must be a whole number from %g to %s", f.name, f.min, upTo)
	case float64(n) < f.min || float64(n) > f.max:
		return 0, invalid(f.name, "%s is %d, expected %g to %s", f.name, n, f.min, upTo)
	}
	return n, nil
}

func (f *field) number(v value) (float64, error) {
	from := "from"
	if f.above {
		from = "above"
	}
	var n float64
	// In JSON's spelling, in forms too: no NaN, no hexadecimal digits, no null.
	last := len(v.raw) - 1
	if last < 0 || v.raw[0] != '-' && !digit(v.raw[0]) || !digit(v.raw[last]) || json.Unmarshal(v.raw, &n) != nil {
		return 0, invalid(f.name, "%s must be a number %s %g to %g", f.name, from, f.min, f.max)
	}
	if n < f.min || n > f.max || f.above && n == f.min {
		return 0, invalid(f.name, "%s is %g, expected a number %s %g to %g", f.name, n, from, f.min, f.max)
	}
	return n, nil
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// object takes JSON as it is; who knows its fields reads them.
func (f *field) object(dst *json.RawMessage, v value) error {
	if !json.Valid(v.raw) || v.raw[0] != '{' {
		return invalid(f.name, "%s must be a JSON object", f.name)
	}
	if halfCharacter(v.raw) {
		return invalid(f.name, "%s holds half of a surrogate pair, which is no character", f.name)
	}
	*dst = slices.Clone(v.raw)
	return nil
}

// either lists words: a, b or c.
func either(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
