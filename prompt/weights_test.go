package prompt

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

// The cases of the web UI's own documentation of its parser, and ours.
func TestWeights(t *testing.T) {
	for text, want := range map[string]string{
		"normal text":                 "[normal text|1]",
		"an (important) word":         "[an |1][important|1.1][ word|1]",
		"(unnecessary)(parens)":       "[unnecessaryparens|1.1]",
		"an [unimportant] word":       "[an |1][unimportant|0.909091][ word|1]",
		`\(literal\] \[x\) a\\b a\:b`: `[(literal] [x) a\b a:b|1]`,
		"(((deep)))":                  "[deep|1.331]",
		"[(even)]":                    "[even|1]",
		"(red dress:1.3), hat":        "[red dress|1.3][, hat|1]",
		"(a (b:1.5) c: 0.5 )":         "[a |0.5][b|0.75][ c|0.5]",
		"(a:2)(b:2.0)":                "[ab|2]",
		"time 10:30, ratio 3:2":       "[time 10:30, ratio 3:2|1]",
		`(10\:30:1.2)`:                "[10:30|1.2]",
		"[a:b]":                       "[a:b|0.909091]",
		`tail\`:                       `[tail\|1]`,
		"()[]":                        "",
		"":                            "",
		"a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))))": "[a |1][house|1.573][ |1.1][on|1][ a |1.1][hill|0.55][, sun, |1.1][sky|1.4641]",
	} {
		parts, err := parseWeights(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		got := ""
		for _, p := range parts {
			got += fmt.Sprintf("[%s|%.6g]", p.text, p.weight)
			for i, at := range p.at {
				if text[at] != p.text[i] {
					t.Errorf("%q: byte %d of %q is not byte %d", text, i, p.text, at)
				}
			}
		}
		if got != want {
			t.Errorf("%q: %s, expected %s", text, got, want)
		}
	}
}

func TestWrongWeights(t *testing.T) {
	for text, want := range map[string]string{
		"(x:abc)":   `the weight is "abc"`,
		"(x:)":      `the weight is ""`,
		"(x:NaN)":   `the weight is "NaN"`,
		"(x:1e9)":   `the weight is "1e9"`,
		"(x:-1)":    `the weight is "-1"`,
		"(x:0)":     `the weight is "0", expected a number above 0`,
		"(x:10.1)":  `up to 10`,
		"(x:1.2.3)": `the weight is "1.2.3"`,
		"(x:Inf)":   `the weight is "Inf"`,
		"(x:0x1)":   `the weight is "0x1"`,
		"a (b":      `'(' is not closed; write \( for the sign itself (byte 2)`,
		"(b:1.2":    `'(' is not closed`,
		"a b)":      `')' closes no '('`,
		"[a)":       `')' closes no '('`,
		"(a]":       `']' closes no '['`,
		"((a:5):5)": "a weight is 25",
		strings.Repeat("(", 30) + "a" + strings.Repeat(")", 30): "with all brackets around it, expected at most 10",
		strings.Repeat("[", 1e6):                                "more than 32 deep",
	} {
		var wrong *SyntaxError
		if err := CheckWeights(text); !errors.As(err, &wrong) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: error %v, expected %s", text, err, want)
		}
	}
}

func FuzzWeights(f *testing.F) {
	for _, text := range []string{"(a:1.2) [b] \\(c\\)", "((a))", "(x:1e9)", "[[", "(a:", "\\", "é(ü:.5)"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parts, err := parseWeights(text)
		if err != nil {
			var wrong *SyntaxError
			if !errors.As(err, &wrong) || wrong.At < 0 || wrong.At >= len(text) {
				t.Fatalf("error %v", err)
			}
			return
		}
		last := -1
		for _, p := range parts {
			if len(p.text) == 0 || len(p.at) != len(p.text) || !(p.weight >= 0 && p.weight <= maxWeight) || math.IsNaN(p.weight) {
				t.Fatalf("part %q of weight %v with %d places", p.text, p.weight, len(p.at))
			}
			for i, at := range p.at {
				if at <= last || text[at] != p.text[i] {
					t.Fatalf("byte %d of %q is said to be byte %d", i, p.text, at)
				}
				last = at
			}
		}
	})
}
