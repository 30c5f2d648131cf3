package localq

import (
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"

	"cosmicman/scheduler"
	"cosmicman/scheduler/queuetest"
)

func TestMain(m *testing.M) {
	if child := children[os.Getenv(childName)]; child != nil {
		child(os.Getenv(childDir))
		return
	}
	goleak.VerifyTestMain(m)
}

// A copy of the test's process plays a child, which is killed.
const (
	childName = "LOCALQ_TEST_CHILD"
	childDir  = "LOCALQ_TEST_DIR"
)

var children = map[string]func(dir string){"submitter": submitter}

// child returns a command that plays a child on a folder.
func child(name, dir string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childName+"="+name, childDir+"="+dir)
	return cmd
}

// open opens a store that is closed with the test.
func open(t testing.TB, dir string, o scheduler.Options) *Store {
	t.Helper()
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, s) })
	return s
}

func inMemory(t testing.TB, o scheduler.Options) *Store {
	t.Helper()
	s := OpenMemory(o)
	t.Cleanup(func() { closed(t, s) })
	return s
}

func closed(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestConformanceOnDisk(t *testing.T) {
	queuetest.Run(t, func(t *testing.T, o scheduler.Options) scheduler.Queue { return open(t, t.TempDir(), o) })
}

func TestConformanceInMemory(t *testing.T) {
	queuetest.Run(t, func(t *testing.T, o scheduler.Options) scheduler.Queue { return inMemory(t, o) })
}
