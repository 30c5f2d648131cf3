package api

import (
	"cmp"
	"context"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"

	"cosmicman/job"
)

// allowance is what one tenant may still ask of this process: every process that
// answers has its own.
type allowance struct {
	perMinute, concurrent int           // 0: any number
	bucket                *rate.Limiter // holds a minute's requests

	mu      sync.Mutex
	running int             // requests that wait
	lasting map[job.ID]bool // jobs that live on without one, or did when last looked at
}

// allowances makes one for each tenant.
func allowances(c *Config) map[string]*allowance {
	all := map[string]*allowance{}
	for _, k := range c.Keys {
		a := &allowance{
			perMinute: cmp.Or(k.PerMinute, c.PerMinute), concurrent: cmp.Or(k.Concurrent, c.Concurrent), lasting: map[job.ID]bool{},
		}
		a.bucket = rate.NewLimiter(rate.Limit(float64(a.perMinute)/60), a.perMinute)
		all[k.Name] = a
	}
	return all
}

// limited holds requests for images to their tenant's rate and number at once. Nothing
// else is counted: asking how far a job is must not cost one the next image.
func (s *server) limited(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		a := s.allowed[tenant(c)]
		if a == nil || c.Request().Method != http.MethodPost || !draws(c.Path()) {
			return next(c)
		}
		if err := a.enter(c.Request().Context(), s.Queue); err != nil {
			return err
		}
		defer a.leave(c)
		if err := a.spend(c.Response().Header(), time.Now()); err != nil {
			return err
		}
		return next(c)
	}
}

func draws(route string) bool {
	return route == routePaths[generations] || route == routePaths[edits] || route == routePaths[variations]
}

func limitReached(after time.Duration, message string) error {
	return &apiError{status: http.StatusTooManyRequests, kind: "rate_limit_error", code: "rate_limit_exceeded", message: message, retryAfter: after}
}

// spend takes one request out of the bucket, and tells how many are left as OpenAI does.
func (a *allowance) spend(h http.Header, now time.Time) error {
	if a.perMinute == 0 {
		return nil
	}
	r := a.bucket.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
	}
	left := max(0, a.bucket.TokensAt(now))
	full := time.Duration((float64(a.perMinute) - left) / float64(a.perMinute) * float64(time.Minute))
	h.Set("X-Ratelimit-Limit-Requests", strconv.Itoa(a.perMinute))
	h.Set("X-Ratelimit-Remaining-Requests", strconv.Itoa(int(math.Floor(left))))
	h.Set("X-Ratelimit-Reset-Requests", full.Round(time.Millisecond).String())
	if wait > 0 {
		return limitReached(wait, "this API key has asked for images "+strconv.Itoa(a.perMinute)+" times within a minute, which is its limit")
	}
	return nil
}

// enter counts a request in, unless there are as many already. Jobs that live on
// without a request count until they have ended; they are looked after only here.
func (a *allowance) enter(ctx context.Context, q Queue) error {
	if a.concurrent == 0 {
		return nil
	}
	if a.tryEnter() {
		return nil
	}
	a.mu.Lock()
	ids := make([]job.ID, 0, len(a.lasting))
	for id := range a.lasting {
		ids = append(ids, id)
	}
	a.mu.Unlock()
	for _, id := range ids {
		if st, err := q.Get(ctx, id); err == nil && st.State.Terminal() || job.KindOf(err) == job.NotFound || job.KindOf(err) == job.Lost {
			a.mu.Lock()
			delete(a.lasting, id)
			a.mu.Unlock()
		}
	}
	if a.tryEnter() {
		return nil
	}
	return limitReached(5*time.Second, "this API key has "+strconv.Itoa(a.concurrent)+" requests for images under way, which is its limit")
}

func (a *allowance) tryEnter() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.running+len(a.lasting) >= a.concurrent {
		return false
	}
	a.running++
	return true
}

// leave counts a request out. Its job may live on.
func (a *allowance) leave(c echo.Context) {
	if a.concurrent == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running--
	if id, ok := c.Get(lastingKey).(job.ID); ok {
		a.lasting[id] = true
	}
}

// lastingKey is of an echo.Context: the job.ID of a job that outlives the request.
const lastingKey = "lasting"

// lasts notes that a job outlives the request that it came with.
func lasts(c echo.Context, sub job.Submission, st job.Status) {
	if (sub.Key != "" || sub.Spec.Detached) && !st.State.Terminal() {
		c.Set(lastingKey, st.ID)
	}
}
