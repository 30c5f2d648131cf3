package redisq

import (
	"math/rand/v2"
	"time"
)

// sayAgain is how often a keeper writes its options into the queue.
const sayAgain = 10 * time.Second

// tidy does what is due, for as long as the store lives. Every process asks, but
// the script works for one of them at a time.
func (s *Store) tidy() {
	every := min(time.Second, s.o.LeaseTTL/4, s.o.WatchTTL/4)
	every = max(every, 25*time.Millisecond)
	now, said := 0, time.Now()
	for {
		wait := every/2 + rand.N(every/2)
		if now == 1 {
			wait = time.Millisecond
		}
		timer := time.NewTimer(wait)
		select {
		case <-s.life.Done():
			timer.Stop()
			return
		case <-s.bell.tidy:
		case <-timer.C:
		}
		timer.Stop()
		s.orphans.giveBack(s)
		if s.keep && time.Since(said) >= sayAgain {
			said = time.Now()
			_, _ = s.agree(s.life, s.o, true) // Redis may have come back empty; if it is away, next time
		}
		r, err := s.run(s.scripts.janitor, every.Milliseconds(), now, schema)
		now = 0
		if err == nil && r.int(2) == 1 {
			now = 1
		}
	}
}
