package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"cosmicman/job"
)

// imagesResponse is OpenAI's, with model and warnings beside.
type imagesResponse struct {
	Created      int64       `json:"created" validate:"required"` // seconds
	Data         []imageData `json:"data" validate:"required"`
	Background   string      `json:"background" validate:"required"`
	OutputFormat string      `json:"output_format" validate:"required"`
	Size         string      `json:"size" validate:"required"` // as drawn
	Quality      string      `json:"quality" validate:"required"`
	Usage        usage       `json:"usage" validate:"required"`
	Model        string      `json:"model" validate:"required"` // ours: which one drew
	Warnings     []warning   `json:"warnings,omitempty"`

	files imageFiles // what b64_json stands for
}

type imageData struct {
	B64JSON string `json:"b64_json,omitempty"`
	URL     string `json:"url,omitempty"`
	Revised string `json:"revised_prompt,omitempty"`
	Seed    uint64 `json:"seed" validate:"required"`
}

// usage counts tokens: of text those that the text encoder was given, without its
// begin, end and padding; of images one for each 16x16 pixels, parts of one counted
// whole. Text and pictures that go in are counted once, however many images come out.
type usage struct {
	InputTokens   int          `json:"input_tokens" validate:"required"`
	OutputTokens  int          `json:"output_tokens" validate:"required"`
	TotalTokens   int          `json:"total_tokens" validate:"required"`
	InputDetails  tokenDetails `json:"input_tokens_details" validate:"required"`
	OutputDetails tokenDetails `json:"output_tokens_details" validate:"required"`
}

type tokenDetails struct {
	TextTokens  int `json:"text_tokens" validate:"required"`
	ImageTokens int `json:"image_tokens" validate:"required"`
}

func imageTokens(width, height int) int { return (width + 15) / 16 * ((height + 15) / 16) }

// usageOf counts what some images of one job took.
func usageOf(s *job.Spec, images ...*job.Result) (u usage) {
	for _, r := range images {
		u.InputDetails.TextTokens = max(u.InputDetails.TextTokens, r.Tokens)
		if s.Drawing.Init != "" {
			u.InputDetails.ImageTokens = imageTokens(r.Width, r.Height)
		}
		u.OutputDetails.ImageTokens += imageTokens(r.Width, r.Height)
	}
	u.InputTokens = u.InputDetails.TextTokens + u.InputDetails.ImageTokens
	u.OutputTokens = u.OutputDetails.ImageTokens
	u.TotalTokens = u.InputTokens + u.OutputTokens
	return u
}

// response is what a completed job is answered with, from what was kept with it.
func (s *server) response(ctx context.Context, done job.Status) (*imagesResponse, error) {
	m, err := metaOf(&done.Spec)
	if err != nil {
		return nil, err
	}
	out := &imagesResponse{
		Created: done.Ended.Unix(), Background: "opaque", OutputFormat: cmp.Or(done.Spec.Drawing.Format, "png"),
		Quality: m.Quality, Model: done.Spec.Model, Warnings: m.Warnings,
	}
	var results []*job.Result
	for _, image := range done.Images {
		if image.Result == nil {
			return nil, errors.New("an image of a completed job has no result")
		}
		data, err := s.imageData(ctx, &m, image.Result, &out.files)
		if err != nil {
			return nil, err
		}
		out.Data = append(out.Data, data)
		results = append(results, image.Result)
	}
	if len(results) > 0 {
		out.Size = sizeText(results[0].Width, results[0].Height)
		out.Warnings = append(out.Warnings, cutWarning(results[0])...)
	}
	out.Usage = usageOf(&done.Spec, results...)
	return out, nil
}

// imageData is one image in the form that was asked for.
func (s *server) imageData(ctx context.Context, m *meta, r *job.Result, files *imageFiles) (imageData, error) {
	out := imageData{Revised: m.Revised, Seed: r.Seed}
	if m.ResponseFormat != "b64_json" {
		out.URL = s.fileURL(m, r)
	}
	if m.ResponseFormat == "url" {
		return out, nil
	}
	data, err := s.imageFile(ctx, r)
	if err != nil {
		return out, err
	}
	out.B64JSON = files.mark(r, data)
	return out, nil
}

func (s *server) fileURL(m *meta, r *job.Result) string {
	return cmp.Or(s.PublicURL, m.Base) + filesPath + r.Artifact
}

var errResultExpired = &apiError{status: http.StatusGone, kind: "invalid_request_error", code: "result_expired",
	message: "the images of this request have expired; send it with another Idempotency-Key"}

func (s *server) imageFile(ctx context.Context, r *job.Result) (data []byte, err error) {
	err = bridged(ctx, func() (err error) {
		data, err = s.Artifacts.Get(ctx, r.Artifact)
		return err
	})
	if job.KindOf(err) == job.NotFound {
		return nil, errResultExpired
	}
	return data, err
}

// cutWarning tells what of the texts was not drawn.
func cutWarning(r *job.Result) []warning {
	var out []warning
	if r.Cut != "" {
		out = append(out, warning{Code: "prompt_cut", Param: "prompt", Message: fmt.Sprintf("the prompt is too long: its end was not drawn: %q", r.Cut)})
	}
	if r.NegativeCut != "" {
		out = append(out, warning{Code: "prompt_cut", Param: "negative_prompt", Message: fmt.Sprintf("the negative prompt is too long: its end has no effect: %q", r.NegativeCut)})
	}
	return out
}

func sizeText(width, height int) string { return fmt.Sprintf("%dx%d", width, height) }
