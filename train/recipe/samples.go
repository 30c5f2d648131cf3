package recipe

import (
	"context"
	"path/filepath"
	"regexp"
	"strings"

	"cosmicman/train/loop"
)

// shellWord is a text as a word of a shell's line.
func shellWord(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9@%+=:,./_-]+$`)

func lastName(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return filepath.Base(path)
}

// sampling says when samples are drawn.
func (r *Run) sampling(t task) loop.Sample {
	s := loop.Sample{Every: int64(r.config.Samples.Every)}
	if r.env.Sampler == nil {
		return s
	}
	s.Draw = func(ctx context.Context, w loop.Weights) error { return nil }
	return s
}
