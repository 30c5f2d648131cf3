// Package hubtest is a hub that serves folders by HTTP as the Hugging Face hub does, and
// misbehaves on demand: an API that lists files with sizes and hashes, small files by
// itself, large ones on another host, behind redirects with a signed address.
package hubtest

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Large is the size from which a file lies on the other host.
const Large = 4096

// Token is what the hub wants where it is Gated.
const Token = "hf_hubtestTokenOfNobody"

// File is one file of a repository.
type File struct {
	Name string
	Data []byte
	Hash string // sha256 of large ones, git's sha1 of small ones
}

// IsLarge reports whether the file is in LFS.
func (f File) IsLarge() bool { return len(f.Data) >= Large }

// Request is one that the hub or the other host has seen.
type Request struct {
	CDN                      bool
	Method, Path, Range      string
	IfRange, Auth, Encodings string
}

// Server is a hub. The hooks may be changed between requests, under Do.
type Server struct {
	URL, CDN string

	mu       sync.Mutex
	repos    map[string]*repo
	requests []Request

	// Gated: without Token the answer is 401.
	Gated bool
	// Bare: the list tells neither sizes nor hashes.
	Bare bool
	// Hub and Other answer in the place of the hub or the other host, and return whether
	// they have. name is a file's path, "" for the list. Nil: nobody does.
	Hub, Other func(w http.ResponseWriter, r *http.Request, name string) bool
	// List changes the list before it is sent; nil: it is right.
	List func(map[string]any)
}

type repo struct {
	commit string
	files  []File
}

// New starts a hub, which the test's end stops.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{repos: map[string]*repo{}}
	hub, cdn := httptest.NewServer(http.HandlerFunc(s.hub)), httptest.NewServer(http.HandlerFunc(s.cdn))
	t.Cleanup(func() {
		hub.CloseClientConnections()
		cdn.CloseClientConnections()
		hub.Close()
		cdn.Close()
	})
	s.URL, s.CDN = hub.URL, cdn.URL
	return s
}

// Do changes the server while no request looks at it.
func (s *Server) Do(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// Seen returns the requests so far.
func (s *Server) Seen() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request{}, s.requests...)
}

// Forget forgets them.
func (s *Server) Forget() { s.Do(func() { s.requests = nil }) }

// Hash is what names a file's blob.
func Hash(data []byte) string {
	if len(data) >= Large {
		sum := sha256.Sum256(data)
		return hex.EncodeToString(sum[:])
	}
	sum := sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(data), data))
	return hex.EncodeToString(sum[:])
}

// Add makes a folder's files the main branch of a repository and returns the commit.
func (s *Server) Add(t testing.TB, name, dir string) string {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(rel)], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s.AddFiles(name, files)
}

// AddFiles is Add of files in memory.
func (s *Server) AddFiles(name string, files map[string][]byte) string {
	all := sha1.New()
	r := &repo{}
	for _, f := range sorted(files) {
		r.files = append(r.files, f)
		fmt.Fprintf(all, "%s %s\n", f.Name, f.Hash)
	}
	r.commit = hex.EncodeToString(all.Sum(nil))
	s.Do(func() { s.repos[name] = r })
	return r.commit
}

func sorted(files map[string][]byte) (out []File) {
	for name, data := range files {
		out = append(out, File{name, data, Hash(data)})
	}
	for i := range out { // few
		for j := i; j > 0 && out[j].Name < out[j-1].Name; j-- {
			out[j], out[j-1] = out[j-1], out[j]
		}
	}
	return out
}

func (s *Server) record(r *http.Request, cdn bool) {
	s.Do(func() {
		s.requests = append(s.requests, Request{cdn, r.Method, r.URL.Path, r.Header.Get("Range"), r.Header.Get("If-Range"),
			r.Header.Get("Authorization"), r.Header.Get("Accept-Encoding")})
	})
}

