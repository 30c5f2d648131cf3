package api

import (
	"io"

	"github.com/labstack/echo/v4"
)

// generations draws from text.
//
//	@Summary	Draw images from text
//	@Description	OpenAI's fields, and those of this server. With `stream: true` the answer is server-sent events: `image_generation.partial_image`, then `image_generation.completed` for each image.
//	@Tags	images
//	@Produce json
//	@Success 200 {object} imagesResponse "the images, or with stream: true server-sent events"
//	@Success 202 {object} jobObject "with Prefer: respond-async"
//	@Failure 400,401,403,404,410,413,415,422,429,500,503 {object} errorAnswer "what is wrong; param names the field"
//	@Router	/v1/images/generations [post]
func (s *server) generations(c echo.Context) error {
	members, err := readJSON(c.Response(), c.Request(), maxBody, io.ReadAll)
	if err != nil {
		return err
	}
	r, err := readRequest(generations, members)
	if err != nil {
		return err
	}
	return s.draw(c, r, nil)
}
