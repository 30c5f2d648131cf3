package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// The framing's sizes.
const (
	recordHead = 12
	recordTail = 4
	maxRecord  = 64 << 20
)

var errTorn = errors.New("the last record is torn")

// nextRecord takes a framed record from the beginning of b. errTorn says that b ends
// within it.
func nextRecord(b []byte) (data, rest []byte, err error) {
	if len(b) < recordHead {
		return nil, nil, errTorn
	}
	if masked(b[:8]) != binary.LittleEndian.Uint32(b[8:]) {
		return nil, nil, errors.New("the checksum of a record's length is wrong")
	}
	n := binary.LittleEndian.Uint64(b)
	if n > maxRecord {
		return nil, nil, fmt.Errorf("a record of %d bytes", n)
	}
	if b = b[recordHead:]; uint64(len(b)) < n+recordTail {
		return nil, nil, errTorn
	}
	data, b = b[:n], b[n:]
	if masked(data) != binary.LittleEndian.Uint32(b) {
		return nil, nil, errors.New("a record's checksum is wrong")
	}
	return data, b[recordTail:], nil
}

// field is one of a message.
type field struct {
	number protowire.Number
	bits   uint64
	data   []byte
}

func fields(t *testing.T, b []byte) (all []field) {
	t.Helper()
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		b = b[n:]
		f := field{number: number}
		switch kind {
		case protowire.VarintType:
			f.bits, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(b)
			f.bits = uint64(v)
		case protowire.Fixed64Type:
			f.bits, n = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			f.data, n = protowire.ConsumeBytes(b)
		default:
			t.Fatalf("field %d of kind %d", number, kind)
		}
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		b = b[n:]
		all = append(all, f)
	}
	return all
}

// readEvents reads an event file back.
func readEvents(t *testing.T, b []byte) (all []event) {
	t.Helper()
	for len(b) > 0 {
		data, rest, err := nextRecord(b)
		if err != nil {
			t.Fatal(err)
		}
		b = rest
		var e event
		for _, f := range fields(t, data) {
			switch f.number {
			case eventTime:
				e.at = time.UnixMicro(int64(math.Round(1e6 * math.Float64frombits(f.bits)))).UTC()
			case eventStep:
				e.step = int64(f.bits)
			case eventVersion:
				e.version = string(f.data)
			case eventSession:
				for _, s := range fields(t, f.data) {
					e.start = e.start || s.number == sessionStatus && s.bits == statusStart
				}
			case eventSummary:
				for _, v := range fields(t, f.data) {
					e.values = append(e.values, readValue(t, v.data))
				}
			default:
				t.Errorf("field %d of an event", f.number)
			}
		}
		all = append(all, e)
	}
	return all
}

func readValue(t *testing.T, b []byte) (v value) {
	for _, f := range fields(t, b) {
		switch f.number {
		case valueTag:
			v.tag = string(f.data)
		case valueScalar:
			v.scalar = float64(math.Float32frombits(uint32(f.bits)))
		case valueImage:
			for _, p := range fields(t, f.data) {
				switch p.number {
				case imageHeight:
					v.height = int(p.bits)
				case imageWidth:
					v.width = int(p.bits)
				case imageData:
					v.png = p.data
				}
			}
		case valueTensor:
			for _, p := range fields(t, f.data) {
				if p.number == tensorString {
					v.text = string(p.data)
				}
			}
		}
	}
	return v
}

func TestEventsAreReadAgain(t *testing.T) {
	at := time.Date(2026, 5, 4, 3, 2, 1, 500_000_000, time.UTC)
	want := []event{
		{at: at, version: "brain.Event:2"},
		{at: at, step: 101, start: true},
		{at: at, step: 1 << 40, values: []value{{tag: "loss/total", scalar: 0.25}, {tag: "x", scalar: math.Inf(1)}}},
		{at: at, values: []value{{tag: "samples", png: []byte("png"), width: 640, height: 480}, {tag: "settings", text: "| a | b |"}}},
	}
	var b []byte
	for _, e := range want {
		b = appendRecord(b, e.encode())
	}
	if got := readEvents(t, b); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("read %v, want %v", got, want)
	}
}

// TestMasked holds checksums to those that TensorFlow's own files have.
func TestMasked(t *testing.T) {
	// CRC-32C of 32 zero bytes is 0x8a9136aa (RFC 3720, B.4).
	const crc = 0x8a9136aa
	var rotated uint32 = crc>>15 | crc<<17&0xffffffff
	if got := masked(make([]byte, 32)); got != rotated+0xa282ead8 {
		t.Errorf("%#x", got)
	}
}

func FuzzNextRecord(f *testing.F) {
	good := appendRecord(appendRecord(nil, []byte("first")), nil)
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(binary.LittleEndian.AppendUint64(nil, math.MaxUint64))
	f.Fuzz(func(t *testing.T, b []byte) {
		data, rest, err := nextRecord(b)
		if err != nil {
			return
		}
		if again := append(appendRecord(nil, data), rest...); !bytes.Equal(again, b) {
			t.Errorf("%x was read from %x", data, b)
		}
	})
}
