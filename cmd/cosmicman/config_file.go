package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxConfigFile bounds the file, and with it how deep it can be nested.
const maxConfigFile = 64 << 10

// configFile is a file of settings that has been read. Keys at the top are for every command
// that serves; a section, such as generate, is for the command of its name, and wins there.
type configFile struct {
	path     string
	top      map[string]setting
	sections map[string]map[string]setting
	faults   []configFault
}

type setting struct {
	line   int
	values []string // several where the flag is repeated
}

type configFault struct {
	line int
	text string
}

// sections are the commands that have one.
var sections = []string{"serve", "worker", "queue", "generate", "bench"}

// modelsKey is the list of models, which is --model spelt out.
const modelsKey = "models"

// readConfig reads a file. What is wrong in it is among its faults, all at once; the error is
// for a file that cannot be read.
func readConfig(path string) (*configFile, error) {
	text, err := readConfigText(path)
	if err != nil {
		return nil, err
	}
	return parseConfig(path, text), nil
}

// readConfigText reads a file of settings, of whichever command.
func readConfigText(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfigFile+1))
	switch {
	case err != nil:
		return "", err
	case len(data) > maxConfigFile:
		return "", fmt.Errorf("%s has over %d bytes, which no file of settings needs", path, maxConfigFile)
	case !utf8.Valid(data):
		return "", fmt.Errorf("%s is not UTF-8", path)
	}
	return string(data), nil
}

func parseConfig(path, text string) *configFile {
	c := &configFile{path: path, top: map[string]setting{}, sections: map[string]map[string]setting{}}
	body := c.body(text)
	if body == nil {
		return c
	}
	shared := map[string]*flag.Flag{}
	for _, s := range slices.Backward(servers) {
		flagsOf(s).VisitAll(func(f *flag.Flag) { shared[f.Name] = f })
	}
	c.section("", body, settingNames(), shared)
	return c
}

// body is what the file's one document holds, nil for nothing.
func (c *configFile) body(text string) ast.Node {
	tree := c.parse(c.withoutTabs(text))
	if tree == nil {
		return nil
	}
	if len(tree.Docs) > 1 {
		c.fault(tree.Docs[1].Start.Position.Line, "a second document begins: one is expected")
	}
	if len(tree.Docs) == 0 {
		return nil
	}
	return tree.Docs[0].Body
}

// withoutTabs replaces tabs in front of a line's text, which YAML does not allow, by what
// was probably meant, so that the rest can be read.
func (c *configFile) withoutTabs(text string) string {
	lines := strings.Split(text, "\n")
	last := "" // line that is not empty
	for i, line := range lines {
		rest := strings.TrimLeft(line, " \t")
		tabs := strings.Contains(line[:len(line)-len(rest)], "\t")
		switch {
		case rest == "" || rest[0] == '#':
			if tabs {
				lines[i] = "" // nobody sees them
			}
			continue
		case tabs:
			c.fault(i+1, "a tab in front of the text: YAML is indented with spaces")
			indent := last[:indentOf(last)]
			if strings.HasSuffix(strings.TrimRight(last, " \t\r"), ":") {
				indent += "  "
			}
			lines[i] = indent + rest
		}
		last = lines[i]
	}
	return strings.Join(lines, "\n")
}

func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// parse reads the YAML. A line that is none is told, and read over with what is indented
// below it, so that what is wrong in the others can be told too.
func (c *configFile) parse(text string) *ast.File {
	lines := strings.Split(text, "\n")
	read := func(n int) (*ast.File, error) {
		return parser.ParseBytes([]byte(strings.Join(lines[:n], "\n")), 0, parser.AllowDuplicateMapKey())
	}
	const most = 20
	for range most {
		tree, err := read(len(lines))
		if err == nil {
			return tree
		}
		// The parser often names where a mapping begins. The line is the one that cannot be
		// read after those before it.
		n := len(lines) - 1
		for n > 0 {
			if _, fault := read(n); fault == nil {
				break
			} else {
				err = fault
			}
			n--
		}
		why := "it cannot be read"
		if wrong, is := errors.AsType[*yaml.SyntaxError](err); is {
			why = wrong.Message
		}
		c.fault(n+1, "not YAML: %s", why)
		depth := indentOf(lines[n])
		lines[n] = ""
		for n++; n < len(lines) && (lines[n] == "" || indentOf(lines[n]) > depth); n++ {
			lines[n] = ""
		}
	}
	return nil
}

func (c *configFile) fault(line int, format string, args ...any) {
	c.faults = append(c.faults, configFault{line, fmt.Sprintf(format, args...)})
}

