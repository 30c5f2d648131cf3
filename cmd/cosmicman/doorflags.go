package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	"cosmicman/api"
)

// keysVariable holds API keys, see api.ParseKeys.
const keysVariable = "COSMICMAN_API_KEYS"

// maxKeysFile is far above what keys that are accepted take.
const maxKeysFile = 4 << 20

// doorFlags say who is let in to serve.
type doorFlags struct {
	addr           string
	keysFile       string
	rate, atOnce   int
	open           bool
	hosts, origins []string
	cert, key      string
	keys           []api.Key    // set by check
	certificate    *certificate // set by check; nil without TLS
}

func (d *doorFlags) register(fs *flag.FlagSet) {
	fs.StringVar(&d.addr, "addr", "127.0.0.1:8080", "address to listen on; others than this machine's own need API keys")
	fs.StringVar(&d.keysFile, "api-keys-file", "", "file of API keys, one a line: NAME:KEY[:generate+admin][:rpm=N][:concurrent=N], where KEY may be sha256=HEX (also: $"+keysVariable+", with commas between them)")
	fs.IntVar(&d.rate, "key-rpm", 0, "requests for images a minute that each API key's name has; 0: any")
	fs.IntVar(&d.atOnce, "key-concurrent", 0, "requests for images at once that each API key's name has; 0: any")
	fs.BoolVar(&d.open, "insecure-no-auth", false, "let everybody in who can reach an address that is not this machine's own, without an API key")
	list := func(name, usage string, to *[]string) {
		fs.Func(name, usage, func(s string) error {
			*to = append(*to, s)
			return nil
		})
	}
	list("host", "NAME that requests may have in Host, beside localhost; repeatable (default: on loopback none, elsewhere any)", &d.hosts)
	list("cors-origin", "site such as https://app.example.org whose pages may call this server, or *; repeatable", &d.origins)
	fs.StringVar(&d.cert, "tls-cert", "", "PEM file of the certificate and its chain; read again when it changes")
	fs.StringVar(&d.key, "tls-key", "", "PEM file of the certificate's private key")
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$`)

// check reads what the flags name, and tells all that is wrong with them.
func (d *doorFlags) check(getenv func(string) string) error {
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, usagef("serve: "+format, args...)) }

	local, err := loopback(d.addr)
	if err != nil {
		local = true // one fault is enough for what is no address
		fault("--addr is %q, expected HOST:PORT: %v", d.addr, err)
	}
	given := getenv(keysVariable) != "" || d.keysFile != ""
	texts := []string{getenv(keysVariable)}
	if d.keysFile != "" {
		text, err := readKeys(d.keysFile)
		if err != nil {
			fault("--api-keys-file: %v", err)
		}
		texts = append(texts, text)
	}
	if d.keys, err = api.ParseKeys(strings.Join(texts, "\n")); err != nil {
		for _, text := range faults(err) {
			fault("API keys: %s", text)
		}
	}
	switch {
	case err != nil:
	case given && len(d.keys) == 0:
		fault("API keys: there are none in what was given, so nobody could be let in")
	case d.open && len(d.keys) > 0:
		fault("--insecure-no-auth and API keys exclude each other")
	case len(d.keys) == 0 && !local && !d.open:
		fault("--addr is %s, which others can reach, and there are no API keys: set %s or --api-keys-file, or say --insecure-no-auth", d.addr, keysVariable)
	case len(d.keys) == 0 && (d.rate != 0 || d.atOnce != 0):
		fault("--key-rpm and --key-concurrent are limits of API keys, and there are none")
	}
	if d.rate < 0 || d.rate > 1_000_000 {
		fault("--key-rpm is %d, expected 0 to 1000000", d.rate)
	}
	if d.atOnce < 0 || d.atOnce > 1_000_000 {
		fault("--key-concurrent is %d, expected 0 to 1000000", d.atOnce)
	}

	for _, h := range d.hosts {
		if _, err := netip.ParseAddr(h); err != nil && !hostName.MatchString(h) {
			fault("--host is %q, expected a name or an address without a port", h)
		}
	}
	for _, o := range d.origins {
		if o != "*" && (strings.HasSuffix(o, "/") || http.NewCrossOriginProtection().AddTrustedOrigin(o) != nil) {
			fault("--cors-origin is %q, expected * or a site such as https://app.example.org", o)
		}
	}

	switch {
	case d.cert == "" && d.key == "":
	case d.cert == "" || d.key == "":
		fault("--tls-cert and --tls-key go together")
	default:
		if d.certificate, err = openCertificate(d.cert, d.key); err != nil {
			fault("--tls-cert, --tls-key: %v", err)
		}
	}
	return errors.Join(errs...)
}

// loopback reports whether only this machine can reach an address.
func loopback(addr string) (bool, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false, errors.New("there is no port")
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return false, fmt.Errorf("the port is %q", port)
	}
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback(), nil
}

func readKeys(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxKeysFile+1))
	if err == nil && len(text) > maxKeysFile {
		err = fmt.Errorf("%s is over %d bytes", path, maxKeysFile)
	}
	return string(text), err
}

// allowedHosts are the names that requests may have in Host; nil: any. A page that
// somebody else serves can make its own name point to this machine, so on loopback
// names are looked at; elsewhere keys stand before everything, and names only matter
// to who gave some.
func (d *doorFlags) allowedHosts(publicURL string) []string {
	local, _ := loopback(d.addr)
	if !local && len(d.hosts) == 0 {
		return nil
	}
	all := append([]string{"localhost"}, d.hosts...)
	if u, err := url.Parse(publicURL); err == nil && u.Hostname() != "" {
		all = append(all, u.Hostname())
	}
	if host, _, err := net.SplitHostPort(d.addr); err == nil && host != "" {
		all = append(all, host)
	}
	return slices.Compact(all)
}

// apply puts them into the configuration of the routes.
func (d *doorFlags) apply(c *api.Config) {
	c.Keys, c.PerMinute, c.Concurrent = d.keys, d.rate, d.atOnce
	c.Hosts, c.Origins = d.allowedHosts(c.PublicURL), d.origins
}

// secure has a server speak TLS, if a certificate was given.
func (d *doorFlags) secure(h *http.Server, log *slog.Logger) {
	if d.certificate == nil {
		return
	}
	d.certificate.log = log
	h.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: d.certificate.get}
}

// serve answers on l, by TLS if it is to.
func (d *doorFlags) serve(h *http.Server, l net.Listener) error {
	if d.certificate == nil {
		return h.Serve(l)
	}
	return h.ServeTLS(l, "", "")
}

func (d *doorFlags) scheme() string {
	if d.certificate == nil {
		return "http"
	}
	return "https"
}
