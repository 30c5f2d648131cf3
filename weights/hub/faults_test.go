package hub

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cosmicman/weights"
	"cosmicman/weights/hub/hubtest"
)

// hook answers in the place of a host.
type hook = func(w http.ResponseWriter, r *http.Request, name string) bool

// of is a hook for one file.
func of(file string, do func(w http.ResponseWriter, r *http.Request)) hook {
	return func(w http.ResponseWriter, r *http.Request, name string) bool {
		if name != file {
			return false
		}
		do(w, r)
		return true
	}
}

// first is a hook that lets all but the first n requests pass.
func first(n int64, h hook) hook {
	var seen atomic.Int64
	return func(w http.ResponseWriter, r *http.Request, name string) (did bool) {
		if seen.Load() >= n {
			return false
		}
		did = true
		defer func() { // hooks may panic
			if did {
				seen.Add(1)
			}
		}()
		did = h(w, r, name)
		return did
	}
}

// sends is a hook that sends n bytes of a file from where it was asked for, does something,
// and ends the connection.
func sends(s *hubtest.Server, file string, n int, then func()) hook {
	return of(file, func(w http.ResponseWriter, r *http.Request) {
		f, _ := s.Find(r.URL.Query().Get("hash"))
		var from int
		if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); err == nil {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(f.Data)-1, len(f.Data)))
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(f.Data)-from))
		w.Header().Set("ETag", `"sent"`)
		if from > 0 {
			w.WriteHeader(http.StatusPartialContent)
		}
		_, _ = w.Write(f.Data[from:min(from+n, len(f.Data))])
		_ = http.NewResponseController(w).Flush()
		if then != nil {
			then()
		}
		panic(http.ErrAbortHandler)
	})
}

// answers is a hook that answers with something of its own.
func answers(file string, status int, body []byte, header ...string) hook {
	return of(file, func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write(body)
	})
}

// TestFilesThatPass: the hub or the other host misbehaves, and all is well in the end.
func TestFilesThatPass(t *testing.T) {
	unet := files()[unetFile]
	wrong := bytes.Repeat([]byte("x"), len(unet))
	for title, set := range map[string]func(s *hubtest.Server){
		"breaks off every 200 kB":        func(s *hubtest.Server) { s.Other = sends(s, unetFile, 200_000, nil) },
		"500 twice, for all":             func(s *hubtest.Server) { s.Other = first(2, answers(unetFile, 500, nil)) },
		"429 with a time":                func(s *hubtest.Server) { s.Other = first(1, answers(unetFile, 429, nil, "Retry-After", "1")) },
		"the signed address is too old":  func(s *hubtest.Server) { s.Other = first(1, answers(unetFile, 403, []byte("<Error>"))) },
		"the list fails at first":        func(s *hubtest.Server) { s.Hub = first(2, answers("", 503, nil)) },
		"a small file fails at first":    func(s *hubtest.Server) { s.Hub = first(1, answers("unet/config.json", 502, nil)) },
		"too short a length":             func(s *hubtest.Server) { s.Other = first(1, answers(unetFile, 200, unet[:1000])) },
		"too long":                       func(s *hubtest.Server) { s.Other = first(1, answers(unetFile, 200, append(unet, 'x'))) },
		"nothing, with the right length": func(s *hubtest.Server) { s.Other = first(1, sends(s, unetFile, 0, nil)) },
		"an error page with status 200":  func(s *hubtest.Server) { s.Other = first(1, answers(unetFile, 200, []byte("<html>"))) },
		"the connection is closed at once": func(s *hubtest.Server) {
			s.Other = first(2, of(unetFile, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
		},
		"a redirect within the hub": func(s *hubtest.Server) { s.Hub = first(1, moved(s)) },
		"more than the range":       func(s *hubtest.Server) { s.Other = broken(s, http.StatusPartialContent, "bytes 0-899999/900000", unet) },
		"the range ignored":         func(s *hubtest.Server) { s.Other = broken(s, http.StatusOK, "", unet) },
		"no such range":             func(s *hubtest.Server) { s.Other = broken(s, http.StatusRequestedRangeNotSatisfiable, "", nil) },
		"another file after the break": func(s *hubtest.Server) {
			s.Other = broken(s, http.StatusPartialContent, "bytes 400000-899999/900000", wrong[400_000:])
		},
		"a chunked answer without a length": func(s *hubtest.Server) { s.Other = of(unetFile, chunked(unet)) },
		"plain sha1 tags":                   func(s *hubtest.Server) { s.Bare, s.Hub = true, plainTags },
		"weak tags":                         func(s *hubtest.Server) { s.Other = of(unetFile, chunked(unet, "ETag", `W/"weak"`)) },
	} {
		t.Run(title, func(t *testing.T) {
			s := hubtest.New(t)
			s.AddFiles(name, files())
			s.Do(func() { set(s) })
			p, err := pull(t, quick(s, t.TempDir()))
			isWhole(t, p, err)
		})
	}
}

// broken is a hook that breaks off after 400,000 bytes, and then answers once with what is
// given.
func broken(s *hubtest.Server, status int, contentRange string, body []byte) hook {
	begin := first(1, sends(s, unetFile, 400_000, nil))
	odd := first(1, answers(unetFile, status, body, "Content-Range", contentRange))
	return func(w http.ResponseWriter, r *http.Request, name string) bool {
		return begin(w, r, name) || odd(w, r, name)
	}
}

func chunked(data []byte, header ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		for c := range slices.Chunk(data, 100_000) {
			_, _ = w.Write(c)
			_ = http.NewResponseController(w).Flush()
		}
	}
}

// plainTags is a hook that tags small files with the sha1 of their bytes, as a server does
// that knows nothing of git.
func plainTags(w http.ResponseWriter, r *http.Request, name string) bool {
	data, known := files()[name]
	if !known || len(data) >= hubtest.Large {
		return false
	}
	w.Header().Set("ETag", fmt.Sprintf("%q", fmt.Sprintf("%x", sha1.Sum(data))))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	return true
}

// moved redirects the list to the same host, as the hub does with renamed models.
func moved(s *hubtest.Server) hook {
	return of("", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Path+"?again=1", http.StatusTemporaryRedirect)
	})
}

