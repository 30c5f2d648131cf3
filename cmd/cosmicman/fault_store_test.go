package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"cosmicman/job"
)

// waiting asks for images and hands the answers over when they come.
func (s *site) waiting(seeds []int, side int, key string) <-chan answer {
	s.t.Helper()
	ctx := within(s.t)
	out := make(chan answer, len(seeds))
	for _, seed := range seeds {
		k := ""
		if key != "" {
			k = fmt.Sprint(key, seed)
		}
		go func() { out <- draw(ctx, s.url, ask(seed, side, 1), k) }()
	}
	return out
}

// accepted waits until the queue knows n jobs.
func (s *site) accepted(n int) {
	s.t.Helper()
	eventually(s.t, "the jobs are accepted", func() error {
		if got := len(s.jobs()); got != n {
			return fmt.Errorf("%d jobs, expected %d", got, n)
		}
		return nil
	})
}

// TestFault03AKilledRedisLosesNothing kills a Redis with an append-only file while
// clients wait, and starts it again.
func TestFault03AKilledRedisLosesNothing(t *testing.T) {
	t.Parallel()
	killRedis(t, 1)
}

func killRedis(t *testing.T, kills int) {
	const side = 160
	s := newSite(t, startRedis(t), "", 1)
	alone := mustDraw(t, s.url, ask(1, side, 1))
	for k := range kills {
		got := s.waiting([]int{1, 1, 1}, side, "")
		s.accepted(1 + 3*(k+1))
		s.running(3)
		s.redis.kill()
		awaitProbe(t, s.url+"/readyz", http.StatusServiceUnavailable)
		awaitProbe(t, s.url+"/healthz", http.StatusOK)
		if a := draw(within(t), s.url, ask(1, side, 1), ""); a.status != http.StatusServiceUnavailable || a.retry == "" {
			t.Errorf("a request while Redis is away: %v, Retry-After %q", a, a.retry)
		}
		s.redis.start()
		awaitProbe(t, s.url+"/readyz", http.StatusOK)
		for range 3 {
			(<-got).same(t, "accepted before Redis was killed", alone)
		}
	}
	s.account(fmt.Sprintf("killed Redis %d times with three clients waiting; ready went false, then true", kills))
}

// TestFault04ARedisThatComesBackEmptyHangsNobody loses all that Redis had.
func TestFault04ARedisThatComesBackEmptyHangsNobody(t *testing.T) {
	t.Parallel()
	const side = 160
	s := newSite(t, startRedis(t), "", 1)
	alone := mustDraw(t, s.url, ask(1, side, 1))
	got := s.waiting([]int{1, 1, 1}, side, "")
	s.accepted(4)
	s.running(3)
	s.redis.kill()
	s.redis.empty()
	s.redis.start()
	for range 3 {
		if a := <-got; a.err != nil || a.status != http.StatusServiceUnavailable || a.retry == "" {
			t.Errorf("a client that waited: %v, Retry-After %q; expected 503 and when to come again", a, a.retry)
		} else {
			t.Logf("a client that waited was told: %s", a.code)
		}
	}
	awaitProbe(t, s.url+"/readyz", http.StatusOK)
	draw(within(t), s.url, ask(1, side, 1), "").same(t, "afterwards", alone)
	s.account("started Redis again without its data: three waiting clients had an error, of what came then")
}

// TestFault05SwallowedRepliesDoubleNothing drops what Redis answers for five seconds.
func TestFault05SwallowedRepliesDoubleNothing(t *testing.T) {
	t.Parallel()
	const side = 128
	r := startRedis(t)
	p := newProxy(t, r.addr)
	s := newSite(t, r, p.url(), 1)
	seeds := []int{1, 2, 3, 4}
	alone := map[int][][]byte{}
	for _, seed := range seeds {
		alone[seed] = mustDraw(t, s.url, ask(seed, side, 1))
	}
	before := s.waiting([]int{1}, 192, "") // is being drawn while nobody hears an answer
	s.accepted(len(seeds) + 1)
	s.running(3)
	p.swallow(true)
	during := s.waiting(seeds, side, "key")
	time.Sleep(5 * time.Second) // what is tried, no wait for something
	swallowed := p.swallow(false)
	if a := <-before; a.err != nil || a.status != http.StatusOK {
		t.Errorf("drawn meanwhile: %v", a)
	}
	refused := 0
	for range seeds {
		if a := <-during; a.status != http.StatusOK {
			if refused++; a.err != nil || a.status != http.StatusServiceUnavailable {
				t.Errorf("a request meanwhile: %v", a)
			}
		}
	}
	for _, seed := range seeds {
		draw(within(t), s.url, ask(seed, side, 1), fmt.Sprint("key", seed)).same(t, "with the key once more", alone[seed])
	}
	drawn := map[uint64]int{}
	for _, st := range s.jobs() {
		if st.Spec.Drawing.Width == side {
			drawn[st.Spec.Drawing.Seed]++
		}
	}
	for _, seed := range seeds {
		if drawn[uint64(seed)] != 2 { // undisturbed, and with the key
			t.Errorf("seed %d: %d jobs, expected 2", seed, drawn[uint64(seed)])
		}
	}
	s.account(fmt.Sprintf("swallowed %d bytes of replies in 5 s; of %d requests meanwhile %d were told to come again, and none entered twice", swallowed, len(seeds), refused))
}

// TestFault06AFullRedisRefusesAndLosesNothing takes Redis's memory away while an
// image is drawn.
func TestFault06AFullRedisRefusesAndLosesNothing(t *testing.T) {
	t.Parallel()
	const side = 192
	s := newSite(t, startRedis(t), "", 1)
	alone := mustDraw(t, s.url, ask(1, side, 1))
	got := s.waiting([]int{1}, side, "")
	st, _ := s.running(0)
	s.redis.command("CONFIG", "SET", "maxmemory", "1mb")
	a := draw(within(t), s.url, ask(2, side, 1), "")
	if a.status != http.StatusServiceUnavailable || a.retry == "" {
		t.Errorf("a request: %v, Retry-After %q; expected 503 and when to come again", a, a.retry)
	}
	eventually(t, "the image cannot be stored", func() error {
		for _, p := range s.programs {
			if p.told("level=WARN", "trying again") > 0 {
				return nil
			}
		}
		return errNone
	})
	if now, err := s.seen.Get(t.Context(), st.ID); err != nil || now.State != job.InProgress {
		t.Errorf("without memory the job is %s, %v; expected it to be in progress", now.State, err)
	}
	s.redis.command("CONFIG", "SET", "maxmemory", "0")
	(<-got).same(t, "drawn while Redis was full", alone)
	draw(within(t), s.url, ask(1, side, 1), "").same(t, "afterwards", alone)
	s.account(fmt.Sprintf("took Redis's memory away in mid-image; a request was answered %d with Retry-After %s", a.status, a.retry))
}
