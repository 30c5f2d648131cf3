package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"unicode/utf8"

	"cosmicman/prompt"
	"cosmicman/tokenizer"
	"cosmicman/weights"
)

// maxExplained bounds what is read, in bytes.
const maxExplained = 8 << 20

func explain(e *environment, args []string) error {
	fs := flag.NewFlagSet("prompt explain", flag.ContinueOnError)
	model := fs.String("model", "", "count the tokens of this model: a diffusers folder, or org/name in the Hugging Face cache (default: CLIP's vocabulary)")
	long := fs.String("long-prompt", "chunk", "chunk: text beyond a window of the text encoder goes on in more windows; truncate: it is cut off")
	syntax := fs.String("prompt-syntax", "plain", "plain: brackets are text; weighted: they are emphasis")
	if err := parse(e, fs, args); err != nil {
		return helped(err)
	}
	switch {
	case *long != "chunk" && *long != "truncate":
		return usagef("prompt explain: --long-prompt is %q, expected chunk or truncate", *long)
	case *syntax != "plain" && *syntax != "weighted":
		return usagef("prompt explain: --prompt-syntax is %q, expected plain or weighted", *syntax)
	}
	tok := tokenizer.Default()
	if *model != "" {
		var err error
		if tok, err = modelTokenizer(e, *model); err != nil {
			return err
		}
	}
	input, err := io.ReadAll(io.LimitReader(e.stdin, maxExplained+1))
	switch {
	case err != nil:
		return fmt.Errorf("standard input: %w", err)
	case len(input) > maxExplained:
		return fmt.Errorf("standard input has over %d bytes", maxExplained)
	case !utf8.Valid(input):
		return errors.New("standard input is not UTF-8")
	}
	out, err := explained(tok, input, prompt.Options{Chunk: *long == "chunk", Weighted: *syntax == "weighted"})
	if err != nil {
		return err
	}
	enc := json.NewEncoder(e.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(out)
}

// explained answers a text, or an object of prompt, body and outfit, with notes of what was composed.
func explained(tok *tokenizer.Tokenizer, input []byte, o prompt.Options) (any, error) {
	text, notes := string(bytes.TrimRight(input, "\r\n")), []prompt.Note(nil)
	if given := bytes.TrimSpace(input); bytes.HasPrefix(given, []byte("{")) {
		r, err := prompt.ParseRequest(given)
		if err != nil {
			return nil, err
		}
		text, notes = r.Caption, r.Notes
	}
	x, err := prompt.Explain(tok, text, o)
	if err != nil {
		return nil, err
	}
	return struct {
		*prompt.Explanation
		Notes []prompt.Note `json:"notes,omitempty"`
	}{x, notes}, nil
}

// modelTokenizer opens the tokenizer of a model's first text encoder.
func modelTokenizer(e *environment, ref string) (*tokenizer.Tokenizer, error) {
	p, err := weights.Open(ref, weights.Options{HubCache: weights.HubCache(e.getenv)})
	if err != nil {
		return nil, err
	}
	if p.Tokenizer == "" {
		return tokenizer.Default(), nil
	}
	return tokenizer.Load(p.Tokenizer)
}
