package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// configFileOf reads the only operand, which may be left out.
func configFileOf(e *environment, flags *flag.FlagSet, args []string) (string, error) {
	if err := parse(e, flags, args, "[FILE]"); err != nil {
		return "", err
	}
	return configPath(e, flags.Arg(0))
}

// checkConfig tells everything that is wrong with the settings, as the commands that take
// them would find it.
func checkConfig(ctx context.Context, e *environment, args []string) error {
	flags := flag.NewFlagSet("config check", flag.ContinueOnError)
	path, err := configFileOf(e, flags, args)
	if err != nil {
		return helped(err)
	}
	wrong, err := settingFaults(ctx, e, path)
	if err != nil {
		return err
	}
	for _, f := range wrong {
		fmt.Fprintln(e.stdout, f)
	}
	for _, n := range strayVariables(e) {
		fmt.Fprintln(e.stdout, "note:", n)
	}
	what := path
	if what == "" {
		what = "the environment (there is no file)"
	}
	if n := len(wrong); n > 0 {
		return fmt.Errorf("%s: %d faults", what, n)
	}
	fmt.Fprintf(e.stdout, "%s: no faults\n", what)
	return nil
}

// settingFaults rehearses the commands that the settings are for.
func settingFaults(ctx context.Context, e *environment, path string) ([]string, error) {
	given := path
	if path == "" {
		given = configOff
	}
	commands := []string{"serve"}
	if path != "" {
		file, err := readConfig(path)
		if err != nil {
			return nil, err
		}
		if _, has := file.sections["worker"]; has {
			commands = append(commands, "worker")
		}
	}
	var all []string
	for _, c := range commands {
		origins := map[string]origin{}
		r := *e
		r.rehearsal = &rehearsal{
			check:    true,
			fault:    func(text string) { all = append(all, text) },
			settings: func(_ *flag.FlagSet, from map[string]origin) { origins = from },
		}
		if err := rehearse(ctx, &r, c, []string{"--config", given}); err != nil {
			for _, text := range faults(err) {
				all = append(all, placed(text, path, origins))
			}
		}
	}
	var out []string
	for _, f := range all {
		if !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	// Those of the file in its order, as editors like them.
	line := regexp.MustCompile(`^` + regexp.QuoteMeta(path) + `:(\d+): `)
	order := func(f string) int {
		if m := line.FindStringSubmatch(f); m != nil && path != "" {
			n, _ := strconv.Atoi(m[1])
			return n
		}
		return math.MaxInt
	}
	slices.SortStableFunc(out, func(a, b string) int { return cmp.Compare(order(a), order(b)) })
	return out, nil
}

// flagFault is how commands begin what is wrong with a flag.
var flagFault = regexp.MustCompile(`^(?:[a-z]+: )?--([a-z][a-z0-9-]*) (.*)$`)

// placed says where a flag was set that a command does not take.
func placed(text, path string, from map[string]origin) string {
	m := flagFault.FindStringSubmatch(text)
	if m == nil {
		if path != "" {
			return path + ": " + text
		}
		return text
	}
	switch at := from[m[1]]; {
	case len(at.values) == 0: // not set: its default does not fit the others, or it is required
		return strings.TrimPrefix(path+": "+m[1]+" "+m[2], ": ")
	case strings.HasPrefix(at.where, envPrefix):
		return at.where + " " + m[2]
	default:
		return at.where + ": " + m[1] + " " + m[2]
	}
}

// strayVariables are those of our name that no command reads.
func strayVariables(e *environment) (notes []string) {
	known := []string{configVariable, redisVariable, envPrefix + "API_KEYS"}
	for name := range settingNames() {
		known = append(known, variableOf(name))
	}
	slices.Sort(known)
	for _, v := range e.environ {
		name, _, _ := strings.Cut(v, "=")
		if strings.HasPrefix(name, envPrefix) && !slices.Contains(known, name) {
			note := name + " is no setting"
			if n := nearest(name, known); n != "" {
				note += "; did you mean " + n + "?"
			}
			notes = append(notes, note)
		}
	}
	slices.Sort(notes)
	return notes
}

// shownSetting is one of config show.
type shownSetting struct {
	Name    string   `json:"name"`
	Values  []string `json:"values"`
	From    string   `json:"from"`
	Command string   `json:"command"`
}

// showConfig tells what the settings of a command are and where each comes from.
func showConfig(ctx context.Context, e *environment, args []string) error {
	flags := flag.NewFlagSet("config show", flag.ContinueOnError)
	command := flags.String("command", "serve", strings.Join(slices.DeleteFunc(slices.Clone(sections), func(s string) bool { return s == "queue" }), ", ")+" or queue: whose settings")
	asJSON := flags.Bool("json", false, "print one JSON object")
	path, err := configFileOf(e, flags, args)
	if err != nil {
		return helped(err)
	}
	if !slices.Contains(sections, *command) {
		return usagef("config show: --command is %q, expected %s", *command, strings.Join(sections, ", "))
	}
	given := path
	if path == "" {
		given = configOff
	}
	var all []shownSetting
	var wrong []string
	r := *e
	r.rehearsal = &rehearsal{
		fault: func(text string) { wrong = append(wrong, text) },
		settings: func(set *flag.FlagSet, from map[string]origin) {
			for _, name := range slices.Sorted(maps.Keys(from)) {
				f, at := set.Lookup(name), from[name]
				if name == "config" {
					continue
				}
				values := []string{f.Value.String()}
				if repeats(f) {
					values = at.values
				}
				for i := range values {
					values[i] = masked(name, values[i])
				}
				all = append(all, shownSetting{name, values, at.where, *command})
			}
		},
	}
	// What a command finds wrong with all of them together is for config check.
	if err := rehearse(ctx, &r, *command, []string{"--config", given}); err != nil && len(all) == 0 {
		return err
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "\n"))
	}
	if *asJSON {
		return json.NewEncoder(e.stdout).Encode(map[string]any{"file": path, "settings": all})
	}
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	for _, s := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\n", s.Name, strings.Join(s.Values, "; "), s.From)
	}
	return w.Flush()
}

// secret are the flags whose values are not shown.
var secret = regexp.MustCompile(`(?:^|-)(?:keys?|token|password|secret)$`)

// masked hides what is secret in a value: all of it, or the user's name and password in an
// address.
func masked(name, value string) string {
	if value == "" || !secret.MatchString(name) && !strings.Contains(value, "@") {
		return value
	}
	if secret.MatchString(name) && !strings.HasPrefix(name, "tls-") {
		return "***"
	}
	if u, err := url.Parse(value); err == nil && u.User != nil {
		u.User = url.User("***")
		return strings.Replace(u.String(), "%2A%2A%2A", "***", 1)
	}
	return value
}
