package dataset

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
)

// row is a row of CosmicMan-HQ's label files.
type row struct {
	path, segmPath, aaText, aaIDs, personType string
	height, width                             float64 // 0: not said
}

// column is one that is read of a label file.
type column struct {
	name     string
	required bool
	text     func(*row) *string
	number   func(*row) *float64
}

var columns = []column{
	{name: "path", required: true, text: func(r *row) *string { return &r.path }},
	{name: "segm_path", text: func(r *row) *string { return &r.segmPath }},
	{name: "aa_text", required: true, text: func(r *row) *string { return &r.aaText }},
	{name: "aa_ids", text: func(r *row) *string { return &r.aaIDs }},
	{name: "person_type", text: func(r *row) *string { return &r.personType }},
	{name: "height", number: func(r *row) *float64 { return &r.height }},
	{name: "width", number: func(r *row) *float64 { return &r.width }},
}

// labelFiles lists a folder's, all of them, in order.
func labelFiles(dir string) ([]string, error) {
	found, err := filepath.Glob(filepath.Join(globEscape(dir), "label", "*.parquet"))
	slices.Sort(found)
	return found, err
}

// globEscape keeps a folder's name from being read as a pattern.
func globEscape(dir string) string {
	var out strings.Builder
	for _, r := range dir {
		if strings.ContainsRune(`*?[\`, r) && filepath.Separator == '/' {
			out.WriteByte('\\')
		}
		out.WriteRune(r)
	}
	return out.String()
}

// readLabelFile reads a label file's rows and says which optional columns it lacks.
func readLabelFile(path string) (rows []row, lacks []string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	return readRows(f, info.Size())
}

// readRows reads a parquet file of some size. The library trusts what it reads in
// places, and panics on some damaged files: that is an error here.
func readRows(file io.ReaderAt, size int64) (rows []row, lacks []string, err error) {
	defer func() {
		if p := recover(); p != nil {
			rows, lacks, err = nil, nil, fmt.Errorf("is damaged: the parquet reader panicked: %v", p)
		}
	}()
	if err := checkFooter(file, size); err != nil {
		return nil, nil, err
	}
	f, err := parquet.OpenFile(file, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, nil, fmt.Errorf("is no parquet file that can be read: %w", err)
	}
	indexes, lacks, err := findColumns(f)
	if err != nil {
		return nil, nil, err
	}
	for n, group := range f.RowGroups() {
		first := len(rows)
		for k, c := range columns {
			if indexes[k] < 0 {
				continue
			}
			chunks := group.ColumnChunks()
			if indexes[k] >= len(chunks) {
				return nil, nil, fmt.Errorf("is damaged: row group %d has no column %s", n, c.name)
			}
			if err := checkPages(file, size, f.Metadata(), n, indexes[k]); err != nil {
				return nil, nil, fmt.Errorf("cannot be read: column %s: %w", c.name, err)
			}
			if rows, err = readColumn(chunks[indexes[k]], c, rows, first, k == 0); err != nil {
				return nil, nil, fmt.Errorf("column %s: %w", c.name, err)
			}
		}
		if int64(len(rows)-first) != group.NumRows() {
			return nil, nil, fmt.Errorf("is damaged: row group %d has %d rows, but says %d", n, len(rows)-first, group.NumRows())
		}
	}
	return rows, lacks, nil
}

// findColumns returns the places of the columns that are read, -1 where one is not
// there. Every fault of the schema is named.
func findColumns(f *parquet.File) (indexes []int, lacks []string, err error) {
	var faults []error
	root := f.Root()
	for _, c := range columns {
		node := root.Column(c.name)
		switch {
		case node == nil && c.required:
			var have []string
			for _, other := range root.Columns() {
				have = append(have, other.Name())
			}
			faults = append(faults, fmt.Errorf("column %s is missing; there are %s", c.name, strings.Join(have, ", ")))
		case node == nil:
			lacks = append(lacks, c.name)
		case !node.Leaf() || node.Repeated():
			faults = append(faults, fmt.Errorf("column %s is a list or a group, expected %s", c.name, c.wants()))
		case !c.takes(node.Type().Kind()):
			faults = append(faults, fmt.Errorf("column %s is %s, expected %s", c.name, node.Type(), c.wants()))
		}
		if node == nil {
			indexes = append(indexes, -1)
		} else {
			indexes = append(indexes, node.Index())
		}
	}
	return indexes, lacks, errors.Join(faults...)
}

func (c column) wants() string {
	if c.text != nil {
		return "text"
	}
	return "a number"
}

func (c column) takes(k parquet.Kind) bool {
	if c.text != nil {
		return k == parquet.ByteArray || k == parquet.FixedLenByteArray
	}
	return k == parquet.Int32 || k == parquet.Int64 || k == parquet.Float || k == parquet.Double
}

// readColumn writes a column's values into the rows from first on; the first column
// makes the rows.
func readColumn(chunk parquet.ColumnChunk, c column, rows []row, first int, makes bool) ([]row, error) {
	pages := chunk.Pages()
	defer pages.Close()
	values := make([]parquet.Value, 512)
	at := first
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return rows, err
		}
		reader := page.Values()
		for {
			n, err := reader.ReadValues(values)
			for _, v := range values[:n] {
				if makes {
					rows = append(rows, row{})
				}
				if at >= len(rows) {
					parquet.Release(page)
					return rows, errors.New("has more values than the column path")
				}
				if c.text != nil && len(v.ByteArray()) > maxValue {
					parquet.Release(page)
					return rows, fmt.Errorf("has a value of %d bytes, expected at most %d", len(v.ByteArray()), maxValue)
				}
				c.set(&rows[at], v)
				at++
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil || n == 0 {
				parquet.Release(page)
				return rows, errors.Join(err, errors.New("cannot be read"))
			}
		}
		parquet.Release(page)
	}
	if at != len(rows) {
		return rows, fmt.Errorf("has %d values for %d rows", at-first, len(rows)-first)
	}
	return rows, nil
}

// set writes a value, which is copied; null is as if nothing were said.
func (c column) set(r *row, v parquet.Value) {
	switch {
	case v.IsNull():
	case c.text != nil:
		*c.text(r) = string(v.ByteArray())
	case v.Kind() == parquet.Int32:
		*c.number(r) = float64(v.Int32())
	case v.Kind() == parquet.Int64:
		*c.number(r) = float64(v.Int64())
	case v.Kind() == parquet.Float:
		*c.number(r) = float64(v.Float())
	case v.Kind() == parquet.Double:
		*c.number(r) = v.Double()
	}
}
