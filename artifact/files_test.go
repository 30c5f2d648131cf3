package artifact

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cosmicman/job"
)

func openFiles(t *testing.T, dir string, maxBytes int64) *Files {
	t.Helper()
	f, err := OpenFiles(dir, maxBytes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// names lists a folder.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// expire makes an artifact's time to live run out.
func expire(t *testing.T, dir, name string) {
	t.Helper()
	past := time.Now().Add(-time.Second)
	if err := os.Chtimes(filepath.Join(dir, name), past, past); err != nil {
		t.Fatal(err)
	}
}

func TestWhatWasPutIsReadUntilItExpiresOrIsDeleted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "at", "need")
	f := openFiles(t, dir, 0)
	other := openFiles(t, dir, 0) // as another process has it
	a, b := NewName(".png"), NewName("")
	for _, name := range []string{a, b, b} {
		if err := f.Put(t.Context(), name, []byte("of "+name), time.Hour); err != nil {
			t.Fatal(err)
		}
		if data, err := other.Get(t.Context(), name); err != nil || string(data) != "of "+name {
			t.Errorf("%q, %v", data, err)
		}
	}
	if err := other.Delete(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	expire(t, dir, a)
	for _, name := range []string{a, b, NewName(".png")} {
		if data, err := f.Get(t.Context(), name); job.KindOf(err) != job.NotFound {
			t.Errorf("%q, %v; expected not found", data, err)
		}
	}
	if err := f.Delete(t.Context(), b); err != nil {
		t.Errorf("deleting what is not there: %v", err)
	}
}

func TestSweepRemovesWhatExpiredAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	f := openFiles(t, dir, 0)
	keep, gone := NewName(".png"), NewName(".png")
	for _, name := range []string{keep, gone} {
		if err := f.Put(t.Context(), name, []byte("x"), time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	expire(t, dir, gone)
	old := time.Now().Add(-2 * abandoned)
	for name, modified := range map[string]time.Time{unfinished + "OLD": old, unfinished + "NEW": time.Now(), "README.txt": old} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, modified, modified); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Sweep(); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(names(t, dir)), fmt.Sprint([]string{unfinished + "NEW", "README.txt", keep}); got != want {
		t.Errorf("left: %s, expected %s", got, want)
	}
}

func TestNamesThatAreNotNewNamesReachNoFile(t *testing.T) {
	dir := t.TempDir()
	f := openFiles(t, filepath.Join(dir, "store"), 0)
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../secret", filepath.Join(dir, "store", "link")); err != nil {
		t.Fatal(err)
	}
	if data, err := f.Get(t.Context(), "link"); err == nil {
		t.Errorf("a link out of the folder was followed: %q", data)
	}
	for _, name := range []string{"", ".", "..", "../secret", secret, "a/../../secret", "a/b", `..\secret`, ".hidden", "a..b", "a.",
		"a\x00b", "A", "img\n", "ä", "%2e%2e", strings.Repeat("a", longestName+1)} {
		_, err := f.Get(t.Context(), name)
		for what, err := range map[string]error{"get": err, "put": f.Put(t.Context(), name, []byte("x"), time.Hour), "delete": f.Delete(t.Context(), name)} {
			if job.KindOf(err) != job.Invalid {
				t.Errorf("%s %q: %v, expected invalid", what, name, err)
			}
		}
	}
	if data, err := os.ReadFile(secret); err != nil || string(data) != "secret" {
		t.Errorf("the file outside: %q, %v", data, err)
	}
}

func TestNewNamesAreAcceptedAndDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		name := NewName(".png")
		if err := CheckName(name); err != nil || seen[name] || len(name) != len("img_.png")+26 {
			t.Fatalf("%q: %v", name, err)
		}
		seen[name] = true
	}
}

