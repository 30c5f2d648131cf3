package api

import (
	"cmp"
	"context"
	"image"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"cosmicman/job"
	"cosmicman/tokenizer"
)

// Queue accepts jobs and tells how far they are. Errors are *[job.Error] or wrap
// one, except the context's.
type Queue interface {
	Submit(ctx context.Context, s job.Submission) (job.Status, error)
	// Get is job.NotFound for a job that is not kept.
	Get(ctx context.Context, id job.ID) (job.Status, error)
	// Watch tells the present state and every later one, until the terminal one, the
	// end of ctx (then the watcher leaves, and a job that nobody else waits for is
	// cancelled), or an update whose Status.Error says why nothing more will come.
	Watch(ctx context.Context, id job.ID, watcher string) (<-chan job.Update, error)
	Cancel(ctx context.Context, id job.ID) error
}

// Artifacts holds finished images and uploads.
type Artifacts interface {
	// Get is job.NotFound for what has expired.
	Get(ctx context.Context, name string) ([]byte, error)
	// Put stores data whole for a time; job.Overloaded when there is no room.
	Put(ctx context.Context, name string, data []byte, ttl time.Duration) error
	Delete(ctx context.Context, name string) error
}

// Config of the routes.
type Config struct {
	Queue     Queue // nil with no model
	Artifacts Artifacts

	// Keep is how long a job that has ended is known, and its images kept.
	Keep time.Duration

	// PublicURL is how clients reach this server, such as https://images.example.org,
	// for the URLs in answers; "": by the host that each request names.
	PublicURL string

	// Prepare completes a job before it is accepted: the model, if none or an alias is
	// named, the size, and the estimated seconds. like is the size of the picture to
	// begin from, zero for none: it stands for a size that is not given. Its *job.Error
	// says why a job cannot be drawn.
	Prepare func(ctx context.Context, s *job.Spec, like image.Point) error
	// Models lists what can be drawn with, the default first; nil: nothing.
	Models func(ctx context.Context) ([]Model, error)
	// LoRAs lists what requests may name in their field lora; nil: nothing.
	LoRAs func(ctx context.Context) ([]LoRA, error)
	// Tokenizer is that of a model's first text encoder, the default model's for ""; nil:
	// CLIP's for all.
	Tokenizer func(ctx context.Context, model string) (*tokenizer.Tokenizer, error)
	// Room says why no image file of some bytes could be stored now; nil: one could. nil
	// itself: nobody knows.
	Room func(ctx context.Context, bytes int64) error
	// Ready says why no image can be drawn now; nil: one can. nil itself: never ready.
	Ready func(ctx context.Context) error
	// Stopping ends when no more jobs are accepted, Stopped when those that were are
	// waited for no longer; nil: never.
	Stopping, Stopped context.Context

	// Metrics answers GET /metrics; nil: there is none. Meter counts a request from now
	// until the function that it returns is told the route, the status and the bytes;
	// nil: none are counted.
	Metrics http.Handler
	Meter   func(method string) func(route string, status int, bytes int64)
	// Trace begins a request's span: the traceparent for its jobs, and the span's end;
	// nil: there are no spans.
	Trace func(method string, h http.Header) (traceparent string, end func(route string, status int))

	// Keys are the API keys; with none, everybody may do everything. PerMinute and
	// Concurrent are the limits of those that have none of their own; 0: none.
	Keys                  []Key
	PerMinute, Concurrent int

	Hosts   []string // names that requests may have in Host, "localhost" for all of loopback's; nil: any
	Origins []string // other sites, such as https://example.org, whose pages may call; "*": any

	Log *slog.Logger // nil: nothing is logged

	// FetchURLs lets clients name images by http and https URLs, which this server then
	// fetches from public addresses; without it they send the images themselves.
	FetchURLs bool

	patience     time.Duration // see impatient; 0: writeFor
	beat         time.Duration // between comments of a stream; 0: beatEvery
	uploadMemory int64         // 0: the constant
	fetcher      fetcher       // zero: from public addresses
}

