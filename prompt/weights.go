package prompt

import (
	"fmt"
	"strconv"
	"strings"
)

// The factors of brackets without a number, and the largest weight: those of AUTOMATIC1111's
// web UI, whose syntax this is. Beyond a weight of about 2 images fall apart.
const (
	roundFactor  = 1.1
	squareFactor = 1 / 1.1
	maxWeight    = 10
	deepest      = 32 // brackets in each other
)

// SyntaxError is a fault in a weighted prompt.
type SyntaxError struct {
	At     int // byte of the text
	Reason string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s (byte %d)", e.Reason, e.At) }

// weighted is text of one weight, without the syntax's own signs. at[i] is the byte of
// the prompt that byte i of the text is.
type weighted struct {
	text   string
	at     []int
	weight float64
}

// CheckWeights returns the first fault in a prompt of the weighted syntax, a *SyntaxError.
func CheckWeights(text string) error {
	_, err := parseWeights(text)
	return err
}

// bracket is one that is open.
type bracket struct {
	at    int // byte of the prompt
	first int // the part that it begins with
	sign  byte
}

// parseWeights takes emphasis out of a prompt: (text) is 1.1 times as strong, [text] so many
// times weaker, (text:1.3) as strong as it says. Brackets nest, and factors multiply. A
// backslash before one of ()[]:\ makes it text, as does a colon that is not in round
// brackets. Neighbours of one weight are joined, with or without a bracket between.
//
// It differs from the web UI where that guesses: a bracket without its partner, a weight
// that is no number and one that is not above 0 and up to 10 are errors.
func parseWeights(text string) ([]weighted, error) {
	var parts []weighted
	var open []bracket
	add := func(i int) { // the byte is text
		if len(parts) == 0 || parts[len(parts)-1].weight == 0 {
			parts = append(parts, weighted{weight: 1})
		}
		p := &parts[len(parts)-1]
		p.at = append(p.at, i)
	}
	// A part of weight 0 is the mark of a bracket: what follows is a part of its own.
	mark := func() { parts = append(parts, weighted{}) }
	scale := func(b bracket, factor float64) error {
		for i := b.first; i < len(parts); i++ {
			if parts[i].weight *= factor; parts[i].weight > maxWeight {
				return &SyntaxError{b.at, fmt.Sprintf("a weight is %.4g with all brackets around it, expected at most %d", parts[i].weight, maxWeight)}
			}
		}
		return nil
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text) && strings.IndexByte(`()[]:\`, text[i+1]) >= 0:
			i++
			add(i)
		case c == '(' || c == '[':
			if len(open) == deepest {
				return nil, &SyntaxError{i, fmt.Sprintf(`brackets are in each other more than %d deep; write \%c for the sign itself`, deepest, c)}
			}
			mark()
			open = append(open, bracket{at: i, first: len(parts), sign: c})
		case c == ')' || c == ']':
			sign, factor := byte('('), roundFactor
			if c == ']' {
				sign, factor = '[', squareFactor
			}
			if len(open) == 0 || open[len(open)-1].sign != sign {
				return nil, &SyntaxError{i, fmt.Sprintf(`%q closes no %q; write \%c for the sign itself`, c, sign, c)}
			}
			b := open[len(open)-1]
			open = open[:len(open)-1]
			if err := scale(b, factor); err != nil {
				return nil, err
			}
			mark()
		case c == ':' && len(open) > 0 && open[len(open)-1].sign == '(':
			b := open[len(open)-1]
			end := strings.IndexByte(text[i:], ')')
			if end < 0 {
				return nil, unclosed(b)
			}
			factor, err := weightOf(text[i+1:i+end], i)
			if err != nil {
				return nil, err
			}
			open = open[:len(open)-1]
			if err := scale(b, factor); err != nil {
				return nil, err
			}
			mark()
			i += end
		default:
			add(i)
		}
	}
	if len(open) > 0 {
		return nil, unclosed(open[len(open)-1])
	}
	return joined(parts, text), nil
}

func unclosed(b bracket) error {
	return &SyntaxError{b.at, fmt.Sprintf(`%q is not closed; write \%c for the sign itself`, b.sign, b.sign)}
}

// weightOf reads a weight: a plain decimal number.
func weightOf(text string, at int) (float64, error) {
	number := strings.TrimSpace(text)
	plain := len(number) <= 20 && strings.Trim(number, "0123456789.") == ""
	weight, err := strconv.ParseFloat(number, 64)
	if err != nil || !plain || !(weight > 0 && weight <= maxWeight) {
		return 0, &SyntaxError{at, fmt.Sprintf(`the weight is %.20q, expected a number above 0 and up to %d, such as 1.3; write \: for a colon that is text`, number, maxWeight)}
	}
	return weight, nil
}

// joined leaves out marks, joins neighbours of one weight, and fills in their text.
func joined(parts []weighted, text string) []weighted {
	var out []weighted
	for _, p := range parts {
		if len(p.at) == 0 {
			continue
		}
		if n := len(out); n > 0 && out[n-1].weight == p.weight {
			out[n-1].at = append(out[n-1].at, p.at...)
			continue
		}
		out = append(out, p)
	}
	for i := range out {
		b := make([]byte, len(out[i].at))
		for k, at := range out[i].at {
			b[k] = text[at]
		}
		out[i].text = string(b)
	}
	return out
}

// plain is a text without syntax.
func plain(text string) []weighted {
	at := make([]int, len(text))
	for i := range at {
		at[i] = i
	}
	return []weighted{{text: text, at: at, weight: 1}}
}
