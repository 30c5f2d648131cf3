package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"cosmicman/weights"
)

// Removed is what Remove has removed.
type Removed struct {
	Commits []string
	Bytes   int64 // of blobs
}

// Remove removes a model, or with a revision (a branch, a tag or a commit) that snapshot, the
// refs that stand at it, and the blobs that no other snapshot leads to. Links are removed and
// never followed; a model that is being fetched is refused.
func (c *Cache) Remove(ref weights.HubRef, revision string) (*Removed, error) {
	if err := c.isFolder(ref.Folder()); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is not in the Hugging Face cache: no %s/%s", ref.Name, c.path, ref.Folder())
	} else if err != nil {
		return nil, err
	}
	l, err := c.tryLock(ref, whole, false)
	if errors.Is(err, errHeld) {
		return nil, fmt.Errorf("%s is being fetched by another process", ref.Name)
	} else if err != nil {
		return nil, err
	}
	defer l.Close()
	commits, err := c.names(path.Join(ref.Folder(), "snapshots"))
	if err != nil {
		return nil, err
	}
	if revision == "" {
		return c.removeAll(ref, commits)
	}
	refs, err := c.refs(ref)
	if err != nil {
		return nil, err
	}
	commit, named := refs[revision]
	if !named {
		commit = revision
	}
	if !slices.Contains(commits, commit) && !named {
		return nil, fmt.Errorf("%s: no revision %s in the Hugging Face cache; there is %s", ref.Name, revision, strings.Join(commits, ", "))
	}
	if len(commits) == 1 && commits[0] == commit {
		return c.removeAll(ref, commits)
	}
	return c.removeOne(ref, commit, commits, refs)
}

// removeAll removes a model's folder and locks.
func (c *Cache) removeAll(ref weights.HubRef, commits []string) (*Removed, error) {
	out := &Removed{Commits: commits}
	blobs, err := c.names(path.Join(ref.Folder(), "blobs"))
	if err != nil {
		return nil, err
	}
	for _, b := range blobs {
		out.Bytes += c.ownSize(blobPath(ref, b))
	}
	// The refs first: what is half removed must not be found by its name.
	for _, part := range []string{"refs", "snapshots", "."} {
		if err := c.root.RemoveAll(path.Join(ref.Folder(), part)); err != nil {
			return nil, err
		}
	}
	return out, c.root.RemoveAll(path.Join(".locks", ref.Folder()))
}

func (c *Cache) removeOne(ref weights.HubRef, commit string, commits []string, refs map[string]string) (*Removed, error) {
	out := &Removed{Commits: []string{commit}}
	for name, at := range refs {
		if at == commit {
			if err := c.root.Remove(path.Join(ref.Folder(), "refs", name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
		}
	}
	mine, others := map[string]bool{}, map[string]bool{}
	for _, s := range commits {
		to := others
		if s == commit {
			to = mine
		}
		if _, err := c.walk(ref, s, func(blob string) { to[blob] = true }); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if err := c.root.RemoveAll(snapshotPath(ref, commit)); err != nil {
		return nil, err
	}
	for blob := range mine {
		if others[blob] {
			continue
		}
		at := blobPath(ref, blob)
		size := c.ownSize(at)
		if err := c.root.Remove(at); err == nil {
			out.Bytes += size
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return out, nil
}

// ownSize is the size of a regular file, 0 of all else.
func (c *Cache) ownSize(name string) int64 {
	info, err := c.root.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	return info.Size()
}
