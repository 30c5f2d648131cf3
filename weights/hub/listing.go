package hub

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"cosmicman/weights"
)

const (
	// maxAnswer bounds an answer about a repository. The largest repositories have some
	// thousand files of about 300 bytes each.
	maxAnswer = 16 << 20
	maxFiles  = 20000
	// maxSize is more than any file of the hub may have.
	maxSize = 1 << 40
	// maxName is what a file's path may have, and maxElement each element of it.
	maxName    = 1024
	maxElement = 255
)

// listing is what the endpoint says about a revision.
type listing struct {
	commit string
	files  map[string]remote
	names  []string // of files, in the server's order
}

// remote is a file as the endpoint lists it.
type remote struct {
	name string
	size int64 // -1 where it is not told
	hash string
}

// known reports whether the file's size and hash were told.
func (r remote) known() bool { return r.hash != "" && r.size >= 0 }

// parseListing reads the answer of GET /api/models/NAME/revision/REVISION. Where the server
// tells no hashes (blobs=true was not understood), they are left empty.
func parseListing(data []byte) (*listing, error) {
	var answer struct {
		SHA      string `json:"sha"`
		Siblings []struct {
			Name string  `json:"rfilename"`
			Size *int64  `json:"size"`
			Blob *string `json:"blobId"`
			LFS  *struct {
				SHA256 string `json:"sha256"`
				OID    string `json:"oid"` // as lists of folders call it
				Size   *int64 `json:"size"`
			} `json:"lfs"`
		} `json:"siblings"`
	}
	if !utf8.Valid(data) {
		return nil, errors.New("the answer is not UTF-8")
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return nil, errors.New("the answer is not the JSON that was expected")
	}
	if !weights.IsCommit(answer.SHA) {
		return nil, fmt.Errorf("sha is %.80q, expected a commit", answer.SHA)
	}
	if len(answer.Siblings) == 0 || len(answer.Siblings) > maxFiles {
		return nil, fmt.Errorf("siblings has %d entries, expected 1 to %d", len(answer.Siblings), maxFiles)
	}
	l := &listing{commit: answer.SHA, files: map[string]remote{}}
	folded := map[string]string{}
	for _, s := range answer.Siblings {
		if err := checkName(s.Name); err != nil {
			return nil, err
		}
		// Some file systems take names that differ in case for one.
		low := strings.ToLower(s.Name)
		if other, twice := folded[low]; twice && relevant(s.Name) {
			return nil, fmt.Errorf("two files have one name but for case: %.200q and %.200q", other, s.Name)
		}
		folded[low] = s.Name
		r := remote{name: s.Name, size: -1}
		if s.Size != nil {
			r.size = *s.Size
		}
		switch {
		case s.LFS != nil:
			if s.LFS.Size != nil {
				r.size = *s.LFS.Size
			}
			if r.hash = cmp.Or(s.LFS.SHA256, s.LFS.OID); !isHash(r.hash, 64) {
				return nil, fmt.Errorf("%.200q: lfs.sha256 is %.80q, expected 64 hexadecimal digits", s.Name, r.hash)
			}
		case s.Blob != nil:
			if !isHash(*s.Blob, 40) {
				return nil, fmt.Errorf("%.200q: blobId is %.80q, expected 40 hexadecimal digits", s.Name, *s.Blob)
			}
			r.hash = *s.Blob
		}
		if r.size < -1 || r.size > maxSize || (s.Size != nil && *s.Size < 0) {
			return nil, fmt.Errorf("%.200q: size is %d, expected 0 to %d", s.Name, r.size, int64(maxSize))
		}
		l.files[s.Name] = r
		l.names = append(l.names, s.Name)
	}
	return l, nil
}

// plain is what the files that are fetched are called; others are of no interest.
var plain = regexp.MustCompile(`^(?:[A-Za-z0-9_][A-Za-z0-9._-]*/)?[A-Za-z0-9_][A-Za-z0-9._-]*$`)

func relevant(name string) bool { return plain.MatchString(name) }

// checkName refuses what no git repository can hold, and what could lead out of a folder.
func checkName(name string) error {
	wrong := func(why string) error { return fmt.Errorf("the file name %.200q %s", name, why) }
	switch {
	case name == "" || len(name) > maxName:
		return wrong(fmt.Sprintf("has %d bytes, expected 1 to %d", len(name), maxName))
	case strings.ContainsAny(name, "\\\x00"):
		return wrong("holds a backslash or a NUL")
	case name[0] == '/':
		return wrong("is absolute")
	}
	for element := range strings.SplitSeq(name, "/") {
		switch {
		case element == "" || element == "." || element == "..":
			return wrong("leads out of its folder")
		case len(element) > maxElement:
			return wrong(fmt.Sprintf("has an element of %d bytes, expected at most %d", len(element), maxElement))
		}
	}
	return nil
}

func isHash(s string, digits int) bool {
	_, err := hex.DecodeString(s)
	return err == nil && len(s) == digits && strings.ToLower(s) == s
}