func TestAFullStoreSaysWhenToComeAgain(t *testing.T) {
	dir := t.TempDir()
	f, other := openFiles(t, dir, 10), openFiles(t, dir, 10)
	first := NewName("")
	if err := f.Put(t.Context(), first, make([]byte, 8), time.Hour); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Files{f, other} {
		s.mu.Lock()
		s.looked = time.Time{} // long ago
		s.mu.Unlock()
		err := s.Put(t.Context(), NewName(""), make([]byte, 3), time.Hour)
		if e, ok := err.(*job.Error); !ok || e.Kind != job.Overloaded || e.RetryAfter < 59*time.Minute || e.RetryAfter > time.Hour {
			t.Errorf("%#v, expected overloaded for about an hour", err)
		}
	}
	for _, s := range []*Files{f, other} {
		if err := s.Room(t.Context(), 3); job.KindOf(err) != job.Overloaded {
			t.Errorf("room for too much: %v", err)
		}
		for range 3 { // asking takes nothing
			if err := s.Room(t.Context(), 2); err != nil {
				t.Errorf("no room for what fits: %v", err)
			}
		}
	}
	if err := f.Put(t.Context(), NewName(""), make([]byte, 11), time.Hour); job.KindOf(err) != job.Invalid {
		t.Errorf("%v, expected invalid: it never fits", err)
	}
	expire(t, dir, first)
	if err := f.Put(t.Context(), NewName(""), make([]byte, 10), time.Hour); err != nil {
		t.Errorf("there is room now: %v", err)
	}
}

func TestADiskThatFillsLeavesNoFile(t *testing.T) {
	dir := t.TempDir()
	f := openFiles(t, dir, 100)
	for cause, want := range map[error]job.Kind{syscall.ENOSPC: job.Overloaded, syscall.EDQUOT: job.Overloaded, syscall.EIO: job.Unavailable} {
		f.write = func(dir *os.Root, name string, data []byte, modified time.Time) error {
			return &os.PathError{Op: "write", Path: name, Err: cause}
		}
		for range 3 { // what was not written does not count
			err := f.Put(t.Context(), NewName(""), make([]byte, 60), time.Hour)
			if job.KindOf(err) != want || strings.Contains(err.(*job.Error).Message, dir) {
				t.Errorf("%v: %v, expected %s", cause, err, want)
			}
		}
	}
	if left := names(t, dir); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestAWriteThatFailsHalfWayLeavesNoFile makes the last step fail: the name is
// taken by a folder.
func TestAWriteThatFailsHalfWayLeavesNoFile(t *testing.T) {
	dir := t.TempDir()
	f := openFiles(t, dir, 0)
	name := NewName(".png")
	if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := f.Put(t.Context(), name, []byte("x"), time.Hour); job.KindOf(err) != job.Unavailable {
		t.Errorf("%v, expected unavailable", err)
	}
	if left := names(t, dir); len(left) != 1 {
		t.Errorf("left behind: %q", left)
	}
}

func TestConcurrentPutsAreWholeAndWithinTheBound(t *testing.T) {
	dir := t.TempDir()
	const size, fit = 1000, 20
	f := openFiles(t, dir, size*fit)
	var all sync.WaitGroup
	var mu sync.Mutex
	stored := map[string]byte{}
	same := NewName("")
	for i := range 60 {
		all.Go(func() {
			name, data := NewName(""), bytes.Repeat([]byte{byte(i)}, size)
			if i%10 == 0 {
				name, data = same, bytes.Repeat([]byte{7}, size)
			}
			err := f.Put(t.Context(), name, data, time.Hour)
			mu.Lock()
			defer mu.Unlock()
			switch job.KindOf(err) {
			case "":
				stored[name] = data[0]
			case job.Overloaded:
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	for name, value := range stored {
		data, err := f.Get(t.Context(), name)
		if err != nil || !bytes.Equal(data, bytes.Repeat([]byte{value}, size)) {
			t.Errorf("%s: %d bytes, %v", name, len(data), err)
		}
	}
	if left := names(t, dir); len(left) != len(stored) || len(left) > fit {
		t.Errorf("%d files for %d that were stored, at most %d fit", len(left), len(stored), fit)
	}
}
