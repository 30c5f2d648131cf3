package train

import (
	"context"
	"errors"
	"fmt"
)

// Texts are the text encoders of a pipeline, in its order.
type Texts []*TextLearner

// Forward encodes rows of token ids [rows, tokens], an encoder's tokenizer's each: the
// states side by side, [rows, tokens, width], and the pooled embedding of the last
// encoder that hands one out, nil where none does.
func (t Texts) Forward(ctx context.Context, ids [][]int64) (states, pooled []float32, err error) {
	if err := t.check(ids); err != nil {
		return nil, nil, err
	}
	width := t.width()
	at := 0
	for i, l := range t {
		s, p, err := l.Forward(ctx, ids[i])
		if err != nil {
			return nil, nil, err
		}
		if p != nil {
			pooled = p
		}
		if len(t) == 1 {
			return s, pooled, nil
		}
		own := int(l.net.config.Hidden)
		if states == nil {
			states = make([]float32, len(s)/own*width)
		}
		if len(states) != len(s)/own*width {
			return nil, nil, fmt.Errorf("%s gives other tokens than those before it", l.options.Component)
		}
		for from := range len(s) / own {
			copy(states[from*width+at:], s[from*own:(from+1)*own])
		}
		at += own
	}
	return states, pooled, nil
}

// Backward adds to the encoders' gradients those of a loss, whose gradients by what
// Forward gave for the same ids are given.
func (t Texts) Backward(ctx context.Context, ids [][]int64, states, pooled []float32) error {
	if err := t.check(ids); err != nil {
		return err
	}
	width, at := t.width(), 0
	for i, l := range t {
		s, own := states, int(l.net.config.Hidden)
		if own != width {
			s = make([]float32, 0, len(states)/width*own)
			for from := at; from+own <= len(states); from += width {
				s = append(s, states[from:from+own]...)
			}
		}
		at += own
		var p []float32
		if l.options.Pooled {
			p = pooled
		}
		if err := l.Backward(ctx, ids[i], s, p); err != nil {
			return err
		}
	}
	return nil
}

func (t Texts) check(ids [][]int64) error {
	if len(t) == 0 || len(ids) != len(t) {
		return fmt.Errorf("a batch: token ids for %d text encoders, expected %d", len(ids), len(t))
	}
	return nil
}

// width is that of the states side by side.
func (t Texts) width() (sum int) {
	for _, l := range t {
		sum += int(l.net.config.Hidden)
	}
	return sum
}

// Close frees the encoders' sessions.
func (t Texts) Close() error {
	var faults []error
	for _, l := range t {
		faults = append(faults, l.Close())
	}
	return errors.Join(faults...)
}
