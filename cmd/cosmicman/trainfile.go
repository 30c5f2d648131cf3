package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"cosmicman/train/recipe"
)

// parseTrainFile sets what the text of a run's file of settings says. The error is what is
// wrong in it, all at once.
func parseTrainFile(path, text string, c *recipe.Config) error {
	file := &configFile{path: path}
	body := file.body(text)
	if body != nil {
		r := trainFile{configFile: file, settings: map[string]*recipe.Setting{}, sections: map[string]bool{}}
		for _, s := range c.Settings() {
			r.settings[s.Key] = s
			if of := s.Section(); of != "" {
				r.sections[of] = true
			}
		}
		r.mapping("", body)
	}
	var errs []error
	for _, line := range file.lines() {
		errs = append(errs, usagef("train: %s", line))
	}
	return errors.Join(errs...)
}

// trainFile reads a file of a run's settings: keys, and sections of keys.
type trainFile struct {
	*configFile
	settings map[string]*recipe.Setting
	sections map[string]bool
}

// mapping reads a section, "" for the whole file.
func (f *trainFile) mapping(section string, body ast.Node) {
	mapping, is := body.(*ast.MappingNode)
	if !is {
		where := section
		if where == "" {
			where = "the file"
		}
		f.fault(lineOf(body), "%s is %s, expected keys with values", where, kindName(body))
		return
	}
	seen := map[string]int{}
	for _, m := range mapping.Values {
		name, line := keyOf(m), lineOf(m.Key)
		key := name
		if section != "" {
			key = section + "." + name
		}
		if first, twice := seen[name]; twice {
			f.fault(line, "%s is given twice, first in line %d", key, first)
			continue
		}
		seen[name] = line
		s := f.settings[key]
		switch {
		case s != nil:
			if values, ok := f.values(s, m.Value); ok {
				if err := s.Set(values...); err != nil {
					f.fault(line, "%v", err)
				}
			}
		case section == "" && f.sections[name]:
			f.mapping(name, m.Value)
		default:
			meant := ""
			if near := f.near(section, key); near != "" {
				meant = "; did you mean " + near + "?"
			}
			f.fault(line, "there is no setting %.100q%s", key, meant)
		}
	}
}

// near is the setting that was probably meant: one of the same section, or one of that
// name elsewhere.
func (f *trainFile) near(section, key string) string {
	if meant := recipe.Elsewhere(key); meant != "" {
		return meant
	}
	for _, k := range slices.Sorted(maps.Keys(f.settings)) {
		if _, name, below := strings.Cut(k, "."); below && section == "" && name == key {
			return k
		}
	}
	return nearest(key, append(slices.Sorted(maps.Keys(f.settings)), slices.Sorted(maps.Keys(f.sections))...))
}

// values are the texts that a setting is given.
func (f *trainFile) values(s *recipe.Setting, n ast.Node) ([]string, bool) {
	list, is := n.(*ast.SequenceNode)
	if !s.Many || !is {
		v, ok := f.value(s, n)
		return []string{v}, ok
	}
	all, ok := []string{}, true
	for _, item := range list.Values {
		v, good := f.value(s, item)
		all, ok = append(all, v), ok && good
	}
	return all, ok
}

func (f *trainFile) value(s *recipe.Setting, n ast.Node) (string, bool) {
	if mapping, is := n.(*ast.MappingNode); is && s.Type == recipe.AsObject {
		return f.object(s, mapping)
	}
	text, kind := scalar(n)
	right := kind == "string"
	switch s.Type {
	case recipe.AsWhole:
		right = kind == "int"
	case recipe.AsNumber:
		right = kind != "" // 1e-05 is a text to the parser; what is no number is refused when it is set
	case recipe.AsTruth:
		right = kind == "bool"
	case recipe.AsText:
		right = kind == "string" || kind == "int" && !s.AnyText()
	}
	if right {
		return text, true
	}
	what, hope := kindName(n), s.Takes
	switch {
	case kind != "" && s.AnyText():
		hope = fmt.Sprintf("text, such as %q in quotes", text)
	case s.Type == recipe.AsText && kind == "bool":
		hope += fmt.Sprintf("; write %q in quotes", text)
	}
	f.fault(lineOf(n), "%s is %s, expected %s", s.Key, what, hope)
	return "", false
}

// object is a mapping of plain values as JSON.
func (f *trainFile) object(s *recipe.Setting, mapping *ast.MappingNode) (string, bool) {
	before := len(f.faults)
	fields := map[string]any{}
	for _, m := range mapping.Values {
		key := keyOf(m)
		text, kind := scalar(m.Value)
		_, twice := fields[key]
		switch {
		case twice:
			f.fault(lineOf(m.Key), "%s: %s is given twice", s.Key, key)
		case !slices.Contains(recipe.SourceKeys, key):
			meant := ""
			if near := nearest(key, recipe.SourceKeys); near != "" {
				meant = "; did you mean " + near + "?"
			}
			f.fault(lineOf(m.Key), "%s has no setting %.100q%s", s.Key, key, meant)
		case kind == "":
			f.fault(lineOf(m.Key), "%s: %s is %s, expected a value", s.Key, key, kindName(m.Value))
		case kind == "string":
			fields[key] = text
		default:
			fields[key] = json.Number(text)
			if kind == "bool" {
				fields[key] = text == "true"
			}
		}
	}
	data, err := json.Marshal(fields)
	if err != nil {
		f.fault(lineOf(mapping), "%s: %v", s.Key, err)
	}
	return string(data), len(f.faults) == before
}
