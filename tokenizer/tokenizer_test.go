package tokenizer

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// fixture reads a JSON file of testdata, all of which oracle/tokenizer.py writes.
func fixture(t testing.TB, name string, v any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func ids(t testing.TB, tok *Tokenizer, text string) []int32 {
	t.Helper()
	pieces, err := tok.Tokenize(text)
	if err != nil {
		t.Fatalf("%+q: %v", text, err)
	}
	checkSpans(t, text, pieces)
	out := []int32{}
	for _, p := range pieces {
		out = append(out, p.ID)
	}
	return out
}

func checkSpans(t testing.TB, text string, pieces []Token) {
	t.Helper()
	for _, p := range pieces {
		if p.Start < 0 || p.End <= p.Start || p.End > len(text) || !utf8.ValidString(text[p.Start:p.End]) {
			t.Fatalf("%+q: token %d spans %d to %d, which are not whole characters", text, p.ID, p.Start, p.End)
		}
	}
}

// bare is CLIPTokenizer as its constructor makes it, where nothing says that a special token matches the normalized text.
func bare(t testing.TB) *Tokenizer {
	t.Helper()
	d := Default()
	tok, err := newTokenizer(d.vocab, d.names, []addedToken{{content: startOfText, special: true}, {content: endOfText, special: true}}, clipLength)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func pack(ids []int32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(ids)))
	for _, id := range ids {
		b = binary.LittleEndian.AppendUint32(b, uint32(id))
	}
	return b
}

func TestTextsAsCLIPTokenizer(t *testing.T) {
	var f struct {
		Texts []struct {
			Text string
			CLIP []int32
			Pad0 []int32 `json:"clip-pad0"`
			Bare []int32
		}
		Repeated []struct {
			Unit  string
			Count int
			CRC32 uint32
		}
	}
	fixture(t, "texts.json", &f)
	if len(f.Texts) < 300 || len(f.Repeated) == 0 {
		t.Fatalf("only %d texts and %d repeated ones", len(f.Texts), len(f.Repeated))
	}
	plain := bare(t)
	for _, c := range f.Texts {
		for _, run := range []struct {
			name string
			tok  *Tokenizer
			want []int32
		}{{"clip", Default(), c.CLIP}, {"pad 0", DefaultZeroPad(), c.Pad0}, {"bare", plain, c.Bare}} {
			want := run.want
			if want == nil { // the same as clip
				want = c.CLIP
			}
			if got := ids(t, run.tok, c.Text); !slices.Equal(got, want) {
				t.Errorf("%s: %+q:\ngot  %s\nwant %s", run.name, c.Text, spell(run.tok, got), spell(run.tok, want))
			}
			checkEncoding(t, run.tok, c.Text, want)
		}
	}
	for _, c := range f.Repeated {
		got := ids(t, Default(), strings.Repeat(c.Unit, c.Count))
		if sum := crc32.ChecksumIEEE(pack(got)); sum != c.CRC32 {
			t.Errorf("%+q %d times: ids differ: %s...", c.Unit, c.Count, spell(Default(), got[:min(len(got), 20)]))
		}
	}
}

// checkEncoding compares Encode with begin, text, end and padding.
func checkEncoding(t *testing.T, tok *Tokenizer, text string, want []int32) {
	t.Helper()
	e, err := tok.Encode(text)
	if err != nil {
		t.Fatal(err)
	}
	n := tok.MaxLength()
	kept := min(len(want), n-2)
	full := append([]int32{tok.BeginID()}, want[:kept]...)
	full = append(full, tok.EndID())
	if e.Tokens != len(full) {
		t.Errorf("%+q: %d tokens, want %d", text, e.Tokens, len(full))
	}
	for len(full) < n {
		full = append(full, tok.PadID())
	}
	if len(e.IDs) != n {
		t.Fatalf("%+q: %d ids, want %d", text, len(e.IDs), n)
	}
	for i, id := range e.IDs {
		if id != int64(full[i]) {
			t.Fatalf("%+q: id %d is %d, want %d", text, i, id, full[i])
		}
	}
	if e.Truncated() != (len(want) > n-2) || e.Truncated() != (e.Removed != "") || !strings.Contains(text, e.Removed) {
		t.Errorf("%+q: %d tokens: truncated %v, removed %q", text, len(want), e.Truncated(), e.Removed)
	}
}

func spell(tok *Tokenizer, ids []int32) string {
	var words []string
	for _, id := range ids {
		words = append(words, tok.TokenText(id))
	}
	return fmt.Sprintf("%v %q", ids, words)
}

