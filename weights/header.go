package weights

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"cosmicman/tensor"
)

// The limits of the format: https://github.com/huggingface/safetensors
const (
	maxHeader = 100_000_000
	maxRank   = 16 // bounds what a header can make us allocate; networks use 4
)

// dtypeNames are safetensors' names of the element types that this package reads.
var dtypeNames = map[string]tensor.DType{
	"F64": tensor.Float64, "F32": tensor.Float32, "F16": tensor.Float16, "BF16": tensor.BFloat16,
	"I64": tensor.Int64, "I32": tensor.Int32, "I16": tensor.Int16, "I8": tensor.Int8, "U8": tensor.Uint8, "BOOL": tensor.Bool,
}

// parseHeader reads a safetensors header and checks it against the number of
// bytes that follow it. The entries come sorted by offset and tile those bytes
// exactly; their offsets count from the header's end.
func parseHeader(b []byte, data int64) ([]Entry, map[string]string, error) {
	if len(b) == 0 || b[0] != '{' {
		return nil, nil, errors.New("the header does not begin with '{'")
	}
	// The format pads with spaces only; what else stands after the object is refused below.
	s, err := newScanner(bytes.TrimRight(b, " "))
	if err != nil {
		return nil, nil, fmt.Errorf("header: %w", err)
	}
	var entries []Entry
	var metadata map[string]string
	err = s.object(func(key string) error {
		if key == "__metadata__" {
			metadata = make(map[string]string)
			err := s.object(func(k string) error {
				v, err := s.str()
				metadata[k] = v
				return err
			})
			if err != nil {
				return fmt.Errorf("__metadata__ must map strings to strings: %w", err)
			}
			return nil
		}
		e, err := parseEntry(s)
		if err != nil {
			return fmt.Errorf("tensor %s: %w", show(key), err)
		}
		e.Name, e.Key = key, key
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("header: %w", err)
	}
	if s.i != len(s.b) {
		return nil, nil, fmt.Errorf("header: %w", s.fail("trailing data"))
	}
	return entries, metadata, checkSpans(entries, data)
}

// parseEntry reads {"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}: these
// three members, each once, in any order.
func parseEntry(s *scanner) (Entry, error) {
	var e Entry
	var dtype string
	var span [2]int64
	var have [3]bool
	err := s.object(func(key string) (err error) {
		switch key {
		case "dtype":
			have[0] = true
			dtype, err = s.str()
		case "shape":
			have[1] = true
			e.Shape = make(tensor.Shape, 0, 4)
			err = s.array(func(i int) error {
				if i == maxRank {
					return fmt.Errorf("more than %d dimensions", maxRank)
				}
				d, err := s.natural()
				e.Shape = append(e.Shape, d)
				return err
			})
		case "data_offsets":
			have[2] = true
			n := 0
			err = s.array(func(i int) (err error) {
				if i == len(span) {
					return errors.New("more than two offsets")
				}
				n++
				span[i], err = s.natural()
				return err
			})
			if err == nil && n != len(span) {
				err = fmt.Errorf("two offsets are expected, %d found", n)
			}
		default:
			return fmt.Errorf("unknown member %s", show(key))
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", key, err)
		}
		return err
	})
	if err != nil {
		return e, err
	}
	for i, name := range []string{"dtype", "shape", "data_offsets"} {
		if !have[i] {
			return e, fmt.Errorf("%s is missing", name)
		}
	}
	if e.DType = dtypeNames[dtype]; e.DType == tensor.Invalid {
		return e, fmt.Errorf("element type %s is not supported", show(dtype))
	}
	if span[0] > span[1] {
		return e, fmt.Errorf("data_offsets [%d, %d] run backwards", span[0], span[1])
	}
	e.Offset, e.Length = span[0], span[1]-span[0]
	n, err := e.Shape.Elements()
	if err != nil {
		return e, err
	}
	// Compared by division: n times the size could overflow.
	if size := int64(e.DType.Size()); e.Length%size != 0 || e.Length/size != n {
		return e, fmt.Errorf("shape %v of %s is not %d bytes long", e.Shape, e.DType, e.Length)
	}
	return e, nil
}

// checkSpans sorts entries by offset and checks that they start at 0, touch,
// do not overlap and end at data, the number of bytes there are.
func checkSpans(entries []Entry, data int64) error {
	slices.SortStableFunc(entries, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Length, b.Length))
	})
	end, last := int64(0), "the header"
	for _, e := range entries {
		if e.Offset < end {
			return fmt.Errorf("tensor %s overlaps %s", show(e.Key), show(last))
		}
		if e.Offset > end {
			return fmt.Errorf("%d bytes before tensor %s belong to no tensor", e.Offset-end, show(e.Key))
		}
		// Offset and Length came from one span, so the sum cannot overflow.
		if end = e.Offset + e.Length; end > data {
			return fmt.Errorf("tensor %s ends at byte %d of the data, which has %d: the file is cut off", show(e.Key), end, data)
		}
		last = e.Key
	}
	if end < data {
		return fmt.Errorf("%d bytes after the last tensor belong to no tensor", data-end)
	}
	return nil
}
