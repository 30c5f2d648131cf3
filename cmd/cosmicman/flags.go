package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cosmicman/inference"
	"cosmicman/ort"
	"cosmicman/train/recipe"
	"cosmicman/weights"
)

// errHelp is returned after a command's flags were listed.
var errHelp = errors.New("help")

// parse reads a command's flags, which may stand behind its operands too. Anything left
// over is an error unless the command takes operands, of which those in brackets may be
// left out.
func parse(e *environment, fs *flag.FlagSet, args []string, operands ...string) error {
	fs.SetOutput(io.Discard) // run prints the error, once
	fs.Usage = func() {}
	settings := configured[fs.Name()]
	if settings {
		fs.String("config", "", "YAML file of settings (default: $COSMICMAN_CONFIG, else cosmicman/cosmicman.yaml in the user's folder of configurations); off: none")
	}
	if e.rehearsal != nil && e.rehearsal.flags != nil {
		e.rehearsal.flags(fs)
		return errHelp
	}
	if err := parseBetween(fs, args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			usage(e, fs, operands)
			return errHelp
		}
		return &usageError{fs.Name() + ": " + unknownFlag(fs, err)}
	}
	least := len(operands)
	for least > 0 && strings.HasPrefix(operands[least-1], "[") {
		least--
	}
	switch {
	case len(operands) == 0 && fs.NArg() > 0 && fs.Lookup("config") != nil && isYAML(fs.Arg(0)):
		return usagef("%s: expected flags only, was given %q too; did you mean --config %s?", fs.Name(), fs.Arg(0), fs.Arg(0))
	case len(operands) == 0 && fs.NArg() > 0:
		return usagef("%s: expected flags only, was given %q too; `cosmicman %s -h` tells what it takes", fs.Name(), fs.Arg(0), fs.Name())
	case fs.NArg() < least || fs.NArg() > len(operands):
		return usagef("%s: expected %s, was given %s", fs.Name(), strings.Join(operands, " "), manyOf(fs.Args()))
	}
	if !settings {
		return nil
	}
	from, err := configure(e, fs)
	if err == nil && e.rehearsal != nil && e.rehearsal.settings != nil {
		e.rehearsal.settings(fs, from)
		if !e.rehearsal.check {
			return errHelp
		}
	}
	return err
}

func isYAML(path string) bool {
	return strings.HasSuffix(path, ".yaml") || strings.HasSuffix(path, ".yml")
}

// parseBetween parses flags before, between and behind operands, which package flag
// leaves where they are from the first on.
func parseBetween(fs *flag.FlagSet, args []string) error {
	var operands []string
	for {
		if err := fs.Parse(args); err != nil {
			return err
		}
		rest := fs.Args()
		ended := len(rest) < len(args) && args[len(args)-len(rest)-1] == "--"
		if len(rest) == 0 || ended {
			return fs.Parse(append(append([]string{"--"}, operands...), rest...))
		}
		operands, args = append(operands, rest[0]), rest[1:]
	}
}

// usage prints what a command does and its flags.
func usage(e *environment, fs *flag.FlagSet, operands []string) {
	line, summary := "usage: cosmicman "+fs.Name(), summaryOf(fs.Name())
	hasFlags := false
	fs.VisitAll(func(*flag.Flag) { hasFlags = true })
	if hasFlags {
		line += " [flags]"
	}
	fmt.Fprintln(e.stdout, strings.Join(append([]string{line}, operands...), " "))
	if summary != "" {
		fmt.Fprintf(e.stdout, "\n%s\n", summary)
	}
	if hasFlags {
		fmt.Fprintln(e.stdout)
		first, rest := splitFlags(fs, usual[fs.Name()])
		if first != nil {
			fmt.Fprintln(e.stdout, "the usual flags:")
			printFlags(e, first)
			fmt.Fprintln(e.stdout, "\nall others:")
		}
		printFlags(e, rest)
	}
}

// usual are the flags that most calls of a command with very many need, by the command.
var usual = map[string][]string{
	"train": {"model", "data", "output", "teach", "steps", "images-size", "batch", "learning-rate", "lora-rank", "samples-prompts", "held-out", "config", "dry-run", "resume"},
}

