package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cosmicman/internal/spelling"
)

// Settings are flags that can also stand in the environment and in one YAML file. A flag on
// the command line comes before the environment, that before the file, and that before the
// default. Flag --max-jobs is the variable COSMICMAN_MAX_JOBS and the key max-jobs; flags
// that can be repeated are separated by semicolons in the environment and a list in the file.

const (
	envPrefix      = "COSMICMAN_"
	configVariable = envPrefix + "CONFIG"
	configOff      = "off"
)

// configured are the commands that take settings. Those that serve take every flag of theirs
// from the top of the file and the environment; the others those that serving ones have too.
var configured = map[string]bool{"serve": true, "worker": true, "queue": true, "queue retry": true, "queue drop": true, "generate": true, "bench": true}

// servers are the commands whose flags are the settings.
var servers = []string{"serve", "worker"}

// rehearsal is what a command does in the place of running.
type rehearsal struct {
	flags    func(*flag.FlagSet)                    // is told the flags, which are not read; nil: they are
	settings func(*flag.FlagSet, map[string]origin) // is told them once they are set
	fault    func(string)                           // is told what is wrong with settings
	check    bool                                   // go on to what else is checked before it runs
}

// origin is where a flag's value comes from.
type origin struct {
	where  string // "flag", a variable, FILE:LINE or "default"
	values []string
}

// flagsOf returns the flags of a command that takes settings.
func flagsOf(command string) (found *flag.FlagSet) {
	e := &environment{getenv: func(string) string { return "" }, rehearsal: &rehearsal{flags: func(fs *flag.FlagSet) { found = fs }}}
	if err := rehearse(context.Background(), e, command, nil); err != nil || found == nil {
		panic(fmt.Sprintf("the flags of %s: %v", command, err)) // they do not depend on anything
	}
	return found
}

// rehearse is a command that does not run.
func rehearse(ctx context.Context, e *environment, command string, args []string) error {
	switch command {
	case "serve":
		return serve(ctx, e, args)
	case "worker":
		return work(ctx, e, args)
	case "queue":
		return queue(ctx, e, args)
	case "generate":
		return generate(ctx, e, args)
	case "bench":
		return bench(ctx, e, args)
	}
	return usagef("the command %s takes no settings", command)
}

func variableOf(name string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// repeats reports whether a flag adds up.
func repeats(f *flag.Flag) bool { return fmt.Sprintf("%T", f.Value) == "flag.funcValue" }

// configPath is the file of settings, "" for none.
func configPath(e *environment, given string) (string, error) {
	path := given
	if path == "" {
		path = e.getenv(configVariable)
	}
	switch path {
	case configOff:
		return "", nil
	case "":
	default:
		return path, nil
	}
	dir := e.getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) {
		if dir = e.getenv("HOME"); dir == "" {
			return "", nil
		}
		dir = filepath.Join(dir, ".config")
	}
	path = filepath.Join(dir, "cosmicman", "cosmicman.yaml")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return path, nil
}

// configure sets the flags that are not on the command line.
func configure(e *environment, flags *flag.FlagSet) (from map[string]origin, err error) {
	from = map[string]origin{}
	flags.VisitAll(func(f *flag.Flag) { from[f.Name] = origin{where: "default"} })
	flags.Visit(func(f *flag.Flag) { from[f.Name] = origin{where: "flag"} })
	path, err := configPath(e, flags.Lookup("config").Value.String())
	if err != nil {
		return nil, err
	}
	file := &configFile{}
	var wrong []string
	if path != "" {
		if file, err = readConfig(path); err != nil {
			return nil, usagef("%s: %v", flags.Name(), err)
		}
		wrong = file.lines()
	}
	settings := settingNames()
	flags.VisitAll(func(f *flag.Flag) {
		if from[f.Name].where != "default" || f.Name == "config" {
			return
		}
		at, found := fromEnvironment(e, f, settings, from)
		if !found {
			at, found = file.lookup(flags.Name(), f.Name, settings)
		}
		if !found {
			return
		}
		if f.Name == "model" && !slices.Contains(servers, flags.Name()) {
			at.values = at.values[:1] // the default one
		}
		for _, v := range at.values {
			if err := flags.Set(f.Name, v); err != nil {
				if strings.HasPrefix(at.where, envPrefix) { // the file's were told already
					wrong = append(wrong, fmt.Sprintf("%s is %q, expected %s", at.where, v, takes(f, err)))
				}
				return
			}
		}
		from[f.Name] = at
	})
	if e.rehearsal != nil && e.rehearsal.fault != nil {
		for _, f := range wrong {
			e.rehearsal.fault(f)
		}
		return from, nil
	}
	var errs []error
	for _, f := range wrong {
		errs = append(errs, usagef("%s: %s", flags.Name(), f))
	}
	return from, errors.Join(errs...)
}

// settingNames are the flags of those that serve.
func settingNames() map[string]bool {
	names := map[string]bool{}
	for _, c := range servers {
		flagsOf(c).VisitAll(func(f *flag.Flag) { names[f.Name] = true })
	}
	// What a worker is told by whoever starts it is no setting.
	for _, n := range []string{"config", "lifeline"} {
		delete(names, n)
	}
	return names
}

// fromEnvironment looks for a flag's variable. An empty one counts as none.
func fromEnvironment(e *environment, f *flag.Flag, settings map[string]bool, from map[string]origin) (origin, bool) {
	if !settings[f.Name] {
		return origin{}, false
	}
	name := variableOf(f.Name)
	text := e.getenv(name)
	if text == "" && f.Name == "redis" && from["socket"].where != "flag" {
		name = redisVariable
		text = e.getenv(name)
	}
	if text == "" {
		return origin{}, false
	}
	values := []string{text}
	if repeats(f) {
		values = strings.FieldsFunc(text, func(r rune) bool { return r == ';' })
		for i := range values {
			values[i] = strings.TrimSpace(values[i])
		}
	}
	return origin{name, values}, len(values) > 0
}

// takes says what a flag takes; err is why it did not take something.
func takes(f *flag.Flag, err error) string {
	switch kindOf(f) {
	case "bool":
		return "true or false"
	case "int":
		return "a whole number"
	case "float":
		return "a number"
	case "duration":
		return "a duration such as 30s or 5m"
	}
	if text, is := strings.CutPrefix(err.Error(), "expected "); is {
		return text
	}
	return f.Usage
}

// nearest is the name that was probably meant, "" where none is near.
func nearest(name string, names []string) string {
	best, least := "", max(2, len(name)/3)+1
	for _, n := range names {
		if d := spelling.Distance(name, n); d < least {
			best, least = n, d
		}
	}
	return best
}
