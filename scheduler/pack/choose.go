package pack

// Choose returns the device's next turn. It changes nothing.
func Choose(s State) Choice {
	if name, unused := s.unused(); unused {
		return Choice{Action: Unload, Model: name}
	}
	change, held := s.makeReady()
	if change.Action != Idle {
		return change
	}
	tallies := s.count()
	stepping, decoding := 0, 0
	for _, t := range tallies {
		stepping += t.ready
		decoding += t.decoding
	}
	decodable := decoding > 0 && !s.Full
	if s.Book.owedBegin <= 0 || stepping == 0 && !decodable {
		if c, ok := s.begin(tallies, held); ok {
			return c
		}
	}
	if decodable && (stepping == 0 || s.Book.owedDecode <= 0 || decoding >= stepping) {
		for i, q := range s.Active {
			if q.Left <= 0 && !q.Preview {
				return Choice{Action: Decode, Items: []int{i}, Group: q.Group, Model: q.Group.Model}
			}
		}
	}
	if stepping == 0 || s.Book.owedPreview <= 0 {
		for i, q := range s.Active {
			if q.Preview {
				return Choice{Action: Preview, Items: []int{i}, Group: q.Group, Model: q.Group.Model}
			}
		}
	}
	if stepping > 0 {
		return s.step(tallies)
	}
	return Choice{Action: Idle, Until: s.until()}
}

// size is what is known of an image's group before it is begun.
type size struct {
	model         string
	height, width int
}

type space struct {
	size
	rows, limit int
}

// begin chooses the images that have room, all of the model of the first such.
func (s *State) begin(tallies []tally, held int) (c Choice, ok bool) {
	if held == 0 {
		return c, false
	}
	var spaces []space
	at := func(z size) *space {
		for i := range spaces {
			if spaces[i].size == z {
				return &spaces[i]
			}
		}
		spaces = append(spaces, space{size: z})
		return &spaces[len(spaces)-1]
	}
	for _, t := range tallies {
		p := at(size{t.group.Model, t.group.Height, t.group.Width})
		p.rows += t.rows
		p.limit = max(p.limit, s.limit(t.group))
	}
	for i, w := range s.Waiting[:held] {
		if len(c.Items) > 0 && (w.Group.Model != c.Model || w.Alone) {
			continue
		}
		if m := s.model(w.Group.Model); m == nil || !m.Loaded {
			continue
		}
		p := at(size{w.Group.Model, w.Group.Height, w.Group.Width})
		if p.limit == 0 {
			p.limit = s.Book.Limit(w.Group)
		}
		if p.rows >= p.limit {
			continue
		}
		p.rows += w.Rows
		c.Action, c.Model = Begin, w.Group.Model
		c.Items = append(c.Items, i)
		if w.Alone {
			break
		}
	}
	return c, len(c.Items) > 0
}

// step chooses the group with the least account, and its oldest sequences.
func (s *State) step(tallies []tally) Choice {
	var next *tally
	largest := 0
	for i := range tallies {
		t := &tallies[i]
		if t.ready == 0 {
			continue
		}
		largest = max(largest, t.rows)
		if next == nil || s.Book.account(t.group) < s.Book.account(next.group) {
			next = t
		}
	}
	c := Choice{Action: Step, Group: next.group, Model: next.group.Model}
	c.Weight = min(1, max(s.Book.params.Floor, float64(next.rows)/float64(largest)))
	if next.suspect >= 0 {
		c.Items, c.Rows = []int{next.suspect}, s.Active[next.suspect].Rows
		return c
	}
	limit := s.limit(next.group)
	for i := next.oldest; i < len(s.Active) && (c.Rows < limit || len(c.Items) == 0); i++ {
		q := &s.Active[i]
		if q.Group != next.group || q.Left <= 0 || q.Preview {
			continue
		}
		switch {
		case len(c.Items) == 0: // one always may, whatever its rows
		case c.Rows+q.Rows > limit:
			continue
		}
		c.Items = append(c.Items, i)
		c.Rows += q.Rows
	}
	return c
}

// limit returns a group's row limit, fitted to the buckets of the device: rows that
// would be padding are taken, and no bucket is above what memory allows.
func (s *State) limit(g *Group) int {
	limit := s.Book.limit(g)
	if s.Pad == nil {
		return limit
	}
	memory := s.Book.memory(g)
	if padded := s.pad(g.Group, limit); padded <= memory {
		return padded
	}
	for limit > 1 && s.pad(g.Group, limit) > memory {
		limit--
	}
	return limit
}
