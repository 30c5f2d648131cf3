package prompt

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
)

// The lexicon is lists of words. A file has sections, "[noun tops]", each with entries
// that commas or line ends separate; "tee > t-shirt" gives a word the value of another; "#"
// begins a comment. Hyphens stand for spaces, and of nouns the plural is made here,
// but for "jogger!". A word
// may be in several sections: then it has several senses.
//
//go:embed lexicon/*.txt
var lexiconFiles embed.FS

// kind is what a sense of a word does in a phrase.
type kind uint8

const (
	// Heads: the last one of a noun phrase says what the phrase is about.
	kindNoun      kind = iota // a garment or hair: group, value is the type
	kindPerson                // value is the gender
	kindFeature               // of a face: eyes, beard
	kindFigure                // of a body: build, figure
	kindStyleNoun             // style, outfit
	kindPlace                 // where it is, and when
	kindProp                  // what may stand there: a chair, a lantern
	kindBodyPart              // shoulders, waist
	kindPart                  // of a garment: sleeves, collar, pattern; key is the attribute
	kindOther                 // what has no group: glasses, a dog, "high quality"
	kindShot
	kindDecade // "thirties"

	// What is said of heads: key and value.
	kindModifier
	kindSuffix // makes a modifier of the word before it: "-colored"

	// Words between phrases.
	kindDeterminer
	kindAnd
	kindPreposition // with, in, of
	kindSpatial     // on, against, in front of
	kindWear        // wearing
	kindPose        // standing, looking
	kindHold        // holding
	kindFunction    // is, who, very
	kindMark        // a comma
	kindStop        // the end of a sentence
)

func (k kind) head() bool    { return k <= kindDecade }
func (k kind) content() bool { return k <= kindSuffix }

// sense is one meaning of an entry.
type sense struct {
	kind       kind
	group      Group  // of kindNoun
	key, value string // of modifiers and parts; the value of nouns and persons
	age        string // of kindPerson
	written    bool   // the value is the word itself, as the text spells it
}

// node is a place in the tree of entries, which is walked word by word.
type node struct {
	next   map[string]*node
	senses []sense // of the entry that ends here
}

var lexicon = sync.OnceValue(func() *node {
	root, err := readLexicon()
	if err != nil {
		panic("prompt: the embedded lexicon: " + err.Error())
	}
	return root
})

func readLexicon() (*node, error) {
	l := &lists{root: &node{}, modifiers: map[string][]string{}, syntax: map[string]bool{}, nouns: map[string]Group{}}
	for _, name := range lexiconOrder {
		text, err := lexiconFiles.ReadFile(path.Join("lexicon", name))
		if err != nil {
			return nil, err
		}
		if err := l.read(string(text)); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, e := range l.entries {
		if !l.composed(e) {
			l.root.add(e)
		}
	}
	return l.root, nil
}

// entry is one entry of a file.
type entry struct {
	words  []string
	sense  sense
	single bool
}

// lexiconOrder is the order of a word's senses: the first one counts where the text does not decide.
var lexiconOrder = []string{"syntax.txt", "body.txt", "style.txt", "adjectives.txt", "outfit.txt", "places.txt", "things.txt"}

// lists are the files' entries while they are read.
type lists struct {
	root      *node
	entries   []entry
	modifiers map[string][]string // their keys
	syntax    map[string]bool
	nouns     map[string]Group
}

func (l *lists) read(text string) error {
	var section sense
	line := 0
	for text := range strings.Lines(text) {
		line++
		text, _, _ = strings.Cut(text, "#")
		text = strings.TrimSpace(text)
		if head, ok := strings.CutPrefix(text, "["); ok {
			var err error
			if section, err = readSection(strings.TrimSuffix(head, "]")); err != nil {
				return fmt.Errorf("line %d: %w", line, err)
			}
			continue
		}
		for text := range strings.SplitSeq(text, ",") {
			if text = strings.TrimSpace(text); text != "" {
				l.enter(section, text)
			}
		}
	}
	return nil
}

func (l *lists) enter(section sense, text string) {
	text, value, valued := strings.Cut(text, ">")
	text, value = strings.TrimSpace(text), strings.TrimSpace(value)
	text, single := strings.CutSuffix(text, "!")
	written := false
	if !valued {
		value, written = spelled(section, text)
	}
	e := entry{words: strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '-' }), sense: section}
	e.sense.written, e.single = written, single
	switch {
	case e.sense.kind != kindPerson:
		e.sense.value = value
	case valued:
		e.sense.age = value
	}
	name := strings.Join(e.words, " ")
	switch section.kind {
	case kindModifier:
		l.modifiers[name] = append(l.modifiers[name], section.key)
	case kindNoun:
		l.nouns[name] = section.group
	}
	if !section.kind.content() {
		l.syntax[name] = true
	}
	l.entries = append(l.entries, e)
}

