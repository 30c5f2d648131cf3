package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"cosmicman/artifact"
	"cosmicman/diffusion"
	"cosmicman/inference"
	"cosmicman/job"
	"cosmicman/picture"
)

// drawing is what generate was asked for.
type drawing struct {
	request    inference.Request
	count      int
	output     string
	latents    string
	json       bool
	file       imageFile
	noMetadata bool
	loras      []job.LoRA // Name: the file
}

func generate(ctx context.Context, e *environment, args []string) error {
	var m modelFlags
	var d drawing
	var from edit
	fs := flag.NewFlagSet("generate", flag.ContinueOnError)
	m.register(fs)
	fs.StringVar(&d.request.Prompt, "prompt", "", "what to draw")
	negative := fs.String("negative-prompt", "", "what not to draw; absent and empty differ for SDXL")
	file := fs.String("jobs", "", "draw a file of requests, one JSON object a line, into the folder --output; what is there already stays")
	fs.StringVar(&d.output, "output", "out.png", "image to write, .png, .jpg or .webp; with --count N: out-0.png, out-1.png, ...; with --jobs a folder")
	fs.IntVar(&d.file.quality, "quality", 100, "of a .jpg or .webp, 0 to 100")
	fs.StringVar(&d.request.Sampler, "sampler", "ddim", strings.Join(diffusion.Names(), ", "))
	fs.IntVar(&d.request.Steps, "steps", 30, "denoising steps, 1 to 1000")
	fs.Float64Var(&d.request.GuidanceScale, "guidance-scale", 7.5, "how closely to follow the prompt; up to 1: no guidance")
	seed := fs.String("seed", "", "seed of the first image; image i uses seed + i (default: random)")
	fs.IntVar(&d.request.Width, "width", 0, "pixels (default: the model's; with --init-image and no --mask the image's)")
	fs.IntVar(&d.request.Height, "height", 0, "pixels, as --width")
	fs.StringVar(&from.init, "init-image", "", "png, jpeg or webp to begin from: the image is drawn anew, or where --mask says so")
	fs.StringVar(&from.mask, "mask", "", "image of the size of --init-image: white is repainted, black stays")
	strength := fs.Float64("strength", 0, "how much becomes new, above 0 to 1: the share of the steps that is taken (default 0.8, with --mask 1)")
	fs.IntVar(&d.count, "count", 1, "images to draw")
	fs.Float64Var(&d.request.Eta, "eta", 0, "noise added at every step, ddim only")
	fs.StringVar(&d.latents, "latents", "", "also write the final latents as .npy [N, channels, h, w]")
	fs.BoolVar(&d.json, "json", false, "print one JSON object on stdout and nothing else")
	fs.BoolVar(&d.noMetadata, "no-metadata", false, "leave the parameters out of the images")
	fs.StringVar(&d.request.LongPrompt, "long-prompt", "chunk", "chunk: text beyond the text encoder's 75 tokens goes on in more windows, up to 10; truncate: it is cut off, as diffusers does")
	fs.StringVar(&d.request.PromptSyntax, "prompt-syntax", "plain", "weighted: (red dress:1.3) is stronger, (word) 1.1 times, [word] weaker; plain: brackets are text")
	fs.Func("lora", "FILE[:WEIGHT]: a LoRA to draw with, of sd-scripts or diffusers, WEIGHT from -10 to 10 (default 1); repeatable", d.addLoRA)
	noMark := fs.Bool("no-mark", false, "leave out the mark that the images are synthetic (IPTC's digital source type)")
	if err := parse(e, fs, args); err != nil {
		return helped(err)
	}
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if given["jobs"] {
		for _, name := range requestFlags {
			if given[name] {
				return usagef("generate: --%s stands in the lines of --jobs", name)
			}
		}
		if !given["output"] {
			return usagef("generate: --output is required with --jobs: the folder of the images")
		}
		return generateJobs(ctx, e, &m, *file, d.output)
	}
	if err := m.check("generate"); err != nil {
		return err
	}
	if !given["prompt"] {
		return usagef("generate: --prompt is required")
	}
	if given["negative-prompt"] {
		d.request.NegativePrompt = negative
	}
	d.file.meta.Synthetic = !*noMark
	if err := d.flags(*seed, given); err != nil {
		return err
	}
	if err := from.read(ctx, &d.request, given, *strength); err != nil {
		return err
	}
	if err := d.request.Check(); err != nil {
		return wrongFlags("generate", err)
	}
	for _, path := range d.paths() {
		if err := artifact.CheckWritable(path); err != nil {
			return err
		}
	}
	return d.draw(ctx, e, &m)
}