// Every code point in five contexts. `python3 oracle/tokenizer.py --block HEX` prints what a failing block should have.
func TestEveryCodePointAsCLIPTokenizer(t *testing.T) {
	sums, err := os.ReadFile(filepath.Join("testdata", "sweep.bin"))
	if err != nil {
		t.Fatal(err)
	}
	if len(sums) != 4*0x1100 {
		t.Fatalf("sweep.bin has %d bytes, want %d", len(sums), 4*0x1100)
	}
	contexts := []string{"{}", "a{}b", "!{}'s", "e{}\u0323\u0301", "9{}{}A"}
	tok := Default()
	var wg sync.WaitGroup
	failed := make([]bool, 0x1100)
	for worker := range 4 {
		wg.Go(func() {
			for block := worker; block < len(failed); block += 4 {
				if !inSweep(block) {
					continue
				}
				sum := crc32.NewIEEE()
				for c := rune(block) * 256; c < rune(block+1)*256; c++ {
					if !utf8.ValidRune(c) {
						continue
					}
					for _, context := range contexts {
						var got []int32
						for _, p := range tok.tokenize(strings.ReplaceAll(context, "{}", string(c))) {
							got = append(got, p.ID)
						}
						sum.Write(pack(got))
					}
				}
				failed[block] = sum.Sum32() != binary.LittleEndian.Uint32(sums[4*block:])
			}
		})
	}
	wg.Wait()
	for block, bad := range failed {
		if bad {
			t.Errorf("code points U+%04X to U+%04X differ", block*256, block*256+255)
		}
	}
}

func TestSpans(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string // the text of each token's span
	}{
		{"A Red  COAT", []string{"A", "Red", "COAT"}},
		{"don't", []string{"don", "'t"}},
		{"Cafe\u0301 x", []string{"Cafe\u0301", "x"}},
		{"\u1112\u1161\u11ab", []string{"\u1112\u1161\u11ab", "\u1112\u1161\u11ab"}},
		{"İ", []string{"İ", "İ"}},
		{"a<|STARTOFTEXT|>b", []string{"a", "<|STARTOFTEXT|>", "b"}},
		{"\u3000Zu\u0308rich\u00a0", []string{"Z", "u\u0308", "rich"}},
	} {
		pieces, err := Default().Tokenize(c.text)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range pieces {
			got = append(got, c.text[p.Start:p.End])
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+q: spans %+q, want %+q", c.text, got, c.want)
		}
	}
}

func TestRemovedText(t *testing.T) {
	words := strings.Repeat("red ", 75)
	e, err := Default().Encode(words + "Blue  coat, 12 ")
	if err != nil {
		t.Fatal(err)
	}
	if e.Removed != "Blue  coat, 12" || !e.Truncated() || e.Tokens != 77 || e.IDs[76] != 49407 {
		t.Errorf("removed %q, %d tokens, last id %d", e.Removed, e.Tokens, e.IDs[76])
	}
	if e, err = Default().Encode(words); err != nil || e.Truncated() || e.Removed != "" {
		t.Errorf("75 words: removed %q, %v", e.Removed, err)
	}
}

func TestNotUTF8(t *testing.T) {
	for text, want := range map[string]string{
		"\xff":          "the text is not valid UTF-8 at byte 0",
		"caf\xe9":       "the text is not valid UTF-8 at byte 3",
		"é\xed\xa0\x80": "the text is not valid UTF-8 at byte 2",
	} {
		if _, err := Default().Encode(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if err := Validate("\ufffd\x00ok"); err != nil {
		t.Error(err)
	}
}

// Long words take about as long per byte as short ones; scanning for the best pair again and again would take hours.
func TestHugeWords(t *testing.T) {
	for unit, size := range map[string]int{"ab": 1 << 20, "a": 1 << 16, "!": 1 << 16, "\u0301": 1 << 16, "é": 1 << 16, "👩": 1 << 16, "<|": 1 << 16, "'": 1 << 16} {
		start := time.Now()
		pieces, err := Default().Tokenize(strings.Repeat(unit, size/len(unit)))
		if err != nil || len(pieces) == 0 {
			t.Fatal(len(pieces), err)
		}
		if took := time.Since(start); took > 5*time.Minute {
			t.Errorf("%d bytes of %+q took %s", size, unit, took)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 50 {
				text := strings.Repeat("a photo of é 👩‍💻 ", i+1)
				a, err := Default().Encode(text)
				b, err2 := DefaultZeroPad().Encode(text)
				if err != nil || err2 != nil || !slices.Equal(a.IDs[:a.Tokens], b.IDs[:b.Tokens]) {
					t.Error("texts without special signs differ", err, err2)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzEncode(f *testing.F) {
	for _, s := range []string{"", "a photo", "<|endoftext|>!", "e\u0301\u0323", "\u1100\u1161\u11a8", "\xff", "İ", "'s 're", "👩‍💻", "\u0301"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := Default().Encode(text)
		if (err == nil) != utf8.ValidString(text) {
			t.Fatalf("%q: %v", text, err)
		}
		if err != nil {
			return
		}
		if len(e.IDs) != 77 || e.IDs[0] != 49406 || e.IDs[e.Tokens-1] != 49407 {
			t.Fatalf("%q: %v", text, e.IDs)
		}
		checkSpans(t, text, e.Pieces)
	})
}
