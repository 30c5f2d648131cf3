package main

import (
	"fmt"
	"time"
)

// progress shows one image's steps on one line of a terminal.
type progress struct {
	e     *environment
	label string
	quiet bool
	shown bool
}

func (p *progress) show(done, all int, spent time.Duration) {
	if p.quiet || !p.e.terminal {
		return
	}
	p.shown = true
	if done == 0 {
		fmt.Fprintf(p.e.stderr, "\r\x1b[K%s  step 0 of %d", p.label, all)
		return
	}
	each := spent / time.Duration(done)
	left := (each * time.Duration(all-done)).Round(time.Second)
	fmt.Fprintf(p.e.stderr, "\r\x1b[K%s  step %d of %d  %.2f s each  %v left", p.label, done, all, each.Seconds(), left)
}

func (p *progress) end() {
	if p.shown {
		fmt.Fprint(p.e.stderr, "\r\x1b[K")
	}
}
