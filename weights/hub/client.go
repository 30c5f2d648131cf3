package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"cosmicman/weights"
)

// fault is why a request has failed.
type fault struct {
	text  string
	again bool          // it may be well the next time
	after time.Duration // which the server asks to wait
}

func (f *fault) Error() string { return f.text }

func permanent(format string, args ...any) error { return &fault{text: fmt.Sprintf(format, args...)} }

func passing(format string, args ...any) error {
	return &fault{text: fmt.Sprintf(format, args...), again: true}
}

// transport is that of all requests. Nothing is decompressed: sizes and hashes are of the
// file itself.
func transport(c Config) *http.Transport {
	return &http.Transport{
		Proxy:                  c.Proxy,
		DialContext:            (&net.Dialer{Timeout: c.Stall, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:    c.Stall,
		MaxResponseHeaderBytes: 1 << 20,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    c.Parallel,
		IdleConnTimeout:        time.Minute,
		ForceAttemptHTTP2:      true,
	}
}

// maxRedirects are followed.
const maxRedirects = 5

// send sends a request and follows redirects. header is for all of them, the token for the
// endpoint alone. The caller closes the body.
func (h *Hub) send(ctx context.Context, method, address string, header http.Header) (*http.Response, error) {
	at, err := url.Parse(address)
	if err != nil {
		return nil, permanent("%.200q is no address", address)
	}
	for range maxRedirects + 1 {
		r, err := http.NewRequestWithContext(ctx, method, at.String(), nil)
		if err != nil {
			return nil, permanent("a request to %s cannot be made", at.Host)
		}
		r.Header = header.Clone()
		r.Header.Set("User-Agent", "cosmicman")
		r.Header.Set("Accept-Encoding", "identity")
		if h.token != "" && at.Scheme == h.endpoint.Scheme && at.Host == h.endpoint.Host {
			r.Header.Set("Authorization", "Bearer "+h.token)
		}
		res, err := h.transport.RoundTrip(r)
		if err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			return nil, passing("%s cannot be reached: %s", at.Host, reason(err))
		}
		switch res.StatusCode {
		case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		default:
			return res, nil
		}
		// A hub's own redirect of HEAD tells what it leads to, and is the answer.
		if method == http.MethodHead && res.Header.Get("X-Linked-Etag") != "" {
			return res, nil
		}
		drop(res.Body)
		next, err := at.Parse(res.Header.Get("Location"))
		switch {
		case err != nil || next.Host == "" || next.Scheme != "http" && next.Scheme != "https":
			return nil, permanent("%s redirects to what is no address", at.Host)
		case at.Scheme == "https" && next.Scheme == "http":
			return nil, permanent("%s redirects to %s without encryption", at.Host, next.Host)
		case next.User != nil:
			return nil, permanent("%s redirects to %s with a user's name", at.Host, next.Host)
		}
		at = next
	}
	return nil, permanent("%s redirects more than %d times", h.endpoint.Host, maxRedirects)
}

// reason is what is wrong with a connection, without its address.
func reason(err error) string {
	if e, is := errors.AsType[*url.Error](err); is {
		err = e.Err
	}
	if e, is := errors.AsType[net.Error](err); is && e.Timeout() {
		return "it does not answer in time"
	}
	if e, is := errors.AsType[*net.DNSError](err); is {
		return "its name is not known (" + e.Err + ")"
	}
	return err.Error()
}

// drop reads a little of a body, so that the connection can be used again, and closes it.
func drop(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 4096)
	body.Close()
}

