package policy

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the path that every package of ours starts with.
const module = "cosmicman"

// drawing is the import policy, lowest layer first.
//
// "p <- q r" says: p may import q, r and whatever of ours q and r may import in
// their turn. A name with a dot in its first element is a module from outside (its
// sub-packages included), and C is cgo; both are for p alone and never handed on.
// The standard library is free to all. "planned" names packages that have their
// place but no code yet. "tests p <- q" says what the test files of p may import
// beyond what p may, "tests <- q" what every test file may.
//
// A line is a decision about the design. When a change does not fit, it is the
// change that is looked at first, and this text second.
const drawing = `
	# Words, and pure calculation: nothing of ours.
	job              <-
	tensor           <-
	artifact         <- job
	diffusion        <-
	openapi          <-
	tokenizer        <-

	# Networks as graphs, and where their weights lie.
	onnx             <- tensor google.golang.org/protobuf/encoding/protowire
	onnx/onnxtest    <- onnx
	weights          <- tensor
	weights/hub      <- weights
	weights/lora     <- weights
	weights/bind     <- weights onnx
	weights/hub/hubtest <-
	model            <- onnx
	autodiff         <- onnx

	# Models from nothing, with random weights.
	newmodel/fill    <- tensor diffusion
	newmodel         <- newmodel/fill model weights tokenizer weights/bind

	# A pipeline opened: configs, graphs, weight files held against each other.
	networks         <- model weights weights/bind diffusion tokenizer

	# The one door to ONNX Runtime and to C.
	ort              <- tensor github.com/yalue/onnxruntime_go C

	# Prompts, events, drawn people.
	internal/spelling <-
	internal/lru     <-
	prompt           <- tokenizer internal/spelling
	picture          <- github.com/tetratelabs/wazero golang.org/x/sync
	telemetry        <- job github.com/prometheus/client_golang github.com/prometheus/client_model github.com/prometheus/common go.opentelemetry.io/otel
	dolls            <- prompt artifact github.com/parquet-go/parquet-go golang.org/x/sync

	# Two engines on the same layers. Neither knows the other, nor who calls.
	inference        <- internal/lru networks model weights weights/bind weights/lora ort diffusion prompt picture artifact job
	train            <- model weights weights/bind weights/lora ort diffusion prompt artifact autodiff
	train/dataset    <- train picture github.com/parquet-go/parquet-go golang.org/x/sync
	train/encode     <- networks internal/lru train picture golang.org/x/sync
	train/checkpoint <- weights
	train/loop       <- train train/checkpoint
	train/journal    <- train/loop picture google.golang.org/protobuf/encoding/protowire golang.org/x/image
	train/recipe     <- networks train/dataset train/encode train/loop train/journal newmodel internal/spelling

	# Two ways in. Neither knows a tensor.
	scheduler           <- job
	scheduler/localq    <- scheduler github.com/cockroachdb/pebble
	scheduler/redisq    <- scheduler github.com/redis/go-redis
	scheduler/socket    <- scheduler
	scheduler/pack      <- job
	scheduler/worker    <- scheduler scheduler/pack
	scheduler/worker/workertest <- scheduler/worker
	scheduler/sim       <- scheduler/worker scheduler/worker/workertest scheduler/localq
	scheduler/queuetest <- scheduler
	api              <- job prompt picture openapi github.com/labstack/echo github.com/swaggo/files golang.org/x/time

	# The wiring.
	cmd/cosmicman    <- api scheduler scheduler/localq scheduler/redisq scheduler/socket scheduler/worker scheduler/sim telemetry inference train/recipe train newmodel dolls weights/hub github.com/goccy/go-yaml github.com/labstack/echo github.com/prometheus/client_golang

	# Rules as tests.
	internal/policy  <-


	tests               <- go.uber.org/goleak
	tests telemetry     <- go.opentelemetry.io/proto/otlp google.golang.org/protobuf
	tests ort           <- onnx
	tests weights/hub   <- weights/hub/hubtest
	tests weights/lora  <- model newmodel
	tests api           <- scheduler/localq artifact
	tests scheduler/localq <- scheduler/queuetest
	tests scheduler/redisq <- scheduler/queuetest
	tests scheduler/socket <- scheduler/queuetest scheduler/localq
	tests scheduler/worker <- scheduler/localq scheduler/worker/workertest
	tests cmd/cosmicman <- weights/hub/hubtest github.com/rogpeppe/go-internal/testscript github.com/chromedp/chromedp github.com/chromedp/cdproto
	tests onnx/onnxtest <- ort weights diffusion
	tests model         <- onnx/onnxtest ort weights diffusion newmodel/fill
	tests networks      <- newmodel
	tests inference     <- newmodel train/encode
	tests train/encode  <- newmodel
	tests train         <- newmodel onnx/onnxtest dolls
	tests train/recipe  <- dolls
	tests train/loop    <- newmodel
	tests train/dataset <- dolls tokenizer
	tests autodiff      <- onnx/onnxtest ort model newmodel/fill diffusion
`

// policy is a drawing that has been read.
type policy struct {
	imports  map[string][]string // what a package's line names
	tests    map[string][]string // what its test files may import besides
	allTests []string            // what every test file may import
	planned  map[string]bool     // has a line, needs no code yet
}