// splitFlags puts the named flags before the rest; first is nil where none are named.
func splitFlags(fs *flag.FlagSet, names []string) (first, rest *flag.FlagSet) {
	if len(names) == 0 {
		return nil, fs
	}
	first, rest = flag.NewFlagSet("", flag.ContinueOnError), flag.NewFlagSet("", flag.ContinueOnError)
	fs.VisitAll(func(f *flag.Flag) {
		to := rest
		if slices.Contains(names, f.Name) {
			to = first
		}
		to.Var(f.Value, f.Name, f.Usage)
		to.Lookup(f.Name).DefValue = f.DefValue
	})
	return first, rest
}

func printFlags(e *environment, fs *flag.FlagSet) {
	fs.SetOutput(e.stdout)
	fs.PrintDefaults()
}

// unknownFlag adds to an error of a flag that does not exist what was probably meant.
func unknownFlag(fs *flag.FlagSet, err error) string {
	name, unknown := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !unknown {
		return err.Error()
	}
	var names []string
	fs.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	near := nearest(name, names)
	if meant := flagOf(recipe.Elsewhere(name)); fs.Name() == "train" && meant != "" {
		near = meant
	} else if near == "" {
		near = onlyEnd(name, names)
	}
	if near != "" {
		return fmt.Sprintf("there is no flag --%s; did you mean --%s?", name, near)
	}
	return fmt.Sprintf("there is no flag --%s; `cosmicman %s -h` lists them", name, fs.Name())
}

// onlyEnd is the one name that ends in a word: lora-rank for rank; "" where there are others.
func onlyEnd(word string, names []string) string {
	found := ""
	for _, n := range names {
		if strings.HasSuffix(n, "-"+word) {
			if found != "" {
				return ""
			}
			found = n
		}
	}
	return found
}

// manyOf quotes what was given.
func manyOf(given []string) string {
	if len(given) == 0 {
		return "nothing"
	}
	quoted := make([]string, len(given))
	for i, g := range given {
		quoted[i] = strconv.Quote(g)
	}
	return strings.Join(quoted, " ")
}

// helped turns errHelp into success.
func helped(err error) error {
	if errors.Is(err, errHelp) {
		return nil
	}
	return err
}

// modelFlags are shared by the commands that open models.
type modelFlags struct {
	given                         []string // as they stand on the command line
	model, unet, variant, library string   // model: of the one that is given, set by check
	known                         string   // and what it goes by, see modelRef
	settings                      inference.Settings
}

func (m *modelFlags) register(fs *flag.FlagSet) {
	fs.Func("model", "diffusers folder, org/name in the Hugging Face cache, or cosmicman-sdxl, cosmicman-sd; NAME=REF[,unet=REF][,variant=V] where several are served", func(s string) error {
		m.given = append(m.given, s)
		return nil
	})
	fs.StringVar(&m.unet, "unet", "", "folder or org/name whose UNet replaces the model's")
	fs.StringVar(&m.variant, "variant", "", "weight files to prefer, such as fp16")
	fs.StringVar(&m.library, "library", "", "ONNX Runtime's library or its folder")
	fs.IntVar(&m.settings.Threads, "threads", 0, "threads a network runs on, 0 for one a core")
	fs.BoolVar(&m.settings.Arena, "arena", false, "keep working memory between network calls")
	fs.BoolVar(&m.settings.Lean, "lean", false, "keep no packed copies of weights: less memory, a fifth slower")
	fs.StringVar(&m.settings.Profile, "profile", "", "write ONNX Runtime profiles under this path prefix")
}

func (m *modelFlags) check(command string) error {
	refs, err := m.refs(command, nil)
	switch {
	case err != nil:
		return err
	case len(refs) == 0 || refs[0].Ref == "":
		return usagef("%s: --model is required: a diffusers folder, or org/name in the Hugging Face cache", command)
	case len(refs) > 1:
		return usagef("%s: --model is given %d times, expected once", command, len(refs))
	}
	m.model, m.unet, m.variant, m.known = refs[0].Ref, refs[0].UNet, refs[0].Variant, refs[0].Known
	return nil
}

