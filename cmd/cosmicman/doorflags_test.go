package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// refused runs serve, which must not start, and returns what it says.
func refused(t *testing.T, variables map[string]string, args ...string) string {
	t.Helper()
	var stderr bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	e := &environment{stdout: io.Discard, stderr: &stderr, getenv: func(name string) string { return variables[name] }}
	if code := run(ctx, e, append([]string{"serve", "--data", t.TempDir()}, args...)); code != 2 {
		t.Errorf("serve %q: exit code %d, expected 2: %s", args, code, &stderr)
	}
	return stderr.String()
}

func TestServeRefusesDoorsThatStandOpenOrCannotBeBuilt(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(empty, []byte("# nobody yet\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		keys string
		args []string
		want string
	}{
		{"", []string{"--addr", "0.0.0.0:0"}, "--insecure-no-auth"},
		{"", []string{"--addr", ":0"}, "--insecure-no-auth"},
		{"", []string{"--addr", "[::]:0"}, "--insecure-no-auth"},
		{"", []string{"--addr", "192.0.2.1:0"}, "--insecure-no-auth"},
		{"", []string{"--addr", "127.0.0.1.example.org:0"}, "--insecure-no-auth"},
		{"a:", []string{"--addr", "0.0.0.0:0"}, "the key is empty"},
		{" , ", []string{"--addr", "0.0.0.0:0"}, "there are none"},
		{"", []string{"--addr", "0.0.0.0:0", "--api-keys-file", empty}, "there are none"},
		{"a:b", []string{"--insecure-no-auth"}, "exclude each other"},
		{"a:SECRET:all", nil, "generate, admin"},
		{"", []string{"--api-keys-file", "/nowhere/keys"}, "no such file"},
		{"", []string{"--key-rpm", "3"}, "there are none"},
		{"a:b", []string{"--key-rpm", "-3"}, "--key-rpm is -3"},
		{"", []string{"--addr", "127.0.0.1"}, "HOST:PORT"},
		{"", []string{"--addr", "127.0.0.1:http or so"}, "HOST:PORT"},
		{"", []string{"--host", "http://x"}, "--host"},
		{"", []string{"--host", "x:80"}, "--host"},
		{"", []string{"--cors-origin", "app.example.org"}, "--cors-origin"},
		{"", []string{"--cors-origin", "https://app.example.org/"}, "--cors-origin"},
		{"", []string{"--tls-cert", "x"}, "go together"},
		{"", []string{"--tls-cert", "/nowhere/x", "--tls-key", "/nowhere/y"}, "no such file"},
		{"", []string{"--log-format", "xml"}, "text or json"},
	} {
		said := refused(t, map[string]string{keysVariable: c.keys}, c.args...)
		if !strings.Contains(said, c.want) || strings.Contains(said, "SECRET") {
			t.Errorf("%q %q: %s", c.keys, c.args, said)
		}
	}
	all := refused(t, map[string]string{keysVariable: "a:"}, "--host", "x:80", "--cors-origin", "y", "--tls-key", "z", "--key-rpm", "-1", "--worker-processes", "-1", "--log-format", "xml")
	for _, want := range []string{"key is empty", "--host", "--cors-origin", "go together", "--key-rpm", "--worker-processes", "--log-format"} {
		if !strings.Contains(all, want) {
			t.Errorf("not all faults are told at once: nothing of %s in\n%s", want, all)
		}
	}
}

func TestHostsThatServeAnswersFor(t *testing.T) {
	for _, c := range []struct {
		d    doorFlags
		url  string
		want []string
	}{
		{doorFlags{addr: "127.0.0.1:80"}, "", []string{"localhost", "127.0.0.1"}},
		{doorFlags{addr: "localhost:80", hosts: []string{"a.example"}}, "https://b.example:8443/x", []string{"localhost", "a.example", "b.example", "localhost"}},
		{doorFlags{addr: "0.0.0.0:80"}, "https://b.example", nil},
		{doorFlags{addr: ":80", hosts: []string{"a.example"}}, "", []string{"localhost", "a.example"}},
	} {
		if got := c.d.allowedHosts(c.url); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, expected %q", c.d.addr, got, c.want)
		}
	}
}

