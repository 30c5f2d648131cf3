package dataset

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Set is what a run learns from. Its methods may be called by many goroutines.
type Set struct {
	Held []*Item // images kept for judging, by name

	options Options
	sources []*Source
	items   []*Item // those that are learned from, by source and name
	held    [][]int // batches of Held
	plans   *plans
	leftOut []*Fault
	counts  []counts // a source's
	notes   []string
	empty   []Size // of the buckets, those without an image
}

// counts are what was found of a source.
type counts struct {
	format  Format
	items   int
	leftOut int
}

// LeftOut are the images that are not in the set, with the reasons, by source and name.
func (s *Set) LeftOut() []*Fault { return s.leftOut }

// Items are the images that are learned from, by source and name.
func (s *Set) Items() []*Item { return s.items }

// Open reads the sources, looks at the header of every file, and makes a plan. An error
// lists every fault of the options, or the faults of the data: the first few and how
// many there are. With [Count] images with a fault are left out instead; a source that
// cannot be read, or that has no image left, is an error all the same.
func Open(ctx context.Context, o Options) (*Set, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	o.Crop, o.Upscale = cmp.Or(o.Crop, Center), cmp.Or(o.Upscale, AllowUpscale)
	o.Sizes, o.Unreadable = cmp.Or(o.Sizes, SizeOfBucket), cmp.Or(o.Unreadable, Refuse)
	s := &Set{options: o}
	candidates, err := s.read()
	if err != nil {
		return nil, err
	}
	if err := s.checkAll(ctx, candidates); err != nil {
		return nil, err
	}
	kept, err := s.sift(candidates)
	if err != nil {
		return nil, err
	}
	s.hold(kept)
	return s, s.lay()
}

// candidate is an image before it is known whether it can be used.
type candidate struct {
	item   *Item
	source int
	err    error // what is wrong with it
	said   Size  // by the label file; zero: nothing
}

// read lists all sources' images. Errors are of whole sources.
func (s *Set) read() (out []*candidate, err error) {
	var faults []error
	for i := range s.options.Sources {
		source := s.options.Sources[i]
		if source.Labels == nil {
			source.Labels = ATR()
		}
		source.Trigger, source.Caption = strings.TrimSpace(source.Trigger), strings.TrimSpace(source.Caption)
		s.sources = append(s.sources, &source)
		n := len(out)
		kind, err := source.detect()
		if err == nil && kind == CosmicManHQ {
			out, err = s.readLabels(&source, i, out)
		} else if err == nil {
			out, err = s.readImages(&source, i, out)
		}
		if err == nil && len(out) == n {
			err = fmt.Errorf("%s: has no image, expected label/*.parquet, or files of PNG, JPEG or WebP", source.Path)
		}
		if err != nil {
			faults = append(faults, err)
		}
		s.counts = append(s.counts, counts{format: kind})
	}
	return out, errors.Join(faults...)
}

// detect finds out how a source is laid out.
func (s *Source) detect() (Format, error) {
	info, err := os.Stat(s.Path)
	if err != nil {
		return "", &Fault{Path: s.Path, Err: err}
	}
	if !info.IsDir() {
		return "", &Fault{Path: s.Path, Err: errors.New("is no folder")}
	}
	files, err := labelFiles(s.Path)
	if err != nil {
		return "", &Fault{Path: s.Path, Err: err}
	}
	switch {
	case s.Format == CosmicManHQ && len(files) == 0:
		return "", &Fault{Path: filepath.Join(s.Path, "label"), Err: errors.New("has no .parquet file, expected CosmicMan-HQ's label files")}
	case s.Format != "":
		return s.Format, nil
	case len(files) > 0:
		return CosmicManHQ, nil
	}
	return ImageFolder, nil
}

