package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"cosmicman/ort"
	"cosmicman/train/loop"
	"cosmicman/train/recipe"
	"cosmicman/weights"
)

// trainFlags are what a run is told on the command line.
type trainFlags struct {
	given   map[string][]string // settings, by their keys
	config  string
	library string
	resume  resumeFlag
	dryRun  bool
}

// resumeFlag is --resume or --resume=PATH.
type resumeFlag struct {
	set  bool
	path string
}

func (r *resumeFlag) String() string   { return r.path }
func (r *resumeFlag) IsBoolFlag() bool { return true }
func (r *resumeFlag) Set(s string) error {
	if on, err := strconv.ParseBool(s); err == nil {
		r.set, r.path = on, ""
		return nil
	}
	r.set, r.path = true, s
	return nil
}

// register makes a flag of every setting.
func (t *trainFlags) register(flags *flag.FlagSet) {
	t.given = map[string][]string{}
	flags.StringVar(&t.config, "config", "", "YAML `file` of the run's settings; train init writes one; flags come before it")
	flags.StringVar(&t.library, "library", "", "ONNX Runtime's library or its folder")
	flags.Var(&t.resume, "resume", "go on with the run in --output, from its newest whole checkpoint; --resume PATH: of that folder, or from that checkpoint")
	flags.BoolVar(&t.dryRun, "dry-run", false, "check settings, all of the data, memory and disk, and write a sheet of samples as the run would see them")
	c := recipe.Default(recipe.TeachLoRA)
	for _, s := range c.Settings() {
		note := func(text string) error {
			t.given[s.Key] = append(t.given[s.Key], text)
			return nil
		}
		// Package flag takes what is between back quotes for the value's name.
		name, usage := flagOf(s.Key), strings.ReplaceAll(s.Doc, "`", "'")
		if s.Many {
			usage += "; repeatable"
		} else if v := s.Values()[0]; v != "" && v != "0" && v != "false" {
			usage += " (default " + v + ")"
		}
		if s.Type == recipe.AsTruth {
			flags.BoolFunc(name, usage, note)
		} else {
			flags.Func(name, usage, note)
		}
	}
}

// flagOf is a setting's flag: --lora-rank for lora.rank.
func flagOf(key string) string { return strings.ReplaceAll(key, ".", "-") }

// settings are the defaults, then what the file says, then the flags. Every fault of
// them is in the error.
func (t *trainFlags) settings() (*recipe.Config, error) {
	path, folder := t.config, ""
	if t.resume.set && path == "" {
		var err error
		if path, err = t.resumed(); err != nil {
			return nil, err
		}
		if path != "" {
			folder = filepath.Dir(path)
		}
	}
	text := ""
	if path != "" {
		var err error
		if text, err = readConfigText(path); err != nil { // what else is missing may stand in it
			return nil, usagef("train: %v", err)
		}
	}
	// What is taught decides the defaults of the rest.
	c := recipe.Default(recipe.TeachLoRA)
	_ = t.apply(path, text, &c) // the faults are told below
	c = recipe.Default(c.Teach)
	wrong := t.apply(path, text, &c)
	if folder != "" && len(t.given["output"]) == 0 {
		c.Output = folder // it may have been moved, or be named from another folder on, since the file was written
	}
	if t.resume.set && c.Output == "" {
		c.Output = t.resume.path
	}
	return &c, errors.Join(wrong, asUsage(c.Check()))
}

// resumed is the file of settings of the run that is gone on with, "" where there is none
// and flags are in its place.
func (t *trainFlags) resumed() (string, error) {
	dir := t.resume.path
	if outputs := t.given["output"]; dir == "" && len(outputs) == 1 {
		dir = outputs[0]
	}
	if dir == "" {
		return "", usagef("train: --resume says no run: expected --resume=FOLDER, --output FOLDER or --config FILE")
	}
	// A checkpoint lies below the run's folder.
	for _, d := range []string{dir, filepath.Dir(dir), filepath.Dir(filepath.Dir(dir))} {
		path := filepath.Join(d, recipe.SettingsFile)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	if t.resume.path == "" && len(t.given["model"]) > 0 {
		return "", nil // the flags say all: such a run may have ended before its beginning
	}
	return "", usagef("train: --resume: %s is no run's folder: it has no %s", dir, recipe.SettingsFile)
}

func (t *trainFlags) apply(path, text string, c *recipe.Config) error {
	var errs []error
	if path != "" {
		errs = append(errs, parseTrainFile(path, text, c))
	}
	for _, s := range c.Settings() {
		if values := t.given[s.Key]; len(values) > 0 {
			if err := s.Set(values...); err != nil {
				errs = append(errs, usagef("train: --%s%s", flagOf(s.Key), strings.TrimPrefix(err.Error(), s.Key)))
			}
		}
	}
	return errors.Join(errs...)
}

// asUsage makes wrong usage of a run's faults.
func asUsage(err error) error {
	if err == nil {
		return nil
	}
	var errs []error
	for _, text := range faults(err) {
		errs = append(errs, usagef("train: %s", text))
	}
	return errors.Join(errs...)
}

func trainModel(ctx context.Context, e *environment, args []string) error {
	if len(args) > 0 && args[0] == "init" {
		return trainInit(e, args[1:])
	}
	var t trainFlags
	flags := flag.NewFlagSet("train", flag.ContinueOnError)
	t.register(flags)
	if err := parse(e, flags, joinResume(args)); err != nil {
		return helped(err)
	}
	c, err := t.settings()
	if err != nil {
		return err
	}
	return t.run(ctx, e, c)
}

// joinResume makes --resume=PATH of --resume PATH: package flag takes no value from behind
// a flag that may stand without one.
func joinResume(args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if (arg == "--resume" || arg == "-resume") && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
			i++
			arg += "=" + args[i]
		}
		out = append(out, arg)
	}
	return out
}

