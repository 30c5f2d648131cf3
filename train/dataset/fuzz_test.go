package dataset

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"cosmicman/train"
)

func FuzzLabelFile(f *testing.F) {
	files, err := filepath.Glob("testdata/*.parquet")
	if err != nil || len(files) < 5 {
		f.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, _, err := readRows(bytes.NewReader(data), int64(len(data)))
		if err != nil && rows != nil {
			t.Errorf("%d rows with an error", len(rows))
		}
	})
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte(`{"file_name": "a.png", "text": "a man", "segm_path": "seg/a.png"}` + "\n\n" + `{"file_name":"b.png"}`))
	f.Add([]byte("\ufeff{\"file_name\":\"\\u0000\"}\r\n[]\nnull"))
	f.Add([]byte(`{"file_name": "../../x", "text": 5}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		lines, err := parseMetadata(data)
		if err != nil {
			return
		}
		for _, l := range lines {
			if !filepath.IsLocal(filepath.FromSlash(l.FileName)) || !utf8.ValidString(l.Text) {
				t.Errorf("%+v", l)
			}
		}
	})
}

// FuzzAttributes: whatever is taken makes captions whose spans are of their text.
func FuzzAttributes(f *testing.F) {
	f.Add(`[{"country":"Asian","gender":"female"},{"body shape":"fit"},null,{"hair color":"black"}]`, `[[11],null,[0],[2]]`, "full_body", uint64(1))
	f.Add(`[{"a":["x","y"],"gender":null},{"body shape":3.5}]`, ``, "", uint64(2))
	f.Add(`[[1]]`, `[[300],[-1]]`, "nobody", uint64(3))
	f.Add(`[null,null,null,null,null,null,{"type":"shirt","color":"left"}]`, `[[9,10]]`, "headshot", uint64(4))
	f.Fuzz(func(t *testing.T, text, ids, shot string, seed uint64) {
		w := words{byGroups: true, attributes: text, labels: ids, shot: shot}
		if w.check(ATR()) != nil {
			return
		}
		checkCaptions(t, &Item{Source: &Source{Labels: ATR(), Trigger: "sks"}, words: w}, seed)
	})
}

func FuzzFreeText(f *testing.F) {
	f.Add("a full-body shot, a fit woman, red hat, left hand, jeans", "ohwx", uint64(1))
	f.Add(",,, a tall man in a park, by trees,, blue shirt ,", "", uint64(2))
	f.Add("ｆｕｌｌ ，, Right\x00", " ", uint64(3))
	f.Fuzz(func(t *testing.T, text, trigger string, seed uint64) {
		text, err := checkCaption(text)
		if err != nil || !utf8.ValidString(trigger) {
			return
		}
		checkCaptions(t, &Item{Source: &Source{Labels: LIP(), Trigger: strings.TrimSpace(trigger)}, words: words{text: text}}, seed)
	})
}

func checkCaptions(t *testing.T, i *Item, seed uint64) {
	t.Helper()
	o := PublishedCaptions()
	o.ShuffleTags, o.KeepTags = true, 1
	o.Tokens = func(s string) int { return len(strings.Fields(s)) }
	o.MaxTokens = 12
	for _, mirrored := range []bool{false, true} {
		for _, c := range []Caption{i.Caption(nil, o, mirrored), i.Caption(train.Chance(seed, "test"), o, mirrored)} {
			for _, p := range c.Phrases {
				if p.Span[0] < 0 || p.Span[0] >= p.Span[1] || p.Span[1] > len(c.Text) {
					t.Errorf("%q: span %v", c.Text, p.Span)
				}
			}
			if c.Text == "" && (i.words.byGroups || i.words.text != "" && strings.Trim(i.words.text, ", ") != "") {
				t.Errorf("an empty caption of %+v", i.words)
			}
		}
	}
}
