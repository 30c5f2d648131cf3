package picture

// Error is why a file cannot be read or written. Reason is for the public and goes
// on from the file's name or field: "is 9 bytes long, ...". Cause is for the log.
type Error struct {
	Reason string
	Cause  error
}

func (e *Error) Error() string { return e.Reason }

func (e *Error) Unwrap() error { return e.Cause }