// TestFilesThatAreRefused: nothing gets its name.
func TestFilesThatAreRefused(t *testing.T) {
	unet := files()[unetFile]
	wrong := slices.Clone(unet)
	wrong[len(wrong)/2] ^= 1
	for title, c := range map[string]struct {
		set   func(s *hubtest.Server)
		words string
	}{
		"one bit is wrong":            {func(s *hubtest.Server) { s.Other = answers(unetFile, 200, wrong) }, "does not have the hash " + hubtest.Hash(unet)},
		"a small file is another":     {func(s *hubtest.Server) { s.Hub = answers("unet/config.json", 200, []byte("{}")) }, "unet/config.json: what has come does not have the hash"},
		"never more than the half":    {func(s *hubtest.Server) { s.Other = answers(unetFile, 200, unet[:len(unet)/2]) }, "breaks off after 450000 of 900000 bytes"},
		"always more":                 {func(s *hubtest.Server) { s.Other = of(unetFile, chunked(append(unet, 'x'))) }, "more than the 900000 bytes"},
		"always 500":                  {func(s *hubtest.Server) { s.Other = answers(unetFile, 500, nil) }, "answers 500 (tried 3 times)"},
		"not there":                   {func(s *hubtest.Server) { s.Other = answers(unetFile, 404, nil) }, "does not have the file that it lists"},
		"gzip that nobody asked for":  {func(s *hubtest.Server) { s.Other = answers(unetFile, 200, unet, "Content-Encoding", "gzip") }, `content encoding "gzip"`},
		"a range that starts wrongly": {func(s *hubtest.Server) { s.Other = half(s, http.StatusPartialContent) }, "begun anew"},
		"never any range":             {func(s *hubtest.Server) { s.Other = half(s, http.StatusRequestedRangeNotSatisfiable) }, "begun anew"},
		"redirects in a circle":       {func(s *hubtest.Server) { s.Hub = answers(unetFile, 302, nil, "Location", "?") }, "redirects more than 5 times"},
		"a redirect to a file":        {func(s *hubtest.Server) { s.Hub = answers(unetFile, 302, nil, "Location", "file:///etc/passwd") }, "redirects to what is no address"},
		"a redirect to nowhere":       {func(s *hubtest.Server) { s.Hub = answers(unetFile, 302, nil) }, "redirects"},
		"a redirect with a user":      {func(s *hubtest.Server) { s.Hub = answers(unetFile, 302, nil, "Location", "http://u:p@127.0.0.1:1/") }, "with a user's name"},
		"hangs in the middle":         {func(s *hubtest.Server) { s.Other = hangs(s, 100_000) }, "nothing has come for too long"},
		"never answers":               {func(s *hubtest.Server) { s.Other = hangs(s, -1) }, "nothing has come for too long"},
		"no list":                     {func(s *hubtest.Server) { s.Hub = answers("", 200, []byte("<html>")) }, "not the JSON that was expected"},
		"a list without an end":       {func(s *hubtest.Server) { s.Hub = of("", endless) }, "has over 16777216 bytes"},
		"a list in gzip":              {func(s *hubtest.Server) { s.Hub = answers("", 200, []byte("x"), "Content-Encoding", "gzip") }, "content encoding"},
		"a deep list":                 {func(s *hubtest.Server) { s.Hub = answers("", 200, bytes.Repeat([]byte("["), 1<<20)) }, "not the JSON that was expected"},
	} {
		t.Run(title, func(t *testing.T) {
			s := hubtest.New(t)
			s.AddFiles(name, files())
			s.Do(func() { c.set(s) })
			config := quick(s, t.TempDir())
			config.Attempts, config.Stall, config.Token = 3, 500*time.Millisecond, hubtest.Token
			var log lines
			config.Logf = log.logf
			_, err := pull(t, config)
			wantWords(t, err, c.words)
			noSecrets(t, strings.Join(log.all, "\n"))
			without(t, config.Cache, unetFile)
			if strings.Contains(c.words, "hash") {
				for _, b := range list(t, filepath.Join(config.Cache, "models--org--model", "blobs")) {
					if strings.HasPrefix(b, hubtest.Hash(unet)) && strings.Contains(title, "bit") {
						t.Errorf("%s was kept", b)
					}
				}
			}
		})
	}
}

