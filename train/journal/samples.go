package journal

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	_ "image/png" // the samples that were drawn before
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"cosmicman/artifact"
	"cosmicman/picture"
)

const samplesFolder = "samples"

// Sample is an image that was drawn with what was learned so far.
type Sample struct {
	Prompt string
	Title  string // such as the seed, before the prompt; may be empty
	Image  image.Image
}

// samples are a folder of what was drawn: step-00000100/01.png and so on, a sheet of them
// step-00000100.png, and for each prompt prompt-01.png, a strip of what it was over time.
type samples struct {
	dir    string
	thumbs map[string][]byte // for the page, by the file that they are of
}

// Samples keeps what was drawn after a step, in the prompts' order, as files, in
// TensorBoard's, and on the page. The error is noted as well.
func (j *Journal) Samples(step int64, drawn []Sample) error {
	err := j.keep(step, drawn)
	j.check(samplesFolder, err)
	if err != nil {
		return fmt.Errorf("the samples of step %d: %w", step, err)
	}
	var prompts []string
	for _, s := range drawn {
		prompts = append(prompts, s.Prompt)
	}
	j.line(Line{Kind: kindSamples, Step: step, Prompts: prompts, Folder: filepath.Join(samplesFolder, stepName(step))})
	j.page()
	return nil
}

func (j *Journal) keep(step int64, drawn []Sample) error {
	if len(drawn) == 0 {
		return errors.New("there are none")
	}
	dir := filepath.Join(j.samples.dir, stepName(step))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	s := Sheet{Title: []Run{{Text: fmt.Sprintf("Step %d", step), Bold: true}}, Columns: min(len(drawn), 4)}
	for i, d := range drawn {
		s.Cells = append(s.Cells, Cell{Image: d.Image, Title: d.Title, Caption: Plain(d.Prompt)})
		data, err := picture.Encode(nrgba(d.Image), picture.PNG, 0, picture.Meta{Parameters: d.Prompt, Synthetic: true})
		if err != nil {
			return err
		}
		if err := artifact.WriteFile(filepath.Join(dir, imageName(i)), data); err != nil {
			return err
		}
	}
	size, data, err := s.write(dir+".png", true)
	if err != nil {
		return err
	}
	j.event(func(e *events) error { return e.image(step, "samples", size, data) })
	for i, d := range drawn {
		if err := j.samples.strip(i, d.Prompt); err != nil {
			return err
		}
	}
	return nil
}

func stepName(step int64) string { return fmt.Sprintf("step-%08d", step) }
func imageName(i int) string     { return fmt.Sprintf("%02d.png", i+1) }

// stepOf is the step that a file or folder of samples is named after.
func stepOf(name string) (int64, bool) {
	digits, is := strings.CutPrefix(strings.TrimSuffix(name, ".png"), "step-")
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, is && err == nil && n >= 0 && stepName(n) == "step-"+digits
}

// cut removes what was drawn after a step by a process that was killed.
func (s *samples) cut(step int64) error {
	files, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	s.thumbs = nil
	for _, f := range files {
		if n, is := stepOf(f.Name()); is && n > step {
			err = errors.Join(err, os.RemoveAll(filepath.Join(s.dir, f.Name())))
		}
	}
	return err
}

// steps are those of which there are samples, in their order.
func (s *samples) steps() (all []int64) {
	files, err := os.ReadDir(s.dir)
	if err != nil {
		return nil
	}
	for _, f := range files {
		if n, is := stepOf(f.Name()); is && f.IsDir() {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all
}

// maxStrip is how many images a strip has at most.
const maxStrip = 12

// some are at most n of all, evenly, with the first and the last.
func some[T any](all []T, n int) []T {
	if len(all) <= n {
		return all
	}
	var out []T
	for i := range n {
		out = append(out, all[i*(len(all)-1)/(n-1)])
	}
	return out
}

// strip draws what a prompt's images were over time.
func (s *samples) strip(i int, prompt string) error {
	steps := some(s.steps(), maxStrip)
	strip := Sheet{Title: Plain(prompt), Columns: len(steps), CellSize: 192}
	for _, step := range steps {
		c := Cell{Title: fmt.Sprintf("step %d", step)}
		data, err := os.ReadFile(filepath.Join(s.dir, stepName(step), imageName(i)))
		if err == nil {
			c.Image, _, err = image.Decode(bytes.NewReader(data))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // there were fewer prompts
			return err
		}
		strip.Cells = append(strip.Cells, c)
	}
	return strip.Write(filepath.Join(s.dir, "prompt-"+imageName(i)), true)
}

// thumbSize is the longer side of the page's images.
const thumbSize = 256

// thumb is an image of a step, small and as a JPEG; nil where there is none.
func (s *samples) thumb(step int64, i int) []byte {
	path := filepath.Join(s.dir, stepName(step), imageName(i))
	if have, is := s.thumbs[path]; is {
		return have
	}
	var small []byte
	if data, err := os.ReadFile(path); err == nil {
		if img, _, err := image.Decode(bytes.NewReader(data)); err == nil {
			small, _ = picture.Encode(fit(img, thumbSize), picture.JPEG, 88, picture.Meta{Synthetic: true})
		}
	}
	if s.thumbs == nil {
		s.thumbs = map[string][]byte{}
	}
	s.thumbs[path] = small
	return small
}
