package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strconv"
	"time"

	"cosmicman/train"
	"cosmicman/train/loop"
)

// Line is an object of journal.jsonl. What a kind does not have is left out. All but the
// times, the speed and the notes is the same in each run with the same settings.
type Line struct {
	Kind string `json:"kind"` // begin, step, held, checkpoint, samples, note, end
	Step int64  `json:"step"`
	// Of a step; of held too are the losses, the images and the time that it took.
	Epoch           number  `json:"epoch,omitzero"`
	Loss            *number `json:"loss,omitempty"`
	Parts           parts   `json:"parts,omitempty"`
	AverageLoss     *number `json:"average_loss,omitempty"` // of held: under the average of the weights
	AverageParts    parts   `json:"average_parts,omitempty"`
	LearningRate    *number `json:"learning_rate,omitempty"`
	GradientNorm    *number `json:"gradient_norm,omitempty"`
	Images          int64   `json:"images,omitempty"`
	Lost            int64   `json:"lost,omitempty"`
	Skipped         string  `json:"skipped,omitempty"`
	ImagesPerSecond number  `json:"images_per_second,omitzero"`
	Seconds         number  `json:"seconds,omitzero"`
	Waited          number  `json:"waited_seconds,omitzero"`
	Elapsed         number  `json:"elapsed_seconds,omitzero"`
	// Of the others.
	Steps      int64     `json:"steps,omitempty"`
	Resumed    string    `json:"resumed,omitempty"`
	Parameters int64     `json:"parameters,omitempty"`
	Folder     string    `json:"folder,omitempty"`
	Bytes      int64     `json:"bytes,omitempty"`
	Prompts    []string  `json:"prompts,omitempty"`
	Text       string    `json:"text,omitempty"`
	Error      string    `json:"error,omitempty"`
	Time       time.Time `json:"time,omitzero"`
}

// The kinds of lines.
const (
	kindBegin      = "begin"
	kindStep       = "step"
	kindHeld       = "held"
	kindCheckpoint = "checkpoint"
	kindSamples    = "samples"
	kindNote       = "note"
	kindEnd        = "end"
)

// number is a float64 that JSON can hold: what is not finite is null, as pandas writes
// and reads it.
type number float64

func (n number) MarshalJSON() ([]byte, error) {
	if f := float64(n); math.IsNaN(f) || math.IsInf(f, 0) {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, float64(n), 'g', -1, 64), nil
}

func (n *number) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*n = number(math.NaN())
		return nil
	}
	return json.Unmarshal(data, (*float64)(n))
}

// parts are losses by their names, in the task's order.
type parts []train.Part

func (p parts) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, part := range p {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := json.Marshal(part.Name)
		if err != nil {
			return nil, err
		}
		value, err := number(part.Value).MarshalJSON()
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, name...), ':'), value...)
	}
	return append(b, '}'), nil
}

func (p *parts) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	switch t, err := d.Token(); {
	case err != nil:
		return err
	case t != json.Delim('{'):
		return fmt.Errorf("losses are %v, expected an object", t)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var value number
		if err := d.Decode(&value); err != nil {
			return err
		}
		text, _ := name.(string)
		*p = append(*p, train.Part{Name: text, Value: float64(value)})
	}
	return nil
}

func of(f float64) *number { n := number(f); return &n }

func stepLine(r loop.StepReport) Line {
	l := Line{
		Kind: kindStep, Step: r.Step, Epoch: number(r.Epoch), Loss: of(r.Losses.Total), Parts: r.Losses.Parts,
		LearningRate: of(r.LearningRate), GradientNorm: of(r.GradientNorm), Images: r.Images, Lost: r.Lost, Skipped: r.Skipped,
		ImagesPerSecond: number(r.ImagesPerSecond), Seconds: seconds(r.Took), Waited: seconds(r.Waited), Elapsed: seconds(r.Elapsed),
	}
	if l.Losses() == nil {
		l.Loss = nil
	}
	return l
}

// Losses of a step or of what was held out, nil where there are none.
func (l Line) Losses() *train.Losses {
	if l.Loss == nil || l.Kind == kindStep && len(l.Parts) == 0 && *l.Loss == 0 {
		return nil
	}
	return &train.Losses{Total: float64(*l.Loss), Parts: l.Parts}
}

func heldLine(r loop.HeldReport) Line {
	l := Line{Kind: kindHeld, Step: r.Step, Loss: of(r.Losses.Total), Parts: r.Losses.Parts, Images: r.Images, Seconds: seconds(r.Took)}
	if r.Average != nil {
		l.AverageLoss, l.AverageParts = of(r.Average.Total), r.Average.Parts
	}
	return l
}

func seconds(d time.Duration) number { return number(d.Round(time.Microsecond).Seconds()) }

// ReadLines reads a journal.jsonl. A last line that is torn and lines that are no JSON, as
// a disk leaves them that lost its power, are left out. A file that is not there has none.
func ReadLines(path string) ([]Line, error) {
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	lines, _, _ := parseLines(data, func(Line) bool { return true })
	return lines, nil
}

// until keeps the lines of a run until the state from which it goes on: what was told of
// later steps, by a process that was killed, is void.
func until(r loop.BeginReport) func(Line) bool {
	return func(l Line) bool {
		switch {
		case r.Resumed == "": // it begins
			return false
		case l.Kind == kindHeld:
			return l.Step <= r.Held
		}
		return l.Step <= r.Step
	}
}

// parseLines reads the lines that are wanted and gives their bytes, and the number of
// those that cannot be read.
func parseLines(data []byte, want func(Line) bool) (lines []Line, kept []byte, bad int) {
	kept = make([]byte, 0, len(data))
	for len(data) > 0 {
		line, rest, whole := bytes.Cut(data, []byte("\n"))
		if !whole {
			break
		}
		data = rest
		var l Line
		if json.Unmarshal(line, &l) != nil || l.Kind == "" {
			bad++
			continue
		}
		if !want(l) {
			continue
		}
		lines = append(lines, l)
		kept = append(append(kept, line...), '\n')
	}
	return lines, kept, bad
}
