package api

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"cosmicman/job"
)

// imageFiles are the files that an answer holds as base64. In its JSON marks stand for
// them; they are read when they are written, one at a time, so that clients who read
// slowly, or not at all, hold one file each and not all of a job in several copies.
type imageFiles struct {
	marks []imageMark
	first []byte // is kept: most answers have one
}

type imageMark struct {
	text string
	of   *job.Result
	size int // of the file
}

// mark stands for a file, which was read once to see that it is there.
func (f *imageFiles) mark(r *job.Result, data []byte) string {
	if len(f.marks) == 0 {
		f.first = data
	}
	m := imageMark{text: "file " + rand.Text(), of: r, size: len(data)}
	f.marks = append(f.marks, m)
	return m.text
}

// length is that of text once the files are in it.
func (f *imageFiles) length(text []byte) int {
	n := len(text)
	for _, m := range f.marks {
		n += base64.StdEncoding.EncodedLen(m.size) - len(m.text)
	}
	return n
}

// write writes text with the files in it.
func (f *imageFiles) write(ctx context.Context, s *server, w io.Writer, text []byte) error {
	out := bufio.NewWriterSize(w, pieces)
	for i, m := range f.marks {
		before, after, found := bytes.Cut(text, []byte(m.text))
		data := f.first
		if i > 0 {
			f.first = nil
			var err error
			if data, err = s.imageFile(ctx, m.of); err != nil {
				return err
			}
		}
		if !found || len(data) != m.size {
			return fmt.Errorf("the image %d of an answer has changed", i)
		}
		if _, err := out.Write(before); err != nil {
			return err
		}
		coded := base64.NewEncoder(base64.StdEncoding, out)
		if _, err := coded.Write(data); err != nil {
			return err
		}
		if err := coded.Close(); err != nil {
			return err
		}
		text = after
	}
	if _, err := out.Write(text); err != nil {
		return err
	}
	return out.Flush()
}

// answer writes v as JSON, with the files that marks in it stand for. An answer that
// cannot be finished is shorter than it says, and so taken for whole by nobody.
func (s *server) answer(c echo.Context, status int, v any, f *imageFiles) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	text = append(text, '\n')
	w, ctx := c.Response(), c.Request().Context()
	w.Header().Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	w.Header().Set(echo.HeaderContentLength, strconv.Itoa(f.length(text)))
	w.WriteHeader(status)
	if c.Request().Method == http.MethodHead {
		return nil
	}
	if err := f.write(ctx, s, w, text); err != nil && ctx.Err() == nil {
		s.fault(c, "writing an answer", err)
	}
	return nil
}
