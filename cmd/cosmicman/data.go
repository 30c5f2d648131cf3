package main

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"cosmicman/artifact"
	"cosmicman/dolls"
)

func dataDolls(ctx context.Context, e *environment, args []string) error {
	fs := flag.NewFlagSet("data dolls", flag.ContinueOnError)
	o := dolls.Options{}
	fs.IntVar(&o.Count, "count", 0, "how many people to draw")
	fs.Uint64Var(&o.Seed, "seed", 0, "everything follows from it")
	size := fs.String("size", "128", "pixels a side, or WIDTHxHEIGHT")
	style := fs.String("style", string(dolls.Shaded), "shaded: figures with light and outlines; pixel: pixel art on a grid of 64")
	fs.BoolVar(&o.Simple, "simple", false, "few shots, backgrounds, garments and colours, nothing patterned: what a small model learns first")
	sheet := fs.String("sheet", "", fmt.Sprintf("a .png to look at: the first %d people side by side", dolls.SheetPeople))
	if err := parse(e, fs, args, "OUT"); err != nil {
		return helped(err)
	}
	o.Style = dolls.Style(*style)
	var ok bool
	o.Width, o.Height, ok = parseSize(*size)
	given := false
	fs.Visit(func(f *flag.Flag) { given = given || f.Name == "count" })
	switch {
	case !given:
		return usagef("data dolls: --count is required: how many people to draw")
	case o.Count < 1 || o.Count > dolls.MaxCount:
		return usagef("data dolls: --count is %d, expected 1 to %d", o.Count, dolls.MaxCount)
	case !ok || min(o.Width, o.Height) < dolls.MinSize || max(o.Width, o.Height) > dolls.MaxSize:
		return usagef("data dolls: --size is %q, expected pixels a side such as 128, or WIDTHxHEIGHT, each %d to %d", *size, dolls.MinSize, dolls.MaxSize)
	case o.Style != dolls.Shaded && o.Style != dolls.Pixel:
		return usagef("data dolls: --style is %q, expected %s or %s", *style, dolls.Shaded, dolls.Pixel)
	}
	if *sheet != "" {
		if strings.ToLower(filepath.Ext(*sheet)) != ".png" {
			return usagef("data dolls: --sheet is %q, expected the name of a .png file", *sheet)
		}
		if err := artifact.CheckWritable(*sheet); err != nil {
			return err
		}
	}
	begun := time.Now()
	if e.terminal {
		var shown atomic.Int64 // the latest count; others come too late
		o.Progress = func(done int) {
			for {
				last := shown.Load()
				if int64(done) <= last {
					return
				}
				if shown.CompareAndSwap(last, int64(done)) {
					break
				}
			}
			fmt.Fprintf(e.stderr, "\r\x1b[K%d of %d people", done, o.Count)
		}
	}
	err := dolls.Write(ctx, fs.Arg(0), o)
	if e.terminal {
		fmt.Fprint(e.stderr, "\r\x1b[K")
	}
	if err == nil && *sheet != "" {
		err = dolls.WriteSheet(*sheet, o)
	}
	if err != nil {
		return err
	}
	spent := time.Since(begun)
	fmt.Fprintf(e.stderr, "%d people in %.1f s, %.0f a second: %s\n", o.Count, spent.Seconds(), float64(o.Count)/spent.Seconds(), filepath.Join(fs.Arg(0), filepath.FromSlash(dolls.LabelFile)))
	return nil
}

// parseSize reads "128" or "96x128".
func parseSize(text string) (width, height int, ok bool) {
	w, h, two := strings.Cut(text, "x")
	if !two {
		h = w
	}
	width, errW := strconv.Atoi(w)
	height, errH := strconv.Atoi(h)
	return width, height, errW == nil && errH == nil
}
