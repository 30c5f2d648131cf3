package api

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"cosmicman/scheduler"
)

func keys(t *testing.T, text string) []Key {
	t.Helper()
	k, err := ParseKeys(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestParseKeys(t *testing.T) {
	hash := func(s string) string { h := sha256.Sum256([]byte(s)); return hex.EncodeToString(h[:]) }
	k := keys(t, "# people\nalice:a-key,bob:sha256="+hash("b-key")+":admin\r\n\n  carol:c-key:generate+admin:rpm=60:concurrent=3 ,alice:a-new-key")
	if len(k) != 4 || k[0].Name != "alice" || k[1].Name != "bob" || k[3].Name != "alice" {
		t.Fatalf("%+v", k)
	}
	if !slices.Equal(k[0].Scopes, []Scope{Generate}) || !slices.Equal(k[1].Scopes, []Scope{Admin}) || !slices.Equal(k[2].Scopes, []Scope{Generate, Admin}) || k[2].PerMinute != 60 || k[2].Concurrent != 3 {
		t.Errorf("%+v", k)
	}
	for presented, want := range map[string]int{"a-key": 0, "b-key": 1, "c-key": 2, "a-new-key": 3} {
		if found := find(k, presented); found != &k[want] {
			t.Errorf("%s is %+v", presented, found)
		}
	}
	for _, presented := range []string{"", "a-ke", "a-key ", "A-KEY", "sha256=" + hash("b-key"), hash("b-key"), "alice", "alice:a-key"} {
		if found := find(k, presented); found != nil {
			t.Errorf("%q is %+v", presented, found)
		}
	}
}

func TestKeysThatCannotBeParsedAreToldWithoutThem(t *testing.T) {
	empty := sha256.Sum256(nil)
	for text, want := range map[string]string{
		"SECRET":              "NAME:KEY",
		":SECRET":             "name",
		"a b:SECRET":          "name",
		"a:":                  "empty",
		"a::admin":            "empty",
		"a:SEC RET":           "printable",
		"a:SECRET\x7f":        "printable",
		"a:SECR:ET":           "no colon",
		"a:x:SECRET":          "scopes",
		"a:x:generate+":       "scopes",
		"a:x:rpm=SECRET":      "rpm=N",
		"a:x:rpm=0":           "rpm=N",
		"a:x:rpm=-1":          "rpm=N",
		"a:x:burst=3":         "rpm=N",
		"a:sha256=SECRET":     "64 hexadecimal",
		"a:sha256=":           "64 hexadecimal",
		"a:SECRET,b:SECRET":   "a's",
		"a:x:rpm=1,a:y:rpm=2": "other limits",
		"a:sha256=" + hex.EncodeToString(empty[:]): "64 hexadecimal",
		"a:,b:": "key 2",
	} {
		_, err := ParseKeys(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "SECR") {
			t.Errorf("%q: %v, expected something about %s", text, err, want)
		}
	}
}

func FuzzParseKeys(f *testing.F) {
	for _, seed := range []string{"a:b", "a:b:generate+admin:rpm=1:concurrent=2,c:sha256=00\n#x\nd:e", ":::", "a:b,a:b", "\xff:\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := ParseKeys(text)
		if err != nil {
			return
		}
		for _, k := range keys {
			if !keyName.MatchString(k.Name) || len(k.Scopes) == 0 || k.Hash == sha256.Sum256(nil) || k.PerMinute < 0 || k.Concurrent < 0 {
				t.Errorf("%q: %+v", text, k)
			}
		}
		if k := find(keys, ""); k != nil {
			t.Errorf("%q: nothing is the key of %s", text, k.Name)
		}
	})
}

// TestEveryRouteAsksForAKey walks the routes, so that one that is added later is held
// to it too.
func TestEveryRouteAsksForAKey(t *testing.T) {
	e := newRoutes(Config{Keys: keys(t, "a:secret-of-a"), Metrics: http.NotFoundHandler()})
	open := map[string]bool{}
	for _, r := range e.Routes() {
		path := strings.NewReplacer(":id", "x", ":name", "x", ":version", "x", "*", "x").Replace(r.Path)
		for what, change := range map[string]func(*http.Request){
			"nothing": func(*http.Request) {}, "a wrong key": with("Authorization", "Bearer secret-of-b"), "an empty key": with("Authorization", "Bearer "),
			"another scheme": with("Authorization", "Basic secret-of-a"), "a key in the address": func(r *http.Request) { r.URL.RawQuery = "key=secret-of-a" },
		} {
			w := direct(e, r.Method, path, change)
			if isPublic(r.Path) {
				open[r.Path] = true
				continue
			}
			if w.Code != 401 || w.Header().Get("WWW-Authenticate") == "" || !strings.Contains(w.Body.String(), `"code":"invalid_api_key"`) {
				t.Errorf("%s %s with %s: %d %s", r.Method, r.Path, what, w.Code, w.Body)
			}
		}
		if w := direct(e, r.Method, path, with("authorization", "bearer secret-of-a")); w.Code == 401 {
			t.Errorf("%s %s with a key: %d %s", r.Method, r.Path, w.Code, w.Body)
		}
	}
	for _, path := range []string{"/", "/healthz", "/readyz"} {
		if !open[path] {
			t.Errorf("%s is not public", path)
		}
	}
	for path := range open {
		if strings.HasPrefix(path, "/v1/") && path != filesPath+":name" || path == "/metrics" {
			t.Errorf("%s is public", path)
		}
	}
	for _, path := range []string{"/nowhere", "/v1/nowhere", "//v1/models", "/v1/../v1/jobs/x", "/V1/images/generations", "/metrics/"} {
		if w := direct(e, http.MethodGet, path); w.Code != 401 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestScopes(t *testing.T) {
	e := newRoutes(Config{Keys: keys(t, "drawer:d-key,prometheus:p-key:admin"), Metrics: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})})
	for _, c := range []struct {
		key, path string
		want      int
	}{
		{"d-key", "/metrics", 403}, {"p-key", "/metrics", 200}, {"d-key", jobsPath + "x", 404}, {"p-key", jobsPath + "x", 403},
	} {
		if w := direct(e, http.MethodGet, c.path, with("Authorization", "Bearer "+c.key)); w.Code != c.want {
			t.Errorf("%s %s: %d %s", c.key, c.path, w.Code, w.Body)
		}
	}
}

func TestTenantsDoNotSeeEachOther(t *testing.T) {
	s := open(t, scheduler.Options{}, echoed, func(c *Config, _ *http.Server) { c.Keys = keys(t, "a:key-a,b:key-b,a:key-a2") })
	a, b, again := []string{"Authorization", "Bearer key-a"}, []string{"Authorization", "Bearer key-b"}, []string{"Authorization", "Bearer key-a2"}
	where := s.accept(t, `{"prompt": "p"}`, append(a, "Idempotency-Key", "k")...)
	if spec := <-s.drawn; spec.Tenant != "a" {
		t.Errorf("the tenant is %q", spec.Tenant)
	}
	for _, method := range []string{"GET", "DELETE"} {
		if got := s.ask(t, method, where, b...); got.code != 404 {
			t.Errorf("%s by another: %d %v", method, got.code, got.body)
		}
		if got := s.ask(t, method, where, again...); got.code != 200 {
			t.Errorf("%s by the same with another key: %d %v", method, got.code, got.body)
		}
	}
	if got := s.ask(t, "GET", where+"/events", b...); got.code != 404 {
		t.Errorf("events by another: %d %v", got.code, got.body)
	}
	if other := s.accept(t, `{"prompt": "another"}`, append(b, "Idempotency-Key", "k")...); other == where {
		t.Error("two tenants share an idempotency key")
	}
}

func TestManyKeysAreFoundAlike(t *testing.T) {
	var text strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&text, "t%d:key-%d\n", i, i)
	}
	k := keys(t, text.String())
	for _, i := range []int{0, 500, 999} {
		if found := find(k, fmt.Sprint("key-", i)); found == nil || found.Name != fmt.Sprint("t", i) {
			t.Errorf("key %d: %+v", i, found)
		}
	}
}
