package inference

import (
	"fmt"

	"cosmicman/ort"
)

// ErrOutOfMemory is what an error is when the device had too little memory for a
// call. No sequence has moved: fewer rows may work.
var ErrOutOfMemory = ort.ErrOutOfMemory

// Error is a request that cannot be drawn: which field is wrong and why.
type Error struct {
	Field, Reason string
}

func (e *Error) Error() string { return e.Field + ": " + e.Reason }

// faults are *Error values.
type faults []error

func (f *faults) add(field, format string, args ...any) {
	*f = append(*f, &Error{field, fmt.Sprintf(format, args...)})
}
