package recipe

import (
	"fmt"
	"strings"
)

// Table is the settings with their defaults in Markdown: what docs/training.md has.
func Table() string {
	kinds := []Teach{TeachLoRA, TeachUNet, TeachVAE, TeachText}
	defaults := map[Teach]map[string]string{}
	for _, t := range kinds {
		c := Default(t)
		defaults[t] = map[string]string{}
		for _, s := range c.Settings() {
			if s.Applies(t) {
				defaults[t][s.Key] = strings.Join(s.Values(), ", ")
			}
		}
	}
	var b strings.Builder
	b.WriteString("| setting | default | what it is |\n|---|---|---|\n")
	c := Default(TeachLoRA)
	for _, s := range c.Settings() {
		// The defaults, each with the kinds of runs that have it where they differ.
		var values []string
		of := map[string][]string{}
		for _, t := range kinds {
			v, is := defaults[t][s.Key]
			if !is {
				continue
			}
			if of[v] == nil {
				values = append(values, v)
			}
			of[v] = append(of[v], string(t))
		}
		var texts []string
		for _, v := range values {
			text := "`" + v + "`"
			if v == "" {
				text = "none"
			}
			if len(values) > 1 {
				text += " (" + strings.Join(of[v], ", ") + ")"
			}
			texts = append(texts, text)
		}
		name := "`" + s.Key + "`"
		if len(s.For) > 0 {
			var names []string
			for _, t := range s.For {
				names = append(names, string(t))
			}
			if len(names) < len(kinds) {
				name += " (" + strings.Join(names, ", ") + ")"
			}
		}
		doc := s.Doc
		if s.Free {
			doc += " †"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", name, strings.Join(texts, ", "), strings.NewReplacer("|", "\\|", "<", "&lt;", ">", "&gt;").Replace(doc))
	}
	return b.String()
}
