package telemetry

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"cosmicman/job"
)

func TestTotalsCountWhatManyGoroutinesTell(t *testing.T) {
	var totals Totals
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			for range 100 {
				totals.Observe(job.Event{Type: job.EventStepped, Rows: 3, Padded: 4, Images: 2, Took: 30 * time.Millisecond})
				totals.Observe(job.Event{Type: job.EventEnded, State: job.Failed, Err: job.Errorf(job.Crashed, "x"), Wait: time.Hour})
				totals.Observe(job.Event{Type: job.EventStored, Bytes: 10})
				totals.Snapshot()
			}
		})
	}
	all.Wait()
	s := totals.Snapshot()
	stepped, ended := s[job.EventStepped], s[job.EventEnded]
	if stepped.Count != 1000 || stepped.Rows != 3000 || stepped.Padded != 4000 || stepped.Images != 2000 || s[job.EventStored].Bytes != 10000 {
		t.Errorf("%+v", s)
	}
	if stepped.Took.Counts[5] != 1000 || stepped.PerCall.Counts[2] != 1000 || stepped.Took.Sum < 29.9 || stepped.Took.Sum > 30.1 {
		t.Errorf("%+v, %+v", stepped.Took, stepped.PerCall)
	}
	if ended.States[job.Failed] != 1000 || ended.Kinds[job.Crashed] != 1000 || ended.Wait.Counts[len(secondBounds)] != 1000 {
		t.Errorf("%+v", ended)
	}
	totals.Observe(job.Event{Type: job.EventStepped, Took: time.Second})
	if stepped.Took.Counts[9] != 0 || s[job.EventStepped].Count != 1000 {
		t.Error("a snapshot goes on")
	}
	if _, err := json.Marshal(s); err != nil {
		t.Error(err)
	}
}

func TestModelsAndTenantsMakeNoSeries(t *testing.T) {
	var totals Totals
	totals.Observe(job.Event{Type: job.EventQueued})
	before := len(totals.Snapshot())
	for range 10000 {
		totals.Observe(job.Event{Type: job.EventQueued, Model: string(job.NewID()), Tenant: string(job.NewID()), Job: job.NewID()})
	}
	if after := totals.Snapshot(); len(after) != before || after[job.EventQueued].Count != 10001 {
		t.Errorf("%d series, %d before", len(after), before)
	}
}

func TestLogTellsTroubleLoudly(t *testing.T) {
	var b bytes.Buffer
	log := Log(slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelInfo})))
	var totals Totals
	tell := Tee(log, nil, totals.Observe)
	tell(job.Event{Type: job.EventStepped, Rows: 3})
	tell(job.Event{Type: job.EventRetried, Job: "job_x", Image: 0, Worker: "w", Attempt: 2,
		Err: &job.Error{Kind: job.Engine, Message: "it failed", Cause: errors.New("why")}})
	tell(job.Event{Type: job.EventEnded, Job: "job_x", State: job.Failed})
	got := b.String()
	for _, want := range []string{"level=WARN msg=retried job=job_x image=0 worker=w attempt=2 kind=engine error=\"it failed: why\"", "level=ERROR msg=ended job=job_x state=failed"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "stepped") {
		t.Errorf("steps are logged:\n%s", got)
	}
	if len(totals.Snapshot()) != 3 {
		t.Errorf("%v", totals.Snapshot())
	}
}
