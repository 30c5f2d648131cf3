package dataset

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Item is an image of a set.
type Item struct {
	Source *Source
	Name   string // path from the source's folder on, with slashes
	Map    string // of its parsing map, likewise; "" is none
	Size   Size   // of the image as it is meant to be seen
	Bucket Size   // in which it is seen

	words words    // what its caption is made of
	bytes [2]int64 // how long the files of the image and its map are

	mu      sync.Mutex
	content content // of the file when it was last read
}

// words are what a caption is made of: attributes by groups, or a text.
type words struct {
	byGroups   bool   // attributes and labels say it; else text
	attributes string // JSON of aa_text
	labels     string // JSON of aa_ids; "" is none
	shot       string // person_type
	text       string
}

// content is a file's hash, and what a file looks like that has it still.
type content struct {
	hash     [sha256.Size]byte
	size     int64
	modified time.Time
	known    bool
}

// Path is where the image is.
func (i *Item) Path() string { return filepath.Join(i.Source.Path, filepath.FromSlash(i.Name)) }

// MapPath is where its parsing map is, "" if it has none.
func (i *Item) MapPath() string {
	if i.Map == "" {
		return ""
	}
	return filepath.Join(i.Source.Path, filepath.FromSlash(i.Map))
}

// Key is a hash of the image file's bytes, in hexadecimal, by which caches know it. The
// file is read where it is not known, or has changed since.
func (i *Item) Key() (string, error) {
	info, err := os.Stat(i.Path())
	if err != nil {
		return "", i.fault(err)
	}
	i.mu.Lock()
	known := i.content
	i.mu.Unlock()
	if known.known && known.size == info.Size() && known.modified.Equal(info.ModTime()) {
		return hex.EncodeToString(known.hash[:]), nil
	}
	data, info, err := read(i.Path(), maxFile)
	if err != nil {
		return "", i.fault(err)
	}
	return i.remember(data, info), nil
}

// remember keeps the hash of a file's bytes and returns it.
func (i *Item) remember(data []byte, info fs.FileInfo) string {
	c := content{sha256.Sum256(data), info.Size(), info.ModTime(), true}
	i.mu.Lock()
	i.content = c
	i.mu.Unlock()
	return hex.EncodeToString(c.hash[:])
}

func (i *Item) fault(err error) error { return &Fault{Path: i.Path(), Err: err} }

// Fault is what is wrong with a file, or with what was said of it.
type Fault struct {
	Path string
	Err  error
}

func (f *Fault) Error() string { return fmt.Sprintf("%s: %v", f.Path, plain(f.Err)) }

func (f *Fault) Unwrap() error { return f.Err }
