package redisq

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

func TestArtifactsComeBackAsTheyWerePutUntilTheyExpire(t *testing.T) {
	t.Parallel()
	a := open(t, startServer(t).url(), scheduler.Options{}).Artifacts(1 << 20)
	ctx := within(t)
	data := bytes.Repeat([]byte{0, 1, 255, '\r', '\n'}, 1000)
	for range 2 { // the same again is no error
		if err := a.Put(ctx, "one", data, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := a.Get(ctx, "one"); err != nil || !bytes.Equal(got, data) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	if err := a.Put(ctx, "brief", data, 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	eventually(t, "brief expires", func(ctx context.Context) error {
		_, err := a.Get(ctx, "brief")
		if job.KindOf(err) == job.NotFound {
			return nil
		}
		return fmt.Errorf("got %w", err)
	})
	if err := a.Delete(ctx, "one"); err != nil {
		t.Fatal(err)
	}
	_, err := a.Get(ctx, "one")
	kind(t, "get of a deleted one", err, job.NotFound)
	if err := a.Delete(ctx, "one"); err != nil {
		t.Errorf("delete again: %v", err)
	}
	kind(t, "no name", a.Put(ctx, "", data, time.Hour), job.Invalid)
	kind(t, "no time", a.Put(ctx, "x", data, 0), job.Invalid)
}

func TestArtifactsAreBoundedTogetherAndExpiryMakesRoom(t *testing.T) {
	t.Parallel()
	a := open(t, startServer(t).url(), scheduler.Options{}).Artifacts(1000)
	ctx := within(t)
	data := make([]byte, 400)
	kind(t, "one that never fits", a.Put(ctx, "large", make([]byte, 1001), time.Hour), job.Invalid)
	for _, name := range []string{"a", "b", "b", "a"} { // the same name is counted once
		if err := a.Put(ctx, name, data, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	err := a.Put(ctx, "c", data, time.Hour)
	kind(t, "one too many", err, job.Overloaded)
	if e, ok := err.(*job.Error); !ok || e.RetryAfter <= 0 || !strings.Contains(e.Message, "800 of 1000") {
		t.Errorf("refusal is %#v", err)
	}
	if err := a.Delete(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	if err := a.Put(ctx, "c", data, 50*time.Millisecond); err != nil {
		t.Fatalf("after a deletion: %v", err)
	}
	eventually(t, "an expired one makes room", func(ctx context.Context) error { return a.Put(ctx, "d", data, time.Hour) })
	// What expires while nobody puts anything is not counted for ever either.
	if err := a.Delete(ctx, "d"); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		eventually(t, "many brief ones", func(ctx context.Context) error {
			return a.Put(ctx, fmt.Sprint("brief", i), make([]byte, 600), 5*time.Millisecond)
		})
	}
}
