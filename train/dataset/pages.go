package dataset

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// What is taken of a label file, far above what writers make: bytes of its footer and of
// a page's header, of a page in memory (they are of about 1 MiB), its values, and the
// bytes of one value.
const (
	maxFooter = 256 << 20
	maxHeader = 1 << 20
	maxPage   = 256 << 20
	maxValues = 1 << 26
	maxValue  = 1 << 20
)

// checkFooter goes through a file's footer before the library makes room for what it
// says.
func checkFooter(file io.ReaderAt, size int64) error {
	tail := make([]byte, 8)
	if size < 12 {
		return fmt.Errorf("is %d bytes long, expected a parquet file", size)
	}
	if _, err := file.ReadAt(tail, size-8); err != nil {
		return fmt.Errorf("cannot be read: %w", plain(err))
	}
	length := int64(binary.LittleEndian.Uint32(tail))
	if string(tail[4:]) != "PAR1" || length > size-12 || length > maxFooter {
		return errors.New("is no parquet file, is cut off, or is encrypted: it does not end with a footer and PAR1")
	}
	footer := make([]byte, length)
	if _, err := file.ReadAt(footer, size-8-length); err != nil {
		return fmt.Errorf("cannot be read: %w", plain(err))
	}
	if _, err := compactStruct(footer); err != nil {
		return fmt.Errorf("is damaged: the footer: %w", err)
	}
	return nil
}

// checkPages goes through the pages' headers of a column, before the library makes
// room for what these say.
func checkPages(file io.ReaderAt, size int64, m *format.FileMetaData, group, column int) error {
	if group >= len(m.RowGroups) || column >= len(m.RowGroups[group].Columns) {
		return errors.New("it is not in the file's list")
	}
	data := m.RowGroups[group].Columns[column].MetaData
	if data.Codec == format.Lz4 || data.Codec == format.Lz4Raw {
		// The library doubles its room without end where such a page is damaged.
		return fmt.Errorf("it is compressed as %s, expected Snappy, Zstandard, gzip, Brotli or none", data.Codec)
	}
	start, length := data.DataPageOffset, data.TotalCompressedSize
	if d := data.DictionaryPageOffset; d != 0 {
		if d < 0 || d > start {
			return fmt.Errorf("its dictionary is at %d, its data at %d", d, start)
		}
		start = d
	}
	if start < 0 || length < 0 || start > size || length > size-start {
		return fmt.Errorf("its %d bytes from %d on are not in the file", length, start)
	}
	left := data.NumValues
	for at := start; at < start+length; {
		taken, values, err := checkPage(file, at, start+length-at, data.Codec, left)
		if err != nil {
			return fmt.Errorf("the page at %d: %w", at, err)
		}
		at, left = at+taken, left-values
	}
	if left != 0 {
		return fmt.Errorf("its pages lack %d of %d values", left, data.NumValues)
	}
	return nil
}

// checkPage looks at the page at some place of a column, of which some bytes and values
// are left, and returns how many of both it takes.
func checkPage(file io.ReaderAt, at, room int64, codec format.CompressionCodec, left int64) (taken, values int64, err error) {
	head, err := readHeader(file, at, room)
	if err != nil {
		return 0, 0, err
	}
	var h format.PageHeader
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), head, &h); err != nil {
		return 0, 0, err
	}
	length := len(head)
	packed, unpacked := int64(h.CompressedPageSize), int64(h.UncompressedPageSize)
	if packed < 0 || packed > room-int64(length) || unpacked < 0 || unpacked > maxPage {
		return 0, 0, fmt.Errorf("it says that it has %d bytes, %d unpacked, expected at most %d and %d", packed, unpacked, room-int64(length), maxPage)
	}
	levels := int64(0)
	switch h.Type {
	case format.DataPage:
		values = int64(h.DataPageHeader.V.NumValues)
	case format.DataPageV2:
		v := h.DataPageHeaderV2.V
		values = int64(v.NumValues)
		if v.RepetitionLevelsByteLength < 0 || v.DefinitionLevelsByteLength < 0 {
			return 0, 0, errors.New("it has fewer than no bytes of levels")
		}
		if levels = int64(v.RepetitionLevelsByteLength) + int64(v.DefinitionLevelsByteLength); levels > packed {
			return 0, 0, fmt.Errorf("it says that %d of its %d bytes are levels", levels, packed)
		}
	case format.DictionaryPage:
		if n := int64(h.DictionaryPageHeader.V.NumValues); n < 0 || n > unpacked {
			return 0, 0, fmt.Errorf("it says that it has %d values in %d bytes", n, unpacked)
		}
	}
	if values < 0 || values > left || values > maxValues {
		return 0, 0, fmt.Errorf("it says that it has %d values, where %d are left", values, left)
	}
	if codec == format.Snappy {
		// Its data begin with their length, for which room is made.
		begin := make([]byte, min(packed-levels, binary.MaxVarintLen32))
		if _, err := file.ReadAt(begin, at+int64(length)+levels); err != nil && !errors.Is(err, io.EOF) {
			return 0, 0, plain(err)
		}
		if n, _ := binary.Uvarint(begin); n > maxPage {
			return 0, 0, fmt.Errorf("its data say that they have %d bytes unpacked, expected at most %d", n, maxPage)
		}
	}
	return int64(length) + packed, values, nil
}

// readHeader reads a page's header. Most have some fifty bytes; those with the least and
// the greatest of long texts have more.
func readHeader(file io.ReaderAt, at, room int64) ([]byte, error) {
	for most := int64(4 << 10); ; most *= 16 {
		head := make([]byte, min(room, most))
		if _, err := file.ReadAt(head, at); err != nil && !errors.Is(err, io.EOF) {
			return nil, plain(err)
		}
		length, err := compactStruct(head)
		if err == nil || most >= min(room, maxHeader) {
			return head[:length], err
		}
	}
}