// requestFlags are those that a file of requests has instead.
var requestFlags = []string{
	"prompt", "negative-prompt", "sampler", "steps", "guidance-scale", "seed", "width", "height", "count", "eta", "latents", "json", "no-metadata",
	"lora", "no-mark", "quality", "init-image", "mask", "strength", "long-prompt", "prompt-syntax",
}

// flags checks what needs no model.
func (d *drawing) flags(seed string, given map[string]bool) error {
	if seed == "" {
		d.request.Seed = uint64(rand.Uint32())
	} else {
		n, err := strconv.ParseUint(seed, 10, 64)
		if err != nil {
			return usagef("generate: --seed is %q, expected a whole number from 0 to 2^64-1", seed)
		}
		d.request.Seed = n
	}
	if p := d.request.LongPrompt; p != "chunk" && p != "truncate" {
		return usagef("generate: --long-prompt is %.40q, expected chunk or truncate", p)
	}
	if p := d.request.PromptSyntax; p != "plain" && p != "weighted" {
		return usagef("generate: --prompt-syntax is %.40q, expected plain or weighted", p)
	}
	if d.count < 1 || d.count > 10000 {
		return usagef("generate: --count is %d, expected 1 to 10000", d.count)
	}
	if d.request.Seed > math.MaxUint64-uint64(d.count-1) {
		return usagef("generate: --seed is %d, which leaves the last of %d images none: expected at most 2^64-%d", d.request.Seed, d.count, d.count)
	}
	if !slices.Contains(diffusion.Names(), d.request.Sampler) {
		return usagef("generate: no sampler %q, expected one of %s", d.request.Sampler, strings.Join(diffusion.Names(), ", "))
	}
	var err error
	if d.file.format, err = picture.FormatOf(d.output); err != nil {
		return usagef("generate: --output %v", err)
	}
	if why := d.file.wrongQuality(); why != "" {
		return usagef("generate: --quality %s", why)
	}
	if d.latents != "" && slices.ContainsFunc(d.paths()[:d.count], func(p string) bool { return filepath.Clean(p) == filepath.Clean(d.latents) }) {
		return usagef("generate: --latents is %s, where an image goes too", d.latents)
	}
	for _, side := range []struct {
		name string
		n    int
	}{{"width", d.request.Width}, {"height", d.request.Height}} {
		if given[side.name] && side.n < 1 {
			return usagef("generate: --%s is %d, expected a positive number of pixels", side.name, side.n)
		}
	}
	return nil
}

// addLoRA takes a value of --lora.
func (d *drawing) addLoRA(s string) error {
	l := job.LoRA{Name: s, Weight: 1}
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		if w, err := strconv.ParseFloat(s[i+1:], 64); err == nil {
			l = job.LoRA{Name: s[:i], Weight: w}
		}
	}
	switch {
	case l.Name == "":
		return errors.New("expected FILE[:WEIGHT]")
	case !(math.Abs(l.Weight) <= job.MaxLoRAWeight):
		return fmt.Errorf("the weight is %v, expected a number from -%d to %d", l.Weight, job.MaxLoRAWeight, job.MaxLoRAWeight)
	}
	d.loras = append(d.loras, l)
	return nil
}

// openLoRAs reads the files of --lora.
func (d *drawing) openLoRAs(m *inference.Model) error {
	var errs []error
	for _, l := range d.loras {
		a, err := m.Adapter(l.Name)
		if err != nil {
			errs = append(errs, fmt.Errorf("--lora %w", err))
			continue
		}
		d.request.LoRAs = append(d.request.LoRAs, inference.LoRA{Name: loraName(l.Name), Adapter: a, Weight: l.Weight})
	}
	return errors.Join(errs...)
}

