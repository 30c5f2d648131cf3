package redisq

import (
	"encoding/json"
	"time"

	"cosmicman/job"
)

// eventRecord is an event as scripts tell it.
type eventRecord struct {
	Type    job.EventType `json:"t"`
	Job     job.ID        `json:"j"`
	Image   int           `json:"i"`
	Images  int           `json:"c"`
	Model   string        `json:"m"`
	Tenant  string        `json:"n"`
	Worker  string        `json:"w"`
	Attempt int           `json:"a"`
	State   string        `json:"s"`
	Wait    int64         `json:"q"` // ms
	Took    int64         `json:"k"` // ms
	Error   string        `json:"e"`
}

// observe hands a script's events to the observer.
func (s *Store) observe(text string) {
	if text == "" {
		return
	}
	var list []eventRecord
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return // what was done is done; only its report is lost
	}
	now := time.Now()
	for _, r := range list {
		e := job.Event{
			Type: r.Type, Time: now, Job: r.Job, Image: r.Image, Images: r.Images, Model: unescape(r.Model), Tenant: unescape(r.Tenant), Worker: unescape(r.Worker),
			Attempt: r.Attempt, State: states[r.State],
			Wait: time.Duration(max(r.Wait, 0)) * time.Millisecond, Took: time.Duration(max(r.Took, 0)) * time.Millisecond,
		}
		if reason, err := decoded[job.Error](r.Error); err == nil && reason != nil {
			e.Err = reason
		}
		s.o.Observe(e)
	}
}
