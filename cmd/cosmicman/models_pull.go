package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"cosmicman/weights"
	"cosmicman/weights/hub"
)

// pulling is the command models pull.
type pulling struct {
	e       *environment
	unet    string
	variant string
	asJSON  bool
	bar     *pullProgress
}

func pullModel(ctx context.Context, e *environment, args []string) (err error) {
	p := &pulling{e: e}
	fs := flag.NewFlagSet("models pull", flag.ContinueOnError)
	fs.StringVar(&p.unet, "unet", "", "org/name[@revision] whose UNet replaces the model's; the model's own is not fetched")
	fs.StringVar(&p.variant, "variant", "", "weight files to prefer, such as fp16")
	fs.BoolVar(&p.asJSON, "json", false, "print one JSON object")
	parallel := fs.Int("parallel", 4, "files that are fetched at once, 1 to 16")
	if err := parse(e, fs, args, "REF"); err != nil {
		return helped(err)
	}
	if *parallel < 1 || *parallel > 16 {
		return usagef("models pull: --parallel is %d, expected 1 to 16", *parallel)
	}
	requests, ref, err := p.requests(fs.Arg(0))
	if err != nil {
		return err
	}
	if hub.True(e.getenv("HF_HUB_OFFLINE")) {
		return fmt.Errorf("HF_HUB_OFFLINE is set, so nothing is fetched; %s", p.inCache(ref))
	}
	token, err := hub.Token(e.getenv)
	if err != nil {
		return err
	}
	p.bar = &pullProgress{out: e.stderr, terminal: e.terminal}
	h, err := hub.New(hub.Config{
		Endpoint: e.getenv("HF_ENDPOINT"), Token: token, Cache: weights.HubCache(e.getenv), Parallel: *parallel,
		Proxy: http.ProxyFromEnvironment, Watch: p.bar.show, Logf: p.bar.logf,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	var done []*hub.Pulled
	for _, q := range requests {
		one, err := h.Pull(ctx, q)
		if errors.Is(err, weights.ErrNoVariant) && len(requests) > 1 {
			q.Variant = "" // the other part may have it
			one, err = h.Pull(ctx, q)
		}
		p.bar.end()
		switch {
		case ctx.Err() != nil:
			fmt.Fprintln(e.stderr, "what has come is kept; the same command goes on from there")
			return ctx.Err()
		case err != nil:
			if r, there := p.usable(ref); there && r != nil {
				err = fmt.Errorf("%w; what is in the cache can be used all the same", err)
			}
			return err
		}
		done = append(done, one)
	}
	return p.tell(ref, done)
}

// requests are the models to fetch: one, or a pipeline and a UNet.
func (p *pulling) requests(name string) ([]hub.Request, modelRef, error) {
	ref := modelRef{Ref: name, UNet: p.unet, Variant: p.variant, HubCache: weights.HubCache(p.e.getenv)}
	if k, is := hub.Lookup(name); is { // a folder of that name is not asked for here
		ref.Known, ref.Ref = k.Name, k.Base
		if ref.UNet == "" {
			ref.UNet = k.UNet
		}
	}
	base, err := weights.ParseHubRef(ref.Ref)
	if err != nil {
		return nil, ref, usagef("models pull: %v; known names: %s", err, strings.Join(knownNames(), ", "))
	}
	if ref.UNet == "" {
		return []hub.Request{{Ref: base, Variant: p.variant}}, ref, nil
	}
	unet, err := weights.ParseHubRef(ref.UNet)
	if err != nil {
		return nil, ref, usagef("models pull: --unet: %v", err)
	}
	return []hub.Request{
		{Ref: base, Want: weights.WithoutUNet, Variant: p.variant},
		{Ref: unet, Want: weights.UNetAlone, Variant: p.variant},
	}, ref, nil
}

func knownNames() (names []string) {
	for _, k := range hub.AllKnown() {
		names = append(names, k.Name)
	}
	return names
}

// usable looks at what is in the cache; it is false where it cannot be used.
func (p *pulling) usable(ref modelRef) (*weights.Report, bool) {
	r, err := weights.Inspect(ref.Ref, weights.Options{UNet: ref.UNet, HubCache: ref.HubCache})
	return r, err == nil && len(r.Faults) == 0
}

func (p *pulling) inCache(ref modelRef) string {
	if _, is := p.usable(ref); is {
		return "what is in the cache can be used as it is"
	}
	return "and it is not in the cache whole"
}

// pulled is what --json prints.
type pulled struct {
	Model    string       `json:"model"`
	UNet     string       `json:"unet,omitempty"`
	Family   string       `json:"family,omitempty"`
	Fetched  int64        `json:"fetched_bytes"`
	Parts    []pulledPart `json:"parts"`
	Commands []string     `json:"next"`
}

type pulledPart struct {
	ID       string `json:"id"`
	Revision string `json:"revision"`
	Dir      string `json:"dir"`
	Files    int    `json:"files"`
	Bytes    int64  `json:"bytes"`
	Fetched  int64  `json:"fetched_bytes"`
}

// tell says what is there now, and what to do with it.
func (p *pulling) tell(ref modelRef, done []*hub.Pulled) error {
	r, whole := p.usable(ref)
	out := pulled{Model: ref.Ref, UNet: ref.UNet}
	if r != nil {
		out.Family = string(r.Family)
	}
	for _, d := range done {
		out.Fetched += d.Fetched
		out.Parts = append(out.Parts, pulledPart{d.Ref.Name, d.Commit, d.Dir, d.Files, d.Bytes, d.Fetched})
	}
	if !p.asJSON {
		for _, d := range out.Parts {
			fmt.Fprintf(p.e.stdout, "%s  %s  %d files, %s, of which %s were fetched\n  %s\n", d.ID, d.Revision, d.Files, size(d.Bytes), size(d.Fetched), d.Dir)
		}
	}
	if !whole {
		why := "its files cannot be read"
		if r != nil && len(r.Faults) > 0 {
			why = strings.Join(r.Faults, "; ")
		}
		return fmt.Errorf("%s was fetched whole, and cannot be used: %s", ref.Ref, why)
	}
	out.Commands = p.next(ref, r)
	if p.asJSON {
		return json.NewEncoder(p.e.stdout).Encode(out)
	}
	fmt.Fprintf(p.e.stdout, "\nnext:\n")
	for _, c := range out.Commands {
		fmt.Fprintln(p.e.stdout, "  "+c)
	}
	return nil
}

// next are commands that use the model.
func (p *pulling) next(ref modelRef, r *weights.Report) []string {
	served, drawn := "--model "+ref.Ref, "--model "+ref.Ref
	switch {
	case ref.Known != "" && p.unet == "":
		served, drawn = "--model "+ref.Known, "--model "+ref.Known
	case ref.UNet != "":
		served, drawn = served+" --unet "+ref.UNet, drawn+" --unet "+ref.UNet
	case r.Family == "": // a network alone
		served, drawn = "--model BASE --unet "+ref.Ref, "--model BASE --unet "+ref.Ref
	}
	if p.variant != "" {
		served, drawn = served+" --variant "+p.variant, drawn+" --variant "+p.variant
	}
	return []string{"cosmicman serve " + served, `cosmicman generate ` + drawn + ` --prompt "A full-body shot, an adult female, fit, a white wall, blue denim jacket, white sneakers"`}
}

// pullProgress shows how far a pull is: on a terminal in one line, elsewhere a line for each
// file and one now and then.
type pullProgress struct {
	out      io.Writer
	terminal bool

	mu    sync.Mutex
	last  hub.Progress
	shown bool
	// The speed is that of the last seconds.
	samples []pullSample
	told    time.Time
}

type pullSample struct {
	at   time.Time
	done int64
}

const (
	speedOver = 10 * time.Second
	tellEvery = 15 * time.Second
)

func (p *pullProgress) show(s hub.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if s.Ref != p.last.Ref {
		p.samples, p.told = nil, now
	}
	p.last = s
	p.samples = append(p.samples, pullSample{now, s.Done})
	for len(p.samples) > 2 && now.Sub(p.samples[0].at) > speedOver {
		p.samples = p.samples[1:]
	}
	state := fmt.Sprintf("%d of %d files, %s of %s%s", s.Files, s.AllFiles, size(s.Done), size(s.Total), p.speed())
	switch {
	case p.terminal:
		p.shown = true
		fmt.Fprintf(p.out, "\r\x1b[K%s  %s", s.Ref, state)
	case s.Finished != "":
		fmt.Fprintf(p.out, "%s: %s (%s)\n", s.Ref, s.Finished, state)
		p.told = now
	case now.Sub(p.told) >= tellEvery:
		fmt.Fprintf(p.out, "%s: %s\n", s.Ref, state)
		p.told = now
	}
}

// speed is bytes a second and the time that is left.
func (p *pullProgress) speed() string {
	first, last := p.samples[0], p.samples[len(p.samples)-1]
	over, came := last.at.Sub(first.at), last.done-first.done
	if over < time.Second/2 || came <= 0 {
		return ""
	}
	each := float64(came) / over.Seconds()
	left := time.Duration(float64(p.last.Total-p.last.Done) / each * float64(time.Second))
	return fmt.Sprintf(", %s/s, %v left", size(int64(each)), left.Round(time.Second))
}

func (p *pullProgress) logf(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	fmt.Fprintf(p.out, format+"\n", args...)
}

func (p *pullProgress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}

func (p *pullProgress) clear() {
	if p.shown {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.shown = false
	}
}
