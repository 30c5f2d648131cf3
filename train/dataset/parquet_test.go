package dataset

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestLabelFilesOfPyarrow: files that oracle/dataset.py made with pyarrow, in the types,
// compressions and encodings that there are.
func TestLabelFilesOfPyarrow(t *testing.T) {
	for _, name := range []string{"plain", "odd", "pages2", "delta"} {
		rows, lacks, err := readLabelFile(filepath.Join("testdata", name+".parquet"))
		if err != nil || len(lacks) > 0 || len(rows) != 7 {
			t.Errorf("%s: %d rows, lacks %v: %v", name, len(rows), lacks, err)
			continue
		}
		for i, r := range rows {
			shot := ""
			if i%2 == 1 {
				shot = "full_body"
			}
			if r.path != fmt.Sprintf("images/%d.png", i) || r.segmPath != fmt.Sprintf("segm/%d.png", i) || r.height != float64(128+i) || r.width != 96 || r.personType != shot {
				t.Errorf("%s: row %d is %+v", name, i, r)
			}
			if !strings.Contains(r.aaText, fmt.Sprintf(`"wall %d"`, i)) || !strings.HasPrefix(r.aaIDs, "[[11], null, [0], [2]") {
				t.Errorf("%s: row %d says %s, %s", name, i, r.aaText, r.aaIDs)
			}
		}
	}
}

func TestLabelFilesThatLackColumns(t *testing.T) {
	rows, lacks, err := readLabelFile("testdata/few.parquet")
	if err != nil || len(rows) != 7 {
		t.Fatalf("%d rows: %v", len(rows), err)
	}
	if want := []string{"segm_path", "aa_ids", "person_type", "height", "width"}; !slices.Equal(lacks, want) {
		t.Errorf("lacks %v, expected %v", lacks, want)
	}
	if _, _, err := readLabelFile("testdata/lz4.parquet"); err == nil || !strings.Contains(err.Error(), "compressed as LZ4_RAW, expected Snappy") {
		t.Errorf("of LZ4: %v", err)
	}
	_, _, err = readLabelFile("testdata/lacking.parquet")
	if err == nil {
		t.Fatal("a label file without paths was taken")
	}
	wantAll(t, err.Error(), "column path is missing", "column aa_text is missing", "there are segm_path, height")
}

func TestLabelFilesOfWrongTypes(t *testing.T) {
	_, _, err := readLabelFile("testdata/wrong.parquet")
	if err == nil {
		t.Fatal("a label file of wrong types was taken")
	}
	wantAll(t, err.Error(), "column path is INT", "column aa_text is a list or a group, expected text", "column height is STRING, expected a number", "column aa_ids is a list or a group")
}

// TestDamagedLabelFiles: every single byte changed, and many lengths; an error or rows,
// and no panic.
func TestDamagedLabelFiles(t *testing.T) {
	refused := 0
	for _, name := range []string{"plain", "pages2"} {
		data, err := os.ReadFile(filepath.Join("testdata", name+".parquet"))
		if err != nil {
			t.Fatal(err)
		}
		for at := range data {
			changed := bytes.Clone(data)
			changed[at] ^= 1 << (at % 8)
			if _, _, err := readRows(bytes.NewReader(changed), int64(len(changed))); err != nil {
				refused++
			}
			if at%8 != 0 {
				continue
			}
			if _, _, err := readRows(bytes.NewReader(data[:at]), int64(at)); err == nil {
				t.Fatalf("%s: the first %d of %d bytes were taken", name, at, len(data))
			}
		}
	}
	if refused < 500 {
		t.Errorf("only %d changes were refused", refused)
	}
}