// refusal explains a status that is not the wanted one.
func (h *Hub) refusal(res *http.Response, ref weights.HubRef, file string) error {
	host := res.Request.URL.Host
	what := ref.String()
	if file != "" {
		what += ": " + file
	}
	code := res.Header.Get("X-Error-Code")
	switch res.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		switch {
		case host != h.endpoint.Host:
			return passing("%s: %s answers %d: the address may be out of date", what, host, res.StatusCode)
		case code == "GatedRepo":
			return permanent("%s is gated: accept its licence at %s and set HF_TOKEN to a token of yours", ref.Name, h.page(ref))
		case h.token == "":
			return permanent("%s: %s answers %d: it does not exist, or it is private or gated; for the latter accept its licence at %s and set HF_TOKEN to a token of yours",
				ref.Name, host, res.StatusCode, h.page(ref))
		}
		return permanent("%s: %s answers %d: HF_TOKEN is not valid, or gives no access: accept the licence at %s with the token's account", ref.Name, host, res.StatusCode, h.page(ref))
	case http.StatusNotFound:
		switch {
		case file != "":
			return permanent("%s: %s does not have the file that it lists", what, host)
		case code == "RevisionNotFound":
			return permanent("%s has no revision %s at %s", ref.Name, ref.Revision, host)
		}
		return permanent("%s: there is no such model, or no revision %s of it, at %s", ref.Name, ref.Revision, host)
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		f := &fault{text: fmt.Sprintf("%s: %s answers %d", what, host, res.StatusCode), again: true}
		if n, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && n > 0 {
			f.after = time.Duration(min(n, int(maxPause/time.Second))) * time.Second
		}
		return f
	}
	if res.StatusCode >= 500 {
		return passing("%s: %s answers %d", what, host, res.StatusCode)
	}
	return permanent("%s: %s answers %d", what, host, res.StatusCode)
}

// page is where people read about a model.
func (h *Hub) page(ref weights.HubRef) string { return h.endpoint.String() + "/" + ref.Name }

// maxPause is the longest that is waited before a request is sent again.
const maxPause = time.Minute

// retry calls do until it succeeds, fails for good, or has failed too often in a row without
// any progress, which do reports.
func (h *Hub) retry(ctx context.Context, do func() (progress bool, err error)) error {
	for failed := 0; ; {
		progress, err := do()
		if err == nil || ctx.Err() != nil {
			return err
		}
		f, is := errors.AsType[*fault](err)
		if !is || !f.again {
			return err
		}
		if progress {
			failed = 0
		}
		failed++
		if failed >= h.attempts {
			return fmt.Errorf("%w (tried %d times)", err, failed)
		}
		pause := min(h.pause<<(failed-1), maxPause/2)
		pause = max(f.after, pause/2+rand.N(pause/2+1))
		h.logf("%v; trying again in %v", err, pause.Round(100*time.Millisecond))
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// stalled ends an attempt that brings nothing for too long.
var stalled = passing("nothing has come for too long")

// watchdog cancels a context unless it is fed.
type watchdog struct {
	timer *time.Timer
	every time.Duration
}

func newWatchdog(cancel context.CancelCauseFunc, every time.Duration) *watchdog {
	return &watchdog{time.AfterFunc(every, func() { cancel(stalled) }), every}
}

func (w *watchdog) feed() { w.timer.Reset(w.every) }
func (w *watchdog) stop() { w.timer.Stop() }

// small fetches an answer of at most most bytes.
func (h *Hub) small(ctx context.Context, address string, most int64, ref weights.HubRef) (data []byte, err error) {
	err = h.retry(ctx, func() (bool, error) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		dog := newWatchdog(cancel, h.stall)
		defer dog.stop()
		res, err := h.send(ctx, http.MethodGet, address, http.Header{})
		if err != nil {
			return false, err
		}
		defer drop(res.Body)
		if res.StatusCode != http.StatusOK {
			return false, h.refusal(res, ref, "")
		}
		if e := encoding(res); e != "" {
			return false, permanent("%s: %s answers with the content encoding %.40q, which was not asked for", ref, res.Request.URL.Host, e)
		}
		data, err = io.ReadAll(io.LimitReader(res.Body, most+1))
		switch {
		case err != nil && ctx.Err() != nil:
			return false, context.Cause(ctx)
		case err != nil:
			return false, passing("%s: the answer of %s breaks off", ref, res.Request.URL.Host)
		case int64(len(data)) > most:
			return false, permanent("%s: the answer of %s has over %d bytes", ref, res.Request.URL.Host, most)
		}
		return false, nil
	})
	return data, err
}

func encoding(res *http.Response) string {
	e := res.Header.Get("Content-Encoding")
	if strings.EqualFold(e, "identity") {
		return ""
	}
	return e
}
