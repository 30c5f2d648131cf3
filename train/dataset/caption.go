package dataset

import (
	"errors"
	"fmt"
	"slices"

	"cosmicman/prompt"
	"cosmicman/train"
)

// Caption is a text, and what its parts describe.
type Caption struct {
	Text    string
	Phrases []Phrase
}

// Phrase is a part of a caption that describes a part of the person.
type Phrase struct {
	Span       [2]int // bytes of the text, half-open
	Shot       bool   // it says how much of the person is seen, and has no group
	Group      prompt.Group
	Labels     []uint8 // of the parsing map, any of which is the part
	Foreground bool    // the whole person is
}

// CaptionOptions say how captions are built. Of attributes by groups: the shot, the
// groups of First, then the others. Of a free text: the text.
type CaptionOptions struct {
	First         []prompt.Group // in this order
	ShuffleGroups bool           // the others are shuffled; else by number
	ShuffleWords  bool           // a phrase's adjectives are shuffled; else in the protocol's order
	GroupDropout  float64        // how likely a group is left out, 0 to 1
	LateDropout   float64        // groups from LateFrom on are left out so likely besides
	LateFrom      prompt.Group
	Article       Article // before the person

	ShuffleTags bool // the comma-separated phrases of a free text are shuffled
	KeepTags    int  // but for so many at the beginning

	// Tokens counts a text's tokens, without marks of begin and end. While a caption of
	// attributes has over MaxTokens, groups are removed from its end. nil is no bound.
	Tokens    func(text string) int
	MaxTokens int // 0 is 75
}

// Article is what stands before the person's phrase.
type Article string

// The ways of Article.
const (
	AlwaysA   Article = "a"  // the published code: "a Asian adult female"
	GrammarsA Article = "an" // "an Asian adult female", as captions for drawing have it
)

// PublishedCaptions is what the published code does. Its Tokens are to be set.
func PublishedCaptions() CaptionOptions {
	return CaptionOptions{
		First:         []prompt.Group{prompt.Face, prompt.BodyShape, prompt.Background},
		ShuffleGroups: true,
		ShuffleWords:  true,
		GroupDropout:  0.1,
		LateDropout:   0.5,
		LateFrom:      prompt.Style,
		Article:       AlwaysA,
	}
}

// Check returns every fault of the options, joined.
func (o CaptionOptions) Check() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("captions: "+format, args...)) }
	for i, g := range o.First {
		if g < 0 || g >= groups {
			fault("group %d of the first ones, expected 0 to %d", int(g), groups-1)
		} else if slices.Contains(o.First[:i], g) {
			fault("group %d (%s) is among the first ones twice", int(g), g)
		}
	}
	if !(o.GroupDropout >= 0 && o.GroupDropout <= 1) {
		fault("group dropout is %v, expected a chance from 0 to 1", o.GroupDropout)
	}
	if !(o.LateDropout >= 0 && o.LateDropout <= 1) {
		fault("late dropout is %v, expected a chance from 0 to 1", o.LateDropout)
	}
	if o.LateFrom < 0 || o.LateFrom > groups {
		fault("late groups begin with %d, expected 0 to %d", int(o.LateFrom), groups)
	}
	if o.Article != "" && o.Article != AlwaysA && o.Article != GrammarsA {
		fault("article is %q, expected %s or %s", o.Article, AlwaysA, GrammarsA)
	}
	if o.KeepTags < 0 {
		fault("%d phrases are kept at the beginning, expected 0 or more", o.KeepTags)
	}
	if o.MaxTokens < 0 {
		fault("the most tokens are %d, expected 0 or more", o.MaxTokens)
	}
	return errors.Join(faults...)
}

// groups is how many groups the protocol has.
const groups = prompt.Ties + 1

// Groups are the caption's phrases in the places of their tokens in a window of the
// text encoder, as package train's losses take them. A phrase that is cut off has none.
func (c Caption) Groups(w prompt.Window) []train.Group {
	var out []train.Group
	for _, p := range c.Phrases {
		tokens := train.TokenSpan(w, c.Text, p.Span)
		switch {
		case tokens[0] == tokens[1]:
		case p.Shot:
			out = append(out, train.ShotGroup(tokens))
		default:
			g := train.GroupOf(p.Group, tokens, p.Labels)
			g.Foreground = g.Foreground || p.Foreground
			out = append(out, g)
		}
	}
	return out
}

// Sample is what a caption and a parsing map say of an image. Without a map there are
// no groups: nothing is known of where the parts are, which is another thing than that
// they are nowhere.
func (c Caption) Sample(w prompt.Window, m train.ParsingMap) train.Sample {
	if len(m.Labels) == 0 {
		return train.Sample{}
	}
	return train.Sample{Groups: c.Groups(w), Map: m}
}
