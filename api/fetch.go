package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// fetchFor bounds the fetching of one image.
const fetchFor = 20 * time.Second

// fetcher gets images from other servers. What a URL leads to is decided by the client
// of this server, so it must not lead to where only this server can reach: the
// name is resolved once, every address it has is checked, one of these very addresses
// is dialled, and there are no redirects, proxies, cookies or kept connections.
type fetcher struct {
	lookup  func(ctx context.Context, host string) ([]netip.Addr, error) // nil: the system's
	allowed func(netip.AddrPort) bool                                    // nil: public addresses
}

var errAddress = errors.New("an address that is not public")

// fetch reads an image file. Its errors say nothing of addresses and names: of what
// is inside, nobody outside is to learn what is there.
func (f fetcher) fetch(ctx context.Context, l *loan, address, field string) ([]byte, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Opaque != "" || strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return nil, invalid(field, "%s must be a URL such as https://example.org/image.png, without user and password", field)
	}
	ctx, cancel := context.WithTimeout(ctx, fetchFor)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, invalid(field, "%s must be a URL such as https://example.org/image.png", field)
	}
	r.Header.Set("Accept", strings.Join(dataTypes, ", "))
	r.Header.Set("User-Agent", "cosmicman")
	client := http.Client{
		Transport: &http.Transport{
			DialContext: f.dial, DisableKeepAlives: true, DisableCompression: true,
			MaxResponseHeaderBytes: 16 << 10, TLSHandshakeTimeout: fetchFor, ForceAttemptHTTP2: false,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := client.Do(r)
	if err != nil {
		return nil, unreachable(err, field)
	}
	defer answer.Body.Close()
	switch {
	case answer.StatusCode/100 == 3:
		return nil, invalid(field, "%s is redirected, expected the address of the image itself", field)
	case answer.StatusCode != http.StatusOK:
		return nil, invalid(field, "%s was answered with the status %d, expected 200 and the image", field, answer.StatusCode)
	case answer.Header.Get("Content-Encoding") != "":
		return nil, invalid(field, "%s was answered with a Content-Encoding, expected the image as it is", field)
	case answer.ContentLength > maxFile:
		return nil, invalid(field, "%s is over %d bytes", field, maxFile)
	}
	data, err := l.read(answer.Body, maxFile)
	var own *apiError
	switch {
	case errors.As(err, &own):
		return nil, err
	case err != nil:
		return nil, unreachable(err, field)
	case len(data) > maxFile:
		return nil, invalid(field, "%s is over %d bytes", field, maxFile)
	case len(data) == 0:
		return nil, invalid(field, "%s is empty", field)
	}
	return data, nil
}

// unreachable is one text for all that goes wrong on the way, so that it cannot be
// told from outside what there is inside. The cause leaves the URL out.
func unreachable(err error, field string) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	return &apiError{status: http.StatusBadRequest, kind: "invalid_request_error", param: field,
		message: fmt.Sprintf("%s could not be fetched: expected a public http or https address that answers within %v", field, fetchFor)}
}

// dial connects to an address that was checked, not to a name.
func (f fetcher) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	lookup, allowed := f.lookup, f.allowed
	if lookup == nil {
		lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if allowed == nil {
		allowed = func(a netip.AddrPort) bool { return publicAddress(a.Addr()) }
	}
	addrs, err := lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	var targets []netip.AddrPort
	for _, a := range addrs {
		target, err := netip.ParseAddrPort(net.JoinHostPort(a.String(), port))
		if err != nil {
			return nil, err
		}
		// One that is not public taints the name.
		if !allowed(target) {
			return nil, errAddress
		}
		targets = append(targets, target)
	}
	err = errors.New("the name has no address")
	for _, target := range targets {
		var d net.Dialer
		var c net.Conn
		if c, err = d.DialContext(ctx, network, target.String()); err == nil {
			return c, nil
		}
	}
	return nil, err
}

// notPublic are blocks within the unicast addresses that are for special purposes, by
// IANA's registries: among them such as lead to other addresses (NAT64, 6to4, Teredo).
var notPublic = func() (out []netip.Prefix) {
	for _, block := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
		"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
		"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
	} {
		out = append(out, netip.MustParsePrefix(block))
	}
	return out
}()

// global is what IPv6 has given to public networks.
var global = netip.MustParsePrefix("2000::/3")

// publicAddress reports whether an address is one that anybody can reach.
func publicAddress(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsValid() || a.Zone() != "" || a.Is6() && !global.Contains(a) {
		return false
	}
	for _, block := range notPublic {
		if block.Contains(a) {
			return false
		}
	}
	return true
}
