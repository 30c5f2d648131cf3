package api

import (
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func TestThePageIsServedForGoodAndUnderItsPolicy(t *testing.T) {
	e := New(Config{})
	index := direct(e, http.MethodGet, "/")
	h := index.Header()
	if index.Code != 200 || h.Get("Content-Type") != "text/html; charset=utf-8" || h.Get("Cache-Control") != "no-cache" || h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%d %v", index.Code, h)
	}
	for _, part := range []string{"default-src 'self'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"} {
		if !strings.Contains(h.Get("Content-Security-Policy"), part) {
			t.Errorf("the policy lacks %s", part)
		}
	}
	if policy := h.Get("Content-Security-Policy"); strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
		t.Errorf("the policy is not strict: %s", policy)
	}
	if again := direct(e, http.MethodGet, "/", with("If-None-Match", h.Get("ETag"))); again.Code != 304 || again.Body.Len() != 0 {
		t.Errorf("asked for again: %d", again.Code)
	}
	if head := direct(e, http.MethodHead, "/"); head.Code != 200 || head.Body.Len() != 0 {
		t.Errorf("HEAD: %d with %d bytes", head.Code, head.Body.Len())
	}
	links := regexp.MustCompile(`(?:href|src)="(/assets/[^"]+)"`).FindAllStringSubmatch(index.Body.String(), -1)
	if len(links) < 6 {
		t.Fatalf("links: %q", links)
	}
	for _, l := range links {
		a := direct(e, http.MethodGet, l[1])
		if h := a.Header(); a.Code != 200 || h.Get("Cache-Control") != "public, max-age=31536000, immutable" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Type") != assetTypes[path.Ext(l[1])] {
			t.Errorf("%s: %d %v", l[1], a.Code, h)
		}
	}
	for _, wrong := range []string{"/assets/", "/assets/0123456789abcdef/app.js", assetsPath + page.version + "/index.html", assetsPath + page.version + "/nothing.js", assetsPath + page.version + "/..%2fpage.go"} {
		if a := direct(e, http.MethodGet, wrong); a.Code != 404 || strings.Contains(a.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d %v", wrong, a.Code, a.Header())
		}
	}
}

// TestThePageKnowsNoOtherServer reads its files: nothing in them is loaded from
// elsewhere, or runs or styles from within the markup.
func TestThePageKnowsNoOtherServer(t *testing.T) {
	elsewhere := regexp.MustCompile(`(?:https?:)?//[a-zA-Z0-9-]+\.[a-zA-Z]`)
	inline := regexp.MustCompile(`<script[^>]*>[^<]|<style|\sstyle=|\son[a-z]+="|javascript:`)
	modules := regexp.MustCompile(`from '\./([a-z]+\.js)'`)
	imported := []string{"app.js", "theme.js"}
	for name, data := range page.files {
		if path.Ext(name) == ".woff2" {
			continue
		}
		text := strings.ReplaceAll(string(data), "http://www.w3.org/", "")
		if found := elsewhere.FindString(text); found != "" {
			t.Errorf("%s names %s", name, found)
		}
		if found := inline.FindString(text); found != "" && path.Ext(name) != ".js" {
			t.Errorf("%s has %q", name, found)
		}
		for _, sink := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"} {
			if strings.Contains(text, sink) {
				t.Errorf("%s makes markup or code of text: %s", name, sink)
			}
		}
		for _, m := range modules.FindAllStringSubmatch(text, -1) {
			imported = append(imported, m[1])
			if page.files[m[1]] == nil {
				t.Errorf("%s imports %s, which is not there", name, m[1])
			}
		}
	}
	for name := range page.files {
		if path.Ext(name) == ".js" && !slices.Contains(imported, name) {
			t.Errorf("%s is used by nobody", name)
		}
	}
}

func TestAnotherPageHasAnotherVersion(t *testing.T) {
	with := func(js string) fs.FS {
		return fstest.MapFS{"web/index.html": {Data: []byte(`<script src="{{assets}}/a.js">`)}, "web/a.js": {Data: []byte(js)}}
	}
	one, other := readPage(with("1")), readPage(with("2"))
	if one.version == other.version || one.version != readPage(with("1")).version {
		t.Errorf("versions %s and %s", one.version, other.version)
	}
	if got, want := string(one.files[indexFile]), `<script src="/assets/`+one.version+`/a.js">`; got != want {
		t.Errorf("%s, expected %s", got, want)
	}
}