// lines are the faults as FILE:LINE: TEXT, in the file's order.
func (c *configFile) lines() (out []string) {
	slices.SortStableFunc(c.faults, func(a, b configFault) int { return a.line - b.line })
	for _, f := range c.faults {
		out = append(out, fmt.Sprintf("%s:%d: %s", c.path, f.line, f.text))
	}
	return out
}

// lookup finds a flag's values for a command.
func (c *configFile) lookup(command, name string, settings map[string]bool) (origin, bool) {
	command, _, _ = strings.Cut(command, " ") // queue retry reads the section of queue
	s, found := c.sections[command][name]
	if !found && settings[name] {
		s, found = c.top[name]
	}
	if !found || len(s.values) == 0 {
		return origin{}, false
	}
	return origin{fmt.Sprintf("%s:%d", c.path, s.line), s.values}, true
}

// section reads a mapping of flags: the whole file, or one command's.
func (c *configFile) section(command string, body ast.Node, names map[string]bool, flags map[string]*flag.Flag) {
	where := "the file"
	if command != "" {
		where = command
	}
	mapping, is := body.(*ast.MappingNode)
	if !is {
		c.fault(lineOf(body), "%s is %s, expected keys with values", where, kindName(body))
		return
	}
	into := c.top
	if command != "" {
		into = map[string]setting{}
		c.sections[command] = into
	}
	known := append(slices.Sorted(maps.Keys(names)), modelsKey)
	if command == "" {
		known = append(known, sections...)
	}
	seen := map[string]int{}
	for _, m := range mapping.Values {
		key, line := keyOf(m), lineOf(m.Key)
		if first, twice := seen[key]; twice {
			c.fault(line, "%s is given twice, first in line %d", key, first)
			continue
		}
		seen[key] = line
		switch {
		case command == "" && slices.Contains(sections, key):
			own, names := map[string]*flag.Flag{}, map[string]bool{}
			flagsOf(key).VisitAll(func(f *flag.Flag) {
				if f.Name != "config" && f.Name != "lifeline" {
					own[f.Name], names[f.Name] = f, true
				}
			})
			c.section(key, m.Value, names, own)
		case key == modelsKey && names["model"]:
			if values := c.models(m.Value); len(values) > 0 {
				into["model"] = setting{line, values}
			}
		case names[key]:
			if values, ok := c.values(key, m.Value, flags[key]); ok {
				into[key] = setting{line, values}
			}
		default:
			meant := ""
			if n := nearest(key, known); n != "" {
				meant = "; did you mean " + n + "?"
			}
			c.fault(line, "%s has no setting %.100q%s", where, key, meant)
		}
	}
	if first, both := seen["model"]; both && seen[modelsKey] != 0 {
		c.fault(max(first, seen[modelsKey]), "model and models exclude each other")
	}
}

// values are the texts that a flag is set to.
func (c *configFile) values(key string, n ast.Node, f *flag.Flag) ([]string, bool) {
	line := lineOf(n)
	if repeats(f) {
		return c.several(key, n, f)
	}
	text, kind := scalar(n)
	want := kindOf(f)
	right := kind != ""
	switch want {
	case "bool":
		right = kind == "bool"
	case "int":
		right = kind == "int"
	case "float":
		right = kind == "int" || kind == "float"
	case "duration":
		right = kind == "string" || kind == "int" && text == "0"
	case "string":
		right = kind == "string"
	}
	err := errors.New("a value")
	if right {
		if err = f.Value.Set(text); err == nil {
			return []string{text}, true
		}
	}
	what := kindName(n)
	if kind != "" {
		what = fmt.Sprintf("%.100q", text)
	}
	hope := takes(f, err)
	if want == "string" {
		hope = "a string, such as \"" + text + "\" in quotes"
		if kind == "" {
			hope = "a string"
		}
	}
	c.fault(line, "%s is %s, expected %s", key, what, hope)
	return nil, false
}

