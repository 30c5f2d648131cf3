package localq

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// edit changes the records of a store that is closed.
func edit(t *testing.T, dir string, f func(*pebble.DB)) {
	t.Helper()
	db, err := pebble.Open(dir, &pebble.Options{Logger: quiet{&journal{}}})
	if err != nil {
		t.Fatal(err)
	}
	f(db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, db *pebble.DB, key string) map[string]any {
	t.Helper()
	value, done, err := db.Get([]byte(key))
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	defer func() { _ = done.Close() }()
	var fields map[string]any
	if err := json.Unmarshal(value, &fields); err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	return fields
}

func write(t *testing.T, db *pebble.DB, key, value string) {
	t.Helper()
	if err := db.Set([]byte(key), []byte(value), pebble.Sync); err != nil {
		t.Fatal(err)
	}
}

func rewrite(t *testing.T, db *pebble.DB, key string, change func(map[string]any)) {
	t.Helper()
	fields := read(t, db, key)
	change(fields)
	value, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	write(t, db, key, string(value))
}

// retried makes a store with a job of two images, the first once failed.
func retried(t *testing.T) (dir string, id job.ID) {
	t.Helper()
	dir = t.TempDir()
	s, err := Open(dir, scheduler.Options{})
	if err != nil {
		t.Fatal(err)
	}
	id = submit(t, s, withImages(2))
	if err := s.Fail(bg, lease(t, s, request("w")).Ref, job.Errorf(job.Engine, "NaN")); err != nil {
		t.Fatal(err)
	}
	closed(t, s)
	return dir, id
}

func TestAStoreOfANewerSchemaIsRefused(t *testing.T) {
	dir, _ := retried(t)
	edit(t, dir, func(db *pebble.DB) { write(t, db, schemaKey, "2") })
	_, err := Open(dir, scheduler.Options{})
	if job.KindOf(err) != job.TooNew || !strings.Contains(err.Error(), "schema 2") || !strings.Contains(err.Error(), "up to 1") {
		t.Errorf("open: %v, expected too new with both versions", err)
	}
}

func TestARecordOfANewerSchemaIsRefused(t *testing.T) {
	for _, key := range []func(job.ID) string{acceptedKey, stateKey, func(id job.ID) string { return imageKey(id, 0) }} {
		dir, id := retried(t)
		edit(t, dir, func(db *pebble.DB) {
			rewrite(t, db, key(id), func(f map[string]any) { f["schema"] = 7 })
		})
		_, err := Open(dir, scheduler.Options{})
		if job.KindOf(err) != job.TooNew || !strings.Contains(err.Error(), key(id)) {
			t.Errorf("open: %v, expected too new and the key %s", err, key(id))
		}
	}
}

func TestADamagedRecordIsNamed(t *testing.T) {
	damage := map[string]func(job.ID) (key, value string){
		"no JSON":     func(id job.ID) (string, string) { return acceptedKey(id), `{"schema":1,` },
		"no schema":   func(id job.ID) (string, string) { return stateKey(id), `{}` },
		"no spec":     func(id job.ID) (string, string) { return acceptedKey(id), `{"schema":1}` },
		"no images":   func(id job.ID) (string, string) { return acceptedKey(id), `{"schema":1,"spec":{"priority":"low"}}` },
		"many images": func(id job.ID) (string, string) { return acceptedKey(id), `{"schema":1,"spec":{"count":9999999}}` },
		"no such class": func(id job.ID) (string, string) {
			return acceptedKey(id), `{"schema":1,"spec":{"count":1,"priority":"x"}}`
		},
		"no such state": func(id job.ID) (string, string) { return stateKey(id), `{"schema":1,"state":"gone"}` },
		"image state":   func(id job.ID) (string, string) { return imageKey(id, 0), `{"schema":1}` },
		"no such image": func(id job.ID) (string, string) { return imageKey(id, 2), `{"schema":1}` },
		"number":        func(id job.ID) (string, string) { return "i/" + string(id) + "/x", `{"schema":1}` },
		"no such job":   func(job.ID) (string, string) { return "j/other", `{"schema":1}` },
		"nobody's":      func(job.ID) (string, string) { return "w/other", `{}` },
		"the schema":    func(job.ID) (string, string) { return schemaKey, `one` },
	}
	for _, name := range slices.Sorted(maps.Keys(damage)) {
		t.Run(name, func(t *testing.T) {
			dir, id := retried(t)
			key, value := damage[name](id)
			edit(t, dir, func(db *pebble.DB) { write(t, db, key, value) })
			s, err := Open(dir, scheduler.Options{})
			if err == nil {
				closed(t, s)
			}
			if job.KindOf(err) != job.Unavailable || !strings.Contains(err.Error(), key) {
				t.Errorf("open: %v, expected unavailable and the key %s", err, key)
			}
		})
	}
}

func TestFieldsOfANewerProgramSurviveARewrite(t *testing.T) {
	dir, id := retried(t)
	edit(t, dir, func(db *pebble.DB) {
		rewrite(t, db, stateKey(id), func(f map[string]any) { f["colour"] = "red" })
		rewrite(t, db, imageKey(id, 0), func(f map[string]any) {
			f["taste"] = "sweet"
			im := f["image"].(map[string]any)
			im["smell"] = []any{"of", "rain"}
			im["error"].(map[string]any)["hint"] = "try again"
		})
		rewrite(t, db, acceptedKey(id), func(f map[string]any) { f["spec"].(map[string]any)["brush"] = "fine" })
	})
	s, err := Open(dir, scheduler.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := request("w")
	r.Max = 2
	leases, err := s.Lease(bg, r)
	if err != nil || len(leases) != 2 {
		t.Fatalf("lease: %d, %v", len(leases), err)
	}
	if err := s.Fail(bg, leases[0].Ref, job.Errorf(job.Engine, "NaN again")); err != nil {
		t.Fatal(err)
	}
	if err := s.Cancel(bg, id); err != nil {
		t.Fatal(err)
	}
	closed(t, s)
	edit(t, dir, func(db *pebble.DB) {
		if f := read(t, db, stateKey(id)); f["colour"] != "red" || f["state"] != "cancelled" {
			t.Errorf("the state is %v", f)
		}
		f := read(t, db, imageKey(id, 0))
		im := f["image"].(map[string]any)
		if f["taste"] != "sweet" || im["smell"] == nil || im["state"] != "cancelled" || im["attempts"] != 2.0 {
			t.Errorf("the image is %v", f)
		}
		if e := im["error"].(map[string]any); e["hint"] != "try again" || e["message"] != "NaN again" {
			t.Errorf("the image's error is %v", e)
		}
		if f := read(t, db, acceptedKey(id)); f["spec"].(map[string]any)["brush"] != "fine" {
			t.Errorf("the spec is %v", f["spec"])
		}
	})
}

func TestAJobThatOnlyANewerProgramCanReadIsKeptForIt(t *testing.T) {
	dir, id := retried(t)
	const spec = `{"needs":9,"priority":{"rank":4},"model":"m","count":2,"seconds":3}`
	edit(t, dir, func(db *pebble.DB) {
		rewrite(t, db, acceptedKey(id), func(f map[string]any) { f["spec"] = json.RawMessage(spec) })
	})
	s, err := Open(dir, scheduler.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := request("w")
	r.Version = 99
	if leases, err := s.Lease(bg, r); err != nil || len(leases) != 0 {
		t.Errorf("lease: %v, %v; expected none", leases, err)
	}
	if st, err := s.Stats(bg); err != nil || st.Jobs != 1 || st.Queued != 2 {
		t.Errorf("the store has %+v, %v", st, err)
	}
	get(t, s, id)
	closed(t, s)
	edit(t, dir, func(db *pebble.DB) {
		got, err := json.Marshal(read(t, db, acceptedKey(id))["spec"])
		if err != nil {
			t.Fatal(err)
		}
		var a, b any
		if json.Unmarshal(got, &a) != nil || json.Unmarshal([]byte(spec), &b) != nil {
			t.Fatal("no JSON")
		}
		if x, y := mustJSON(t, a), mustJSON(t, b); x != y {
			t.Errorf("the spec is %s, expected %s", x, y)
		}
	})
	s = open(t, dir, scheduler.Options{})
	if err := s.Drop(bg, id); err != nil {
		t.Errorf("drop: %v", err)
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
