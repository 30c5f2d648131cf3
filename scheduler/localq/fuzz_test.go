package localq

import (
	"encoding/json"
	"testing"

	"cosmicman/job"
)

// FuzzRecords reads what may stand on a disk: it is refused with a kind, or can be
// written again with all of its fields.
func FuzzRecords(f *testing.F) {
	f.Add([]byte(`{"schema":1,"sequence":3,"accepted":"2026-01-02T03:04:05Z","key":"k","digest":"d","spec":{"needs":1,"priority":"low","model":"m","count":2,"seconds":1.5,"drawing":{}}}`))
	f.Add([]byte(`{"schema":1,"revision":4,"image":{"state":"queued","token":2,"error":{"kind":"engine","message":"NaN","hint":1},"smell":[]},"came_back":"2026-01-02T03:04:05Z","x":{}}`))
	f.Add([]byte(`{"schema":1,"spec":{"needs":9,"priority":4,"model":"m","count":1}}`))
	f.Add([]byte(`{"schema":2}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, value []byte) {
		if e, err := readAccepted("s/job", value); err != nil && job.KindOf(err) == "" {
			t.Errorf("refused with %v, which has no kind", err)
		} else if err == nil && len(e.images) != e.spec.Count {
			t.Errorf("%d images of %d", len(e.images), e.spec.Count)
		}
		var r imageRecord
		unknown, err := decode("i/job/00000000", value, &r)
		if err != nil {
			if job.KindOf(err) == "" {
				t.Errorf("refused with %v, which has no kind", err)
			}
			return
		}
		again, err := encode(r, unknown)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		var before, after map[string]json.RawMessage
		if json.Unmarshal(value, &before) != nil || json.Unmarshal(again, &after) != nil {
			t.Fatal("what was written is no object")
		}
		for name := range before {
			if _, known := fieldNames[name]; !known && unknown != nil && after[name] == nil {
				t.Errorf("the field %q is lost", name)
			}
		}
	})
}

var fieldNames = map[string]bool{"schema": true, "revision": true, "image": true, "in_process": true, "came_back": true}
