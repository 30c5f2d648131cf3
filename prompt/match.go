package prompt

import (
	"slices"
	"strings"
)

// item is an entry of the lexicon found in a text, or a word that is none.
type item struct {
	start, end int     // bytes
	text       string  // in lower case, a space between words
	written    string  // in lower case, as it is written
	senses     []sense // none: not in the lexicon
	glued      bool    // by a hyphen to what is before
	used       bool    // a phrase has it
}

func (it *item) is(k kind) bool {
	return slices.ContainsFunc(it.senses, func(s sense) bool { return s.kind == k })
}

// kind is that of the first sense.
func (it *item) kind() kind {
	if len(it.senses) == 0 {
		return kindOther
	}
	return it.senses[0].kind
}

func (it *item) known() bool { return len(it.senses) > 0 }

// content reports whether it is part of phrases rather than between them.
func (it *item) content() bool { return !it.known() || it.kind().content() }

// head returns the sense in which it can be a phrase's head.
func (it *item) head() (sense, bool) {
	for _, s := range it.senses {
		if s.kind.head() {
			return s, true
		}
	}
	return sense{}, false
}

// modifier returns what it says of a group: the group's attribute and its value.
func (it *item) modifier(g Group) (key, value string, ok bool) {
	for _, s := range it.senses {
		if s.kind == kindModifier {
			if key := g.keyOf(s.key); key != "" {
				return key, it.valueOf(s), true
			}
		}
	}
	return "", "", false
}

// valueOf is a sense's value, with the text's hyphens where captions don't know it.
func (it *item) valueOf(s sense) string {
	if s.written && sameValue(s.value, it.written) {
		return it.written
	}
	return s.value
}

// modifies reports whether it can be said of something.
func (it *item) modifies() bool { return it.is(kindModifier) }

// person reports whether hair stands for who has it: "a redhead".
func (it *item) person() bool {
	return slices.Contains([]string{"blonde", "blond", "brunette", "redhead", "blondes", "brunettes", "redheads"}, it.text)
}

// match finds entries, the longest first, from left to right.
func match(text string, words []word) []item {
	items := make([]item, 0, len(words))
	for i := 0; i < len(words); {
		w := words[i]
		if w.mark {
			k := map[string]kind{",": kindMark, ".": kindStop, "&": kindAnd}[w.text]
			items = append(items, item{start: w.start, end: w.end, text: w.text, senses: markSenses[k]})
			i++
			continue
		}
		if n, senses := age(words[i:]); n > 0 {
			items = append(items, item{start: w.start, end: words[i+n-1].end, senses: senses, glued: w.glued})
			i += n
			continue
		}
		n, senses := 1, []sense(nil)
		at := lexicon()
		for j := i; j < len(words) && !words[j].mark; j++ {
			at = at.next[words[j].text]
			if at == nil {
				break
			}
			if at.senses != nil {
				n, senses = j-i+1, at.senses
			}
		}
		if senses == nil {
			senses = guess(w.text)
		}
		it := item{start: w.start, end: words[i+n-1].end, text: w.text, senses: senses, glued: w.glued}
		it.written = strings.ToLower(text[it.start:it.end])
		if n > 1 {
			var b strings.Builder
			for j := range n {
				if j > 0 {
					b.WriteByte(' ')
				}
				b.WriteString(words[i+j].text)
			}
			it.text = b.String()
		}
		i += n
		if !suffixed(&items, it) {
			items = append(items, it)
		}
	}
	return items
}

var markSenses = map[kind][]sense{
	kindMark: {{kind: kindMark}}, kindStop: {{kind: kindStop}}, kindAnd: {{kind: kindAnd}},
}

