package api

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	swagger "github.com/swaggo/files/v2"

	"cosmicman/openapi"
)

const swaggerPath = "/swagger/"

// documentPolicy lets Swagger UI run, which writes styles into its page, and nothing
// from elsewhere.
const documentPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const swaggerPage = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>cosmicman: the API</title>
<link rel="stylesheet" href="swagger-ui.css"><link rel="icon" href="favicon-32x32.png"></head>
<body><div id="swagger-ui"></div><script src="swagger-ui-bundle.js"></script><script src="swagger-initializer.js"></script></body></html>
`

const swaggerStart = `window.ui = SwaggerUIBundle({url: "../openapi.json", dom_id: "#swagger-ui", deepLinking: true, tryItOutEnabled: true, persistAuthorization: false, validatorUrl: null});
`

// swaggerFiles are what the page loads, and nothing else that the library brings.
var swaggerFiles = map[string]string{
	"swagger-ui.css": "text/css; charset=utf-8", "swagger-ui-bundle.js": "text/javascript; charset=utf-8", "favicon-32x32.png": "image/png",
}

func document(c echo.Context) error {
	c.Response().Header().Set("Cache-Control", "no-cache")
	return c.Blob(http.StatusOK, "application/json", openapi.Document)
}

func swaggerUI(c echo.Context) error {
	h := c.Response().Header()
	h.Set("Content-Security-Policy", documentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache")
	switch name := c.Param("*"); name {
	case "", "index.html":
		return c.HTML(http.StatusOK, swaggerPage)
	case "swagger-initializer.js":
		return c.Blob(http.StatusOK, "text/javascript; charset=utf-8", []byte(swaggerStart))
	default:
		kind, is := swaggerFiles[name]
		if !is {
			return echo.ErrNotFound
		}
		data, err := fs.ReadFile(swagger.FS, name)
		if err != nil {
			return fmt.Errorf("swagger UI: %w", err)
		}
		h.Set("Content-Type", kind)
		http.ServeContent(c.Response(), c.Request(), name, time.Time{}, bytes.NewReader(data))
		return nil
	}
}
