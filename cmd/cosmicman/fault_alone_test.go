package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// serveAlone starts a server with the embedded store and its worker.
func serveAlone(t *testing.T, data string, flags ...string) *program {
	t.Helper()
	return launch(t, aloneArgs(t, data, flags...)...)
}

func aloneArgs(t *testing.T, data string, flags ...string) []string {
	return append([]string{"serve", "--addr=127.0.0.1:0", "--data=" + data, "--library=" + library(t), "--threads=1", "--log-level=DEBUG"}, flags...)
}

// TestFault10AFullDiskLeavesNoPartialFile fills the disk of a server.
func TestFault10AFullDiskLeavesNoPartialFile(t *testing.T) {
	t.Parallel()
	const side = 64
	model := "--model=tiny=" + tiny(t, "tiny-sd")
	disk := t.TempDir()
	if err := syscall.Mount("none", disk, "tmpfs", 0, "size=48m"); err != nil {
		t.Fatalf("a small disk is needed, and so the right to mount one: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	data := filepath.Join(disk, "data")
	p := serveAlone(t, data, model)
	alone := mustDraw(t, p.url(), ask(1, side, 1))
	filler := filepath.Join(disk, "filler")
	fill(t, filler)
	ctx := within(t)
	got := make(chan answer, 1)
	go func() { got <- draw(ctx, p.url(), ask(1, side, 4), "") }()
	eventually(t, "the images cannot be stored", func() error {
		if p.told("level=WARN", "trying again") < 2 {
			return errNone
		}
		return nil
	})
	whole := wholeImages(t, filepath.Join(data, "artifacts"))
	awaitProbe(t, p.url()+"/healthz", http.StatusOK)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	a := <-got
	if a.err != nil || a.status != http.StatusOK || len(a.images) != 4 {
		t.Errorf("a request that met a full disk: %v", a)
	} else if !bytes.Equal(a.images[0], alone[0]) {
		t.Error("what was drawn on a full disk is another image")
	}
	draw(ctx, p.url(), ask(1, side, 1), "").same(t, "with room again", alone)
	t.Logf("filled the disk while four images were stored: %d image files then, all whole; with room again the four were answered, %d attempts counted; lost: nothing",
		whole, p.told("msg=retried"))
}

// fill writes until nothing fits any more.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			size /= 2
		}
	}
}

// wholeImages counts the images in a folder, and fails the test for one that is none.
func wholeImages(t *testing.T, dir string) (n int) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "img_") {
			continue
		}
		n++
		file, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil || !bytes.HasPrefix(file, []byte("\x89PNG")) || !bytes.Contains(last8(file), []byte("IEND")) {
			t.Errorf("%s is no whole image: %d bytes, %v", e.Name(), len(file), err)
		}
	}
	return n
}

func last8(b []byte) []byte { return b[max(0, len(b)-8):] }

