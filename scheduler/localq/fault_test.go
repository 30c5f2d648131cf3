package localq

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// fullDisk is a file system that can be full: while it is, nothing can be written.
type fullDisk struct {
	vfs.FS
	full *atomic.Bool
}

func (d fullDisk) file(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return fullFile{f, d.full}, nil
}

func (d fullDisk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if d.full.Load() {
		return nil, syscall.ENOSPC
	}
	return d.file(d.FS.Create(name, c))
}

func (d fullDisk) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return d.file(d.FS.ReuseForWrite(from, to, c))
}

type fullFile struct {
	vfs.File
	full *atomic.Bool
}

func (f fullFile) Write(p []byte) (int, error) {
	if f.full.Load() {
		n, _ := f.File.Write(p[:len(p)/2])
		return n, syscall.ENOSPC
	}
	return f.File.Write(p)
}

func TestAFullDiskRefusesAndLosesNothing(t *testing.T) {
	dir := t.TempDir()
	var full atomic.Bool
	s, err := openOn(fullDisk{vfs.Default, &full}, dir, scheduler.Options{})
	if err != nil {
		t.Fatal(err)
	}
	acked := []job.ID{submit(t, s), submit(t, s)}
	running := lease(t, s, request("w"))
	updates, err := s.Watch(bg, acked[1], "me")
	if err != nil {
		t.Fatal(err)
	}
	<-updates
	waiting := make(chan error, 1)
	go func() {
		r := request("other")
		r.NoWait, r.Offers = false, []scheduler.Offer{{Model: "none"}}
		_, err := s.Lease(bg, r)
		waiting <- err
	}()

	full.Store(true)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				st, err := s.Submit(bg, submission(meta(`"`+strings.Repeat("x", 8192)+`"`)))
				if err == nil {
					mu.Lock()
					acked = append(acked, st.ID)
					mu.Unlock()
					continue
				}
				if job.KindOf(err) != job.Unavailable {
					t.Errorf("submit to a full disk: %v, expected unavailable", err)
				}
			}
		})
	}
	wg.Wait()
	if err := s.Finish(bg, running.Ref, job.Result{Artifact: "a"}); job.KindOf(err) != job.Unavailable || !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), dir) {
		t.Errorf("finish on a full disk: %v, expected unavailable, the folder and the cause", err)
	}
	if _, err := s.Stats(bg); job.KindOf(err) != job.Unavailable {
		t.Errorf("stats: %v, expected unavailable", err)
	}
	<-s.Failed()
	if err := s.Err(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("the store failed because of %v, want the full disk", err)
	}
	if err := <-waiting; job.KindOf(err) != job.Unavailable {
		t.Errorf("the lease that waited ends with %v, expected unavailable", err)
	}
	u, ok := <-updates
	if !ok || u.Status.Error == nil || u.Status.Error.Kind != job.Unavailable {
		t.Errorf("the watcher is told %+v, expected unavailable", u.Status.Error)
	}
	if _, ok := <-updates; ok {
		t.Error("the watcher's channel is still open")
	}
	_ = s.Close() // of a log that could not be written: an error is fine, a hang is not

	full.Store(false)
	s = open(t, dir, scheduler.Options{})
	for _, id := range acked {
		get(t, s, id)
	}
	if st := get(t, s, acked[0]); st.State != job.InProgress || st.Images[0].Attempts != 1 {
		t.Errorf("the job that was running is %s after %d attempts, expected it back at the head", st.State, st.Images[0].Attempts)
	}
	submit(t, s)
}

// noNewFiles is a disk that, when full, still lets the files grow that are there.
type noNewFiles struct{ fullDisk }

func (d noNewFiles) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if d.full.Load() {
		return nil, fmt.Errorf("%s: %w", name, syscall.ENOSPC)
	}
	return d.FS.Create(name, c)
}

func (d noNewFiles) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return d.FS.ReuseForWrite(from, to, c)
}

func TestALogThatCannotBeContinuedRefusesAndLosesNothing(t *testing.T) {
	dir := t.TempDir()
	var full atomic.Bool
	s, err := openOn(noNewFiles{fullDisk{vfs.Default, &full}}, dir, scheduler.Options{})
	if err != nil {
		t.Fatal(err)
	}
	full.Store(true)
	var acked []job.ID
	text := `"` + strings.Repeat("x", 1<<14) + `"`
	for {
		st, err := s.Submit(bg, submission(meta(text)))
		if err != nil {
			if job.KindOf(err) != job.Unavailable || !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("submit: %v, expected unavailable and the cause", err)
			}
			break
		}
		acked = append(acked, st.ID)
	}
	_ = s.Close()
	full.Store(false)
	s = open(t, dir, scheduler.Options{})
	for _, id := range acked {
		get(t, s, id)
	}
	if len(acked) == 0 {
		t.Error("nothing was accepted before the disk was full")
	}
}

