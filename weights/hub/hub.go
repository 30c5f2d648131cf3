package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"cosmicman/weights"
)

// Endpoint is the hub's own address.
const Endpoint = "https://huggingface.co"

// Config says where models come from and go to.
type Config struct {
	// Endpoint is http://host or https://host, with a path where a mirror has one.
	// Empty: the hub's own.
	Endpoint string
	// Token is sent to the endpoint; empty: none is.
	Token string
	// Cache is the Hugging Face cache, which is made if it is not there.
	Cache string
	// Parallel files are fetched at once. 0: 4.
	Parallel int
	// Stall is how long a server may send nothing. 0: 30 s.
	Stall time.Duration
	// Attempts may fail in a row without a byte more. 0: 6.
	Attempts int
	// Pause is that before the second attempt; later ones double it. 0: 500 ms.
	Pause time.Duration
	// Proxy is that of http.Transport; nil: none.
	Proxy func(*http.Request) (*url.URL, error)
	// Watch is told how far a pull is, by one goroutine at a time; nil: nobody is.
	Watch func(Progress)
	// Logf is told what is tried again; nil: nobody is.
	Logf func(format string, args ...any)
}

// Hub fetches models. Methods may be called by many goroutines.
type Hub struct {
	endpoint  *url.URL
	token     string
	cache     *Cache
	transport *http.Transport
	parallel  int
	stall     time.Duration
	attempts  int
	pause     time.Duration
	watch     func(Progress)
	logf      func(string, ...any)
}

// New opens the cache. The error says what is wrong with the configuration.
func New(c Config) (*Hub, error) {
	if c.Endpoint == "" {
		c.Endpoint = Endpoint
	}
	at, err := url.Parse(strings.TrimRight(c.Endpoint, "/"))
	if err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Host == "" || at.RawQuery != "" || at.Fragment != "" {
		return nil, errors.New("the hub's endpoint is no address such as " + Endpoint)
	}
	if at.User != nil {
		return nil, fmt.Errorf("the hub's endpoint %s has a user's name in it: set HF_TOKEN instead", at.Host)
	}
	if strings.ContainsFunc(c.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("the token for the hub holds a space or another character that no token has")
	}
	if c.Parallel == 0 {
		c.Parallel = 4
	}
	if c.Stall == 0 {
		c.Stall = 30 * time.Second
	}
	if c.Attempts == 0 {
		c.Attempts = 6
	}
	if c.Pause == 0 {
		c.Pause = 500 * time.Millisecond
	}
	if c.Logf == nil {
		c.Logf = func(string, ...any) {}
	}
	cache, err := MakeCache(c.Cache)
	if err != nil {
		return nil, err
	}
	return &Hub{
		endpoint: at, token: c.Token, cache: cache, transport: transport(c), parallel: max(c.Parallel, 1),
		stall: c.Stall, attempts: c.Attempts, pause: c.Pause, watch: c.Watch, logf: c.Logf,
	}, nil
}

// Close gives up the cache and idle connections.
func (h *Hub) Close() error {
	h.transport.CloseIdleConnections()
	return h.cache.Close()
}

// address is one of the endpoint, of elements that are escaped.
func (h *Hub) address(elements ...string) string {
	var b strings.Builder
	b.WriteString(h.endpoint.String())
	for _, e := range elements {
		b.WriteString("/" + url.PathEscape(e))
	}
	return b.String()
}

func split(path string) []string { return strings.Split(path, "/") }

// list asks for the files of a revision.
func (h *Hub) list(ctx context.Context, ref weights.HubRef) (*listing, error) {
	at := append([]string{"api", "models"}, split(ref.Name)...)
	data, err := h.small(ctx, h.address(append(at, "revision", ref.Revision)...)+"?blobs=true", maxAnswer, ref)
	if err != nil {
		return nil, err
	}
	l, err := parseListing(data)
	if err != nil {
		return nil, fmt.Errorf("%s: the list of files by %s cannot be used: %w", ref, h.endpoint.Host, err)
	}
	if isHash(ref.Revision, 40) && l.commit != ref.Revision {
		return nil, fmt.Errorf("%s: %s answers with another commit, %s", ref, h.endpoint.Host, l.commit)
	}
	return l, nil
}

// fileAddress is where a file's bytes are.
func (h *Hub) fileAddress(ref weights.HubRef, commit, name string) string {
	at := append(split(ref.Name), "resolve", commit)
	return h.address(append(at, split(name)...)...)
}

// describe asks for a file's size and hash where the list does not tell them.
func (h *Hub) describe(ctx context.Context, ref weights.HubRef, commit string, r remote) (remote, error) {
	err := h.retry(ctx, func() (bool, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, h.stall, stalled)
		defer cancel()
		res, err := h.send(ctx, http.MethodHead, h.fileAddress(ref, commit, r.name), http.Header{})
		if err != nil {
			return false, err
		}
		drop(res.Body)
		if res.StatusCode >= 400 {
			return false, h.refusal(res, ref, r.name)
		}
		etag := res.Header.Get("X-Linked-Etag")
		if etag == "" {
			etag = res.Header.Get("ETag")
		}
		r.hash = strings.Trim(strings.TrimPrefix(etag, "W/"), `"`)
		if !isHash(r.hash, 40) && !isHash(r.hash, 64) {
			return false, permanent("%s: %s: %s tells no hash to check it by", ref, r.name, h.endpoint.Host)
		}
		if r.size = res.ContentLength; res.Header.Get("X-Linked-Size") != "" {
			if _, err := fmt.Sscanf(res.Header.Get("X-Linked-Size"), "%d", &r.size); err != nil {
				r.size = -1
			}
		}
		if r.size < 0 || r.size > maxSize {
			return false, permanent("%s: %s: %s tells no size of it", ref, r.name, h.endpoint.Host)
		}
		return false, nil
	})
	return r, err
}
