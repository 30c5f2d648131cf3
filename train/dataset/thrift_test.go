package dataset

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

// TestLengthsInHeadersAreHeldAgainstTheirBytes: in fields of every type.
func TestLengthsInHeadersAreHeldAgainstTheirBytes(t *testing.T) {
	whole := slices.Concat(
		[]byte{0x11, 0x12},                      // two booleans, in their types
		[]byte{0x13, 7, 0x15, 0x80, 1, 0x16, 2}, // a byte, an i32, an i64
		[]byte{0x17}, make([]byte, 8),           // a double
		[]byte{0x18, 3, 'a', 'b', 'c'},   // text
		[]byte{0x19, 0x25, 1, 2},         // a list of two i32
		[]byte{0x1a, 0xf1, 2, 1, 2},      // a set of booleans, its length apart
		[]byte{0x1b, 1, 0x85, 1, 'x', 4}, // a map of text to i32
		[]byte{0x1b, 0},                  // an empty one
		[]byte{0x0c, 100, 0x15, 4, 0},    // a struct, with its number apart
		[]byte{0x1d}, make([]byte, 16),   // a UUID
		[]byte{0},
	)
	if n, err := compactStruct(append(whole, 9, 9)); err != nil || n != len(whole) {
		t.Fatalf("%d of %d bytes: %v", n, len(whole), err)
	}
	for n := range whole {
		if _, err := compactStruct(whole[:n]); err == nil {
			t.Errorf("%d of %d bytes were taken", n, len(whole))
		}
	}
	huge := binary.AppendUvarint(nil, 1<<31-1)
	for name, data := range map[string][]byte{
		"list":    slices.Concat([]byte{0x19, 0xfc}, huge, []byte{0, 0}),
		"text":    slices.Concat([]byte{0x18}, huge, []byte{0, 0}),
		"map":     slices.Concat([]byte{0x1b}, huge, []byte{0x55, 0, 0}),
		"type":    {0x1e, 0},
		"structs": bytes.Repeat([]byte{0x1c}, 1000),
		"lists":   bytes.Repeat([]byte{0x19}, 1000),
	} {
		if _, err := compactStruct(data); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// TestAFooterIsCheckedFirst: one that asks the library for room for two billion columns.
func TestAFooterIsCheckedFirst(t *testing.T) {
	footer := slices.Concat([]byte{0x15, 2, 0x19, 0xfc}, binary.AppendUvarint(nil, 1<<31-1), []byte{0})
	file := append([]byte("PAR1"), footer...)
	file = append(binary.LittleEndian.AppendUint32(file, uint32(len(footer))), "PAR1"...)
	if _, _, err := readRows(bytes.NewReader(file), int64(len(file))); err == nil || !strings.Contains(err.Error(), "is damaged: the footer") {
		t.Errorf("%v", err)
	}
	binary.LittleEndian.PutUint32(file[len(file)-8:], 1<<31)
	if _, _, err := readRows(bytes.NewReader(file), int64(len(file))); err == nil || !strings.Contains(err.Error(), "does not end with a footer") {
		t.Errorf("%v", err)
	}
}

func FuzzCompactStruct(f *testing.F) {
	f.Add([]byte{0x15, 2, 0x19, 0x2c, 0, 0, 0})
	f.Add([]byte{0x1b, 1, 0x85, 4, 1, 'x', 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		if n, err := compactStruct(data); err == nil && (n < 1 || n > len(data)) {
			t.Errorf("%d of %d bytes", n, len(data))
		}
	})
}
