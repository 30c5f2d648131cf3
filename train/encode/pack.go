package encode

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The files of a pack.
const (
	packExt  = ".pack"
	indexExt = ".idx"
)

// recordSize is a record's of an index: the key, where the result begins and how long it
// is, its checksum, and the checksum of all that.
const recordSize = int64(len(Key{}) + 8 + 4 + 4 + 4)

// pack is a file of results and its index. Its methods need the cache's lock, but for
// reads of an opened file.
type pack struct {
	dir, name string
	bytes     int64    // of both files
	read      int64    // of the index, as far as it was understood
	file      *os.File // nil: not open
	index     *os.File // of one's own pack
	size      int64    // of one's own file
	used      bool     // something was read from it
	touched   time.Time
}

// record is one of an index.
type record struct {
	key Key
	place
}

// nameOf is a pack's name of its index.
func nameOf(f fs.DirEntry) (string, bool) {
	name, is := strings.CutSuffix(f.Name(), indexExt)
	return name, is && f.Type().IsRegular()
}

// newPack begins a pack. Names begin with the time, so that later ones come later.
func newPack(dir string) (*pack, error) {
	p := &pack{dir: dir, name: fmt.Sprintf("%013x-%s", time.Now().UnixMicro(), rand.Text()[:8])}
	var err error
	if p.file, err = os.OpenFile(p.path(packExt), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644); err != nil {
		return nil, err
	}
	if p.index, err = os.OpenFile(p.path(indexExt), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644); err != nil {
		return nil, errors.Join(err, p.file.Close(), os.Remove(p.path(packExt)))
	}
	return p, nil
}

func (p *pack) path(ext string) string { return filepath.Join(p.dir, p.name+ext) }

// append writes a result and then its record. What was not written whole is cut off.
func (p *pack) append(key Key, data []byte) (place, error) {
	at := place{pack: p, offset: p.size, length: uint32(len(data)), sum: crc32.Checksum(data, castagnoli)}
	_, err := p.file.WriteAt(data, p.size)
	if err != nil {
		return place{}, errors.Join(err, p.file.Truncate(p.size))
	}
	if _, err := p.index.WriteAt(record{key, at}.encode(), p.read); err != nil {
		return place{}, errors.Join(err, p.index.Truncate(p.read), p.file.Truncate(p.size))
	}
	p.size += int64(len(data))
	p.read += recordSize
	p.bytes = p.size + p.read
	return at, nil
}

func (r record) encode() []byte {
	b := make([]byte, 0, recordSize)
	b = append(b, r.key[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(r.offset))
	b = binary.LittleEndian.AppendUint32(b, r.length)
	b = binary.LittleEndian.AppendUint32(b, r.sum)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// parseRecords reads the records of data whose results lie within a file of size bytes,
// and returns where the last of them ends. Others between them are left aside; what
// follows on the last may be one that is just being written.
func parseRecords(data []byte, size int64) (records []record, end int64) {
	for at := int64(0); at+recordSize <= int64(len(data)); at += recordSize {
		b := data[at : at+recordSize]
		if crc32.Checksum(b[:recordSize-4], castagnoli) != binary.LittleEndian.Uint32(b[recordSize-4:]) {
			continue
		}
		r := record{key: Key(b[:len(Key{})])}
		b = b[len(Key{}):]
		r.offset, r.length, r.sum = int64(binary.LittleEndian.Uint64(b)), binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:])
		if r.length > maxResult || r.offset < 0 || r.offset > size-int64(r.length) {
			continue
		}
		records, end = append(records, r), at+recordSize
	}
	return records, end
}

// news are the records that were written since it was last asked, by another process.
func (p *pack) news() ([]record, error) {
	index, err := os.Open(p.path(indexExt))
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.NewSectionReader(index, p.read, 1<<62))
	if err := errors.Join(err, index.Close()); err != nil {
		return nil, err
	}
	info, err := os.Stat(p.path(packExt)) // after the index: what it names is there by now
	if err != nil {
		return nil, err
	}
	records, end := parseRecords(data, info.Size())
	for i := range records {
		records[i].pack = p
	}
	p.read += end
	p.bytes = p.read + info.Size()
	return records, nil
}

// open returns the file to read from, and lets other processes know that it is used.
func (p *pack) open() (*os.File, error) {
	if p.file == nil {
		var err error
		if p.file, err = os.Open(p.path(packExt)); err != nil {
			return nil, err
		}
	}
	if p.used = true; time.Since(p.touched) > idle/4 {
		p.touched = time.Now()
		// Of a folder that cannot be written to, nothing is removed either.
		_ = os.Chtimes(p.path(packExt), p.touched, p.touched)
	}
	return p.file, nil
}

// finish ends the writing of a pack.
func (p *pack) finish() error {
	if p.index == nil {
		return nil
	}
	err := p.index.Close()
	p.index = nil
	return err
}

// remove takes the index away first: without it, the rest is nothing.
func (p *pack) remove() error {
	return errors.Join(os.Remove(p.path(indexExt)), os.Remove(p.path(packExt)), p.close())
}

func (p *pack) close() error {
	err := p.finish()
	if p.file != nil {
		err = errors.Join(err, p.file.Close())
		p.file = nil
	}
	return err
}
