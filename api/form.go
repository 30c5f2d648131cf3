package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// The bounds of a form.
const (
	maxFile       = 50 << 20 // bytes, OpenAI's limit of an image
	maxForm       = 2*maxFile + 2<<20
	maxParts      = 64
	maxPartHeader = 16 << 10 // bytes of one part's header, and of what is before the first
	maxBoundary   = 70       // RFC 2046's
	slowestUpload = 32 << 10 // bytes a second; less for long is given up
)

// formFields says what a form may hold.
type formFields struct {
	files map[string]int          // how many files of each name are accepted
	text  func(name string) error // why a part of this name is none of the form's; nil: it is
}

// form is a multipart/form-data body that has been read.
type form struct {
	members []member // the text parts, in the order in which they were given
	files   map[string][]formFile
	loan    *loan
}

// formFile is a file part. Field is its name as it was given, such as image[].
type formFile struct {
	field string
	data  []byte
}

// close gives the memory of the files back.
func (f *form) close() {
	f.files = nil
	f.loan.release()
}

// readForm reads a form strictly and in bounded memory: parts that are known, each
// given as often as accepted, files as files and text as text. `image[]`, by which
// OpenAI's libraries send lists, is another name of `image`, but not beside it. A
// form that is returned must be closed.
func (s *server) readForm(w http.ResponseWriter, r *http.Request, fields formFields) (*form, error) {
	if mediaType(r) != "multipart/form-data" {
		return nil, &apiError{status: http.StatusUnsupportedMediaType, kind: "invalid_request_error", message: "the Content-Type must be multipart/form-data"}
	}
	if err := plainEncoding(r); err != nil {
		return nil, err
	}
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || params["boundary"] == "" || len(params["boundary"]) > maxBoundary {
		return nil, invalid("", "the Content-Type multipart/form-data must name the boundary, 1 to %d characters", maxBoundary)
	}
	if r.ContentLength > maxForm {
		return nil, tooLarge(maxForm)
	}
	body := &formBody{r: http.MaxBytesReader(w, r.Body, maxForm), deadline: http.NewResponseController(w).SetReadDeadline, began: time.Now(),
		closing: []byte("\r\n--" + params["boundary"] + "--"), carry: []byte("\r\n")}
	f := &form{files: map[string][]formFile{}, loan: s.memory.loan()}
	err = f.read(multipart.NewReader(body, params["boundary"]), body, fields)
	if err != nil {
		err = body.blame(err)
		f.close()
		return nil, err
	}
	return f, nil
}

func (f *form) read(parts *multipart.Reader, body *formBody, fields formFields) error {
	left := maxBody
	for n := 0; ; n++ {
		body.header = maxPartHeader + readAhead
		p, err := parts.NextRawPart()
		body.header = -1
		switch {
		case err == io.EOF:
			return body.ended()
		case err != nil:
			return err
		case n == maxParts:
			return invalid("", "the form has over %d parts", maxParts)
		}
		name, isFile, err := checkPart(p)
		if err != nil {
			return err
		}
		known, many := strings.CutSuffix(name, "[]")
		if limit, is := fields.files[known]; is && (known == name || many && known == "image") {
			err = f.file(p, name, known, isFile, limit)
		} else {
			left, err = f.text(p, name, isFile, left, fields.text)
		}
		if err != nil {
			return err
		}
	}
}

// checkPart reads a part's header.
func checkPart(p *multipart.Part) (name string, isFile bool, err error) {
	if len(p.Header["Content-Disposition"]) != 1 {
		return "", false, invalid("", "a part of the form has no Content-Disposition, or several")
	}
	kind, params, err := mime.ParseMediaType(p.Header.Get("Content-Disposition"))
	name = params["name"]
	if err != nil || kind != "form-data" || name == "" {
		return "", false, invalid("", "a part of the form has no name: expected Content-Disposition: form-data; name=...")
	}
	for _, header := range []string{"Content-Transfer-Encoding", "Content-Type", "Content-Encoding"} {
		if len(p.Header[header]) > 1 {
			return "", false, invalid(shortened(name), "the part %.60q has several headers %s", shortened(name), header)
		}
	}
	// What RFC 7578 leaves over of MIME's encodings are those that change nothing.
	encoding := strings.ToLower(p.Header.Get("Content-Transfer-Encoding"))
	if !slices.Contains([]string{"", "binary", "8bit", "7bit"}, encoding) || p.Header.Get("Content-Encoding") != "" {
		return "", false, invalid(shortened(name), "the part %.60q is encoded, expected its bytes as they are", shortened(name))
	}
	if kind := strings.ToLower(p.Header.Get("Content-Type")); strings.HasPrefix(kind, "multipart/") || strings.HasPrefix(kind, "message/") {
		return "", false, invalid(shortened(name), "the part %.60q holds parts itself, expected one file or text", shortened(name))
	}
	_, isFile = params["filename"]
	return name, isFile, nil
}

