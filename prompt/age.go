package prompt

import "strings"

var numberWords = map[string]bool{
	"one": true, "two": true, "three": true, "four": true, "five": true, "six": true, "seven": true, "eight": true, "nine": true, "ten": true,
	"eleven": true, "twelve": true, "thirteen": true, "fourteen": true, "fifteen": true, "sixteen": true, "seventeen": true, "eighteen": true,
	"nineteen": true, "twenty": true, "thirty": true, "forty": true, "fifty": true, "sixty": true, "seventy": true, "eighty": true, "ninety": true,
}

// age finds "40-year-old", "seventy five years old", "25yo" and "aged 30" at the beginning of words
// and returns how many words it takes.
func age(words []word) (n int, senses []sense) {
	word := func(i int) string {
		if i < len(words) && !words[i].mark {
			return words[i].text
		}
		return ""
	}
	numbers := 0
	first := 0
	if word(0) == "aged" || word(0) == "age" {
		first = 1
	}
	for numbers < 2 && isNumber(word(first+numbers)) {
		numbers++
	}
	n = first + numbers
	switch {
	case numbers == 0:
		digits := strings.TrimRight(word(0), "yo")
		if first == 0 && isNumber(digits) && strings.HasSuffix(word(0), "yo") {
			return 1, ageSense(digits + "-year-old")
		}
		return 0, nil
	case first == 1:
		return n, ageSense(joinWords(words[1:n]) + "-year-old")
	}
	years := word(n)
	switch {
	case years == "yo":
		return n + 1, ageSense(joinWords(words[:n]) + "-year-old")
	case years == "y" && word(n+1) == "o":
		return n + 2, ageSense(joinWords(words[:n]) + "-year-old")
	case (years == "year" || years == "years" || years == "yr" || years == "yrs") && word(n+1) == "old":
		return n + 2, ageSense(joinWords(words[:n]) + "-year-old")
	case (years == "month" || years == "months") && word(n+1) == "old":
		return n + 2, ageSense(joinWords(words[:n]) + "-month-old")
	case years == "years" && word(n+1) == "of" && word(n+2) == "age":
		return n + 3, ageSense(joinWords(words[:n]) + "-year-old")
	}
	return 0, nil
}

func isNumber(s string) bool {
	return numberWords[s] || s != "" && len(s) <= 3 && strings.Trim(s, "0123456789") == ""
}

func joinWords(words []word) string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = w.text
	}
	return strings.Join(texts, "-")
}

func ageSense(value string) []sense {
	return []sense{{kind: kindModifier, group: nobody, key: "age", value: value}}
}
