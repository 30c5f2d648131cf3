package prompt

import (
	"sort"

	"cosmicman/tokenizer"
)

// Explanation is what is made of a text, for those who want to see it.
type Explanation struct {
	Caption    string          `json:"caption"` // the text as it is drawn
	Shot       string          `json:"shot"`    // "" if the text does not say
	Groups     []ExplainedPart `json:"groups"`  // in the text's order
	Unassigned []ExplainedText `json:"unassigned"`
	Tokens     Tokens          `json:"tokens"`
}

// ExplainedPart is a phrase.
type ExplainedPart struct {
	Index      int               `json:"index"` // the group's number
	Name       string            `json:"name"`  // and name
	Text       string            `json:"text"`
	Attributes map[string]string `json:"attributes"`
	Span       [2]int            `json:"span"`   // bytes of the caption, half-open
	Tokens     [2]int            `json:"tokens"` // of Tokens.IDs, half-open
}

// ExplainedText is a part that was not understood. It is drawn all the same.
type ExplainedText struct {
	Text   string `json:"text"`
	Span   [2]int `json:"span"`
	Tokens [2]int `json:"tokens"`
}

// Tokens is a text as a text encoder takes it.
type Tokens struct {
	IDs    []int32 `json:"ids"`    // of the whole text, without begin, end and padding
	Count  int     `json:"count"`  // how many
	Chunks int     `json:"chunks"` // windows of the text encoder that they take
	Cut    string  `json:"cut"`    // the end of the text that is not drawn
}

// Explain parses a text and counts its tokens as Split lays them out. Its errors are those of Split.
func Explain(tok *tokenizer.Tokenizer, text string, o Options) (*Explanation, error) {
	layout, err := Split(tok, text, o)
	if err != nil {
		return nil, err
	}
	parts := plain(text)
	if o.Weighted {
		if parts, err = parseWeights(text); err != nil {
			return nil, err
		}
	}
	tokens, _, err := tokenize(tok, parts)
	if err != nil {
		return nil, err
	}
	parsed := Parse(text)
	e := &Explanation{Caption: text, Shot: parsed.Shot, Groups: []ExplainedPart{}, Unassigned: []ExplainedText{},
		Tokens: Tokens{IDs: make([]int32, len(tokens)), Count: len(tokens), Chunks: len(layout.Windows), Cut: layout.Cut}}
	for i, t := range tokens {
		e.Tokens.IDs[i] = t.ID
	}
	for _, p := range parsed.Groups {
		e.Groups = append(e.Groups, ExplainedPart{Index: int(p.Group), Name: p.Group.String(), Text: p.Text, Attributes: p.Attributes,
			Span: p.Span, Tokens: tokensOf(tokens, p.Span)})
	}
	for _, p := range parsed.Unassigned {
		e.Unassigned = append(e.Unassigned, ExplainedText{Text: p.Text, Span: p.Span, Tokens: tokensOf(tokens, p.Span)})
	}
	return e, nil
}

// tokensOf returns the tokens that lie within a span, or touch it.
func tokensOf(tokens []token, span [2]int) [2]int {
	first := sort.Search(len(tokens), func(i int) bool { return tokens[i].span[1] > span[0] })
	behind := sort.Search(len(tokens), func(i int) bool { return tokens[i].span[0] >= span[1] })
	return [2]int{first, max(first, behind)}
}
