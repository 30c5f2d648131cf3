package localq

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// submitter submits, draws and finishes until it is killed, and says on standard
// output what the store has acknowledged.
func submitter(dir string) {
	s, err := Open(dir, scheduler.Options{MaxJobs: 1 << 20, MaxAttempts: 1 << 20})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	lines := make(chan string, 64)
	for range 4 {
		go func() {
			for n := 0; ; n++ {
				st, err := s.Submit(bg, submission())
				if err != nil {
					lines <- fmt.Sprint("error ", err)
				}
				lines <- fmt.Sprint("submitted ", st.ID)
				leases, err := s.Lease(bg, request("w"))
				if err != nil || len(leases) != 1 {
					lines <- fmt.Sprint("error ", leases, err)
				}
				r := leases[0].Ref
				lines <- fmt.Sprint("started ", r)
				if n%3 > 0 { // the others are left to the crash
					if err := s.Finish(bg, r, job.Result{Artifact: r.String()}); err != nil {
						lines <- fmt.Sprint("error ", err)
					}
					lines <- fmt.Sprint("finished ", r)
				}
			}
		}()
	}
	for line := range lines {
		fmt.Println(line)
	}
}

func TestWhatWasAcknowledgedOutlivesAKill(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "queue")
	submitted := map[job.ID]bool{}
	finished := map[string]job.ID{} // by start
	for range 3 {
		cmd := child("submitter", dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		n := 0
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			what, rest, _ := strings.Cut(lines.Text(), " ")
			switch what {
			case "submitted":
				submitted[job.ID(rest)] = true
			case "finished":
				id, _, _ := strings.Cut(rest, "/")
				finished[rest] = job.ID(id)
			case "started":
			default:
				t.Errorf("the process says %q", lines.Text())
			}
			if n++; n == 500 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil || n < 500 {
			t.Fatalf("the process ended by itself after %d lines: %v\n%s", n, err, &stderr)
		}
	}

	s := open(t, dir, scheduler.Options{MaxAttempts: 1 << 20})
	for id := range submitted {
		if st := get(t, s, id); st.State.Terminal() && st.Images[0].Result == nil {
			t.Errorf("%s is %s without a result", id, st.State)
		}
	}
	for ref, id := range finished {
		if r := get(t, s, id).Images[0].Result; r == nil || r.Artifact != ref {
			t.Errorf("the result of %s was acknowledged, the store has %v", ref, r)
		}
	}
	t.Logf("3 kills; %d jobs and %d results acknowledged, none lost", len(submitted), len(finished))
}