func (s *Server) hub(w http.ResponseWriter, r *http.Request) {
	s.record(r, false)
	var gated, bare bool
	var hook func(http.ResponseWriter, *http.Request, string) bool
	var list func(map[string]any)
	s.Do(func() { gated, bare, hook, list = s.Gated, s.Bare, s.Hub, s.List })
	api, isAPI := strings.CutPrefix(r.URL.EscapedPath(), "/api/models/")
	var name, revision, file string
	if isAPI {
		name, revision, _ = strings.Cut(api, "/revision/")
	} else {
		name, file, _ = strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/resolve/")
		revision, file, _ = strings.Cut(file, "/")
	}
	revision, _ = url.PathUnescape(revision)
	file, _ = url.PathUnescape(file)
	if hook != nil && hook(w, r, file) {
		return
	}
	if gated && r.Header.Get("Authorization") != "Bearer "+Token {
		w.Header().Set("X-Error-Code", "GatedRepo")
		http.Error(w, "gated", http.StatusUnauthorized)
		return
	}
	var repo *repo
	s.Do(func() { repo = s.repos[name] })
	switch {
	case repo == nil:
		w.Header().Set("X-Error-Code", "RepoNotFound")
		http.Error(w, "no such repository", http.StatusNotFound)
	case revision != "main" && revision != repo.commit:
		w.Header().Set("X-Error-Code", "RevisionNotFound")
		http.Error(w, "no such revision", http.StatusNotFound)
	case isAPI:
		repo.list(w, name, bare, list)
	default:
		s.resolve(w, r, repo, file)
	}
}

// list answers with the files, as GET /api/models/NAME/revision/REVISION?blobs=true does.
func (p *repo) list(w http.ResponseWriter, name string, bare bool, change func(map[string]any)) {
	siblings := []any{}
	for _, f := range p.files {
		one := map[string]any{"rfilename": f.Name}
		switch {
		case bare:
		case f.IsLarge():
			one["size"], one["blobId"] = len(f.Data), Hash([]byte("a pointer"))
			one["lfs"] = map[string]any{"sha256": f.Hash, "size": len(f.Data), "pointerSize": 134}
		default:
			one["size"], one["blobId"] = len(f.Data), f.Hash
		}
		siblings = append(siblings, one)
	}
	answer := map[string]any{"id": name, "sha": p.commit, "private": false, "gated": false, "siblings": siblings, "tags": []string{"diffusers"}}
	if change != nil {
		change(answer)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// resolve answers with a small file, or leads to where a large one is.
func (s *Server) resolve(w http.ResponseWriter, r *http.Request, p *repo, name string) {
	for _, f := range p.files {
		if f.Name != name {
			continue
		}
		w.Header().Set("X-Repo-Commit", p.commit)
		if !f.IsLarge() {
			w.Header().Set("ETag", `"`+f.Hash+`"`)
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.Data))
			return
		}
		w.Header().Set("X-Linked-Etag", `"`+f.Hash+`"`)
		w.Header().Set("X-Linked-Size", fmt.Sprint(len(f.Data)))
		w.Header().Set("Location", s.CDN+"/"+url.PathEscape(name)+"?Signature=secretOfTheAddress&hash="+f.Hash)
		w.WriteHeader(http.StatusFound)
		return
	}
	w.Header().Set("X-Error-Code", "EntryNotFound")
	http.Error(w, "no such file", http.StatusNotFound)
}

// cdn is the other host.
func (s *Server) cdn(w http.ResponseWriter, r *http.Request) {
	s.record(r, true)
	name := strings.TrimPrefix(r.URL.Path, "/")
	var hook func(http.ResponseWriter, *http.Request, string) bool
	s.Do(func() { hook = s.Other })
	if hook != nil && hook(w, r, name) {
		return
	}
	f, found := s.Find(r.URL.Query().Get("hash"))
	if !found {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("ETag", `"tag-of-`+f.Hash[:8]+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.Data))
}

// Find returns a file by its hash.
func (s *Server) Find(hash string) (File, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.repos {
		for _, f := range p.files {
			if f.Hash == hash {
				return f, true
			}
		}
	}
	return File{}, false
}
