package api

import "github.com/labstack/echo/v4"

// generations draws from text.
func (s *server) generations(c echo.Context) error {
	members, err := readJSON(c.Response(), c.Request(), maxBody)
	if err != nil {
		return err
	}
	r, err := readRequest(generations, members)
	if err != nil {
		return err
	}
	return s.draw(c, r, nil)
}
