package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cosmicman/newmodel"
	"cosmicman/ort"
	"cosmicman/tensor"
	"cosmicman/weights"

	"cosmicman/inference"
)

func newModel(ctx context.Context, e *environment, args []string) error {
	fs := flag.NewFlagSet("models new", flag.ContinueOnError)
	arch := fs.String("arch", "", strings.Join(newmodel.Names(), ", ")+", or a JSON file of configs by part")
	seed := fs.Uint64("seed", 0, "the weights follow from it")
	values := fs.String("init", string(newmodel.Contrast), "what the weights are: contrast, with which images answer to everything, for tests and benchmarks; torch, what PyTorch's modules start from, to be trained")
	dtype := fs.String("dtype", "fp32", "fp32, fp16 or bf16")
	shard := fs.Int64("max-shard-size", 0, "bytes a file may have before it is split (default: 10 GB, as diffusers)")
	if err := parse(e, fs, args, "DIR"); err != nil {
		return helped(err)
	}
	types := map[string]tensor.DType{"fp32": tensor.Float32, "fp16": tensor.Float16, "bf16": tensor.BFloat16}
	t, ok := types[*dtype]
	switch {
	case *arch == "":
		return usagef("models new: --arch is required: %s or a JSON file", strings.Join(newmodel.Names(), ", "))
	case *values != string(newmodel.Contrast) && *values != string(newmodel.Torch):
		return usagef("models new: --init is %q, expected contrast or torch", *values)
	case !ok:
		return usagef("models new: --dtype is %q, expected fp32, fp16 or bf16", *dtype)
	case *shard < 0:
		return usagef("models new: --max-shard-size is %d, expected bytes", *shard)
	}
	a, err := newmodel.LoadArch(*arch)
	if err != nil {
		return err
	}
	return newmodel.Write(ctx, fs.Arg(0), a, newmodel.Options{Seed: *seed, Values: newmodel.Values(*values), DType: t, MaxShard: *shard, Progress: func(part string, params int64) {
		fmt.Fprintf(e.stderr, "%s: %s parameters\n", part, millions(params))
	}})
}

func inspect(e *environment, args []string) error {
	fs := flag.NewFlagSet("models inspect", flag.ContinueOnError)
	unet := fs.String("unet", "", "folder or org/name whose UNet replaces the model's")
	variant := fs.String("variant", "", "weight files to prefer, such as fp16")
	asJSON := fs.Bool("json", false, "print one JSON object")
	if err := parse(e, fs, args, "REF"); err != nil {
		return helped(err)
	}
	ref := modelRef{Ref: fs.Arg(0), UNet: *unet}
	ref.expand()
	o := weights.Options{UNet: ref.UNet, Variant: *variant, HubCache: weights.HubCache(e.getenv)}
	r, err := weights.Inspect(ref.Ref, o)
	if err != nil {
		return orPull(err, ref.Known)
	}
	if len(r.Faults) == 0 && r.Family != "" {
		// The files are whole; do they fit their configs and each other?
		if err := fits(ref.Ref, o); err != nil {
			r.Faults = append(r.Faults, strings.Split(err.Error(), "\n")...)
		}
	}
	if *asJSON {
		if err := json.NewEncoder(e.stdout).Encode(r); err != nil {
			return err
		}
	} else {
		printReport(e, r)
	}
	if len(r.Faults) > 0 {
		return fmt.Errorf("%s cannot be used: %d faults", fs.Arg(0), len(r.Faults))
	}
	return nil
}

func fits(ref string, o weights.Options) error {
	p, err := weights.Open(ref, o)
	if err != nil {
		return err
	}
	rt := &ort.Runtime{} // nothing runs: the graphs are only checked against the files
	m, err := inference.Load(rt, p, inference.Settings{})
	if err != nil {
		return err
	}
	return m.Close()
}

func printReport(e *environment, r *weights.Report) {
	w := e.stdout
	fmt.Fprintf(w, "%s\n  folder      %s\n", r.Ref, r.Dir)
	if r.Revision != "" {
		fmt.Fprintf(w, "  revision    %s\n", r.Revision)
	}
	fmt.Fprintf(w, "  class       %s\n", r.Class)
	if r.Family != "" {
		fmt.Fprintf(w, "  family      %s\n", r.Family)
	}
	if r.OtherUNet != nil {
		fmt.Fprintf(w, "  unet from   %s\n", r.OtherUNet.Dir)
	}
	fmt.Fprintf(w, "  parameters  %s\n  on disk     %s\n", millions(r.Params), size(r.Bytes))
	for _, p := range r.Parts {
		types := slices.Sorted(maps.Keys(p.DTypes))
		fmt.Fprintf(w, "  %-15s %-32s", p.Name, p.Class)
		if p.Params > 0 {
			fmt.Fprintf(w, " %10s parameters  %4d tensors  %s", millions(p.Params), p.Tensors, strings.Join(types, ", "))
		}
		if p.Variant != "" {
			fmt.Fprintf(w, "  variant %s", p.Variant)
		}
		fmt.Fprintln(w)
		for _, f := range p.Files {
			fmt.Fprintf(w, "      %s  %s\n", f.Path, size(f.Bytes))
		}
	}
	for _, n := range r.Notes {
		fmt.Fprintf(w, "  note: %s\n", n)
	}
	for _, f := range r.Faults {
		fmt.Fprintf(w, "  fault: %s\n", f)
	}
}

func millions(n int64) string { return fmt.Sprintf("%.2f M", float64(n)/1e6) }

func size(n int64) string {
	if n < 1e9 {
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.2f GB", float64(n)/1e9)
}
