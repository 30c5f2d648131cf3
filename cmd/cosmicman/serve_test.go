package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	small = `{"prompt": "a headshot", "size": "64x64", "seed": %d, "n": %d}`
	// large takes the tiny model seconds.
	large = `{"prompt": "a headshot", "size": "320x320", "seed": 1}`
)

func TestConcurrentRequestsAreAnsweredWithWhatGenerateDraws(t *testing.T) {
	model := tiny(t, "tiny-sd")
	s := serving(t, t.TempDir(), "--model", model)
	want := drawn(t, model, "a headshot", "17", "64", "64")
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			a := s.draw(t, fmt.Sprintf(small, 17-i%3, 3))
			if i := i % 3; len(a.Data) != 3 || a.Data[i].Seed != 17 || !bytes.Equal(a.Data[i].B64JSON, want) {
				t.Errorf("request %d: image %d of %d is not the one that generate draws", i, i, len(a.Data))
			}
		})
	}
	all.Wait()
	for body, want := range map[string]struct {
		code  int
		param string
	}{
		`{"prompt": "p", "size": "65x64"}`:  {400, "size"},
		`{"prompt": "p", "colour": "red"}`:  {400, "colour"},
		`{"prompt": "p", "model": "other"}`: {404, "model"},
		`{"n": 1}`:                          {400, "prompt"},
	} {
		if a, err := s.post(t.Context(), body); err != nil || a.code != want.code || a.Error.Param != want.param {
			t.Errorf("%s: %d %+v, %v", body, a.code, a.Error, err)
		}
	}
	if r := s.report(t); r.Jobs != 0 || len(r.Workers) != 1 || r.Workers[0].Costs["tiny"] <= 0 {
		t.Errorf("%+v", r)
	}
	var stderr bytes.Buffer
	e := &environment{stdout: &stderr, stderr: &stderr, getenv: os.Getenv}
	code := run(t.Context(), e, []string{"serve", "--addr", "127.0.0.1:0", "--data", s.data, "--library", library(t), "--model", model})
	if code != 1 || !strings.Contains(stderr.String(), "another cosmicman serves from "+s.data) {
		t.Errorf("a second server on the folder: exit code %d, %s", code, &stderr)
	}
	s.stop(t)
}

func TestAKeyAnswersTheFirstResultAcrossRestarts(t *testing.T) {
	model, data := tiny(t, "tiny-sd"), t.TempDir()
	s := serving(t, data, "--model", model)
	const body = `{"prompt": "a headshot", "size": "64x64"}`
	first := s.draw(t, body, "Idempotency-Key", "k")
	s.kill(t)
	s = serving(t, data, "--model", model)
	again := s.draw(t, body, "Idempotency-Key", "k")
	if !t.Failed() && (again.Data[0].Seed != first.Data[0].Seed || !bytes.Equal(again.Data[0].B64JSON, first.Data[0].B64JSON)) {
		t.Error("another image")
	}
	if a, err := s.post(t.Context(), fmt.Sprintf(small, 1, 1), "Idempotency-Key", "k"); err != nil || a.code != 422 {
		t.Errorf("the key with another request: %d %+v, %v", a.code, a.Error, err)
	}
}

func TestWorkStopsWhenTheClientGoes(t *testing.T) {
	s := serving(t, t.TempDir(), "--model", tiny(t, "tiny-sd"))
	ctx, cancel := context.WithCancel(t.Context())
	gone := s.later(ctx, large)
	await(t, "the image is being drawn", func() bool { return s.report(t).Running == 1 })
	cancel()
	<-gone
	await(t, "nothing is being drawn", func() bool { r := s.report(t); return r.Running == 0 && r.Jobs == 0 })
	s.draw(t, fmt.Sprintf(small, 1, 1))
}

