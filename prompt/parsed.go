package prompt

// Parsed is a text by groups.
type Parsed struct {
	Text string

	// Shot is how much of the person is seen, as the text says it ("a full-body shot"), or "".
	Shot     string
	ShotSpan [2]int // bytes; empty without a shot

	Groups     []Phrase // in the text's order; a group may have several
	Unassigned []Piece  // what was not understood, in the text's order

	breaks []int
}

// Phrase is what a text says of one group.
type Phrase struct {
	Group Group
	Text  string
	// Attributes by the names that ParseFields takes; never nil.
	Attributes map[string]string
	Span       [2]int // bytes of the text, half-open
}

// Piece is a part of a text.
type Piece struct {
	Text string
	Span [2]int // bytes of the text, half-open
}

// Breaks returns the offsets, ascending, at which the text may be split between windows
// of a text encoder so that no phrase is cut in two: where phrases, clauses and
// unassigned pieces begin, prepositions and verbs that lead to them included. 0 and the
// text's length are not among them.
func (p *Parsed) Breaks() []int { return p.breaks }
