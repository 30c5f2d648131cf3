package localq

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"cosmicman/scheduler"
	"cosmicman/scheduler/queuetest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(submitterDir); dir != "" {
		submitter(dir)
		return
	}
	goleak.VerifyTestMain(m)
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
