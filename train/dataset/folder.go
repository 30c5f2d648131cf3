package dataset

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// metadataFile is where a folder's captions lie, a JSON object a line.
const metadataFile = "metadata.jsonl"

// line is one of metadata.jsonl.
type line struct {
	FileName string `json:"file_name"`
	Text     string `json:"text"`
	SegmPath string `json:"segm_path"`
}

// What is read of captions, in bytes.
const (
	maxCaption  = 1 << 16
	maxLine     = 1 << 20
	maxMetadata = 1 << 31
)

// found is an image of a folder, before its files were looked at.
type found struct {
	name, text, segm string // paths from the source's folder on
	err              error
}

// readFolder lists a folder's images with their captions and maps, in the order of
// their names. Errors are of the whole; an image's own are in its found.
func readFolder(s *Source) (out []found, notes []string, err error) {
	files, links, err := listFiles(s.Path)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range links {
		notes = append(notes, fmt.Sprintf("%s: %s is a link to a folder, and is not gone into", s.Path, name))
	}
	if dir := s.mapDir(); dir != "" {
		if _, err := os.Stat(filepath.Join(s.Path, filepath.FromSlash(dir))); err != nil {
			return nil, nil, fmt.Errorf("the folder of maps: %w", &Fault{Path: filepath.Join(s.Path, filepath.FromSlash(dir)), Err: err})
		}
	}
	told, faults := map[string]*line{}, []error(nil)
	maps := map[string]bool{}
	for _, name := range sortedKeys(files) {
		if path.Base(name) != metadataFile {
			continue
		}
		lines, err := readMetadata(filepath.Join(s.Path, filepath.FromSlash(name)))
		if err != nil {
			faults = append(faults, &Fault{Path: filepath.Join(s.Path, filepath.FromSlash(name)), Err: err})
			continue
		}
		for i := range lines {
			l := &lines[i]
			l.FileName = path.Join(path.Dir(name), l.FileName)
			if l.SegmPath != "" {
				l.SegmPath = path.Join(path.Dir(name), l.SegmPath)
				maps[l.SegmPath] = true
			}
			if told[l.FileName] != nil && *told[l.FileName] != *l {
				faults = append(faults, fmt.Errorf("%s: %s is told of twice, differently", filepath.Join(s.Path, filepath.FromSlash(name)), l.FileName))
			}
			told[l.FileName] = l
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, nil, err
	}
	mapped := false
	for _, name := range sortedKeys(files) {
		if isImage(name) && !maps[name] && !s.isMap(name) {
			f := s.look(name, told[name], files)
			mapped = mapped || f.segm != ""
			out = append(out, f)
		}
		delete(told, name)
	}
	// What is told of and not there is a fault of its own.
	for _, name := range sortedKeys(told) {
		out = append(out, found{name: name, text: told[name].Text, segm: told[name].SegmPath})
	}
	if rule := s.mapOf("NAME"); rule != "" && !mapped {
		notes = append(notes, fmt.Sprintf("%s: no image has a parsing map; %s was looked for", s.Path, rule))
	}
	return out, notes, nil
}

// look finds what belongs to an image.
func (s *Source) look(name string, l *line, files map[string]bool) found {
	f := found{name: name}
	stem := strings.TrimSuffix(name, path.Ext(name))
	if l != nil {
		f.text, f.segm = l.Text, l.SegmPath
	}
	if f.text == "" && files[stem+".txt"] {
		f.text, f.err = readCaption(filepath.Join(s.Path, filepath.FromSlash(stem+".txt")))
	}
	if f.segm == "" {
		if beside := s.mapOf(stem); beside != "" && s.has(beside, files) {
			f.segm = beside
		}
	}
	return f
}

// mapDir is the folder of a source's maps, from its own on; "" is beside the images.
func (s *Source) mapDir() string {
	dir := s.MapFolder
	if filepath.IsAbs(dir) {
		here, err := filepath.Abs(s.Path)
		if err != nil {
			return filepath.ToSlash(dir)
		}
		if rel, err := filepath.Rel(here, dir); err == nil {
			dir = rel
		}
	}
	if dir = path.Clean(filepath.ToSlash(dir)); dir == "." {
		return ""
	}
	return dir
}

// mapOf is where the map of an image is, if it has one; "" without a rule.
func (s *Source) mapOf(stem string) string {
	dir, suffix := s.mapDir(), s.MapSuffix
	if dir == "" && suffix == "" {
		return ""
	}
	return path.Join(dir, stem+cmp.Or(suffix, ".png"))
}

// has reports whether a file is there; those outside of the source are not listed.
func (s *Source) has(name string, files map[string]bool) bool {
	if files[name] {
		return true
	}
	if filepath.IsLocal(filepath.FromSlash(name)) {
		return false
	}
	info, err := os.Stat(filepath.Join(s.Path, filepath.FromSlash(name)))
	return err == nil && info.Mode().IsRegular()
}

// isMap reports whether a file is a map by the source's rule, and so no image.
func (s *Source) isMap(name string) bool {
	if dir := s.mapDir(); dir != "" {
		return strings.HasPrefix(name, dir+"/")
	}
	return s.MapSuffix != "" && strings.HasSuffix(name, s.MapSuffix)
}

func isImage(name string) bool {
	return slices.Contains([]string{".png", ".jpg", ".jpeg", ".webp"}, strings.ToLower(path.Ext(name)))
}

// listFiles lists a folder's files and those of folders in it, by their paths from
// there on, and links to folders, which are not gone into. Hidden ones are left out.
func listFiles(dir string) (files map[string]bool, links []string, err error) {
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, nil, &Fault{Path: dir, Err: err}
	}
	files = map[string]bool{}
	err = filepath.WalkDir(root, func(p string, entry fs.DirEntry, err error) error {
		if err != nil {
			return &Fault{Path: p, Err: err}
		}
		if p != root && strings.HasPrefix(entry.Name(), ".") {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if entry.IsDir() {
			return nil
		}
		name, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if entry.Type()&fs.ModeSymlink != 0 {
			if info, err := os.Stat(p); err == nil && info.IsDir() {
				links = append(links, name)
				return nil
			}
		}
		files[name] = true
		return nil
	})
	return files, links, err
}

// readMetadata reads a metadata.jsonl. Every fault is named by its line, up to a few.
func readMetadata(file string) ([]line, error) {
	data, err := readFile(file, maxMetadata)
	if err != nil {
		return nil, err
	}
	return parseMetadata(data)
}

func parseMetadata(data []byte) (out []line, err error) {
	var faults []error
	in := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	in.Buffer(nil, maxLine)
	for n := 1; in.Scan(); n++ {
		text := bytes.TrimSpace(in.Bytes())
		if len(text) == 0 {
			continue
		}
		l, err := parseLine(text)
		if err != nil {
			if faults = append(faults, fmt.Errorf("line %d: %w", n, err)); len(faults) == shownFaults {
				break
			}
			continue
		}
		out = append(out, l)
	}
	if err := in.Err(); err != nil {
		faults = append(faults, fmt.Errorf("a line has over %d bytes, expected a JSON object a line", maxLine))
	}
	return out, errors.Join(faults...)
}

func parseLine(text []byte) (line, error) {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return l, fmt.Errorf("is no object of file_name, text and segm_path: %w", err)
	}
	if l.FileName == "" {
		return l, errors.New("has no file_name")
	}
	for _, name := range []string{l.FileName, l.SegmPath} {
		if name != "" && !filepath.IsLocal(filepath.FromSlash(name)) {
			return l, fmt.Errorf("%q leads out of the folder", name)
		}
	}
	l.FileName, l.SegmPath = path.Clean(l.FileName), cleaned(l.SegmPath)
	var err error
	l.Text, err = checkCaption(l.Text)
	return l, err
}

func cleaned(name string) string {
	if name == "" {
		return ""
	}
	return path.Clean(name)
}

func readCaption(file string) (string, error) {
	data, err := readFile(file, maxCaption)
	if err != nil {
		return "", &Fault{Path: file, Err: err}
	}
	text, err := checkCaption(string(bytes.TrimPrefix(data, []byte("\ufeff"))))
	if err != nil {
		return "", &Fault{Path: file, Err: err}
	}
	return text, nil
}

// checkCaption makes one line of a caption.
func checkCaption(text string) (string, error) {
	if len(text) > maxCaption {
		return "", fmt.Errorf("the caption has %d bytes, expected at most %d", len(text), maxCaption)
	}
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return "", errors.New("the caption is no UTF-8 text")
	}
	return strings.Join(strings.Fields(text), " "), nil
}