// file reads a file part. What the client says of its type and name counts for
// nothing: its bytes do.
func (f *form) file(p io.Reader, field, known string, isFile bool, limit int) error {
	given := f.files[known]
	switch {
	case !isFile:
		return invalid(field, "%s must be sent as a file: its part has no filename", field)
	case len(given) > 0 && given[0].field != field:
		return invalid(field, "%s and %s are both given, expected one of them", given[0].field, field)
	case len(given) == limit && limit == 1:
		return invalid(field, "%s is given twice, one is accepted", field)
	case len(given) == limit:
		return invalid(field, "%s is given %d times, at most %d are accepted", field, limit+1, limit)
	}
	data, err := f.loan.read(p, maxFile)
	switch {
	case err != nil:
		return err
	case len(data) > maxFile:
		return &apiError{status: http.StatusRequestEntityTooLarge, kind: "invalid_request_error", param: field,
			message: fmt.Sprintf("%s is over %d bytes", field, maxFile)}
	case len(data) == 0:
		return invalid(field, "%s is empty", field)
	}
	f.files[known] = append(given, formFile{field, data})
	return nil
}

// text reads a text part of at most left bytes, and returns what is left then.
func (f *form) text(p io.Reader, name string, isFile bool, left int, known func(string) error) (int, error) {
	if err := known(name); err != nil {
		return 0, err
	}
	switch {
	case isFile:
		return 0, invalid(name, "%s must be sent as text: its part has a filename", name)
	case !ofList(name) && slices.ContainsFunc(f.members, func(m member) bool { return m.name == name }):
		return 0, invalid(name, "the field %.60q is given twice", name)
	}
	data, err := io.ReadAll(io.LimitReader(p, int64(left)+1))
	switch {
	case err != nil:
		return 0, err
	case len(data) > left:
		return 0, invalid(name, "with %s the text of the form is over %d bytes", name, maxBody)
	case !utf8.Valid(data):
		return 0, invalid(name, "%s is not UTF-8", name)
	}
	f.members = append(f.members, member{name, value{raw: data, form: true}})
	return left - len(data), nil
}

func tooLarge(limit int64) error {
	return &apiError{status: http.StatusRequestEntityTooLarge, kind: "invalid_request_error", message: fmt.Sprintf("the body is over %d bytes", limit)}
}

// formBody counts the bytes of headers, which package multipart bounds by 10 MB only,
// and gives a client that sends on more time.
type formBody struct {
	r        io.Reader
	header   int // that may be read still; -1: no header is being read
	err      error
	deadline func(time.Time) error
	began    time.Time
	n        int64
	closing  []byte // the last boundary
	carry    []byte // what was read, as much as may be its beginning
	closed   bool   // it was read
	more     bool   // and more than white space behind it
}

var errLongHeader = errors.New("a part's header is too long")

// readAhead is what package multipart reads besides the header.
const readAhead = 8 << 10

func (b *formBody) Read(p []byte) (int, error) {
	if b.header == 0 {
		b.err = errLongHeader
		return 0, b.err
	}
	if b.header > 0 {
		p = p[:min(len(p), b.header)]
	}
	before := b.n / (1 << 20)
	n, err := b.r.Read(p)
	b.n += int64(n)
	b.watch(p[:n])
	if b.header > 0 {
		b.header -= n
	}
	if b.n/(1<<20) > before {
		// Unsupported is as good as done: then nothing ends the reading early.
		_ = b.deadline(b.began.Add(time.Minute + time.Duration(b.n/slowestUpload)*time.Second))
	}
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// watch looks for the last boundary and what is behind it.
func (b *formBody) watch(p []byte) {
	if !b.closed {
		b.carry = append(b.carry, p...)
		at := bytes.Index(b.carry, b.closing)
		if at < 0 {
			b.carry = append(b.carry[:0], b.carry[max(0, len(b.carry)-len(b.closing)+1):]...)
			return
		}
		b.closed, p = true, b.carry[at+len(b.closing):]
	}
	b.more = b.more || len(bytes.TrimLeft(p, " \t\r\n")) > 0
}

var errNoEnd = errors.New("the last boundary is missing, or something is behind it")

// ended checks that a form that package multipart calls ended has its last boundary,
// which it has not where a header is cut off, and nothing behind it.
func (b *formBody) ended() error {
	if _, err := io.Copy(io.Discard, b); err != nil {
		return err
	}
	if !b.closed || b.more {
		return errNoEnd
	}
	return nil
}

// blame is the error of a form as a client may see it.
func (b *formBody) blame(err error) error {
	var own *apiError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &own):
		return err
	case errors.As(b.err, &large):
		return tooLarge(maxForm)
	case errors.Is(b.err, errLongHeader):
		return invalid("", "the header of a part of the form is over %d bytes, or something else than a part begins the form", maxPartHeader)
	case b.err != nil:
		return invalid("", "the body could not be read")
	}
	return invalid("", "the body is not one whole multipart/form-data form: a boundary or a part's end is missing, or something follows the last one")
}
