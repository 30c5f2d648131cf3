package redisq

import (
	"context"
	"testing"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// patient is how long a test waits for what must happen.
const patient = 60 * time.Second

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	t.Cleanup(cancel)
	return ctx
}

func submission() job.Submission {
	return job.Submission{ID: job.NewID(), Spec: job.Spec{Needs: 1, Model: "sd", Count: 1, Seconds: 1, Drawing: job.Drawing{Prompt: "a person in a red coat", Steps: 20}}}
}

func request(worker string) scheduler.LeaseRequest {
	return scheduler.LeaseRequest{Worker: worker, Fingerprint: "cpu", Offers: []scheduler.Offer{{Model: "sd"}}, Max: 1, Version: job.Version}
}

func submit(t *testing.T, q *Store, sub job.Submission) job.ID {
	t.Helper()
	st, err := q.Submit(within(t), sub)
	if err != nil {
		t.Fatalf("submit: %v", err)
	}
	return st.ID
}

func lease(t *testing.T, q *Store, worker string) scheduler.Lease {
	t.Helper()
	l, err := q.Lease(within(t), request(worker))
	if err != nil || len(l) != 1 {
		t.Fatalf("lease: %v, %v", l, err)
	}
	return l[0]
}

func finish(t *testing.T, q *Store, l scheduler.Lease) {
	t.Helper()
	if err := q.Finish(within(t), l.Ref, job.Result{Artifact: "a"}); err != nil {
		t.Fatalf("finish: %v", err)
	}
}

func kind(t *testing.T, what string, err error, want ...job.Kind) {
	t.Helper()
	for _, k := range want {
		if job.KindOf(err) == k {
			return
		}
	}
	t.Fatalf("%s: error is %v (%q), expected one of kind %q", what, err, job.KindOf(err), want)
}

// eventually repeats do until it returns no error.
func eventually(t *testing.T, what string, do func(ctx context.Context) error) {
	t.Helper()
	ctx := within(t)
	for {
		err := do(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// last reads updates until they end.
func last(t *testing.T, updates <-chan job.Update) (u job.Update) {
	t.Helper()
	ctx := within(t)
	for {
		select {
		case next, open := <-updates:
			if !open {
				return u
			}
			u = next
		case <-ctx.Done():
			t.Fatalf("the updates did not end; the last was %s", u.Status.State)
		}
	}
}
