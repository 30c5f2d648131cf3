package api

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
)

// Patience is with pieces of an answer: what a stream waits between them does not
// count, over HTTP/2 neither.
func TestAStreamMayRest(t *testing.T) {
	for _, two := range []bool{false, true} {
		s := &server{Config: Config{patience: 100 * time.Millisecond}}
		e := echo.New()
		e.Use(s.impatient)
		e.GET("/", func(c echo.Context) error {
			out := events(c)
			for range 3 {
				if err := out.send("e", "data"); err != nil {
					return err
				}
				time.Sleep(300 * time.Millisecond)
			}
			return nil
		})
		h := httptest.NewUnstartedServer(e)
		h.EnableHTTP2 = two
		if two {
			h.StartTLS()
		} else {
			h.Start()
		}
		for range 2 { // the second time on the same connection
			res, err := h.Client().Get(h.URL)
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(res.Body)
			if err != nil || strings.Count(string(data), "event: e\ndata: \"data\"\n\n") != 3 || res.ProtoMajor == 2 != two || res.StatusCode != http.StatusOK {
				t.Errorf("%s: %d %q, %v", res.Proto, res.StatusCode, data, err)
			}
			if err := res.Body.Close(); err != nil {
				t.Error(err)
			}
		}
		h.CloseClientConnections()
		h.Close()
	}
}
