package api

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// uploadMemory is how many bytes of files all requests together may hold while they
// are read, checked and stored. What waits to be collected comes on top: 60 forms of
// 45 MB at a time make a process of 0.9 GB.
const uploadMemory = 256 << 20

// errFilesBusy is why a file is not read: others are, as many as memory allows.
var errFilesBusy = &apiError{status: http.StatusServiceUnavailable, kind: "server_error", code: "overloaded", retryAfter: 2 * time.Second,
	message: "too many files are being uploaded at this time"}

// memory is what is left of uploadMemory.
type memory struct{ left atomic.Int64 }

// loan is what one request has of it. It belongs to the request's goroutine.
type loan struct {
	of *memory
	n  int64
}

func (m *memory) loan() *loan { return &loan{of: m} }

// take asks for n bytes more; it never waits, since who waits holds what it has.
func (l *loan) take(n int64) error {
	if l.of.left.Add(-n) < 0 {
		l.of.left.Add(n)
		return errFilesBusy
	}
	l.n += n
	return nil
}

// release gives everything back; what was read must not be kept.
func (l *loan) release() {
	l.of.left.Add(l.n)
	l.n = 0
}

// read reads r to its end, with memory taken as it is needed. What is longer than
// limit is cut to limit + 1 bytes.
func (l *loan) read(r io.Reader, limit int) ([]byte, error) {
	var data []byte
	for {
		if len(data) == cap(data) {
			grown := min(max(64<<10, 2*cap(data)), limit+1)
			if err := l.take(int64(grown - cap(data))); err != nil {
				return nil, err
			}
			data = append(make([]byte, 0, grown), data...)
		}
		n, err := r.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case len(data) > limit, err == io.EOF:
			return data, nil
		case err != nil:
			return nil, err
		}
	}
}
