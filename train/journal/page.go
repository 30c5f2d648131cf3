package journal

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"strings"
	"time"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("report").Parse(pageText))

// page is what the template shows.
type page struct {
	Title, State string
	Bad          bool
	Numbers      []Fact
	Charts       []chart
	Strips       []strip
	Tables       []table
	Checkpoints  []kept
	Notes        []Line
}

// strip is what a prompt's images were over time.
type strip struct {
	Prompt string
	Images []thumb
}

type thumb struct {
	Step   int64
	Source template.URL
}

type table struct {
	Title string
	Facts []Fact
}

type kept struct {
	Step                int64
	Folder, Size, Error string
}

// Bounds of the page's images: it holds them itself.
const (
	pagePrompts = 12
	pageSteps   = 8
)

func (j *Journal) render() ([]byte, error) {
	h := &j.history
	p := page{Title: j.options.Title, Numbers: h.numbers(), Charts: h.charts(), Notes: h.notes}
	if p.Title == "" {
		p.Title = "Training"
	}
	p.State, p.Bad = h.state(j.options.Now())
	p.Tables = []table{{"Settings", j.options.Settings}, {"Data", j.options.Data}, {"Machine", j.options.Machine}}
	for _, c := range h.checkpoints {
		k := kept{Step: c.Step, Folder: c.Folder, Error: c.Error}
		if c.Error == "" {
			k.Size = size(c.Bytes)
		}
		p.Checkpoints = append(p.Checkpoints, k)
	}
	steps := some(j.samples.steps(), pageSteps)
	for i, prompt := range h.prompts {
		if i == pagePrompts {
			break
		}
		s := strip{Prompt: prompt}
		for _, step := range steps {
			if small := j.samples.thumb(step, i); small != nil {
				s.Images = append(s.Images, thumb{step, template.URL("data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(small))})
			}
		}
		p.Strips = append(p.Strips, s)
	}
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, p); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// state says in a sentence where the run is.
func (h *history) state(now time.Time) (text string, bad bool) {
	when := "on " + now.UTC().Format("2006-01-02 at 15:04 UTC")
	switch {
	case h.end == nil:
		return fmt.Sprintf("Step %d of %d %s.", h.steps, h.begin.Steps, when), false
	case h.end.Error != "":
		return fmt.Sprintf("Ended at step %d of %d %s: %s", h.steps, h.begin.Steps, when, h.end.Error), true
	case h.steps < h.begin.Steps:
		return fmt.Sprintf("Stopped after step %d of %d %s.", h.steps, h.begin.Steps, when), false
	}
	return fmt.Sprintf("All %d steps were made, the last %s.", h.begin.Steps, when), false
}

// numbers at the head of the page.
func (h *history) numbers() (out []Fact) {
	add := func(name, format string, values ...any) {
		out = append(out, Fact{name, fmt.Sprintf(format, values...)})
	}
	add("steps of "+label(float64(h.begin.Steps)), "%d", h.steps)
	if h.steps > 0 {
		add("epochs", "%.4g", float64(h.last.Epoch))
		add("images seen", "%d", h.last.Images)
	}
	if c := h.curves["loss"]; c != nil {
		s := chartLine{curve: c}.smoothed()
		add("loss, smoothed", "%.4g", s[len(s)-1])
	}
	for _, of := range []struct{ curve, name string }{{"held", "held-out loss"}, {"average", "held-out loss, averaged weights"}} {
		if c := h.curves[of.curve]; c != nil {
			best := 0
			for i, v := range c.values {
				if v < c.values[best] {
					best = i
				}
			}
			add(of.name, "%.4g", c.values[len(c.values)-1])
			if best < len(c.values)-1 {
				add(fmt.Sprintf("its lowest, at step %d", c.steps[best]), "%.4g", c.values[best])
			}
		}
	}
	if h.steps > 0 {
		add("images a second, of late", "%.3g", float64(h.last.ImagesPerSecond))
		add("time", "%s", span(time.Duration(float64(h.last.Elapsed)*float64(time.Second))))
	}
	if h.begin.Parameters > 0 {
		add("parameters that learn", "%s", label(float64(h.begin.Parameters)))
	}
	if h.last.Lost > 0 {
		add("unreadable images", "%d", h.last.Lost)
	}
	if h.skipped > 0 {
		add("steps that changed nothing", "%d", h.skipped)
	}
	return out
}

const learningRate = "Learning rate"

// charts of all curves: the loss beside what was held out, its parts, and the rest.
func (h *history) charts() (out []chart) {
	line := func(name, curve, class string, mean, dots bool) []chartLine {
		if c := h.curves[curve]; c != nil {
			return []chartLine{{name, class, c, mean, dots}}
		}
		return nil
	}
	add := func(title string, lines ...[]chartLine) {
		c := chart{Title: title, linear: title == learningRate}
		for _, l := range lines {
			c.lines = append(c.lines, l...)
		}
		if len(c.lines) > 0 {
			out = append(out, c)
		}
	}
	add("Loss", line("trained on", "loss", "c0", true, false), line("held out", "held", "c1", false, true),
		line("held out, averaged weights", "average", "c2", false, true))
	var names []string
	for _, name := range h.names {
		if part, is := strings.CutPrefix(name, "loss/"); is {
			names = append(names, part)
		}
	}
	if len(names) > 1 {
		for _, part := range names {
			add("Part of the loss: "+part, line("trained on", "loss/"+part, "c3", true, false), line("held out", "held/"+part, "c1", false, true),
				line("held out, averaged weights", "average/"+part, "c2", false, true))
		}
	}
	add(learningRate, line("learning rate", "rate", "c4", false, false))
	add("Gradient norm, before it is bounded", line("norm", "norm", "c5", true, false))
	add("Images a second", line("images/s", "speed", "c2", true, false))
	return out
}
