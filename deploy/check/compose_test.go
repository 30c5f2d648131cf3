package check

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
)

func TestCompose(t *testing.T) {
	o, err := cli.NewProjectOptions([]string{"../compose.yaml"}, cli.WithEnv([]string{"COSMICMAN_API_KEYS=me:secret", "COSMICMAN_MODEL=/models/people"}), cli.WithInterpolation(true), cli.WithResolvedPaths(true))
	if err != nil {
		t.Fatal(err)
	}
	p, err := o.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ours := 0
	for name, s := range p.Services {
		if s.Build != nil {
			ours++
			commandLine(t, "compose.yaml: "+name, s.Command)
			if _, err := os.Stat(filepath.Join(s.Build.Context, s.Build.Dockerfile)); err != nil {
				t.Error(err)
			}
			if !s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") {
				t.Errorf("%s may write to its image or has capabilities", name)
			}
		} else if _, tag, ok := strings.Cut(s.Image, ":"); !ok || tag == "latest" {
			t.Errorf("%s: the image %s is not pinned", name, s.Image)
		}
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes %s to other machines", name, port.Published)
			}
		}
		for _, v := range s.Volumes {
			if v.Type == "bind" {
				if _, err := os.Stat(v.Source); err != nil {
					t.Error(err)
				}
			}
		}
	}
	if ours != 2 || len(p.Services) != 5 {
		t.Errorf("%d services, %d of ours", len(p.Services), ours)
	}
	if redis := strings.Join(p.Services["redis"].Command, " "); !strings.Contains(redis, "--appendonly yes") || !strings.Contains(redis, "noeviction") {
		t.Errorf("redis may lose jobs: %s", redis)
	}
	// Without keys it must not start.
	bare, err := cli.NewProjectOptions([]string{"../compose.yaml"}, cli.WithInterpolation(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bare.LoadProject(t.Context()); err == nil || !strings.Contains(err.Error(), "COSMICMAN_") {
		t.Errorf("without keys: %v", err)
	}
}
