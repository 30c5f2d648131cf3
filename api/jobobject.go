package api

import (
	"context"
	"errors"

	"cosmicman/job"
)

// jobObject is a job as clients see it, shaped like OpenAI's video job: all fields are
// always there, null where there is nothing to say.
type jobObject struct {
	ID          job.ID          `json:"id" validate:"required"`
	Object      string          `json:"object" validate:"required"` // image.job
	Status      job.State       `json:"status" validate:"required"` // queued, in_progress, completed, failed, cancelled or expired
	Progress    int             `json:"progress" validate:"required"`
	Position    int             `json:"position" validate:"required"`                             // images before its first queued one
	CreatedAt   int64           `json:"created_at" validate:"required"`                           // seconds, as all times
	CompletedAt *int64          `json:"completed_at" validate:"required" extensions:"x-nullable"` // when it ended, whichever way
	ExpiresAt   *int64          `json:"expires_at" validate:"required" extensions:"x-nullable"`   // from when on neither it nor its images are known
	Model       string          `json:"model" validate:"required"`
	Error       *errorBody      `json:"error" validate:"required" extensions:"x-nullable"`  // OpenAI's error: why there are no images
	Result      *imagesResponse `json:"result" validate:"required" extensions:"x-nullable"` // of a completed one: what a request that waits is answered with
}

// object is st for clients. A completed job whose images are not kept any more has
// expired.
func (s *server) object(ctx context.Context, st job.Status) (*jobObject, error) {
	o := &jobObject{
		ID: st.ID, Object: "image.job", Status: st.State, Progress: percent(&st), Position: st.Position,
		CreatedAt: st.Created.Unix(), Model: st.Spec.Model,
	}
	if !st.State.Terminal() {
		return o, nil
	}
	ended := st.Ended.Unix()
	o.CompletedAt = &ended
	if st.State != job.Failed { // these are kept longer, for the operator
		until := st.Ended.Add(s.Keep).Unix()
		o.ExpiresAt = &until
	}
	err := outcome(context.Background(), st)
	if err == nil {
		o.Result, err = s.response(ctx, st)
		if !errors.Is(err, errResultExpired) && err != nil {
			return nil, err
		}
	}
	if err != nil {
		o.Error = shown(err, nil).body()
	}
	if errors.Is(err, errResultExpired) {
		o.Status = job.Expired
	}
	return o, nil
}

// files are those of the result.
func (o *jobObject) files() *imageFiles {
	if o.Result == nil {
		return &imageFiles{}
	}
	return &o.Result.files
}

// percent is how much of a job is done, 100 only when all is.
func percent(st *job.Status) int {
	if st.State == job.Completed {
		return 100
	}
	done := 0.0
	for _, image := range st.Images {
		switch p := image.Progress; {
		case image.State == job.Completed:
			done++
		case p.All > 0:
			done += min(1, float64(p.Done)/float64(p.All))
		}
	}
	return min(99, int(100*done/float64(max(1, len(st.Images)))))
}