// spelled is a value as the captions have it, for the files write hyphens as spaces; written says
// that they don't have it.
func spelled(section sense, text string) (value string, written bool) {
	for g := range Group(groupCount) {
		key := "type"
		switch {
		case section.kind == kindModifier || section.kind == kindPart:
			key = g.keyOf(section.key)
		case section.kind != kindNoun || section.group != g:
			continue
		}
		for _, known := range knownValues(g, key) {
			if sameValue(known, text) {
				return known, false
			}
		}
	}
	return text, true
}

// composed reports whether a noun is said by its parts: "leather jacket" is a jacket of leather.
func (l *lists) composed(e entry) bool {
	if e.sense.kind != kindNoun || e.sense.group == Hair && l.modifiers[strings.Join(e.words, " ")] != nil || l.syntax[e.words[0]] { // a "down jacket" is not down
		return false
	}
	for i := 1; i < len(e.words); i++ {
		g, ok := l.nouns[strings.Join(e.words[i:], " ")]
		if !ok || g != e.sense.group {
			continue
		}
		for _, key := range l.modifiers[strings.Join(e.words[:i], " ")] {
			if key != "length" && g.keyOf(key) != "" || key == "length" && (g == OnePiece || g == Bottom) {
				return true
			}
		}
	}
	return false
}

var sectionKinds = map[string]kind{
	"noun": kindNoun, "person": kindPerson, "feature": kindFeature, "figure": kindFigure, "stylenoun": kindStyleNoun, "place": kindPlace, "prop": kindProp,
	"bodypart": kindBodyPart, "part": kindPart, "other": kindOther, "shot": kindShot, "decade": kindDecade, "modifier": kindModifier,
	"suffix": kindSuffix, "determiner": kindDeterminer, "and": kindAnd, "preposition": kindPreposition, "spatial": kindSpatial,
	"wear": kindWear, "pose": kindPose, "hold": kindHold, "function": kindFunction,
}

// readSection reads what stands between brackets: a kind, and a group, a gender or an attribute.
func readSection(head string) (sense, error) {
	name, rest, _ := strings.Cut(head, " ")
	k, ok := sectionKinds[name]
	if !ok {
		return sense{}, fmt.Errorf("no section %q", name)
	}
	s := sense{kind: k, group: nobody}
	switch k {
	case kindNoun:
		i := slices.IndexFunc(groupTable[:], func(g groupInfo) bool { return g.name == rest })
		if i < 0 {
			return sense{}, fmt.Errorf("no group %q", rest)
		}
		s.group = Group(i)
	case kindPerson:
		s.value = rest
	default:
		s.key = rest
	}
	return s, nil
}

// add enters one entry, of nouns the plural as well.
func (n *node) add(e entry) {
	n.enter(e.words, e.sense)
	if k := e.sense.kind; k.head() && !e.single && k != kindShot && k != kindDecade {
		last := len(e.words) - 1
		for _, many := range plurals(e.words[last]) {
			n.enter(append(slices.Clone(e.words[:last]), many), e.sense)
		}
	}
}

func (n *node) enter(words []string, s sense) {
	for _, w := range words {
		if n.next == nil {
			n.next = map[string]*node{}
		}
		if n.next[w] == nil {
			n.next[w] = &node{}
		}
		n = n.next[w]
	}
	if !slices.Contains(n.senses, s) {
		n.senses = append(n.senses, s)
	}
}

// plurals are the ways in which a noun's plural may be written, wrong ones that do no harm among them.
func plurals(noun string) []string {
	end := func(s string) bool { return strings.HasSuffix(noun, s) }
	switch {
	case end("man"):
		return []string{strings.TrimSuffix(noun, "man") + "men"}
	case end("child"):
		return []string{noun + "ren"}
	case end("scarf"):
		return []string{noun + "s", strings.TrimSuffix(noun, "f") + "ves"}
	case end("s") && !end("ss"):
		return nil
	case end("y") && !strings.ContainsRune("aeiou", rune(noun[max(0, len(noun)-2)])):
		return []string{strings.TrimSuffix(noun, "y") + "ies"}
	case end("s"), end("x"), end("ch"), end("sh"):
		return []string{noun + "es"}
	case end("o"):
		return []string{noun + "s", noun + "es"}
	}
	return []string{noun + "s"}
}
