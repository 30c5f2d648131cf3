package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"cosmicman/inference"
	"cosmicman/ort"
	"cosmicman/weights"
)

// errHelp is returned after a command's flags were listed.
var errHelp = errors.New("help")

// parse reads a command's flags. Anything left over is an error unless the
// command takes n operands.
func parse(e *environment, fs *flag.FlagSet, args []string, operands ...string) error {
	fs.SetOutput(io.Discard) // run prints the error, once
	fs.Usage = func() {}
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintf(e.stdout, "usage: cosmicman %s [flags] %s\n\n", fs.Name(), strings.Join(operands, " "))
			fs.SetOutput(e.stdout)
			fs.PrintDefaults()
			return errHelp
		}
		return &usageError{fs.Name() + ": " + err.Error()}
	}
	if fs.NArg() != len(operands) {
		return usagef("%s: expected %d operands (%s), was given %d: %q", fs.Name(), len(operands), strings.Join(operands, " "), fs.NArg(), fs.Args())
	}
	return nil
}

// helped turns errHelp into success.
func helped(err error) error {
	if errors.Is(err, errHelp) {
		return nil
	}
	return err
}

// modelFlags are shared by the commands that open a model.
type modelFlags struct {
	model, unet, variant, library string
	settings                      inference.Settings
}

func (m *modelFlags) register(fs *flag.FlagSet) {
	fs.StringVar(&m.model, "model", "", "diffusers folder, or org/name in the Hugging Face cache")
	fs.StringVar(&m.unet, "unet", "", "folder or org/name whose UNet replaces the model's")
	fs.StringVar(&m.variant, "variant", "", "weight files to prefer, such as fp16")
	fs.StringVar(&m.library, "library", "", "ONNX Runtime's library or its folder")
	fs.IntVar(&m.settings.Threads, "threads", 0, "threads a network runs on, 0 for one a core")
	fs.BoolVar(&m.settings.Arena, "arena", false, "keep working memory between network calls")
	fs.BoolVar(&m.settings.Lean, "lean", false, "keep no packed copies of weights: less memory, a fifth slower")
	fs.StringVar(&m.settings.Profile, "profile", "", "write ONNX Runtime profiles under this path prefix")
}

func (m *modelFlags) check(command string) error {
	if m.model == "" {
		return usagef("%s: --model is required: a diffusers folder, or org/name in the Hugging Face cache", command)
	}
	if m.settings.Threads < 0 {
		return usagef("%s: --threads is %d, expected 0 or more", command, m.settings.Threads)
	}
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
		return nil, err
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