func TestAFullDiskCannotBeOpenedAndIsLeftAsItIs(t *testing.T) {
	dir := t.TempDir()
	var full atomic.Bool
	disk := fullDisk{vfs.Default, &full}
	s, err := openOn(disk, dir, scheduler.Options{})
	if err != nil {
		t.Fatal(err)
	}
	id := submit(t, s)
	closed(t, s)
	full.Store(true)
	for _, fs := range []vfs.FS{disk, noNewFiles{disk}} {
		s, err = openOn(fs, dir, scheduler.Options{})
		if err == nil {
			_ = s.Close()
		}
		if job.KindOf(err) != job.Unavailable || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("open: %v, expected unavailable and the cause", err)
		}
	}
	get(t, open(t, dir, scheduler.Options{}), id)
}

func TestAResultThatCannotBeWrittenIsRefusedAlone(t *testing.T) {
	s := open(t, t.TempDir(), scheduler.Options{})
	id := submit(t, s)
	l := lease(t, s, request("w"))
	if err := s.Finish(bg, l.Ref, job.Result{Seconds: math.NaN()}); job.KindOf(err) != job.Invalid {
		t.Errorf("finish: %v, expected invalid", err)
	}
	if err := s.Finish(bg, l.Ref, job.Result{Seconds: 1}); err != nil {
		t.Errorf("finish: %v", err)
	}
	if st := get(t, s, id); st.State != job.Completed {
		t.Errorf("the job is %s", st.State)
	}
}

func TestAStoreIsHeldByOne(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, scheduler.Options{})
	_, err := Open(dir, scheduler.Options{})
	if job.KindOf(err) != job.Unavailable || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second opener gets %v, expected unavailable and the folder's name", err)
	}
}

func TestAStoreMayBeOpenedAfterClose(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	s, err := Open(dir, scheduler.Options{})
	if err != nil {
		t.Fatal(err)
	}
	id := submit(t, s)
	closed(t, s)
	closed(t, s)
	if _, err := s.Submit(bg, submission()); job.KindOf(err) != job.Unavailable {
		t.Errorf("submit to a closed store: %v, expected unavailable", err)
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder is %v, %v; expected it for its owner alone", info.Mode(), err)
	}
	if st := get(t, open(t, dir, scheduler.Options{}), id); st.State != job.Queued {
		t.Errorf("the job is %s, expected queued", st.State)
	}
}

func TestAFolderThatCannotBeMadeIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(filepath.Join(file, "queue"), scheduler.Options{})
	if job.KindOf(err) != job.Unavailable || !strings.Contains(err.Error(), file) {
		t.Errorf("open below a file: %v, expected unavailable and the name", err)
	}
}

func TestCloseEndsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := OpenMemory(scheduler.Options{})
		updates, err := s.Watch(bg, submit(t, s), "me")
		if err != nil {
			t.Fatal(err)
		}
		revoked, err := s.Revocations(bg, "w")
		if err != nil {
			t.Fatal(err)
		}
		waiting := make(chan error, 1)
		go func() {
			r := request("w")
			r.NoWait, r.Offers = false, []scheduler.Offer{{Model: "none"}}
			_, err := s.Lease(bg, r)
			waiting <- err
		}()
		synctest.Wait()
		closed(t, s)
		if err := <-waiting; job.KindOf(err) != job.Unavailable {
			t.Errorf("the lease that waited ends with %v, expected unavailable", err)
		}
		for range updates {
		}
		for range revoked {
		}
	})
}

func TestACopyOfTheOpenFolderHoldsWhatWasAcknowledged(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, scheduler.Options{})
	drawn, started, waits := submit(t, s), submit(t, s), submit(t, s)
	if err := s.Finish(bg, lease(t, s, request("w")).Ref, job.Result{Artifact: "a"}); err != nil {
		t.Fatal(err)
	}
	r := request("elsewhere")
	r.InProcess = false
	l := lease(t, s, r)
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	after := open(t, copied, scheduler.Options{})
	if st := get(t, after, drawn); st.State != job.Completed || st.Images[0].Result == nil || st.Images[0].Result.Artifact != "a" {
		t.Errorf("the finished job is %+v", st)
	}
	if st := get(t, after, waits); st.State != job.Queued {
		t.Errorf("the queued job is %s", st.State)
	}
	// Its worker lives in another process, which may not have noticed.
	if lost, err := after.Beat(bg, scheduler.Worker{ID: "elsewhere"}, []job.Ref{l.Ref}); err != nil || len(lost) != 0 {
		t.Errorf("after the restart the worker has lost %v, %v", lost, err)
	}
	if err := after.Finish(bg, l.Ref, job.Result{Artifact: "b"}); err != nil {
		t.Errorf("finish after the restart: %v", err)
	}
	if st := get(t, after, started); st.State != job.Completed || st.Images[0].Attempts != 0 {
		t.Errorf("the job of the other process is %+v", st)
	}
}

func TestAContextThatHasEndedChangesNothing(t *testing.T) {
	s := inMemory(t, scheduler.Options{})
	ctx, cancel := context.WithCancel(bg)
	cancel()
	if _, err := s.Submit(ctx, submission()); !errors.Is(err, context.Canceled) {
		t.Errorf("submit: %v", err)
	}
	if _, err := s.Lease(ctx, request("w")); !errors.Is(err, context.Canceled) {
		t.Errorf("lease: %v", err)
	}
	if st, err := s.Stats(bg); err != nil || st.Jobs != 0 || len(st.Workers) != 0 {
		t.Errorf("the store has %+v, %v", st, err)
	}
}
