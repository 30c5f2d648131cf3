package loop

import (
	"bufio"
	"context"
	"errors"
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

	"cosmicman/train"
)

// victims are the runs that are killed: many checkpoints, so that many a kill meets one.
var victims = map[string]struct {
	config func(*Config)
	task   func(folder string) (train.Task, func() error, error) // and what closes it
	lines  int                                                   // that it says at least before it is killed
}{
	"regression": {
		config: func(c *Config) {
			c.Steps = 90
			c.Checkpoint = Checkpoint{Every: 4, Keep: 2}
			c.Held.Every = 10
		},
		task: func(string) (train.Task, func() error, error) {
			t := newRegression()
			t.bad = func(n int64) bool { return n%41 == 0 } // some steps are skipped
			t.missing = func(n int64) []string {
				if n%17 == 0 {
					return []string{fmt.Sprintf("%d.png: no such file", n%5)}
				}
				return nil
			}
			return t, func() error { return nil }, nil
		},
		lines: 5,
	},
	"UNet": {
		config: func(c *Config) {
			c.Steps = 9
			c.Checkpoint = Checkpoint{Every: 2, Keep: 2}
			c.Held.Every = 4
		},
		task:  newUNet,
		lines: 4,
	},
}

// runVictim runs one to its end, and goes on where there is a checkpoint.
func runVictim(ctx context.Context, kind, folder string, stop <-chan struct{}, j *journal) (result *Result, err error) {
	v := victims[kind]
	c := config(filepath.Join(folder, "run"))
	v.config(&c)
	c.Resume, c.Stop = Latest, stop
	task, closeTask, err := v.task(folder)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeTask()) }()
	j.path = filepath.Join(folder, "journal")
	return Run(ctx, c, task, j)
}

// ended is what a child says last when nothing is left to be done.
const ended = "ended"

// child is the process that is killed. It says what it does, and ends at SIGTERM as a
// program does that saves first.
func child(kind, folder string) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM) // until the very end, which it may meet
	stop := make(chan struct{})
	go func() {
		<-asked
		close(stop)
	}()
	j := journal{after: func(what string, step int64) { fmt.Println(what, step) }}
	result, err := runVictim(context.Background(), kind, folder, stop, &j)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if !result.Stopped {
		fmt.Println(ended)
	}
}

// TestKilledRunsComeToTheSameBits kills processes by SIGKILL (and sometimes SIGTERM) at
// random moments, starts each again until it ends, and compares weights, moments,
// average, counts and the journal with those of a run that nobody disturbed.
func TestKilledRunsComeToTheSameBits(t *testing.T) {
	for kind := range victims {
		t.Run(kind, func(t *testing.T) {
			var alone journal
			want, err := runVictim(t.Context(), kind, t.TempDir(), nil, &alone)
			if err != nil {
				t.Fatal(err)
			}
			if first, last := alone.steps[0].Losses.Total, alone.steps[len(alone.steps)-1].Losses.Total; first == last {
				t.Errorf("the loss stays at %v", first)
			}
			folder := t.TempDir()
			killUntilItEnds(t, kind, folder)
			sameCheckpoint(t, filepath.Join(folder, "run", filepath.Base(want.Checkpoint)), want.Checkpoint)
			data, err := os.ReadFile(filepath.Join(folder, "journal"))
			if err != nil {
				t.Fatal(err)
			}
			sameLines(t, strings.Split(strings.TrimSpace(string(data)), "\n"), alone.lines)
			if left := folders(t, filepath.Join(folder, "run")); len(left) != 2 {
				t.Errorf("left are %q", left)
			}
		})
	}
}

// killUntilItEnds starts processes until one of them came to the end.
func killUntilItEnds(t *testing.T, kind, folder string) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	chance := rand.New(rand.NewPCG(1, 2))
	kills, inSave, terms := 0, 0, 0
	for n, said := 0, ""; said != ended; n++ {
		cmd := exec.CommandContext(within(t, 2*time.Minute), program)
		cmd.Env = append(os.Environ(), childFolder+"="+folder, childKind+"="+kind)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// After so many things that it said and then a moment, which is long enough for
		// a checkpoint to be in every state. The first lives long enough to make one.
		lines := victims[kind].lines + chance.IntN(7)
		if n == 0 {
			lines = 12
		}
		wait := time.Duration(chance.IntN(30_000)) * time.Microsecond
		how := syscall.SIGKILL
		if n%4 == 3 {
			how = syscall.SIGTERM
			terms++
		}
		scanner := bufio.NewScanner(stdout)
		for line := 0; scanner.Scan(); line++ {
			said = scanner.Text()
			if line == lines {
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
		}
		if kills > 300 {
			t.Fatal("it does not come to an end")
		}
	}
	t.Logf("%d kills, %d of them in the middle of a save; %d processes were asked to end", kills, inSave, terms)
	if kills == 0 {
		t.Error("no process was killed")
	}
}
