package redisq

import (
	"context"
	"encoding/json"

	"github.com/redis/go-redis/v9"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// Beat is that of [scheduler.Source].
func (s *Store) Beat(ctx context.Context, w scheduler.Worker, leases []job.Ref) (lost []job.Ref, err error) {
	description, err := json.Marshal(w)
	if err != nil {
		return nil, &job.Error{Kind: job.Invalid, Field: "worker", Message: "the worker cannot be written as JSON", Cause: err}
	}
	offers := []string{}
	for _, o := range w.Models {
		if o.LoadSeconds <= 0 {
			offers = append(offers, "L\x00"+escape(o.Model))
		}
		offers = append(offers, "F\x00"+escape(o.Model)+"\x00"+escape(w.Fingerprint))
	}
	list, err := json.Marshal(offers)
	if err != nil {
		return nil, &job.Error{Kind: job.Invalid, Field: "worker", Message: "the worker's models cannot be written as JSON", Cause: err}
	}
	args := []any{escape(w.ID), description, list}
	for _, r := range leases {
		args = append(args, string(r.Job), r.Image+1, r.Token)
	}
	r, err := s.call(ctx, s.scripts.beat, nil, args...)
	if err != nil {
		return nil, err
	}
	numbers := r.list(2)
	for i := range numbers {
		if n := numbers.int(i); n >= 0 && n < int64(len(leases)) {
			lost = append(lost, leases[n])
		}
	}
	return lost, nil
}

// Finish is that of [scheduler.Source].
func (s *Store) Finish(ctx context.Context, r job.Ref, result job.Result) error {
	text, err := json.Marshal(result)
	if err != nil {
		return &job.Error{Kind: job.Invalid, Field: "result", Message: "the result cannot be written as JSON", Cause: err}
	}
	return s.write(ctx, s.scripts.finish, r, text)
}

// Fail is that of [scheduler.Source].
func (s *Store) Fail(ctx context.Context, r job.Ref, reason *job.Error) error {
	if reason == nil {
		reason = job.Errorf(job.Engine, "drawing failed for no stated reason")
	}
	text, err := json.Marshal(reason)
	if err != nil {
		return &job.Error{Kind: job.Invalid, Field: "reason", Message: "the reason cannot be written as JSON", Cause: err}
	}
	again := 0
	if reason.Kind == job.Engine || reason.Kind == job.Crashed {
		again = 1
	}
	return s.write(ctx, s.scripts.fail, r, text, again)
}

// Progress is that of [scheduler.Source].
func (s *Store) Progress(ctx context.Context, r job.Ref, p job.Progress, preview *job.Preview) error {
	var text []byte
	if preview != nil {
		var err error
		if text, err = json.Marshal(preview); err != nil {
			return &job.Error{Kind: job.Invalid, Field: "preview", Message: "the preview cannot be written as JSON", Cause: err}
		}
	}
	return s.write(ctx, s.scripts.progress, r, p.Done, p.All, text)
}

// write is a worker's write for one start.
func (s *Store) write(ctx context.Context, script *redis.Script, r job.Ref, args ...any) error {
	answer, err := s.call(ctx, script, nil, append([]any{string(r.Job), r.Image + 1, r.Token}, args...)...)
	if err != nil {
		return err
	}
	switch answer.str(0) {
	case "ok":
		return nil
	case "missing":
		return missing(r.Job)
	case "image":
		return job.Errorf(job.NotFound, "the job %s has %d images, there is no image %d", r.Job, answer.int(2), r.Image)
	case "fenced":
		return job.Errorf(job.Fenced, "%v may no longer be written: the last start of the image is %d, and it is %s", r, answer.int(2), states[answer.str(3)])
	}
	return strange(answer)
}

// Release is that of [scheduler.Source].
func (s *Store) Release(ctx context.Context, refs ...job.Ref) error {
	if len(refs) == 0 {
		return ctx.Err()
	}
	var args []any
	for _, r := range refs {
		args = append(args, string(r.Job), r.Image+1, r.Token)
	}
	_, err := s.call(ctx, s.scripts.release, nil, args...)
	return err
}

// Leave is that of [scheduler.Source].
func (s *Store) Leave(ctx context.Context, worker string) error {
	_, err := s.call(ctx, s.scripts.leave, nil, escape(worker), "")
	return err
}
