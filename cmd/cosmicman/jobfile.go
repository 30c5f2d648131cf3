package main

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"

	"cosmicman/inference"
	"cosmicman/job"
)

// The bounds of a file of requests.
const (
	longestLine   = 1 << 20 // bytes
	imagesOfALine = 10000
	faultsShown   = 20
)

// jobLine is one request of a file.
type jobLine struct {
	number int    // from 1
	name   string // of its files, without the image's number
	model  string
	count  int
	draw   job.Drawing
	from   edit // files, as they stand in the line
	loras  loraList
	digest string // of all that its images depend on
}

// file is the name of image i.
func (l *jobLine) file(i int) string { return fmt.Sprintf("%s-%d%s", l.name, i, l.draw.Ext()) }

// readJobs reads a file of requests, one JSON object a line; empty lines are left
// out. The error is all that is wrong with it, by line.
func readJobs(path string, c *catalogue, in *inputs) ([]*jobLine, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var lines []*jobLine
	var faults []string
	names := map[string]int{}
	scan := bufio.NewScanner(f)
	scan.Buffer(nil, longestLine)
	number := 0
	for scan.Scan() {
		number++
		if len(bytes.TrimSpace(scan.Bytes())) == 0 {
			continue
		}
		l, err := parseJob(scan.Bytes(), number)
		if err == nil {
			err = l.check(c, in, filepath.Dir(path))
		}
		if err == nil && names[l.name] > 0 {
			err = fmt.Errorf("name: line %d has the name %q too", names[l.name], l.name)
		}
		if err != nil {
			faults = append(faults, fmt.Sprintf("%s:%d: %v", path, number, err))
			continue
		}
		names[l.name] = number
		lines = append(lines, l)
	}
	switch err := scan.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		faults = append(faults, fmt.Sprintf("%s:%d: is longer than %d bytes", path, number+1, longestLine))
	case err != nil:
		return nil, err
	}
	if len(faults) > faultsShown {
		faults = append(faults[:faultsShown], fmt.Sprintf("and %d lines more", len(faults)-faultsShown))
	}
	if len(faults) > 0 {
		return nil, usagef("generate: %s", strings.Join(faults, "; "))
	}
	if len(lines) == 0 {
		return nil, usagef("generate: %s holds no request", path)
	}
	return lines, nil
}

var fileName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// parseJob reads one line strictly: one object, known fields once, each of its type.
func parseJob(text []byte, number int) (*jobLine, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("is not UTF-8")
	}
	fields, order, err := members(text)
	if err != nil {
		return nil, err
	}
	l := &jobLine{number: number, name: fmt.Sprintf("%05d", number), count: 1,
		draw: job.Drawing{Sampler: "ddim", Steps: 30, GuidanceScale: 7.5, LongPrompt: "chunk"}}
	size, seed := "", (*uint64)(nil)
	into := map[string]any{
		"prompt": &l.draw.Prompt, "negative_prompt": &l.draw.NegativePrompt, "n": &l.count, "size": &size,
		"width": &l.draw.Width, "height": &l.draw.Height, "steps": &l.draw.Steps, "sampler": &l.draw.Sampler,
		"guidance_scale": &l.draw.GuidanceScale, "eta": &l.draw.Eta, "seed": &seed, "model": &l.model, "name": &l.name,
		"init_image": &l.from.init, "mask": &l.from.mask, "strength": &l.draw.Strength,
		"output_format": &l.draw.Format, "output_compression": &l.draw.Compression,
		"long_prompt": &l.draw.LongPrompt, "prompt_syntax": &l.draw.PromptSyntax, "lora": &l.loras,
	}
	for _, name := range order {
		dst, known := into[name]
		switch {
		case !known:
			return nil, fmt.Errorf("there is no field %.60q", name)
		case string(fields[name]) == "null":
			return nil, fmt.Errorf("%s: is null, leave it out instead", name)
		case json.Unmarshal(fields[name], dst) != nil:
			return nil, fmt.Errorf("%s: is %.60s, expected %s", name, fields[name], expected(dst))
		}
	}
	has := func(name string) bool { return fields[name] != nil }
	switch {
	case !has("prompt"):
		return nil, errors.New("prompt: is missing")
	case l.count < 1 || l.count > imagesOfALine:
		return nil, fmt.Errorf("n: is %d, expected 1 to %d", l.count, imagesOfALine)
	case !fileName.MatchString(l.name):
		return nil, fmt.Errorf("name: is %.110q, expected letters, digits and ._- , at most 100", l.name)
	case has("init_image") && l.from.init == "", has("mask") && l.from.mask == "":
		return nil, errors.New("init_image and mask: expected names of files, leave them out instead")
	case !has("init_image") && (has("mask") || has("strength")):
		return nil, errors.New("mask and strength: go with init_image")
	case has("size") && (has("width") || has("height")):
		return nil, errors.New("size: goes without width and height")
	case has("width") && l.draw.Width < 1, has("height") && l.draw.Height < 1:
		return nil, errors.New("width and height: expected positive numbers of pixels")
	}
	if has("init_image") && !has("strength") {
		l.draw.Strength = usualStrength
		if has("mask") {
			l.draw.Strength = maskStrength
		}
	}
	for _, choice := range []struct{ name, given, one, other string }{
		{"long_prompt", l.draw.LongPrompt, "chunk", "truncate"}, {"prompt_syntax", l.draw.PromptSyntax, "plain", "weighted"},
	} {
		if has(choice.name) && choice.given != choice.one && choice.given != choice.other {
			return nil, fmt.Errorf("%s: is %.40q, expected %s or %s", choice.name, choice.given, choice.one, choice.other)
		}
	}
	if _, err := imageFileOf(&l.draw); err != nil {
		return nil, err
	}
	// It is one image, however it is asked for.
	for dst, usual := range map[*string]string{&l.draw.Format: "png", &l.draw.LongPrompt: "truncate", &l.draw.PromptSyntax: "plain"} {
		if *dst == usual {
			*dst = ""
		}
	}
	if has("size") {
		all := bytes.Buffer{}
		n, _ := fmt.Sscanf(size, "%dx%d", &l.draw.Width, &l.draw.Height)
		fmt.Fprintf(&all, "%dx%d", l.draw.Width, l.draw.Height)
		if n != 2 || all.String() != size || l.draw.Width < 1 || l.draw.Height < 1 {
			return nil, fmt.Errorf("size: is %.60q, expected WIDTHxHEIGHT such as 512x768", size)
		}
	}
	if seed != nil {
		l.draw.Seed = *seed
		if *seed > math.MaxUint64-uint64(max(l.count, 1)-1) {
			return nil, fmt.Errorf("seed: is %d, which leaves the last of %d images none: expected at most 2^64-%d", *seed, l.count, l.count)
		}
	} else {
		// By chance, but the same when the file is run again.
		sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", number, text))
		l.draw.Seed = uint64(binary.LittleEndian.Uint32(sum[:]))
	}
	return l, nil
}