// imagePath is where image i goes.
func (d *drawing) imagePath(i int) string {
	if d.count == 1 {
		return d.output
	}
	ext := filepath.Ext(d.output)
	return fmt.Sprintf("%s-%d%s", strings.TrimSuffix(d.output, ext), i, ext)
}

func (d *drawing) paths() []string {
	var out []string
	for i := range d.count {
		out = append(out, d.imagePath(i))
	}
	if d.latents != "" {
		out = append(out, d.latents)
	}
	return out
}

// result is what --json prints.
type result struct {
	Model         string        `json:"model"`
	UNet          string        `json:"unet,omitempty"`
	Family        string        `json:"family"`
	Sampler       string        `json:"sampler"`
	Steps         int           `json:"steps"`
	Strength      float64       `json:"strength,omitempty"` // of an image to begin from
	GuidanceScale float64       `json:"guidance_scale"`
	Width         int           `json:"width"`
	Height        int           `json:"height"`
	Runtime       string        `json:"runtime"`
	Tokens        int           `json:"tokens"`  // of the prompt that are drawn
	Windows       int           `json:"windows"` // of the text encoder that they fill
	LoRAs         []job.LoRA    `json:"loras,omitempty"`
	Cut           string        `json:"cut,omitempty"`
	NegativeCut   string        `json:"negative_cut,omitempty"`
	Images        []resultImage `json:"images"`
	Latents       string        `json:"latents,omitempty"`
	LoadSeconds   float64       `json:"load_seconds"`
	TotalSeconds  float64       `json:"total_seconds"`
}

type resultImage struct {
	Path          string  `json:"path"`
	Seed          uint64  `json:"seed"`
	StepSeconds   float64 `json:"step_seconds"` // one network call
	DecodeSeconds float64 `json:"decode_seconds"`
}

func (d *drawing) draw(ctx context.Context, e *environment, m *modelFlags) (err error) {
	start := time.Now()
	mod, err := m.open(e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, mod.Close()) }()
	r := &d.request
	if err := d.size(mod.Model); err != nil {
		return err
	}
	if err := d.openLoRAs(mod.Model); err != nil {
		return err
	}
	if err := mod.Check(r); err != nil {
		return wrongFlags("generate", err)
	}
	if err := mod.Warm(); err != nil {
		return err
	}
	out := result{
		Model: m.model, UNet: m.unet, Family: string(mod.Pipeline.Family), Sampler: r.Sampler, Steps: r.Steps, Strength: r.Strength,
		GuidanceScale: r.GuidanceScale, Width: r.Width, Height: r.Height, Runtime: "onnxruntime " + mod.runtime.Version() + " cpu fp32",
		LoadSeconds: time.Since(start).Seconds(), Latents: d.latents,
	}
	for _, l := range r.LoRAs {
		out.LoRAs = append(out.LoRAs, job.LoRA{Name: l.Name, Digest: l.Digest(), Weight: l.Weight})
	}
	seqs, err := mod.Sequences(ctx, r, d.count)
	if err != nil {
		return err
	}
	first := seqs[0]
	out.Tokens, out.Windows, out.Cut, out.NegativeCut = first.Tokens(), first.Windows(), first.Cut(), first.NegativeCut()
	warnCut(e, "", out.Cut, out.NegativeCut)
	var written []string
	defer func() {
		if err != nil {
			for _, path := range written {
				err = errors.Join(err, os.Remove(path))
			}
		}
	}()
	var latents []float32
	for i, s := range seqs {
		img, file, err := d.one(ctx, e, mod.Model, s, i)
		if err != nil {
			return err
		}
		latents = append(latents, s.Latents()...)
		img.Path = d.imagePath(i)
		if err := artifact.WriteFile(img.Path, file); err != nil {
			return err
		}
		written = append(written, img.Path)
		out.Images = append(out.Images, img)
		if !d.json {
			fmt.Fprintf(e.stdout, "%s  seed %d  %dx%d  %d steps of %.2f s, decoded in %.2f s\n",
				img.Path, img.Seed, r.Width, r.Height, r.StepsTaken(), img.StepSeconds, img.DecodeSeconds)
		}
	}
	if d.latents != "" {
		f := mod.VAE.Factor()
		npy := artifact.NPY(latents, d.count, int(mod.UNet.InChannels), r.Height/f, r.Width/f)
		if err := artifact.WriteFile(d.latents, npy); err != nil {
			return err
		}
	}
	out.TotalSeconds = time.Since(start).Seconds()
	if d.json {
		return json.NewEncoder(e.stdout).Encode(out)
	}
	return nil
}

