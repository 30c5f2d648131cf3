package tokenizer

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// A folderFixture is what CLIPTokenizer.from_pretrained made of a folder.
type folderFixture struct {
	Files           map[string]json.RawMessage
	Begin, End, Pad int32
	MaxLength       int `json:"max_length"`
	Size            int
	Texts           []struct {
		Text string
		IDs  []int32
	}
}

func (f folderFixture) compare(t *testing.T, tok *Tokenizer) {
	t.Helper()
	if tok.BeginID() != f.Begin || tok.EndID() != f.End || tok.PadID() != f.Pad || tok.MaxLength() != f.MaxLength || tok.VocabSize() != f.Size {
		t.Errorf("begin %d, end %d, pad %d, length %d, size %d; want %d, %d, %d, %d, %d", tok.BeginID(), tok.EndID(), tok.PadID(), tok.MaxLength(),
			tok.VocabSize(), f.Begin, f.End, f.Pad, f.MaxLength, f.Size)
	}
	for _, c := range f.Texts {
		if got := ids(t, tok, c.Text); !slices.Equal(got, c.IDs) {
			t.Errorf("%+q:\ngot  %s\nwant %s", c.Text, spell(tok, got), spell(tok, c.IDs))
		}
		checkEncoding(t, tok, c.Text, c.IDs)
	}
}

// wholeWith puts a vocabulary into a tokenizer.json, with merges as pairs or as text.
func wholeWith(t testing.TB, whole json.RawMessage, v *vocabulary) []byte {
	t.Helper()
	var top map[string]any
	if err := json.Unmarshal(whole, &top); err != nil {
		t.Fatal(err)
	}
	model := map[string]any{"type": "BPE", "vocab": v.ids, "merges": v.pairs}
	if top["merges_as_text"] != nil {
		var lines []string
		for _, p := range v.pairs {
			lines = append(lines, p[0]+" "+p[1])
		}
		model["merges"] = lines
	}
	delete(top, "merges_as_text")
	top["model"] = model
	data, err := json.Marshal(top)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestFoldersAsFromPretrained(t *testing.T) {
	var f struct{ Folders map[string]folderFixture }
	fixture(t, "folders.json", &f)
	if len(f.Folders) < 30 {
		t.Fatalf("only %d folders", len(f.Folders))
	}
	published := tiny(t, "published")
	small, err := read(published)
	if err != nil {
		t.Fatal(err)
	}
	for name, folder := range f.Folders {
		t.Run(name, func(t *testing.T) {
			dir := fstest.MapFS{vocabFile: published[vocabFile], mergesFile: published[mergesFile]}
			for file, data := range folder.Files {
				if file == wholeFile {
					data = wholeWith(t, data, small.vocab)
				}
				dir[file] = &fstest.MapFile{Data: data}
			}
			tok, err := read(dir)
			if err != nil {
				t.Fatal(err)
			}
			folder.compare(t, tok)

			saved := t.TempDir()
			if err := tok.Save(saved); err != nil {
				t.Fatal(err)
			}
			again, err := Load(saved)
			if err != nil {
				t.Fatal(err)
			}
			folder.compare(t, again)
		})
	}
}

func TestTinyFoldersAsFromPretrained(t *testing.T) {
	var f struct{ Folders map[string]folderFixture }
	fixture(t, "tiny.json", &f)
	found, err := filepath.Glob(filepath.Join("testdata", "tiny", "*"))
	if err != nil || len(found) != len(f.Folders) || len(found) == 0 {
		t.Fatalf("%d folders, %d in tiny.json, %v", len(found), len(f.Folders), err)
	}
	for _, dir := range found {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			tok, err := Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			f.Folders[filepath.Base(dir)].compare(t, tok)
		})
	}
}

func TestSaveAndLoad(t *testing.T) {
	for _, tok := range []*Tokenizer{Default(), DefaultZeroPad(), bare(t)} {
		dir := filepath.Join(t.TempDir(), "a", "tokenizer")
		if err := tok.Save(dir); err != nil {
			t.Fatal(err)
		}
		again, err := Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(tok.vocab.words, again.vocab.words) || !slices.Equal(tok.vocab.pairs, again.vocab.pairs) ||
			!maps.Equal(tok.vocab.merges, again.vocab.merges) || !slices.Equal(tok.added, again.added) || tok.names != again.names {
			t.Error("a saved tokenizer differs from the one loaded")
		}
	}
}

