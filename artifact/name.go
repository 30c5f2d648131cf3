package artifact

import (
	"crypto/rand"
	"strings"

	"cosmicman/job"
)

// NewName returns a fresh name with 130 random bits, so that only who was told it
// can ask for it. ext is an extension such as ".png", or "".
func NewName(ext string) string { return "img_" + strings.ToLower(rand.Text()) + ext }

const longestName = 100

// CheckName refuses, as job.Invalid, every name but small letters, digits, and
// between them single characters of ._- so that none is hidden, a path or a device.
func CheckName(name string) error {
	ok := name != "" && len(name) <= longestName
	mark := true // at the start, or behind a mark
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			mark = false
		case !mark && (c == '.' || c == '_' || c == '-'):
			mark = true
		default:
			ok = false
		}
	}
	if !ok || mark {
		return &job.Error{Kind: job.Invalid, Field: "artifact", Message: "that is not the name of an artifact"}
	}
	return nil
}
