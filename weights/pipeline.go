package weights

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Options say how a pipeline is opened. The zero value opens a folder as it is.
type Options struct {
	// UNet refers to the folder whose UNet takes the place of the pipeline's:
	// one with config.json and the weights at its root, as CosmicMan is
	// published, or a pipeline, whose unet folder is taken.
	UNet string
	// Variant, such as "fp16", is preferred where a part has it.
	Variant string
	// HubCache is the Hugging Face cache in which org/name is looked up; see
	// the function of this name. Empty: only folders are found.
	HubCache string
}

// Pipeline is an opened diffusers pipeline: every part is there and its files
// are whole. Whether the weights fit the configs is not checked; see Index.Check.
type Pipeline struct {
	Ref      string
	Dir      string
	Revision string // commit of the hub's snapshot, "" for a plain folder
	Class    string // of model_index.json
	Family   Family

	// ForceZerosForEmptyPrompt: SDXL's unconditional embeddings are zeros where
	// no negative prompt is given.
	ForceZerosForEmptyPrompt bool

	UNet         *Component
	VAE          *Component
	TextEncoder  *Component
	TextEncoder2 *Component // nil unless SDXL

	// Tokenizer and Tokenizer2 are folders, "" where the pipeline has none.
	Tokenizer  string
	Tokenizer2 string

	// Scheduler is scheduler_config.json.
	Scheduler Config

	// OtherUNet tells where the UNet came from when it is not the pipeline's.
	OtherUNet *Origin

	otherParts []string // in model_index.json and not used, such as safety_checker
}

// Origin is a reference and the folder it led to.
type Origin struct {
	Ref      string `json:"ref"`
	Dir      string `json:"dir"`
	Revision string `json:"revision,omitempty"`
}

// Components returns the networks in the order in which a prompt meets them.
func (p *Pipeline) Components() []*Component {
	all := []*Component{p.TextEncoder, p.TextEncoder2, p.UNet, p.VAE}
	return slices.DeleteFunc(all, func(c *Component) bool { return c == nil })
}

// Open opens the pipeline that ref names: a diffusers folder, or org/name or
// org/name@revision in the Hugging Face cache. The error has a line for each
// thing that is wrong.
func Open(ref string, opts Options) (*Pipeline, error) {
	p, faults := load(ref, opts)
	if err := joinSome(faults); err != nil {
		return nil, err
	}
	return p, nil
}

// load opens what it can and returns everything that is wrong. The pipeline is
// nil where ref leads to no pipeline at all.
func load(ref string, opts Options) (*Pipeline, []error) {
	at, err := resolve(ref, opts.HubCache)
	if err != nil {
		return nil, []error{err}
	}
	path := filepath.Join(at.dir, "model_index.json")
	if !exists(path) {
		return nil, []error{notAModel(at.dir)}
	}
	b, err := readSmall(path, maxConfig)
	if err != nil {
		return nil, []error{err}
	}
	m, err := parseModelIndex(b)
	if err != nil {
		return nil, []error{fmt.Errorf("%s: %w", path, err)}
	}
	p := &Pipeline{Ref: ref, Dir: at.dir, Revision: at.revision, Class: m.class, ForceZerosForEmptyPrompt: m.forceZeros}
	var faults []error
	add := func(err error) {
		if err != nil {
			faults = append(faults, err)
		}
	}
	family, wrong := m.family(opts.UNet != "")
	p.Family = family
	for _, err := range wrong {
		add(fmt.Errorf("%s: %w", path, err))
	}
	if family == "" {
		return p, faults
	}
	for _, c := range []struct {
		part string
		kind Kind
		to   **Component
	}{
		{"text_encoder", TextEncoder, &p.TextEncoder},
		{"text_encoder_2", TextEncoder, &p.TextEncoder2},
		{"unet", UNet, &p.UNet},
		{"vae", VAE, &p.VAE},
	} {
		if c.part == "unet" && opts.UNet != "" {
			p.OtherUNet, p.UNet, err = openUNet(opts)
			add(err)
			continue
		}
		if !slices.Contains(partClasses[c.part], m.parts[c.part]) || family == SD && c.part == "text_encoder_2" {
			continue // absent, or named above
		}
		*c.to, err = openPart(c.part, c.kind, filepath.Join(at.dir, c.part), opts.Variant)
		add(err)
	}
	add(p.missingVariant(opts.Variant))
	p.Scheduler, err = readConfig(filepath.Join(at.dir, "scheduler", "scheduler_config.json"))
	if err != nil {
		add(fmt.Errorf("scheduler: %w", err))
	}
	p.Tokenizer = existing(at.dir, "tokenizer")
	if family == SDXL {
		p.Tokenizer2 = existing(at.dir, "tokenizer_2")
	}
	for part := range m.parts {
		if partClasses[part] == nil && part != "scheduler" {
			p.otherParts = append(p.otherParts, part)
		}
	}
	slices.Sort(p.otherParts)
	return p, faults
}

func existing(dir, part string) string {
	if path := filepath.Join(dir, part); isDir(path) {
		return path
	}
	return ""
}

// openPart opens a network and checks that its config is of the part's class.
func openPart(part string, kind Kind, dir, variant string) (*Component, error) {
	if !isDir(dir) {
		return nil, fmt.Errorf("%s: no folder %s", part, dir)
	}
	c, err := OpenComponent(part, kind, dir, variant)
	if err != nil {
		return nil, err
	}
	class := c.Config.className()
	if class != "" && !slices.Contains(partClasses[part], class) {
		return nil, fmt.Errorf("%s: %s: class %s is not supported; these are: %s", part, c.Config.Path, show(class), strings.Join(partClasses[part], ", "))
	}
	return c, nil
}

// openUNet opens the UNet that opts names: at the folder's root, or in the
// folder unet of a pipeline.
func openUNet(opts Options) (*Origin, *Component, error) {
	at, err := resolve(opts.UNet, opts.HubCache)
	if err != nil {
		return nil, nil, fmt.Errorf("unet: %w", err)
	}
	origin := &Origin{opts.UNet, at.dir, at.revision}
	dir := at.dir
	if !exists(filepath.Join(dir, "config.json")) {
		dir = filepath.Join(dir, "unet")
		if !exists(filepath.Join(dir, "config.json")) {
			list, err := listFolder(at.dir)
			if err != nil {
				return origin, nil, fmt.Errorf("unet: %w", err)
			}
			found := "the folder is empty"
			if len(list) > 0 {
				found = "the folder holds " + some(list)
			}
			return origin, nil, fmt.Errorf("unet: %s: neither config.json nor unet/config.json; %s", at.dir, found)
		}
	}
	c, err := openPart("unet", UNet, dir, opts.Variant)
	return origin, c, err
}

// missingVariant refuses a variant that no part has.
func (p *Pipeline) missingVariant(variant string) error {
	all := p.Components()
	if variant == "" || len(all) == 0 {
		return nil
	}
	for _, c := range all {
		if c.Variant == variant {
			return nil
		}
	}
	return errors.New(p.Dir + ": no part has the variant " + show(variant))
}
