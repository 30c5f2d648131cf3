package checkpoint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"cosmicman/tensor"
	"cosmicman/weights"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// content is a small checkpoint whose values follow from its step.
func content(step int64) Content {
	part := func(name string, add float32) Part {
		p := Part{Name: name, Tensors: []weights.Param{{Name: "a.weight", Shape: tensor.Shape{2, 3}}, {Name: "b.bias", Shape: tensor.Shape{1}}, {Name: "empty", Shape: tensor.Shape{0}}}}
		for _, t := range p.Tensors {
			n, _ := t.Shape.Elements()
			v := make([]float32, n)
			for i := range v {
				v[i] = add + float32(step)*100 + float32(i)/3
			}
			p.Values = append(p.Values, v)
		}
		return p
	}
	return Content{Step: step, State: fmt.Appendf(nil, `{"step":%d}`, step), Parts: []Part{part("values", 0), part("moments", 0.5)}}
}

func save(t *testing.T, folder string, step int64) string {
	t.Helper()
	saved, err := Save(t.Context(), folder, content(step))
	if err != nil {
		t.Fatal(err)
	}
	return saved.Dir
}

// same opens a checkpoint and compares it with what content makes.
func same(t *testing.T, dir string, step int64) {
	t.Helper()
	c, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	want := content(step)
	if c.Step != step || !bytes.Equal(c.State, want.State) {
		t.Errorf("%s is of step %d with state %s", dir, c.Step, c.State)
	}
	for _, p := range want.Parts {
		got := Part{Name: p.Name, Tensors: p.Tensors}
		for _, v := range p.Values {
			got.Values = append(got.Values, make([]float32, len(v)))
		}
		if err := c.Read(got); err != nil {
			t.Fatal(err)
		}
		for i := range p.Values {
			if !slices.Equal(got.Values[i], p.Values[i]) {
				t.Errorf("%s: %s of %s is %v, want %v", dir, p.Tensors[i].Name, p.Name, got.Values[i], p.Values[i])
			}
		}
	}
}