// modelName is what a model may be called before an equals sign.
var modelName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// refs reads all that was given with --model. A model without a name is called as
// the last element of its reference.
func (m *modelFlags) refs(command string, getenv func(string) string) ([]modelRef, error) {
	if m.settings.Threads < 0 {
		return nil, usagef("%s: --threads is %d, expected 0 or more", command, m.settings.Threads)
	}
	if m.unet != "" && len(m.given) > 1 {
		return nil, usagef("%s: --unet goes with one --model; write NAME=REF,unet=REF where there are several", command)
	}
	cache := ""
	if getenv != nil {
		cache = weights.HubCache(getenv)
	}
	var refs []modelRef
	for _, s := range m.given {
		r := modelRef{Ref: s, UNet: m.unet, Variant: m.variant, HubCache: cache}
		if name, rest, found := strings.Cut(s, "="); found && modelName.MatchString(name) {
			parts := strings.Split(rest, ",")
			r.Name, r.Ref = name, parts[0]
			for _, part := range parts[1:] {
				switch key, value, _ := strings.Cut(part, "="); key {
				case "unet":
					r.UNet = value
				case "variant":
					r.Variant = value
				default:
					return nil, usagef("%s: --model is %q, expected NAME=REF[,unet=REF][,variant=V]", command, s)
				}
			}
			if r.Ref == "" {
				return nil, usagef("%s: --model is %q, which names no folder", command, s)
			}
		} else if s != "" {
			abs, err := filepath.Abs(s)
			if err != nil {
				return nil, err
			}
			r.Name = filepath.Base(abs)
		}
		if r.Name != "" && slices.ContainsFunc(refs, func(o modelRef) bool { return o.Name == r.Name }) {
			return nil, usagef("%s: two models are called %q; write --model NAME=REF", command, r.Name)
		}
		r.expand()
		refs = append(refs, r)
	}
	return refs, nil
}

// args are the flags for another process.
func (m *modelFlags) args() (out []string) {
	for _, s := range m.given {
		out = append(out, "--model="+s)
	}
	for name, value := range map[string]string{"unet": m.unet, "variant": m.variant, "library": m.library, "profile": m.settings.Profile} {
		if value != "" {
			out = append(out, "--"+name+"="+value)
		}
	}
	return append(out, fmt.Sprintf("--threads=%d", m.settings.Threads), fmt.Sprintf("--arena=%t", m.settings.Arena), fmt.Sprintf("--lean=%t", m.settings.Lean))
}

// bytesValue is a flag: a number of bytes, with K, M, G or T for powers of 1024.
type bytesValue int64

func (b *bytesValue) String() string { return strconv.FormatInt(int64(*b), 10) }

func (b *bytesValue) Set(s string) error {
	digits := strings.TrimRight(s, "KMGTiBb")
	unit := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(s[len(digits):]), "B"), "I")
	shift := map[string]int{"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
	n, err := strconv.ParseInt(digits, 10, 64)
	by, known := shift[unit]
	if err != nil || !known || n < 0 || n<<by>>by != n {
		return errors.New("expected bytes, such as 800M or 6G")
	}
	*b = bytesValue(n << by)
	return nil
}

// opened is a model with the runtime it stands on.
type opened struct {
	*inference.Model
	runtime *ort.Runtime
}

func (o *opened) Close() error { return errors.Join(o.Model.Close(), o.runtime.Close()) }

func (m *modelFlags) open(e *environment) (*opened, error) {
	p, err := weights.Open(m.model, weights.Options{UNet: m.unet, Variant: m.variant, HubCache: weights.HubCache(e.getenv)})
	if err != nil {
		return nil, orPull(err, m.known)
	}
	rt, err := ort.Open(m.library)
	if err != nil {
		return nil, err
	}
	model, err := inference.Load(rt, p, m.settings)
	if err != nil {
		return nil, errors.Join(err, rt.Close())
	}
	return &opened{model, rt}, nil
}