// parse reads a drawing; faults are lines that cannot be meant.
func parse(text string) (p policy, faults []string) {
	p = policy{imports: map[string][]string{}, tests: map[string][]string{}, planned: map[string]bool{}}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if words[0] == "planned" {
			for _, name := range words[1:] {
				p.planned[name] = true
			}
			continue
		}
		left, right, found := strings.Cut(line, "<-")
		subject, may := strings.Fields(left), strings.Fields(right)
		switch {
		case found && len(subject) == 1 && subject[0] == "tests":
			p.allTests = append(p.allTests, may...)
		case found && len(subject) == 2 && subject[0] == "tests":
			p.tests[subject[1]] = append(p.tests[subject[1]], may...)
		case found && len(subject) == 1:
			if _, twice := p.imports[subject[0]]; twice {
				faults = append(faults, subject[0]+": drawn twice")
			}
			p.imports[subject[0]] = may
		default:
			faults = append(faults, strings.TrimSpace(line)+": not a line of the drawing")
		}
	}
	return p, append(faults, p.misnamed()...)
}

// misnamed returns the names that have no line of their own, and packages that
// could reach themselves.
func (p policy) misnamed() (faults []string) {
	check := func(where string, names []string) {
		for _, name := range names {
			if _, drawn := p.imports[name]; !drawn && !outside(name) {
				faults = append(faults, where+": names "+name+", which has no line")
			}
		}
	}
	for name, may := range p.imports {
		check(name, may)
		if p.reaches(may, name, nil) {
			faults = append(faults, name+": may import itself by way of others")
		}
	}
	for name, may := range p.tests {
		check("tests", []string{name})
		check("tests "+name, may)
	}
	check("tests", p.allTests)
	for name := range p.planned {
		check("planned", []string{name})
	}
	slices.Sort(faults)
	return faults
}

// outside reports whether a name is a module that is not ours, or cgo.
func outside(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return name == "C" || strings.Contains(first, ".")
}

// reaches reports whether one of ours is among names or what these may import.
func (p policy) reaches(names []string, target string, seen map[string]bool) bool {
	if seen == nil {
		seen = map[string]bool{}
	}
	for _, name := range names {
		if name == target {
			return true
		}
		if !seen[name] {
			seen[name] = true
			if p.reaches(p.imports[name], target, seen) {
				return true
			}
		}
	}
	return false
}

// allows reports whether a file of package pkg may import what.
func (p policy) allows(pkg, what string, inTest bool) bool {
	may := p.imports[pkg]
	if inTest {
		may = slices.Concat(may, p.tests[pkg], p.allTests)
	}
	if ours, is := strings.CutPrefix(what, module+"/"); is {
		return p.reaches(may, ours, nil) || inTest && ours == pkg
	}
	if !outside(what) {
		return true // the standard library
	}
	return slices.ContainsFunc(may, func(name string) bool {
		return outside(name) && (what == name || strings.HasPrefix(what, name+"/"))
	})
}

// check holds every Go file of a source tree against the policy, whatever its
// build constraints, and returns what does not fit, one line each.
func (p policy) check(tree fs.FS) (faults []string, err error) {
	found := map[string]bool{}
	err = fs.WalkDir(tree, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if file != "." && !ofModule(tree, file) {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(file) != ".go" {
			return nil
		}
		pkg := path.Dir(file)
		if _, drawn := p.imports[pkg]; !drawn {
			if !found[pkg] {
				faults = append(faults, pkg+": a package without a line in the drawing")
			}
			found[pkg] = true
			return nil
		}
		found[pkg] = true
		imports, err := importsOf(tree, file)
		if err != nil {
			return err
		}
		for _, what := range imports {
			if !p.allows(pkg, what, strings.HasSuffix(file, "_test.go")) {
				faults = append(faults, file+": "+pkg+" must not import "+what)
			}
		}
		return nil
	})
	for name := range p.imports {
		switch {
		case !found[name] && !p.planned[name]:
			faults = append(faults, name+": has a line, but no Go file (misspelt, or planned?)")
		case found[name] && p.planned[name]:
			faults = append(faults, name+": is there now, so it is planned no more")
		}
	}
	slices.Sort(faults)
	return faults, err
}

// ofModule reports whether a directory can hold packages of the module: not
// testdata, hidden ones, build results or a module of its own.
func ofModule(tree fs.FS, dir string) bool {
	base := path.Base(dir)
	if base == "testdata" || base == "node_modules" || dir == "bin" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return false
	}
	_, err := fs.Stat(tree, path.Join(dir, "go.mod"))
	return err != nil
}

func importsOf(tree fs.FS, file string) ([]string, error) {
	source, err := fs.ReadFile(tree, file)
	if err != nil {
		return nil, err
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), file, source, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	var imports []string
	for _, spec := range parsed.Imports {
		what, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		imports = append(imports, what)
	}
	return imports, nil
}

// root returns the repository's root: the directory of the module's go.mod.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		t.Fatalf("the module's root is not two levels up: %v", err)
	}
	return dir
}

func TestImports(t *testing.T) {
	p, faults := parse(drawing)
	for _, fault := range faults {
		t.Errorf("drawing: %s", fault)
	}
	faults, err := p.check(os.DirFS(root(t)))
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range faults {
		t.Error(fault)
	}
}
