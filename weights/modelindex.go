package weights

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// Family is the shape of a pipeline: which text encoders condition the UNet.
type Family string

// The families that this program draws with.
const (
	SD   Family = "sd"   // one text encoder: SD 1.x and 2.x, CosmicMan-SD
	SDXL Family = "sdxl" // two text encoders and size conditioning: SDXL, CosmicMan-SDXL
)

// families are the pipeline classes that share these parts: image-to-image and
// inpainting pipelines are the same networks used in another way.
var families = map[string]Family{
	"StableDiffusionPipeline":          SD,
	"StableDiffusionImg2ImgPipeline":   SD,
	"StableDiffusionInpaintPipeline":   SD,
	"StableDiffusionXLPipeline":        SDXL,
	"StableDiffusionXLImg2ImgPipeline": SDXL,
	"StableDiffusionXLInpaintPipeline": SDXL,
}

// partClasses are the classes each part may have.
var partClasses = map[string][]string{
	"unet":           {"UNet2DConditionModel", "UNet2DConditionModel_New"},
	"vae":            {"AutoencoderKL"},
	"text_encoder":   {"CLIPTextModel", "CLIPTextModelWithProjection"},
	"text_encoder_2": {"CLIPTextModelWithProjection"},
	"tokenizer":      {"CLIPTokenizer", "CLIPTokenizerFast"},
	"tokenizer_2":    {"CLIPTokenizer", "CLIPTokenizerFast"},
}

// modelIndex is what model_index.json says.
type modelIndex struct {
	class      string
	parts      map[string]string // part to class; null parts are left out
	forceZeros bool
	aesthetics bool
}

// parseModelIndex reads model_index.json: "_class_name", a [library, class] a
// part ([null, null] where it is absent), and the pipeline's own settings.
func parseModelIndex(b []byte) (*modelIndex, error) {
	s, err := newScanner(b)
	if err != nil {
		return nil, err
	}
	s.python = true
	m := &modelIndex{parts: make(map[string]string), forceZeros: true} // diffusers' default
	err = s.object(func(key string) (err error) {
		switch {
		case key == "_class_name":
			m.class, err = s.str()
		case key == "force_zeros_for_empty_prompt":
			m.forceZeros, err = s.boolean()
		case key == "requires_aesthetics_score" && s.peek() != 'n':
			m.aesthetics, err = s.boolean()
		case s.peek() == '[' && !strings.HasPrefix(key, "_"):
			var class string
			if class, err = parsePart(s); class != "" {
				m.parts[key] = class
			}
		case partClasses[key] != nil:
			err = s.fail("[library, class] is expected, %s found", s.found())
		default:
			return s.skip()
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", show(key), err)
		}
		return err
	})
	if err == nil {
		err = s.end()
	}
	return m, err
}

// parsePart reads ["diffusers", "AutoencoderKL"] or [null, null], for which it
// returns "".
func parsePart(s *scanner) (class string, err error) {
	n := 0
	err = s.array(func(i int) (err error) {
		n++
		if s.peek() == 'n' {
			class = ""
			return s.word("null")
		}
		if s.peek() != '"' { // a setting that is a list
			return s.skip()
		}
		class, err = s.str()
		return err
	})
	if n != 2 {
		class = ""
	}
	return class, err
}

// family returns the pipeline's family and what is wrong with the list of parts.
// The UNet is not asked for where another takes its place.
func (m *modelIndex) family(otherUNet bool) (Family, []error) {
	f := families[m.class]
	if m.class == "" {
		return "", []error{fmt.Errorf("_class_name is missing")}
	}
	if f == "" {
		return "", []error{fmt.Errorf("pipeline class %s is not supported; these are: %s", show(m.class), strings.Join(classes(), ", "))}
	}
	var faults []error
	if m.aesthetics {
		faults = append(faults, fmt.Errorf("requires_aesthetics_score: refiner models are not supported"))
	}
	for _, part := range slices.Sorted(maps.Keys(partClasses)) {
		class := m.parts[part]
		second := strings.HasSuffix(part, "_2")
		switch {
		case part == "unet" && otherUNet:
		case second && f == SD:
			if class != "" {
				faults = append(faults, fmt.Errorf("%s: a %s has none", part, m.class))
			}
		case class == "" && !strings.HasPrefix(part, "tokenizer"):
			faults = append(faults, fmt.Errorf("%s is missing; a %s needs it", part, m.class))
		case part == "text_encoder" && class == "CLIPTextModelWithProjection":
			// Diffusers would take its projected embedding for the prompt's, or for SDXL's pooled one.
			faults = append(faults, fmt.Errorf("text_encoder: class %s is not supported in this place; it takes a CLIPTextModel", class))
		case class != "" && !slices.Contains(partClasses[part], class):
			faults = append(faults, fmt.Errorf("%s: class %s is not supported; these are: %s", part, show(class), strings.Join(partClasses[part], ", ")))
		}
	}
	return f, faults
}

func classes() []string {
	return slices.Sorted(maps.Keys(families))
}

// notAModel says what a folder without model_index.json is, as far as one can see.
func notAModel(dir string) error {
	list, err := listFolder(dir)
	if err != nil {
		return err
	}
	const want = "a diffusers pipeline is expected: model_index.json beside unet, vae, text_encoder, tokenizer, scheduler"
	if len(list) == 0 {
		return fmt.Errorf("%s: an empty folder; %s", dir, want)
	}
	if c, err := readConfig(filepath.Join(dir, "config.json")); err == nil {
		if class := c.className(); slices.Contains(partClasses["unet"], class) {
			return fmt.Errorf("%s: a UNet alone (%s), which goes in the place of a base pipeline's UNet (--unet); %s", dir, class, want)
		} else if class != "" {
			return fmt.Errorf("%s: a single network (%s); %s", dir, show(class), want)
		}
	}
	for _, f := range list {
		if isWeights(f) {
			return fmt.Errorf("%s: no model_index.json; the folder holds %s; single-file checkpoints are not read, %s", dir, some(list), want)
		}
	}
	return fmt.Errorf("%s: no model_index.json; the folder holds %s; %s", dir, some(list), want)
}
