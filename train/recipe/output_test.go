package recipe

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestIndexNamesOnlyWhatIsWritten(t *testing.T) {
	const index = `{
		"_class_name": "StableDiffusionXLPipeline", "_name_or_path": ["a", "b"], "add_watermarker": null, "force_zeros_for_empty_prompt": true,
		"unet": ["diffusers", "UNet2DConditionModel"], "image_encoder": [null, null],
		"safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"], "feature_extractor": ["transformers", "CLIPImageProcessor"]
	}`
	got, err := withoutParts([]byte(index), map[string]bool{"unet": true})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
  "_class_name": "StableDiffusionXLPipeline",
  "_name_or_path": [
    "a",
    "b"
  ],
  "add_watermarker": null,
  "feature_extractor": [
    null,
    null
  ],
  "force_zeros_for_empty_prompt": true,
  "image_encoder": [
    null,
    null
  ],
  "requires_safety_checker": false,
  "safety_checker": [
    null,
    null
  ],
  "unet": [
    "diffusers",
    "UNet2DConditionModel"
  ]
}
`
	if string(got) != want {
		t.Errorf("got\n%s", got)
	}
}

// TestReplacedFoldersAreWhole has what was there stay where the new one fails.
func TestReplacedFoldersAreWhole(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "model")
	write := func(text string, fails error) error {
		return replaceFolder(dir, func(aside string) error {
			if err := os.WriteFile(filepath.Join(aside, "file"), []byte(text), 0o644); err != nil {
				return err
			}
			return fails
		})
	}
	holds := func(want string) {
		t.Helper()
		if got, err := os.ReadFile(filepath.Join(dir, "file")); err != nil || string(got) != want {
			t.Errorf("holds %q, %v, want %q", got, err, want)
		}
		if all, err := os.ReadDir(top); err != nil || len(all) != 1 {
			t.Errorf("left behind: %v, %v", all, err)
		}
	}
	if err := write("first", nil); err != nil {
		t.Fatal(err)
	}
	holds("first")
	full := errors.New("no space left")
	if err := write("second", full); !errors.Is(err, full) {
		t.Errorf("error %v, want %v", err, full)
	}
	holds("first")
	if err := write("third", nil); err != nil {
		t.Fatal(err)
	}
	holds("third")
}

func TestFreeMemory(t *testing.T) {
	for _, x := range []struct {
		name  string
		files map[string]string
		want  int64
		known bool
	}{
		{"nothing is known", nil, 0, false},
		{"no limit", map[string]string{"proc/meminfo": "MemTotal: 9 kB\nMemAvailable:   2048 kB\n", "sys/fs/cgroup/memory.max": "max\n", "sys/fs/cgroup/memory.current": "5\n"}, 2 << 20, true},
		{"a limit, of which the page cache does not count", map[string]string{
			"proc/meminfo":             "MemAvailable: 2048 kB\n",
			"sys/fs/cgroup/memory.max": "1000000\n", "sys/fs/cgroup/memory.current": "900000\n", "sys/fs/cgroup/memory.stat": "anon 1\ninactive_file 500000\n",
		}, 600000, true},
		{"the first version's", map[string]string{
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "1000\n", "sys/fs/cgroup/memory/memory.usage_in_bytes": "1500\n",
		}, 0, true},
	} {
		root := t.TempDir()
		for name, text := range x.files {
			path := filepath.Join(root, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, known := freeMemory(root); got != x.want || known != x.known {
			t.Errorf("%s: %d, %v, want %d, %v", x.name, got, known, x.want, x.known)
		}
	}
}