// suffixed joins what makes an adjective of the word before it: "cream-colored", "waist-length", "red-haired".
func suffixed(items *[]item, it item) bool {
	last := len(*items) - 1
	if last < 0 || !it.is(kindSuffix) {
		return false
	}
	before := &(*items)[last]
	suffix := it.senses[slices.IndexFunc(it.senses, func(s sense) bool { return s.kind == kindSuffix })]
	if !before.content() || !it.glued && (suffix.key != "haircolor" || !before.modifies()) {
		return false
	}
	value := before.text
	if suffix.key == "haircolor" {
		// Whatever is said of hair is said of it here.
		key := "color"
		if k, v, ok := before.modifier(Hair); ok {
			key, value = k, v
		}
		before.senses = []sense{{kind: kindModifier, group: nobody, key: "hair " + key, value: value}}
	} else {
		if strings.HasPrefix(suffix.value, "+") {
			value += strings.ReplaceAll(suffix.value[1:], "_", " ")
		}
		before.senses = []sense{{kind: kindModifier, group: nobody, key: suffix.key, value: value}}
	}
	before.end, before.text = it.end, before.text+"-"+it.text
	return true
}

// endings guess words that are not in the lexicon by how they end.
var endings = []struct {
	end   string
	sense sense
}{
	{"shirt", sense{kind: kindNoun, group: Top}}, {"sweater", sense{kind: kindNoun, group: Top}}, {"blouse", sense{kind: kindNoun, group: Top}},
	{"jacket", sense{kind: kindNoun, group: Coat}}, {"coat", sense{kind: kindNoun, group: Coat}},
	{"dress", sense{kind: kindNoun, group: OnePiece}}, {"gown", sense{kind: kindNoun, group: OnePiece}},
	{"pants", sense{kind: kindNoun, group: Bottom}}, {"trousers", sense{kind: kindNoun, group: Bottom}}, {"skirt", sense{kind: kindNoun, group: Bottom}},
	{"jeans", sense{kind: kindNoun, group: Bottom}}, {"shorts", sense{kind: kindNoun, group: Bottom}},
	{"shoes", sense{kind: kindNoun, group: Shoes}}, {"shoe", sense{kind: kindNoun, group: Shoes}}, {"boots", sense{kind: kindNoun, group: Shoes}},
	{"boot", sense{kind: kindNoun, group: Shoes}}, {"heels", sense{kind: kindNoun, group: Shoes}}, {"sandals", sense{kind: kindNoun, group: Shoes}},
	{"bag", sense{kind: kindNoun, group: Bag}}, {"bags", sense{kind: kindNoun, group: Bag}},
	{"hat", sense{kind: kindNoun, group: Hat}}, {"hats", sense{kind: kindNoun, group: Hat}},
	{"scarf", sense{kind: kindNoun, group: Scarf}}, {"socks", sense{kind: kindNoun, group: Socks}}, {"stockings", sense{kind: kindNoun, group: Socks}},
	{"haired", sense{kind: kindModifier, key: "hair color"}},
	{"woman", sense{kind: kindPerson, value: "female"}}, {"women", sense{kind: kindPerson, value: "female"}},
	{"man", sense{kind: kindPerson, value: "male"}}, {"men", sense{kind: kindPerson, value: "male"}},
	{"girl", sense{kind: kindPerson, value: "female"}}, {"boy", sense{kind: kindPerson, value: "male"}},
	{"girls", sense{kind: kindPerson, value: "female"}}, {"boys", sense{kind: kindPerson, value: "male"}},
}

// notGuessed end like garments and people, but are none.
var notGuessed = map[string]bool{
	"that": true, "chat": true, "what": true, "boat": true, "human": true, "german": true, "roman": true, "ottoman": true, "address": true,
	"reboot": true, "omen": true, "specimen": true, "abdomen": true, "acumen": true, "somewhat": true, "combat": true, "regimen": true,
	"talisman": true, "caiman": true, "shaman": true, "cowgirl": true, "amen": true, "ramen": true, "undress": true, "cyclamen": true, "snowman": true, "snowmen": true, "doorman": true,
}

func guess(text string) []sense {
	if len(text) < 5 || notGuessed[text] {
		return nil
	}
	for _, e := range endings {
		if strings.HasSuffix(text, e.end) {
			s := e.sense
			switch s.kind {
			case kindNoun:
				s.value = text
			case kindModifier:
				s.value = strings.TrimSuffix(text, e.end)
			}
			return []sense{s}
		}
	}
	return nil
}