// TestFault12AModelThatCannotBeLoadedLeavesTheServerAlive damages a model's files
// after they were looked at, so that its session cannot be made.
func TestFault12AModelThatCannotBeLoadedLeavesTheServerAlive(t *testing.T) {
	t.Parallel()
	const side = 64
	good, bad := tiny(t, "tiny-sd"), filepath.Join(t.TempDir(), "bad")
	if err := os.CopyFS(bad, os.DirFS(good)); err != nil {
		t.Fatal(err)
	}
	weights := filepath.Join(bad, "unet", "diffusion_pytorch_model.safetensors")

	t.Run("beside another", func(t *testing.T) {
		p := serveAlone(t, t.TempDir(), "--model=good="+good, "--model=bad="+bad, "--preload=good")
		awaitProbe(t, p.url()+"/readyz", http.StatusOK)
		alone := mustDraw(t, p.url(), ask(1, side, 1))
		info, err := os.Stat(weights)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(weights, info.Size()/2); err != nil {
			t.Fatal(err)
		}
		a := draw(within(t), p.url(), strings.Replace(ask(1, side, 1), "{", `{"model":"bad",`, 1), "")
		if a.err != nil || a.status < 500 {
			t.Errorf("a request for the bad model: %v", a)
		}
		awaitProbe(t, p.url()+"/healthz", http.StatusOK)
		awaitProbe(t, p.url()+"/readyz", http.StatusOK)
		draw(within(t), p.url(), ask(1, side, 1), "").same(t, "of the other model", alone)
		t.Logf("a model that cannot be loaded: %v; alive and ready, the other model draws; lost: nothing", a)
	})
	t.Run("alone", func(t *testing.T) {
		only, data := filepath.Join(t.TempDir(), "only"), t.TempDir()
		if err := os.CopyFS(only, os.DirFS(good)); err != nil {
			t.Fatal(err)
		}
		p := serveAlone(t, data, "--model=only="+only, "--worker-processes=1", "--lease-ttl="+leaseTTL.String())
		awaitProbe(t, p.url()+"/readyz", http.StatusOK)
		alone := mustDraw(t, p.url(), ask(1, side, 1))
		unet := filepath.Join(only, "unet")
		if err := os.Rename(unet, unet+" away"); err != nil {
			t.Fatal(err)
		}
		for _, w := range report(t, "--data", data).Workers { // the next one has to load the model anew
			if err := syscall.Kill(w.PID, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
		awaitProbe(t, p.url()+"/readyz", http.StatusServiceUnavailable)
		awaitProbe(t, p.url()+"/healthz", http.StatusOK)
		if err := os.Rename(unet+" away", unet); err != nil {
			t.Fatal(err)
		}
		awaitProbe(t, p.url()+"/readyz", http.StatusOK)
		draw(within(t), p.url(), ask(1, side, 1), "").same(t, "when the model is whole again", alone)
		t.Log("the only model cannot be loaded: alive, not ready; whole again: ready; lost: nothing")
	})
}

// TestFault15LatentsThatAreNoNumbersAreAnError draws with weights of which one is not
// a number.
func TestFault15LatentsThatAreNoNumbersAreAnError(t *testing.T) {
	t.Parallel()
	const side = 64
	good, bad := tiny(t, "tiny-sd"), filepath.Join(t.TempDir(), "bad")
	if err := os.CopyFS(bad, os.DirFS(good)); err != nil {
		t.Fatal(err)
	}
	spoil(t, filepath.Join(bad, "unet", "diffusion_pytorch_model.safetensors"), "conv_out.bias")
	p := serveAlone(t, t.TempDir(), "--model=good="+good, "--model=bad="+bad)
	alone := mustDraw(t, p.url(), ask(1, side, 1))
	results := make(chan answer, 2)
	ctx := within(t)
	go func() { results <- draw(ctx, p.url(), strings.Replace(ask(1, side, 2), "{", `{"model":"bad",`, 1), "") }()
	draw(ctx, p.url(), ask(1, side, 1), "").same(t, "of the other model, meanwhile", alone)
	a := <-results
	if a.err != nil || a.status < 500 || len(a.images) > 0 {
		t.Errorf("a request for the bad model: %v", a)
	}
	t.Logf("weights with a NaN: %v; nothing black with 200; lost: nothing", a)
}

// spoil makes the first number of a float32 tensor NaN.
func spoil(t *testing.T, path, tensor string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(data)
	var header map[string]struct {
		DType   string `json:"dtype"`
		Offsets [2]int `json:"data_offsets"`
	}
	if err := json.Unmarshal(data[8:8+n], &header); err != nil {
		t.Fatal(err)
	}
	entry, ok := header[tensor]
	if !ok {
		t.Fatalf("%s has no %s", path, tensor)
	}
	nan := map[string][]byte{"F32": {0, 0, 0xc0, 0x7f}, "F16": {0, 0x7e}}[entry.DType]
	if copy(data[8+int(n)+entry.Offsets[0]:], nan) == 0 {
		t.Fatalf("%s is of type %s", tensor, entry.DType)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// notReady waits until a server says that it is not ready, or nothing.
func notReady(t *testing.T, url string) {
	t.Helper()
	eventually(t, "it is not ready", func() error {
		if status, _ := probe(url + "/readyz"); status == http.StatusOK {
			return errors.New("it is")
		}
		return nil
	})
}

// TestFault21ATermFinishesWhatRunsAndReturnsWhatWaits stops a server that has both.
func TestFault21ATermFinishesWhatRunsAndReturnsWhatWaits(t *testing.T) {
	t.Parallel()
	const side = 192
	model, data := "--model=tiny="+tiny(t, "tiny-sd"), t.TempDir()
	p := serveAlone(t, data, model)
	alone := mustDraw(t, p.url(), ask(1, side, 1))
	many := mustDraw(t, p.url(), ask(7, 64, 10))
	ctx := within(t)
	running := make(chan answer, 1)
	go func() { running <- draw(ctx, p.url(), ask(1, side, 1), "") }()
	eventually(t, "the image is being drawn", func() error {
		if p.told("msg=joined", "24x24/77") < 2 {
			return errNone
		}
		return nil
	})
	waiting := make(chan answer, 2)
	for i := range cap(waiting) { // more than are begun at once
		go func() { waiting <- draw(ctx, p.url(), ask(7, 64, 10), fmt.Sprint("waiting", i)) }()
	}
	eventually(t, "the others are accepted", func() error {
		if p.told("msg=queued") < 3+cap(waiting) {
			return errNone
		}
		return nil
	})
	p.signal(syscall.SIGTERM)
	notReady(t, p.url())
	if a := draw(ctx, p.url(), ask(2, side, 1), ""); a.err == nil && a.status != http.StatusServiceUnavailable {
		t.Errorf("a request at the end: %v", a)
	}
	(<-running).same(t, "running at the end", alone)
	told := map[int]int{}
	for range cap(waiting) {
		a := <-waiting
		told[a.status]++
		if a.err != nil || a.status != http.StatusServiceUnavailable && a.status != http.StatusOK {
			t.Errorf("queued at the end: %v", a)
		}
	}
	if code := p.exit(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, last(p.log.String(), 2000))
	}
	next := serveAlone(t, data, model)
	for i := range cap(waiting) {
		draw(ctx, next.url(), ask(7, 64, 10), fmt.Sprint("waiting", i)).same(t, "queued at the end, after the restart", many)
	}
	if n := next.told("msg=retried"); n > 0 {
		t.Errorf("%d images were given out again as if they had crashed", n)
	}
	if told[http.StatusServiceUnavailable] == 0 {
		t.Error("nothing was queued at the end")
	}
	t.Logf("SIGTERM with one image running and %d jobs queued: the image was drawn, the jobs' clients were told %v, exit code 0; after the restart all %d jobs were drawn, no attempt counted; lost: nothing",
		cap(waiting), told, cap(waiting))
}

// TestFault21ASecondTermIsImmediate stops a server twice in mid-image.
func TestFault21ASecondTermIsImmediate(t *testing.T) {
	t.Parallel()
	p := serveAlone(t, t.TempDir(), "--model=tiny="+tiny(t, "tiny-sd"), "--drain=10m")
	ctx := within(t)
	got := make(chan answer, 1)
	go func() { got <- draw(ctx, p.url(), ask(1, 512, 4), "") }()
	eventually(t, "the image is being drawn", func() error {
		if p.told("msg=stepped") == 0 {
			return errNone
		}
		return nil
	})
	p.signal(syscall.SIGTERM)
	notReady(t, p.url())
	p.signal(syscall.SIGTERM)
	code := p.exit()
	if code == 0 || p.told("msg=finished") > 0 {
		t.Errorf("exit code %d, images finished: %d; expected neither 0 nor any", code, p.told("msg=finished"))
	}
	if a := <-got; a.err == nil && a.status == http.StatusOK {
		t.Errorf("the client: %v", a)
	}
	t.Logf("SIGTERM twice in mid-image: ended at once with %v", p.cmd.ProcessState)
}
