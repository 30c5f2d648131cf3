package main

import (
	"bytes"
	"flag"
	"io"
	"reflect"
	"strings"
	"testing"

	"cosmicman/train/recipe"
)

// TestTrainFilesAreReadAsWritten reads what `train init` writes, for each kind of run.
func TestTrainFilesAreReadAsWritten(t *testing.T) {
	for _, teach := range []recipe.Teach{recipe.TeachLoRA, recipe.TeachUNet, recipe.TeachVAE, recipe.TeachText} {
		want := recipe.Default(teach)
		want.Model, want.Output = "org/name", "on"
		want.Data = []recipe.Source{{Path: "my images", Repeats: 1, Weight: 1}, {Path: "/x", Repeats: 2, Weight: 0.25, Prior: true, Trigger: `a "photo", of: sks`}}
		want.LearningRate = 1e-7
		want.Samples.Prompts = []string{"a headshot, an adult female", "yes", "# 1"}
		got := recipe.Default(teach)
		if err := parseTrainFile("run.yaml", want.File(), &got); err != nil {
			t.Fatal(err)
		}
		if !want.Settings()[0].Applies(teach) {
			t.Fatal("the model does not apply")
		}
		if teach == recipe.TeachVAE || teach == recipe.TeachText {
			want.Samples.Prompts = nil // they are not in the file of what has no prompts
		}
		if !reflect.DeepEqual(normal(got), normal(want)) {
			t.Errorf("%s: read\n%+v\nwritten\n%+v", teach, got, want)
		}
	}
}

// normal has no empty lists, which files do not tell from none.
func normal(c recipe.Config) recipe.Config {
	if len(c.HOLA.Layers) == 0 {
		c.HOLA.Layers = nil
	}
	if len(c.Samples.Prompts) == 0 {
		c.Samples.Prompts = nil
	}
	return c
}

// TestTrainFileNamesEveryFault has one fault a line.
func TestTrainFileNamesEveryFault(t *testing.T) {
	const text = `modle: x
lora:
  rank: sixteen
  ranck: 4
  targets: attention
rank: 3
hola: 5
batch: 2.5
seed: [1]
output: true
recompute: "true"
data:
  - {path: a, reapeats: 2}
  - [b]
batch: 1
images: {size: 64, flip: half}
steps: .nan
`
	c := recipe.Default(recipe.TeachLoRA)
	err := parseTrainFile("run.yaml", text, &c)
	if err == nil {
		t.Fatal("nothing was wrong")
	}
	got := strings.Join(faults(err), "\n")
	want := strings.TrimSpace(`
train: run.yaml:1: there is no setting "modle"; did you mean model?
train: run.yaml:3: lora.rank is "sixteen", expected a whole number
train: run.yaml:4: there is no setting "lora.ranck"; did you mean lora.rank?
train: run.yaml:6: there is no setting "rank"; did you mean lora.rank?
train: run.yaml:7: hola is "5", expected keys with values
train: run.yaml:8: batch is "2.5", expected a whole number
train: run.yaml:9: seed is a list, expected a whole number from 0 to 2^64-1
train: run.yaml:10: output is "true", expected text, such as "true" in quotes
train: run.yaml:11: recompute is "true", expected true or false
train: run.yaml:13: data has no setting "reapeats"; did you mean repeats?
train: run.yaml:14: data is a list, expected a folder, or {path, repeats, weight, prior, caption, trigger}
train: run.yaml:15: batch is given twice, first in line 8
train: run.yaml:16: images.flip is "half", expected a number
train: run.yaml:17: steps is no such value, expected a whole number`)
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if c.Images.Width != 64 || len(c.LoRA.Targets) != 1 {
		t.Error("what was right is not set")
	}
}

// TestResumeNamesNoRun is refused before anything is opened.
func TestResumeNamesNoRun(t *testing.T) {
	empty := t.TempDir()
	for want, args := range map[string][]string{
		"train: --resume: " + empty + " is no run's folder: it has no settings.yaml": {"--resume=" + empty},
		"train: --resume says no run: expected --resume=FOLDER":                      {"--resume"},
		"train: --resume: nowhere is no run's folder":                                {"--resume", "nowhere"},
		"there is no flag --network_dim; did you mean --lora-rank?":                  {"--network_dim", "5"},
		"there is no flag --max-norm; did you mean --optimizer-max-norm?":            {"--max-norm", "5"},
		"was given \"run.yaml\" too; did you mean --config run.yaml?":                {"run.yaml"},
		"train: open none.yaml: no such file or directory\n":                         {"--config", "none.yaml"},
		"there is no flag --lora-ranck; did you mean --lora-rank?":                   {"--lora-ranck", "5"},
	} {
		var said bytes.Buffer
		e := &environment{stdout: io.Discard, stderr: &said, getenv: func(string) string { return "" }}
		if code := run(t.Context(), e, append([]string{"train"}, args...)); code != 2 || !strings.Contains(said.String(), want) {
			t.Errorf("%q: exit code %d, %s, want %q", args, code, &said, want)
		}
	}
}

// FuzzTrainFile reads any text, and what it takes it takes again as it writes it.
func FuzzTrainFile(f *testing.F) {
	for _, text := range []string{"", "lora: {rank: 4}", "data:\n  - {path: a, repeats: 2}\n  - b", "images:\n\tsize: 64", "samples: {prompts: [a, \"b: c\"]}", "a: &x [*x]", "memory: 9999999T"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := recipe.Default(recipe.TeachLoRA)
		if len(text) > maxConfigFile || parseTrainFile("run.yaml", text, &c) != nil {
			return
		}
		again := recipe.Default(c.Teach)
		if err := parseTrainFile("run.yaml", c.File(), &again); err != nil {
			t.Errorf("%v in what was written:\n%s", err, c.File())
		}
	})
}

func TestUsualFlagsAreThere(t *testing.T) {
	flags := flag.NewFlagSet("train", flag.ContinueOnError)
	(&trainFlags{}).register(flags)
	all := 0
	flags.VisitAll(func(*flag.Flag) { all++ })
	first, rest := splitFlags(flags, usual["train"])
	some := 0
	for _, name := range usual["train"] {
		if first.Lookup(name) == nil || rest.Lookup(name) != nil {
			t.Errorf("--%s is not among the usual flags alone", name)
		}
	}
	first.VisitAll(func(*flag.Flag) { some++ })
	rest.VisitAll(func(*flag.Flag) { some++ })
	if some != all {
		t.Errorf("%d flags are listed, there are %d", some, all)
	}
}
