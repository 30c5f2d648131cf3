// Package api is the HTTP side: Echo routes, wire types in OpenAI's shape and
// one error table. It knows no tensors and draws through [Drawer].
package api

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
)

// Job is what a request comes down to.
type Job struct {
	Prompt        string
	Count         int
	Width, Height int     // 0: the model's native size
	Seed          *uint64 // nil: at random
}

// Image is one that was drawn.
type Image struct {
	PNG  []byte
	Seed uint64
}

// FieldError is a request that the engine refuses: which field, and why.
type FieldError struct{ Field, Reason string }

func (e *FieldError) Error() string { return e.Field + " " + e.Reason }

// Drawer draws the images of a job. A wrong job's error is or wraps a
// *FieldError.
type Drawer interface {
	Draw(ctx context.Context, j Job) ([]Image, error)
}

// Config of the routes.
type Config struct {
	Model  string // the name that requests may give; "" with no model
	Drawer Drawer // nil with no model
	Logf   func(format string, args ...any)
}

// New returns the routes:
//
//	GET  /                      what runs here, or how to get a model
//	GET  /healthz               alive
//	POST /v1/images/generations
func New(c Config) http.Handler {
	s := &server{Config: c}
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = s.fail
	e.GET("/", s.page)
	e.GET("/healthz", func(c echo.Context) error { return c.String(http.StatusOK, "ok\n") })
	e.POST("/v1/images/generations", s.generations)
	return e
}

type server struct {
	Config
	device sync.Mutex // one image at a time
}

func (s *server) page(c echo.Context) error {
	if s.Drawer == nil {
		return c.HTML(http.StatusOK, noModelPage)
	}
	return c.HTML(http.StatusOK, fmt.Sprintf(modelPage, htmlEscape(s.Model)))
}

// imagesResponse is OpenAI's.
type imagesResponse struct {
	Created int64       `json:"created"`
	Data    []imageData `json:"data"`
}

type imageData struct {
	B64JSON string `json:"b64_json"`
	Seed    uint64 `json:"seed"`
}

func (s *server) generations(c echo.Context) error {
	r, err := decode(c.Response(), c.Request())
	if err != nil {
		return err
	}
	if s.Drawer == nil {
		return &apiError{status: http.StatusServiceUnavailable, kind: "server_error", code: "no_model",
			message: "this server was started without a model; start it with --model DIR"}
	}
	if r.Model != nil && *r.Model != s.Model {
		return &apiError{status: http.StatusNotFound, kind: "invalid_request_error", code: "model_not_found", param: "model",
			message: fmt.Sprintf("the model %q does not exist; this server has %q", *r.Model, s.Model)}
	}
	s.device.Lock()
	defer s.device.Unlock()
	images, err := s.Drawer.Draw(c.Request().Context(), r.job)
	var field *FieldError
	switch {
	case errors.As(err, &field):
		return invalid(field.Field, "%s", field.Error())
	case err != nil:
		return err
	}
	out := imagesResponse{Created: time.Now().Unix()}
	for _, i := range images {
		out.Data = append(out.Data, imageData{base64.StdEncoding.EncodeToString(i.PNG), i.Seed})
	}
	return c.JSON(http.StatusOK, out)
}
