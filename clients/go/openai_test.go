package clients

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// client is for the server that the environment names: see ../python/test_openai.py.
func client(t *testing.T, more ...option.RequestOption) openai.Client {
	t.Helper()
	url := os.Getenv("COSMICMAN_URL")
	if url == "" {
		t.Fatal("COSMICMAN_URL names no server: use make test-clients")
	}
	return openai.NewClient(append([]option.RequestOption{option.WithBaseURL(url + "/v1"), option.WithAPIKey(os.Getenv("COSMICMAN_KEY"))}, more...)...)
}

func picture(t *testing.T, alpha uint8) io.Reader {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, 64, 64))
	for i := range 64 * 64 {
		a := uint8(255)
		if i%64 < 32 {
			a = alpha
		}
		img.SetNRGBA(i%64, i/64, color.NRGBA{90, 20, 200, a})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return openai.File(&b, "in.png", "image/png")
}

func sized(t *testing.T, b64 string) {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(b64)
	if err != nil {
		t.Fatal(err)
	}
	c, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil || c.Width != 64 || c.Height != 64 {
		t.Errorf("%+v, %v", c, err)
	}
}

func steps(n int) option.RequestOption { return option.WithJSONSet("steps", n) }

func TestGenerate(t *testing.T) {
	c := client(t)
	a, err := c.Images.Generate(t.Context(), openai.ImageGenerateParams{Model: "gpt-image-1", Prompt: "a headshot", N: openai.Int(2), Size: "64x64"}, steps(2))
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Data) != 2 || a.Data[0].URL == "" || a.Usage.TotalTokens == 0 {
		t.Errorf("%+v", a)
	}
	sized(t, a.Data[1].B64JSON)
}

func TestEditAndVariation(t *testing.T) {
	c := client(t)
	a, err := c.Images.Edit(t.Context(), openai.ImageEditParams{Image: openai.ImageEditParamsImageUnion{OfFile: picture(t, 255)}, Mask: picture(t, 0), Prompt: "a red coat", Size: "64x64"})
	if err != nil {
		t.Fatal(err)
	}
	sized(t, a.Data[0].B64JSON)
	a, err = c.Images.NewVariation(t.Context(), openai.ImageNewVariationParams{Image: picture(t, 255), Size: "64x64"})
	if err != nil {
		t.Fatal(err)
	}
	sized(t, a.Data[0].B64JSON)
}

func TestStream(t *testing.T) {
	c := client(t)
	stream := c.Images.GenerateStreaming(t.Context(), openai.ImageGenerateParams{Prompt: "p", Size: "64x64", PartialImages: openai.Int(2)}, steps(6))
	var kinds []string
	for stream.Next() {
		e := stream.Current()
		kinds = append(kinds, e.Type)
		sized(t, e.B64JSON)
	}
	if err := stream.Err(); err != nil || len(kinds) != 3 || kinds[2] != "image_generation.completed" {
		t.Errorf("%q, %v", kinds, err)
	}
}

func TestErrors(t *testing.T) {
	c := client(t)
	_, err := c.Images.Generate(t.Context(), openai.ImageGenerateParams{Prompt: "p", Size: "63x64"})
	if e, is := errors.AsType[*openai.Error](err); !is || e.StatusCode != 400 || e.Param != "size" {
		t.Errorf("%v", err)
	}
	_, err = c.Images.Generate(t.Context(), openai.ImageGenerateParams{Prompt: "p", Model: "none"})
	if e, is := errors.AsType[*openai.Error](err); !is || e.StatusCode != 404 || e.Code != "model_not_found" {
		t.Errorf("%v", err)
	}
	wrong := client(t, option.WithAPIKey("wrong"))
	_, err = wrong.Images.Generate(t.Context(), openai.ImageGenerateParams{Prompt: "p"})
	if e, is := errors.AsType[*openai.Error](err); !is || e.StatusCode != 401 {
		t.Errorf("%v", err)
	}
}

func TestAClientThatDoesNotWait(t *testing.T) {
	c := client(t)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := c.Images.Generate(ctx, openai.ImageGenerateParams{Prompt: "p", Size: "512x512"}, steps(500))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestModels(t *testing.T) {
	c := client(t)
	m, err := c.Models.Get(t.Context(), "tiny")
	if err != nil || m.ID != "tiny" {
		t.Errorf("%+v, %v", m, err)
	}
}
