package localq

import "time"

// janitor lets happen what is due when nobody calls.
type janitor struct {
	kick chan struct{} // something may be due sooner
	stop chan struct{}
	done chan struct{}
}

func (s *Store) startJanitor() {
	s.janitor = janitor{make(chan struct{}, 1), make(chan struct{}), make(chan struct{})}
	if s.manual {
		close(s.janitor.done)
		return
	}
	go func() {
		defer close(s.janitor.done)
		for {
			next := s.Sweep()
			var alarm <-chan time.Time
			if !next.IsZero() {
				alarm = time.After(next.Sub(s.o.Now()))
			}
			select {
			case <-s.janitor.stop:
				return
			case <-s.janitor.kick:
			case <-alarm:
			}
		}
	}()
}

func (s *Store) stopJanitor() {
	close(s.janitor.stop)
	<-s.janitor.done
}

// Sweep lets happen what is due by now: deadlines, leases, workers and watchers that
// were silent for too long, the end of what is kept. It returns when the next of these
// is due, zero if nothing is planned. A store without Options.Now does it by itself.
func (s *Store) Sweep() (next time.Time) {
	c, err := s.begin()
	if err != nil {
		return next
	}
	s.agenda.run(c)
	if s.manual {
		s.wakeAll() // whoever waits for time to pass has no clock of its own
	}
	_ = c.commit() // the failure is what every later call answers
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alarm = s.agenda.next()
	return s.alarm
}

// at plans something, and wakes the janitor if it sleeps for longer.
func (c *change) at(d *due, when time.Time, fire func(*change)) *due {
	d = c.s.agenda.set(d, when, fire)
	if c.s.alarm.IsZero() || when.Before(c.s.alarm) {
		c.s.alarm = when
		select {
		case c.s.janitor.kick <- struct{}{}:
		default:
		}
	}
	return d
}
