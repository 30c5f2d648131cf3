package checkpoint

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// The files that are no tensors.
const (
	manifestName = "manifest.json"
	stateName    = "state.json"
)

const (
	format      = 1       // of the manifest
	maxManifest = 1 << 20 // bytes
	maxState    = 64 << 20
)

// manifest is what a checkpoint consists of. A change anywhere in the folder, in the
// manifest too, makes something disagree.
type manifest struct {
	Format int    `json:"format"`
	Step   int64  `json:"step"`
	Files  []file `json:"files"`
}

type file struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"` // bytes
	SHA256 string `json:"sha256"`
}

// parseManifest reads a manifest strictly.
func parseManifest(data []byte) (*manifest, error) {
	var m manifest
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", manifestName, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("%s goes on after its end", manifestName)
	}
	if m.Format != format {
		return nil, fmt.Errorf("%s has format %d, expected %d", manifestName, m.Format, format)
	}
	if m.Step < 0 {
		return nil, fmt.Errorf("%s has step %d", manifestName, m.Step)
	}
	seen := map[string]bool{}
	for _, f := range m.Files {
		sum, err := hex.DecodeString(f.SHA256)
		switch {
		case !plain(f.Name) || f.Name == manifestName:
			return nil, fmt.Errorf("%s names a file %q", manifestName, f.Name)
		case seen[f.Name]:
			return nil, fmt.Errorf("%s names %s twice", manifestName, f.Name)
		case f.Size < 0 || err != nil || len(sum) != 32 || f.SHA256 != strings.ToLower(f.SHA256):
			return nil, fmt.Errorf("%s has no size and hash of %s", manifestName, f.Name)
		}
		seen[f.Name] = true
	}
	if !seen[stateName] {
		return nil, fmt.Errorf("%s does not name %s", manifestName, stateName)
	}
	return &m, nil
}

// plain reports whether a name is one of a file in the folder, and not hidden.
func plain(name string) bool {
	return name != "" && len(name) <= 255 && name[0] != '.' && !strings.ContainsAny(name, "/\\\x00")
}

// readSmall reads a regular file of at most so many bytes.
func readSmall(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path) // before it is opened, since a pipe would wait
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	if info.Size() > most {
		return nil, fmt.Errorf("%s has %d bytes, expected at most %d", path, info.Size(), most)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}