// names are what lies in a folder.
func names(t *testing.T, folder string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestWhatIsSavedIsRead(t *testing.T) {
	folder := t.TempDir()
	saved, err := Save(t.Context(), folder, content(1234))
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(folder, "step-00001234"); saved.Dir != want {
		t.Errorf("it is in %s, want %s", saved.Dir, want)
	}
	var onDisk int64
	for _, name := range names(t, saved.Dir) {
		info, err := os.Stat(filepath.Join(saved.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		onDisk += info.Size()
	}
	if onDisk != saved.Bytes || content(1234).Bytes() < onDisk {
		t.Errorf("%d bytes are on disk, %d were told and %d reckoned with", onDisk, saved.Bytes, content(1234).Bytes())
	}
	same(t, saved.Dir, 1234)
	// Again, over the first.
	same(t, save(t, folder, 1234), 1234)
	if got := names(t, folder); !slices.Equal(got, []string{"step-00001234"}) {
		t.Errorf("the folder holds %q", got)
	}
}

// TestDamageIsFound changes a checkpoint in every way that a disk or a hand could.
func TestDamageIsFound(t *testing.T) {
	edit := func(name string, change func([]byte) []byte) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, name)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, change(data), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	flip := func(b []byte) []byte { b[len(b)-3] ^= 1; return b }
	cut := func(b []byte) []byte { return b[:len(b)-1] }
	for want, change := range map[string]func(*testing.T, string){
		"moments.safetensors is missing":                    remove("moments.safetensors"),
		"state.json is missing":                             remove("state.json"),
		"manifest.json: no such file":                       remove("manifest.json"),
		"values.safetensors is not what was written":        edit("values.safetensors", flip),
		"bytes, 10 were written":                            edit("state.json", cut),
		"state.json is not what was written":                edit("state.json", flip),
		"manifest.json cannot be read":                      edit("manifest.json", func(b []byte) []byte { return b[:len(b)/2] }),
		"manifest.json goes on after its end":               edit("manifest.json", func(b []byte) []byte { return append(b, b...) }),
		"manifest.json is of step 6":                        edit("manifest.json", func(b []byte) []byte { return bytes.Replace(b, []byte(`"step": 5`), []byte(`"step": 6`), 1) }),
		"has format 2, expected 1":                          edit("manifest.json", func(b []byte) []byte { return bytes.Replace(b, []byte(`"format": 1`), []byte(`"format": 2`), 1) }),
		"manifest.json has 1048577 bytes, expected at most": edit("manifest.json", func(b []byte) []byte { return make([]byte, 1<<20+1) }),
		"moments.safetensors is no regular file": func(t *testing.T, dir string) {
			remove("moments.safetensors")(t, dir)
			if err := syscall.Mkfifo(filepath.Join(dir, "moments.safetensors"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		dir := save(t, t.TempDir(), 5)
		change(t, dir)
		_, err := Open(t.Context(), dir)
		var damaged *DamagedError
		if !errors.As(err, &damaged) || damaged.Dir != dir || !strings.Contains(strings.ReplaceAll(err.Error(), dir+"/", ""), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// TestEveryByteOfTheManifestCounts: no change of one byte passes, but for those that
// leave the JSON's meaning.
func TestEveryByteOfTheManifestCounts(t *testing.T) {
	dir := save(t, t.TempDir(), 5)
	path := filepath.Join(dir, manifestName)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, err := parseManifest(data)
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		changed := bytes.Clone(data)
		changed[i] ^= 1
		if m, err := parseManifest(changed); err == nil {
			a, _ := json.Marshal(before)
			b, _ := json.Marshal(m)
			if bytes.Equal(a, b) {
				continue
			}
		}
		if err := os.WriteFile(path, changed, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), dir); err == nil {
			t.Errorf("byte %d as %q passes: %s", i, changed[i], changed)
		}
	}
}

func TestReadRefusesOtherTensors(t *testing.T) {
	dir := save(t, t.TempDir(), 5)
	c, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	p := content(5).Parts[0]
	p.Tensors = slices.Clone(p.Tensors)
	p.Tensors[0].Name = "c.weight"
	p.Tensors[1].Shape = tensor.Shape{1, 1}
	err = c.Read(p)
	for _, want := range []string{"c.weight is not in it", "b.bias is float32 [1], expected float32 [1,1]", "a.weight is not trained now"} {
		if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), ", 1]", ",1]"), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	if err := c.Read(Part{Name: "average"}); err == nil || !strings.Contains(err.Error(), "holds no average") {
		t.Errorf("error %v for a part that is not there", err)
	}
}

// TestAFailedSaveChangesNothing: the checkpoint before is as it was, and nothing else
// is in the folder.
func TestAFailedSaveChangesNothing(t *testing.T) {
	folder := t.TempDir()
	save(t, folder, 5)
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if _, err := Save(ended, folder, content(5)); err == nil || !strings.Contains(err.Error(), "enough") {
		t.Errorf("error %v of a save that was cancelled", err)
	}
	twice := content(5)
	twice.Parts[1].Tensors[1].Name = "a.weight"
	wrong := content(5)
	wrong.Parts[0].Values[0] = wrong.Parts[0].Values[0][1:]
	noJSON := content(5)
	noJSON.State = []byte("{")
	for want, c := range map[string]Content{"a.weight is given twice": twice, "a.weight of shape": wrong, "the state is no JSON": noJSON, "step -1": {Step: -1, State: []byte("{}")}} {
		if _, err := Save(t.Context(), folder, c); err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), `"`, ""), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	same(t, filepath.Join(folder, "step-00000005"), 5)
	if got := names(t, folder); !slices.Equal(got, []string{"step-00000005"}) {
		t.Errorf("the folder holds %q", got)
	}
}

// disk mounts a small one.
func disk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Fatalf("a small disk is needed, and so the right to mount one: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// large is a checkpoint of about 4 MB.
func large(step int64) Content {
	n := int64(1 << 19)
	part := func(name string) Part {
		return Part{name, []weights.Param{{Name: "w", Shape: tensor.Shape{n}}}, [][]float32{make([]float32, n)}}
	}
	return Content{Step: step, State: []byte("{}"), Parts: []Part{part("values"), part("moments")}}
}

// TestAFullDisk: what does not fit is refused before a byte is written, and what fills
// up while it is written leaves nothing.
func TestAFullDisk(t *testing.T) {
	folder := disk(t, "7m")
	if _, err := Save(t.Context(), folder, large(1)); err != nil {
		t.Fatal(err)
	}
	_, err := Save(t.Context(), folder, large(2))
	var none *NoSpaceError
	if !errors.As(err, &none) || !errors.Is(err, syscall.ENOSPC) || none.Needed < 4<<20 || none.Free > 3<<20 || !strings.Contains(err.Error(), "a checkpoint takes 5 MB and the disk has 3 MB left") {
		t.Errorf("error %v", err)
	}
	// As if another process had taken the space just after it was looked at.
	aside := filepath.Join(folder, "aside")
	if err := os.Mkdir(aside, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := large(2).write(t.Context(), aside); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("error %v of a disk that fills up", err)
	}
	if err := os.RemoveAll(aside); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), filepath.Join(folder, "step-00000001")); err != nil {
		t.Error(err)
	}
	if got := names(t, folder); !slices.Equal(got, []string{"step-00000001"}) {
		t.Errorf("the folder holds %q", got)
	}
}

// TestADiskThatTakesNoMoreFiles fails in the middle of a save, when some are written.
func TestADiskThatTakesNoMoreFiles(t *testing.T) {
	folder := disk(t, "64m,nr_inodes=10") // of which the disk's root is one, and the first save's five
	save(t, folder, 1)
	if _, err := Save(t.Context(), folder, content(2)); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "step-00000002 cannot be written") {
		t.Errorf("error %v", err)
	}
	if got := names(t, folder); !slices.Equal(got, []string{"step-00000001"}) {
		t.Errorf("the folder holds %q", got)
	}
	same(t, filepath.Join(folder, "step-00000001"), 1)
}

func TestListAndPrune(t *testing.T) {
	folder := t.TempDir()
	if all, err := List(filepath.Join(folder, "nowhere")); err != nil || len(all) > 0 {
		t.Errorf("a folder that is not there has %v (%v)", all, err)
	}
	for _, step := range []int64{3, 100000000, 20} {
		save(t, folder, step)
	}
	for _, other := range []string{"step-7", "step-0000000x", "step-", "samples", "step-000000007"} {
		if err := os.Mkdir(filepath.Join(folder, other), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	steps := func() (all []int64) {
		found, err := List(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			all = append(all, f.Step)
		}
		return all
	}
	if got := steps(); !slices.Equal(got, []int64{100000000, 20, 3}) {
		t.Errorf("listed are %v", got)
	}
	removed, err := Prune(folder, 2)
	if err != nil || !slices.Equal(removed, []string{filepath.Join(folder, "step-00000003")}) {
		t.Errorf("removed are %q (%v)", removed, err)
	}
	if got := steps(); !slices.Equal(got, []int64{100000000, 20}) {
		t.Errorf("left are %v", got)
	}
	for i, want := range []string{"set-aside-step-00000020", "set-aside-step-00000020.1"} {
		if i > 0 {
			save(t, folder, 20)
		}
		to, err := SetAside(filepath.Join(folder, "step-00000020"))
		if err != nil || to != filepath.Join(folder, want) {
			t.Errorf("it was set aside as %s (%v)", to, err)
		}
		same(t, to, 20)
	}
}

func TestAFolderHasOneProcess(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "new", "run")
	l, err := OpenFolder(folder)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFolder(folder); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("is in use: another run, process %d, writes it", os.Getpid())) {
		t.Errorf("error %v for a folder that is held", err)
	}
	// What dead processes leave: one half written, one half removed, one whose
	// successor did not come, and one whose successor did.
	save(t, folder, 1)
	save(t, folder, 2)
	for from, to := range map[string]string{"step-00000001": ".step-00000001.old"} {
		if err := os.Rename(filepath.Join(folder, from), filepath.Join(folder, to)); err != nil {
			t.Fatal(err)
		}
	}
	for _, left := range []string{".step-00000003.123.part", ".step-00000000.removed", ".step-00000002.old"} {
		if err := os.MkdirAll(filepath.Join(folder, left, "x"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l, err = OpenFolder(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got := names(t, folder); !slices.Equal(got, []string{".lock", "step-00000001", "step-00000002"}) {
		t.Errorf("the folder holds %q", got)
	}
	same(t, filepath.Join(folder, "step-00000001"), 1)
}

// FuzzManifest: what is read is what would be written, and names files in the folder.
func FuzzManifest(f *testing.F) {
	dir := f.TempDir()
	saved, err := Save(context.Background(), dir, content(5))
	if err != nil {
		f.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(saved.Dir, manifestName))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"format":1,"step":0,"files":[]}`))
	f.Add([]byte(`{"format":1,"step":-1,"files":[{"name":"../x","size":1,"sha256":""}]}`))
	f.Add([]byte(`{"format":1,"step":1e99}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseManifest(data)
		if err != nil {
			return
		}
		for _, file := range m.Files {
			if filepath.Base(file.Name) != file.Name || file.Name == ".." || file.Size < 0 {
				t.Errorf("accepted %+v", file)
			}
		}
		again, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseManifest(again); err != nil {
			t.Errorf("written again it is refused: %v", err)
		}
	})
}

func BenchmarkSave(b *testing.B) {
	const n = 16 << 20
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(i)
	}
	c := Content{State: []byte("{}"), Parts: []Part{{"values", []weights.Param{{Name: "w", Shape: tensor.Shape{n}}}, [][]float32{values}}}}
	folder := b.TempDir()
	b.SetBytes(4 * n)
	for b.Loop() {
		if _, err := Save(b.Context(), folder, c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	const n = 16 << 20
	c := Content{State: []byte("{}"), Parts: []Part{{"values", []weights.Param{{Name: "w", Shape: tensor.Shape{n}}}, [][]float32{make([]float32, n)}}}}
	saved, err := Save(b.Context(), b.TempDir(), c)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(4 * n)
	for b.Loop() {
		got, err := Open(b.Context(), saved.Dir)
		if err == nil {
			err = got.Read(c.Parts[0])
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
