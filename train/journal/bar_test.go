package journal

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"cosmicman/train"
	"cosmicman/train/loop"
)

// screen is what a terminal's last line shows after some output, and the lines before.
func screen(out string) (above []string, last string) {
	lines := strings.Split(out, "\n")
	for i, l := range lines {
		parts := strings.Split(l, "\r\x1b[K")
		lines[i] = parts[len(parts)-1]
	}
	return lines[:len(lines)-1], lines[len(lines)-1]
}

func TestBarOnATerminal(t *testing.T) {
	var out bytes.Buffer
	wide := 100
	b := bar{to: &out, terminal: true, columns: func() int { return wide }, now: clock()}
	r := loop.StepReport{
		Step: 250, Steps: 1000, Epoch: 2.5, Losses: train.Losses{Total: 0.5, Parts: []train.Part{{Name: "noise", Value: 0.2}, {Name: "hola", Value: 0.3}}},
		ImagesPerSecond: 3.21, Took: time.Second, Waited: 200 * time.Millisecond, Left: 3*time.Hour + 7*time.Minute, Lost: 1, Skips: 2,
	}
	b.step(r)
	const want = "▕██      ▏ 250/1000  loss 0.5  hola 0.3  3.21 images/s  3h 07m left  noise 0.2"
	if _, last := screen(out.String()); last != want {
		t.Errorf("%q, want %q", last, want)
	}
	for wide = range 200 {
		out.Reset()
		b.step(r)
		_, last := screen(out.String())
		if n := utf8.RuneCountInString(last); n > max(wide, 30) && wide > 0 {
			t.Errorf("%d characters in %d columns", n, wide)
		}
	}
	if _, last := screen(out.String()); !strings.HasSuffix(last, "noise 0.2  20 % of it waiting for data  epoch 2.5  1 unreadable  2 skipped") {
		t.Errorf("%q", last)
	}
	b.say("a note \x1b[31mthat\ncolours")
	b.step(r)
	above, last := screen(out.String())
	if above[0] != "a note  [31mthat colours" || !strings.Contains(last, " 250/") {
		t.Errorf("%q, %q", above, last)
	}
	long := stepOfRun(123_456, 200_000)
	long.Left = 100*time.Hour + 30*time.Minute
	wide = 80
	b.step(long)
	if _, last := screen(out.String()); !strings.Contains(last, "hola") || !strings.Contains(last, "images/s") || !strings.HasSuffix(last, "4d 4h left") {
		t.Errorf("80 columns: %q", last)
	}
	b.end()
	if _, last := screen(out.String()); last != "" {
		t.Errorf("%q is left", last)
	}
}

func TestBarWithoutATerminal(t *testing.T) {
	var out bytes.Buffer
	b := bar{to: &out, every: 10 * time.Second, now: clock()} // a second each step
	for n := range int64(35) {
		b.step(stepOfRun(n+1, 35))
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 5 || strings.ContainsAny(out.String(), "\r\x1b▕") {
		t.Errorf("%q", lines)
	}
	for i, want := range []string{"step 1 of 35", "step 11 of 35", "step 21 of 35", "step 31 of 35", "step 35 of 35"} {
		if !strings.HasPrefix(lines[i], want) {
			t.Errorf("%q, want %s", lines[i], want)
		}
	}
	if strings.Contains(lines[4], "left") {
		t.Errorf("at the end: %q", lines[4])
	}
}

func TestSmoothed(t *testing.T) {
	var s smoothed
	for range 3 {
		s.add(2)
	}
	if v := s.value(); v < 1.999 || v > 2.001 {
		t.Errorf("%g", v)
	}
	for range 300 {
		s.add(5)
	}
	if v := s.value(); v < 4.9 || v > 5 {
		t.Errorf("%g", v)
	}
}

func TestSpanAndSize(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 350 * time.Millisecond: "0.3s", 59 * time.Second: "59s", 61 * time.Second: "1m 01s", 125 * time.Minute: "2h 05m", 50 * time.Hour: "2d 2h",
	} {
		if got := span(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1 kB", 1_234_567: "1.23 MB", 999_600: "1 MB", 13_800_000_000: "13.8 GB"} {
		if got := size(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
