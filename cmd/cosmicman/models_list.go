package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"strings"
	"text/tabwriter"

	"cosmicman/weights"
	"cosmicman/weights/hub"
)

// modelList is what models list --json prints.
type modelList struct {
	Cache  string       `json:"cache"`
	Models []hub.Cached `json:"models"`
	Known  []knownModel `json:"known"`
}

// knownModel is a known name, and whether it can be used.
type knownModel struct {
	hub.Known
	Usable  bool     `json:"usable"`
	Missing []string `json:"missing"`
}

func listModels(e *environment, args []string) error {
	flags := flag.NewFlagSet("models list", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print one JSON object")
	if err := parse(e, flags, args); err != nil {
		return helped(err)
	}
	list := modelList{Cache: weights.HubCache(e.getenv), Models: []hub.Cached{}}
	c, err := hub.OpenCache(list.Cache)
	switch {
	case err == nil:
		list.Models, err = c.List()
		if err = errors.Join(err, c.Close()); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist): // where there is no cache, nothing is in it
		return err
	}
	for _, k := range hub.AllKnown() {
		list.Known = append(list.Known, lookAt(k, list.Cache))
	}
	if *asJSON {
		return json.NewEncoder(e.stdout).Encode(list)
	}
	return list.print(e)
}

// lookAt says whether a known model can be used.
func lookAt(k hub.Known, cache string) knownModel {
	out := knownModel{Known: k, Missing: []string{}}
	r, err := weights.Inspect(k.Base, weights.Options{UNet: k.UNet, HubCache: cache})
	switch {
	case err != nil:
		out.Missing = append(out.Missing, strings.Split(err.Error(), "\n")...)
	default:
		out.Missing = append(out.Missing, r.Faults...)
	}
	out.Usable = len(out.Missing) == 0
	return out
}

func (l *modelList) print(e *environment) error {
	fmt.Fprintf(e.stdout, "in %s\n", l.Cache)
	if len(l.Models) == 0 {
		fmt.Fprintln(e.stdout, "  nothing")
	}
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	for _, m := range l.Models {
		name := m.Name
		if len(m.Refs) > 0 && m.Refs[0] != "main" {
			name += "@" + m.Refs[0]
		}
		fmt.Fprintf(w, "  %s\t%.12s\t%s\t%s\n", name, m.Commit, size(m.Bytes), stateOf(m))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "\nknown names\n")
	for _, k := range l.Known {
		state := "can be used"
		if !k.Usable {
			state = "`cosmicman models pull " + k.Name + "` fetches it"
		}
		fmt.Fprintf(w, "  %s\t%s with the UNet of %s\t%s\n", k.Name, k.Base, k.UNet, state)
	}
	return w.Flush()
}

func stateOf(m hub.Cached) string {
	state := string(m.Family)
	switch {
	case m.UNetAlone:
		state = "a UNet alone (--unet)"
	case m.NoUNet:
		state += " without a UNet (--unet)"
	case !m.Usable:
		faults := strings.Join(m.Faults, "; ")
		if faults == "" {
			faults = "no model of a family that can be drawn with"
		}
		state = "cannot be used: " + faults
	}
	if m.Partial > 0 {
		state += fmt.Sprintf("; %s of files that are not whole", size(m.Partial))
	}
	return state
}

func removeModel(e *environment, args []string) (err error) {
	flags := flag.NewFlagSet("models rm", flag.ContinueOnError)
	if err := parse(e, flags, args, "REF"); err != nil {
		return helped(err)
	}
	name := flags.Arg(0)
	if k, is := hub.Lookup(name); is {
		return usagef("models rm: %s stands for two models, which others may use too: `models rm %s` and `models rm %s` remove them", name, k.UNet, k.Base)
	}
	ref, err := weights.ParseHubRef(name)
	if err != nil {
		return usagef("models rm: %v", err)
	}
	revision := ""
	if strings.Contains(name, "@") {
		revision = ref.Revision
	}
	c, err := hub.OpenCache(weights.HubCache(e.getenv))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	gone, err := c.Remove(ref, revision)
	if err != nil {
		return err
	}
	for _, commit := range gone.Commits {
		fmt.Fprintf(e.stdout, "removed %s  %s\n", ref.Name, commit)
	}
	fmt.Fprintf(e.stdout, "%s are free again\n", size(gone.Bytes))
	return nil
}
