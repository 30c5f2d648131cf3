package localq

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"cosmicman/job"
)

// record is what is written under a key; a nil value deletes it.
type record struct {
	key   string
	value []byte
}

func acceptedKey(id job.ID) string { return "s/" + string(id) }
func stateKey(id job.ID) string    { return "j/" + string(id) }
func watchedKey(id job.ID) string  { return "w/" + string(id) }
func imageKey(id job.ID, n int) string {
	return fmt.Sprintf("i/%s/%08d", id, n)
}

// acceptedRecord is a job as it was accepted. It is never written again.
type acceptedRecord struct {
	Schema   int             `json:"schema"`
	Sequence uint64          `json:"sequence"` // of acceptance
	Accepted time.Time       `json:"accepted"`
	Key      string          `json:"key,omitempty"`
	Digest   string          `json:"digest,omitempty"`
	Spec     json.RawMessage `json:"spec"`
}

// stateRecord is a job's state, images excepted.
type stateRecord struct {
	Schema   int        `json:"schema"`
	State    job.State  `json:"state"`
	Revision uint64     `json:"revision"`
	Started  time.Time  `json:"started,omitzero"`
	Ended    time.Time  `json:"ended,omitzero"`
	Error    *job.Error `json:"error,omitempty"`
}

// imageRecord is an image's state.
type imageRecord struct {
	Schema    int       `json:"schema"`
	Revision  uint64    `json:"revision"` // of its job when this was written
	Image     job.Image `json:"image"`
	InProcess bool      `json:"in_process,omitempty"` // its worker lives in the process that holds the store
	CameBack  time.Time `json:"came_back,omitzero"`   // it is queued at the head since then
}

// decode reads a record into v and returns the raw record if it holds fields that
// this program does not know.
func decode(key string, value []byte, v any) (unknown json.RawMessage, err error) {
	var head struct {
		Schema int `json:"schema"`
	}
	if err := json.Unmarshal(value, &head); err != nil {
		return nil, damaged(key, err)
	}
	switch {
	case head.Schema > schema:
		return nil, job.Errorf(job.TooNew, "the record %s has schema %d, of a newer program; this one knows schemas up to %d", key, head.Schema, schema)
	case head.Schema < 1:
		return nil, damaged(key, fmt.Errorf("its schema is %d", head.Schema))
	}
	strict := json.NewDecoder(bytes.NewReader(value))
	strict.DisallowUnknownFields()
	if strict.Decode(v) == nil {
		return nil, nil
	}
	reflect.ValueOf(v).Elem().SetZero()
	if err := json.Unmarshal(value, v); err != nil {
		return nil, damaged(key, err)
	}
	return bytes.Clone(value), nil
}

func damaged(key string, cause error) *job.Error {
	return unavailable(cause, "the queue's record %s is damaged", key)
}

// encode writes v as a record's value with the unknown fields of what it replaces.
func encode(v any, unknown json.RawMessage) ([]byte, error) {
	value, err := json.Marshal(v)
	if err != nil || unknown == nil {
		return value, err
	}
	return keepUnknown(unknown, value, reflect.TypeOf(v))
}

// keepUnknown copies those fields of the object old that type t does not have into
// the object fresh, and into the objects below that both have.
func keepUnknown(old, fresh json.RawMessage, t reflect.Type) (json.RawMessage, error) {
	var before, after map[string]json.RawMessage
	if err := json.Unmarshal(old, &before); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(fresh, &after); err != nil {
		return nil, err
	}
	known := fieldTypes(t)
	for name, value := range before {
		field, isKnown := known[name]
		now, isThere := after[name]
		switch {
		case !isKnown:
			after[name] = value
		case isThere && field.Kind() == reflect.Struct && value[0] == '{' && now[0] == '{':
			merged, err := keepUnknown(value, now, field)
			if err != nil {
				return nil, err
			}
			after[name] = merged
		}
	}
	return json.Marshal(after)
}

// fieldTypes returns a struct's fields by their names in JSON, pointers followed.
func fieldTypes(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		fields[name] = inner
	}
	return fields
}
