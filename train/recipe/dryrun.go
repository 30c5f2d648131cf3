package recipe

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"math"
	"slices"
	"strings"

	"cosmicman/prompt"
	"cosmicman/train"
	"cosmicman/train/dataset"
	"cosmicman/train/journal"
)

// SheetFile is where DryRun leaves what the run would see.
const SheetFile = "dry-run.png"

const sheetSamples = 8

// DryRun tells what the run would do, and writes a sheet of samples as it would see
// them: their captions, in which each phrase that describes a part has a colour, and the
// parts in it. What its memory and the disk have too little room for is the error.
func (r *Run) DryRun(ctx context.Context) error {
	r.tell()
	for _, s := range r.facts.Sources {
		line := fmt.Sprintf("  %s: %d images", s.Path, s.Images)
		if s.Held > 0 {
			line += fmt.Sprintf(", %d held out", s.Held)
		}
		if s.Maps > 0 {
			line += fmt.Sprintf(", %d with parsing maps, of %d of which captions name a part", s.Maps, s.Masked)
		}
		r.say("%s", line)
	}
	if len(r.facts.Empty) > 0 && r.config.Teach != TeachText {
		sizes := make([]string, len(r.facts.Empty))
		for i, s := range r.facts.Empty {
			sizes[i] = s.String()
		}
		r.say("  sizes without an image: %s", strings.Join(sizes, ", "))
	}
	sheet := journal.Sheet{Columns: 4, Title: []journal.Run{{Text: fmt.Sprintf("What %s would see", lastName(r.config.Output)), Bold: true}}}
	for i, v := range r.firstVisits(sheetSamples) {
		cell, line, err := r.sample(ctx, v)
		if err != nil {
			return err
		}
		cell.Title = fmt.Sprintf("%d", i+1)
		sheet.Cells = append(sheet.Cells, cell)
		r.say("  %d: %s", i+1, line)
	}
	path := r.path(SheetFile)
	if err := sheet.Write(path, false); err != nil {
		return err
	}
	r.say("%s shows them", path)
	return r.Room()
}

// firstVisits are the first visits of the run, of different images where there are.
func (r *Run) firstVisits(n int) (visits []dataset.Visit) {
	seen := map[*dataset.Item]bool{}
	for b := int64(0); b < int64(r.facts.Batches) && len(visits) < n; b++ {
		for _, v := range r.set.Batch(b) {
			if !seen[v.Item] && len(visits) < n {
				visits = append(visits, v)
			}
			seen[v.Item] = true
		}
	}
	return visits
}

// sample is a visit for people.
func (r *Run) sample(ctx context.Context, v dataset.Visit) (cell journal.Cell, line string, err error) {
	p, err := r.set.Picture(ctx, v)
	if err != nil {
		return cell, "", err
	}
	c := r.set.Caption(v)
	windows, cut, err := r.texts.Windows(c.Text)
	if err != nil {
		return cell, "", err
	}
	labels := map[uint8]color.NRGBA{}
	counts := map[uint8]int{}
	for _, l := range p.Map.Labels {
		counts[l]++
	}
	var groups []string
	at := 0
	for i, phrase := range c.Phrases {
		if phrase.Span[0] < at { // a phrase within another has its colour
			continue
		}
		tone := journal.GroupColor(i)
		cell.Caption = append(cell.Caption, journal.Run{Text: c.Text[at:phrase.Span[0]]}, journal.Run{Text: c.Text[phrase.Span[0]:phrase.Span[1]], Color: tone})
		at = phrase.Span[1]
		pixels := 0
		for _, l := range phrase.Labels {
			if _, taken := labels[l]; !taken {
				labels[l] = tone
			}
			pixels += counts[l]
		}
		if phrase.Foreground {
			pixels = len(p.Map.Labels) - counts[0]
		}
		groups = append(groups, describe(phrase, windows[0], c.Text, pixels, len(p.Map.Labels)))
	}
	cell.Caption = append(cell.Caption, journal.Run{Text: c.Text[at:]})
	img := journal.Overlay(imageOf(p.Width, p.Height, p.Pixels), p.Map, func(l uint8) (color.NRGBA, bool) {
		tone, is := labels[l]
		return tone, is
	}, 0.4)
	cell.Image = img
	tokens := len(windows[0].Spans)
	line = fmt.Sprintf("%s as %s", v.Item.Name, v.Size)
	if v.Flip {
		line += ", mirrored"
	}
	line += fmt.Sprintf(", %d tokens", tokens)
	if cut != "" {
		line += fmt.Sprintf(", cut off: %q", cut)
	}
	if len(groups) > 0 {
		line += ": " + strings.Join(groups, ", ")
	}
	return cell, line, nil
}

// describe is a phrase with how much stands for it.
func describe(p dataset.Phrase, w prompt.Window, text string, pixels, all int) string {
	name := p.Group.String()
	if p.Shot {
		name = "shot"
	}
	span := train.TokenSpan(w, text, p.Span)
	if all == 0 { // no map
		return fmt.Sprintf("%s (%d tokens)", name, span[1]-span[0])
	}
	if len(p.Labels) == 0 && !p.Foreground {
		return fmt.Sprintf("%s (%d tokens, no part)", name, span[1]-span[0])
	}
	return fmt.Sprintf("%s (%d tokens, %.1f %% of the pixels)", name, span[1]-span[0], 100*float64(pixels)/float64(all))
}

// imageOf turns values [3, height, width] from -1 to 1 into pixels.
func imageOf(width, height int, values []float32) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, width, height))
	n := width * height
	for i := range n {
		for c := range 3 {
			img.Pix[4*i+c] = uint8(math.Round(min(max(float64(values[c*n+i])*127.5+127.5, 0), 255)))
		}
		img.Pix[4*i+3] = 255
	}
	return img
}

// tell says what the run is about to do.
func (r *Run) tell() {
	for _, n := range slices.Concat(r.notes) {
		r.say("note: %s", n)
	}
	r.say("%s", r.Summary())
}
