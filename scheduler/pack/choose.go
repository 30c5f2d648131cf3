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
		stepping += t.images
		decoding += t.decoding
	}
	if stepping == 0 || s.Book.owedBegin <= 0 {
		if c, ok := s.begin(tallies, held); ok {
			return c
		}
	}
	if decoding > 0 && !s.Full && (stepping == 0 || s.Book.owedDecode <= 0 || decoding >= stepping) {
		for i, q := range s.Active {
			if q.Left <= 0 {
				return Choice{Action: Decode, Items: []int{i}, Group: q.Group, Model: q.Group.Model}
			}
		}
	}
	if stepping > 0 {
		return s.step(tallies)
	}
	return Choice{Action: Idle, Until: s.until()}
}

// unused returns a loaded model that nobody has wanted for the keep-alive time.
func (s *State) unused() (string, bool) {
	if s.KeepAlive <= 0 {
		return "", false
	}
	for _, m := range s.Models {
		if m.Loaded && !m.Pinned && s.Now >= m.Used+s.KeepAlive && !s.wanted(m.Name, len(s.Waiting)) {
			return m.Name, true
		}
	}
	return "", false
}

// until returns when a model's keep-alive time ends first.
func (s *State) until() (at float64) {
	if s.KeepAlive <= 0 {
		return 0
	}
	for _, m := range s.Models {
		if end := m.Used + s.KeepAlive; m.Loaded && !m.Pinned && (at == 0 || end < at) && !s.wanted(m.Name, len(s.Waiting)) {
			at = end
		}
	}
	return at
}

// wanted reports whether a model has active sequences, or images among the first
// so many waiting.
func (s *State) wanted(model string, first int) bool {
	for i := range s.Active {
		if s.Active[i].Group.Model == model {
			return true
		}
	}
	for i := range s.Waiting[:first] {
		if s.Waiting[i].Group.Model == model {
			return true
		}
	}
	return false
}

// makeReady returns what must be loaded or unloaded for the first image whose
// model is not there, and how many of the waiting may be begun: those from held on
// would keep models in use that are in its way.
func (s *State) makeReady() (c Choice, held int) {
	for i, w := range s.Waiting {
		m := s.model(w.Group.Model)
		if m == nil || m.Loaded || s.Now < m.RetryAt {
			continue
		}
		if s.fits(m) {
			return Choice{Action: Load, Model: m.Name}, i
		}
		if victim := s.victim(i); victim != nil {
			return Choice{Action: Unload, Model: victim.Name}, i
		}
		if s.loaded() == 0 {
			// Larger than the whole budget: its estimate may be too high, and
			// refusing to try would never tell.
			return Choice{Action: Load, Model: m.Name}, i
		}
		return Choice{Action: Idle}, i
	}
	return Choice{Action: Idle}, len(s.Waiting)
}

func (s *State) fits(m *Model) bool {
	if s.Memory <= 0 {
		return true
	}
	sum := m.Bytes
	for _, other := range s.Models {
		if other.Loaded {
			sum += other.Bytes
		}
	}
	return sum <= s.Memory
}

func (s *State) loaded() (n int) {
	for _, m := range s.Models {
		if m.Loaded {
			n++
		}
	}
	return n
}

// victim returns the least recently used model that may be unloaded for the sake
// of the waiting image i, or nil.
func (s *State) victim(i int) (v *Model) {
	for k := range s.Models {
		m := &s.Models[k]
		if m.Loaded && !m.Pinned && (v == nil || m.Used < v.Used) && !s.wanted(m.Name, i) {
			v = m
		}
	}
	return v
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
		if t.images == 0 {
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
		if q.Group != next.group || q.Left <= 0 {
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

// Want returns how many images to ask the queue for now.
func Want(s State) int {
	target, gulp := Target(s)
	return max(0, min(gulp, target-Held(s)))
}

// Held returns how many images count against the target: those to be begun and
// stepped. Those that wait for their decode count where they are more than a few.
func Held(s State) int {
	stepping := 0
	for i := range s.Active {
		if s.Active[i].Left > 0 {
			stepping++
		}
	}
	return len(s.Waiting) + stepping + max(0, len(s.Active)-stepping-s.mostBatch(nil))
}

// Target returns how many images to hold, and how many to ask for at once.
func Target(s State) (target, gulp int) {
	if s.Full {
		return 0, 1
	}
	if _, held := s.makeReady(); held < len(s.Waiting) {
		return 0, 1
	}
	tallies := s.count()
	sum := 0
	for _, t := range tallies {
		if t.images > 0 {
			sum += batch(t, s.limit(t.group))
		}
	}
	most := s.mostBatch(tallies)
	gulp = max(1, (most+3)/4)
	return min(max(sum, most), 3*most) + gulp, gulp
}

// mostBatch returns the images in a full batch of the group present that takes the
// most, or of the group that was stepped last.
func (s *State) mostBatch(tallies []tally) int {
	most := 0
	for _, t := range tallies {
		if t.images > 0 {
			most = max(most, batch(t, s.limit(t.group)))
		}
	}
	switch {
	case most > 0:
		return most
	case s.Book.recent != nil:
		return max(1, s.limit(s.Book.recent)/2)
	}
	return max(1, s.Book.params.FirstRows/2)
}

// batch returns how many images like those of a group make its limit.
func batch(t tally, limit int) int { return max(1, limit*t.images/max(1, t.rows)) }