// several are the values of a flag that can be repeated: one, a list, or a mapping, which
// stands for NAME=VALUE.
func (c *configFile) several(key string, n ast.Node, f *flag.Flag) ([]string, bool) {
	var texts []string
	switch n := n.(type) {
	case *ast.SequenceNode:
		for _, v := range n.Values {
			text, kind := scalar(v)
			if kind == "" {
				c.fault(lineOf(v), "%s holds %s, expected values", key, kindName(v))
				continue
			}
			texts = append(texts, text)
		}
	case *ast.MappingNode:
		seen := map[string]bool{}
		for _, m := range n.Values {
			text, kind := scalar(m.Value)
			name := keyOf(m)
			switch {
			case seen[name]:
				c.fault(lineOf(m.Key), "%s: %s is given twice", key, name)
			case kind == "":
				c.fault(lineOf(m.Key), "%s: %s is %s, expected a value", key, name, kindName(m.Value))
			default:
				texts = append(texts, name+"="+text)
			}
			seen[name] = true
		}
	default:
		text, kind := scalar(n)
		if kind == "" {
			c.fault(lineOf(n), "%s is %s, expected a value or a list of them", key, kindName(n))
			return nil, false
		}
		texts = append(texts, text)
	}
	for _, t := range texts {
		if err := f.Value.Set(t); err != nil {
			c.fault(lineOf(n), "%s is %.100q, expected %s", key, t, takes(f, err))
		}
	}
	return texts, len(texts) > 0
}

// models reads the list of models into what --model takes.
func (c *configFile) models(n ast.Node) (values []string) {
	list, is := n.(*ast.SequenceNode)
	if !is {
		c.fault(lineOf(n), "models is %s, expected a list of {name, ref, unet, variant}", kindName(n))
		return nil
	}
	keys := []string{"name", "ref", "unet", "variant"}
	for _, item := range list.Values {
		if text, kind := scalar(item); kind == "string" {
			values = append(values, text)
			continue
		}
		mapping, is := item.(*ast.MappingNode)
		if !is {
			c.fault(lineOf(item), "models holds %s, expected {name, ref, unet, variant}", kindName(item))
			continue
		}
		has, before := map[string]string{}, len(c.faults)
		for _, m := range mapping.Values {
			key := keyOf(m)
			text, kind := scalar(m.Value)
			_, twice := has[key]
			switch {
			case !slices.Contains(keys, key):
				meant := ""
				if near := nearest(key, keys); near != "" {
					meant = "; did you mean " + near + "?"
				}
				c.fault(lineOf(m.Key), "a model has no setting %.100q%s", key, meant)
				continue
			case twice:
				c.fault(lineOf(m.Key), "%s is given twice", key)
			case kind != "string" || text == "":
				c.fault(lineOf(m.Key), "%s is %s, expected a string", key, kindName(m.Value))
			case strings.Contains(text, ","):
				c.fault(lineOf(m.Key), "%s is %.100q, expected no comma", key, text)
			case key == "name" && !modelName.MatchString(text):
				c.fault(lineOf(m.Key), "name is %.100q, expected letters, digits, dots, hyphens and underscores", text)
			}
			has[key] = text
		}
		if _, given := has["ref"]; !given {
			c.fault(lineOf(item), "a model has no ref: a folder, org/name or a known name")
		}
		if has["name"] == "" {
			has["name"] = filepath.Base(has["ref"])
		}
		if len(c.faults) > before {
			if !modelName.MatchString(has["name"]) {
				continue
			}
			has = map[string]string{"name": has["name"], "ref": "?"} // others may name it
		}
		value := has["name"] + "=" + has["ref"]
		for _, key := range keys[2:] {
			if has[key] != "" {
				value += "," + key + "=" + has[key]
			}
		}
		values = append(values, value)
	}
	return values
}

// keyOf is a mapping's key as it reads.
func keyOf(m *ast.MappingValueNode) string {
	if s, is := m.Key.(*ast.StringNode); is {
		return s.Value
	}
	return m.Key.String()
}

func lineOf(n interface{ GetToken() *token.Token }) int {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 1
}

// scalar is a node's text and kind, "" for what is none.
func scalar(n ast.Node) (text, kind string) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, "string"
	case *ast.LiteralNode:
		return n.Value.Value, "string"
	case *ast.IntegerNode:
		return n.GetToken().Value, "int"
	case *ast.FloatNode:
		return n.GetToken().Value, "float"
	case *ast.BoolNode:
		return n.GetToken().Value, "bool"
	}
	return "", ""
}

// kindName says what a node is.
func kindName(n ast.Node) string {
	switch n.(type) {
	case *ast.NullNode:
		return "empty"
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		return "an anchor or alias, which are not read"
	case *ast.TagNode:
		return "a tag, which is not read"
	}
	if text, kind := scalar(n); kind != "" {
		return fmt.Sprintf("%.100q", text)
	}
	return "no such value"
}

// kindOf is what a flag holds; "" for types of ours.
func kindOf(f *flag.Flag) string {
	g, is := f.Value.(flag.Getter)
	if !is {
		return ""
	}
	switch g.Get().(type) {
	case bool:
		return "bool"
	case int, int64, uint, uint64:
		return "int"
	case float64:
		return "float"
	case time.Duration:
		return "duration"
	case string:
		return "string"
	}
	return ""
}
