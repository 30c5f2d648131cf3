package recipe

import (
	"fmt"
	"strings"
)

// sections say what a section of the file is about.
var sections = map[string]string{
	"images":     "how pictures are brought to size",
	"captions":   "how captions are made, anew at every visit",
	"maps":       "parsing maps of image folders; data sets have their own",
	"dropout":    "no text now and then",
	"loss":       "how what the UNet predicts is judged",
	"hola":       "the loss that draws attention to the parts of a person; needs parsing maps",
	"vae":        "how the autoencoder is judged",
	"text":       "how the text encoders learn",
	"lora":       "the low-rank changes",
	"optimizer":  "AdamW",
	"schedule":   "of the learning rate",
	"checkpoint": "what a run goes on from after it was stopped",
	"samples":    "images on the way",
	"write":      "what is left behind",
	"cache":      "what frozen networks say of the data",
}

// File is the file of these settings, commented: what means something for what is
// taught, each with its value.
func (c *Config) File() string {
	var b strings.Builder
	b.WriteString("# Settings of cosmicman train. Each is a flag, too: lora.rank is --lora-rank.\n")
	section := ""
	for _, s := range c.Settings() {
		if !s.Applies(c.Teach) {
			continue
		}
		indent, name := "", s.Key
		if of := s.Section(); of != "" {
			indent, name = "  ", strings.TrimPrefix(s.Key, of+".")
			if of != section {
				fmt.Fprintf(&b, "\n# %s\n%s:\n", sections[of], of)
			}
			section = of
		} else {
			if section != "" {
				b.WriteString("\n")
			}
			section = ""
		}
		for _, line := range wrap(s.Doc, 96-len(indent)) {
			fmt.Fprintf(&b, "%s# %s\n", indent, line)
		}
		s.write(&b, indent, name)
	}
	return b.String()
}

// write writes a line of YAML, or one a value.
func (s *Setting) write(b *strings.Builder, indent, name string) {
	values := s.Values()
	switch {
	case !s.Many:
		fmt.Fprintf(b, "%s%s: %s\n", indent, name, s.yaml(values[0]))
	case len(values) == 0:
		fmt.Fprintf(b, "%s%s: []\n", indent, name)
	default:
		fmt.Fprintf(b, "%s%s:\n", indent, name)
		for _, v := range values {
			fmt.Fprintf(b, "%s  - %s\n", indent, s.yaml(v))
		}
	}
}

// yaml is a value as the file has it. JSON is YAML.
func (s *Setting) yaml(value string) string {
	switch {
	case s.Type == AsObject && strings.HasPrefix(value, "{"):
		return value
	case s.Type == AsText && !s.AnyText() && strings.Trim(value, "0123456789") == "":
		return value
	case s.Type == AsText || s.Type == AsObject:
		return quoted(value)
	}
	return value
}

// AnyText reports whether it takes any text, rather than certain ones such as sizes.
func (s *Setting) AnyText() bool { return s.Takes == anyText || s.Takes == anyTexts }

// quoted is a text in YAML: plain where it is a word, otherwise in double quotes, as JSON.
func quoted(text string) string {
	plain := text != "" && text[0] >= 'a' && text[0] <= 'z'
	for _, r := range text {
		plain = plain && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./", r))
	}
	// Words that YAML takes for something else.
	switch strings.ToLower(text) {
	case "true", "false", "yes", "no", "on", "off", "y", "n", "null":
		plain = false
	}
	if plain {
		return text
	}
	return jsonText(text)
}

// wrap breaks a text into lines of at most so many bytes.
func wrap(text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// Split parts the settings that apply into those that a run must go on with, and those
// that may change, each by its key. Lists are lines.
func (c *Config) Split() (fixed, free map[string]string) {
	fixed, free = map[string]string{}, map[string]string{}
	for _, s := range c.Settings() {
		switch {
		case !s.Applies(c.Teach):
		case s.Free:
			free[s.Key] = strings.Join(s.Values(), "\n")
		default:
			fixed[s.Key] = strings.Join(s.Values(), "\n")
		}
	}
	return fixed, free
}
