package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"cosmicman/weights"
)

// Cached is a revision of a model in the cache.
type Cached struct {
	Name   string   `json:"id"`
	Commit string   `json:"revision"`
	Refs   []string `json:"refs"` // branches and tags that stand at it
	Dir    string   `json:"dir"`
	Bytes  int64    `json:"bytes"` // of its files; those that several revisions share count in each
	// Family is "" where it is no pipeline. Usable says that it can be drawn with as it is,
	// or, of a UNet alone, in the place of another's.
	Family    weights.Family `json:"family,omitempty"`
	UNetAlone bool           `json:"unet_alone,omitempty"`
	// NoUNet says that nothing but the UNet is missing, which another can take the place of.
	NoUNet bool     `json:"without_unet,omitempty"`
	Usable bool     `json:"usable"`
	Faults []string `json:"missing"` // why not
	// Partial is what has come of files that are not whole, in all revisions together.
	Partial int64 `json:"partial_bytes,omitempty"`
}

// List returns what is in the cache, by name and commit. A model of which nothing is whole
// has one entry without a commit. Folders with names of other kinds are left out.
func (c *Cache) List() ([]Cached, error) {
	entries, err := fs.ReadDir(c.root.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("the Hugging Face cache cannot be read: %w", err)
	}
	out := []Cached{}
	for _, e := range entries {
		ref, is := weights.HubRefOf(e.Name())
		if !is || !e.IsDir() {
			continue
		}
		list, err := c.listOne(ref)
		if err != nil { // one that is odd does not hide the others
			list = []Cached{{Name: ref.Name, Refs: []string{}, Faults: []string{err.Error()}}}
		}
		out = append(out, list...)
	}
	return out, nil
}

func (c *Cache) listOne(ref weights.HubRef) ([]Cached, error) {
	refs, err := c.refs(ref)
	if err != nil {
		return nil, err
	}
	commits, err := c.names(path.Join(ref.Folder(), "snapshots"))
	if err != nil {
		return nil, err
	}
	blobs, err := c.names(path.Join(ref.Folder(), "blobs"))
	if err != nil {
		return nil, err
	}
	var begun int64
	for _, b := range blobs {
		if strings.HasSuffix(b, partial) {
			begun += max(0, c.size(blobPath(ref, b)))
		}
	}
	commits = slices.DeleteFunc(commits, func(s string) bool { return !weights.IsCommit(s) })
	out := []Cached{}
	if len(commits) == 0 {
		return append(out, Cached{Name: ref.Name, Refs: []string{}, Faults: []string{"no snapshot is there"}, Partial: begun}), nil
	}
	for _, commit := range commits {
		one := Cached{Name: ref.Name, Commit: commit, Refs: []string{}, Dir: filepath.Join(c.path, filepath.FromSlash(snapshotPath(ref, commit))), Faults: []string{}, Partial: begun}
		for name, at := range refs {
			if at == commit {
				one.Refs = append(one.Refs, name)
			}
		}
		slices.Sort(one.Refs)
		if one.Bytes, err = c.walk(ref, commit, func(string) {}); err != nil {
			one.Faults = append(one.Faults, err.Error())
		} else {
			c.judge(ref, commit, &one)
		}
		out = append(out, one)
	}
	return out, nil
}

// judge says whether a snapshot can be used.
func (c *Cache) judge(ref weights.HubRef, commit string, one *Cached) {
	r, err := weights.Inspect(ref.Name+"@"+commit, weights.Options{HubCache: c.path})
	switch {
	case err != nil:
		one.Faults = append(one.Faults, strings.Split(err.Error(), "\n")...)
		return
	case r.Family == "" && len(r.Parts) == 1 && r.Parts[0].Name == "unet":
		one.UNetAlone = true
	}
	one.Family, one.Faults = r.Family, append(one.Faults, r.Faults...)
	one.NoUNet = len(r.Faults) == 1 && strings.HasPrefix(r.Faults[0], "unet: no folder ")
	one.Usable = len(one.Faults) == 0 && (one.Family != "" || one.UNetAlone)
}

// names lists a folder; nothing where it is not there, or is a link.
func (c *Cache) names(dir string) ([]string, error) {
	if err := c.isFolder(dir); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, err
	}
	entries, err := fs.ReadDir(c.root.FS(), dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

// refs returns the commits of a model's branches and tags.
func (c *Cache) refs(ref weights.HubRef) (map[string]string, error) {
	dir := path.Join(ref.Folder(), "refs")
	out := map[string]string{}
	if err := c.isFolder(dir); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return out, nil
		}
		return nil, err
	}
	err := fs.WalkDir(c.root.FS(), dir, func(at string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		data, err := c.read(at, 4096)
		if err == nil && weights.IsCommit(strings.TrimSpace(string(data))) {
			out[strings.TrimPrefix(at, dir+"/")] = strings.TrimSpace(string(data))
		}
		return nil // what cannot be read names no commit
	})
	return out, err
}

// walk visits the blobs that a snapshot's files lead to, and returns the files' bytes.
func (c *Cache) walk(ref weights.HubRef, commit string, visit func(blob string)) (bytes int64, err error) {
	dir := snapshotPath(ref, commit)
	if err := c.isFolder(dir); err != nil {
		return 0, err
	}
	err = fs.WalkDir(c.root.FS(), dir, func(at string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if to, err := c.root.Readlink(at); err == nil && path.Join(path.Dir(at), to) == blobPath(ref, path.Base(to)) {
			visit(path.Base(to))
		}
		bytes += max(0, c.size(at))
		return nil
	})
	return bytes, err
}
