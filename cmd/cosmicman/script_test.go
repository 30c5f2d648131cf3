package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"cosmicman": main, "leaking": leaking})
}

// library is where `make runtime` puts ONNX Runtime.
func library(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", "bin", "lib"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Fatalf("ONNX Runtime is not there, `make runtime` fetches it: %v", err)
	}
	return dir
}

// tiny makes a small model, named tiny.
func tiny(t *testing.T, arch string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tiny")
	var stderr bytes.Buffer
	e := &environment{stdout: io.Discard, stderr: &stderr, getenv: os.Getenv}
	if code := run(t.Context(), e, []string{"models", "new", "--arch", arch, dir}); code != 0 {
		t.Fatalf("models new: exit code %d: %s", code, &stderr)
	}
	return dir
}

// TestScripts runs testdata/*.txtar. $MODEL and $XL are tiny models of SD and
// SDXL that scripts may read and copy, $LIB the runtime, $BAD a text that is not UTF-8.
func TestScripts(t *testing.T) {
	lib, model, xl := library(t), tiny(t, "tiny-sd"), tiny(t, "tiny-sdxl")
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("LIB", lib)
			e.Setenv("MODEL", model)
			e.Setenv("XL", xl)
			e.Setenv("BAD", "a\xffb")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fails":    fails,
			"json":     jsonIs,
			"copytree": copyTree,
			"cut":      cut,
			"swap":     swap,
			"poke":     poke,
		},
		RequireExplicitExec: true,
	})
}

// fails CODE REGEXP COMMAND... runs a command that must end with the exit code,
// say one line on stderr that matches and nothing on stdout, and leave no file.
func fails(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: fails code regexp command...")
	}
	before := files(ts)
	err := ts.Exec(args[2], args[3:]...)
	stdout, stderr := ts.ReadFile("stdout"), ts.ReadFile("stderr")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || strconv.Itoa(exit.ExitCode()) != args[0] {
		ts.Fatalf("ended with %v, expected exit code %s; stderr: %s", err, args[0], stderr)
	}
	if !regexp.MustCompile(args[1]).MatchString(stderr) || strings.Count(stderr, "\n") != 1 {
		ts.Fatalf("stderr is %q, expected one line that matches %s", stderr, args[1])
	}
	if stdout != "" {
		ts.Fatalf("stdout is %q, expected nothing", stdout)
	}
	if after := files(ts); !slices.Equal(before, after) {
		ts.Fatalf("files before %q, after %q", before, after)
	}
}

// files lists the script's folder.
func files(ts *testscript.TestScript) (names []string) {
	entries, err := os.ReadDir(ts.Getenv("WORK"))
	ts.Check(err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// json FILE PATH REGEXP holds a value of the one JSON object in a file; PATH is
// keys and indices with dots between.
func jsonIs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: json file path regexp")
	}
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	d.UseNumber()
	var object map[string]any
	ts.Check(d.Decode(&object))
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		ts.Fatalf("%s holds more than one JSON object", args[0])
	}
	var value any = object
	for _, key := range strings.Split(args[1], ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[key]
		case []any:
			i, err := strconv.Atoi(key)
			ts.Check(err)
			if i >= len(v) {
				ts.Fatalf("%s: %d elements", args[1], len(v))
			}
			value = v[i]
		default:
			ts.Fatalf("%s: nothing there", args[1])
		}
	}
	if text := fmt.Sprint(value); !regexp.MustCompile("^(?:" + args[2] + ")$").MatchString(text) {
		ts.Fatalf("%s is %s, expected %s", args[1], text, args[2])
	}
}

// copytree FROM TO copies a folder.
func copyTree(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: copytree from to")
	}
	ts.Check(os.CopyFS(ts.MkAbs(args[1]), os.DirFS(ts.MkAbs(args[0]))))
}

// cut FILE N keeps the first N bytes, or leaves the last -N out.
func cut(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: cut file n")
	}
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	if n < 0 {
		info, err := os.Stat(ts.MkAbs(args[0]))
		ts.Check(err)
		n += info.Size()
	}
	ts.Check(os.Truncate(ts.MkAbs(args[0]), n))
}

// swap FILE OLD NEW replaces the first OLD by NEW, of the same length.
func swap(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 || len(args[1]) != len(args[2]) {
		ts.Fatalf("usage: swap file old new, both of one length")
	}
	data := ts.ReadFile(args[0])
	if !strings.Contains(data, args[1]) {
		ts.Fatalf("%s does not hold %s", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Replace(data, args[1], args[2], 1)), 0o644))
}

// poke FILE OFFSET HEX overwrites bytes; a negative offset counts from the end.
func poke(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: poke file offset hex")
	}
	data := []byte(ts.ReadFile(args[0]))
	at, err := strconv.Atoi(args[1])
	ts.Check(err)
	if at < 0 {
		at += len(data)
	}
	value, err := hex.DecodeString(args[2])
	ts.Check(err)
	copy(data[at:], value)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o644))
}

// watcher cancels when a text was written to it.
type watcher struct {
	text   string
	cancel func()
	all    bytes.Buffer
}

func (w *watcher) Write(p []byte) (int, error) {
	w.all.Write(p)
	if bytes.Contains(w.all.Bytes(), []byte(w.text)) {
		w.cancel()
	}
	return len(p), nil
}

func TestInterruptedLeavesNoFile(t *testing.T) {
	lib, model := library(t), tiny(t, "tiny-sd")
	for name, text := range map[string]string{
		"first image":  "out-0.png  step 1 of 50",
		"second image": "out-1.png  step 1 of 50",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			w := &watcher{text: text, cancel: cancel}
			e := &environment{stdout: io.Discard, stderr: w, getenv: os.Getenv, terminal: true}
			code := run(ctx, e, []string{
				"generate", "--library", lib, "--model", model, "--prompt", "a headshot", "--width", "64", "--height", "64",
				"--steps", "50", "--count", "2", "--output", filepath.Join(dir, "out.png"), "--latents", filepath.Join(dir, "out.npy"),
			})
			if code != 130 || !strings.HasSuffix(w.all.String(), "cosmicman: interrupted\n") {
				t.Errorf("exit code %d, expected 130; stderr %q", code, &w.all)
			}
			if _, after, _ := strings.Cut(w.all.String(), text); strings.Contains(after, "step 3 of 50") {
				t.Error("went on for more than a step after the interrupt")
			}
			left, err := os.ReadDir(dir)
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}
