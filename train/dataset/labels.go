package dataset

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cosmicman/prompt"
)

// LabelTable says what the labels of parsing maps mean. 0 is always the background.
type LabelTable struct {
	Name   string
	Labels []Label
}

// Label is a number of a parsing map.
type Label struct {
	Number uint8
	Name   string
	Shows  []Shown
	// Mirror is the label that a mirrored image has in its place, as the right shoe's
	// is the left shoe's; the label's own number where sides do not matter.
	Mirror uint8
}

// Shown is a group of the protocol that a label shows.
type Shown struct {
	Group prompt.Group
	// Words narrow it: only phrases with one of these are meant, and such a phrase is
	// not any of the group's labels without words. None: all phrases.
	Words []string
}

// ATR is the label set of the ATR data set, as SCHP has it and CosmicMan-HQ.
func ATR() *LabelTable {
	skirts := Shown{prompt.Bottom, []string{"skirt", "skirts", "miniskirt", "miniskirts", "kilt", "kilts", "tutu"}}
	return &LabelTable{"ATR", []Label{
		one(0, "background", prompt.Background),
		one(1, "hat", prompt.Hat, prompt.Headband, prompt.Headscarf, prompt.Veil),
		one(2, "hair", prompt.Hair),
		one(3, "sunglasses"),
		one(4, "upper-clothes", prompt.Top, prompt.Coat),
		{5, "skirt", []Shown{skirts}, 5},
		one(6, "pants", prompt.Bottom),
		one(7, "dress", prompt.OnePiece, prompt.Special),
		one(8, "belt", prompt.Belt),
		mirrored(9, 10, "left-shoe", prompt.Shoes),
		mirrored(10, 9, "right-shoe", prompt.Shoes),
		{11, "face", []Shown{{Group: prompt.Face}, {prompt.Hair, []string{"bald"}}}, 11},
		// The set has no label of its own for socks, which are where legs are, nor for ties.
		mirrored(12, 13, "left-leg", prompt.Socks),
		mirrored(13, 12, "right-leg", prompt.Socks),
		mirrored(14, 15, "left-arm"),
		mirrored(15, 14, "right-arm"),
		one(16, "bag", prompt.Bag),
		one(17, "scarf", prompt.Scarf, prompt.Ties),
	}}
}

// LIP is the label set of the LIP data set, as SCHP has it.
func LIP() *LabelTable {
	skirts := Shown{prompt.Bottom, []string{"skirt", "skirts", "miniskirt", "miniskirts", "kilt", "kilts", "tutu"}}
	jumpsuits := Shown{prompt.OnePiece, []string{"jumpsuit", "jumpsuits", "romper", "rompers", "overalls", "playsuit", "bodysuit", "onesie"}}
	return &LabelTable{"LIP", []Label{
		one(0, "background", prompt.Background),
		one(1, "hat", prompt.Hat, prompt.Headband, prompt.Headscarf, prompt.Veil),
		one(2, "hair", prompt.Hair),
		one(3, "glove"),
		one(4, "sunglasses"),
		one(5, "upper-clothes", prompt.Top),
		one(6, "dress", prompt.OnePiece, prompt.Special),
		one(7, "coat", prompt.Coat),
		one(8, "socks", prompt.Socks),
		one(9, "pants", prompt.Bottom),
		{10, "jumpsuits", []Shown{jumpsuits}, 10},
		one(11, "scarf", prompt.Scarf, prompt.Ties),
		{12, "skirt", []Shown{skirts}, 12},
		{13, "face", []Shown{{Group: prompt.Face}, {prompt.Hair, []string{"bald"}}}, 13},
		mirrored(14, 15, "left-arm"),
		mirrored(15, 14, "right-arm"),
		mirrored(16, 17, "left-leg"),
		mirrored(17, 16, "right-leg"),
		mirrored(18, 19, "left-shoe", prompt.Shoes),
		mirrored(19, 18, "right-shoe", prompt.Shoes),
	}}
}

func one(n uint8, name string, all ...prompt.Group) Label { return mirrored(n, n, name, all...) }

func mirrored(n, mirror uint8, name string, all ...prompt.Group) Label {
	l := Label{Number: n, Name: name, Mirror: mirror}
	for _, g := range all {
		l.Shows = append(l.Shows, Shown{Group: g})
	}
	return l
}

// ParseLabels reads a table as settings declare it: "atr", "lip", or a list of labels
// such as
//
//	1 hats; 2 hair; 4 tops, coats; 5 bottoms (skirt, kilt); 6 bottoms; 9<>10 shoes; 3
//
// A label is a number, and the groups that it shows, by the authors' names or numbers,
// with words that narrow a group in brackets. A<>B are two labels that a mirrored image
// has in each other's place. 0 is the background unless it is declared.
func ParseLabels(text string) (*LabelTable, error) {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "", "atr":
		return ATR(), nil
	case "lip":
		return LIP(), nil
	}
	t, faults := &LabelTable{Name: "declared"}, []error(nil)
	for entry := range strings.SplitSeq(text, ";") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		labels, err := parseLabel(entry)
		if err != nil {
			faults = append(faults, fmt.Errorf("labels: %q: %w", entry, err))
			continue
		}
		t.Labels = append(t.Labels, labels...)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if t.find(0) == nil {
		t.Labels = append([]Label{one(0, "background", prompt.Background)}, t.Labels...)
	}
	return t, t.Check()
}

