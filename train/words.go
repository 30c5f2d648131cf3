package train

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
)

// Tokenized is a caption as a text encoder takes it.
type Tokenized struct {
	IDs []int64
	End int // the place of the first end mark
	// Phrases are runs of tokens that belong together, such as those about one garment:
	// half-open places in IDs. Empty ones, such as those that were cut off, do not count.
	Phrases [][2]int
}

// Words are what a text encoder is asked for when it is taught on text alone: the
// tokens that occur in the phrases of some captions.
type Words struct {
	ids       []int64
	places    map[int64]int
	occurring []int64
	tokens    int
	asks      int64   // tokens of phrases
	yes       []int64 // of these, how many are asked for each word
}

// NewWords collects the words of captions.
func NewWords(captions []Tokenized) (*Words, error) {
	w := &Words{places: map[int64]int{}}
	var faults []error
	occurring, words := map[int64]bool{}, map[int64]int64{}
	for i, c := range captions {
		if err := c.check(); err != nil {
			faults = append(faults, fmt.Errorf("caption %d: %w", i, err))
			continue
		}
		w.tokens = max(w.tokens, c.End+1)
		for _, id := range c.IDs {
			occurring[id] = true
		}
		for _, p := range c.Phrases {
			for at, id := range c.IDs[p[0]:p[1]] {
				words[id] += int64(p[1] - p[0] - at) // from there to the phrase's end
			}
			w.asks += int64(p[1] - p[0])
		}
	}
	w.occurring, w.ids = slices.Sorted(maps.Keys(occurring)), slices.Sorted(maps.Keys(words))
	if len(w.ids) == 0 && faults == nil {
		faults = append(faults, errors.New("no caption has a phrase: there is nothing to learn from their text"))
	}
	for i, id := range w.ids {
		w.places[id] = i
		w.yes = append(w.yes, words[id])
	}
	return w, errors.Join(faults...)
}

func (c Tokenized) check() error {
	if c.End < 0 || c.End >= len(c.IDs) {
		return fmt.Errorf("the end mark is at %d of %d tokens", c.End, len(c.IDs))
	}
	for _, p := range c.Phrases {
		if p[0] < 0 || p[0] > p[1] || p[1] > c.End {
			return fmt.Errorf("a phrase has tokens %d to %d, expected some before the end mark at %d", p[0], p[1], c.End)
		}
	}
	return nil
}

// Count is how many words there are.
func (w *Words) Count() int { return len(w.ids) }

// Occurring are the ids of all tokens of the captions, their marks and padding too.
func (w *Words) Occurring() []int64 { return w.occurring }

// Tokens is how many tokens the longest caption has, with both of its marks. Since a
// text encoder looks back only, longer rows teach nothing.
func (w *Words) Tokens() int { return w.tokens }

// odds are the logarithms of how likely each word is at a token of a phrase, as against
// that it is not: what is said best where nothing is known.
func (w *Words) odds() []float64 {
	odds := make([]float64, len(w.ids))
	for i, yes := range w.yes {
		odds[i] = math.Log(float64(yes+1) / float64(max(w.asks-yes, 0)+1))
	}
	return odds
}

// Batch asks, at each token of a phrase, for the phrase's words so far. end is how much
// the end mark counts, where a token counts 1: it is asked for the words of all phrases.
func (w *Words) Batch(captions []Tokenized, end float64) (*WordsBatch, error) {
	b := &WordsBatch{
		IDs:     make([]int64, 0, len(captions)*w.tokens),
		Targets: make([]float32, len(captions)*w.tokens*len(w.ids)),
		Counts:  make([]float32, len(captions)*w.tokens),
	}
	for row, c := range captions {
		if err := c.check(); err != nil {
			return nil, fmt.Errorf("caption %d: %w", row, err)
		}
		if c.End >= w.tokens || len(c.IDs) < w.tokens {
			return nil, fmt.Errorf("caption %d has its end mark at %d of %d tokens, expected one of the captions that the words are from, of up to %d tokens", row, c.End, len(c.IDs), w.tokens)
		}
		b.IDs = append(b.IDs, c.IDs[:w.tokens]...)
		ask := func(at, first, last int) error {
			for _, id := range c.IDs[first:last] {
				place, ok := w.places[id]
				if !ok {
					return fmt.Errorf("caption %d: the token %d is not among the words", row, id)
				}
				b.Targets[(row*w.tokens+at)*len(w.ids)+place] = 1
			}
			return nil
		}
		for _, p := range c.Phrases {
			for at := p[0]; at < p[1]; at++ {
				b.Counts[row*w.tokens+at] = 1
				if err := ask(at, p[0], at+1); err != nil {
					return nil, err
				}
			}
			b.Counts[row*w.tokens+c.End] = float32(end)
			if err := ask(c.End, p[0], p[1]); err != nil {
				return nil, err
			}
		}
	}
	return b, nil
}
