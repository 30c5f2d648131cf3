package api

import "github.com/labstack/echo/v4"

// metered counts and traces every request, those that have no route and those that end in an
// error among them.
func (s *server) metered(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		done := s.Meter(r.Method)
		parent, end := s.Trace(r.Method, r.Header)
		c.Set(traceKey, parent)
		defer func() {
			w, route := c.Response(), c.Path()
			if !s.routes[route] { // of unknown ones the client chooses the text
				route = ""
			}
			done(route, w.Status, w.Size)
			end(route, w.Status)
		}()
		if err := next(c); err != nil {
			c.Error(err) // now, so that the status is known
		}
		return nil
	}
}

const traceKey = "cosmicman.trace"

// traceparent is what a request's jobs are traced below.
func traceparent(c echo.Context) string {
	parent, _ := c.Get(traceKey).(string)
	return parent
}
