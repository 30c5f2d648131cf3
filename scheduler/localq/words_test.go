package localq

import (
	"context"
	"encoding/json"
	"testing"

	"cosmicman/job"
	"cosmicman/scheduler"
)

var bg = context.Background()

func submission(change ...func(*job.Submission)) job.Submission {
	sub := job.Submission{ID: job.NewID(), Spec: job.Spec{Needs: 1, Model: "m", Count: 1, Seconds: 1}}
	for _, f := range change {
		f(&sub)
	}
	return sub
}

func withImages(n int) func(*job.Submission) { return func(s *job.Submission) { s.Spec.Count = n } }
func of(tenant string) func(*job.Submission) {
	return func(s *job.Submission) { s.Spec.Tenant = tenant }
}
func ofClass(p job.Priority) func(*job.Submission) {
	return func(s *job.Submission) { s.Spec.Priority = p }
}
func meta(text string) func(*job.Submission) {
	return func(s *job.Submission) { s.Spec.Meta = json.RawMessage(text) }
}

func request(worker string) scheduler.LeaseRequest {
	return scheduler.LeaseRequest{Worker: worker, Fingerprint: "f", Offers: []scheduler.Offer{{Model: "m"}}, Max: 1, Version: job.Version, NoWait: true, InProcess: true}
}

func submit(t testing.TB, s *Store, change ...func(*job.Submission)) job.ID {
	t.Helper()
	st, err := s.Submit(bg, submission(change...))
	if err != nil {
		t.Fatalf("submit: %v", err)
	}
	return st.ID
}

// lease returns the next start, failing if there is none.
func lease(t testing.TB, s *Store, r scheduler.LeaseRequest) scheduler.Lease {
	t.Helper()
	leases, err := s.Lease(bg, r)
	if err != nil || len(leases) != 1 {
		t.Fatalf("lease: %d, %v; expected 1", len(leases), err)
	}
	return leases[0]
}

func get(t testing.TB, s *Store, id job.ID) job.Status {
	t.Helper()
	st, err := s.Get(bg, id)
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	return st
}
