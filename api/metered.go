package api

import "github.com/labstack/echo/v4"

// metered counts every request, those that have no route and those that end in an
// error among them.
func (s *server) metered(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		done := s.Meter(c.Request().Method)
		defer func() {
			r, route := c.Response(), c.Path()
			if !s.routes[route] { // of unknown ones the client chooses the text
				route = ""
			}
			done(route, r.Status, r.Size)
		}()
		if err := next(c); err != nil {
			c.Error(err) // now, so that the status is known
		}
		return nil
	}
}
