package api

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cosmicman/scheduler"
)

func TestAKeyHasARateOfItsOwn(t *testing.T) {
	s := open(t, scheduler.Options{}, echoed, func(c *Config, _ *http.Server) { c.Keys, c.PerMinute = keys(t, "a:key-a,b:key-b,c:key-c:rpm=1"), 3 })
	ask := func(key string) answer { return s.must(t, `{"prompt": "p"}`, "Authorization", "Bearer "+key) }
	for i := range 3 {
		a := ask("key-a")
		if a.code != 200 || a.header.Get("X-Ratelimit-Limit-Requests") != "3" || a.header.Get("X-Ratelimit-Remaining-Requests") != fmt.Sprint(2-i) {
			t.Errorf("request %d: %d %v", i, a.code, a.header)
		}
	}
	a := ask("key-a")
	var seconds int
	fmt.Sscan(a.header.Get("Retry-After"), &seconds)
	if a.code != 429 || a.errorField("code") != "rate_limit_exceeded" || a.errorField("type") != "rate_limit_error" || seconds < 15 || seconds > 20 || a.header.Get("X-Ratelimit-Remaining-Requests") != "0" {
		t.Errorf("%d %v %v", a.code, a.header, a.body)
	}
	for range 10 { // looking costs nothing
		if got := s.ask(t, "GET", jobsPath+"x", "Authorization", "Bearer key-a"); got.code != 404 {
			t.Errorf("%d", got.code)
		}
	}
	if a := ask("key-b"); a.code != 200 {
		t.Errorf("another key: %d", a.code)
	}
	if ask("key-c"); ask("key-c").code != 429 {
		t.Error("a limit of the key's own is not kept")
	}
}

func TestTheBucketFillsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := allowances(&Config{Keys: keys(t, "a:key-a:rpm=60")})["a"]
		spent := func() (n int) {
			for a.spend(http.Header{}, time.Now()) == nil {
				n++
			}
			return n
		}
		if n := spent(); n != 60 {
			t.Errorf("%d at first", n)
		}
		time.Sleep(10 * time.Second)
		if n := spent(); n != 10 {
			t.Errorf("%d after ten seconds", n)
		}
	})
}

func TestAKeyHasANumberAtOnce(t *testing.T) {
	s := open(t, scheduler.Options{}, nil, func(c *Config, _ *http.Server) { c.Keys, c.Concurrent = keys(t, "a:key-a,b:key-b"), 2 })
	a, b := []string{"Authorization", "Bearer key-a"}, []string{"Authorization", "Bearer key-b"}
	ctx, cancel := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	waiting.Go(func() { _, _ = s.post(t, ctx, `{"prompt": "p"}`, a...) })
	eventually(t, "it waits", func() bool { return s.stats(t).Jobs == 1 })
	where := s.accept(t, `{"prompt": "p"}`, a...) // counts although nobody waits
	for range 2 {
		if got := s.must(t, `{"prompt": "p"}`, a...); got.code != 429 || got.errorField("code") != "rate_limit_exceeded" || got.header.Get("Retry-After") == "" {
			t.Errorf("%d %v", got.code, got.body)
		}
	}
	s.accept(t, `{"prompt": "p"}`, b...)
	if got := s.ask(t, "DELETE", where, a...); got.code != 200 {
		t.Errorf("%d", got.code)
	}
	s.accept(t, `{"prompt": "p"}`, a...)
	if got := s.must(t, `{"prompt": "p"}`, a...); got.code != 429 {
		t.Errorf("%d", got.code)
	}
	cancel()
	waiting.Wait()
	eventually(t, "there is room again", func() bool {
		got := s.must(t, `{"prompt": "p"}`, append(a, "Prefer", "respond-async")...)
		return got.code == 202
	})
	// What is refused before it is a job takes no place.
	for range 5 {
		if got := s.must(t, `{"prompt": 3}`, b...); got.code != 400 {
			t.Errorf("%d %v", got.code, got.body)
		}
	}
}
