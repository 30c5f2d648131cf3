package queuetest

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"cosmicman/job"
	"cosmicman/scheduler"
)

var records = []testCase{
	{promise: "a spec comes back as it was given", check: func(s *store) {
		negative := ""
		spec := job.Spec{
			Needs: 1, Tenant: "tenant \"with\" {braces}: and spaces\x01", Priority: job.High, Model: model, Count: 2, Seconds: 1.0 / 3,
			Deadline: time.Now().Add(time.Hour).UTC().Round(0), Detached: true,
			Drawing: job.Drawing{
				Prompt: "å\u0000\u2028<b>&\\\"'\n\t🎨", NegativePrompt: &negative, Sampler: "dpmpp_2m", Steps: 1 << 30,
				GuidanceScale: 7.123456789012345, Eta: 1e-300, Seed: math.MaxUint64 - 1, Width: 1024, Height: 64, Previews: 3, NoMetadata: true,
			},
			Meta: json.RawMessage(`{"big":12345678901234567890,"list":[],"map":{},"null":null,"text":"\u2028<>&"}`),
		}
		want := encoded(s, spec)
		st := s.submit(func(sub *job.Submission) { sub.Spec = spec })
		for what, got := range map[string]job.Spec{"submit": st.Spec, "get": s.get(st.ID).Spec, "lease": s.one("w").Spec} {
			if g := encoded(s, got); g != want {
				s.t.Errorf("%s: spec is\n%s, expected\n%s", what, g, want)
			}
		}
	}},
	{promise: "a prompt of 32,000 characters comes back whole", check: func(s *store) {
		prompt := strings.Repeat("人e\u0301 🎨\"", 32_000/6+1)
		for utf8.RuneCountInString(prompt) > 32_000 {
			_, last := utf8.DecodeLastRuneInString(prompt)
			prompt = prompt[:len(prompt)-last]
		}
		id := s.submit(func(sub *job.Submission) { sub.Spec.Drawing.Prompt = prompt; sub.Spec.Count = 10 }).ID
		for _, l := range s.all("w") {
			if l.Spec.Drawing.Prompt != prompt {
				s.t.Fatal("a worker was given another prompt")
			}
		}
		if s.get(id).Spec.Drawing.Prompt != prompt {
			s.t.Error("get answers another prompt")
		}
	}},
	{promise: "a result comes back as it was given", check: func(s *store) {
		id := s.submit().ID
		l := s.one("w")
		want := job.Result{Artifact: "a\"b", Bytes: math.MaxInt64, Seed: math.MaxUint64, Width: 8, Height: 4096, Fingerprint: "x y;z", Seconds: 0.1 + 0.2, Tokens: 75}
		if err := s.q.Finish(s.ctx, l.Ref, want); err != nil {
			s.t.Fatalf("finish: %v", err)
		}
		if got := s.get(id).Images[0].Result; got == nil || *got != want {
			s.t.Errorf("result is %+v, expected %+v", got, want)
		}
	}},
	{promise: "a reason comes back as it was given", check: func(s *store) {
		id := s.submit().ID
		want := &job.Error{Kind: job.Invalid, Field: "prompt", Message: "ünsuitable \"prompt\"\n{}", RetryAfter: 1500 * time.Millisecond}
		if err := s.q.Fail(s.ctx, s.one("w").Ref, want); err != nil {
			s.t.Fatalf("fail: %v", err)
		}
		if got := s.get(id).Error; got == nil || got.Kind != want.Kind || got.Field != want.Field || got.Message != want.Message || got.RetryAfter != want.RetryAfter {
			s.t.Errorf("reason is %+v, expected %+v", got, want)
		}
	}},
	{promise: "a job that makes no sense is refused", check: func(s *store) {
		for what, change := range map[string]func(*job.Submission){
			"no images":       count(0),
			"negative images": count(-1),
			"no ID":           func(sub *job.Submission) { sub.ID = "" },
			"no priority":     priority(7),
			"seconds of NaN":  seconds(math.NaN()),
			"endless seconds": seconds(math.Inf(1)),
			"less than none":  seconds(-1),
		} {
			_, err := s.q.Submit(s.ctx, submission(change))
			s.refused(what, err, job.Invalid)
		}
		s.empty()
	}},
	{promise: "what is not known is not found", check: func(s *store) {
		id := job.NewID()
		_, err := s.q.Get(s.ctx, id)
		s.refused("get", err, job.NotFound)
		_, err = s.q.Watch(s.ctx, id, "someone")
		s.refused("watch", err, job.NotFound)
		s.refused("cancel", s.q.Cancel(s.ctx, id), job.NotFound)
		s.refused("retry", s.q.Retry(s.ctx, id), job.NotFound)
		s.refused("drop", s.q.Drop(s.ctx, id), job.NotFound)
		r := job.Ref{Job: id, Image: 0, Token: 1}
		s.refused("finish", s.q.Finish(s.ctx, r, result(r)), job.NotFound, job.Fenced)
		s.refused("fail", s.q.Fail(s.ctx, r, reason(job.Engine)), job.NotFound, job.Fenced)
		known := s.submit().ID
		s.one("w")
		for _, image := range []int{-1, 1, math.MaxInt32} {
			r := job.Ref{Job: known, Image: image, Token: 1}
			s.refused("finish of an image that is not", s.q.Finish(s.ctx, r, result(r)), job.NotFound, job.Fenced, job.Invalid)
			s.refused("fail of an image that is not", s.q.Fail(s.ctx, r, reason(job.Invalid)), job.NotFound, job.Fenced, job.Invalid)
		}
		if st := s.get(known); st.State != job.InProgress {
			s.t.Errorf("job is %s, expected in progress", st.State)
		}
	}},
	{promise: "ended jobs are kept for the retention and dropped then", options: scheduler.Options{Retention: 300 * time.Millisecond}, check: func(s *store) {
		waiting := s.submit(ofModel("other")).ID
		done, gone, late := s.submit().ID, s.submit(tenant("t")).ID, s.submit(due(-time.Second), ofModel("other")).ID
		s.cancel(gone)
		s.finish(s.one("w").Ref)
		for _, id := range []job.ID{done, gone, late} {
			s.eventually(func() string {
				if _, err := s.q.Get(s.ctx, id); job.KindOf(err) != job.NotFound {
					return "the ended job is still kept"
				}
				return ""
			})
		}
		if st := s.get(waiting); st.State != job.Queued {
			s.t.Errorf("the job that waits is %s", st.State)
		}
	}},
	{promise: "events tell what happened", options: scheduler.Options{MaxJobs: 3}, observed: checkEvents},
}

func encoded(s *store, spec job.Spec) string {
	s.t.Helper()
	b, err := json.Marshal(spec)
	if err != nil {
		s.t.Fatal(err)
	}
	var c bytes.Buffer
	if err := json.Compact(&c, b); err != nil {
		s.t.Fatal(err)
	}
	return c.String()
}
