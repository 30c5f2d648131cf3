package weights

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Report is what a model reference holds, whole or not.
type Report struct {
	Ref      string `json:"ref"`
	Dir      string `json:"dir"`
	Revision string `json:"revision,omitempty"` // commit of the hub's snapshot, "" for a plain folder
	Class    string `json:"class"`              // of the pipeline, or of the network where there is one alone
	Family   Family `json:"family,omitempty"`   // "" where it is no pipeline
	// OtherUNet tells where the UNet came from when it is not the pipeline's.
	OtherUNet *Origin      `json:"other_unet,omitempty"`
	Parts     []PartReport `json:"parts"`
	Params    int64        `json:"parameters"` // in all networks
	Bytes     int64        `json:"bytes"`      // of the weight files in use
	// Faults are what keeps it from being used, Notes what is merely odd.
	Faults []string `json:"faults"`
	Notes  []string `json:"notes"`
}

// PartReport is one network, or a tokenizer's or scheduler's folder (which has
// no files listed and no parameters).
type PartReport struct {
	Name    string           `json:"name"`
	Dir     string           `json:"dir"`
	Class   string           `json:"class"` // as its config says
	Variant string           `json:"variant,omitempty"`
	Files   []FileReport     `json:"files,omitempty"`
	Tensors int              `json:"tensors"`
	Params  int64            `json:"parameters"`
	DTypes  map[string]int64 `json:"dtypes,omitempty"` // element type to number of parameters
}

// FileReport is one weight file.
type FileReport struct {
	Path  string `json:"path"` // symbolic links resolved
	Bytes int64  `json:"bytes"`
}

// Inspect reports what ref holds: a pipeline, or a network's folder alone. It
// fails only where ref leads to neither; what is missing or broken in a
// pipeline is in the report.
func Inspect(ref string, opts Options) (*Report, error) {
	at, err := resolve(ref, opts.HubCache)
	if err != nil {
		return nil, err
	}
	r := &Report{Ref: ref, Dir: at.dir, Revision: at.revision}
	if !exists(filepath.Join(at.dir, "model_index.json")) && exists(filepath.Join(at.dir, "config.json")) {
		return r, r.alone(opts)
	}
	p, faults := load(ref, opts)
	if p == nil {
		return nil, joinSome(faults)
	}
	for _, err := range faults {
		r.Faults = append(r.Faults, err.Error())
	}
	r.Class, r.Family, r.OtherUNet = p.Class, p.Family, p.OtherUNet
	for _, c := range p.Components() {
		r.addComponent(c)
	}
	for _, t := range []struct{ name, dir string }{{"tokenizer", p.Tokenizer}, {"tokenizer_2", p.Tokenizer2}} {
		if t.dir != "" {
			r.addFolder(t.name, t.dir, "")
		} else if p.Family == SDXL || p.Family == SD && t.name == "tokenizer" {
			r.note("%s: no such folder; CLIP's own vocabulary takes its place", t.name)
		}
	}
	if p.Scheduler.Path != "" {
		r.addFolder("scheduler", filepath.Dir(p.Scheduler.Path), p.Scheduler.className())
	}
	if len(p.otherParts) > 0 {
		r.note("not used: %s", strings.Join(p.otherParts, ", "))
	}
	if list, err := listFolder(p.Dir); err == nil {
		if list = slices.DeleteFunc(list, func(f string) bool { return !isWeights(f) }); len(list) > 0 {
			r.note("not used: %s", some(list))
		}
	}
	r.compareVariants(p)
	return r, nil
}

// alone reports a network's folder that is no pipeline.
func (r *Report) alone(opts Options) error {
	config, err := readConfig(filepath.Join(r.Dir, "config.json"))
	if err != nil {
		return err
	}
	r.Class = config.className()
	part, kind := "text_encoder", TextEncoder
	if slices.Contains(partClasses["unet"], r.Class) {
		part, kind = "unet", UNet
	} else if slices.Contains(partClasses["vae"], r.Class) {
		part, kind = "vae", VAE
	} else if r.Class != "" {
		return notAModel(r.Dir)
	}
	c, err := OpenComponent(part, kind, r.Dir, opts.Variant)
	if err != nil {
		r.Faults = append(r.Faults, err.Error())
		return nil
	}
	r.addComponent(c)
	if kind == UNet {
		r.note("a UNet alone: it goes in the place of a base pipeline's UNet (--unet)")
	} else {
		r.note("a %s alone", kind)
	}
	return nil
}

func (r *Report) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

func (r *Report) addFolder(name, dir, class string) {
	r.Parts = append(r.Parts, PartReport{Name: name, Dir: dir, Class: class})
}

func (r *Report) addComponent(c *Component) {
	part := PartReport{
		Name: c.Name, Dir: c.Dir, Class: cmp.Or(c.Config.className(), c.Config.architecture()), Variant: c.Variant,
		Tensors: c.Index.Len(), DTypes: make(map[string]int64),
	}
	for _, path := range c.Index.Files() {
		f := FileReport{Path: path}
		if info, err := os.Stat(path); err == nil {
			f.Bytes = info.Size()
		}
		part.Files = append(part.Files, f)
		r.Bytes += f.Bytes
	}
	renamed, empty := 0, 0
	for _, e := range c.Index.entries {
		n := e.Length / int64(e.DType.Size())
		part.Params += n
		part.DTypes[e.DType.String()] += n
		if e.Key != e.Name {
			renamed++
		}
		if n == 0 {
			empty++
		}
	}
	r.Params += part.Params
	r.Parts = append(r.Parts, part)
	if len(part.DTypes) > 1 {
		r.note("%s: mixed element types", c.Name)
	}
	if renamed > 0 && c.Kind == VAE {
		r.note("%s: %d tensors under old names", c.Name, renamed)
	}
	if empty > 0 {
		r.note("%s: %d tensors without elements", c.Name, empty)
	}
	var ignored []string
	for _, e := range c.Index.ignored {
		if !strings.HasSuffix(e.Name, "position_ids") { // an old file's, and usual
			ignored = append(ignored, e.Key)
		}
	}
	slices.Sort(ignored)
	if len(ignored) > 0 {
		r.note("%s: tensors not used: %s", c.Name, some(ignored))
	}
	if len(c.Unused) > 0 {
		r.note("%s: files not used: %s", c.Name, some(c.Unused))
	}
}

// compareVariants notes parts whose plain files are missing.
func (r *Report) compareVariants(p *Pipeline) {
	var only []string
	for _, c := range p.Components() {
		plain := slices.ContainsFunc(sets(c.Unused), func(s fileSet) bool { return s.variant == "" })
		if c.Variant != "" && !plain {
			only = append(only, c.Name+" ("+c.Variant+")")
		}
	}
	if len(only) > 0 {
		r.note("only a variant of the weights is there: %s", strings.Join(only, ", "))
	}
}