// readLabels adds the rows of a source's label files.
func (s *Set) readLabels(source *Source, number int, out []*candidate) ([]*candidate, error) {
	files, err := labelFiles(source.Path)
	if err != nil {
		return out, err
	}
	var faults []error
	strange := map[string]int{}
	for _, file := range files {
		rows, lacks, err := readLabelFile(file)
		if err != nil {
			faults = append(faults, &Fault{Path: file, Err: err})
			continue
		}
		for _, name := range lacks {
			s.note("%s: column %s is missing: %s", file, name, lacking[name])
		}
		for i, r := range rows {
			c := &candidate{source: number, item: &Item{Source: source, words: words{byGroups: true, attributes: r.aaText, labels: r.aaIDs, shot: r.personType}}}
			c.item.Name, c.item.Map = cleaned(r.path), cleaned(r.segmPath)
			if r.path == "" {
				c.item.Name = fmt.Sprintf("label/%s, row %d", filepath.Base(file), i)
				c.err = errors.New("has no path")
			} else if err := local(r.path, r.segmPath); err != nil {
				c.err = err
			}
			if r.personType != "" && shotPhrase(r.personType) == "" {
				strange[r.personType]++
			}
			if r.width >= 1 && r.height >= 1 && r.width <= maxSaid && r.height <= maxSaid {
				c.said = Size{int(r.width), int(r.height)}
			}
			out = append(out, c)
		}
	}
	for _, kind := range sortedKeys(strange) {
		s.note("%s: person_type %q is no shot (%d images): their captions name none", source.Path, kind, strange[kind])
	}
	return out, errors.Join(faults...)
}

// lacking says what follows where a label file has no such column.
var lacking = map[string]string{
	"segm_path":   "its images have no parsing maps",
	"aa_ids":      "the label table says what shows a group",
	"person_type": "its captions name no shot",
	"height":      "sizes are the files'",
	"width":       "sizes are the files'",
}

const maxSaid = 1 << 20

// local refuses paths that lead out of a folder.
func local(names ...string) error {
	for _, name := range names {
		if name != "" && !filepath.IsLocal(filepath.FromSlash(name)) {
			return fmt.Errorf("%q leads out of the folder", name)
		}
	}
	return nil
}

// readImages adds the images of a folder.
func (s *Set) readImages(source *Source, number int, out []*candidate) ([]*candidate, error) {
	all, notes, err := readFolder(source)
	if err != nil {
		return out, err
	}
	s.notes = append(s.notes, notes...)
	for _, f := range all {
		text := cmp.Or(f.text, source.Caption)
		item := &Item{Source: source, Name: f.name, Map: f.segm, words: words{text: text}}
		c := &candidate{item: item, source: number, err: f.err}
		if text == "" && source.Trigger == "" && c.err == nil {
			c.err = errors.New("has no caption, expected a line of metadata.jsonl, a .txt beside it, or a caption for all without one")
		}
		out = append(out, c)
	}
	return out, nil
}

// sift parts candidates with faults from the others.
func (s *Set) sift(all []*candidate) (kept []*Item, err error) {
	seen := map[string]bool{}
	differ, first := 0, ""
	for _, c := range all {
		key := fmt.Sprint(c.source, "/", c.item.Name)
		if c.err == nil && seen[key] {
			c.err = errors.New("is listed twice")
		}
		seen[key] = true
		if c.err != nil {
			s.leftOut = append(s.leftOut, &Fault{Path: c.item.Path(), Err: c.err})
			s.counts[c.source].leftOut++
			continue
		}
		if c.said != (Size{}) && c.said != c.item.Size {
			if differ++; differ == 1 {
				first = fmt.Sprintf("%s is %s, not %s", c.item.Path(), c.item.Size, c.said)
			}
		}
		s.counts[c.source].items++
		kept = append(kept, c.item)
	}
	if differ > 0 {
		s.note("the label files give %d images another size than they have (%s): the files' counts", differ, first)
	}
	if len(s.leftOut) > 0 && s.options.Unreadable == Refuse {
		return nil, Faults(s.leftOut)
	}
	var faults []error
	for i, n := range s.counts {
		if n.items == 0 {
			faults = append(faults, fmt.Errorf("%s: none of its %d images can be used: %w", s.sources[i].Path, n.leftOut, Faults(s.leftOut)))
		}
	}
	return kept, errors.Join(faults...)
}

func (s *Set) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// Faults are many. Their text has the first few.
type Faults []*Fault

// shownFaults is how many faults a message has at most.
const shownFaults = 20

func (f Faults) Error() string {
	var out bytes.Buffer
	fmt.Fprintf(&out, "dataset: %d images cannot be used:", len(f))
	for _, one := range f[:min(len(f), shownFaults)] {
		fmt.Fprintf(&out, "\n  %s", strings.ReplaceAll(one.Error(), "\n", "; "))
	}
	if more := len(f) - shownFaults; more > 0 {
		fmt.Fprintf(&out, "\n  and %d more", more)
	}
	return out.String()
}