// expected says what a field's JSON has to be.
func expected(dst any) string {
	switch dst.(type) {
	case *string, **string:
		return "a string"
	case *float64:
		return "a number"
	case **uint64:
		return "a whole number from 0 to 2^64-1"
	case *loraList:
		return fmt.Sprintf(`a list of at most %d objects such as {"name": FILE, "weight": 0.8}, the weight from -%d to %d`, job.MaxLoRAs, job.MaxLoRAWeight, job.MaxLoRAWeight)
	}
	return "a whole number"
}

// loraList is the field lora of a line: files and their weights.
type loraList []job.LoRA

// UnmarshalJSON reads it strictly.
func (l *loraList) UnmarshalJSON(text []byte) error {
	var given []struct {
		Name   string   `json:"name"`
		Weight *float64 `json:"weight"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&given); err != nil {
		return err
	}
	if len(given) > job.MaxLoRAs {
		return errors.New("too many")
	}
	for _, g := range given {
		one := job.LoRA{Name: g.Name, Weight: 1}
		if g.Weight != nil {
			one.Weight = *g.Weight
		}
		if g.Name == "" || !(math.Abs(one.Weight) <= job.MaxLoRAWeight) {
			return errors.New("no name, or another weight")
		}
		*l = append(*l, one)
	}
	return nil
}

// members splits an object into its members, in order, each name once.
func members(text []byte) (map[string]json.RawMessage, []string, error) {
	bad := errors.New("is not one JSON object")
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, nil, bad
	}
	fields := map[string]json.RawMessage{}
	var order []string
	for d.More() {
		t, err := d.Token()
		name, is := t.(string)
		if err != nil || !is {
			return nil, nil, bad
		}
		if _, twice := fields[name]; twice {
			return nil, nil, fmt.Errorf("%.60s: is given twice", name)
		}
		var raw json.RawMessage
		if d.Decode(&raw) != nil {
			return nil, nil, bad
		}
		fields[name], order = raw, append(order, name)
	}
	if _, err := d.Token(); err != nil {
		return nil, nil, bad
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, nil, bad
	}
	return fields, order, nil
}

// check holds the request against its model and completes it. Files are meant from dir
// on.
func (l *jobLine) check(c *catalogue, in *inputs, dir string) error {
	if l.model == "" {
		l.model = c.names[0]
	}
	m := c.known[l.model]
	if m == nil {
		return fmt.Errorf("model: is %.60q, expected one of %s", l.model, strings.Join(c.names, ", "))
	}
	r := requestOf(&l.draw)
	for _, f := range []struct {
		field, path string
		name        *string
		img         **image.NRGBA
	}{{"init_image", l.from.init, &l.draw.Init, &r.Init}, {"mask", l.from.mask, &l.draw.Mask, &r.Mask}} {
		if f.path == "" {
			continue
		}
		if !filepath.IsAbs(f.path) {
			f.path = filepath.Join(dir, f.path)
		}
		read, err := in.read(f.path)
		if err != nil {
			return fmt.Errorf("%s: %s %w", f.field, f.path, err)
		}
		*f.name, *f.img = read.name, read.img
	}
	for _, one := range l.loras {
		path := one.Name
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		name, err := c.loras.add(path)
		if err != nil {
			return fmt.Errorf("lora: %w", err)
		}
		l.draw.LoRAs = append(l.draw.LoRAs, job.LoRA{Name: name, Weight: one.Weight})
	}
	var err error
	if r.LoRAs, err = c.adapters[l.model].resolve(&l.draw); err != nil {
		return err
	}
	w, h := m.DefaultSize(r)
	r.Width, r.Height = cmp.Or(r.Width, w), cmp.Or(r.Height, h)
	l.draw.Width, l.draw.Height = r.Width, r.Height
	if err := m.Check(r); err != nil {
		return errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	text, err := json.Marshal(struct {
		Model, Ref, UNet string
		Drawing          job.Drawing
	}{l.model, m.Pipeline.Ref, otherUNet(m), l.draw})
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	l.digest = hex.EncodeToString(sum[:])
	return nil
}

func otherUNet(m *inference.Model) string {
	if m.Pipeline.OtherUNet == nil {
		return ""
	}
	return m.Pipeline.OtherUNet.Ref
}
