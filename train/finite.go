package train

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNotFinite is returned for losses and gradients with an infinity or no number in
// them.
var ErrNotFinite = errors.New("not finite")

// finite reports whether all values are numbers.
func finite(values []float32) bool {
	for _, v := range values {
		if v-v != 0 { // an infinity less itself is no number
			return false
		}
	}
	return true
}

// someOf lists a few names, and how many more there are.
func someOf(names []string) string {
	const most = 8
	if n := len(names) - most; n > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), n)
	}
	return strings.Join(names, ", ")
}
