package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The files of a tokenizer folder.
const (
	vocabFile    = "vocab.json"
	mergesFile   = "merges.txt"
	wholeFile    = "tokenizer.json" // vocabulary, merges and added tokens in one, as transformers 5 saves it
	configFile   = "tokenizer_config.json"
	specialsFile = "special_tokens_map.json"
	addedFile    = "added_tokens.json"
)

// CLIP's vocab.json has 1 MB, its tokenizer.json 4 MB. No file is read beyond this.
const maxFile = 64 << 20

// Load reads the tokenizer folder of a diffusers model: vocab.json and merges.txt, or tokenizer.json, which counts where all are there;
// tokenizer_config.json; special_tokens_map.json and added_tokens.json where the config does not say what is in them. The result equals what
// transformers 5 makes of the folder with CLIPTokenizer.from_pretrained. Errors name the file and the field.
func Load(dir string) (*Tokenizer, error) {
	t, err := read(os.DirFS(dir))
	if err != nil {
		var at *fs.PathError
		if errors.As(err, &at) {
			return nil, fmt.Errorf("tokenizer %s: %w", filepath.Join(dir, at.Path), at.Err)
		}
		return nil, fmt.Errorf("tokenizer %s: %w", dir, err)
	}
	return t, nil
}

func read(dir fs.FS) (*Tokenizer, error) {
	whole, err := readWhole(dir)
	if err != nil {
		return nil, err
	}
	s, err := readSettings(dir, whole)
	if err != nil {
		return nil, err
	}
	if err := whole.refuse(s); err != nil {
		return nil, err
	}
	maxLength, err := s.maxLength()
	if err != nil {
		return nil, err
	}
	names, added, err := s.resolve()
	if err != nil {
		return nil, err
	}

	var list wordList
	if whole != nil {
		list, err = whole.vocabulary()
	} else {
		list, err = readVocabulary(dir)
	}
	if err != nil {
		return nil, err
	}
	v, err := newVocabulary(list, names.unknown)
	if err != nil {
		return nil, err
	}
	t, err := newTokenizer(v, names, added, maxLength)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", configFile, err)
	}
	return t, nil
}

func readFile(dir fs.FS, name string) ([]byte, error) {
	f, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s: over %d MB, which no tokenizer has", name, maxFile>>20)
	}
	return data, nil
}

