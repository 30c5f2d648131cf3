package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"cosmicman/job"
)

const jobsPath = "/v1/jobs/"

// errNoJob is the same for a job that was never there, that is not kept any more, and
// that is another tenant's: nothing is told of those.
var errNoJob = &apiError{status: http.StatusNotFound, kind: "invalid_request_error", code: "not_found",
	message: "there is no such job, or it is no longer kept"}

// accepted answers with a job that is drawn without the client: 202 and where to ask.
func (s *server) accepted(c echo.Context, st job.Status) error {
	concerns(c, st)
	o, err := s.object(c.Request().Context(), st)
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("Location", s.PublicURL+jobsPath+string(st.ID))
	h.Set("Preference-Applied", "respond-async")
	return s.answer(c, http.StatusAccepted, o, o.files())
}

// getJob tells how far a job is, and of a completed one the images.
//
//	@Summary	How far a job is
//	@Description	And of a completed one the images.
//	@Tags	jobs
//	@Produce json
//	@Param id path string true "of the job"
//	@Success 200 {object} jobObject "the job"
//	@Failure 401,403,404,410,429,500,503 {object} errorAnswer "there is none"
//	@Router	/v1/jobs/{id} [get]
func (s *server) getJob(c echo.Context) error {
	st, err := s.job(c)
	if err != nil {
		return err
	}
	return s.tellJob(c, st)
}

// cancelJob ends a job, and tells what is then: one that has ended stays as it is,
// however often this is called.
//
//	@Summary	Cancel a job
//	@Description	Queued images are not started, running ones stop after the present step. A job that has ended stays as it is.
//	@Tags	jobs
//	@Produce json
//	@Param id path string true "of the job"
//	@Success 200 {object} jobObject "the job as it is now"
//	@Failure 401,403,404,410,429,500,503 {object} errorAnswer "there is none"
//	@Router	/v1/jobs/{id} [delete]
func (s *server) cancelJob(c echo.Context) error {
	st, err := s.job(c)
	if err != nil {
		return err
	}
	if !st.State.Terminal() {
		ctx := c.Request().Context()
		if err := bridged(ctx, func() error { return s.Queue.Cancel(ctx, st.ID) }); err != nil {
			return unknown(err)
		}
		if st, err = s.job(c); err != nil {
			return err
		}
	}
	return s.tellJob(c, st)
}

func (s *server) tellJob(c echo.Context, st job.Status) error {
	ctx := c.Request().Context()
	s.settled(ctx, st)
	o, err := s.object(ctx, st)
	if err != nil {
		return err
	}
	return s.answer(c, http.StatusOK, o, o.files())
}

// job is the one that the path names, if it is the client's.
func (s *server) job(c echo.Context) (st job.Status, err error) {
	id, err := job.ParseID(c.Param("id"))
	if err != nil || s.Queue == nil {
		return st, errNoJob
	}
	ctx := c.Request().Context()
	err = bridged(ctx, func() (err error) {
		st, err = s.Queue.Get(ctx, id)
		return err
	})
	switch {
	case err != nil:
		return st, unknown(err)
	case st.Spec.Tenant != tenant(c):
		return st, errNoJob
	}
	concerns(c, st)
	return st, nil
}

// unknown makes one error of the queue's for jobs that it has not.
func unknown(err error) error {
	if kind := job.KindOf(err); kind == job.NotFound || kind == job.Lost {
		return errNoJob
	}
	return err
}

const (
	jobKey    = "job"    // of an echo.Context: the job.ID that a request is about
	tenantKey = "tenant" // whose request it is
)

// concerns notes which job a request is about.
func concerns(c echo.Context, st job.Status) { c.Set(jobKey, st.ID) }

// tenant is whose request it is: the name of the API key, "" where none is needed.
func tenant(c echo.Context) string {
	name, _ := c.Get(tenantKey).(string)
	return name
}
