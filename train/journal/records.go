package journal

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func masked(data []byte) uint32 {
	c := crc32.Checksum(data, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}

// appendRecord frames data as TFRecord does: the length in 8 bytes, its masked checksum,
// the data, its masked checksum, all little-endian.
func appendRecord(b, data []byte) []byte {
	at := len(b)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(data)))
	b = binary.LittleEndian.AppendUint32(b, masked(b[at:]))
	b = append(b, data...)
	return binary.LittleEndian.AppendUint32(b, masked(data))
}

// event is TensorBoard's Event message, as far as runs tell of it.
type event struct {
	at      time.Time
	step    int64
	version string // of the file's format: its first event
	// start tells that steps from this one on are made anew.
	start  bool
	values []value
}

// value is one of a summary: a scalar, an image as a PNG, or a text in Markdown.
type value struct {
	tag           string
	scalar        float64
	png           []byte
	width, height int
	text          string
}

// The fields of tensorflow/core/util/event.proto and framework/summary.proto, tensor.proto.
const (
	eventTime, eventStep, eventVersion, eventSummary, eventSession = 1, 2, 3, 5, 7
	summaryValue                                                   = 1
	valueTag, valueScalar, valueImage, valueTensor, valueMeta      = 1, 2, 4, 8, 9
	imageHeight, imageWidth, imageColors, imageData                = 1, 2, 3, 4
	sessionStatus, statusStart                                     = 1, 1
	tensorType, tensorShape, tensorString, typeString              = 1, 2, 8, 7
	shapeDim, dimSize                                              = 2, 1
	metaPlugin, pluginName                                         = 1, 1
)

func (e event) encode() []byte {
	b := protowire.AppendTag(nil, eventTime, protowire.Fixed64Type)
	b = protowire.AppendFixed64(b, math.Float64bits(float64(e.at.UnixMicro())/1e6))
	if e.step != 0 {
		b = appendInt(b, eventStep, e.step)
	}
	switch {
	case e.version != "":
		b = appendBytes(b, eventVersion, []byte(e.version))
	case e.start:
		b = appendBytes(b, eventSession, appendInt(nil, sessionStatus, statusStart))
	default:
		var summary []byte
		for _, v := range e.values {
			summary = appendBytes(summary, summaryValue, v.encode())
		}
		b = appendBytes(b, eventSummary, summary)
	}
	return b
}

func (v value) encode() []byte {
	b := appendBytes(nil, valueTag, []byte(v.tag))
	switch {
	case v.png != nil:
		img := appendInt(nil, imageHeight, int64(v.height))
		img = appendInt(img, imageWidth, int64(v.width))
		img = appendInt(img, imageColors, 3)
		return appendBytes(b, valueImage, appendBytes(img, imageData, v.png))
	case v.text != "":
		t := appendInt(nil, tensorType, typeString)
		t = appendBytes(t, tensorShape, appendBytes(nil, shapeDim, appendInt(nil, dimSize, 1)))
		b = appendBytes(b, valueTensor, appendBytes(t, tensorString, []byte(v.text)))
		return appendBytes(b, valueMeta, appendBytes(nil, metaPlugin, appendBytes(nil, pluginName, []byte("text"))))
	}
	b = protowire.AppendTag(b, valueScalar, protowire.Fixed32Type)
	return protowire.AppendFixed32(b, math.Float32bits(float32(v.scalar)))
}

func appendInt(b []byte, field protowire.Number, n int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(n))
}

func appendBytes(b []byte, field protowire.Number, data []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), data)
}
