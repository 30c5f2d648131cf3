package main

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestTrainBench looks at what is counted, which no other program on the machine changes.
func TestTrainBench(t *testing.T) {
	full := benchTrainOnce(t)
	adapted := benchTrainOnce(t, "--rank", "2", "--recompute", "--heads", "1", "--half", "--hola")
	if full.Trained != full.Params || full.Params == 0 {
		t.Errorf("%d of %d parameters are trained without LoRA", full.Trained, full.Params)
	}
	if adapted.Params != full.Params || adapted.Trained == 0 || adapted.Trained*10 > full.Trained {
		t.Errorf("%d of %d parameters are trained with LoRA, %d without", adapted.Trained, adapted.Params, full.Trained)
	}
	if adapted.Nodes == 0 || full.Nodes == 0 || adapted.Peak == 0 {
		t.Errorf("%d and %d nodes, a peak of %d bytes", full.Nodes, adapted.Nodes, adapted.Peak)
	}
}

func benchTrainOnce(t *testing.T, more ...string) trainReport {
	t.Helper()
	var stdout, stderr bytes.Buffer
	e := &environment{stdout: &stdout, stderr: &stderr, getenv: os.Getenv}
	data := t.TempDir()
	args := append([]string{"bench", "train", "--arch", "tiny-sd", "--batch", "2", "--repeat", "1", "--threads", "1", "--library", library(t), "--data", data, "--json"}, more...)
	if code := run(t.Context(), e, args); code != 0 {
		t.Fatalf("exit code %d: %s", code, &stderr)
	}
	if left, err := os.ReadDir(data); err != nil || len(left) > 0 {
		t.Errorf("%v is left (%v)", left, err)
	}
	var r trainReport
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		t.Fatalf("%v in %q", err, &stdout)
	}
	var names []string
	for _, s := range r.Stages {
		if names = append(names, s.Name); !(s.Seconds > 0 && s.Min > 0 && s.Min <= s.Seconds) {
			t.Errorf("%s took %v s, at least %v", s.Name, s.Seconds, s.Min)
		}
	}
	if want := []string{"load", "gradients", "optimizer", "forward"}; !slices.Equal(names, want) {
		t.Errorf("stages %q, want %q", names, want)
	}
	if step := r.Stages[1].Seconds + r.Stages[2].Seconds; !(r.Images > 1.99/step && r.Images < 2.01/step) {
		t.Errorf("%v images a second of 2 in %v s", r.Images, step)
	}
	return r
}

// TestTrainBenchRefuses names every fault at once.
func TestTrainBenchRefuses(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		want []string
	}{
		{"--case dolls", 2, []string{`--case is "dolls", expected doll, sd15-lora, sdxl-lora`}},
		{"--batch 0 --rank -1 --repeat 0", 2, []string{"--batch is 0", "--rank is -1", "--repeat is 0"}},
		{"--size 66", 2, []string{"--size is 66, expected a multiple of 4"}},
		{"--arch nothing", 1, []string{`no architecture "nothing"`}},
		{"--data no/such", 1, []string{"--data: "}},
	} {
		var stdout, stderr bytes.Buffer
		e := &environment{stdout: &stdout, stderr: &stderr, getenv: os.Getenv}
		code := run(t.Context(), e, append([]string{"bench", "train"}, strings.Fields(c.args)...))
		for _, want := range c.want {
			if code != c.code || !strings.Contains(stderr.String(), want) {
				t.Errorf("%s: exit code %d and %q, want %d and %q", c.args, code, &stderr, c.code, want)
			}
		}
	}
}
