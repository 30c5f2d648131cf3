package api

import (
	"image"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"cosmicman/job"
)

const modelsPath = "/v1/models"

// Model is a model that can be drawn with, or another name of one.
type Model struct {
	ID       string
	AliasOf  string // the model's own name; "": this is it
	Created  time.Time
	Family   string      // sd or sdxl; "" where it is not known
	Native   image.Point // the size that it draws best, in pixels; zero where it is not known
	Largest  int         // the longest side that is drawn, in pixels
	Loaded   bool        // somebody can begin at once
	Samplers []string
}

// modelObject is OpenAI's, with ours beside it.
type modelObject struct {
	ID          string   `json:"id" validate:"required"`
	Object      string   `json:"object" validate:"required"`  // model
	Created     int64    `json:"created" validate:"required"` // seconds; of its files
	OwnedBy     string   `json:"owned_by" validate:"required"`
	Family      *string  `json:"family" validate:"required" extensions:"x-nullable"`      // sd or sdxl
	NativeSize  *string  `json:"native_size" validate:"required" extensions:"x-nullable"` // what size: auto means, such as 512x512
	LargestSize string   `json:"largest_size" validate:"required"`                        // neither side may be longer
	Loaded      bool     `json:"loaded" validate:"required"`                              // it is in a worker's memory
	AliasOf     *string  `json:"alias_of" validate:"required" extensions:"x-nullable"`    // of another name: the model's own
	Samplers    []string `json:"samplers" validate:"required"`
}

// modelList is OpenAI's.
type modelList struct {
	Object string        `json:"object" validate:"required"` // list
	Data   []modelObject `json:"data" validate:"required"`   // the first is drawn with where none is named
}

func (m *Model) object() modelObject {
	o := modelObject{
		ID: m.ID, Object: "model", OwnedBy: "cosmicman", LargestSize: sizeText(m.Largest, m.Largest), Loaded: m.Loaded, Samplers: m.Samplers,
		Family: orNull(m.Family), AliasOf: orNull(m.AliasOf),
	}
	if !m.Created.IsZero() {
		o.Created = m.Created.Unix()
	}
	if m.Native != (image.Point{}) {
		o.NativeSize = orNull(sizeText(m.Native.X, m.Native.Y))
	}
	return o
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// listModels tells what can be drawn with.
//
//	@Summary	The models
//	@Description	That can be drawn with, the first being the one where none is named, and their other names.
//	@Tags	models
//	@Produce json
//	@Success 200 {object} modelList "the models"
//	@Failure 401,403,429,500,503 {object} errorAnswer "the queue cannot be reached"
//	@Router	/v1/models [get]
func (s *server) listModels(c echo.Context) error {
	all, err := s.models(c)
	if err != nil {
		return err
	}
	out := modelList{Object: "list", Data: make([]modelObject, len(all))}
	for i := range all {
		out.Data[i] = all[i].object()
	}
	return c.JSON(http.StatusOK, out)
}

// getModel tells of one. Names may hold slashes, as they are or escaped.
//
//	@Summary	A model
//	@Tags	models
//	@Produce json
//	@Param id path string true "its name, or another one of it"
//	@Success 200 {object} modelObject "the model"
//	@Failure 401,403,404,429,500,503 {object} errorAnswer "there is none"
//	@Router	/v1/models/{id} [get]
func (s *server) getModel(c echo.Context) error {
	id := c.Param("*")
	if plain, err := url.PathUnescape(id); err == nil && c.Request().URL.RawPath != "" {
		id = plain
	}
	all, err := s.models(c)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(m Model) bool { return m.ID == id })
	if i < 0 {
		return job.Errorf(job.NoModel, "the model %.100q does not exist", id)
	}
	return c.JSON(http.StatusOK, all[i].object())
}

func (s *server) models(c echo.Context) ([]Model, error) {
	if s.Models == nil {
		return nil, nil
	}
	return s.Models(c.Request().Context())
}
