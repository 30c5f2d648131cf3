package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// deadLetters is how many are shown.
const deadLetters = 100

// deadLetter is a failed job, without what it was to draw.
type deadLetter struct {
	ID      job.ID     `json:"id"`
	Model   string     `json:"model"`
	Tenant  string     `json:"tenant,omitempty"`
	Images  int        `json:"images"`
	Created time.Time  `json:"created"`
	Ended   time.Time  `json:"ended"`
	Error   *job.Error `json:"error"`
}

// queueReport is what --json prints.
type queueReport struct {
	scheduler.Stats
	Letters []deadLetter `json:"dead_letters"`
}

func queue(ctx context.Context, e *environment, args []string) error {
	if len(args) > 0 && (args[0] == "retry" || args[0] == "drop") {
		return queueChange(ctx, e, args[0], args[1:])
	}
	var s storeFlags
	fs := flag.NewFlagSet("queue", flag.ContinueOnError)
	s.register(fs, false)
	asJSON := fs.Bool("json", false, "print one JSON object")
	if err := parse(e, fs, args); err != nil {
		return helped(err)
	}
	return s.with(ctx, e, "queue", func(q scheduler.Queue) error {
		stats, err := q.Stats(ctx)
		if err != nil {
			return err
		}
		dead, err := q.Dead(ctx, deadLetters)
		if err != nil {
			return err
		}
		r := queueReport{Stats: stats, Letters: []deadLetter{}}
		for _, d := range dead {
			r.Letters = append(r.Letters, deadLetter{d.ID, d.Spec.Model, d.Spec.Tenant, d.Spec.Count, d.Created, d.Ended, d.Error})
		}
		if *asJSON {
			return json.NewEncoder(e.stdout).Encode(r)
		}
		printQueue(e, r, time.Now())
		return nil
	})
}

func queueChange(ctx context.Context, e *environment, what string, args []string) error {
	var s storeFlags
	fs := flag.NewFlagSet("queue "+what, flag.ContinueOnError)
	s.register(fs, false)
	if err := parse(e, fs, args, "ID"); err != nil {
		return helped(err)
	}
	id, err := job.ParseID(fs.Arg(0))
	if err != nil {
		return usagef("queue %s: %v", what, err)
	}
	return s.with(ctx, e, "queue "+what, func(q scheduler.Queue) error {
		if what == "retry" {
			return q.Retry(ctx, id)
		}
		return q.Drop(ctx, id)
	})
}

// with does something with the queue that another process keeps.
func (s *storeFlags) with(ctx context.Context, e *environment, command string, do func(scheduler.Queue) error) (err error) {
	if err := s.checkQueue(command, e); err != nil {
		return err
	}
	if s.redis == "" {
		if err := s.checkData(command, e); err != nil {
			return err
		}
	}
	q, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	if err := do(q); job.KindOf(err) == job.Unavailable && s.redis == "" {
		return fmt.Errorf("no cosmicman serves from %s: %w", s.data, err)
	} else if err != nil {
		return err
	}
	return nil
}

func printQueue(e *environment, r queueReport, now time.Time) {
	w := e.stdout
	fmt.Fprintf(w, "images  %d queued, %d running\njobs    %d not ended, %d dead letters\nwork    %.1f s of device time, estimated\n",
		r.Queued, r.Running, r.Jobs, r.Dead, r.Seconds)
	if !r.Oldest.IsZero() {
		fmt.Fprintf(w, "oldest  waits for %v\n", now.Sub(r.Oldest).Round(time.Second))
	}
	for _, warning := range r.Warning {
		fmt.Fprintf(w, "warning %s\n", warning)
	}
	if len(r.Models) > 0 {
		fmt.Fprintln(w, "\nmodels with queued images")
		for _, name := range slices.Sorted(maps.Keys(r.Models)) {
			fmt.Fprintf(w, "  %-24s %d\n", name, r.Models[name])
		}
	}
	fmt.Fprintf(w, "\n%d workers\n", len(r.Workers))
	for _, k := range r.Workers {
		fmt.Fprintf(w, "  %s  %s  %d images, %d rows  seen %v ago\n", k.ID, k.Device, k.Active, k.Rows, now.Sub(k.Seen).Round(time.Second))
		var loaded, unloaded []string
		for _, o := range k.Models {
			if o.LoadSeconds > 0 {
				unloaded = append(unloaded, o.Model)
			} else {
				loaded = append(loaded, o.Model)
			}
		}
		if len(loaded) > 0 {
			fmt.Fprintf(w, "      loaded     %s\n", strings.Join(loaded, ", "))
		}
		if len(unloaded) > 0 {
			fmt.Fprintf(w, "      not loaded %s\n", strings.Join(unloaded, ", "))
		}
		for _, name := range slices.Sorted(maps.Keys(k.Broken)) {
			fmt.Fprintf(w, "      broken     %s: %s\n", name, k.Broken[name])
		}
	}
	if len(r.Letters) > 0 {
		fmt.Fprintln(w, "\ndead letters, newest first")
		for _, d := range r.Letters {
			fmt.Fprintf(w, "  %s  %s  %d images  failed %v ago: %s\n", d.ID, d.Model, d.Images, now.Sub(d.Ended).Round(time.Second), reason(d.Error))
		}
	}
}

func reason(e *job.Error) string {
	if e == nil {
		return "no reason is recorded"
	}
	return string(e.Kind) + ": " + e.Message
}
