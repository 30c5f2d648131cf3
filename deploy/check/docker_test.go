package check

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDockerfiles checks what a linter does not know: that the files that are copied
// exist and reach the build, and that the command lines are the program's.
func TestDockerfiles(t *testing.T) {
	ignored, err := os.ReadFile("../../.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Dockerfile", "Dockerfile.cuda"} {
		text, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil {
			t.Fatal(err)
		}
		copied := 0
		for _, found := range regexp.MustCompile(`(?m)^COPY ([^-].*) \S+$`).FindAllStringSubmatch(string(text), -1) {
			for _, path := range strings.Fields(found[1]) {
				copied++
				if _, err := os.Stat(filepath.Join("../..", path)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if top, _, _ := strings.Cut(path, "/"); top != "." && !strings.Contains(string(ignored), "\n!"+top+"\n") {
					t.Errorf("%s copies %s, which .dockerignore leaves out", name, path)
				}
			}
		}
		if copied < 5 {
			t.Errorf("%s copies %d files", name, copied)
		}
		lines := 0
		for _, found := range regexp.MustCompile(`(?m)^(?:HEALTHCHECK .*)?CMD (\[.*\])$`).FindAllStringSubmatch(string(text), -1) {
			lines++
			var args []string
			if err := json.Unmarshal([]byte(found[1]), &args); err != nil {
				t.Fatal(err)
			}
			if args[0] == "/app/cosmicman" {
				args = args[1:]
			}
			commandLine(t, name, args)
		}
		if lines != 2 {
			t.Errorf("%s: %d command lines", name, lines)
		}
	}
}

// TestDockerContextHasAllPackages: a package that the program imports must not be
// left out of the build.
func TestDockerContextHasAllPackages(t *testing.T) {
	ignored, err := os.ReadFile("../../.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	folders, err := filepath.Glob("../../*/*.go")
	if err != nil || len(folders) == 0 {
		t.Fatal(err)
	}
	for _, path := range folders {
		if top := filepath.Base(filepath.Dir(path)); !strings.Contains(string(ignored), "\n!"+top+"\n") {
			t.Errorf(".dockerignore leaves out the package %s", top)
		}
	}
}
