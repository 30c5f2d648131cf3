package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"cosmicman/job"
)

// apiError is an error as a client may see it.
type apiError struct {
	status            int
	kind, code, param string
	message           string
	retryAfter        time.Duration // 0: nothing is said
	final             bool          // clients that retry this status by themselves must not
}

func (e *apiError) Error() string { return e.message }

func invalid(param, format string, args ...any) error {
	return &apiError{status: http.StatusBadRequest, kind: "invalid_request_error", param: param, message: fmt.Sprintf(format, args...)}
}

// table says what the kinds of errors are for clients. OpenAI's libraries repeat a
// request by themselves after 408, 409, 429 and 5xx, so these stand only where that
// may help, or with a header that forbids it.
var table = map[job.Kind]apiError{
	job.Invalid:     {status: http.StatusBadRequest, kind: "invalid_request_error"},
	job.NotFound:    {status: http.StatusNotFound, kind: "invalid_request_error", code: "not_found"},
	job.NoModel:     {status: http.StatusNotFound, kind: "invalid_request_error", code: "model_not_found", param: "model"},
	job.Conflict:    {status: http.StatusUnprocessableEntity, kind: "invalid_request_error", code: "idempotency_conflict"},
	job.Overloaded:  {status: http.StatusTooManyRequests, kind: "rate_limit_error", code: "overloaded", retryAfter: time.Second},
	job.Unavailable: {status: http.StatusServiceUnavailable, kind: "server_error", code: "unavailable", retryAfter: 5 * time.Second},
	job.Lost:        {status: http.StatusServiceUnavailable, kind: "server_error", code: "lost", retryAfter: time.Second},
	job.TooNew:      {status: http.StatusServiceUnavailable, kind: "server_error", code: "unavailable", retryAfter: time.Minute},
	// Another worker may have more memory, but the same worker does not get more.
	job.OutOfMemory: {status: http.StatusServiceUnavailable, kind: "server_error", code: "out_of_memory", final: true},
	// The queue has made all attempts that it makes.
	job.Engine:  {status: http.StatusInternalServerError, kind: "server_error", code: "generation_failed", final: true},
	job.Crashed: {status: http.StatusInternalServerError, kind: "server_error", code: "generation_failed", final: true},
	// Not 408: the request came in time, it is this side that was too slow. What is
	// past its deadline is not wanted any more.
	job.PastDue: {status: http.StatusGatewayTimeout, kind: "server_error", code: "deadline_exceeded", final: true},
	// Somebody else took the job away; who waited for it is still here.
	job.Withdrawn: {status: http.StatusGone, kind: "invalid_request_error", code: "cancelled"},
	job.Fenced:    {status: http.StatusInternalServerError, kind: "server_error"},
}

// errStopping is why nothing is accepted or waited for when the server ends.
var errStopping = job.Errorf(job.Unavailable, "the server is shutting down")

var errNoModel = &apiError{status: http.StatusServiceUnavailable, kind: "server_error", code: "no_model",
	message: "this server was started without a model; start it with --model DIR", final: true}

// shown is the error that a client sees, by the table. Causes stay out of it.
func shown(err error, r *http.Request) *apiError {
	var own *apiError
	if errors.As(err, &own) {
		return own
	}
	var typed *job.Error
	if errors.As(err, &typed) {
		e, known := table[typed.Kind]
		if !known {
			e = table[job.Fenced]
		}
		e.message, e.param = typed.Message, cmp.Or(typed.Field, e.param)
		if e.retryAfter > 0 && typed.RetryAfter > 0 {
			e.retryAfter = typed.RetryAfter
		}
		return &e
	}
	var routing *echo.HTTPError
	if errors.As(err, &routing) {
		return &apiError{status: routing.Code, kind: "invalid_request_error", code: routingCodes[routing.Code],
			message: fmt.Sprintf("%.20s %.200s: %s", r.Method, r.URL.Path, http.StatusText(routing.Code))}
	}
	return &apiError{status: http.StatusInternalServerError, kind: "server_error", message: "the image could not be drawn"}
}

// routingCodes are the codes of what has no route.
var routingCodes = map[int]string{http.StatusNotFound: "unknown_url", http.StatusMethodNotAllowed: "method_not_allowed"}

// publicText is what may be told of an error.
func publicText(err error) string { return shown(err, &http.Request{}).message }

// fail writes err in OpenAI's shape. Causes of server errors go to the log only.
func (s *server) fail(err error, c echo.Context) {
	r := c.Request()
	if c.Response().Committed || errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // nobody is there to read it
	}
	e := shown(err, r)
	if e.status >= http.StatusInternalServerError {
		s.fault(c, "a request failed", err)
	}
	h := c.Response().Header()
	if e.retryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64(math.Ceil(e.retryAfter.Seconds())), 10))
		h.Set("Retry-After-Ms", strconv.FormatInt(int64(math.Ceil(float64(e.retryAfter)/float64(time.Millisecond))), 10))
	}
	if e.final {
		h.Set("X-Should-Retry", "false")
	}
	if werr := refuse(c, e); werr != nil {
		s.fault(c, "writing an error", werr)
	}
}

// refuse sends an error at once, also to who has not sent all of a body, and then lets
// them go on with it.
func refuse(c echo.Context, e *apiError) error {
	text, err := json.Marshal(errorAnswer{e.body()})
	if err != nil {
		return err
	}
	text = append(text, '\n')
	control := http.NewResponseController(c.Response())
	_ = control.EnableFullDuplex() // HTTP/2 always is
	c.Response().Header().Set("Content-Length", strconv.Itoa(len(text)))
	if err := c.JSONBlob(e.status, text); err != nil {
		return err
	}
	if err := control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	drain(c.Response(), c.Request())
	return nil
}

// errorAnswer is what every error is answered with, in OpenAI's shape.
type errorAnswer struct {
	Error *errorBody `json:"error" validate:"required"`
}

// errorBody has all four fields always; two may be null.
type errorBody struct {
	Message string  `json:"message" validate:"required"`
	Type    string  `json:"type" validate:"required"`
	Param   *string `json:"param" validate:"required" extensions:"x-nullable"` // the field that is wrong
	Code    *string `json:"code" validate:"required" extensions:"x-nullable"`
}

func (e *apiError) body() *errorBody {
	null := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	return &errorBody{Message: e.message, Type: e.kind, Param: null(e.param), Code: null(e.code)}
}

// streamFailed tells err to a client whose stream has begun.
func (s *server) streamFailed(c echo.Context, out *eventStream, err error) {
	e := shown(err, c.Request())
	if e.status >= http.StatusInternalServerError {
		s.fault(c, "a stream failed", err)
	}
	if err := out.send("error", map[string]any{"type": "error", "error": e.body()}); err != nil {
		s.fault(c, "writing an error into a stream", err)
	}
}
