package loop

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// childConfig is the run that is killed: many checkpoints, so that many a kill meets one.
func childConfig(folder string) Config {
	c := config(folder)
	c.Steps = 90
	c.Checkpoint = Checkpoint{Every: 4, Keep: 2}
	c.Held.Every = 10
	c.Resume = Latest
	return c
}

func childTask() *regression {
	task := newRegression()
	task.bad = func(n int64) bool { return n%41 == 0 } // some steps are skipped
	task.missing = func(n int64) []string {
		if n%17 == 0 {
			return []string{fmt.Sprintf("%d.png: no such file", n%5)}
		}
		return nil
	}
	return task
}

// child is the process that is killed. It says what it does, and ends at SIGTERM as a
// program does that saves first.
func child(folder string) {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	c := childConfig(filepath.Join(folder, "run"))
	c.Stop = ctx.Done()
	j := journal{path: filepath.Join(folder, "journal")}
	j.after = func(what string, step int64) { fmt.Println(what, step) }
	if _, err := Run(context.Background(), c, childTask(), &j); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// TestKilledRunsComeToTheSameBits kills a process by SIGKILL (and sometimes SIGTERM)
// at random moments, starts it again until it ends, and compares weights, moments,
// average, counts and the journal with those of a run that nobody disturbed.
func TestKilledRunsComeToTheSameBits(t *testing.T) {
	alone := journal{path: filepath.Join(t.TempDir(), "journal")}
	want := mustRun(t, childConfig(t.TempDir()), childTask(), &alone)

	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	chance := rand.New(rand.NewPCG(1, 2))
	kills, inSave, terms := 0, 0, 0
	for ended := false; !ended; {
		cmd := exec.CommandContext(within(t, 2*time.Minute), program)
		cmd.Env = append(os.Environ(), childFolder+"="+folder)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		said, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// After so many things that it said and then a moment, which is long enough for
		// a checkpoint to be in every state. The first lives long enough to make one.
		lines := 5 + chance.IntN(7)
		if kills == 0 {
			lines = 12
		}
		wait := time.Duration(chance.IntN(30_000)) * time.Microsecond
		how := syscall.SIGKILL
		if chance.IntN(6) == 5 {
			how = syscall.SIGTERM
			terms++
		}
		scanner := bufio.NewScanner(said)
		for n := 0; scanner.Scan(); n++ {
			if n == lines {
				time.Sleep(wait)
				if err := cmd.Process.Signal(how); err != nil && err != os.ErrProcessDone {
					t.Fatal(err)
				}
			}
		}
		err = cmd.Wait()
		status := cmd.ProcessState.Sys().(syscall.WaitStatus)
		switch {
		case status.Signaled() && status.Signal() == syscall.SIGKILL:
			kills++
			if left, _ := filepath.Glob(filepath.Join(folder, "run", ".step-*")); len(left) > 0 {
				inSave++
			}
		case err != nil:
			t.Fatalf("%v: %s", err, stderr.String())
		default:
			_, err := os.Stat(filepath.Join(folder, "run", "step-00000090"))
			ended = err == nil
		}
		if kills > 300 {
			t.Fatal("it does not come to an end")
		}
	}
	t.Logf("%d kills, %d of them in the middle of a save, %d of %d processes asked to end", kills, inSave, terms, kills+terms+1)
	if kills < 3 {
		t.Errorf("only %d processes were killed", kills)
	}
	sameCheckpoint(t, filepath.Join(folder, "run", "step-00000090"), want.Checkpoint)
	a, err := os.ReadFile(filepath.Join(folder, "journal"))
	if err != nil {
		t.Fatal(err)
	}
	sameLines(t, strings.Split(strings.TrimSpace(string(a)), "\n"), alone.lines)
	if left := folders(t, filepath.Join(folder, "run")); len(left) != 2 {
		t.Errorf("left are %q", left)
	}
}
