package ort

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// libraryName is what scripts/fetch-runtime.sh installs.
const libraryName = "libonnxruntime.so"

// FindLibrary returns the path of ONNX Runtime's library: the given file or
// folder, else beside the executable (its folder, lib in it, lib beside it),
// else bin/lib of the module that the working directory lies in, which is
// where `go test` finds what `make build` fetched.
func FindLibrary(explicit string) (string, error) {
	var looked []string
	try := func(path string) bool {
		looked = append(looked, path)
		info, err := os.Stat(path)
		return err == nil && info.Mode().IsRegular()
	}
	if explicit != "" {
		for _, p := range []string{explicit, filepath.Join(explicit, libraryName)} {
			if try(p) {
				return p, nil
			}
		}
		return "", notFound(looked)
	}
	if exe, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(exe); err == nil {
			exe = real
		}
		dir := filepath.Dir(exe)
		for _, p := range []string{dir, filepath.Join(dir, "lib"), filepath.Join(dir, "..", "lib")} {
			if path := filepath.Join(p, libraryName); try(path) {
				return path, nil
			}
		}
	}
	if dir, err := os.Getwd(); err == nil {
		for {
			if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
				if path := filepath.Join(dir, "bin", "lib", libraryName); try(path) {
					return path, nil
				}
				break
			}
			up := filepath.Dir(dir)
			if up == dir {
				break
			}
			dir = up
		}
	}
	return "", notFound(looked)
}

func notFound(looked []string) error {
	return fmt.Errorf("%w: looked for %s; `make build` fetches it", ErrNoLibrary, strings.Join(looked, ", "))
}
