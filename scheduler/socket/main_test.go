package socket

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"cosmicman/scheduler"
	"cosmicman/scheduler/queuetest"
)

func TestMain(m *testing.M) {
	queuetest.Child(func(address string, _ scheduler.Options) (scheduler.Queue, error) { return Dial(address), nil })
	if dir := os.Getenv(servedFolder); dir != "" {
		serveFolder(dir, os.Getenv(servedSocket))
	}
	goleak.VerifyTestMain(m)
}
