package pack

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
