package redisq

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"cosmicman/job"
)

// record is the state of a job as the scripts keep it, as far as Go reads it; the
// rest (the place in the queue, the accounts) is theirs alone.
type record struct {
	State    string        `json:"s"`
	Revision uint64        `json:"v"`
	Created  int64         `json:"c"` // times are milliseconds since 1970
	Started  int64         `json:"b"`
	Ended    int64         `json:"e"`
	Error    string        `json:"er"` // JSON in a string: what scripts need not read they keep as it is
	Images   []imageRecord `json:"i"`
}

type imageRecord struct {
	State       string `json:"s"`
	Token       uint64 `json:"t"`
	Attempts    int    `json:"a"`
	Worker      string `json:"w"`
	Fingerprint string `json:"f"`
	Calls       int    `json:"x"` // all network calls, once it is completed
	Result      string `json:"r"`
	Error       string `json:"e"`
}

var states = map[string]job.State{
	"q": job.Queued, "r": job.InProgress, "c": job.Completed, "f": job.Failed, "x": job.Cancelled, "e": job.Expired,
}

func at(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// decoded reads optional JSON.
func decoded[T any](text string) (*T, error) {
	if text == "" {
		return nil, nil
	}
	v := new(T)
	return v, json.Unmarshal([]byte(text), v)
}

// statusOf reads a record. The spec is the caller's to fill in.
func statusOf(id job.ID, text string) (st job.Status, err error) {
	var r record
	if err = json.Unmarshal([]byte(text), &r); err == nil {
		st, err = r.status(id)
	}
	if err != nil {
		return st, &job.Error{Kind: job.Unavailable, Message: "the record of the job " + string(id) + " cannot be read", Cause: err}
	}
	return st, nil
}

func (r record) status(id job.ID) (st job.Status, err error) {
	st = job.Status{ID: id, State: states[r.State], Revision: r.Revision, Created: at(r.Created), Started: at(r.Started), Ended: at(r.Ended)}
	if st.Error, err = decoded[job.Error](r.Error); err != nil {
		return st, err
	}
	st.Images = make([]job.Image, len(r.Images))
	for i, im := range r.Images {
		image := job.Image{
			State: states[im.State], Token: im.Token, Attempts: im.Attempts, Worker: unescape(im.Worker), Fingerprint: unescape(im.Fingerprint),
			Progress: job.Progress{Done: im.Calls, All: im.Calls},
		}
		if image.Result, err = decoded[job.Result](im.Result); err != nil {
			return st, err
		}
		if image.Error, err = decoded[job.Error](im.Error); err != nil {
			return st, err
		}
		st.Images[i] = image
	}
	return st, nil
}

// fullStatus reads record, spec, position and progress, from place i of an answer on.
func fullStatus(id job.ID, r reply, i int) (job.Status, error) {
	st, err := statusOf(id, r.str(i))
	if err != nil {
		return st, err
	}
	if err := json.Unmarshal([]byte(r.str(i+1)), &st.Spec); err != nil {
		return st, &job.Error{Kind: job.Unavailable, Message: "the record of the job " + string(id) + " cannot be read", Cause: err}
	}
	st.Position = int(r.int(i + 2))
	setProgress(st.Images, r.list(i+3))
	return st, nil
}

// setProgress fills in what a script tells of the images that run.
func setProgress(images []job.Image, told reply) {
	for i := 0; i+1 < len(told); i += 2 {
		n := int(told.int(i))
		done, all, _ := strings.Cut(told.str(i+1), " ")
		if n >= 0 && n < len(images) {
			images[n].Progress.Done, _ = strconv.Atoi(done)
			images[n].Progress.All, _ = strconv.Atoi(all)
		}
	}
}
