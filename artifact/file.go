package artifact

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// WriteFile writes data beside path and renames it into place, so that path
// holds all of it or what it held before.
func WriteFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".cosmicman-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// CheckWritable finds out whether WriteFile will be able to write path, without
// leaving anything behind.
func CheckWritable(path string) error {
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", path, err)
	}
	if !info.IsDir() {
		return fmt.Errorf("%s cannot be written: %s is not a folder", path, dir)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("%s cannot be written: it is a folder", path)
	}
	f, err := os.CreateTemp(dir, ".cosmicman-*")
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", path, err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
