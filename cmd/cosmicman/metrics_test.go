package main

import (
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// value is that of the first sample that matches, "" if there is none.
func value(text, pattern string) string {
	found := regexp.MustCompile(`(?m)^` + pattern + ` (\S+)$`).FindStringSubmatch(text)
	if found == nil {
		return ""
	}
	return found[1]
}

func TestMetricsTellWhatAllProcessesDid(t *testing.T) {
	data := filepath.Join(t.TempDir(), strings.Repeat("long", 30)) // longer than a socket's path may be
	s := serving(t, data, "--model", "tiny="+tiny(t, "tiny-sd"), "--worker-processes", "2")
	s.draw(t, `{"prompt": "the secret prompt", "n": 2, "size": "64x64"}`)
	if _, err := s.post(t.Context(), `{"prompt": "p", "model": "no such model"}`); err != nil {
		t.Fatal(err)
	}
	text := ""
	await(t, "the job's end is counted", func() bool { // it is told beside the answer
		_, text = s.get(t, "/metrics")
		return value(text, `cosmicman_jobs_ended_total\{model="tiny",state="completed"\}`) == "1"
	})
	for pattern, want := range map[string]string{
		`cosmicman_images_total\{model="tiny"\}`:                                                        "2",
		`cosmicman_jobs_ended_total\{model="tiny",state="completed"\}`:                                  "1",
		`cosmicman_http_requests_total\{method="POST",route="/v1/images/generations",status="404"\}`:    "1",
		`cosmicman_http_request_duration_seconds_count\{method="POST",route="/v1/images/generations"\}`: "2",
		`cosmicman_queue_up`: "1",
		`cosmicman_workers`:  "2",
		`cosmicman_vae_decode_duration_seconds_count\{model="tiny",process="worker-[01]"\}`: "[12]",
		`cosmicman_step_rows_sum\{model="tiny",process="worker-[01]"\}`:                     "[0-9]+",
	} {
		if got := value(text, pattern); !regexp.MustCompile("^" + want + "$").MatchString(got) {
			t.Errorf("%s is %q, expected %s", pattern, got, want)
		}
	}
	for _, secret := range []string{"secret", "no such model", "job_[a-z0-9]{20}"} {
		if regexp.MustCompile(secret).MatchString(text) {
			t.Errorf("the metrics tell %q", secret)
		}
	}
	s.stop(t)
}

func TestMetricsAtAnAddressOfTheirOwn(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s := serving(t, t.TempDir(), "--model", tiny(t, "tiny-sd"), "--metrics-addr", address)
	res, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || !strings.Contains(string(text), "cosmicman_queue_up 1") {
		t.Errorf("%s, %v", text, err)
	}
	if code, _ := s.get(t, "/metrics"); code != 404 {
		t.Errorf("%d at the serving address, expected 404", code)
	}
	s.stop(t)
}