// warnCut tells what of the texts did not fit.
func warnCut(e *environment, of, cut, negative string) {
	if cut != "" {
		fmt.Fprintf(e.stderr, "warning: %sthe prompt is too long: its end was not drawn: %q\n", of, cut)
	}
	if negative != "" {
		fmt.Fprintf(e.stderr, "warning: %sthe negative prompt is too long: its end has no effect: %q\n", of, negative)
	}
}

// size fills in a size that is not given.
func (d *drawing) size(m *inference.Model) error {
	w, h := m.DefaultSize(&d.request)
	if d.request.Width == 0 {
		d.request.Width = w
	}
	if d.request.Height == 0 {
		d.request.Height = h
	}
	if (d.request.Width == 0 || d.request.Height == 0) && (d.request.Init == nil || d.request.Mask != nil) {
		return usagef("generate: the model's config has no sample_size: --width and --height are required")
	}
	return nil
}

// one draws an image to its file.
func (d *drawing) one(ctx context.Context, e *environment, m *inference.Model, s *inference.Sequence, i int) (resultImage, []byte, error) {
	img := resultImage{Seed: s.Seed()}
	p := progress{e: e, label: d.imagePath(i), quiet: d.json}
	defer p.end()
	begin := time.Now()
	for !s.Done() {
		done, all := s.Calls()
		p.show(done, all, time.Since(begin))
		if err := m.Step(ctx, s); err != nil {
			return img, nil, err
		}
	}
	_, all := s.Calls()
	img.StepSeconds = time.Since(begin).Seconds() / float64(all)
	p.show(all, all, time.Since(begin))
	begin = time.Now()
	pixels, err := m.Decode(ctx, s)
	if err != nil {
		return img, nil, err
	}
	img.DecodeSeconds = time.Since(begin).Seconds()
	text := ""
	if !d.noMetadata {
		text = parameters(m, &d.request, s.Seed())
	}
	file, err := d.file.encode(pixels, text)
	return img, file, err
}

// parameters is the text that A1111's web UI writes into its images.
func parameters(m *inference.Model, r *inference.Request, seed uint64) string {
	var b strings.Builder
	b.WriteString(r.Prompt)
	if r.NegativePrompt != nil && *r.NegativePrompt != "" {
		b.WriteString("\nNegative prompt: " + *r.NegativePrompt)
	}
	name := filepath.Base(m.Pipeline.Ref)
	if m.Pipeline.OtherUNet != nil {
		name = filepath.Base(m.Pipeline.OtherUNet.Ref)
	}
	fmt.Fprintf(&b, "\nSteps: %d, Sampler: %s, CFG scale: %v, Seed: %d, Size: %dx%d, Model: %s", r.Steps, r.Sampler, r.GuidanceScale, seed, r.Width, r.Height, name)
	if r.Strength != 0 {
		fmt.Fprintf(&b, ", Denoising strength: %v", r.Strength)
	}
	if r.Eta != 0 {
		fmt.Fprintf(&b, ", Eta: %v", r.Eta)
	}
	b.WriteString(lorasText(r.LoRAs))
	b.WriteString(", Version: cosmicman")
	return b.String()
}

// wrongFlags turns a request's faults into wrong usage: the fields are flags here.
func wrongFlags(command string, err error) error {
	var wrong *inference.Error
	if !errors.As(err, &wrong) {
		return err
	}
	return usagef("%s: %s", command, strings.ReplaceAll(err.Error(), "\n", "; "))
}
