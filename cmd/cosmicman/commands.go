package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// command is one of the program's, or one of a command's own.
type command struct {
	name, summary string
	run           func(ctx context.Context, e *environment, args []string) error
	own           []command // in the place of run
}

// commands are what the program can do, in the order in which it is listed.
func commands() []command {
	return []command{
		{name: "generate", summary: "draw images to files", run: generate},
		{name: "serve", summary: "the page and the API: OpenAI's image routes, jobs, models, prompts", run: serve},
		{name: "worker", summary: "draw what a serve elsewhere accepts", run: work},
		{name: "queue", summary: "show the queue; queue retry ID, queue drop ID: a job that was given up", run: queue},
		{name: "health", summary: "ask a server whether it is alive or ready, for probes", run: health},
		{name: "prompt", summary: "what is understood of a prompt", own: []command{
			{name: "explain", summary: "print as JSON what is made of a text, or of an object of prompt, body and outfit, on standard input", run: withoutContext(explain)},
		}},
		{name: "models", summary: "fetch, list, inspect and remove models; make new ones", own: []command{
			{name: "pull", summary: "fetch a model into the Hugging Face cache: org/name[@revision], cosmicman-sd or cosmicman-sdxl", run: pullModel},
			{name: "list", summary: "what is in the cache, and whether it can be used", run: withoutContext(listModels)},
			{name: "inspect", summary: "what a model is: family, parameters, files, what is missing or odd", run: withoutContext(inspect)},
			{name: "rm", summary: "remove a model from the cache", run: withoutContext(removeModel)},
			{name: "new", summary: "write a diffusers folder with random weights", run: newModel},
		}},
		{name: "data", summary: "make data sets to train on", own: []command{
			{name: "dolls", summary: "draw people with known answers: images, parsing maps, attributes and captions, as CosmicMan-HQ has them", run: dataDolls},
		}},
		{name: "train", summary: "teach a model: a LoRA, all of the UNet, or the parts of a model from nothing; train init writes a file of settings", run: trainModel},
		{name: "config", summary: "check the settings, or show them and where each comes from", own: []command{
			{name: "check", summary: "print all that is wrong with the settings of a file, or with those that would be taken now", run: checkConfig},
			{name: "show", summary: "print the settings and where each comes from", run: showConfig},
		}},
		{name: "bench", summary: "time and memory by stage; bench scheduler: what the queue and the packer cost; bench train: a step of training", run: bench},
		{name: "version", summary: "print what runs here: the program, Go, ONNX Runtime", run: version},
	}
}

func withoutContext(run func(*environment, []string) error) func(context.Context, *environment, []string) error {
	return func(_ context.Context, e *environment, args []string) error { return run(e, args) }
}

// dispatch runs one of the commands. of is the command whose own they are, "" for the
// program.
func dispatch(ctx context.Context, e *environment, of string, all []command, args []string) error {
	begin := ""
	if of != "" {
		begin = of + ": "
	}
	if len(args) == 0 {
		return usagef("%sno command given\n\n%s", begin, overview(of, all))
	}
	name, rest := args[0], args[1:]
	switch name {
	case "help":
		if len(rest) == 0 {
			break
		}
		name, rest = rest[0], append(slices.Clone(rest[1:]), "-h")
	case "-h", "-help", "--help":
		name = "help"
	}
	if name == "help" {
		fmt.Fprint(e.stdout, overview(of, all))
		return nil
	}
	var names []string
	for _, c := range all {
		switch {
		case c.name != name:
			names = append(names, c.name)
		case c.own != nil:
			return dispatch(ctx, e, c.name, c.own, rest)
		default:
			return c.run(ctx, e, rest)
		}
	}
	meant := ""
	if near := nearest(name, names); near != "" {
		meant = "; did you mean " + near + "?"
	}
	return usagef("%sno command %q%s\n\n%s", begin, name, meant, overview(of, all))
}

// overview lists commands.
func overview(of string, all []command) string {
	var b strings.Builder
	call := "cosmicman"
	if of == "" {
		b.WriteString("cosmicman draws images of people from text")
	} else {
		call += " " + of
		b.WriteString(call + ": " + summaryOf(of))
	}
	b.WriteString("\n\ncommands:\n")
	for _, c := range all {
		fmt.Fprintf(&b, "  %-10s %s\n", c.name, c.summary)
	}
	fmt.Fprintf(&b, "\n%s COMMAND -h tells more of one\n", call)
	return b.String()
}

// summaryOf is what is said of a command, "" for one of a command that does something by
// itself, such as queue retry.
func summaryOf(name string) (summary string) {
	all := commands()
	for part := range strings.FieldsSeq(name) {
		i := slices.IndexFunc(all, func(c command) bool { return c.name == part })
		if i < 0 {
			return ""
		}
		summary, all = all[i].summary, all[i].own
	}
	return summary
}
