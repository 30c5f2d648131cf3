package check

import (
	"os"
	"strings"
	"testing"

	"github.com/coreos/go-systemd/v22/unit"
)

func TestSystemdUnit(t *testing.T) {
	f, err := os.Open("../systemd/cosmicman.service")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	options, err := unit.DeserializeOptions(f)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, o := range options {
		got[o.Section+" "+o.Name] = o.Value
	}
	words := strings.Fields(got["Service ExecStart"])
	if len(words) < 2 {
		t.Fatalf("%v", got)
	}
	commandLine(t, "cosmicman.service", words[1:])
	for name, want := range map[string]string{"Service DynamicUser": "yes", "Service NoNewPrivileges": "yes", "Service ProtectSystem": "strict", "Install WantedBy": "multi-user.target"} {
		if got[name] != want {
			t.Errorf("%s is %q, expected %q", name, got[name], want)
		}
	}
}
