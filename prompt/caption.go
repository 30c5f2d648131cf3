package prompt

import "strings"

// Empty reports whether nothing was given.
func (f *Fields) Empty() bool {
	for _, d := range f.groups {
		if d != nil {
			return false
		}
	}
	return f.Shot == ""
}

// Caption writes fields as the authors' captions do, and free text behind them. Equal fields
// and texts make equal captions.
func (f *Fields) Caption(text string) string {
	var phrases []string
	if f.Shot != "" {
		phrases = append(phrases, f.Shot)
	}
	for g, d := range f.groups {
		if d != nil {
			phrases = append(phrases, d.phrase(Group(g)))
		}
	}
	if text = strings.TrimSpace(text); text != "" {
		phrases = append(phrases, text)
	}
	return strings.Join(phrases, ", ")
}

// phrase joins a group's adjectives and its noun.
func (d *described) phrase(g Group) string {
	if d.text != "" {
		return d.text
	}
	info := groupTable[g]
	noun := info.noun
	for _, key := range []string{"type", "gender"} {
		if v := d.values[key]; v != "" {
			noun = v
		}
	}
	var words []string
	for _, key := range info.keys {
		v := d.values[key]
		switch {
		case v == "" || key == "type" || key == "gender":
			continue
		case v == "graphic" && key == "pattern" && d.values["graphic"] == "graphic":
			continue // both attributes have this value
		case noun != "" && g.worn():
			v = withoutNoun(v, noun)
		}
		if v != "" {
			words = append(words, v)
		}
	}
	// "bald hair" and "ponytail hair" are how the captions have it, so the noun is always there.
	if noun != "" && (len(words) == 0 || !endsWith(words[len(words)-1], noun)) {
		words = append(words, noun)
	}
	phrase := strings.Join(words, " ")
	if g == Face {
		phrase = article(phrase) + phrase
	}
	return phrase
}

// article is what a phrase for the person begins with.
func article(phrase string) string {
	lower := strings.ToLower(phrase)
	for _, a := range []string{"a ", "an ", "the "} {
		if strings.HasPrefix(lower, a) {
			return ""
		}
	}
	switch {
	case lower == "":
		return ""
	case strings.HasPrefix(lower, "uni"), strings.HasPrefix(lower, "eu"), strings.HasPrefix(lower, "uk"):
		return "a "
	case strings.ContainsRune("aeiou", rune(lower[0])), strings.HasPrefix(lower, "8"), strings.HasPrefix(lower, "18"), strings.HasPrefix(lower, "11"):
		return "an "
	}
	return "a "
}

// withoutNoun takes a noun off a value that ends with it: "ankle boots" before "boots".
func withoutNoun(value, noun string) string {
	if sameValue(value, noun) {
		return ""
	}
	if endsWith(value, noun) {
		return strings.TrimSpace(value[:len(value)-len(noun)])
	}
	return value
}

func endsWith(phrase, noun string) bool {
	lower, noun := strings.ToLower(phrase), strings.ToLower(noun)
	return lower == noun || len(lower) == len(phrase) && strings.HasSuffix(lower, " "+noun)
}

// withNoun completes a plain string for a group whose noun does not vary: "long red" is
// taken for "long red hair", unless the text names the group by itself.
func withNoun(g Group, text string) string {
	if !groupTable[g].fixed {
		return text
	}
	for _, p := range Parse(text).Groups {
		if p.Group == g {
			return text
		}
	}
	return text + " " + groupTable[g].noun
}
