package dataset

import (
	"encoding/binary"
	"errors"
)

// compactStruct goes through a struct in Thrift's compact protocol, in which parquet's
// headers are written, and returns how many bytes it takes. Every length in it is held
// against the bytes that are there: the parquet library makes room for what they say.
func compactStruct(data []byte) (int, error) {
	w := compact{data: data}
	err := w.structure(0)
	return w.at, err
}

// compact is a place in such data.
type compact struct {
	data []byte
	at   int
}

var errCompact = errors.New("a length in its header leads out of it")

// The types of the compact protocol.
const (
	compactTrue   = 1
	compactFalse  = 2
	compactByte   = 3
	compactI16    = 4
	compactI64    = 6
	compactDouble = 7
	compactBinary = 8
	compactList   = 9
	compactSet    = 10
	compactMap    = 11
	compactStruc  = 12
	compactUUID   = 13

	compactDepth = 32 // parquet's headers are far shallower
)

func (w *compact) byte() (byte, error) {
	if w.at >= len(w.data) {
		return 0, errCompact
	}
	w.at++
	return w.data[w.at-1], nil
}

func (w *compact) skip(n uint64) error {
	if n > uint64(len(w.data)-w.at) {
		return errCompact
	}
	w.at += int(n)
	return nil
}

func (w *compact) varint() (uint64, error) {
	v, n := binary.Uvarint(w.data[w.at:])
	if n <= 0 {
		return 0, errCompact
	}
	w.at += n
	return v, nil
}

func (w *compact) structure(depth int) error {
	if depth > compactDepth {
		return errCompact
	}
	for {
		field, err := w.byte()
		if err != nil || field == 0 {
			return err
		}
		if field>>4 == 0 { // the field's number follows
			if _, err := w.varint(); err != nil {
				return err
			}
		}
		if kind := field & 15; kind != compactTrue && kind != compactFalse { // those are in the type
			if err := w.value(kind, depth); err != nil {
				return err
			}
		}
	}
}

func (w *compact) value(kind byte, depth int) error {
	switch {
	case kind == compactTrue || kind == compactFalse || kind == compactByte:
		return w.skip(1)
	case compactI16 <= kind && kind <= compactI64:
		_, err := w.varint()
		return err
	case kind == compactDouble:
		return w.skip(8)
	case kind == compactUUID:
		return w.skip(16)
	case kind == compactBinary:
		n, err := w.varint()
		if err != nil {
			return err
		}
		return w.skip(n)
	case kind == compactList || kind == compactSet:
		return w.list(depth)
	case kind == compactMap:
		return w.pairs(depth)
	case kind == compactStruc:
		return w.structure(depth + 1)
	}
	return errCompact
}

func (w *compact) list(depth int) error {
	head, err := w.byte()
	if err != nil {
		return err
	}
	n := uint64(head >> 4)
	if n == 15 {
		if n, err = w.varint(); err != nil {
			return err
		}
	}
	return w.values(n, depth, head&15)
}

func (w *compact) pairs(depth int) error {
	n, err := w.varint()
	if err != nil || n == 0 {
		return err
	}
	kinds, err := w.byte()
	if err != nil {
		return err
	}
	return w.values(n, depth, kinds>>4, kinds&15)
}

// values goes through n times values of some types, each of at least a byte.
func (w *compact) values(n uint64, depth int, kinds ...byte) error {
	if n > uint64(len(w.data)-w.at) || depth > compactDepth {
		return errCompact
	}
	for range n {
		for _, kind := range kinds {
			if err := w.value(kind, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}
