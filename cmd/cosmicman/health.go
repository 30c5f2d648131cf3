package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// health asks a server whether it is alive, or ready: for probes where there is no curl.
func health(ctx context.Context, e *environment, args []string) error {
	fs := flag.NewFlagSet("health", flag.ContinueOnError)
	base := fs.String("url", "http://127.0.0.1:8080", "of the server")
	ready := fs.Bool("ready", false, "ask whether images can be drawn, not only whether the server is alive")
	timeout := fs.Duration("timeout", 5*time.Second, "how long to wait for the answer")
	if err := parse(e, fs, args); err != nil {
		return helped(err)
	}
	u, err := url.Parse(*base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return usagef("health: --url is %q, expected such as http://127.0.0.1:8080", *base)
	}
	if *timeout <= 0 {
		return usagef("health: --timeout is %v, expected a positive duration", *timeout)
	}
	path := "healthz"
	if *ready {
		path = "readyz"
	}
	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.JoinPath(path).String(), nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no proxy stands in front of a probe
	res, err := client.Do(r)
	if err != nil {
		var why *url.Error // says which path was asked for
		if errors.As(err, &why) {
			err = why.Err
		}
		return fmt.Errorf("no answer from %s: %w", *base, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 4096))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", res.Status, strings.TrimSpace(string(text)))
	}
	fmt.Fprintln(e.stdout, strings.TrimSpace(string(text)))
	return nil
}
