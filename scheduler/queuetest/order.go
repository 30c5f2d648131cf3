package queuetest

import (
	"slices"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

var order = []testCase{
	{promise: "a tenant's jobs come in the order of their acceptance, job by job", check: func(s *store) {
		var want, got []job.Ref
		for i := range 12 {
			id := s.submit(count(1 + i%3)).ID
			for image := range 1 + i%3 {
				want = append(want, job.Ref{Job: id, Image: image, Token: 1})
			}
		}
		for _, l := range s.all("w") {
			got = append(got, l.Ref)
		}
		if !slices.Equal(got, want) {
			s.t.Errorf("order is\n%v, expected\n%v", got, want)
		}
	}},
	{promise: "higher priorities come first", check: func(s *store) {
		var want []job.ID
		want = append(want, s.submit(priority(job.Low)).ID, s.submit().ID, s.submit(priority(job.High)).ID, s.submit(priority(job.High)).ID)
		want = []job.ID{want[2], want[3], want[1], want[0]}
		if got := jobs(s.all("w")); !slices.Equal(got, want) {
			s.t.Errorf("order is %v, expected %v", got, want)
		}
	}},
	{promise: "what came back goes before higher priorities", check: func(s *store) {
		low := s.submit(priority(job.Low)).ID
		l := s.one("w")
		s.submit(priority(job.High))
		s.release(l.Ref)
		if got := jobs(s.all("w")); got[0] != low {
			s.t.Errorf("order is %v, expected %s first", got, low)
		}
	}},
	{promise: "a lower priority gets its turn in a flood of a higher one", options: scheduler.Options{Ageing: 150 * time.Millisecond}, check: func(s *store) {
		s.submitMany(50, priority(job.High))
		low := s.submit(priority(job.Low)).ID
		if l := s.one("w"); l.Ref.Job == low {
			s.t.Error("the low job came first")
		}
		s.eventually(func() string {
			s.submit(priority(job.High))
			l := s.one("w")
			s.finish(l.Ref)
			if l.Ref.Job != low {
				return "the low job has not come"
			}
			return ""
		})
		if s.stats().Queued == 0 {
			s.t.Error("the flood had ended, expected the low job to come before")
		}
	}},
	{promise: "one tenant's thousand jobs do not hold up another's one", check: func(s *store) {
		s.submitMany(1000, tenant("many"))
		for range 20 {
			s.finish(s.one("w").Ref)
		}
		id := s.submit(tenant("one")).ID
		if got := jobs(append(s.now("w", 1), s.now("w", 1)...)); !slices.Contains(got, id) {
			s.t.Error("the other tenant's job is not among the next two")
		}
	}},
	{promise: "tenants share device seconds, not images", check: func(s *store) {
		for range 40 {
			s.submit(tenant("large"), seconds(3))
			s.submit(tenant("small"), seconds(1))
		}
		given := map[string]int{}
		for range 40 {
			given[s.one("w").Spec.Tenant]++
		}
		if given["small"] < 27 || given["small"] > 33 {
			s.t.Errorf("of 40 images the cheap tenant has %d, expected 30", given["small"])
		}
	}},
	{promise: "many tenants take turns", check: func(s *store) {
		names := []string{"a", "b", "c", "d", "e"}
		for _, name := range names {
			for range 4 {
				s.submit(tenant(name))
			}
		}
		for turn := range 4 {
			given := map[string]int{}
			for range names {
				given[s.one("w").Spec.Tenant]++
			}
			if len(given) != len(names) {
				s.t.Errorf("turn %d went to %v, expected one for each tenant", turn, given)
			}
		}
	}},
	{promise: "tenants whose images cost nothing take turns as well", check: func(s *store) {
		for _, name := range []string{"a", "b"} {
			for range 10 {
				s.submit(tenant(name), seconds(0))
			}
		}
		given := map[string]int{}
		for range 10 {
			given[s.one("w").Spec.Tenant]++
		}
		if given["a"] != 5 || given["b"] != 5 {
			s.t.Errorf("ten images went to %v, expected five each", given)
		}
	}},
	{promise: "a tenant that was away gains no credit", check: func(s *store) {
		s.submitMany(30, tenant("steady"))
		for range 20 {
			s.finish(s.one("w").Ref)
		}
		s.submitMany(10, tenant("back"))
		given := map[string]int{}
		for range 10 {
			given[s.one("w").Spec.Tenant]++
		}
		if given["back"] < 4 || given["back"] > 6 {
			s.t.Errorf("of ten images the one that was away has %d, expected half", given["back"])
		}
	}},
}

func jobs(leases []scheduler.Lease) (ids []job.ID) {
	for _, l := range leases {
		ids = append(ids, l.Ref.Job)
	}
	return ids
}
