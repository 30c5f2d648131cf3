package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"cosmicman/inference"
	"cosmicman/internal/spelling"
	"cosmicman/job"
)

// loras are the LoRA files that requests may name. A folder is looked at when they are
// asked for, so files come and go while the program runs.
type loras struct {
	dir   string            // "": none
	given map[string]string // files outside of a folder, by their names
	rest  time.Duration     // how long ago a file of the folder must have been written: before, it may be half

	mu    sync.Mutex
	files map[string]*loraFile // by name
	asked time.Time
}

// loraFile is one file as it was when it was looked at.
type loraFile struct {
	name, path string
	bytes      int64
	modified   time.Time

	mu     sync.Mutex
	digest string // "" until it is asked for
}

// The bounds of a folder of LoRAs.
const (
	loraExt     = ".safetensors"
	loraRest    = time.Second
	loraAge     = 500 * time.Millisecond // of what is known of the folder
	longestLoRA = 200                    // bytes of a name
	mostLoRAs   = 10000
	loraLevels  = 3 // folders in folders
)

// openLoRAs offers the files of a folder, none with "". The folder must be there.
func openLoRAs(dir string) (*loras, error) {
	l := &loras{dir: dir, rest: loraRest}
	if dir == "" {
		return l, nil
	}
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = errors.New("it is no folder")
	}
	if err != nil {
		return nil, fmt.Errorf("--lora-dir: %w", err)
	}
	return l, nil
}

// all are the files that there are, by name.
func (l *loras) all() ([]*loraFile, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.look(); err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Values(l.files), func(a, b *loraFile) int { return strings.Compare(a.name, b.name) }), nil
}

// find returns a file by its name, nil if there is none.
func (l *loras) find(name string) (*loraFile, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.look()
	return l.files[name], err
}

// add offers a file of any place, and returns the name that it has from now on.
func (l *loras) add(path string) (name string, err error) {
	path, err = filepath.Abs(path)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		return "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.given == nil {
		l.given = map[string]string{}
	}
	base := loraName(path)
	for name, i := base, 2; ; name, i = fmt.Sprintf("%s-%d", base, i), i+1 {
		if old, taken := l.given[name]; !taken || old == path {
			l.given[name], l.asked = path, time.Time{}
			return name, nil
		}
	}
}

// loraName is what a LoRA file is called.
func loraName(path string) string { return strings.TrimSuffix(filepath.Base(path), loraExt) }

// look brings what is known of the files up to date. A file whose size and time are as
// they were is the same.
func (l *loras) look() error {
	if time.Since(l.asked) < loraAge {
		return nil
	}
	now := map[string]*loraFile{}
	note := func(name, path string, info fs.FileInfo) {
		f := &loraFile{name: name, path: path, bytes: info.Size(), modified: info.ModTime()}
		if old := l.files[name]; old != nil && old.path == path && old.bytes == f.bytes && old.modified.Equal(f.modified) {
			f = old
		}
		now[name] = f
	}
	for name, path := range l.given {
		if info, err := os.Stat(path); err == nil {
			note(name, path, info)
		}
	}
	if l.dir != "" {
		if err := l.walk(l.dir, "", note); err != nil {
			return err
		}
	}
	l.files, l.asked = now, time.Now()
	return nil
}

var errManyLoRAs = fmt.Errorf("--lora-dir: more than %d files", mostLoRAs)

func (l *loras) walk(dir, prefix string, note func(name, path string, info fs.FileInfo)) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("--lora-dir: %w", err)
	}
	if len(entries) > mostLoRAs {
		return errManyLoRAs
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path) // links are followed
		switch name, is := strings.CutSuffix(prefix+e.Name(), loraExt); {
		case err != nil || strings.HasPrefix(e.Name(), "."): // gone, or not meant to be seen
		case info.IsDir() && strings.Count(prefix, "/") < loraLevels:
			if err := l.walk(path, prefix+e.Name()+"/", note); err != nil {
				return err
			}
		case !is || !info.Mode().IsRegular() || !plainName(name) || time.Since(info.ModTime()).Abs() < l.rest:
		default:
			note(name, path, info)
		}
	}
	return nil
}

func plainName(name string) bool {
	return name != "" && len(name) <= longestLoRA && utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl)
}

// sum is the file's digest, which is computed once.
func (f *loraFile) sum() (digest string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.digest == "" {
		f.digest, err = inference.FileDigest(f.path)
	}
	return f.digest, err
}

// near is a hint at a name that is spelled like one that is not there.
func (l *loras) near(name string) string {
	files, err := l.all()
	if err != nil || len(files) == 0 {
		return ""
	}
	best, distance := "", len(name)/2+1
	for _, f := range files {
		last := f.name[strings.LastIndexByte(f.name, '/')+1:] // the folder may be left out
		d := min(spelling.Distance(strings.ToLower(name), strings.ToLower(f.name)), spelling.Distance(strings.ToLower(name), strings.ToLower(last)))
		if d < distance {
			best, distance = f.name, d
		}
	}
	if best == "" {
		return "; see GET /v1/loras"
	}
	return fmt.Sprintf("; did you mean %s?", best)
}