// New returns the routes:
//
//	GET  /                      the page: draws, or tells how to get a model
//	GET  /assets/{version}/{name} its files
//	GET  /healthz               alive
//	GET  /readyz                images can be drawn, or why not
//	GET  /metrics               for Prometheus
//	GET  /openapi.json          the description of these routes, /swagger/ for people
//	POST /v1/images/generations from text
//	POST /v1/images/edits       from a picture and text
//	POST /v1/images/variations  from a picture
//	GET  /v1/images/files/{name} what the URLs in answers point to
//	POST /v1/prompts            what is understood of a prompt
//	GET  /v1/prompts            what body and outfit may say
//	GET  /v1/models, /v1/models/{id} what can be drawn with
//	GET, DELETE /v1/jobs/{id}   how far a job is; cancel it
//	GET  /v1/jobs/{id}/events   the same as it happens
func New(c Config) http.Handler { return newRoutes(c) }

func newRoutes(c Config) *echo.Echo {
	if c.Stopping == nil {
		c.Stopping = context.Background()
	}
	if c.Stopped == nil {
		c.Stopped = context.Background()
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.patience = cmp.Or(c.patience, writeFor)
	c.beat = cmp.Or(c.beat, beatEvery)
	s := &server{Config: c, routes: map[string]bool{}, allowed: allowances(&c)}
	s.memory.left.Store(cmp.Or(c.uploadMemory, uploadMemory))
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = s.fail
	if c.Meter == nil {
		s.Meter = func(string) func(string, int, int64) { return func(string, int, int64) {} }
	}
	if c.Trace == nil {
		s.Trace = func(string, http.Header) (string, func(string, int)) { return "", func(string, int) {} }
	}
	e.Pre(s.metered)
	s.door(e)
	read := []string{http.MethodGet, http.MethodHead}
	if c.Metrics != nil {
		e.Match(read, "/metrics", echo.WrapHandler(c.Metrics))
	}
	e.Match(read, pagePath, page.index)
	e.Match(read, assetRoute, page.asset)
	e.Match(read, "/openapi.json", document)
	e.Match(read, "/swagger", func(c echo.Context) error { return c.Redirect(http.StatusMovedPermanently, "swagger/") })
	e.Match(read, swaggerPath+"*", swaggerUI)
	e.Match(read, "/healthz", s.healthz)
	e.Match(read, "/readyz", s.readyz)
	e.POST(routePaths[generations], s.generations)
	e.POST(routePaths[edits], s.edits)
	e.POST(routePaths[variations], s.variations)
	e.GET(filesPath+":name", s.file)
	e.HEAD(filesPath+":name", s.file)
	e.POST(promptsPath, s.explain)
	e.Match(read, promptsPath, s.vocabulary)
	e.Match(read, modelsPath, s.listModels)
	e.Match(read, lorasPath, s.listLoRAs)
	e.Match(read, modelsPath+"/*", s.getModel)
	e.Match(read, jobsPath+":id", s.getJob)
	e.DELETE(jobsPath+":id", s.cancelJob)
	e.GET(jobsPath+":id/events", s.jobEvents)
	for _, r := range e.Routes() {
		s.routes[r.Path] = true
	}
	return e
}

type server struct {
	Config
	routes  map[string]bool       // patterns
	allowed map[string]*allowance // by tenant
	memory  memory
}

// healthz says that the process is alive, and nothing of its store.
//
//	@Summary	Alive
//	@Description	Says nothing of the store.
//	@Tags	operations
//	@Produce plain
//	@Success 200 {string} string "ok"
//	@Router	/healthz [get]
func (s *server) healthz(c echo.Context) error { return c.String(http.StatusOK, "ok\n") }

// readyz answers in text, for probes and people.
//
//	@Summary	Ready
//	@Description	The store can be reached, and a model can be drawn with.
//	@Tags	operations
//	@Produce plain
//	@Success 200 {string} string "ready"
//	@Failure 503 {string} string "why not"
//	@Router	/readyz [get]
func (s *server) readyz(c echo.Context) error {
	var err error = errNoModel
	switch {
	case s.Stopping.Err() != nil:
		err = errStopping
	case s.Ready != nil:
		err = s.Ready(c.Request().Context())
	}
	if err != nil {
		return c.String(http.StatusServiceUnavailable, "not ready: "+publicText(err)+"\n")
	}
	return c.String(http.StatusOK, "ready\n")
}
