package artifact

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// unfinished begins the names of files that are being written.
const unfinished = ".cosmicman-"

// WriteFile writes data beside path, has it put on disk and renames it into place,
// so that path holds all of it or what it held before, whenever the machine stops.
func WriteFile(path string, data []byte) error {
	dir, err := os.OpenRoot(filepath.Dir(path))
	if err == nil {
		err = errors.Join(write(dir, filepath.Base(path), data, time.Time{}), dir.Close())
	}
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", path, err)
	}
	return nil
}

// write is WriteFile in a folder; the file gets a modification time, if there is one.
func write(dir *os.Root, name string, data []byte, modified time.Time) error {
	temp := unfinished + rand.Text()
	f, err := dir.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil && !modified.IsZero() {
		err = dir.Chtimes(temp, modified, modified)
	}
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = dir.Rename(temp, name)
	}
	if err != nil {
		return errors.Join(err, dir.Remove(temp))
	}
	return syncDir(dir)
}

// syncDir puts the names in a folder on disk.
func syncDir(dir *os.Root) error {
	d, err := dir.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
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
	f, err := os.CreateTemp(dir, unfinished+"*")
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", path, err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
