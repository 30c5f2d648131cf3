package train

import (
	"math"
	"slices"
	"strings"
	"testing"

	"cosmicman/weights/lora"
)

type wordsCase struct {
	derivedCase
	Model               string
	Rows, Tokens, Words int
	IDs                 [][]int64
	Targets, Counts     []float32
	Head                noiseCase
	Used                []int64
	Loss, Right         float64
}

// TestWordsEqualPyTorch compares loss and every gradient with those of transformers'
// encoder and a linear head.
func TestWordsEqualPyTorch(t *testing.T) {
	rt := openRuntime(t)
	for _, c := range readLearners(t).Words {
		t.Run(c.Name, func(t *testing.T) {
			text := textOptions(t, c.Model, lora.TextEncoder)
			w := &Words{ids: make([]int64, c.Words), occurring: c.Used, tokens: c.Tokens}
			l, err := NewWordsLearner(rt, WordsOptions{Component: "text_encoder", Config: text.Config, Weights: text.Weights, Words: w, Threads: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			for _, x := range l.Tensors() {
				if x.Name == HeadWeight {
					for i, v := range c.Head.draw() {
						x.Values[i] = v / float32(math.Sqrt(float64(text.Config.Hidden)))
					}
				}
			}
			b := &WordsBatch{Targets: c.Targets, Counts: c.Counts}
			for _, row := range c.IDs {
				b.IDs = append(b.IDs, row...)
			}
			got, err := l.Gradients(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			near(t, "the loss", got.Total, c.Loss)
			if wrong := got.Parts[1].Value; !(math.Abs(1-c.Right-wrong) < 1e-6) {
				t.Errorf("%v are wrong, PyTorch has %v right", wrong, c.Right)
			}
			c.compare(t, gradients(l.Tensors(), ""))
		})
	}
}

// sentences are captions of a made-up language: phrases of a colour and a thing,
// ids from 10 on, between marks 1 and 2 and padding 2.
func sentences(count int) (all []Tokenized) {
	for i := range count {
		c := Tokenized{IDs: []int64{1}}
		for p := range 3 {
			n := (i*7 + p*5) % 30
			c.Phrases = append(c.Phrases, [2]int{len(c.IDs), len(c.IDs) + 2})
			c.IDs = append(c.IDs, int64(10+n%5), int64(20+n/5), 3)
		}
		c.End = len(c.IDs)
		for len(c.IDs) < 77 {
			c.IDs = append(c.IDs, 2)
		}
		all = append(all, c)
	}
	return all
}

func TestWordsAskForAPhraseSoFar(t *testing.T) {
	all := sentences(30)
	w, err := NewWords(all)
	if err != nil {
		t.Fatal(err)
	}
	if w.Count() != 11 || w.Tokens() != 11 || !slices.Equal(w.Occurring()[:4], []int64{1, 2, 3, 10}) || len(w.Occurring()) != 14 {
		t.Fatalf("%d words, %d tokens, %v occur", w.Count(), w.Tokens(), w.Occurring())
	}
	b, err := w.Batch(all[4:5], 0.5)
	if err != nil {
		t.Fatal(err)
	}
	asked := func(at int) (ids []int64) {
		for i, v := range b.Targets[at*w.Count() : (at+1)*w.Count()] {
			if v == 1 {
				ids = append(ids, w.ids[i])
			}
		}
		return ids
	}
	if !slices.Equal(b.IDs, all[4].IDs[:11]) || !slices.Equal(b.Counts, []float32{0, 1, 1, 0, 1, 1, 0, 1, 1, 0, 0.5}) {
		t.Errorf("ids %v count %v", b.IDs, b.Counts)
	}
	ids := all[4].IDs
	// The odds are those of what batches of all captions ask for.
	for i, odds := range w.odds() {
		asks, yes := 0.0, 0.0
		for _, c := range all {
			for _, p := range c.Phrases {
				for at := p[0]; at < p[1]; at++ {
					if asks++; slices.Contains(c.IDs[p[0]:at+1], w.ids[i]) {
						yes++
					}
				}
			}
		}
		if want := math.Log((yes + 1) / (asks - yes + 1)); !(math.Abs(odds-want) < 1e-12) {
			t.Errorf("the odds of %d are %v, expected %v", w.ids[i], odds, want)
		}
	}
	for at, want := range map[int][]int64{0: nil, 1: {ids[1]}, 2: {ids[1], ids[2]}, 3: nil, 4: {ids[4]}, 5: {ids[4], ids[5]}} {
		if got := asked(at); !slices.Equal(got, want) {
			t.Errorf("token %d is asked for %v, expected %v", at, got, want)
		}
	}
	want := slices.Compact(slices.Sorted(slices.Values([]int64{ids[1], ids[2], ids[4], ids[5], ids[7], ids[8]})))
	if got := asked(10); !slices.Equal(got, want) {
		t.Errorf("the end mark is asked for %v, expected %v", got, want)
	}
}

func TestWordsRefuse(t *testing.T) {
	good := sentences(2)
	_, err := NewWords([]Tokenized{{IDs: []int64{1, 2}, End: 2}, {IDs: []int64{1, 5, 2}, End: 2, Phrases: [][2]int{{1, 3}}}})
	for _, want := range []string{"caption 0: the end mark is at 2 of 2 tokens", "caption 1: a phrase has tokens 1 to 3"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, expected %q in it", err, want)
		}
	}
	if _, err := NewWords([]Tokenized{{IDs: []int64{1, 2}, End: 1}}); err == nil || !strings.Contains(err.Error(), "no caption has a phrase") {
		t.Errorf("error %v for captions without phrases", err)
	}
	w, err := NewWords(good)
	if err != nil {
		t.Fatal(err)
	}
	other := sentences(4)[3]
	if _, err := w.Batch([]Tokenized{other}, 0); err == nil || !strings.Contains(err.Error(), "is not among the words") {
		t.Errorf("error %v for words of other captions", err)
	}
}

// TestWordsAreLearned teaches a small encoder from nothing until it knows every
// phrase's words, and writes its few rows of embeddings back into the whole table.
func TestWordsAreLearned(t *testing.T) {
	rt := openRuntime(t)
	text := textOptions(t, "odd-vae", lora.TextEncoder)
	all := sentences(30)
	w, err := NewWords(all)
	if err != nil {
		t.Fatal(err)
	}
	l, err := NewWordsLearner(rt, WordsOptions{Component: "text_encoder", Config: text.Config, Weights: text.Weights, Words: w, Threads: 1, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var states []Weights
	for _, x := range l.Tensors() {
		states = append(states, Weights{x.Name, x.Values, x.Gradient, make([]float32, len(x.Values)), make([]float32, len(x.Values))})
	}
	b, err := w.Batch(all, 0)
	if err != nil {
		t.Fatal(err)
	}
	first, last := Losses{}, Losses{}
	for step := range 150 {
		for _, s := range states {
			clear(s.Gradient)
		}
		if last, err = l.Gradients(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if step == 0 {
			first = last
		}
		if _, err := DefaultAdamW().Step(Step{Number: step + 1, LearningRate: 5e-3}, states); err != nil {
			t.Fatal(err)
		}
	}
	if first.Parts[1].Value < 0.5 || last.Parts[1].Value != 0 {
		t.Errorf("of all tokens %v were wrong at first and %v in the end: loss %v, then %v", first.Parts[1].Value, last.Parts[1].Value, first.Total, last.Total)
	}
	i := slices.IndexFunc(l.Tensors(), func(x Tensor) bool { return x.Name == tokenTable })
	table := l.Tensors()[i]
	width := int(text.Config.Hidden)
	e, _ := text.Weights.Lookup(tokenTable)
	before, dst := make([]float32, int(e.Shape[0])*width), make([]float32, int(e.Shape[0])*width)
	if err := l.Whole(before, "final", nil, KeepRest); err == nil {
		t.Error("a tensor of no values was written into one of many")
	}
	if err := readWhole(text, before); err != nil {
		t.Fatal(err)
	}
	for _, rest := range []Rest{KeepRest, ZeroRest} {
		if err := l.Whole(dst, tokenTable, table.Values, rest); err != nil {
			t.Fatal(err)
		}
		for id := range int(e.Shape[0]) {
			got, want := dst[id*width:(id+1)*width], before[id*width:(id+1)*width]
			if row := slices.Index(w.Occurring(), int64(id)); row >= 0 {
				want = table.Values[row*width : (row+1)*width]
			} else if rest == ZeroRest {
				want = make([]float32, width)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%s: row %d is %v, expected %v", rest, id, got[:2], want[:2])
			}
		}
	}
	if err := l.Whole(dst, tokenTable, table.Values, "ones"); err == nil || !strings.Contains(err.Error(), "expected keep or zero") {
		t.Errorf("error %v for a rest that there is not", err)
	}
}