func TestKeysStayWithWhoAsksForThem(t *testing.T) {
	t.Setenv(keysVariable, "alice:Sec-ret-Key")
	s := serving(t, t.TempDir(), "--model", tiny(t, "tiny-sd"), "--worker-processes", "1")
	pid := 0
	await(t, "there is a worker", func() bool {
		if r := s.report(t); len(r.Workers) == 1 {
			pid = r.Workers[0].PID
		}
		return pid != 0
	})
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil || len(text) == 0 || pid == s.Process.Pid {
		t.Fatalf("worker %d of %d: %d bytes, %v", pid, s.Process.Pid, len(text), err)
	}
	if strings.Contains(string(text), "Sec-ret") {
		t.Error("the worker process has the keys")
	}
	if a, err := s.post(t.Context(), fmt.Sprintf(small, 1, 1)); err != nil || a.code != 401 || a.Error.Code != "invalid_api_key" {
		t.Errorf("without a key: %d %+v, %v", a.code, a.Error, err)
	}
	s.draw(t, fmt.Sprintf(small, 1, 1), "Authorization", "Bearer Sec-ret-Key")
	s.stop(t)
}

// newCertificate writes a certificate for 127.0.0.1 that signs itself.
func newCertificate(t *testing.T, dir string, serial int64) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "cosmicman"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestServeByTLSWithKeysAndACertificateThatIsReplaced(t *testing.T) {
	dir := t.TempDir()
	first := newCertificate(t, dir, 1)
	keys := filepath.Join(dir, "keys")
	if err := os.WriteFile(keys, []byte("# people\nalice:Sec-ret-Key:generate+admin\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, "cosmicman", "serve", "--addr", "127.0.0.1:0", "--data", filepath.Join(dir, "data"), "--api-keys-file", keys,
		"--tls-cert", filepath.Join(dir, "cert.pem"), "--tls-key", filepath.Join(dir, "key.pem"), "--log-format", "json")
	address := ""
	await(t, "it serves", func() bool {
		found := regexp.MustCompile(`cosmicman serves on https://(\S+)`).FindStringSubmatch(p.out.String())
		if found != nil {
			address = found[1]
		}
		return found != nil
	})
	client := func(trusted *x509.Certificate, change func(*tls.Config)) *http.Client {
		pool := x509.NewCertPool()
		pool.AddCert(trusted)
		c := &tls.Config{RootCAs: pool}
		if change != nil {
			change(c)
		}
		return &http.Client{Transport: &http.Transport{TLSClientConfig: c, ForceAttemptHTTP2: true, DisableKeepAlives: true}}
	}
	ask := func(c *http.Client, path, key string) (int, string, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if key != "" {
			r.Header.Set("Authorization", "Bearer "+key)
		}
		res, err := c.Do(r)
		if err != nil {
			return 0, "", err
		}
		defer res.Body.Close()
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			return 0, "", err
		}
		return res.StatusCode, res.Proto, nil
	}
	for key, want := range map[string]int{"": 401, "Sec-ret-Wrong": 401, "Sec-ret-Key": 200} {
		if code, proto, err := ask(client(first, nil), "/metrics", key); err != nil || code != want || proto != "HTTP/2.0" {
			t.Errorf("with %q: %d by %s, %v", key, code, proto, err)
		}
	}
	if _, _, err := ask(client(first, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS11 }), "/healthz", ""); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	second := newCertificate(t, dir, 2)
	await(t, "the new certificate is shown", func() bool {
		_, _, err := ask(client(second, nil), "/healthz", "")
		return err == nil
	})
	if err := os.WriteFile(filepath.Join(dir, "cert.pem"), []byte("half a certif"), 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, "the broken one is told of", func() bool {
		if _, _, err := ask(client(second, nil), "/healthz", ""); err != nil {
			t.Fatalf("a broken file stops the server: %v", err)
		}
		return strings.Contains(p.out.String(), "the last one stays")
	})
	p.stop(t)
	if strings.Contains(p.out.String(), "Sec-ret") {
		t.Error("a key is in the log")
	}
	for line := range strings.Lines(p.out.String()) {
		if !strings.HasPrefix(line, "cosmicman serves") && !strings.HasPrefix(line, "no model") && !json.Valid([]byte(line)) {
			t.Errorf("not a JSON line: %s", line)
		}
	}
}
