package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// trainArgs are a run with all that depends on chance: supervised attention, mirrored
// and held-out images, dropped groups and texts, an average, several batches a step.
func trainArgs(lib, model, data, out string) []string {
	return []string{
		"train", "--library", lib, "--model", model, "--data", data, "--output", out, "--images-size", "64", "--threads", "1",
		"--steps", "12", "--batch", "2", "--accumulate", "2", "--ema", "0.9", "--held-out", "2", "--validate", "3", "--images-flip", "0.5",
		"--dropout-share", "0.3", "--dropout-per", "sample", "--loss-noise-offset", "0.05", "--loss-min-snr-gamma", "5", "--schedule-name", "cosine",
		"--learning-rate", "0.01", "--checkpoint-every", "3", "--samples-count", "0", "--seed", "11",
	}
}

// journalLines are the numbers of the steps in a journal, without times.
func journalLines(t *testing.T, out string) (lines []string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(out, "journal.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(data) {
		var l struct {
			Kind         string
			Step         int64
			Loss         float64
			Norm         float64 `json:"gradient_norm"`
			Parts        json.RawMessage
			LearningRate float64 `json:"learning_rate"`
		}
		if err := json.Unmarshal(line, &l); err != nil {
			continue // the last line of a process that was killed
		}
		if l.Kind == "step" || l.Kind == "held" {
			text, err := json.Marshal(l)
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, string(text))
		}
	}
	return lines
}

// TestKilledRunsGoOnExactly kills runs at several moments and resumes them: losses,
// weights, average and the file that is written have the bits of a run that ran through.
func TestKilledRunsGoOnExactly(t *testing.T) {
	lib, model, dir := library(t), tiny(t, "tiny-sd"), t.TempDir()
	data, whole, killed := filepath.Join(dir, "dolls"), filepath.Join(dir, "whole", "run"), filepath.Join(dir, "killed", "run")
	if code := startProcess(t, "cosmicman", "data", "dolls", "--count", "7", "--size", "64", data).end(t); code != 0 {
		t.Fatal(code)
	}
	if code := startProcess(t, "cosmicman", trainArgs(lib, model, data, whole)...).end(t); code != 0 {
		t.Fatal(code)
	}
	args := trainArgs(lib, model, data, killed)
	for _, at := range []int{2, 7} {
		p := startProcess(t, "cosmicman", args...)
		await(t, "a step", func() bool {
			data, err := os.ReadFile(filepath.Join(killed, "journal.jsonl"))
			return err == nil && strings.Count(string(data), `"step"`) > at
		})
		p.kill(t)
		args = []string{"train", "--library", lib, "--resume=" + killed}
	}
	if code := startProcess(t, "cosmicman", args...).end(t); code != 0 {
		t.Fatal(code)
	}
	for _, name := range []string{
		"step-00000012/values.safetensors", "step-00000012/average.safetensors", "step-00000012/first_moments.safetensors",
		"step-00000012/second_moments.safetensors", "lora.safetensors",
	} {
		a, err := os.ReadFile(filepath.Join(whole, name))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(killed, name))
		if err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs, or is not there: %v", name, err)
		}
	}
	want, got := journalLines(t, whole), journalLines(t, killed)
	if a, b := strings.Join(want, "\n"), strings.Join(got, "\n"); a != b || len(want) < 12 {
		t.Errorf("the journals differ:\n%s\n\n%s", a, b)
	}
	if left, err := filepath.Glob(filepath.Join(killed, ".aside-*")); err != nil || left != nil {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// TestSignalsEndARunWithACheckpoint stops a run that would take long.
func TestSignalsEndARunWithACheckpoint(t *testing.T) {
	lib, model, dir := library(t), tiny(t, "tiny-sd"), t.TempDir()
	data, out := filepath.Join(dir, "dolls"), filepath.Join(dir, "out")
	if code := startProcess(t, "cosmicman", "data", "dolls", "--count", "4", "--size", "64", data).end(t); code != 0 {
		t.Fatal(code)
	}
	p := startProcess(t, "cosmicman", append(trainArgs(lib, model, data, out), "--steps", "100000", "--checkpoint-every", "0")...)
	// The setting above is the one that counts: a flag that is given twice is refused.
	if code := p.end(t); code != 2 || !strings.Contains(p.out.String(), "--steps is given 2 times, expected once") {
		t.Fatalf("exit code %d: %s", code, p.out)
	}
	args := []string{
		"train", "--library", lib, "--model", model, "--data", data, "--output", out, "--images-size", "64", "--threads", "1",
		"--steps", "100000", "--checkpoint-every", "0", "--samples-count", "0",
	}
	p = startProcess(t, "cosmicman", args...)
	await(t, "a step", func() bool { return strings.Contains(p.out.String(), "step 1 of 100000") })
	other := startProcess(t, "cosmicman", append(args, "--resume")...)
	if code := other.end(t); code != 1 || !strings.Contains(other.out.String(), out) {
		t.Errorf("two runs in one folder: exit code %d: %s", code, other.out)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := p.end(t); code != 130 {
		t.Errorf("exit code %d, expected 130", code)
	}
	if said := p.out.String(); !strings.Contains(said, "to go on: cosmicman train --resume "+out) {
		t.Errorf("said %s", said)
	}
	if found, err := filepath.Glob(filepath.Join(out, "step-*", "manifest.json")); err != nil || len(found) != 1 {
		t.Errorf("checkpoints %q, %v", found, err)
	}
}
