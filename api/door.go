package api

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
)

// door puts what every request passes before its route, the outermost first.
func (s *server) door(e *echo.Echo) {
	e.Use(s.identified, s.logged, s.recovering, s.impatient, guarded, s.hosted)
	if len(s.Origins) > 0 {
		// What a browser asks to send is allowed: libraries have headers of their own.
		e.Use(middleware.CORSWithConfig(middleware.CORSConfig{
			AllowOrigins: s.Origins,
			AllowMethods: []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete},
			ExposeHeaders: []string{
				"Location", "Preference-Applied", "Retry-After", "Retry-After-Ms", requestIDHeader,
				"X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests",
			},
			MaxAge: 600,
		}))
	}
	e.Use(s.sameOrigin(), s.authenticated, s.limited)
}

var errPanicked = &apiError{status: http.StatusInternalServerError, kind: "server_error", code: "internal_error",
	message: "the server made a mistake; its log has more under the request's ID", final: true}

// recovering turns a panic into an error. An answer that has begun is cut off, so that
// nobody takes it for whole.
func (s *server) recovering(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v != http.ErrAbortHandler {
				s.log(c.Request().Context()).Error("a handler panicked", "route", s.route(c), "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			}
			if v == http.ErrAbortHandler || c.Response().Committed {
				panic(http.ErrAbortHandler)
			}
			err = errPanicked
		}()
		return next(c)
	}
}

// guarded sets the headers that keep browsers from making more of an answer than it is.
// Names of images and jobs are secrets, so they are not told to other sites; what is
// asked for with a key is not kept. Routes may say otherwise.
func guarded(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		if strings.HasPrefix(c.Path(), "/v1/") {
			h.Set("Cache-Control", "no-store")
		}
		return next(c)
	}
}

// hosted refuses requests that name another host than this one: a page of somebody
// else's whose name was made to point here (DNS rebinding). Probes of liveness name
// what they like, and learn nothing.
func (s *server) hosted(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if len(s.Hosts) > 0 && !probe(c.Path()) && !hostAllowed(s.Hosts, c.Request().Host) {
			return &apiError{status: http.StatusForbidden, kind: "invalid_request_error", code: "host_not_allowed",
				message: fmt.Sprintf("this server does not answer for the host %.100q; its operator can allow it with --host", c.Request().Host)}
		}
		return next(c)
	}
}

func probe(route string) bool { return route == "/healthz" || route == "/readyz" }

// hostAllowed compares names without ports. Every loopback address stands for
// "localhost".
func hostAllowed(allowed []string, host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
	if ip, err := netip.ParseAddr(name); err == nil {
		name = ip.Unmap().String()
		if ip.Unmap().IsLoopback() {
			name = "localhost"
		}
	}
	return name != "" && slices.ContainsFunc(allowed, func(a string) bool { return strings.EqualFold(a, name) })
}

// sameOrigin refuses what a page of another site has a browser send, unless the site is
// among the allowed origins.
func (s *server) sameOrigin() echo.MiddlewareFunc {
	if slices.Contains(s.Origins, "*") {
		return func(next echo.HandlerFunc) echo.HandlerFunc { return next }
	}
	protection := http.NewCrossOriginProtection()
	for _, origin := range s.Origins {
		if err := protection.AddTrustedOrigin(origin); err != nil {
			panic("api: " + err.Error()) // whoever took it in has checked it
		}
	}
	if origin := originOf(s.PublicURL); origin != "" {
		if err := protection.AddTrustedOrigin(origin); err != nil {
			panic("api: " + err.Error())
		}
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if protection.Check(c.Request()) != nil {
				return &apiError{status: http.StatusForbidden, kind: "invalid_request_error", code: "origin_not_allowed",
					message: "this server takes nothing from pages of other sites; its operator can allow one with --cors-origin"}
			}
			return next(c)
		}
	}
}

// originOf is the scheme and host of a URL.
func originOf(url string) string {
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		return ""
	}
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host
}