// adapters are the LoRA files that were opened for one model. None holds its values.
type adapters struct {
	of    *inference.Model
	files *loras

	mu       sync.Mutex
	known    map[string]*inference.Adapter // by path and digest
	outlines map[*loraFile]outline         // see look
}

const mostAdapters = 1000

// open returns the file of a name as it is now.
func (a *adapters) open(f *loraFile) (*inference.Adapter, error) {
	digest, err := f.sum()
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	key := f.path + "\x00" + digest
	if known := a.known[key]; known != nil {
		return known, nil
	}
	opened, err := a.of.Adapter(f.path)
	if err != nil {
		return nil, err
	}
	if opened.Digest() != digest {
		return nil, inference.ErrAdapterChanged
	}
	if a.known == nil || len(a.known) >= mostAdapters {
		a.known = map[string]*inference.Adapter{}
	}
	a.known[key] = opened
	return opened, nil
}

// resolve finds the LoRAs that a new job names, and notes which files these are.
func (a *adapters) resolve(d *job.Drawing) ([]inference.LoRA, error) {
	var out []inference.LoRA
	for i := range d.LoRAs {
		l := &d.LoRAs[i]
		f, err := a.files.named(i, l.Name)
		if err != nil {
			return nil, err
		}
		opened, err := a.open(f)
		if err != nil {
			return nil, wrongLoRA(i, "the LoRA %s cannot be used with this model: %s", l.Name, f.public(err))
		}
		l.Digest = opened.Digest()
		out = append(out, inference.LoRA{Name: l.Name, Adapter: opened, Weight: l.Weight})
	}
	return out, nil
}

// identify is resolve for a model whose files are not here.
func (l *loras) identify(d *job.Drawing) error {
	for i := range d.LoRAs {
		f, err := l.named(i, d.LoRAs[i].Name)
		if err != nil {
			return err
		}
		if d.LoRAs[i].Digest, err = f.sum(); err != nil {
			return wrongLoRA(i, "the LoRA %s cannot be read: %s", f.name, f.public(err))
		}
	}
	return nil
}

// named finds the file that entry i of a request names.
func (l *loras) named(i int, name string) (*loraFile, error) {
	f, err := l.find(name)
	switch {
	case err != nil:
		return nil, &job.Error{Kind: job.Unavailable, Message: "the LoRAs cannot be listed", Cause: err}
	case f == nil && l.dir == "" && l.given == nil:
		return nil, wrongLoRA(i, "there is no LoRA %.100q: the server was given no --lora-dir", name)
	case f == nil:
		return nil, wrongLoRA(i, "there is no LoRA %.100q%s", name, l.near(name))
	}
	return f, nil
}

func wrongLoRA(i int, format string, args ...any) error {
	field := fmt.Sprintf("lora[%d].name", i)
	err := job.Errorf(job.Invalid, "%s: %s", field, fmt.Sprintf(format, args...))
	err.Field = field
	return err
}

// drawn finds the LoRAs of a job as they were when it was accepted. Another worker may have
// what this one has not.
func (a *adapters) drawn(d *job.Drawing) ([]inference.LoRA, error) {
	var out []inference.LoRA
	for _, l := range d.LoRAs {
		f, err := a.files.find(l.Name)
		if err == nil && f == nil {
			err = fs.ErrNotExist
		}
		var opened *inference.Adapter
		if err == nil {
			opened, err = a.open(f)
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, &job.Error{Kind: job.Engine, Message: fmt.Sprintf("the worker has no LoRA %s", l.Name), Cause: err}
		case err != nil:
			return nil, &job.Error{Kind: job.Engine, Message: fmt.Sprintf("the worker cannot read the LoRA %s: %s", l.Name, f.public(err)), Cause: err}
		case opened.Digest() != l.Digest:
			return nil, job.Errorf(job.Engine, "the worker has another file as the LoRA %s than was there when the job was accepted", l.Name)
		}
		out = append(out, inference.LoRA{Name: l.Name, Adapter: opened, Weight: l.Weight})
	}
	return out, nil
}

// public is an error in one line, without where the file lies.
func (f *loraFile) public(err error) string {
	lines := strings.Split(strings.ReplaceAll(err.Error(), f.path, f.name), "\n")
	const most = 3
	if n := len(lines) - most; n > 0 {
		lines = append(lines[:most], fmt.Sprintf("and %d more faults", n))
	}
	return strings.TrimPrefix(strings.Join(lines, "; "), f.name+": ")
}

// lorasText is what image files say of LoRAs, in the manner of A1111's web UI.
func lorasText(all []inference.LoRA) string {
	var hashes, weights []string
	for _, l := range all {
		name := strings.NewReplacer(`"`, "'", ",", " ", ":", " ").Replace(l.Name[strings.LastIndexByte(l.Name, '/')+1:])
		hashes, weights = append(hashes, name+": "+l.Digest()[:12]), append(weights, fmt.Sprintf("%s: %v", name, l.Weight))
	}
	if len(all) == 0 {
		return ""
	}
	return fmt.Sprintf(`, Lora hashes: "%s", Lora weights: "%s"`, strings.Join(hashes, ", "), strings.Join(weights, ", "))
}
