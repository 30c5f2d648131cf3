package api

import (
	"bytes"
	"net/http"
	"regexp"
	"time"

	"github.com/labstack/echo/v4"

	"cosmicman/job"
)

const filesPath = "/v1/images/files/"

// imageName is how finished images are called. Uploads have another beginning, so
// that nobody is given one by this route.
var imageName = regexp.MustCompile(`^img_[a-z2-7]{26}\.(png|jpg|jpeg|webp)$`)

var errNoFile = &apiError{status: http.StatusNotFound, kind: "invalid_request_error", code: "not_found",
	message: "there is no such image, or it has expired"}

// file answers an image as it was stored. Who knows its name may have it: that is
// what the name is for, so nothing else is asked, and nothing is told of other names.
//
//	@Summary	An image file
//	@Description	What `url` in an answer points to. The name is the secret: no key is needed.
//	@Tags	images
//	@Produce png,jpeg,image/webp
//	@Param name path string true "of the file"
//	@Success 200 {file} binary "the file"
//	@Failure 404,500,503 {object} errorAnswer "none, or it has expired"
//	@Router	/v1/images/files/{name} [get]
func (s *server) file(c echo.Context) error {
	name := c.Param("name")
	if s.Artifacts == nil || !imageName.MatchString(name) {
		return errNoFile
	}
	data, err := s.Artifacts.Get(c.Request().Context(), name)
	switch {
	case job.KindOf(err) == job.NotFound, job.KindOf(err) == job.Invalid:
		return errNoFile
	case err != nil:
		return err
	}
	kind := http.DetectContentType(data)
	switch kind {
	case "image/png", "image/jpeg", "image/webp":
	default:
		return errNoFile
	}
	h := c.Response().Header()
	h.Set("Content-Type", kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Disposition", `inline; filename="`+name+`"`)
	h.Set("Cache-Control", "private, max-age=3600, immutable")
	h.Set("ETag", `"`+name+`"`) // a name is never given to other bytes
	http.ServeContent(c.Response(), c.Request(), "", time.Time{}, bytes.NewReader(data))
	return nil
}
