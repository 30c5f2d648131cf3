package socket

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// Protocol is the version of what crosses the socket.
const Protocol = 1

const (
	prefix         = "/v1/"
	protocolHeader = "Cosmicman-Protocol"
	callHeader     = "Cosmicman-Call"
)

// maxRequest bounds a request in bytes: a submission with its prompt, or a preview.
const maxRequest = 64 << 20

// The arguments of calls that have more than one.
type (
	watchArgs struct {
		Job     job.ID `json:"job"`
		Watcher string `json:"watcher"`
	}
	beatArgs struct {
		Worker scheduler.Worker `json:"worker"`
		Leases []job.Ref        `json:"leases"`
	}
	progressArgs struct {
		Ref      job.Ref      `json:"ref"`
		Progress job.Progress `json:"progress"`
		Preview  *job.Preview `json:"preview,omitempty"`
	}
	finishArgs struct {
		Ref    job.Ref    `json:"ref"`
		Result job.Result `json:"result"`
	}
	failArgs struct {
		Ref    job.Ref    `json:"ref"`
		Reason *job.Error `json:"reason"`
	}
)

// none is the answer of a call that has none.
type none struct{}

// line is one value of a stream. A stream that ends without End was cut off.
type line[T any] struct {
	Value *T   `json:"value,omitempty"`
	End   bool `json:"end,omitempty"`
}

// encode writes JSON that leaves <, > and & as they are: prompts are full of them.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// public is what crosses of an error.
func public(err error) *job.Error {
	if e, ok := errors.AsType[*job.Error](err); ok {
		return e
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return job.Errorf(job.Unavailable, "the call was ended by the process that serves the queue")
	}
	return job.Errorf(job.Unavailable, "the queue failed: %v", err)
}
