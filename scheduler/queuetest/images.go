package queuetest

import (
	"slices"

	"cosmicman/job"
)

var severalImages = []testCase{
	{promise: "the images of a job spread over workers, and it ends with the last", check: func(s *store) {
		id := s.submit(count(3)).ID
		a, b, c := s.one("a"), s.one("b"), s.one("c")
		s.finish(c.Ref)
		s.finish(a.Ref)
		if st := s.get(id); st.State != job.InProgress || st.Images[2].State != job.Completed || st.Images[1].State != job.InProgress {
			s.t.Errorf("before the last: %+v", st)
		}
		s.finish(b.Ref)
		st := s.get(id)
		if st.State != job.Completed {
			s.t.Errorf("job is %s, expected completed", st.State)
		}
		for i, im := range st.Images {
			if im.Result == nil || im.Result.Seed != 42+uint64(i) || im.Worker != string(rune('a'+i)) {
				s.t.Errorf("image %d is %+v", i, im)
			}
		}
		s.empty()
	}},
	{promise: "a job stays in progress when its only started image went back", check: func(s *store) {
		id := s.submit(count(2)).ID
		s.release(s.one("w").Ref)
		if st := s.get(id); st.State != job.InProgress || st.Images[0].State != job.Queued {
			s.t.Errorf("status is %+v", st)
		}
	}},
	{promise: "one failed image fails the job, revokes the running and drops the queued", check: func(s *store) {
		id := s.submit(count(4)).ID
		done, bad, running := s.one("a").Ref, s.one("b").Ref, s.one("c").Ref
		revoked, err := s.q.Revocations(s.ctx, "c")
		if err != nil {
			s.t.Fatalf("revocations: %v", err)
		}
		s.finish(done)
		s.fail(bad, job.Invalid)
		told(s, revoked, running)
		if lost := s.beat(worker("c"), running); !slices.Equal(lost, []job.Ref{running}) {
			s.t.Errorf("beat lost %v, expected %v", lost, running)
		}
		s.refused("finish of a dropped image", s.q.Finish(s.ctx, running, result(running)), job.Fenced)
		s.none("w")
		st := s.get(id)
		if st.State != job.Failed || st.Error == nil || st.Error.Kind != job.Invalid {
			s.t.Errorf("status is %+v, error %v", st, st.Error)
		}
		for i, want := range []job.State{job.Completed, job.Failed, job.Cancelled, job.Cancelled} {
			if st.Images[i].State != want {
				s.t.Errorf("image %d is %s, expected %s", i, st.Images[i].State, want)
			}
		}
		if st.Images[0].Result == nil {
			s.t.Error("the result that was there is gone")
		}
		s.empty()
	}},
	{promise: "images of one job keep attempts of their own", check: func(s *store) {
		id := s.submit(count(2)).ID
		got := s.all("w")
		s.fail(got[1].Ref, job.Engine)
		again := s.one("w")
		if again.Ref.Image != 1 || again.Attempt != 2 {
			s.t.Errorf("lease is %+v, expected image 1's second attempt", again)
		}
		if st := s.get(id); st.Images[0].Attempts != 0 || st.Images[1].Attempts != 1 {
			s.t.Errorf("attempts are %d and %d, expected 0 and 1", st.Images[0].Attempts, st.Images[1].Attempts)
		}
		s.finish(got[0].Ref)
		s.finish(again.Ref)
		if st := s.get(id); st.State != job.Completed || st.Error != nil {
			s.t.Errorf("status is %+v", st)
		}
	}},
}
