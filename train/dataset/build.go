package dataset

import (
	"math/rand/v2"
	"slices"
	"strings"

	"cosmicman/prompt"
	"cosmicman/train"
)

// Caption builds the caption of a visit; that of an image which is held out is whole
// and in order.
func (s *Set) Caption(v Visit) Caption {
	var chance *rand.Rand
	if v.Number >= 0 {
		chance = train.Chance(s.options.Seed, "dataset: caption", v.Number)
	}
	return v.Item.Caption(chance, s.options.Captions, v.Flip)
}

// Caption builds a caption of an item. Without chance nothing is shuffled or left out.
// For a mirrored image "left" and "right" are exchanged, in words and in labels.
func (i *Item) Caption(chance *rand.Rand, o CaptionOptions, mirrored bool) Caption {
	b := builder{options: o, chance: chance, mirrored: mirrored, table: i.Source.Labels}
	if i.words.byGroups {
		return b.ofAttributes(i.Source.Trigger, i.words)
	}
	return b.ofText(i.Source.Trigger, i.words.text)
}

// builder builds one caption.
type builder struct {
	options  CaptionOptions
	chance   *rand.Rand
	mirrored bool
	table    *LabelTable
}

// part is a phrase that is to stand in a caption; its span is not known yet.
type part struct {
	text   string
	phrase Phrase
	fixed  bool // it is not removed where a caption is too long
	plain  bool // it describes no part of the person
}

// ofAttributes builds a caption in the published order. The words were checked when the
// set was opened.
func (b *builder) ofAttributes(trigger string, w words) Caption {
	attributes, err := parseAttributes(w.attributes)
	if err != nil {
		return Caption{}
	}
	labels, err := b.table.parseLabels(w.labels)
	if err != nil {
		return Caption{}
	}
	var head, tail, dropped []part
	for g, d := range attributes {
		if d == nil {
			continue
		}
		p := b.part(prompt.Group(g), d)
		p.phrase.Labels = b.mirror(labels[g])
		if w.labels == "" {
			p.phrase.Labels = b.mirror(b.table.labelsOf(prompt.Group(g), p.text))
		}
		switch {
		case b.drops(prompt.Group(g)):
			dropped = append(dropped, p)
		case slices.Contains(b.options.First, prompt.Group(g)):
			head = append(head, p)
		default:
			tail = append(tail, p)
		}
	}
	slices.SortFunc(head, func(x, y part) int {
		return slices.Index(b.options.First, x.phrase.Group) - slices.Index(b.options.First, y.phrase.Group)
	})
	if b.chance != nil && b.options.ShuffleGroups {
		shuffle(b.chance, tail)
	}
	var all []part
	if trigger != "" {
		all = append(all, part{text: trigger, plain: true, fixed: true})
	}
	if shot := shotPhrase(w.shot); shot != "" {
		all = append(all, part{text: shot, phrase: Phrase{Shot: true, Foreground: true}, fixed: true})
	}
	all = slices.Concat(all, head, tail)
	if len(all) == 0 && len(dropped) > 0 {
		all = dropped[:1] // no caption is empty
	}
	return b.within(all)
}

// drops decides whether a group is left out.
func (b *builder) drops(g prompt.Group) bool {
	if b.chance == nil {
		return false
	}
	drop := b.chance.Float64() < b.options.GroupDropout
	if g >= b.options.LateFrom {
		late := b.chance.Float64() < b.options.LateDropout
		drop = drop || late
	}
	return drop
}

// part writes the words of a group.
func (b *builder) part(g prompt.Group, d *described) part {
	words := slices.Clone(d.adjectives)
	if b.chance != nil && b.options.ShuffleWords {
		shuffle(b.chance, words)
	}
	// "bald hair" is how the captions have it; "denim jeans jeans" is not.
	if d.noun != "" && (len(words) == 0 || withoutNoun(words[len(words)-1], d.noun) == words[len(words)-1]) {
		words = append(words, d.noun)
	}
	text := strings.Join(words, " ")
	if g == prompt.Face {
		text = b.article(text) + text
	}
	if b.mirrored {
		text = swapSides(text)
	}
	return part{text: text, phrase: Phrase{Group: g, Foreground: g == prompt.BodyShape}}
}

func (b *builder) article(text string) string {
	if b.options.Article == GrammarsA && text != "" && strings.ContainsRune("aeiouAEIOU", rune(text[0])) {
		return "an "
	}
	return "a "
}

