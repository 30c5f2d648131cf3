//go:build long

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// TestSchedulerBenchPrintsEveryLine looks at counts and the simulator's ratios, which
// no other program on the machine changes; times are for people to read.
func TestSchedulerBenchPrintsEveryLine(t *testing.T) {
	var stdout, stderr bytes.Buffer
	e := &environment{stdout: &stdout, stderr: &stderr, getenv: os.Getenv}
	if code := run(t.Context(), e, []string{"bench", "scheduler", "--quick", "--json", "--data", t.TempDir()}); code != 0 {
		t.Fatalf("exit code %d: %s", code, &stderr)
	}
	var report struct {
		Lines []measured `json:"lines"`
	}
	if err := json.Unmarshal(stdout.Bytes(), &report); err != nil {
		t.Fatalf("%v in %q", err, &stdout)
	}
	for _, want := range []string{"idle, one request", "saturated, equal", "saturated, mixed", "embedded queue", "queue in Redis", "cancel to free rows", "10,000 queued", "100000 jobs queued"} {
		found := false
		for _, m := range report.Lines {
			found = found || strings.Contains(m.Name, want)
		}
		if !found {
			t.Errorf("no line says %q", want)
		}
	}
	for _, m := range report.Lines {
		if strings.Contains(m.Name, "saturated, mixed") || m.Unit == "steps" {
			if !m.met() {
				t.Errorf("%s: %v %s, want at least %v or at most %v", m.Name, m.Value, m.Unit, m.Least, m.Most)
			}
		}
	}
}
