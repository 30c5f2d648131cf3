package api

import (
	"io"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// edits draws a picture anew: all of it, or where a mask allows it.
//
//	@Summary	Draw a picture anew
//	@Description	All of it, or where a mask allows it: transparent pixels of the mask mark what is drawn. A form with files, or JSON with data URLs.
//	@Tags	images
//	@Produce json
//	@Success 200 {object} imagesResponse "the images, or with stream: true server-sent events"
//	@Success 202 {object} jobObject "with Prefer: respond-async"
//	@Failure 400,401,403,404,410,413,415,422,429,500,503 {object} errorAnswer "what is wrong; param names the field"
//	@Router	/v1/images/edits [post]
func (s *server) edits(c echo.Context) error {
	switch mediaType(c.Request()) {
	case "multipart/form-data":
		return s.begin(c, edits, s.readPictures)
	case "application/json":
		return s.begin(c, edits, s.readPictureURLs)
	}
	return &apiError{status: http.StatusUnsupportedMediaType, kind: "invalid_request_error",
		message: "the Content-Type must be multipart/form-data or application/json"}
}

// variations draws a picture anew without a word. OpenAI asks for a square PNG; any
// shape, and JPEG and WebP, do as well.
//
//	@Summary	Draw a picture anew without a word
//	@Description	From a picture and no prompt.
//	@Tags	images
//	@Produce json
//	@Success 200 {object} imagesResponse "the images, or with stream: true server-sent events"
//	@Success 202 {object} jobObject "with Prefer: respond-async"
//	@Failure 400,401,403,404,410,413,415,422,429,500,503 {object} errorAnswer "what is wrong; param names the field"
//	@Router	/v1/images/variations [post]
func (s *server) variations(c echo.Context) error { return s.begin(c, variations, s.readPictures) }

// pictures are the files that a request came with, not checked yet.
type pictures struct {
	image formFile
	mask  *formFile // nil: none
}

// reader reads a body of a route with pictures. What it has borrowed is given back by
// the function that it returns, when the pictures are not needed any more.
type reader func(c echo.Context, on routes) (*request, pictures, func(), error)

// begin draws from pictures that a reader finds in the body.
func (s *server) begin(c echo.Context, on routes, read reader) error {
	r, in, err := s.readAndStore(c, on, read)
	if err != nil {
		return err
	}
	return s.draw(c, r, in)
}

func (s *server) readAndStore(c echo.Context, on routes, read reader) (*request, *inputs, error) {
	r, files, release, err := read(c, on)
	if err != nil {
		return nil, nil, err
	}
	defer release()
	if _, err := idempotencyKey(c.Request().Header); err != nil {
		return nil, nil, err
	}
	if err := s.open(c); err != nil {
		return nil, nil, err
	}
	in, digests, err := s.storeInputs(c.Request().Context(), files.image, files.mask)
	if err != nil {
		return nil, nil, err
	}
	r.Inputs = digests
	if files.mask != nil {
		fill(&r.Strength, maskedStrength)
	}
	fill(&r.Strength, defaultStrength)
	in.Strength = *r.Strength
	return r, in, nil
}

// readPictures reads a form.
func (s *server) readPictures(c echo.Context, on routes) (_ *request, files pictures, release func(), err error) {
	accepted := formFields{
		files: map[string]int{"image": 1},
		text: func(name string) error {
			_, err := lookup(outermost(name), on)
			return err
		},
	}
	if on == edits {
		accepted.files["mask"] = 1
	}
	f, err := s.readForm(c.Response(), c.Request(), accepted)
	if err != nil {
		return nil, files, nil, err
	}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	if len(f.files["image"]) == 0 {
		return nil, files, nil, invalid("image", "image is required: a file of the form")
	}
	files.image = f.files["image"][0]
	if masks := f.files["mask"]; len(masks) > 0 {
		files.mask = &masks[0]
	}
	members, err := nested(f.members)
	if err != nil {
		return nil, files, nil, err
	}
	r, err := readRequest(on, members)
	return r, files, f.close, err
}

// unhurried gives a client that sends on as much time for a large body as for a form.
func unhurried(c echo.Context) {
	r := c.Request()
	body := &formBody{r: r.Body, header: -1, deadline: http.NewResponseController(c.Response()).SetReadDeadline, began: time.Now()}
	r.Body = struct {
		io.Reader
		io.Closer
	}{body, r.Body}
}

// readPictureURLs reads JSON with images and mask as URLs.
func (s *server) readPictureURLs(c echo.Context, on routes) (_ *request, files pictures, release func(), err error) {
	const limit = 2*maxImageURL + maxBody
	l := s.memory.loan()
	defer func() {
		if err != nil {
			l.release()
		}
	}()
	unhurried(c)
	all, err := readJSON(c.Response(), c.Request(), limit, func(r io.Reader) ([]byte, error) {
		body, err := l.read(r, limit)
		if err == nil {
			err = l.take(2 * int64(len(body))) // its fields, and their text
		}
		return body, err
	})
	if err != nil {
		return nil, files, nil, err
	}
	var members []member
	var images []string // URLs
	mask := ""
	for _, m := range all {
		switch {
		case m.name != "images" && m.name != "mask":
			members = append(members, m)
		case string(m.raw) == "null":
		case m.name == "images":
			images, err = imageURLs("images", m.raw, 1)
		default:
			mask, err = imageURL("mask", m.raw)
		}
		if err != nil {
			return nil, files, nil, err
		}
	}
	r, err := readRequest(on, members)
	if err != nil {
		return nil, files, nil, err
	}
	if len(images) == 0 {
		return nil, files, nil, invalid("images", "images is required: a list of one object with image_url")
	}
	ctx := c.Request().Context()
	files.image.field = "images[0].image_url"
	if files.image.data, err = s.readURL(ctx, l, images[0], files.image.field); err != nil {
		return nil, files, nil, err
	}
	if mask != "" {
		files.mask = &formFile{field: "mask.image_url"}
		if files.mask.data, err = s.readURL(ctx, l, mask, files.mask.field); err != nil {
			return nil, files, nil, err
		}
	}
	return r, files, l.release, nil
}
