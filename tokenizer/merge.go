package tokenizer

import (
	"slices"
	"sync"
	"unicode/utf8"
)

// A merger joins the bytes of words into tokens, keeping its buffers from word to word.
type merger struct {
	symbols []symbol
	queue   []candidate
}

var mergers = sync.Pool{New: func() any { return &merger{symbols: make([]symbol, 0, 64), queue: make([]candidate, 0, 64)} }}

// release gives the merger back, unless a huge word has made it keep much memory.
func (m *merger) release() {
	if cap(m.symbols) < 1<<12 {
		mergers.Put(m)
	}
}

// A symbol is a token in the making, in a linked list of those of the word.
type symbol struct {
	id         int32
	prev, next int32 // -1 at the ends
	start, end int   // bytes of the text
	gone       bool  // merged into the one before it
}

// A candidate is a pair of neighbours that a merge joins: the symbol at and the one behind it. It is stale once one of them has changed.
type candidate struct {
	rank int32 // the lowest goes first, of one rank the leftmost
	at   int32
	made int32
}

// merge appends the tokens of a word. It takes n log n steps for n bytes.
func (m *merger) merge(out []Token, v *vocabulary, word []char) []Token {
	m.symbols, m.queue = slices.Grow(m.symbols[:0], len(word)), slices.Grow(m.queue[:0], len(word))
	for i, c := range word {
		var buf [utf8.UTFMax]byte
		n := utf8.EncodeRune(buf[:], c.r)
		for j, b := range buf[:n] {
			id := v.inside[b]
			if i == len(word)-1 && j == n-1 {
				id = v.atEnd[b]
			}
			at := int32(len(m.symbols))
			m.symbols = append(m.symbols, symbol{id: id, prev: at - 1, next: at + 1, start: c.start, end: c.end})
		}
	}
	m.symbols[len(m.symbols)-1].next = -1

	for i := range m.symbols {
		m.consider(v, int32(i))
	}
	for len(m.queue) > 0 {
		c := m.pop()
		left := &m.symbols[c.at]
		if left.gone || left.next < 0 {
			continue
		}
		right := &m.symbols[left.next]
		if to, ok := v.merges[joined(left.id, right.id)]; !ok || to.made != c.made {
			continue
		}
		left.id, left.next = c.made, right.next
		left.start, left.end = min(left.start, right.start), max(left.end, right.end)
		right.gone = true
		if left.next >= 0 {
			m.symbols[left.next].prev = c.at
		}
		if left.prev >= 0 {
			m.consider(v, left.prev)
		}
		m.consider(v, c.at)
	}

	for i := int32(0); i >= 0; i = m.symbols[i].next {
		out = append(out, Token{m.symbols[i].id, m.symbols[i].start, m.symbols[i].end})
	}
	return out
}

// consider queues the pair that begins at a symbol, if a merge joins it.
func (m *merger) consider(v *vocabulary, at int32) {
	left := m.symbols[at]
	if left.next < 0 {
		return
	}
	if to, ok := v.merges[joined(left.id, m.symbols[left.next].id)]; ok {
		m.push(candidate{to.rank, at, to.made})
	}
}

func (c candidate) before(d candidate) bool {
	return c.rank < d.rank || c.rank == d.rank && c.at < d.at
}

// push and pop keep queue a binary heap.
func (m *merger) push(c candidate) {
	q := append(m.queue, c)
	i := len(q) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !c.before(q[up]) {
			break
		}
		q[i] = q[up]
		i = up
	}
	q[i] = c
	m.queue = q
}

func (m *merger) pop() candidate {
	q := m.queue
	top, c := q[0], q[len(q)-1]
	q = q[:len(q)-1]
	for i := 0; len(q) > 0; {
		down := 2*i + 1
		if down+1 < len(q) && q[down+1].before(q[down]) {
			down++
		}
		if down >= len(q) || !q[down].before(c) {
			q[i] = c
			break
		}
		q[i] = q[down]
		i = down
	}
	m.queue = q
	return top
}