// readOptional is readFile with nil for a file that is not there.
func readOptional(dir fs.FS, name string) ([]byte, error) {
	data, err := readFile(dir, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

func readVocabulary(dir fs.FS) (wordList, error) {
	l := wordList{where: vocabFile}
	data, err := readFile(dir, vocabFile)
	if err != nil {
		return l, err
	}
	if l.words, err = wordsByID(data); err != nil {
		return l, fmt.Errorf("%s: %w", vocabFile, err)
	}
	if data, err = readFile(dir, mergesFile); err != nil {
		return l, err
	}
	if !utf8.Valid(data) {
		return l, fmt.Errorf("%s: %w", mergesFile, errNotUTF8)
	}
	number := 0
	var numbers []int // of the lines, by rank
	for line := range strings.Lines(string(data)) {
		number++
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		if strings.HasPrefix(line, "#version") {
			continue
		}
		p, ok := splitMerge(line)
		if !ok {
			return l, fmt.Errorf("%s: line %d: expected two words with a space between", mergesFile, number)
		}
		l.pairs = append(l.pairs, p)
		numbers = append(numbers, number)
	}
	l.whereOf = func(rank int) string { return fmt.Sprintf("%s: line %d", mergesFile, numbers[rank]) }
	return l, nil
}

// wordsByID reads an object of word -> id. The ids of n words are 0 to n-1: each is a row of the text encoder's embeddings.
func wordsByID(data []byte) ([]string, error) {
	if !utf8.Valid(data) {
		return nil, errNotUTF8
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := openObject(d, data); err != nil {
		return nil, err
	}
	ids := map[string]int{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, notJSON(err)
		}
		word := key.(string)
		value, err := d.Token()
		if err != nil {
			return nil, notJSON(err)
		}
		number, _ := value.(json.Number)
		id, err := strconv.Atoi(number.String())
		if err != nil || id < 0 {
			return nil, fmt.Errorf("%s: %s, expected an id", quote(word), shorten(fmt.Sprint(value)))
		}
		if word == "" {
			return nil, errors.New("an empty word")
		}
		if _, twice := ids[word]; twice {
			return nil, fmt.Errorf("%s: comes twice", quote(word))
		}
		ids[word] = id
	}
	if err := closeObject(d, data); err != nil {
		return nil, err
	}
	words := make([]string, len(ids))
	for word, id := range ids {
		if id >= len(words) {
			return nil, fmt.Errorf("%s: id %d, expected 0 to %d, as there are %d words", quote(word), id, len(words)-1, len(words))
		}
		if words[id] != "" {
			return nil, fmt.Errorf("%s: id %d, which %s has too", quote(word), id, quote(words[id]))
		}
		words[id] = word
	}
	return words, nil
}

// An aboutWhole is a tokenizer.json, of which only what CLIPTokenizer takes from it is read.
type aboutWhole struct {
	model                      map[string]json.RawMessage
	added, truncation, padding json.RawMessage
}

func readWhole(dir fs.FS) (*aboutWhole, error) {
	data, err := readOptional(dir, wholeFile)
	if data == nil {
		return nil, err
	}
	top, err := fields(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", wholeFile, err)
	}
	if top["model"] == nil {
		return nil, fmt.Errorf("%s: model: missing", wholeFile)
	}
	w := &aboutWhole{added: top["added_tokens"], truncation: top["truncation"], padding: top["padding"]}
	if w.model, err = fields(top["model"]); err != nil {
		return nil, fmt.Errorf("%s: model: %w", wholeFile, err)
	}
	if kind, given := w.model["type"]; given {
		if s, ok := text(kind); !ok || s != "BPE" {
			return nil, fmt.Errorf("%s: model.type: %s, expected \"BPE\"", wholeFile, excerpt(kind))
		}
	}
	return w, nil
}

// refuse names what would cut or pad a text on its left, unless the config says otherwise.
func (w *aboutWhole) refuse(s *settings) error {
	if w == nil {
		return nil
	}
	for _, part := range []struct {
		key, override string
		value         json.RawMessage
	}{{"truncation", "truncation_side", w.truncation}, {"padding", "padding_side", w.padding}} {
		if _, ok := s.values[part.override]; ok || part.value == nil || isNull(part.value) {
			continue
		}
		f, err := fields(part.value)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", wholeFile, part.key, err)
		}
		if side, given := f["direction"]; given && string(side) != `"Right"` {
			return fmt.Errorf("%s: %s.direction: %s is not supported, expected \"Right\"", wholeFile, part.key, excerpt(side))
		}
	}
	return nil
}

func (w *aboutWhole) vocabulary() (wordList, error) {
	l := wordList{
		where:   wholeFile + ": model.vocab",
		whereOf: func(rank int) string { return fmt.Sprintf("%s: model.merges[%d]", wholeFile, rank) },
	}
	var err error
	if l.words, err = wordsByID(w.model["vocab"]); err != nil {
		return l, fmt.Errorf("%s: %w", l.where, err)
	}
	if l.pairs, err = wholeMerges(w.model["merges"]); err != nil {
		return l, fmt.Errorf("%s: model.merges%w", wholeFile, err)
	}
	return l, nil
}

// wholeMerges reads a list of ["a", "b"], or as older versions wrote it of "a b".
func wholeMerges(value json.RawMessage) ([][2]string, error) {
	var lists [][]string
	if json.Unmarshal(orNull(value), &lists) == nil && lists != nil {
		pairs := make([][2]string, len(lists))
		for i, l := range lists {
			if len(l) != 2 || l[0] == "" || l[1] == "" {
				return nil, fmt.Errorf("[%d]: expected two words", i)
			}
			pairs[i] = [2]string(l)
		}
		return pairs, nil
	}
	var lines []string
	if json.Unmarshal(orNull(value), &lines) != nil || lines == nil {
		return nil, errors.New(": expected a list of two words each")
	}
	pairs := make([][2]string, len(lines))
	for i, line := range lines {
		var ok bool
		if pairs[i], ok = splitMerge(line); !ok {
			return nil, fmt.Errorf("[%d]: expected two words", i)
		}
	}
	return pairs, nil
}

func orNull(value json.RawMessage) json.RawMessage {
	if value == nil {
		return json.RawMessage("null")
	}
	return value
}
