package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"cosmicman/inference"
)

// stage is one line of the benchmark. Seconds is the median of the repeats.
type stage struct {
	Name    string  `json:"name"`
	Rows    int     `json:"rows,omitempty"`
	Width   int     `json:"width,omitempty"`
	Height  int     `json:"height,omitempty"`
	Seconds float64 `json:"seconds"`
	Min     float64 `json:"min_seconds"`
	Repeats int     `json:"repeats"`
	// Memory of the process after the stage, in bytes: its own (anonymous), and
	// files that are mapped.
	Anonymous int64 `json:"rss_anon_bytes"`
	Mapped    int64 `json:"rss_file_bytes"`
}

type benchReport struct {
	CPU     string  `json:"cpu"`
	Threads int     `json:"threads"`
	Runtime string  `json:"runtime"`
	Model   string  `json:"model"`
	Stages  []stage `json:"stages"`
	Peak    int64   `json:"peak_rss_bytes"`
}

// benchSize is one size to time.
type benchSize struct{ width, height int }

func bench(ctx context.Context, e *environment, args []string) error {
	if len(args) > 0 && args[0] == "scheduler" {
		return benchScheduler(ctx, e, args[1:])
	}
	if len(args) > 0 && args[0] == "train" {
		return benchTrain(ctx, e, args[1:])
	}
	var m modelFlags
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	m.register(fs)
	sizes := fs.String("sizes", "", "WxH,... in pixels (default: the model's)")
	rows := fs.String("rows", "1,2", "rows of the UNet's batch, 1 or 2 an image")
	repeat := fs.Int("repeat", 3, "times each stage is run after a first one that is not counted")
	decode := fs.Bool("decode", true, "time the VAE's decoder")
	asJSON := fs.Bool("json", false, "print one JSON object")
	var adapted drawing
	fs.Func("lora", "FILE[:WEIGHT]: a LoRA; steps with it are timed too, in turn with those without; repeatable", adapted.addLoRA)
	if err := parse(e, fs, args); err != nil {
		return helped(err)
	}
	if err := m.check("bench"); err != nil {
		return err
	}
	if *repeat < 1 {
		return usagef("bench: --repeat is %d, expected at least 1", *repeat)
	}
	var counts []int
	for _, s := range strings.Split(*rows, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 64 {
			return usagef("bench: --rows holds %q, expected numbers from 1 to 64", s)
		}
		counts = append(counts, n)
	}
	want, err := parseSizes(*sizes)
	if err != nil {
		return err
	}
	return m.bench(ctx, e, benchPlan{want, counts, *repeat, *decode, *asJSON, &adapted})
}

func parseSizes(s string) ([]benchSize, error) {
	if s == "" {
		return nil, nil
	}
	var out []benchSize
	for _, part := range strings.Split(s, ",") {
		w, h, ok := strings.Cut(part, "x")
		width, err1 := strconv.Atoi(w)
		height, err2 := strconv.Atoi(h)
		if !ok || err1 != nil || err2 != nil {
			return nil, usagef("bench: --sizes holds %q, expected WxH", part)
		}
		out = append(out, benchSize{width, height})
	}
	return out, nil
}

type benchPlan struct {
	sizes  []benchSize
	rows   []int
	repeat int
	decode bool
	json   bool
	lora   *drawing // whose LoRAs are timed
}

func (m *modelFlags) bench(ctx context.Context, e *environment, plan benchPlan) (err error) {
	report := benchReport{CPU: cpuName(), Threads: m.settings.Threads, Model: m.model}
	if report.Threads == 0 {
		report.Threads = runtime.NumCPU()
	}
	add := func(s stage, seconds ...float64) {
		slices.Sort(seconds)
		s.Seconds, s.Min, s.Repeats = seconds[len(seconds)/2], seconds[0], len(seconds)
		s.Anonymous, s.Mapped, report.Peak = memory()
		report.Stages = append(report.Stages, s)
		if !plan.json {
			size := ""
			if s.Width > 0 {
				size = fmt.Sprintf("%dx%d", s.Width, s.Height)
			}
			fmt.Fprintf(e.stdout, "%-14s rows %-2d %-10s %8.3f s  (least %.3f of %d)  own memory %s, mapped %s\n",
				s.Name, s.Rows, size, s.Seconds, s.Min, s.Repeats, size9(s.Anonymous), size9(s.Mapped))
		}
	}
	begin := time.Now()
	m.settings.TextCache = -1 // one text is encoded again and again
	mod, err := m.open(e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, mod.Close()) }()
	report.Runtime = "onnxruntime " + mod.runtime.Version() + " cpu fp32"
	if !plan.json {
		fmt.Fprintf(e.stdout, "%s, %d threads, %s, %s\n", report.CPU, report.Threads, report.Runtime, m.model)
	}
	if err := mod.Warm(); err != nil {
		return err
	}
	add(stage{Name: "load"}, time.Since(begin).Seconds())
	if len(plan.sizes) == 0 {
		w, h := mod.NativeSize()
		plan.sizes = []benchSize{{w, h}}
	}
	if err := plan.lora.openLoRAs(mod.Model); err != nil {
		return err
	}
	b := bencher{mod.Model, plan, add}
	for i, s := range plan.sizes {
		if err := b.size(ctx, s, i == 0); err != nil {
			return err
		}
	}
	if plan.json {
		return json.NewEncoder(e.stdout).Encode(report)
	}
	fmt.Fprintf(e.stdout, "peak memory %s\n", size9(report.Peak))
	return nil
}