// tiny returns the files of a folder that loads.
func tiny(t testing.TB, name string) fstest.MapFS {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "tiny", name, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", name, len(files), err)
	}
	dir := fstest.MapFS{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		dir[filepath.Base(f)] = &fstest.MapFile{Data: data}
	}
	return dir
}

func TestBadFolders(t *testing.T) {
	const ok = `"model_max_length": 77`
	for _, c := range []struct {
		folder, file, data, want string
	}{
		{"lacking", configFile, ``, `tokenizer_config.json: not JSON: it ends too early`},
		{"lacking", configFile, `[]`, `tokenizer_config.json: a list, expected an object`},
		{"lacking", configFile, `{"a": 1`, `tokenizer_config.json: not JSON: it ends too early`},
		{"lacking", configFile, `{` + ok + `} x`, `tokenizer_config.json: not JSON: text behind the object`},
		{"lacking", configFile, `{` + ok + `, ` + ok + `}`, `tokenizer_config.json: "model_max_length": comes twice`},
		{"lacking", configFile, "{\"a\": \"\xff\"}", `tokenizer_config.json: not valid UTF-8`},
		{"lacking", configFile, `{}`, `tokenizer_config.json: model_max_length: missing, expected how many ids the text encoder takes (77)`},
		{"lacking", configFile, `{"model_max_length": 1000000000000000019884624838656}`, `tokenizer_config.json: model_max_length: 1000000000000000019884624838656, expected how many ids the text encoder takes (77)`},
		{"lacking", configFile, `{"model_max_length": 1}`, `tokenizer_config.json: model_max_length: 1, expected how many ids the text encoder takes (77)`},
		{"lacking", configFile, `{"model_max_length": "77"}`, `tokenizer_config.json: model_max_length: "77", expected how many ids the text encoder takes (77)`},
		{"lacking", configFile, `{` + ok + `, "pad_token": null}`, `tokenizer_config.json: pad_token: null, expected a token`},
		{"lacking", configFile, `{` + ok + `, "pad_token": 0}`, `tokenizer_config.json: pad_token: a number, expected a string or an object with content`},
		{"lacking", configFile, `{` + ok + `, "pad_token": ""}`, `tokenizer_config.json: pad_token: an empty token`},
		{"lacking", configFile, `{` + ok + `, "pad_token": {"normalized": true}}`, `tokenizer_config.json: pad_token: content: nothing, expected a string`},
		{"lacking", configFile, `{` + ok + `, "pad_token": {"content": "!", "lstrip": 1}}`, `tokenizer_config.json: pad_token: lstrip: 1, expected true or false`},
		{"lacking", configFile, `{` + ok + `, "eos_token": {"content": "!", "single_word": true}}`, `tokenizer_config.json: eos_token: single_word: true is not supported`},
		{"lacking", configFile, `{` + ok + `, "eos_token": "` + strings.Repeat("x", 513) + `"}`, `tokenizer_config.json: eos_token: a token of 513 bytes, expected at most 512`},
		{"lacking", configFile, `{` + ok + `, "tokenizer_class": "T5Tokenizer"}`, `tokenizer_config.json: tokenizer_class: "T5Tokenizer", expected "CLIPTokenizer"`},
		{"lacking", configFile, `{` + ok + `, "padding_side": "left"}`, `tokenizer_config.json: padding_side: "left" is not supported, expected "right"`},
		{"lacking", configFile, `{` + ok + `, "truncation_side": "left"}`, `tokenizer_config.json: truncation_side: "left" is not supported, expected "right"`},
		{"lacking", configFile, `{` + ok + `, "split_special_tokens": true}`, `tokenizer_config.json: split_special_tokens: true is not supported, expected false`},
		{"lacking", configFile, `{` + ok + `, "image_token": "<image>"}`, `tokenizer_config.json: "image_token": not supported`},
		{"lacking", configFile, `{` + ok + `, "extra_special_tokens": {"a": "b"}}`, `tokenizer_config.json: extra_special_tokens: an object is not supported, expected a list`},
		{"lacking", configFile, `{` + ok + `, "additional_special_tokens": [1]}`, `tokenizer_config.json: extra_special_tokens: [0]: a number, expected a string or an object with content`},
		{"lacking", configFile, `{` + ok + `, "added_tokens_decoder": []}`, `tokenizer_config.json: added_tokens_decoder: a list, expected an object`},
		{"lacking", configFile, `{` + ok + `, "added_tokens_decoder": {"x": {"content": "a"}}}`, `tokenizer_config.json: added_tokens_decoder: "x": expected an id`},
		{"lacking", configFile, `{` + ok + `, "added_tokens_decoder": {"1": "a"}}`, `tokenizer_config.json: added_tokens_decoder: 1: a string, expected an object`},
		{"lacking", configFile, `{` + ok + `, "unk_token": "<unk>", "added_tokens_decoder": {"1": {"content": "A"}, "2": {"content": "a"}}}`, `tokenizer_config.json: added tokens "A" and "a" match the same text`},
		{"lacking", configFile, `{` + ok + `, "unk_token": "none"}`, `vocab.json: has neither "Ā" nor the unknown token "none"`},
		{"lacking", specialsFile, `{"pad_token": 3}`, `special_tokens_map.json: pad_token: a number, expected a string or an object with content`},
		{"lacking", specialsFile, `[]`, `special_tokens_map.json: a list, expected an object`},
		{"lacking", specialsFile, `{"extra_special_tokens": "a"}`, `special_tokens_map.json: extra_special_tokens: a string, expected a list`},
		{"lacking", addedFile, `{"<a>": "x"}`, `added_tokens.json: "<a>": "x", expected an id`},
		{"lacking", addedFile, `{"": 30}`, `added_tokens.json: "": an empty token`},
		{"lacking", vocabFile, `{"a": 0, "b": 0}`, `vocab.json: "b": id 0, which "a" has too`},
		{"lacking", vocabFile, `{"a": 0, "b": 2}`, `vocab.json: "b": id 2, expected 0 to 1, as there are 2 words`},
		{"lacking", vocabFile, `{"a": 0, "b": -1}`, `vocab.json: "b": -1, expected an id`},
		{"lacking", vocabFile, `{"a": 0, "b": 1.5}`, `vocab.json: "b": 1.5, expected an id`},
		{"lacking", vocabFile, `{"a": 0, "b": {}}`, `vocab.json: "b": {, expected an id`},
		{"lacking", vocabFile, `{"a": 0, "a": 1}`, `vocab.json: "a": comes twice`},
		{"lacking", vocabFile, `{"a": 0, "": 1}`, `vocab.json: an empty word`},
		{"lacking", vocabFile, `{"a": 0`, `vocab.json: not JSON: it ends too early`},
		{"lacking", vocabFile, `{"<unk>": 0}`, `merges.txt: line 2: the merge of "l" and "o" needs the word "l", which the vocabulary lacks`},
		{"lacking", mergesFile, "#version: 0.2\nl o\n\nlo w</w>\n", `merges.txt: line 3: expected two words with a space between`},
		{"lacking", mergesFile, "l o w\n", `merges.txt: line 1: expected two words with a space between`},
		{"lacking", mergesFile, "l o\n\xff\xff a\n", `merges.txt: not valid UTF-8`},
		{"lacking", mergesFile, "l o\ns t\n", `merges.txt: line 2: the merge of "s" and "t" needs the word "st", which the vocabulary lacks`},
		{"saved", wholeFile, `{}`, `tokenizer.json: model: missing`},
		{"saved", wholeFile, `{"model": 1}`, `tokenizer.json: model: a number, expected an object`},
		{"saved", wholeFile, `{"model": {"type": "Unigram"}}`, `tokenizer.json: model.type: "Unigram", expected "BPE"`},
		{"saved", wholeFile, `{"model": {}}`, `tokenizer.json: added_tokens: expected a list`},
		{"saved", wholeFile, `{"added_tokens": [1], "model": {}}`, `tokenizer.json: added_tokens[0]: a number, expected an object`},
		{"saved", wholeFile, `{"added_tokens": [{"content": "a"}], "model": {}}`, `tokenizer.json: added_tokens[0]: id: nothing, expected an id`},
		{"saved", wholeFile, `{"added_tokens": [{"id": 1}], "model": {}}`, `tokenizer.json: added_tokens[0]: content: nothing, expected a string`},
		{"saved", wholeFile, `{"added_tokens": [], "model": {}}`, `tokenizer.json: model.vocab: not JSON: it ends too early`},
		{"saved", wholeFile, `{"added_tokens": [], "model": {"vocab": {"a": 0}}}`, `tokenizer.json: model.merges: expected a list of two words each`},
		{"saved", wholeFile, `{"added_tokens": [], "model": {"vocab": {"a": 0}, "merges": [["a"]]}}`, `tokenizer.json: model.merges[0]: expected two words`},
		{"saved", wholeFile, `{"added_tokens": [], "model": {"vocab": {"a": 0}, "merges": ["a"]}}`, `tokenizer.json: model.merges[0]: expected two words`},
		{"saved", wholeFile, `{"added_tokens": [], "model": {"vocab": {"a": 0}, "merges": [["a", "a"]]}}`, `tokenizer.json: model.merges[0]: the merge of "a" and "a" needs the word "aa", which the vocabulary lacks`},
		{"saved", wholeFile, `{"added_tokens": [], "truncation": {"direction": "Left"}, "model": {}}`, `tokenizer.json: truncation.direction: "Left" is not supported, expected "Right"`},
	} {
		dir := tiny(t, c.folder)
		dir[c.file] = &fstest.MapFile{Data: []byte(c.data)}
		if _, err := read(dir); err == nil || err.Error() != c.want {
			t.Errorf("%s %s:\ngot  %v\nwant %s", c.file, c.data, err, c.want)
		}
	}
}