// half is a hook that breaks off, and answers every range with the given status and a wrong
// range.
func half(s *hubtest.Server, status int) hook {
	begin := sends(s, unetFile, 400_000, nil)
	return func(w http.ResponseWriter, r *http.Request, name string) bool {
		if name == unetFile && r.Header.Get("Range") != "" {
			w.Header().Set("Content-Range", "bytes 1-2/3")
			w.WriteHeader(status)
			return true
		}
		return begin(w, r, name)
	}
}

// hangs is a hook that sends n bytes, or for -1 no answer, and then nothing.
func hangs(s *hubtest.Server, n int) hook {
	return of(unetFile, func(w http.ResponseWriter, r *http.Request) {
		if n >= 0 {
			w.Header().Set("Content-Length", "900000")
			_, _ = w.Write(files()[unetFile][:n])
			_ = http.NewResponseController(w).Flush()
		}
		select {
		case <-r.Context().Done():
		case <-time.After(20 * time.Second):
		}
	})
}

func endless(w http.ResponseWriter, r *http.Request) {
	_, _ = w.Write([]byte(`{"sha": "`))
	for chunk := bytes.Repeat([]byte("a"), 1<<20); r.Context().Err() == nil; {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

func TestListsThatAreRefused(t *testing.T) {
	sibling := func(m map[string]any, name string) map[string]any {
		for _, s := range m["siblings"].([]any) {
			if s := s.(map[string]any); s["rfilename"] == name {
				return s
			}
		}
		return nil
	}
	add := func(name string) func(map[string]any) {
		return func(m map[string]any) {
			m["siblings"] = append(m["siblings"].([]any), map[string]any{"rfilename": name, "size": 2, "blobId": strings.Repeat("a", 40)})
		}
	}
	set := func(file, key string, value any) func(map[string]any) {
		return func(m map[string]any) { sibling(m, file)[key] = value }
	}
	for title, c := range map[string]struct {
		change func(map[string]any)
		words  string
	}{
		"up":                       {add("../../../evil"), "leads out of its folder"},
		"up in the middle":         {add("unet/../../x"), "leads out of its folder"},
		"absolute":                 {add("/etc/passwd"), "is absolute"},
		"backslash":                {add(`unet\config.json`), "backslash"},
		"NUL":                      {add("unet/config.json\x00.txt"), "NUL"},
		"a dot":                    {add("./x"), "leads out of its folder"},
		"nothing between":          {add("unet//x"), "leads out of its folder"},
		"no name":                  {add(""), "has 0 bytes"},
		"a long name":              {add(strings.Repeat("a/", 1000)), "has 2000 bytes"},
		"a long element":           {add("a/" + strings.Repeat("b", 256)), "element of 256 bytes"},
		"twice":                    {add("unet/config.json"), "two files have one name"},
		"but for case":             {add("UNet/Config.json"), "two files have one name"},
		"a commit that is a path":  {func(m map[string]any) { m["sha"] = "../../../x" }, "expected a commit"},
		"no commit":                {func(m map[string]any) { delete(m, "sha") }, "expected a commit"},
		"no files":                 {func(m map[string]any) { m["siblings"] = []any{} }, "siblings has 0 entries"},
		"a negative size":          {set("unet/config.json", "size", -5), "size is -5"},
		"a giant":                  {set("unet/config.json", "size", 1<<50), "size is 1125899906842624"},
		"a size that is no number": {set("unet/config.json", "size", "2"), "not the JSON"},
		"a size that is too long":  {set("unet/config.json", "size", 1e30), "not the JSON"},
		"a hash that is a path":    {set("unet/config.json", "blobId", "../../x"), "expected 40 hexadecimal digits"},
		"capital digits":           {set("unet/config.json", "blobId", strings.Repeat("A", 40)), "expected 40 hexadecimal digits"},
		"a short LFS hash":         {set(unetFile, "lfs", map[string]any{"sha256": "ab", "size": 3}), "expected 64 hexadecimal digits"},
		"more than any disk": {func(m map[string]any) {
			sibling(m, unetFile)["lfs"] = map[string]any{"sha256": strings.Repeat("a", 64), "size": 1 << 39}
		}, "the disk of"},
	} {
		t.Run(title, func(t *testing.T) {
			s := hubtest.New(t)
			s.AddFiles(name, files())
			s.Do(func() { s.List = c.change })
			config := quick(s, t.TempDir())
			_, err := pull(t, config)
			wantWords(t, err, c.words)
			without(t, config.Cache, unetFile)
		})
	}
}

// TestLinksInTheCacheAreNotFollowed: somebody has put links where files are written.
func TestLinksInTheCacheAreNotFollowed(t *testing.T) {
	const repo = "models--org--model"
	blob := hubtest.Hash(files()[unetFile])
	for _, at := range []string{
		repo, repo + "/blobs", repo + "/refs", repo + "/snapshots", ".locks", ".locks/" + repo, repo + "/blobs/" + blob + partial,
		repo + "/blobs/" + blob, repo + "/refs/main", ".locks/" + repo + "/" + blob + ".lock",
	} {
		t.Run(at, func(t *testing.T) {
			s := hubtest.New(t)
			s.AddFiles(name, files())
			c := quick(s, t.TempDir())
			outside := t.TempDir()
			to := outside
			if base := filepath.Base(at); strings.HasPrefix(base, blob) || base == "main" {
				to = filepath.Join(outside, "file")
				if err := os.WriteFile(to, []byte("precious"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.MkdirAll(filepath.Dir(filepath.Join(c.Cache, at)), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(to, filepath.Join(c.Cache, at)); err != nil {
				t.Fatal(err)
			}
			p, err := pull(t, c)
			if err == nil { // the link was replaced
				isWhole(t, p, err)
			}
			cache, err := OpenCache(c.Cache)
			if err != nil {
				t.Fatal(err)
			}
			defer cache.Close()
			if _, err := cache.List(); err != nil {
				t.Error(err)
			}
			_, _ = cache.Remove(weights.HubRef{Name: name}, "") // refused, or done: outside nothing is
			left := list(t, outside)
			if to == outside && len(left) > 0 {
				t.Errorf("written outside: %q", left)
			} else if data, err := os.ReadFile(to); to != outside && (err != nil || string(data) != "precious") {
				t.Errorf("the file outside holds %q, %v", data, err)
			}
		})
	}
}

func FuzzParseListing(f *testing.F) {
	f.Add([]byte(`{"sha":"0123456789012345678901234567890123456789","siblings":[{"rfilename":"a/b.json","size":2,"blobId":"0123456789012345678901234567890123456789"}]}`))
	f.Add([]byte(`{"sha":"abc","siblings":[{"rfilename":"a"},{"rfilename":"A"},{"rfilename":"../a","lfs":{"sha256":"","size":-1}}]}`))
	f.Add([]byte(`{"siblings":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := parseListing(data)
		if err != nil {
			return
		}
		for _, n := range l.names {
			if !filepath.IsLocal(n) || l.files[n].size > maxSize || strings.ContainsAny(l.files[n].hash, "/.") {
				t.Errorf("let through: %q %+v", n, l.files[n])
			}
		}
	})
}