func parseLabel(entry string) ([]Label, error) {
	numbers, rest, _ := strings.Cut(entry, " ")
	first, second, pair := strings.Cut(numbers, "<>")
	a, err := parseNumber(first)
	if err != nil {
		return nil, err
	}
	b := a
	if pair {
		if b, err = parseNumber(second); err != nil {
			return nil, err
		}
		if a == b {
			return nil, fmt.Errorf("label %d is its own mirror, expected two numbers", a)
		}
	}
	shows, err := parseShown(rest)
	if err != nil {
		return nil, err
	}
	out := []Label{{Number: a, Name: "label " + first, Shows: shows, Mirror: b}}
	if pair {
		out = append(out, Label{Number: b, Name: "label " + second, Shows: shows, Mirror: a})
	}
	return out, nil
}

func parseNumber(text string) (uint8, error) {
	n, err := strconv.ParseUint(text, 10, 8)
	if err != nil {
		return 0, fmt.Errorf("%q is no label, expected a number from 0 to 255", text)
	}
	return uint8(n), nil
}

// parseShown reads groups, and words in brackets behind them.
func parseShown(text string) (out []Shown, err error) {
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		end := strings.IndexAny(text, ",(")
		if end < 0 {
			end = len(text)
		}
		g, err := GroupNamed(strings.TrimSpace(text[:end]))
		if err != nil {
			return nil, err
		}
		s := Shown{Group: g}
		text = text[end:]
		if strings.HasPrefix(text, "(") {
			words, rest, closed := strings.Cut(text[1:], ")")
			if !closed {
				return nil, errors.New("a bracket is not closed")
			}
			for word := range strings.SplitSeq(words, ",") {
				if word = strings.ToLower(strings.TrimSpace(word)); word != "" {
					s.Words = append(s.Words, word)
				}
			}
			if len(s.Words) == 0 {
				return nil, errors.New("brackets without a word")
			}
			if text = strings.TrimSpace(rest); text != "" && text[0] != ',' {
				return nil, fmt.Errorf("%q behind a bracket, expected a comma", text)
			}
		}
		out = append(out, s)
		text = strings.TrimPrefix(text, ",")
	}
	return out, nil
}

// GroupNamed is the group of a name of the authors', such as "one-piece outfits", or of
// a number.
func GroupNamed(name string) (prompt.Group, error) {
	for g := range groups {
		if strings.EqualFold(name, g.String()) || name == strconv.Itoa(int(g)) {
			return g, nil
		}
	}
	var all []string
	for g := range groups {
		all = append(all, g.String())
	}
	return 0, fmt.Errorf("%q is no group, expected one of %s", name, strings.Join(all, ", "))
}

// Check returns every fault of a table, joined.
func (t *LabelTable) Check() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("labels: "+format, args...)) }
	for i, l := range t.Labels {
		if t.find(l.Number) != &t.Labels[i] {
			fault("label %d is declared twice", l.Number)
		}
		switch m := t.find(l.Mirror); {
		case m == nil:
			fault("label %d is mirrored as %d, which is not declared", l.Number, l.Mirror)
		case m.Mirror != l.Number:
			fault("label %d is mirrored as %d, but that as %d", l.Number, l.Mirror, m.Mirror)
		}
		for _, s := range l.Shows {
			if s.Group < 0 || s.Group >= groups {
				fault("label %d shows group %d, expected 0 to %d", l.Number, int(s.Group), groups-1)
			}
		}
	}
	if zero := t.find(0); zero == nil {
		fault("0, the background, is not declared")
	} else if zero.Mirror != 0 {
		fault("0, the background, is mirrored as %d", zero.Mirror)
	}
	return errors.Join(faults...)
}

func (t *LabelTable) find(n uint8) *Label {
	for i := range t.Labels {
		if t.Labels[i].Number == n {
			return &t.Labels[i]
		}
	}
	return nil
}

// mirrors is what each label becomes in a mirrored image.
func (t *LabelTable) mirrors() *[256]uint8 {
	var out [256]uint8
	for i := range out {
		out[i] = uint8(i)
	}
	for _, l := range t.Labels {
		out[l.Number] = l.Mirror
	}
	return &out
}

// known says of each label whether it is declared.
func (t *LabelTable) known() *[256]bool {
	var out [256]bool
	for _, l := range t.Labels {
		out[l.Number] = true
	}
	return &out
}

// labelsOf are the labels, ascending, that show what a phrase says of a group.
func (t *LabelTable) labelsOf(g prompt.Group, phrase string) []uint8 {
	var plain, meant []uint8
	words := strings.FieldsFunc(strings.ToLower(phrase), func(r rune) bool { return r == ' ' || r == ',' || r == '-' })
	for _, l := range t.Labels {
		for _, s := range l.Shows {
			if s.Group != g {
				continue
			}
			if len(s.Words) == 0 {
				plain = append(plain, l.Number)
			} else if slices.ContainsFunc(s.Words, func(w string) bool { return slices.Contains(words, w) }) {
				meant = append(meant, l.Number)
			}
		}
	}
	if meant == nil {
		meant = plain
	}
	slices.Sort(meant)
	return slices.Compact(meant)
}

// describe lists labels for a message.
func describeLabels(labels []uint8) string {
	var out []string
	for _, l := range labels {
		out = append(out, strconv.Itoa(int(l)))
	}
	return strings.Join(out, ", ")
}