// within joins parts, and removes some from the end while they are too many tokens.
func (b *builder) within(all []part) Caption {
	most := b.options.MaxTokens
	if most == 0 {
		most = 75
	}
	for {
		c := join(all)
		if b.options.Tokens == nil || len(all) <= 1 || all[len(all)-1].fixed || b.options.Tokens(c.Text) <= most {
			return c
		}
		all = all[:len(all)-1]
	}
}

// join writes parts down, and where each is.
func join(all []part) Caption {
	var c Caption
	var text strings.Builder
	for i, p := range all {
		if i > 0 {
			text.WriteString(", ")
		}
		start := text.Len()
		text.WriteString(p.text)
		if !p.plain {
			p.phrase.Span = [2]int{start, text.Len()}
			c.Phrases = append(c.Phrases, p.phrase)
		}
	}
	c.Text = text.String()
	return c
}

// mirror is the labels that show a part in the mirrored image, ascending.
func (b *builder) mirror(labels []uint8) []uint8 {
	if !b.mirrored || labels == nil {
		return labels
	}
	m, out := b.table.mirrors(), make([]uint8, len(labels))
	for i, l := range labels {
		out[i] = m[l]
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// ofText builds a caption of a free text, in which package prompt finds the groups.
func (b *builder) ofText(trigger, text string) Caption {
	if b.mirrored {
		text = swapSides(text)
	}
	tags := b.tags(text)
	if keep := b.options.KeepTags; b.chance != nil && b.options.ShuffleTags && keep < len(tags) {
		shuffle(b.chance, tags[keep:])
	}
	var c Caption
	var out strings.Builder
	out.WriteString(trigger)
	for _, t := range tags {
		if out.Len() > 0 && t.span[0] < t.span[1] {
			out.WriteString(", ")
		}
		at := out.Len() - t.span[0]
		out.WriteString(text[t.span[0]:t.span[1]])
		for _, p := range t.phrases {
			p.Span[0] += at
			p.Span[1] += at
			c.Phrases = append(c.Phrases, p)
		}
	}
	c.Text = out.String()
	return c
}

// tag is a piece of a text that may change its place.
type tag struct {
	span    [2]int
	phrases []Phrase
}

// tags cuts a text at the commas that are in no phrase; where it is not to be shuffled
// it is one tag.
func (b *builder) tags(text string) []tag {
	phrases := b.phrases(text)
	whole := tag{[2]int{0, len(text)}, phrases}
	if !b.options.ShuffleTags {
		return []tag{whole}
	}
	var out []tag
	start := 0
	for at := 0; at <= len(text); at++ {
		if at < len(text) && (text[at] != ',' || within(phrases, at)) {
			continue
		}
		t := tag{span: trimmed(text, start, at)}
		for _, p := range phrases {
			if p.Span[0] >= start && p.Span[1] <= at {
				t.phrases = append(t.phrases, p)
			}
		}
		if t.span[0] < t.span[1] {
			out = append(out, t)
		}
		start = at + 1
	}
	return out
}

func within(phrases []Phrase, at int) bool {
	return slices.ContainsFunc(phrases, func(p Phrase) bool { return p.Span[0] <= at && at < p.Span[1] })
}

// trimmed is the span from start to end without spaces around it.
func trimmed(text string, start, end int) [2]int {
	for start < end && text[start] == ' ' {
		start++
	}
	for start < end && text[end-1] == ' ' {
		end--
	}
	return [2]int{start, end}
}

// phrases are what a free text says of the person.
func (b *builder) phrases(text string) []Phrase {
	parsed := prompt.Parse(text)
	var out []Phrase
	if s := parsed.ShotSpan; s[0] < s[1] {
		out = append(out, Phrase{Span: s, Shot: true, Foreground: true})
	}
	for _, p := range parsed.Groups {
		out = append(out, Phrase{
			Span:       p.Span,
			Group:      p.Group,
			Labels:     b.table.labelsOf(p.Group, p.Text),
			Foreground: p.Group == prompt.BodyShape,
		})
	}
	return out
}

// swapSides exchanges the words left and right, in small letters, in large ones, or
// with one large letter.
func swapSides(text string) string {
	var out strings.Builder
	for len(text) > 0 {
		n := 0
		for n < len(text) && letter(text[n]) {
			n++
		}
		word := text[:n]
		switch {
		case n == 0:
			n = 1
			out.WriteByte(text[0])
		case swapped[word] != "":
			out.WriteString(swapped[word])
		default:
			out.WriteString(word)
		}
		text = text[n:]
	}
	return out.String()
}

// letter reports whether a byte is of a word: those of other scripts are.
func letter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= 0x80 }

var swapped = map[string]string{"left": "right", "Left": "Right", "LEFT": "RIGHT", "right": "left", "Right": "Left", "RIGHT": "LEFT"}
