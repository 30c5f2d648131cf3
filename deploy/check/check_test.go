package check

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// flags are those of a command, from its own help.
func flags(t *testing.T, command string) []string {
	t.Helper()
	known.Lock()
	defer known.Unlock()
	if names := known.flags[command]; names != nil {
		return names
	}
	help := exec.CommandContext(t.Context(), "go", "run", "./cmd/cosmicman", command, "-h")
	help.Dir = "../.."
	out, err := help.CombinedOutput()
	if err != nil {
		t.Fatalf("%s -h: %v: %s", command, err, out)
	}
	names := []string{"h"}
	for _, found := range regexp.MustCompile(`(?m)^  -([a-z0-9-]+)`).FindAllSubmatch(out, -1) {
		names = append(names, string(found[1]))
	}
	if len(names) < 3 {
		t.Fatalf("%s -h lists %q", command, names)
	}
	known.flags[command] = names
	return names
}

var known = struct {
	sync.Mutex
	flags map[string][]string
}{flags: map[string][]string{}}

// commandLine checks that the program has the command and the flags of a command line.
func commandLine(t *testing.T, where string, args []string) {
	t.Helper()
	if len(args) == 0 || !slices.Contains([]string{"serve", "worker", "health"}, args[0]) {
		t.Errorf("%s: %q is no command that is deployed", where, args)
		return
	}
	names := flags(t, args[0])
	for _, arg := range args[1:] {
		name, is := strings.CutPrefix(arg, "--")
		if name, _, _ = strings.Cut(name, "="); is && !slices.Contains(names, name) {
			t.Errorf("%s: %s has no flag --%s", where, args[0], name)
		}
	}
}
