package api

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"time"

	"github.com/labstack/echo/v4"
)

// web is the page: modules, styles and a font as browsers take them. There is no
// build step.
//
//go:embed web
var web embed.FS

const (
	pagePath   = "/"
	assetsPath = "/assets/"
	assetRoute = assetsPath + ":version/:name"
	indexFile  = "index.html"

	// pagePolicy lets the page load from this server alone, run no script and no style
	// but files, and show the images that it holds itself.
	pagePolicy = "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'none'; " +
		"frame-ancestors 'none'; require-trusted-types-for 'script'"
)

// assetTypes are the media types of the page's files: those of a system's tables differ.
var assetTypes = map[string]string{
	".html":  "text/html; charset=utf-8",
	".css":   "text/css; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".svg":   "image/svg+xml",
	".woff2": "font/woff2",
}

// pageFiles are the page's files by name. version is the hash of them all: it is part
// of their path, so that they can be kept for good and never mix with another
// version's.
type pageFiles struct {
	files   map[string][]byte
	version string
}

var page = readPage(web)

// readPage reads the files that are embedded: what is wrong with them is wrong with
// the program.
func readPage(in fs.FS) *pageFiles {
	p := &pageFiles{files: map[string][]byte{}}
	all := sha256.New()
	err := fs.WalkDir(in, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if assetTypes[path.Ext(name)] == "" {
			return fmt.Errorf("%s has no media type", name)
		}
		data, err := fs.ReadFile(in, name)
		p.files[path.Base(name)] = data
		fmt.Fprintf(all, "%s %d\n%s", name, len(data), data)
		return err
	})
	if err != nil || p.files[indexFile] == nil {
		panic(fmt.Sprintf("api: the page: %v", err))
	}
	p.version = hex.EncodeToString(all.Sum(nil)[:8])
	p.files[indexFile] = bytes.ReplaceAll(p.files[indexFile], []byte("{{assets}}"), []byte(assetsPath+p.version))
	return p
}

// index answers the page itself, which browsers ask for anew each time.
func (p *pageFiles) index(c echo.Context) error {
	h := c.Response().Header()
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Cache-Control", "no-cache")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	p.serve(c, indexFile)
	return nil
}

// asset answers a file of this version. A page of another version's loads its
// modules when it is opened, and none later.
func (p *pageFiles) asset(c echo.Context) error {
	name := c.Param("name")
	if c.Param("version") != p.version || name == indexFile || p.files[name] == nil {
		return echo.ErrNotFound
	}
	c.Response().Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	p.serve(c, name)
	return nil
}

func (p *pageFiles) serve(c echo.Context, name string) {
	h := c.Response().Header()
	h.Set("Content-Type", assetTypes[path.Ext(name)])
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("ETag", `"`+p.version+`"`)
	http.ServeContent(c.Response(), c.Request(), "", time.Time{}, bytes.NewReader(p.files[name]))
}