type bencher struct {
	m    *inference.Model
	plan benchPlan
	add  func(stage, ...float64)
}

// size times the stages at one size: the text encoders (once), UNet steps by
// rows, and the decoder.
func (b bencher) size(ctx context.Context, s benchSize, first bool) error {
	request := func(guidance float64) *inference.Request {
		return &inference.Request{
			Prompt: "A full-body shot, an Asian adult female, fit, a beige wall, white cotton shirt", Sampler: "euler",
			Steps: b.plan.repeat + 1, GuidanceScale: guidance, Seed: 17, Width: s.width, Height: s.height,
		}
	}
	if first {
		var times []float64
		for range b.plan.repeat + 1 {
			t := time.Now()
			if _, err := b.m.Sequences(ctx, request(1), 1); err != nil {
				return wrongFlags("bench", err)
			}
			times = append(times, time.Since(t).Seconds())
		}
		b.add(stage{Name: "text_encoders", Rows: 1}, times[1:]...)
	}
	var last *inference.Sequence
	for _, rows := range b.plan.rows {
		guidance := 1.0
		images := rows
		if rows%2 == 0 {
			guidance, images = 7.5, rows/2
		}
		kinds := []string{"unet_step"}
		requests := []*inference.Request{request(guidance)}
		if with := b.plan.lora.request.LoRAs; len(with) > 0 {
			r := request(guidance)
			r.LoRAs = with
			kinds, requests = append(kinds, "unet_step_lora"), append(requests, r)
		}
		seqs, times := make([][]*inference.Sequence, len(kinds)), make([][]float64, len(kinds))
		for i, r := range requests {
			var err error
			if seqs[i], err = b.m.Sequences(ctx, r, images); err != nil {
				return wrongFlags("bench", err)
			}
		}
		for !seqs[0][0].Done() {
			for i := range kinds {
				t := time.Now()
				if err := b.m.Step(ctx, seqs[i]...); err != nil {
					return err
				}
				times[i] = append(times[i], time.Since(t).Seconds())
			}
		}
		for i, kind := range kinds {
			b.add(stage{Name: kind, Rows: rows, Width: s.width, Height: s.height}, times[i][1:]...)
		}
		last = seqs[0][0]
	}
	if !b.plan.decode || last == nil {
		return nil
	}
	var times []float64
	for range b.plan.repeat + 1 {
		t := time.Now()
		if _, err := b.m.Decode(ctx, last); err != nil {
			return err
		}
		times = append(times, time.Since(t).Seconds())
	}
	b.add(stage{Name: "vae_decode", Rows: 1, Width: s.width, Height: s.height}, times[1:]...)
	return nil
}

func size9(n int64) string { return fmt.Sprintf("%.2f GB", float64(n)/1e9) }

// memory reads the process's own and mapped resident bytes and its peak; zeros
// where the system does not tell.
func memory() (anonymous, mapped, peak int64) {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, 0, 0
	}
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kb, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil {
			continue
		}
		switch f[0] {
		case "RssAnon:":
			anonymous = kb << 10
		case "RssFile:":
			mapped = kb << 10
		case "VmHWM:":
			peak = kb << 10
		}
	}
	return anonymous, mapped, peak
}

func cpuName() string {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for line := range strings.Lines(string(data)) {
			if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
				return strings.TrimSpace(v)
			}
		}
	}
	return runtime.GOARCH
}
