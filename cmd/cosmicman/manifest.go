package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"cosmicman/artifact"
)

const manifestName = "manifest.jsonl"

// drawnImage is a line of the manifest: an image whose file is in place.
type drawnImage struct {
	Line        int     `json:"line"`
	Image       int     `json:"image"`
	File        string  `json:"file"`
	Seed        uint64  `json:"seed"`
	Width       int     `json:"width"`
	Height      int     `json:"height"`
	Model       string  `json:"model"`
	Bytes       int64   `json:"bytes"`
	SHA256      string  `json:"sha256"`
	Request     string  `json:"request"` // digest of what was asked for
	Fingerprint string  `json:"fingerprint"`
	Seconds     float64 `json:"seconds"` // of device time
}

// manifest is a folder of images and the list of those that are whole.
type manifest struct {
	dir string

	mu    sync.Mutex
	file  *os.File
	whole map[string]drawnImage // by file
}

// openManifest opens a folder, which is made if it is not there, for one process.
func openManifest(dir string) (*manifest, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, manifestName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	m := &manifest{dir: dir, file: f, whole: map[string]drawnImage{}}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%s is being written by another process", path), f.Close())
	}
	data, err := os.ReadFile(path)
	if err == nil {
		// A line without an end was cut off by a crash.
		end := bytes.LastIndexByte(data, '\n') + 1
		if err = m.read(data[:end]); err == nil && end < len(data) {
			err = f.Truncate(int64(end))
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return m, nil
}

func (m *manifest) read(data []byte) error {
	number := 0
	for line := range bytes.Lines(data) {
		number++
		var i drawnImage
		if err := json.Unmarshal(line, &i); err != nil || i.File == "" {
			return fmt.Errorf("line %d does not describe an image", number)
		}
		m.whole[i.File] = i
	}
	return nil
}

func (m *manifest) Close() error { return m.file.Close() }

// has reports whether an image of a request is there and whole.
func (m *manifest) has(file, request string) (bool, error) {
	m.mu.Lock()
	i, known := m.whole[file]
	m.mu.Unlock()
	if !known || i.Request != request {
		return false, nil
	}
	data, err := os.ReadFile(filepath.Join(m.dir, file))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && int64(len(data)) == i.Bytes && digest(data) == i.SHA256, err
}

// add puts an image in place and then on the list, both on disk.
func (m *manifest) add(i drawnImage, data []byte) error {
	i.Bytes, i.SHA256 = int64(len(data)), digest(data)
	if err := artifact.WriteFile(filepath.Join(m.dir, i.File), data); err != nil {
		return err
	}
	line, err := json.Marshal(i)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	// One that was cut off by a full disk must not be gone on with.
	before, err := m.file.Seek(0, 2)
	if err != nil {
		return err
	}
	if _, err := m.file.Write(append(line, '\n')); err != nil {
		return errors.Join(err, m.file.Truncate(before))
	}
	m.whole[i.File] = i
	return m.file.Sync()
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
