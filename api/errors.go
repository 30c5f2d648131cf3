package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"
)

// apiError is an error as a client may see it.
type apiError struct {
	status            int
	kind, code, param string
	message           string
}

func (e *apiError) Error() string { return e.message }

func invalid(param, format string, args ...any) error {
	return &apiError{status: http.StatusBadRequest, kind: "invalid_request_error", param: param, message: fmt.Sprintf(format, args...)}
}

// fail writes err in OpenAI's shape. Causes of server errors go to the log only.
func (s *server) fail(err error, c echo.Context) {
	if c.Response().Committed || errors.Is(err, context.Canceled) {
		return
	}
	var own *apiError
	var routing *echo.HTTPError
	switch {
	case errors.As(err, &own):
	case errors.As(err, &routing):
		own = &apiError{status: routing.Code, kind: "invalid_request_error", message: fmt.Sprintf("%s %s: %s", c.Request().Method, c.Request().URL.Path, http.StatusText(routing.Code))}
	default:
		if s.Logf != nil {
			s.Logf("%s %s: %v", c.Request().Method, c.Path(), err)
		}
		own = &apiError{status: http.StatusInternalServerError, kind: "server_error", message: "the image could not be drawn"}
	}
	null := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	werr := c.JSON(own.status, map[string]any{"error": map[string]any{
		"message": own.message, "type": own.kind, "param": null(own.param), "code": null(own.code),
	}})
	if werr != nil && s.Logf != nil {
		s.Logf("writing an error: %v", werr)
	}
}
