package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxImageURL is OpenAI's limit, in characters.
const maxImageURL = 20971520

// imageURLs reads images of a JSON body: one to most objects {"image_url": URL}. The
// error names the element, such as images[0].image_url.
func imageURLs(field string, raw json.RawMessage, most int) ([]string, error) {
	var elements []json.RawMessage
	if len(raw) == 0 || raw[0] != '[' || json.Unmarshal(raw, &elements) != nil {
		return nil, invalid(field, "%s must be an array of objects such as {\"image_url\": \"data:image/png;base64,...\"}", field)
	}
	if len(elements) < 1 || len(elements) > most {
		expected := "1"
		if most > 1 {
			expected = fmt.Sprintf("1 to %d", most)
		}
		return nil, invalid(field, "%s has %d elements, expected %s", field, len(elements), expected)
	}
	var urls []string
	for i, e := range elements {
		url, err := imageURL(fmt.Sprintf("%s[%d]", field, i), e)
		if err != nil {
			return nil, err
		}
		urls = append(urls, url)
	}
	return urls, nil
}

// imageURL reads one object {"image_url": URL}.
func imageURL(field string, raw json.RawMessage) (string, error) {
	members, err := object(raw)
	var wrong *apiError
	if errors.As(err, &wrong) && wrong.param != "" {
		return "", invalid(field+"."+wrong.param, "in %s %s", field, wrong.message)
	}
	if err != nil {
		return "", invalid(field, "%s must be an object such as {\"image_url\": \"data:image/png;base64,...\"}", field)
	}
	url := ""
	for _, m := range members {
		name := field + "." + shortened(m.name)
		switch {
		case m.name == "file_id":
			return "", invalid(name, "%s is not supported: this server keeps no files; send the image itself as image_url", name)
		case m.name != "image_url":
			return "", invalid(name, "unknown field %.60q in %s, expected image_url", m.name, field)
		case json.Unmarshal(m.raw, &url) != nil || m.raw[0] != '"':
			return "", invalid(name, "%s must be a string", name)
		}
	}
	if url == "" {
		return "", invalid(field+".image_url", "%s.image_url is required", field)
	}
	return url, nil
}

// dataTypes are the media types that a data URL may have.
var dataTypes = []string{"image/png", "image/jpeg", "image/webp"}

// readURL returns the image file that a URL holds, or that it points to where such
// URLs are switched on. Nothing of the URL is told in errors: it may hold secrets.
func (s *server) readURL(ctx context.Context, l *loan, url, field string) ([]byte, error) {
	if len(url) > maxImageURL {
		return nil, invalid(field, "%s has %d characters, at most %d are accepted", field, len(url), maxImageURL)
	}
	scheme, rest, _ := strings.Cut(url, ":")
	switch strings.ToLower(scheme) {
	case "data":
		return dataURL(l, rest, field)
	case "http", "https":
		if s.FetchURLs {
			return s.fetcher.fetch(ctx, l, url, field)
		}
		return nil, invalid(field, "%s is a URL of another server, and this one fetches none: send the image itself, as a file or a data URL", field)
	}
	return nil, invalid(field, "%s must be a data URL such as data:image/png;base64,...", field)
}

// dataURL decodes what is behind "data:", in the one form that clients write:
// TYPE;base64,DATA in the standard alphabet, padded, without line ends.
func dataURL(l *loan, rest, field string) ([]byte, error) {
	kind, text, found := strings.Cut(rest, ",")
	kind, coded := strings.CutSuffix(kind, ";base64")
	if !found || !coded || !slices.Contains(dataTypes, strings.ToLower(kind)) {
		return nil, invalid(field, "%s must begin with data:image/png;base64, or the same with jpeg or webp", field)
	}
	n := base64.StdEncoding.DecodedLen(len(text))
	if err := l.take(int64(n)); err != nil {
		return nil, err
	}
	data := make([]byte, n)
	n, err := base64.StdEncoding.Strict().Decode(data, []byte(text))
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil, invalid(field, "%s holds no valid base64: expected the standard alphabet, padded with =, without spaces and line ends", field)
	}
	if n == 0 {
		return nil, invalid(field, "%s holds an empty image", field)
	}
	return data[:n], nil
}
