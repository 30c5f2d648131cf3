package main

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cosmicman/weights"
	"cosmicman/weights/hub"
)

func TestPullProgress(t *testing.T) {
	ref := weights.HubRef{Name: "org/model", Revision: "main"}
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := &pullProgress{out: &out}
		show := func(done int64, files int, finished string) {
			p.show(hub.Progress{Ref: ref, Done: done, Total: 3e9, Files: files, AllFiles: 3, Finished: finished})
			time.Sleep(time.Second)
		}
		show(1e9, 0, "") // there already: that is no speed
		show(1.1e9, 1, "unet/config.json")
		show(1.2e9, 1, "")
		want := "org/model: unet/config.json (1 of 3 files, 1.10 GB of 3.00 GB, 100.0 MB/s, 19s left)\n"
		if out.String() != want {
			t.Errorf("not on a terminal: %q, expected %q", &out, want)
		}
		for range 15 {
			show(1.2e9, 1, "")
		}
		if !strings.Contains(out.String(), "org/model: 1 of 3 files, 1.20 GB of 3.00 GB\n") {
			t.Errorf("nothing was told for long: %q", &out)
		}

		out.Reset()
		p = &pullProgress{out: &out, terminal: true}
		show(1e9, 0, "")
		show(1.5e9, 0, "")
		p.logf("%s is tried again", "x")
		p.end()
		if want := "\r\x1b[Korg/model  0 of 3 files, 1.00 GB of 3.00 GB\r\x1b[Korg/model  0 of 3 files, 1.50 GB of 3.00 GB, 500.0 MB/s, 3s left\r\x1b[Kx is tried again\n"; out.String() != want {
			t.Errorf("on a terminal: %q, expected %q", &out, want)
		}
	})
}
