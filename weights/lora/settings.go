package lora

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
)

// settingsKey is where diffusers keeps peft's LoraConfig, as JSON.
const settingsKey = "lora_adapter_metadata"

// maxPatterns bounds alpha_pattern: each is tried on each module.
const maxPatterns = 4096

// settings are peft's LoraConfigs of the components; "" is that of a file of the
// UNet alone. A nil *settings has none.
type settings struct {
	of map[string]*config
}

type config struct {
	Alpha    *float64           `json:"lora_alpha"`
	Patterns map[string]float64 `json:"alpha_pattern"`
	RSLoRA   bool               `json:"use_rslora"`
	DoRA     bool               `json:"use_dora"`
	Bias     bool               `json:"lora_bias"`

	patterns []pattern
}

type pattern struct {
	*regexp.Regexp
	alpha float64
}

// readSettings reads {"unet.lora_alpha": 8, "unet.alpha_pattern": {...}, ...}.
func readSettings(text string) (*settings, error) {
	if text == "" {
		return nil, nil
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return nil, fmt.Errorf("expected a JSON object: %w", err)
	}
	s := &settings{of: map[string]*config{}}
	for _, component := range []string{"", UNet, TextEncoder, TextEncoder2} {
		mine := map[string]json.RawMessage{}
		prefix := component
		if component != "" {
			prefix += "."
		}
		for _, key := range []string{"lora_alpha", "alpha_pattern", "use_rslora", "use_dora", "lora_bias"} {
			if raw, there := all[prefix+key]; there {
				mine[key] = raw
			}
		}
		if len(mine) == 0 {
			continue
		}
		text, err := json.Marshal(mine)
		if err != nil {
			return nil, err
		}
		c := &config{}
		if err := json.Unmarshal(text, c); err != nil {
			return nil, fmt.Errorf("%s: %w", prefix, err)
		}
		if err := c.prepare(); err != nil {
			return nil, fmt.Errorf("%s: %w", prefix, err)
		}
		s.of[component] = c
	}
	return s, nil
}

func (c *config) prepare() error {
	switch {
	case c.DoRA:
		return fmt.Errorf("use_dora: DoRA is not supported")
	case c.Bias:
		return fmt.Errorf("lora_bias: biases of LoRA layers are not supported")
	case len(c.Patterns) > maxPatterns:
		return fmt.Errorf("alpha_pattern: %d entries, at most %d are expected", len(c.Patterns), maxPatterns)
	}
	// peft takes the first that fits; diffusers writes them sorted.
	for _, key := range slices.Sorted(maps.Keys(c.Patterns)) {
		re, err := regexp.Compile(`^(?:.*\.)?(?:` + key + `)$`)
		if err != nil {
			return fmt.Errorf("alpha_pattern %s: not a regular expression", show(key))
		}
		c.patterns = append(c.patterns, pattern{re, c.Patterns[key]})
	}
	return nil
}

// scale returns what the settings say of a module of a rank, otherwise 1.
func (s *settings) scale(m Module, rank int64) (float64, error) {
	if s == nil {
		return 1, nil
	}
	c := s.of[m.Component]
	if c == nil && m.Component == UNet {
		c = s.of[""]
	}
	if c == nil {
		return 1, nil
	}
	alpha, said := float64(rank), c.Alpha != nil
	if said {
		alpha = *c.Alpha
	}
	if i := slices.IndexFunc(c.patterns, func(p pattern) bool { return p.MatchString(m.Path) }); i >= 0 {
		alpha, said = c.patterns[i].alpha, true
	}
	if err := checkAlpha(alpha); err != nil {
		return 0, fmt.Errorf("metadata %s: module %s: %w", settingsKey, m, err)
	}
	if said && c.RSLoRA {
		return alpha / math.Sqrt(float64(rank)), nil
	}
	return alpha / float64(rank), nil
}
