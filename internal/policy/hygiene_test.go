package policy

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// unwanted is what no committed file may contain, with the reason. The strings
// stand in parts so that this file does not contain them.
var unwanted = []struct{ text, why string }{
	{"/wor" + "k/", "a path of one machine"},
	{"/far" + "m/", "a path of one machine"},
	{"TO" + "DO", "an unfinished mark"},
	{"FIX" + "ME", "an unfinished mark"},
	{"t.Sk" + "ip(", "a test that does not run"},
	{"t.Skip" + "f(", "a test that does not run"},
	{"t.Skip" + "Now(", "a test that does not run"},
	{"pypi" + ".org", "a package registry's host: clients know their own"},
	{"files.python" + "hosted.org", "a package registry's host: clients know their own"},
	{"registry.npm" + "js.org", "a package registry's host: clients know their own"},
	{"registry.yarn" + "pkg.com", "a package registry's host: clients know their own"},
	{"proxy.go" + "lang.org", "a package registry's host: clients know their own"},
	{"sum.go" + "lang.org", "a package registry's host: clients know their own"},
	{"deb.deb" + "ian.org", "a package registry's host: clients know their own"},
	{"archive.ubu" + "ntu.com", "a package registry's host: clients know their own"},
	{"crates" + ".io", "a package registry's host: clients know their own"},
	{"repo.mav" + "en.", "a package registry's host: clients know their own"},
	{"repo1.mav" + "en.", "a package registry's host: clients know their own"},
	{"ruby" + "gems.org", "a package registry's host: clients know their own"},
	{"conda.ana" + "conda.org", "a package registry's host: clients know their own"},
}

// findUnwanted returns one line for each unwanted string in a text: where, what, why.
func findUnwanted(name string, content []byte) (faults []string) {
	if bytes.IndexByte(content[:min(len(content), 8000)], 0) >= 0 {
		return nil // binary, by the rule that git uses
	}
	for _, u := range unwanted {
		for from := 0; ; {
			at := bytes.Index(content[from:], []byte(u.text))
			if at < 0 {
				break
			}
			from += at + len(u.text)
			line := 1 + bytes.Count(content[:from], []byte("\n"))
			faults = append(faults, name+":"+strconv.Itoa(line)+": "+u.text+" is "+u.why)
		}
	}
	return faults
}

// tracked lists the files that git tracks, or, in a tree without git's folder (an
// unpacked archive), all files outside of build results.
func tracked(t *testing.T, root string) []string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(root, ".git")); err == nil {
		// The owner of the folder may be another than the one who tests.
		cmd := exec.Command("git", "-c", "safe.directory=*", "ls-files", "-z")
		cmd.Dir = root
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("git ls-files: %v", err)
		}
		return strings.FieldsFunc(string(out), func(r rune) bool { return r == 0 })
	}
	var files []string
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (name == "bin" || name == ".cache" || name == ".venv"):
			return fs.SkipDir
		case entry.Type().IsRegular():
			files = append(files, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestHygiene(t *testing.T) {
	dir := root(t)
	read := 0
	for _, name := range tracked(t, dir) {
		if filepath.Base(name) == "go.sum" {
			continue
		}
		full := filepath.Join(dir, name)
		if info, err := os.Lstat(full); err == nil && !info.Mode().IsRegular() {
			continue
		}
		content, err := os.ReadFile(full)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed, and the removal not committed yet
		}
		if err != nil {
			t.Fatal(err)
		}
		read++
		for _, fault := range findUnwanted(name, content) {
			t.Error(fault)
		}
	}
	if read == 0 {
		t.Error("no file was read")
	}
}

func TestFindUnwanted(t *testing.T) {
	for _, u := range unwanted {
		got := findUnwanted("a.txt", []byte("one\ntwo "+u.text+" three\n"))
		if want := "a.txt:2: " + u.text + " is " + u.why; !slices.Contains(got, want) {
			t.Errorf("found %q, want %q among them", got, want)
		}
	}
	for _, clean := range []string{"", "network/ farm to do fix me t.Skipped\n", "python's package index, by pip\n"} {
		if got := findUnwanted("a.txt", []byte(clean)); len(got) > 0 {
			t.Errorf("%q: found %q, want nothing", clean, got)
		}
	}
	if got := findUnwanted("a.bin", []byte("\x00"+unwanted[0].text)); len(got) > 0 {
		t.Errorf("binary: found %q, want nothing", got)
	}
}
