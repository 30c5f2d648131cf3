package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
)

// measured is one line of the scheduler's benchmark.
type measured struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"` // "x" for ratios
	// Least or Most is the bar; zero for a line that has none.
	Least float64 `json:"least,omitempty"`
	Most  float64 `json:"most,omitempty"`
	Note  string  `json:"note,omitempty"`
}

// met reports whether the value reaches the bar, ratios to the nearest hundredth.
func (m measured) met() bool {
	v := m.Value
	if m.Unit == "x" {
		v = math.Round(v*100) / 100
	}
	return (m.Least == 0 || v >= m.Least) && (m.Most == 0 || v <= m.Most)
}

func (m measured) print(w io.Writer) {
	bar, verdict := "", ""
	switch {
	case m.Least > 0:
		bar = fmt.Sprintf("at least %.4g", m.Least)
	case m.Most > 0:
		bar = fmt.Sprintf("at most %.4g", m.Most)
	}
	if bar != "" {
		verdict = "reached"
		if !m.met() {
			verdict = "MISSED"
		}
	}
	fmt.Fprintf(w, "%-78s %8s %-9s %-14s %-8s %s\n", m.Name, digits(m.Value), m.Unit, bar, verdict, m.Note)
}

// digits writes four significant digits, and all of a larger number's.
func digits(v float64) string {
	if math.Abs(v) >= 1000 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.4g", v)
}

// schedulerBench is one run of the benchmark.
type schedulerBench struct {
	redis string // URL, "" for a server of its own
	dir   string // an empty folder on the disk to measure
	quick bool
	add   func(measured)
}

// times returns n, or less where the benchmark is to be quick.
func (b *schedulerBench) times(n, quick int) int {
	if b.quick {
		return quick
	}
	return n
}

func benchScheduler(ctx context.Context, e *environment, args []string) (err error) {
	fs := flag.NewFlagSet("bench scheduler", flag.ContinueOnError)
	var b schedulerBench
	fs.StringVar(&b.redis, "redis", "", "URL of a Redis to measure with (default: a redis-server of its own, if one is installed)")
	data := fs.String("data", "", "folder on the disk to measure; what is written there is removed (default: the system's temporary folder)")
	asJSON := fs.Bool("json", false, "print one JSON object")
	fs.BoolVar(&b.quick, "quick", false, "measure for a shorter time")
	if err := parse(e, fs, args); err != nil {
		return helped(err)
	}
	if b.dir, err = os.MkdirTemp(*data, "cosmicman-bench-"); err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	report := struct {
		CPU     string     `json:"cpu"`
		Threads int        `json:"threads"`
		Lines   []measured `json:"lines"`
	}{CPU: cpuName(), Threads: runtime.NumCPU()}
	b.add = func(m measured) {
		report.Lines = append(report.Lines, m)
		if !*asJSON {
			m.print(e.stdout)
		}
	}
	if !*asJSON {
		fmt.Fprintf(e.stdout, "%s, %d threads\n", report.CPU, report.Threads)
	}
	for _, part := range []func(context.Context) error{b.idle, b.saturated, b.mixed, b.embedded, b.overRedis, b.cancelling, b.deep} {
		if err := errors.Join(part(ctx), ctx.Err()); err != nil {
			return err
		}
	}
	if *asJSON {
		return json.NewEncoder(e.stdout).Encode(report)
	}
	return nil
}