// trainInit prints a file of settings.
func trainInit(e *environment, args []string) error {
	flags := flag.NewFlagSet("train init", flag.ContinueOnError)
	kinds := map[recipe.Teach]*bool{}
	for _, k := range []struct {
		name  recipe.Teach
		usage string
	}{
		{recipe.TeachLoRA, "low-rank changes of the UNet (the default)"},
		{recipe.TeachUNet, "all of the UNet"},
		{recipe.TeachVAE, "the autoencoder of a model from nothing"},
		{recipe.TeachText, "the text encoders of a model from nothing"},
	} {
		kinds[k.name] = flags.Bool(string(k.name), false, k.usage)
	}
	full := flags.Bool("full", false, "the same as --unet")
	nothing := flags.Bool("from-nothing", false, "all of the UNet of a model from nothing, after --vae and --text")
	var given []string
	for _, name := range []string{"model", "output"} {
		flags.String(name, "", "the setting of this name")
	}
	flags.Func("data", "the setting of this name; repeatable", func(s string) error {
		given = append(given, s)
		return nil
	})
	if err := parse(e, flags, args); err != nil {
		return helped(err)
	}
	*kinds[recipe.TeachUNet] = *kinds[recipe.TeachUNet] || *full
	teach, chosen := recipe.TeachLoRA, 0
	for name, is := range kinds {
		if *is {
			teach, chosen = name, chosen+1
		}
	}
	if *nothing {
		chosen++
	}
	if chosen > 1 {
		return usagef("train init: one of --lora, --unet, --from-nothing, --vae and --text is expected, %d are given", chosen)
	}
	c := recipe.Default(teach)
	if *nothing {
		c = recipe.FromNothing()
	}
	c.Model, c.Output = flags.Lookup("model").Value.String(), flags.Lookup("output").Value.String()
	for _, s := range c.Settings() {
		if s.Key == "data" && len(given) > 0 {
			if err := s.Set(given...); err != nil {
				return usagef("train init: %v", err)
			}
		}
	}
	_, err := fmt.Fprint(e.stdout, c.File())
	return err
}

func (t *trainFlags) run(ctx context.Context, e *environment, c *recipe.Config) (err error) {
	rt, err := ort.Open(t.library)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rt.Close()) }()
	cache := weights.HubCache(e.getenv)
	r, err := recipe.Open(ctx, *c, recipe.Environment{
		Runtime: rt, HubCache: cache, Version: revision, Out: e.stderr, Terminal: e.terminal, Resume: t.resumeFrom(c),
		CheckFiles: t.dryRun,
		Known: func(model, unet string) (string, string) {
			ref := modelRef{Ref: model, UNet: unet}
			ref.expand()
			return ref.Ref, ref.UNet
		},
		Sampler: &trainSampler{runtime: rt, hubCache: cache, threads: c.Threads},
	})
	if err != nil {
		if _, gone := os.Stat(c.Model); t.resume.set && gone != nil && !filepath.IsAbs(c.Model) {
			err = fmt.Errorf("%w; paths in the run's settings are meant from the folder in which it was started", err)
		}
		return trainFault(err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if t.dryRun {
		return trainFault(r.DryRun(ctx))
	}
	done, err := r.Learn(ctx)
	if err != nil {
		if done != nil {
			for _, path := range done.Written {
				fmt.Fprintln(e.stdout, path)
			}
		}
		return trainFault(err)
	}
	if done.Stopped {
		fmt.Fprintf(e.stderr, "stopped at step %d of %d; to go on: cosmicman train --resume %s\n", done.Step, done.Steps, c.Output)
		return ctx.Err() // main ends the program at a second signal
	}
	for _, path := range done.Written {
		fmt.Fprintln(e.stdout, path)
	}
	if done.Next != "" {
		fmt.Fprintf(e.stderr, "next: %s\n", done.Next)
	}
	return nil
}

// resumeFrom is the checkpoint to go on from, as package recipe wants it.
func (t *trainFlags) resumeFrom(c *recipe.Config) string {
	if !t.resume.set {
		return ""
	}
	if t.resume.path == "" || sameFolder(t.resume.path, c.Output) {
		return loop.Latest
	}
	return t.resume.path
}

func sameFolder(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// trainFault makes wrong usage of what its user can change.
func trainFault(err error) error {
	if err == nil {
		return nil
	}
	if _, is := errors.AsType[*recipe.Fault](err); is {
		return asUsage(err)
	}
	return orPull(err, "")
}
