package job

import (
	"errors"
	"fmt"
	"time"
)

// Kind of an error: what a program may do about it.
type Kind string

// The kinds.
const (
	Invalid     Kind = "invalid"       // the request cannot be drawn; Field names what is wrong
	NotFound    Kind = "not_found"     // no such job, or it is no longer kept
	NoModel     Kind = "no_model"      // no such model
	Conflict    Kind = "conflict"      // an idempotency key was used for another request
	Overloaded  Kind = "overloaded"    // refused at the door; RetryAfter says when to come again
	Unavailable Kind = "unavailable"   // the store or the model cannot be reached now
	OutOfMemory Kind = "out_of_memory" // of the device, even with the fewest rows
	Engine      Kind = "engine"        // drawing failed; worth another attempt elsewhere
	Crashed     Kind = "crashed"       // its worker died
	PastDue     Kind = "expired"       // the deadline passed
	Withdrawn   Kind = "cancelled"     //
	Lost        Kind = "lost"          // the store lost the job: it came back empty
	Fenced      Kind = "fenced"        // a later start was given to another worker
	TooNew      Kind = "too_new"       // a record or store of a newer program
)

// Error is the one error that crosses packages. Message is for the public; the
// cause stays in this process, for its log.
type Error struct {
	Kind       Kind          `json:"kind"`
	Field      string        `json:"field,omitempty"`
	Message    string        `json:"message"`
	RetryAfter time.Duration `json:"retry_after,omitempty"`
	Cause      error         `json:"-"`
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Message + ": " + e.Cause.Error()
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Cause }

// Errorf makes an error of a kind without a cause.
func Errorf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// KindOf returns the kind of the first *Error in err's chain, "" if there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}
