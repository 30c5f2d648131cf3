package policy

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// small is a drawing of four packages for the tests of the policy itself.
const small = `
	low          <-
	mid          <- low example.org/store
	top          <- mid
	later        <- low
	planned      later
	tests        <- example.org/leak
	tests low    <- mid
`

// tree is a source tree that keeps to the small drawing.
func tree() fstest.MapFS {
	return fstest.MapFS{
		"go.mod":               file("module cosmicman"),
		"low/low.go":           file(`package low; import ("fmt"; "encoding/json")`),
		"low/low_test.go":      file(`package low_test; import ("cosmicman/low"; "cosmicman/mid"; "example.org/leak")`),
		"mid/mid.go":           file(`package mid; import ("cosmicman/low"; "example.org/store/v9")`),
		"top/top.go":           file(`package top; import ("cosmicman/mid"; "cosmicman/low")`),
		"top/testdata/odd.go":  file(`package odd; import "cosmicman/nowhere"`),
		"tools/go.mod":         file("module cosmicman/tools"),
		"tools/tools.go":       file(`package tools; import "example.org/anything"`),
		".cache/left/there.go": file(`package there; import "example.org/anything"`),
	}
}

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func TestPolicyFindsWhatItForbids(t *testing.T) {
	p, faults := parse(small)
	if len(faults) > 0 {
		t.Fatalf("the small drawing has faults: %v", faults)
	}
	for name, c := range map[string]struct {
		change map[string]string // file to content; empty removes the file
		want   string            // the one fault; empty for none
	}{
		"as drawn":              {nil, ""},
		"upwards":               {map[string]string{"low/up.go": `package low; import "cosmicman/top"`}, "low/up.go: low must not import cosmicman/top"},
		"to a test's privilege": {map[string]string{"low/up.go": `package low; import "cosmicman/mid"`}, "low/up.go: low must not import cosmicman/mid"},
		"a module of another":   {map[string]string{"top/s.go": `package top; import "example.org/store/v9"`}, "top/s.go: top must not import example.org/store/v9"},
		"a name that starts alike": {map[string]string{"mid/s.go": `package mid; import "example.org/storehouse"`},
			"mid/s.go: mid must not import example.org/storehouse"},
		"leak checks outside tests": {map[string]string{"mid/s.go": `package mid; import "example.org/leak"`}, "mid/s.go: mid must not import example.org/leak"},
		"cgo":                       {map[string]string{"mid/c.go": `package mid; import "C"`}, "mid/c.go: mid must not import C"},
		"under a build constraint":  {map[string]string{"mid/w_windows.go": "//go:build never\n\npackage mid\n\nimport \"C\"\n"}, "mid/w_windows.go: mid must not import C"},
		"in another's test":         {map[string]string{"mid/m_test.go": `package mid; import "cosmicman/top"`}, "mid/m_test.go: mid must not import cosmicman/top"},
		"a package not drawn":       {map[string]string{"side/a.go": `package side`, "side/b.go": `package side`}, "side: a package without a line in the drawing"},
		"a line without a package":  {map[string]string{"top/top.go": ""}, "top: has a line, but no Go file (misspelt, or planned?)"},
		"planned and there":         {map[string]string{"later/l.go": `package later`}, "later: is there now, so it is planned no more"},
	} {
		t.Run(name, func(t *testing.T) {
			source := tree()
			for name, text := range c.change {
				if text == "" {
					delete(source, name)
				} else {
					source[name] = file(text)
				}
			}
			faults, err := p.check(source)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(faults, "\n"); got != c.want {
				t.Errorf("faults %q, want %q", got, c.want)
			}
		})
	}
}

func TestDrawingFaults(t *testing.T) {
	for text, want := range map[string]string{
		"a <- b":            "a: names b, which has no line",
		"a <-\na <-":        "a: drawn twice",
		"a <- b\nb <- a":    "a: may import itself by way of others",
		"a b":               "a b: not a line of the drawing",
		"a <-\ntests b <-":  "tests: names b, which has no line",
		"a <-\ntests <- b":  "tests: names b, which has no line",
		"a <-\nplanned b":   "planned: names b, which has no line",
		"a b c <- d":        "a b c <- d: not a line of the drawing",
		"tests a <- b\na<-": "tests a: names b, which has no line",
	} {
		if _, faults := parse(text); !slices.Contains(faults, want) {
			t.Errorf("parse(%q): faults %q, want %q among them", text, faults, want)
		}
	}
}

// Redis, Echo, the ONNX Runtime binding and cgo each have one door; this holds the
// drawing itself to that.
func TestOneDoorEach(t *testing.T) {
	p, _ := parse(drawing)
	for what, want := range map[string]string{
		"github.com/redis/go-redis/v9":         "scheduler/redisq",
		"github.com/labstack/echo/v4":          "api cmd/cosmicman",
		"github.com/yalue/onnxruntime_go":      "ort",
		"C":                                    "ort",
		"cosmicman/inference":                  "cmd/cosmicman",
		"cosmicman/onnx/onnxtest":              "",
		"cosmicman/cmd/cosmicman":              "",
		"google.golang.org/grpc":               "",
		"google.golang.org/protobuf/proto":     "",
		"github.com/yalue/onnxruntime_go_fork": "",
	} {
		var may []string
		for pkg := range p.imports {
			if p.allows(pkg, what, false) {
				may = append(may, pkg)
			}
		}
		slices.Sort(may)
		if got := strings.Join(may, " "); got != want {
			t.Errorf("%s may be imported by %q, want %q", what, got, want)
		}
	}
}
