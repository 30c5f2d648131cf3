package pack

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