func TestMissingFiles(t *testing.T) {
	for _, file := range []string{configFile, vocabFile, mergesFile} {
		dir := t.TempDir()
		for name, f := range tiny(t, "published") {
			if name == file {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, name), f.Data, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		_, err := Load(dir)
		if err == nil || !strings.Contains(err.Error(), filepath.Join(dir, file)) {
			t.Errorf("without %s: %v", file, err)
		}
	}
}

// Cut anywhere, a file that counts gives an error or, where only white space is lost, the same tokenizer; it never panics. Merges cut
// between lines are fewer merges.
func TestCutFiles(t *testing.T) {
	for _, folder := range []string{"published", "saved", "lacking"} {
		for file, f := range tiny(t, folder) {
			for n := 0; n < len(f.Data); n += 1 + len(f.Data)/200 {
				dir := tiny(t, folder)
				dir[file] = &fstest.MapFile{Data: f.Data[:n]}
				_, err := read(dir)
				counts := file != mergesFile && file != specialsFile
				if err == nil && counts && strings.TrimSpace(string(f.Data[n:])) != "" {
					t.Errorf("%s/%s cut to %d of %d bytes loads", folder, file, n, len(f.Data))
				}
			}
		}
	}
}

// FuzzLoad puts any bytes in place of one file of a folder that loads.
func FuzzLoad(f *testing.F) {
	folders := []string{"published", "saved", "lacking"}
	for i, folder := range folders {
		for name, file := range tiny(f, folder) {
			if len(file.Data) < 4096 {
				f.Add(uint(i), name, file.Data)
			}
		}
	}
	f.Add(uint(0), vocabFile, []byte(`{"a": 0, "<|startoftext|>": 1, "<|endoftext|>": 2}`))
	f.Add(uint(0), addedFile, []byte(`{"<a>": 30, "<|endoftext|>": 22}`))
	f.Add(uint(1), wholeFile, []byte(`{"padding": {"direction": "Right"}, "added_tokens": [{"id": 0, "content": "<|endoftext|>"}], `+
		`"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "<|endoftext|>": 3}, "merges": [["a", "b"]]}}`))
	f.Add(uint(2), configFile, []byte(`{"max_len": 9, "unk_token": "<unk>", "added_tokens_decoder": {"0": {"content": "é ", "lstrip": true, "rstrip": true}}}`))
	f.Add(uint(2), specialsFile, []byte(`{"pad_token": {"content": "A", "normalized": true}, "extra_special_tokens": ["x", {"content": "y"}]}`))
	base := make([]fstest.MapFS, len(folders))
	for i, folder := range folders {
		base[i] = tiny(f, folder)
	}
	f.Fuzz(func(t *testing.T, folder uint, name string, data []byte) {
		dir := maps.Clone(base[folder%uint(len(base))])
		dir[name] = &fstest.MapFile{Data: data}
		tok, err := read(dir)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("more than one line: %q", err)
			}
			return
		}
		e, err := tok.Encode("low é  LOWER <|EndOfText|>, <|endoftext|> A\u0301xy <a>!")
		if err != nil {
			t.Fatal(err)
		}
		checkSpans(t, "low é  LOWER <|EndOfText|>, <|endoftext|> A\u0301xy <a>!", e.Pieces)
		for _, id := range e.IDs {
			if id < 0 || id >= int64(tok.VocabSize()) {
				t.Fatalf("id %d of %d", id, tok.VocabSize())
			}
		}
	})
}
