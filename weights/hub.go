package weights

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// HubCache returns the folder of the local Hugging Face cache by the rules of
// huggingface_hub: HF_HUB_CACHE, else HUGGINGFACE_HUB_CACHE, else HF_HOME/hub,
// else XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub. It
// returns "" where getenv knows none of these nor HOME.
func HubCache(getenv func(string) string) string {
	home := getenv("HOME")
	for _, v := range []struct{ name, below string }{
		{"HF_HUB_CACHE", ""},
		{"HUGGINGFACE_HUB_CACHE", ""},
		{"HF_HOME", "hub"},
		{"XDG_CACHE_HOME", "huggingface/hub"},
	} {
		if dir := getenv(v.name); dir != "" {
			if dir == "~" || strings.HasPrefix(dir, "~/") {
				dir = filepath.Join(home, dir[1:])
			}
			return filepath.Join(dir, v.below)
		}
	}
	if home == "" {
		return ""
	}
	return filepath.Join(home, ".cache/huggingface/hub")
}

var (
	hubName     = regexp.MustCompile(`^[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?/[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?$`)
	hubRevision = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*){0,3}$`)
	hubCommit   = regexp.MustCompile(`^[A-Za-z0-9]{1,64}$`)
)

// HubRef is a model on the hub: org/name, and a branch, a tag or a commit of it.
type HubRef struct {
	Name     string
	Revision string // "main" where none was given
}

// ParseHubRef reads org/name or org/name@revision. It is the one reader of such
// names: what it accepts cannot lead out of a folder when it becomes a path.
func ParseHubRef(ref string) (HubRef, error) {
	r, err := parseHubRef(ref)
	if err != nil {
		err = fmt.Errorf("%s: %w", show(ref), err)
	}
	return r, err
}

func parseHubRef(ref string) (HubRef, error) {
	name, revision, pinned := strings.Cut(ref, "@")
	if !hubName.MatchString(name) || strings.Contains(name, "--") || strings.Contains(name, "..") || strings.HasSuffix(name, ".git") {
		return HubRef{}, errors.New("not a hub name such as org/name or org/name@revision")
	}
	if !pinned {
		return HubRef{name, "main"}, nil
	}
	if len(revision) > maxRevision || !hubRevision.MatchString(revision) || strings.Contains(revision, "..") || strings.HasSuffix(revision, ".lock") {
		return HubRef{}, fmt.Errorf("%s is not a revision: a branch, a tag or a commit is expected after @", show(revision))
	}
	return HubRef{name, revision}, nil
}

const maxRevision = 200

func (r HubRef) String() string {
	if r.Revision == "main" {
		return r.Name
	}
	return r.Name + "@" + r.Revision
}

// Folder is the name of the model's folder in the cache.
func (r HubRef) Folder() string { return "models--" + strings.ReplaceAll(r.Name, "/", "--") }

// HubRefOf is the reverse of Folder; false where a folder is no model's.
func HubRefOf(folder string) (HubRef, bool) {
	name, is := strings.CutPrefix(folder, "models--")
	if !is || strings.Count(name, "--") != 1 {
		return HubRef{}, false
	}
	r, err := ParseHubRef(strings.Replace(name, "--", "/", 1))
	return r, err == nil
}

// IsCommit reports whether a snapshot may have this name.
func IsCommit(s string) bool { return hubCommit.MatchString(s) }

// NotCachedError says that a model or its revision is not in the local cache.
type NotCachedError struct {
	Ref  HubRef
	text string
}

func (e *NotCachedError) Error() string { return e.text }

func notCached(r HubRef, format string, args ...any) error {
	return &NotCachedError{r, fmt.Sprintf(format, args...)}
}

// location is where a model reference led.
type location struct {
	dir      string
	revision string // the snapshot's commit, "" for a plain folder
}

// resolve finds the folder of a reference: a folder's path, or a hub name
// org/name or org/name@revision in the cache. A folder comes first, as in
// diffusers.
func resolve(ref, cache string) (location, error) {
	if ref == "" {
		return location{}, errors.New("no model is named")
	}
	info, err := os.Stat(ref)
	switch {
	case err == nil && info.IsDir():
		return location{dir: ref}, nil
	case err == nil:
		return location{}, fmt.Errorf("%s: a file; a diffusers folder is expected (with model_index.json, unet, vae, ...)", ref)
	case os.IsPermission(err):
		return location{}, fmt.Errorf("%s: permission denied", ref)
	}
	r, err := parseHubRef(ref)
	if err != nil {
		return location{}, fmt.Errorf("%s: no such folder, and %w", show(ref), err)
	}
	if cache == "" {
		return location{}, fmt.Errorf("%s: no such folder, and no Hugging Face cache is known", ref)
	}
	return inCache(r, filepath.Join(cache, r.Folder()))
}

// inCache finds a revision below a repository's folder in the cache:
// refs/<branch or tag> holds a commit, snapshots/<commit> the files.
func inCache(r HubRef, repo string) (location, error) {
	name, revision := r.Name, r.Revision
	if !isDir(repo) {
		return location{}, notCached(r, "%s: no such folder, and not in the Hugging Face cache: no %s", name, repo)
	}
	snapshot := func(commit string) string { return filepath.Join(repo, "snapshots", commit) }
	ref := filepath.Join(repo, "refs", filepath.FromSlash(revision))
	commit := ""
	switch b, err := readSmall(ref, 4096); {
	case err == nil:
		commit = strings.TrimSpace(string(b))
		if !hubCommit.MatchString(commit) {
			return location{}, fmt.Errorf("%s: %s does not hold a commit", name, ref)
		}
		if !isDir(snapshot(commit)) {
			return location{}, fmt.Errorf("%s: %s names the snapshot %s, which is not there: no %s", name, ref, commit, snapshot(commit))
		}
	case hubCommit.MatchString(revision) && isDir(snapshot(revision)):
		commit = revision
	default:
		have, _ := listFolder(filepath.Join(repo, "snapshots"))
		if len(have) == 0 {
			return location{}, notCached(r, "%s: no revision %s in the Hugging Face cache: neither %s nor any snapshot", name, revision, ref)
		}
		return location{}, notCached(r, "%s: no revision %s in the Hugging Face cache: no %s; snapshots there (use %s@...): %s", name, revision, ref, name, some(have))
	}
	return location{dir: snapshot(commit), revision: commit}, nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// exists reports whether there is something of this name, be it a link that
// leads nowhere: opening it tells more.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// some lists names for an error message, at most ten.
func some(names []string) string {
	const most = 10
	var out []string
	for i, n := range names {
		if i == most {
			out = append(out, fmt.Sprintf("and %d more", len(names)-most))
			break
		}
		out = append(out, show(n))
	}
	return strings.Join(out, ", ")
}
