package pack

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"cosmicman/job"
)

// fileVersion is that of the files of learned costs; one of another version is ignored.
const fileVersion = 1

// Bounds on what a file may say.
const (
	mostBytes = 16 << 20
	mostRows  = 1 << 16
)

type costFile struct {
	Version     int         `json:"version"`
	Fingerprint string      `json:"fingerprint"`
	Model       string      `json:"model"`
	LoadSeconds float64     `json:"load_seconds,omitempty"`
	Groups      []costGroup `json:"groups"`
}

type costGroup struct {
	Variant string     `json:"variant,omitempty"`
	Height  int        `json:"height"`
	Width   int        `json:"width"`
	Tokens  int        `json:"tokens"`
	Tried   int        `json:"tried,omitempty"`       // most rows that went well
	Memory  int        `json:"memory_rows,omitempty"` // most rows after running out of memory
	Decode  float64    `json:"decode_seconds,omitempty"`
	Steps   []costStep `json:"steps"`
}

type costStep struct {
	Rows    int     `json:"rows"`
	Seconds float64 `json:"seconds"`
	Samples int     `json:"samples"`
}

// FileName returns the name of the file of a model's costs on an engine.
func FileName(fingerprint, model string) string {
	sum := sha256.Sum256([]byte(fingerprint + "\x00" + model))
	return "costs-" + hex.EncodeToString(sum[:8]) + ".json"
}

// Save writes what is known of a model on an engine into a folder, whole or not at
// all.
func (b *Book) Save(dir, fingerprint, model string) error {
	f := costFile{Version: fileVersion, Fingerprint: fingerprint, Model: model, LoadSeconds: b.LoadSeconds(model), Groups: []costGroup{}}
	for _, g := range b.groups {
		if g.Model != model || len(g.curve.cells) == 0 && g.cap == 0 {
			continue
		}
		steps := []costStep{}
		for _, c := range g.curve.cells {
			steps = append(steps, costStep{Rows: c.rows, Seconds: c.seconds, Samples: c.samples.count})
		}
		f.Groups = append(f.Groups, costGroup{Variant: g.Variant, Height: g.Height, Width: g.Width, Tokens: g.Tokens,
			Tried: g.tried, Memory: g.cap, Decode: g.decode.median(), Steps: steps})
	}
	slices.SortFunc(f.Groups, func(x, y costGroup) int {
		if before(x.group(model), y.group(model)) {
			return -1
		}
		return 1
	})
	data, err := json.MarshalIndent(f, "", "\t")
	if err != nil {
		return fmt.Errorf("learned costs of %s: %w", model, err)
	}
	return write(filepath.Join(dir, FileName(fingerprint, model)), append(data, '\n'))
}

// write puts a file under its name once all of it is on disk.
func write(name string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".costs-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// Load reads what Save wrote. No file is no error. A file that is corrupt, of
// another version, or of another engine or model is an error that names it, and
// changes nothing: costs are learned anew.
func (b *Book) Load(dir, fingerprint, model string) error {
	name := filepath.Join(dir, FileName(fingerprint, model))
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Size() > mostBytes {
		return fmt.Errorf("%s: %d bytes are too many for learned costs", name, info.Size())
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var f costFile
	if err := json.Unmarshal(data, &f); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := f.check(fingerprint, model); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	b.take(f)
	return nil
}

func (f *costFile) check(fingerprint, model string) error {
	switch {
	case f.Version != fileVersion:
		return fmt.Errorf("version is %d, expected %d", f.Version, fileVersion)
	case f.Fingerprint != fingerprint || f.Model != model:
		return fmt.Errorf("holds the costs of another engine or model")
	case f.LoadSeconds != 0 && !measurable(f.LoadSeconds):
		return fmt.Errorf("load_seconds is %v, which is no duration", f.LoadSeconds)
	case len(f.Groups) > mostGroups:
		return fmt.Errorf("%d groups, at most %d expected", len(f.Groups), mostGroups)
	}
	for _, g := range f.Groups {
		if g.Height < 1 || g.Width < 1 || g.Tokens < 0 || g.Tried < 0 || g.Tried > mostRows ||
			g.Memory < 0 || g.Memory > mostRows || g.Decode != 0 && !measurable(g.Decode) {
			return fmt.Errorf("group %dx%d/%d: a number is out of range", g.Width, g.Height, g.Tokens)
		}
		last := 0
		for _, s := range g.Steps {
			if s.Rows <= last || s.Rows > mostRows || !measurable(s.Seconds) || s.Samples < 1 {
				return fmt.Errorf("group %dx%d/%d: steps of %d rows: a number is out of range", g.Width, g.Height, g.Tokens, s.Rows)
			}
			last = s.Rows
		}
	}
	return nil
}

func (g costGroup) group(model string) (out job.Group) {
	out.Model, out.Variant, out.Height, out.Width, out.Tokens = model, g.Variant, g.Height, g.Width, g.Tokens
	return out
}

// take enters a file's costs. A remembered median counts as a few samples, so that
// live ones soon outweigh it.
func (b *Book) take(f costFile) {
	remember := func(seconds float64, count int) (s samples) {
		for range min(count, 3) {
			s.add(seconds)
		}
		return s
	}
	if f.LoadSeconds > 0 {
		s := remember(f.LoadSeconds, 1)
		b.load[f.Model] = &s
	}
	for _, from := range f.Groups {
		g := b.Group(from.group(f.Model))
		g.tried, g.cap, g.limit = from.Tried, from.Memory, 0
		if from.Decode > 0 {
			g.decode = remember(from.Decode, 1)
		}
		g.curve = curve{}
		for _, s := range from.Steps {
			g.curve.cells = append(g.curve.cells, &cell{rows: s.Rows, samples: remember(s.Seconds, s.Samples), seconds: s.Seconds})
		}
		g.curve.refit()
	}
}
