package queuetest

import (
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

var models = []testCase{
	{promise: "a worker is given only models that it offers", check: func(s *store) {
		a, b := s.submit(ofModel("a")).ID, s.submit(ofModel("b")).ID
		s.none("w", offering(scheduler.Offer{Model: "c"}))
		if l := s.one("w", offering(scheduler.Offer{Model: "c"}, scheduler.Offer{Model: "b"})); l.Ref.Job != b {
			s.t.Errorf("lease gave %v, expected model b", l.Ref)
		}
		if l := s.one("w", offering(scheduler.Offer{Model: "a"}, scheduler.Offer{Model: "b"})); l.Ref.Job != a {
			s.t.Errorf("lease gave %v, expected model a", l.Ref)
		}
	}},
	{promise: "a model that is offered twice gives each image once", check: func(s *store) {
		s.submit(count(5))
		seen := map[job.Ref]bool{}
		twice := offering(scheduler.Offer{Model: model}, scheduler.Offer{Model: model})
		for {
			got := s.now("w", 10, twice)
			for _, l := range got {
				if seen[l.Ref] {
					s.t.Errorf("%v was given twice", l.Ref)
				}
				seen[l.Ref] = true
			}
			if len(got) == 0 {
				break
			}
		}
		if len(seen) != 5 {
			s.t.Errorf("%d images were given, expected 5", len(seen))
		}
	}},
	{promise: "a record of a newer version waits for a worker that understands it", check: func(s *store) {
		later := s.submit(needs(2)).ID
		s.none("old", version(1))
		plain := s.submit().ID
		if l := s.one("old", version(1)); l.Ref.Job != plain {
			s.t.Errorf("the old worker was given %v", l.Ref)
		}
		plain = s.submit().ID
		if l := s.one("new", version(2)); l.Ref.Job != later || l.Spec.Needs != 2 {
			s.t.Errorf("the new worker was given %v, expected the newer record", l.Ref)
		}
		if l := s.one("new", version(2)); l.Ref.Job != plain {
			s.t.Errorf("the new worker was given %v, expected the plain record", l.Ref)
		}
	}},
	{promise: "a newer record that came back is left alone by old workers", check: func(s *store) {
		later := s.submit(needs(2)).ID
		s.release(s.one("new", version(2)).Ref)
		s.none("old", version(1))
		if l := s.one("new", version(2)); l.Ref.Job != later {
			s.t.Errorf("the new worker was given %v", l.Ref)
		}
	}},
	{promise: "a model that nobody has loaded is loaded at once", check: func(s *store) {
		id := s.submit().ID
		if l := s.one("w", offering(scheduler.Offer{Model: model, LoadSeconds: 1000})); l.Ref.Job != id {
			s.t.Errorf("lease gave %v", l.Ref)
		}
	}},
	{promise: "a model that another worker has loaded is left to it", check: func(s *store) {
		s.beat(worker("loaded"))
		s.beat(worker("cold", scheduler.Offer{Model: model, LoadSeconds: 1000}))
		id := s.submit().ID
		s.none("cold", offering(scheduler.Offer{Model: model, LoadSeconds: 1000}))
		if l := s.one("loaded"); l.Ref.Job != id {
			s.t.Errorf("lease gave %v", l.Ref)
		}
	}},
	{promise: "it is loaded when its jobs wait longer than loading takes", check: func(s *store) {
		s.beat(worker("loaded"))
		id := s.submit().ID
		if l := s.one("cold", offering(scheduler.Offer{Model: model, LoadSeconds: 0.2})); l.Ref.Job != id {
			s.t.Errorf("lease gave %v", l.Ref)
		}
	}},
	{promise: "it is loaded when the worker that had it leaves", check: func(s *store) {
		s.beat(worker("loaded"))
		id := s.submit().ID
		cold := offering(scheduler.Offer{Model: model, LoadSeconds: 1000})
		s.none("cold", cold)
		if err := s.q.Leave(s.ctx, "loaded"); err != nil {
			s.t.Fatalf("leave: %v", err)
		}
		if l := s.one("cold", cold); l.Ref.Job != id {
			s.t.Errorf("lease gave %v", l.Ref)
		}
	}},
	{promise: "it is loaded when the worker that had it died", options: quick, check: func(s *store) {
		s.beat(worker("loaded"))
		id := s.submit().ID
		if l := s.one("cold", offering(scheduler.Offer{Model: model, LoadSeconds: 1000})); l.Ref.Job != id {
			s.t.Errorf("lease gave %v", l.Ref)
		}
	}},
	{promise: "an image that was begun is left to its fingerprint while such a worker lives", check: func(s *store) {
		s.beat(worker("a"))
		id := s.submit().ID
		s.fail(s.one("a").Ref, job.Engine)
		s.none("b", fingerprint("gpu"))
		if l := s.one("a"); l.Ref.Job != id || l.Fingerprint != "cpu" {
			s.t.Errorf("lease is %+v", l)
		}
	}},
	{promise: "an image left to its fingerprint does not hold up others", check: func(s *store) {
		s.beat(worker("a"))
		s.submit()
		s.fail(s.one("a").Ref, job.Engine)
		fresh := s.submit().ID
		if l := s.one("b", fingerprint("gpu")); l.Ref.Job != fresh {
			s.t.Errorf("lease gave %v, expected the fresh job", l.Ref)
		}
	}},
	{promise: "an image is given to another fingerprint after half a lease", options: scheduler.Options{LeaseTTL: time.Second}, check: func(s *store) {
		id := s.submit().ID
		l := s.one("a")
		stop := s.keepAlive(worker("a"), 50*time.Millisecond, l.Ref)
		defer stop()
		s.fail(l.Ref, job.Engine)
		if l := s.one("b", fingerprint("gpu")); l.Ref.Job != id || l.Fingerprint != "cpu" {
			s.t.Errorf("lease is %+v", l)
		}
	}},
	{promise: "an image is given to another fingerprint when no worker has its own", check: func(s *store) {
		s.beat(worker("a", scheduler.Offer{Model: "other"}))
		id := s.submit().ID
		s.release(s.one("a").Ref)
		if err := s.q.Leave(s.ctx, "a"); err != nil {
			s.t.Fatalf("leave: %v", err)
		}
		if l := s.now("b", 1, fingerprint("gpu")); len(l) != 1 || l[0].Ref.Job != id {
			s.t.Errorf("lease gave %v, expected %s", l, id)
		}
	}},
}