func TestATermFinishesWhatRunsAndRefusesWhatComes(t *testing.T) {
	s := serving(t, t.TempDir(), "--model", tiny(t, "tiny-sd"))
	running := s.later(t.Context(), large)
	await(t, "the image is being drawn", func() bool { return s.report(t).Running == 1 })
	if err := s.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	await(t, "it is not ready", func() bool { code, _ := s.get(t, "/readyz"); return code == 503 })
	if a, err := s.post(t.Context(), fmt.Sprintf(small, 1, 1)); err != nil || a.code != 503 {
		t.Errorf("a new request: %d, %v", a.code, err)
	}
	if a := <-running; a.code != 200 {
		t.Errorf("the running one: %d %+v", a.code, a.Error)
	}
	if code := s.end(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestWorkThatADrainCutsOffIsDoneAfterTheRestart(t *testing.T) {
	model, data := tiny(t, "tiny-sd"), t.TempDir()
	s := serving(t, data, "--model", model, "--drain", "0s")
	running := s.later(t.Context(), large, "Idempotency-Key", "k")
	await(t, "the image is being drawn", func() bool { return s.report(t).Running == 1 })
	s.stop(t)
	if a := <-running; a.code != 503 {
		t.Errorf("%d %+v, expected 503", a.code, a.Error)
	}
	s = serving(t, data, "--model", model)
	s.draw(t, large, "Idempotency-Key", "k")
}

func TestASecondSignalEndsAtOnce(t *testing.T) {
	s := serving(t, t.TempDir(), "--model", tiny(t, "tiny-sd"))
	_ = s.later(t.Context(), large)
	await(t, "the image is being drawn", func() bool { return s.report(t).Running == 1 })
	if err := s.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	await(t, "it is not ready", func() bool { code, _ := s.get(t, "/readyz"); return code == 503 })
	if err := s.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := s.end(t); code != 130 {
		t.Errorf("exit code %d, expected 130", code)
	}
}

func TestAWorkerProcessThatIsKilledLosesNothing(t *testing.T) {
	s := serving(t, t.TempDir(), "--model", tiny(t, "tiny-sd"), "--worker-processes", "1", "--lease-ttl", "1s")
	running := s.later(t.Context(), large)
	pid := 0
	await(t, "the image is being drawn", func() bool {
		r := s.report(t)
		if len(r.Workers) == 1 {
			pid = r.Workers[0].PID
		}
		return r.Running == 1 && pid != 0
	})
	if pid == s.Process.Pid {
		t.Fatal("the worker is in the serving process")
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if a := <-running; a.code != 200 {
		t.Errorf("%d %+v", a.code, a.Error)
	}
	if !strings.Contains(s.out.String(), "a worker process has ended and is started anew") {
		t.Error("the reason is not logged")
	}
	r := s.report(t)
	s.kill(t)
	for _, w := range r.Workers {
		await(t, "the orphan ends", func() bool { return syscall.Kill(w.PID, 0) != nil })
	}
}

func TestFrontEndsAndWorkersShareRedis(t *testing.T) {
	url, model, lib := ownRedis(t), tiny(t, "tiny-sd"), library(t)
	worker := func() *process {
		return startProcess(t, "cosmicman", "worker", "--redis", url, "--data", t.TempDir(), "--library", lib, "--model", model, "--lease-ttl", "1s")
	}
	first := worker()
	a := serving(t, t.TempDir(), "--redis", url, "--no-worker", "--lease-ttl", "1s")
	b := serving(t, t.TempDir(), "--redis", url, "--no-worker", "--lease-ttl", "1s")
	running := []<-chan answered{a.later(t.Context(), large), b.later(t.Context(), large)}
	await(t, "both images are being drawn", func() bool { return report(t, "--redis", url).Running == 2 })
	first.kill(t)
	worker()
	for i, c := range running {
		if got := <-c; got.code != 200 {
			t.Errorf("front end %d: %d %+v", i, got.code, got.Error)
		}
	}
	if got, err := a.post(t.Context(), `{"prompt": "p", "model": "other"}`); err != nil || got.code != 404 {
		t.Errorf("a model that no worker has: %d %+v, %v", got.code, got.Error, err)
	}
	// Neither front end has the files.
	if code, text := a.get(t, "/v1/models"); code != 200 || !strings.Contains(text, `"id":"tiny"`) || !strings.Contains(text, `"family":"sd"`) ||
		!strings.Contains(text, `"native_size":"`) || !strings.Contains(text, `"loaded":true`) {
		t.Errorf("%d %s", code, text)
	}
	if got := a.draw(t, `{"prompt": "p", "model": "tiny", "steps": 2}`); !t.Failed() && got.Data[0].B64JSON == nil {
		t.Error("nothing was drawn in the native size")
	}
	// A job that one front end accepted is followed at both, and cancelled at either.
	where := a.accept(t, large)
	followed := []<-chan string{a.follow(t, where), b.follow(t, where), b.follow(t, where)}
	await(t, "the job is being drawn", func() bool { _, text := b.get(t, where); return strings.Contains(text, `"status":"in_progress"`) })
	r, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, b.url+where, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	for i, c := range followed {
		if last := <-c; res.StatusCode != 200 || last != "cancelled" {
			t.Errorf("%d: the last event at reader %d is %q", res.StatusCode, i, last)
		}
	}
}

func TestAModelThatCannotBeUsedLeavesTheOthersServed(t *testing.T) {
	model, broken := tiny(t, "tiny-sd"), filepath.Join(t.TempDir(), "broken")
	if err := os.CopyFS(broken, os.DirFS(model)); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(broken, "unet", "diffusion_pytorch_model.safetensors"), 1000); err != nil {
		t.Fatal(err)
	}
	s := serving(t, t.TempDir(), "--model", "good="+model, "--model", "bad="+broken, "--preload", "good")
	s.draw(t, fmt.Sprintf(small, 1, 1))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if a, err := s.post(ctx, `{"prompt": "p", "model": "bad", "size": "64x64"}`); err != nil || a.code != 503 || strings.Contains(a.Error.Message, broken) || !strings.Contains(a.Error.Message, "cut off") {
		t.Errorf("%d %+v, %v", a.code, a.Error, err)
	}
	s.draw(t, fmt.Sprintf(small, 2, 1))
}
