package main

import (
	"net"
	"strings"
	"testing"
)

func TestAddressInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	code, _, stderr := runs(t, nil, "serve", "--addr", l.Addr().String(), "--data", t.TempDir())
	if want := "another program listens at " + l.Addr().String() + ": stop it, or choose another --addr\n"; code != 1 || !strings.HasSuffix(stderr, want) {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// What is no address has one fault.
func TestAddressThatIsNone(t *testing.T) {
	code, _, stderr := runs(t, nil, "serve", "--addr", "foo", "--data", t.TempDir())
	if code != 2 || stderr != "cosmicman: serve: --addr is \"foo\", expected HOST:PORT: there is no port\n" {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
