package queuetest

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// crashTTL is the lease in cases with processes: long enough for a slow machine to
// beat in time, short enough to be waited for.
const crashTTL = 1500 * time.Millisecond

var crashOptions = scheduler.Options{LeaseTTL: crashTTL, WatchTTL: crashTTL, MaxAttempts: 1000}

// crashCase is a promise that is kept to processes which end without a word.
type crashCase struct {
	promise string
	check   func(s *store, address string)
}

// Crash checks what a store promises when workers and watchers in processes of
// their own are killed and stopped. open returns an empty store with the given
// options and the address at which the function given to [Child] reaches it.
func Crash(t *testing.T, open func(t *testing.T, o scheduler.Options) (q scheduler.Queue, address string)) {
	for _, c := range crashes {
		t.Run(c.promise, func(t *testing.T) {
			q, address := open(t, crashOptions)
			c.check(newStore(t, q), address)
		})
	}
}

var crashes = []crashCase{
	{"a worker killed in mid-image loses nothing", func(s *store, address string) {
		id := s.submit().ID
		p := start(s.t, "hold", "killed", address)
		p.expect("leased")
		p.kill()
		l := s.one("w")
		if l.Ref.Job != id || l.Attempt != 2 || l.Ref.Token != 2 {
			s.t.Errorf("lease is %+v, expected the second attempt", l)
		}
		s.finish(l.Ref)
		if st := s.get(id); st.State != job.Completed || st.Images[0].Attempts != 1 {
			s.t.Errorf("status is %+v", st)
		}
		s.empty()
	}},
	{"a worker that lives in another process keeps its lease and finishes", func(s *store, address string) {
		id := s.submit().ID
		p := start(s.t, "hold", "alive", address)
		p.expect("leased")
		// A lease that nobody keeps shows that the time has passed.
		other := s.submit().ID
		s.one("silent")
		if l := s.one("w"); l.Ref.Job != other {
			s.t.Fatalf("lease gave %v, whose worker is alive", l.Ref)
		}
		p.finish()
		p.expect("done finish")
		s.is(id, job.Completed)
	}},
	{"a worker that waits in another process is woken, and what it does is told here", func(s *store, address string) {
		p := start(s.t, "hold", "elsewhere", address)
		p.expect("waiting")
		id := s.submit(watchedBy("a")).ID
		updates, _ := s.watch(id, "a")
		s.next(updates, in(job.InProgress))
		p.expect("leased")
		p.tell()
		p.expect("done progress")
		// The preview is a hint and may be missed, the end may not.
		p.tell()
		p.expect("done finish")
		if u := s.next(updates, in(job.Completed)); u.Status.Images[0].Result == nil || u.Status.Images[0].Worker != "elsewhere" {
			s.t.Errorf("the last update is %+v", u.Status)
		}
		closed(s, updates)
	}},
	{"a cancellation here reaches a worker in another process", func(s *store, address string) {
		id := s.submit().ID
		p := start(s.t, "hold", "elsewhere", address)
		p.expect("leased")
		s.cancel(id)
		if got := p.expect("revoked"); got != string(id) {
			s.t.Errorf("%s was revoked, expected %s", got, id)
		}
		p.finish()
		if kind := p.expect("refused finish:"); kind != string(job.Fenced) {
			s.t.Errorf("the late finish was refused as %s, expected %s", kind, job.Fenced)
		}
		s.empty()
	}},
	{"a worker stopped past its lease is fenced when it goes on", func(s *store, address string) {
		id := s.submit().ID
		p := start(s.t, "hold", "stopped", address)
		p.expect("leased")
		p.signal(syscall.SIGSTOP)
		l := s.one("w")
		s.finish(l.Ref)
		p.signal(syscall.SIGCONT)
		p.finish()
		if kind := p.expect("refused finish:"); kind != string(job.Fenced) {
			s.t.Errorf("the late finish was refused as %s, expected %s", kind, job.Fenced)
		}
		if st := s.get(id); st.State != job.Completed || *st.Images[0].Result != result(l.Ref) || st.Images[0].Worker != "w" {
			s.t.Errorf("status is %+v", st)
		}
	}},
	{"a worker stopped past its lease is fenced though nobody took over", func(s *store, address string) {
		id := s.submit().ID
		p := start(s.t, "hold", "stopped", address)
		p.expect("leased")
		p.signal(syscall.SIGSTOP)
		s.eventually(func() string {
			if im := s.get(id).Images[0]; im.State != job.Queued {
				return fmt.Sprintf("image is %s, expected it back in the queue", im.State)
			}
			return ""
		})
		p.signal(syscall.SIGCONT)
		p.finish()
		if kind := p.expect("refused finish:"); kind != string(job.Fenced) {
			s.t.Errorf("the late finish was refused as %s, expected %s", kind, job.Fenced)
		}
		s.finish(s.one("w").Ref)
		s.is(id, job.Completed)
	}},
	{"workers killed again and again lose nothing and record each image once", func(s *store, address string) {
		const kills, jobs, images = 12, 60, 3
		var ids []job.ID
		for range jobs {
			ids = append(ids, s.submit(count(images)).ID)
		}
		random := rand.New(rand.NewPCG(4, 4))
		for i := range kills {
			p := start(s.t, "work", fmt.Sprint("worker", i), address)
			p.expect("working")
			time.Sleep(time.Duration(random.IntN(60)) * time.Millisecond)
			p.kill()
		}
		start(s.t, "work", "last", address)
		for _, id := range ids {
			st := s.is(id, job.Completed)
			for i, im := range st.Images {
				if want := result(job.Ref{Job: id, Image: i, Token: im.Token}); im.Result == nil || *im.Result != want {
					s.t.Errorf("image %d of %s has result %+v, expected %+v", i, id, im.Result, want)
				}
			}
		}
		s.empty()
		attempts := 0
		for _, id := range ids {
			for _, im := range s.get(id).Images {
				attempts += im.Attempts
			}
		}
		s.t.Logf("%d workers were killed, %d starts with them; %d of %d images are recorded, none is lost", kills, attempts, jobs*images, jobs*images)
	}},
	{"what a killed process watched is cancelled, unless it has a key", func(s *store, address string) {
		p := start(s.t, "watch", "front", address)
		plain, kept := job.ID(p.expect("watching")), job.ID(p.expect("watching"))
		p.kill()
		s.is(plain, job.Cancelled)
		if st := s.get(kept); st.State != job.Queued {
			s.t.Errorf("the keyed job is %s, expected queued", st.State)
		}
		if l := s.one("w"); l.Ref.Job != kept {
			s.t.Errorf("lease gave %v, expected the keyed job", l.Ref)
		}
		s.none("w")
	}},
}
