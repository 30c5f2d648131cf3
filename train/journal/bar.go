package journal

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"cosmicman/train"
	"cosmicman/train/loop"
)

// bar shows where a run is: on a terminal in its last line, which is written anew at each
// step, elsewhere as a line now and then.
type bar struct {
	to       io.Writer
	terminal bool
	columns  func() int
	every    time.Duration
	now      func() time.Time

	smooth map[string]*smoothed
	last   time.Time
	shown  bool
}

// smoothed is a moving average that begins with the mean of what there is.
type smoothed struct{ sum, weight float64 }

// keep is the share of a smoothed value that stays at a step.
const keep = 0.98

func (s *smoothed) add(v float64) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return
	}
	s.sum, s.weight = keep*s.sum+(1-keep)*v, keep*s.weight+(1-keep)
}

func (s *smoothed) value() float64 { return s.sum / s.weight }

// learn adds a step's losses to the smoothed ones.
func (b *bar) learn(l train.Losses) {
	if l.Total == 0 && len(l.Parts) == 0 {
		return
	}
	b.add("loss", l.Total)
	if len(l.Parts) > 1 {
		for _, p := range l.Parts {
			b.add(p.Name, p.Value)
		}
	}
}

func (b *bar) step(r loop.StepReport) {
	b.learn(r.Losses)
	if b.to == nil {
		return
	}
	if now := b.now(); b.terminal || b.last.IsZero() || now.Sub(b.last) >= b.every || r.Step == r.Steps {
		if b.terminal && now.Sub(b.last) < 50*time.Millisecond && r.Step != r.Steps {
			return // faster than anybody reads
		}
		b.last = now
		b.show(b.text(r))
	}
}

func (b *bar) add(name string, v float64) {
	if b.smooth == nil {
		b.smooth = map[string]*smoothed{}
	}
	if b.smooth[name] == nil {
		b.smooth[name] = &smoothed{}
	}
	b.smooth[name].add(v)
}

// text is a step in words, the most wanted first.
func (b *bar) text(r loop.StepReport) []string {
	words := []string{fmt.Sprintf("step %d of %d", r.Step, r.Steps)}
	if b.terminal { // whose lines are short
		words[0] = fmt.Sprintf("%s %d/%d", gauge(float64(r.Step)/float64(max(r.Steps, 1))), r.Step, r.Steps)
	}
	loss := func(name string) {
		if s := b.smooth[name]; s != nil && s.weight > 0 {
			words = append(words, fmt.Sprintf("%s %.4g", name, s.value()))
		}
	}
	loss("loss")
	parts := r.Losses.Parts
	for i, p := range parts {
		if i > 0 { // the first is most of the loss
			loss(p.Name)
		}
	}
	words = append(words, fmt.Sprintf("%.3g images/s", r.ImagesPerSecond))
	if r.Step < r.Steps {
		words = append(words, span(r.Left.Round(time.Second))+" left")
	}
	if len(parts) > 1 {
		loss(parts[0].Name)
	}
	if r.Took > 0 && float64(r.Waited) > 0.05*float64(r.Took) {
		words = append(words, fmt.Sprintf("%.0f %% of it waiting for data", 100*float64(r.Waited)/float64(r.Took)))
	}
	words = append(words, "epoch "+strconv.FormatFloat(math.Round(100*r.Epoch)/100, 'f', -1, 64))
	if r.Lost > 0 {
		words = append(words, fmt.Sprintf("%d unreadable", r.Lost))
	}
	if r.Skips > 0 {
		words = append(words, fmt.Sprintf("%d skipped", r.Skips))
	}
	return words
}

// gauge is eight characters that fill.
func gauge(share float64) string {
	const wide, parts = 8, " ▏▎▍▌▋▊▉█"
	eighths := int(math.Round(8 * wide * min(max(share, 0), 1)))
	var g strings.Builder
	for range wide {
		n := min(eighths, 8)
		eighths -= n
		g.WriteRune([]rune(parts)[n])
	}
	return "▕" + g.String() + "▏"
}

// span is a time as people say it: 0.4s, 45s, 12m 03s, 3h 20m, 2d 4h.
func span(d time.Duration) string {
	switch d = max(d, 0); {
	case d > 0 && d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm %02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh %02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd %dh", int(d.Hours())/24, int(d.Hours())%24)
}

// show writes words, on a terminal as many as fit into a line.
func (b *bar) show(words []string) {
	if !b.terminal {
		fmt.Fprintln(b.to, strings.Join(words, "  "))
		return
	}
	line, wide := words[0], 80
	if b.columns != nil {
		if n := b.columns(); n > 0 {
			wide = n
		}
	}
	for _, w := range words[1:] {
		if utf8.RuneCountInString(line)+2+utf8.RuneCountInString(w) >= wide {
			break
		}
		line += "  " + w
	}
	b.shown = true
	fmt.Fprint(b.to, "\r\x1b[K", line)
}

// say writes a line above the bar.
func (b *bar) say(text string) {
	if b.to == nil {
		return
	}
	b.end()
	fmt.Fprintln(b.to, printable(text))
}

// end leaves the bar's line.
func (b *bar) end() {
	if b.shown {
		fmt.Fprint(b.to, "\r\x1b[K")
		b.shown = false
	}
}

// printable is a text that commands nothing to a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
}
